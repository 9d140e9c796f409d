// SPDX-License-Identifier: GPL-2.0
/*
 * tap: a network card that is an interface of the host, one that exists or a
 * new one that goes with us. The host's kernel does checksums and segmentation
 * when a frame needs them at all: the guest's frames come as they are.
 *
 * Each pair of queues has a file of its own. With vhost-net the kernel serves
 * the queues, and the functions for frames here are not called.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>

#include "backends/net.h"
#include "core/log.h"

#define TUN_PATH	"/dev/net/tun"
#define MTU_DEFAULT	1500

#define BIT(n)		(1ULL << (n))
#define TAP_FEATURES	(BIT(VIRTIO_NET_F_CSUM) |	\
			 BIT(VIRTIO_NET_F_GUEST_CSUM) |	\
			 BIT(VIRTIO_NET_F_GUEST_TSO4) |	\
			 BIT(VIRTIO_NET_F_GUEST_TSO6) |	\
			 BIT(VIRTIO_NET_F_HOST_TSO4) |	\
			 BIT(VIRTIO_NET_F_HOST_TSO6))

struct tap {
	struct net_backend b;
	char name[IFNAMSIZ];
	unsigned int files;
	int fd[CONFIG_MAX_NET_QUEUES];
	bool attached[CONFIG_MAX_NET_QUEUES];
};

static struct tap *to_tap(struct net_backend *b)
{
	return (struct tap *)b;		/* its first member */
}

/* --- frames --------------------------------------------------------------- */

static int tap_send(struct net_backend *b, unsigned int pair,
		    const struct iovec *iov, unsigned int iovs)
{
	if (writev(to_tap(b)->fd[pair], iov, iovs) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return 0;
}

static ssize_t tap_receive(struct net_backend *b, unsigned int pair,
			   void *frame, size_t max)
{
	ssize_t n = read(to_tap(b)->fd[pair], frame, max);

	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void tap_prepare(struct net_backend *b, unsigned int pair,
			struct poll_set *set, bool want_receive, bool want_send)
{
	short events = (want_receive ? POLLIN : 0) | (want_send ? POLLOUT : 0);

	if (events && !b->vhost)
		poll_set_add(set, to_tap(b)->fd[pair], events);
}

static void tap_polled(struct net_backend *b, unsigned int pair,
		       const struct poll_set *set)
{
	(void)b;
	(void)pair;
	(void)set;		/* receive() says what there is */
}

/* --- what the guest chooses ----------------------------------------------- */

static int tap_set_features(struct net_backend *b, uint64_t features)
{
	unsigned long offload = 0;

	if (features & BIT(VIRTIO_NET_F_GUEST_CSUM))
		offload |= TUN_F_CSUM;
	if (offload && (features & BIT(VIRTIO_NET_F_GUEST_TSO4)))
		offload |= TUN_F_TSO4;
	if (offload && (features & BIT(VIRTIO_NET_F_GUEST_TSO6)))
		offload |= TUN_F_TSO6;
	if (ioctl(to_tap(b)->fd[0], TUNSETOFFLOAD, offload) < 0)
		return -errno;
	return b->vhost ? net_vhost_set_features(b->vhost, features) : 0;
}

/* A detached file gets no frames, which nobody would take out of it. */
static int attach(struct tap *t, unsigned int i, bool on)
{
	struct ifreq r = {
		.ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
	};

	if (t->attached[i] == on)
		return 0;
	if (ioctl(t->fd[i], TUNSETQUEUE, &r) < 0)
		return -errno;
	t->attached[i] = on;
	return 0;
}

static int tap_set_pairs(struct net_backend *b, unsigned int n)
{
	struct tap *t = to_tap(b);
	int err = 0;

	for (unsigned int i = 1; i < t->files && !err; i++)
		err = attach(t, i, i < n);
	return err;
}

/* --- life ----------------------------------------------------------------- */

static void tap_close(struct net_backend *b)
{
	struct tap *t = to_tap(b);

	if (b->vhost)
		net_vhost_close(b->vhost);
	while (t->files > 0)
		close(t->fd[--t->files]);
	free(t);
}

static const struct net_backend_ops tap_ops = {
	.send = tap_send,
	.receive = tap_receive,
	.prepare = tap_prepare,
	.polled = tap_polled,
	.set_features = tap_set_features,
	.set_pairs = tap_set_pairs,
	.close = tap_close,
};

/* --- making one ----------------------------------------------------------- */

static int set_interface(int fd, struct ifreq *r, const char *name, short flags)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
	r->ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags;
	return ioctl(fd, TUNSETIFF, r) < 0 ? -errno : 0;
}

static const char *why_not(int err)
{
	switch (err) {
	case -EBUSY:
		return "it is in use: stop what uses it, or choose another";
	case -EPERM:
		return "permission denied: run colinux as root";
	case -EINVAL:
		return "it exists and is no tap interface with that many queues: choose another";
	}
	return strerror(-err);
}

/* One file of the interface; the first one may create it and gives its name. */
static int open_file(struct tap *t, const char *name, unsigned int pairs,
		     const char *what)
{
	int header = sizeof(struct virtio_net_hdr_v1);
	short many = pairs > 1 ? IFF_MULTI_QUEUE : 0;
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC), err;
	struct ifreq r;

	if (fd < 0) {
		err = -errno;
		say("%s: %s: cannot open: %s: run 'modprobe tun' as root, or use --net nat",
		    what, TUN_PATH, strerror(errno));
		return err;
	}
	t->fd[t->files++] = fd;		/* tap_close() takes care of it */
	err = set_interface(fd, &r, name, many);
	/* One that was made for several queues may be used with one. */
	if (err == -EINVAL && !many)
		err = set_interface(fd, &r, name, IFF_MULTI_QUEUE);
	if (!err && ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
		err = -errno;
	if (err) {
		say("%s: tap interface %s: %s", what, *name ? name : "(new)",
		    why_not(err));
		return err;
	}
	t->attached[t->files - 1] = true;
	memcpy(t->name, r.ifr_name, sizeof(t->name));
	return 0;
}

static bool is_in_bridge(const char *name, const char *bridge)
{
	char path[64], master[256];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/master", name);
	n = readlink(path, master, sizeof(master) - 1);
	if (n < 0)
		return false;
	master[n] = '\0';
	return strrchr(master, '/') && !strcmp(strrchr(master, '/') + 1, bridge);
}

static int join_bridge(const struct tap *t, int sock, const char *bridge)
{
	struct ifreq r = { .ifr_ifindex = if_nametoindex(t->name) };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", bridge);
	if (ioctl(sock, SIOCBRADDIF, &r) == 0)
		return 0;
	if (errno == EBUSY && is_in_bridge(t->name, bridge))
		return 0;
	return -errno;
}

static int bring_up(const struct tap *t, int sock)
{
	struct ifreq r = { 0 };

	memcpy(r.ifr_name, t->name, sizeof(r.ifr_name));
	if (ioctl(sock, SIOCGIFFLAGS, &r) < 0)
		return -errno;
	if (r.ifr_flags & IFF_UP)
		return 0;
	r.ifr_flags |= IFF_UP;
	return ioctl(sock, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

static uint16_t mtu_of(const struct tap *t, int sock)
{
	struct ifreq r = { 0 };

	memcpy(r.ifr_name, t->name, sizeof(r.ifr_name));
	if (ioctl(sock, SIOCGIFMTU, &r) < 0 || r.ifr_mtu < 68)
		return MTU_DEFAULT;
	return r.ifr_mtu > 65535 ? 65535 : r.ifr_mtu;
}

static int set_up(struct tap *t, const char *bridge, const char *what)
{
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = sock < 0 ? -errno : 0;

	if (!err && *bridge) {
		err = join_bridge(t, sock, bridge);
		if (err) {
			say("%s: cannot put %s into bridge %s: %s", what,
			    t->name, bridge,
			    err == -ENODEV ? "there is no such bridge" :
			    err == -EOPNOTSUPP ? "it is no bridge" :
			    strerror(-err));
			goto close;
		}
	}
	if (!err)
		err = bring_up(t, sock);
	if (err)
		say("%s: cannot bring %s up: %s", what, t->name, strerror(-err));
	else
		t->b.mtu = mtu_of(t, sock);
close:
	if (sock >= 0)
		close(sock);
	return err;
}

struct net_backend *net_tap_open(const struct net_config *config,
				 unsigned int pairs, const char *what)
{
	struct tap *t = calloc(1, sizeof(*t));
	const char *name = config->ifname;

	if (!t) {
		say("%s: out of memory", what);
		return NULL;
	}
	t->b.ops = &tap_ops;
	t->b.pairs = pairs;
	t->b.features = TAP_FEATURES;
	for (unsigned int i = 0; i < pairs; i++) {
		if (open_file(t, name, pairs, what))
			goto fail;
		name = t->name;
	}
	if (set_up(t, config->bridge, what))
		goto fail;
	if (!config->no_vhost)
		t->b.vhost = net_vhost_open(t->fd, pairs);
	return &t->b;
fail:
	tap_close(&t->b);
	return NULL;
}

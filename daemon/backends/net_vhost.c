// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-net: the host's kernel serves the queues of a tap interface. It is told
 * where guest memory lies in this process and uses the very eventfds that the
 * driver signals and watches; this process is not involved any more. One
 * descriptor for each pair of queues.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#include "backends/net.h"

#define VHOST_PATH	"/dev/vhost-net"
#define BIT(n)		(1ULL << (n))

/* What must be its business if it serves the queues. */
#define RING_FEATURES	(BIT(VIRTIO_F_VERSION_1) |		\
			 BIT(VIRTIO_NET_F_MRG_RXBUF) |		\
			 BIT(VIRTIO_RING_F_EVENT_IDX) |		\
			 BIT(VIRTIO_RING_F_INDIRECT_DESC))

struct net_vhost {
	unsigned int pairs;
	struct vhost_pair {
		int vhost;
		int tap;	/* not ours */
		int error;	/* eventfd */
	} pair[CONFIG_MAX_NET_QUEUES];
};

static int call(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int open_pair(struct vhost_pair *p, int tap)
{
	uint64_t features = 0;
	int err;

	p->tap = tap;
	p->error = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->vhost = open(VHOST_PATH, O_RDWR | O_CLOEXEC);
	if (p->vhost < 0 || p->error < 0)
		return -ENODEV;
	err = call(p->vhost, VHOST_SET_OWNER, NULL);
	if (!err)
		err = call(p->vhost, VHOST_GET_FEATURES, &features);
	if (!err && (features & RING_FEATURES) != RING_FEATURES)
		err = -EOPNOTSUPP;
	return err;
}

struct net_vhost *net_vhost_open(const int *fd, unsigned int pairs)
{
	struct net_vhost *v = calloc(1, sizeof(*v));

	for (unsigned int i = 0; v && i < pairs; i++) {
		v->pairs++;
		if (open_pair(&v->pair[i], fd[i])) {
			net_vhost_close(v);
			return NULL;
		}
	}
	return v;
}

void net_vhost_close(struct net_vhost *v)
{
	for (unsigned int i = 0; i < v->pairs; i++) {
		if (v->pair[i].vhost >= 0)
			close(v->pair[i].vhost);
		if (v->pair[i].error >= 0)
			close(v->pair[i].error);
	}
	free(v);
}

int net_vhost_set_memory(struct net_vhost *v, const struct guest_mem *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region;
	} table = {
		.head.nregions = 1,
		.region.guest_phys_addr = 0,
		.region.memory_size = mem->size,
		.region.userspace_addr = (uintptr_t)mem->hva,
	};
	int err = 0;

	for (unsigned int i = 0; i < v->pairs && !err; i++)
		err = call(v->pair[i].vhost, VHOST_SET_MEM_TABLE, &table);
	return err;
}

int net_vhost_set_features(struct net_vhost *v, uint64_t features)
{
	int err = 0;

	features &= RING_FEATURES;
	for (unsigned int i = 0; i < v->pairs && !err; i++)
		err = call(v->pair[i].vhost, VHOST_SET_FEATURES, &features);
	return err;
}

static int set_ring(int fd, unsigned int index, const struct queue *ring)
{
	struct vhost_vring_state state = { .index = index, .num = ring->size };
	struct vhost_vring_addr place = {
		.index = index,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->avail,
		.used_user_addr = (uintptr_t)ring->used,
	};
	int err = call(fd, VHOST_SET_VRING_NUM, &state);

	state.num = 0;
	if (!err)
		err = call(fd, VHOST_SET_VRING_BASE, &state);
	if (!err)
		err = call(fd, VHOST_SET_VRING_ADDR, &place);
	return err;
}

static int set_backend(const struct vhost_pair *p, unsigned int index, int tap)
{
	struct vhost_vring_file file = { .index = index, .fd = tap };

	return call(p->vhost, VHOST_NET_SET_BACKEND, &file);
}

int net_vhost_start(struct net_vhost *v, unsigned int queue,
		    const struct queue *ring, int doorbell, int virq)
{
	const struct vhost_pair *p = &v->pair[queue / 2];
	struct vhost_vring_file file = { .index = queue % 2 };
	int err = set_ring(p->vhost, queue % 2, ring);

	file.fd = p->error;
	if (!err)
		err = call(p->vhost, VHOST_SET_VRING_ERR, &file);
	file.fd = virq;
	if (!err)
		err = call(p->vhost, VHOST_SET_VRING_CALL, &file);
	file.fd = doorbell;
	if (!err)
		err = call(p->vhost, VHOST_SET_VRING_KICK, &file);
	return err ? err : set_backend(p, queue % 2, p->tap);
}

void net_vhost_stop(struct net_vhost *v, unsigned int queue)
{
	struct vhost_vring_file none = { .index = queue % 2, .fd = -1 };
	const struct vhost_pair *p = &v->pair[queue / 2];

	/* Waits for what is under way. */
	set_backend(p, queue % 2, -1);
	call(p->vhost, VHOST_SET_VRING_KICK, &none);
	call(p->vhost, VHOST_SET_VRING_CALL, &none);
}

int net_vhost_error_event(const struct net_vhost *v, unsigned int pair)
{
	return v->pair[pair].error;
}

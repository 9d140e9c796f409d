// SPDX-License-Identifier: GPL-2.0
/*
 * nat: a network in this process, by libslirp. The guest finds a gateway, a
 * DHCP and a DNS server; what it sends elsewhere leaves the host through
 * ordinary sockets of ours. N counts the cards of this kind from 0, so that the
 * first one has the addresses that classic coLinux had:
 *
 *	guest  10.0.(2+N).15	by DHCP		fec0:0:0:N::/64, advertised
 *	host   10.0.(2+N).2	its loopback	fec0:0:0:N::2
 *	DNS    10.0.(2+N).3	the host's	fec0:0:0:N::3
 *
 * libslirp knows one thread, that of the only pair. It knows nothing of
 * offloads either: a large MTU makes up for segmentation, and frames for the
 * guest never left this machine's memory, so that their checksums are good.
 *
 * When the guest takes frames more slowly than they come we stop to read from
 * the sockets, so that their senders wait (HIGH_WATER); what arrives beyond
 * that is dropped, as on any wire (BACKLOG_MAX).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <glib.h>
#include <libslirp.h>
#include <linux/virtio_net.h>

#include "backends/net.h"
#include "core/log.h"

#define MTU		65520		/* the most that libslirp can */
#define FRAME_MAX	(14 + 4 + 65535)
#define HEADER		sizeof(struct virtio_net_hdr_v1)
#define HIGH_WATER	(1U << 20)
#define BACKLOG_MAX	(4U << 20)
#define TIMERS		4
#define IDLE_MS		1000		/* what libslirp says if it is idle */
#define QUIET_MS	30000		/* then all its timers have expired */
#define MAX_COMPLAINTS	10

struct timer {
	bool used;
	bool armed;
	SlirpTimerId id;
	void *opaque;
	int64_t at_ms;
};

/* A frame that waits for the guest. */
struct waiting {
	struct waiting *next;
	size_t len;
	uint8_t bytes[];
};

struct nat {
	struct net_backend b;
	Slirp *slirp;
	char what[8];
	struct timer timer[TIMERS];
	struct waiting *first;
	struct waiting **last;
	size_t backlog;			/* bytes */
	bool filled;			/* prepare() asked slirp what it wants */
	unsigned int listening;		/* sockets of forwarded ports */
	unsigned int polled;		/* sockets that slirp waits for */
	int64_t busy_ms;		/* when something last happened */
	atomic_bool checked;		/* VIRTIO_NET_F_GUEST_CSUM */
	unsigned int complaints;
	struct poll_set *set;		/* while slirp calls back */
	uint8_t frame[FRAME_MAX];
};

static struct nat *to_nat(struct net_backend *b)
{
	return (struct nat *)b;		/* its first member */
}

/* --- what slirp calls ----------------------------------------------------- */

static int64_t now_ns(void *opaque)
{
	struct timespec t;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static ssize_t send_packet(const void *frame, size_t len, void *opaque)
{
	struct nat *n = opaque;
	struct waiting *w;

	if (len > FRAME_MAX || n->backlog + len > BACKLOG_MAX)
		return len;		/* lost */
	w = malloc(sizeof(*w) + len);
	if (!w)
		return len;
	w->next = NULL;
	w->len = len;
	memcpy(w->bytes, frame, len);
	*n->last = w;
	n->last = &w->next;
	n->backlog += len;
	return len;
}

static void guest_error(const char *message, void *opaque)
{
	struct nat *n = opaque;

	if (n->complaints++ < MAX_COMPLAINTS)
		say("%s: the guest sent what is not understood: %s", n->what,
		    message);
}

static void *timer_new(SlirpTimerId id, void *timer_opaque, void *opaque)
{
	struct nat *n = opaque;

	for (int i = 0; i < TIMERS; i++) {
		if (n->timer[i].used)
			continue;
		n->timer[i] = (struct timer) {
			.used = true, .id = id, .opaque = timer_opaque,
		};
		return &n->timer[i];
	}
	return NULL;			/* slirp 4.7 has one */
}

static void timer_free(void *timer, void *opaque)
{
	(void)opaque;
	if (timer)
		((struct timer *)timer)->used = false;
}

static void timer_mod(void *timer, int64_t at_ms, void *opaque)
{
	struct timer *t = timer;

	(void)opaque;
	if (!t)
		return;
	t->at_ms = at_ms;
	t->armed = true;
}

/* We ask for descriptors each time, and only our thread calls slirp. */
static void poll_fd_changed(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = now_ns,
	.timer_new_opaque = timer_new,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = poll_fd_changed,
	.unregister_poll_fd = poll_fd_changed,
	.notify = notify,
};

static int64_t now_in_ms(void)
{
	return now_ns(NULL) / 1000000;
}

static void run_timers(struct nat *n)
{
	int64_t now_ms = now_in_ms();

	for (int i = 0; i < TIMERS; i++) {
		struct timer *t = &n->timer[i];

		if (!t->used || !t->armed || t->at_ms > now_ms)
			continue;
		t->armed = false;
		slirp_handle_timer(n->slirp, t->id, t->opaque);
	}
}

static void limit_timeout(struct nat *n, struct poll_set *set)
{
	int64_t now_ms = now_in_ms();

	for (int i = 0; i < TIMERS; i++) {
		const struct timer *t = &n->timer[i];
		int64_t left = t->at_ms > now_ms ? t->at_ms - now_ms : 0;

		if (!t->used || !t->armed)
			continue;
		if (set->timeout_ms < 0 || left < set->timeout_ms)
			set->timeout_ms = left;
	}
}

/* --- frames --------------------------------------------------------------- */

static int nat_send(struct net_backend *b, unsigned int pair,
		    const struct iovec *iov, unsigned int iovs)
{
	struct nat *n = to_nat(b);
	size_t len = 0;

	(void)pair;
	for (unsigned int i = 1; i < iovs; i++) {
		if (iov[i].iov_len > sizeof(n->frame) - len)
			return -EMSGSIZE;
		memcpy(n->frame + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	n->busy_ms = now_in_ms();
	slirp_input(n->slirp, n->frame, len);
	return 0;
}

static ssize_t nat_receive(struct net_backend *b, unsigned int pair,
			   void *frame, size_t max)
{
	struct virtio_net_hdr_v1 header = { 0 };
	struct nat *n = to_nat(b);
	struct waiting *w = n->first;
	size_t len;

	(void)pair;
	if (!w)
		return 0;
	n->first = w->next;
	if (!n->first)
		n->last = &n->first;
	n->backlog -= w->len;
	len = w->len <= max - HEADER ? w->len : max - HEADER;
	if (atomic_load(&n->checked))
		header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	memcpy(frame, &header, HEADER);
	memcpy((uint8_t *)frame + HEADER, w->bytes, len);
	free(w);
	return HEADER + len;
}

/* --- waiting -------------------------------------------------------------- */

static int add_poll(int fd, int events, void *opaque)
{
	struct nat *n = opaque;
	short wanted = 0;

	if (events & SLIRP_POLL_IN)
		wanted |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		wanted |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		wanted |= POLLPRI;
	n->polled++;
	return poll_set_add(n->set, fd, wanted);
}

static int get_events(int index, void *opaque)
{
	struct nat *n = opaque;
	int found = 0, r;

	if (index < 0 || index >= (int)n->set->count)
		return 0;
	r = n->set->fd[index].revents;
	if (r)
		n->busy_ms = now_in_ms();
	if (r & POLLIN)
		found |= SLIRP_POLL_IN;
	if (r & POLLOUT)
		found |= SLIRP_POLL_OUT;
	if (r & POLLPRI)
		found |= SLIRP_POLL_PRI;
	if (r & POLLERR)
		found |= SLIRP_POLL_ERR;
	if (r & POLLHUP)
		found |= SLIRP_POLL_HUP;
	return found;
}

/*
 * An idle guest shall cost nothing. libslirp wants to be called every second,
 * and twice as often for TCP's timers if it has any socket, a listening one
 * included: not if there are only those, and nothing has moved for a while.
 */
static bool may_sleep(const struct nat *n, uint32_t timeout)
{
	return timeout >= IDLE_MS ||
	       (n->polled <= n->listening &&
		now_in_ms() - n->busy_ms > QUIET_MS);
}

static void nat_prepare(struct net_backend *b, unsigned int pair,
			struct poll_set *set, bool want_receive, bool want_send)
{
	struct nat *n = to_nat(b);
	uint32_t timeout = UINT32_MAX;

	(void)pair;
	(void)want_receive;
	(void)want_send;
	n->filled = n->backlog < HIGH_WATER;
	if (n->filled) {
		n->set = set;
		n->polled = 0;
		slirp_pollfds_fill(n->slirp, &timeout, add_poll, n);
		if (!may_sleep(n, timeout))
			set->timeout_ms = timeout;
	}
	limit_timeout(n, set);
}

static void nat_polled(struct net_backend *b, unsigned int pair,
		       const struct poll_set *set)
{
	struct nat *n = to_nat(b);

	(void)pair;
	(void)set;		/* n->set is the same */
	if (n->filled)
		slirp_pollfds_poll(n->slirp, 0, get_events, n);
	run_timers(n);
}

/* --- life ----------------------------------------------------------------- */

static int nat_set_features(struct net_backend *b, uint64_t features)
{
	atomic_store(&to_nat(b)->checked,
		     features & (1ULL << VIRTIO_NET_F_GUEST_CSUM));
	return 0;
}

static int nat_set_pairs(struct net_backend *b, unsigned int n)
{
	(void)b;
	return n == 1 ? 0 : -EINVAL;
}

static void nat_close(struct net_backend *b)
{
	struct nat *n = to_nat(b);

	while (n->first) {
		struct waiting *w = n->first;

		n->first = w->next;
		free(w);
	}
	n->last = &n->first;
	slirp_cleanup(n->slirp);
	free(n);
}

static const struct net_backend_ops nat_ops = {
	.send = nat_send,
	.receive = nat_receive,
	.prepare = nat_prepare,
	.polled = nat_polled,
	.set_features = nat_set_features,
	.set_pairs = nat_set_pairs,
	.close = nat_close,
};

/* --- port forwards -------------------------------------------------------- */

static int listen4(struct nat *n, const struct net_forward *f,
		   const char *host, unsigned int number)
{
	struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_port = htons(f->host_port),
	};
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(f->guest_port),
		.sin_addr.s_addr = htonl(0x0a00020f + (number << 8)),
	};

	inet_pton(AF_INET, host, &from.sin_addr);
	return slirp_add_hostxfwd(n->slirp, (struct sockaddr *)&from,
				  sizeof(from), (struct sockaddr *)&to,
				  sizeof(to), f->udp ? SLIRP_HOSTFWD_UDP : 0);
}

/* The guest chooses its IPv6 address; slirp learns which. */
static int listen6(struct nat *n, const struct net_forward *f, const char *host)
{
	struct sockaddr_in6 from = {
		.sin6_family = AF_INET6, .sin6_port = htons(f->host_port),
	};
	struct sockaddr_in6 to = {
		.sin6_family = AF_INET6, .sin6_port = htons(f->guest_port),
	};

	inet_pton(AF_INET6, host, &from.sin6_addr);
	return slirp_add_hostxfwd(n->slirp, (struct sockaddr *)&from,
				  sizeof(from), (struct sockaddr *)&to,
				  sizeof(to), SLIRP_HOSTFWD_V6ONLY |
				  (f->udp ? SLIRP_HOSTFWD_UDP : 0));
}

static int add_forward(struct nat *n, const struct net_forward *f,
		       unsigned int number)
{
	const char *host = f->host;
	int err;

	errno = 0;
	if (strchr(host, ':'))
		err = listen6(n, f, host);
	else
		err = listen4(n, f, *host ? host : "127.0.0.1", number);
	n->listening++;
	/* Loopback is both of them; the host may have no IPv6. */
	if (!err && !*host) {
		host = "::1";
		err = listen6(n, f, host);
		if (!err)
			n->listening++;
		else if (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
			err = 0;
	}
	if (!err)
		return 0;
	say("%s: cannot forward %s port %u%s%s: %s: use another port",
	    n->what, f->udp ? "UDP" : "TCP", f->host_port, *host ? " of " : "",
	    host, errno ? strerror(errno) : "refused");
	return -EADDRINUSE;
}

/* --- making one ----------------------------------------------------------- */

/* slirp's own remarks are for its developers. */
static void no_log(const gchar *domain, GLogLevelFlags level,
		   const gchar *message, gpointer data)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)data;
}

static Slirp *new_slirp(struct nat *n, unsigned int number)
{
	uint32_t net = 0x0a000200 + (number << 8);
	SlirpConfig c = {
		.version = SLIRP_CONFIG_VERSION_MAX,
		.in_enabled = true,
		.vnetwork.s_addr = htonl(net),
		.vnetmask.s_addr = htonl(0xffffff00),
		.vhost.s_addr = htonl(net + 2),
		.vnameserver.s_addr = htonl(net + 3),
		.vdhcp_start.s_addr = htonl(net + 15),
		.in6_enabled = true,
		.vprefix_len = 64,
		.if_mtu = MTU,
		.if_mru = MTU,
	};

	c.vprefix_addr6.s6_addr[0] = 0xfe;
	c.vprefix_addr6.s6_addr[1] = 0xc0;
	c.vprefix_addr6.s6_addr[7] = number;
	c.vhost6 = c.vprefix_addr6;
	c.vhost6.s6_addr[15] = 2;
	c.vnameserver6 = c.vprefix_addr6;
	c.vnameserver6.s6_addr[15] = 3;
	g_log_set_default_handler(no_log, NULL);
	return slirp_new(&c, &callbacks, n);
}

struct net_backend *net_slirp_open(const struct net_config *config,
				   unsigned int number, const char *what)
{
	struct nat *n = calloc(1, sizeof(*n));

	if (!n)
		goto no_memory;
	snprintf(n->what, sizeof(n->what), "%s", what);
	n->last = &n->first;
	n->b.ops = &nat_ops;
	n->b.pairs = 1;
	n->b.mtu = MTU;
	n->b.features = 1ULL << VIRTIO_NET_F_GUEST_CSUM;
	n->slirp = new_slirp(n, number);
	if (!n->slirp)
		goto no_memory;
	for (unsigned int i = 0; i < config->forwards; i++) {
		if (add_forward(n, &config->forward[i], number)) {
			nat_close(&n->b);
			return NULL;
		}
	}
	return &n->b;
no_memory:
	free(n);
	say("%s: out of memory", what);
	return NULL;
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the frames of a network card go: a table of operations for each kind.
 * net_slirp.c is a whole network with address translation in this process,
 * net_tap.c an interface of the host.
 *
 * A frame starts with a struct virtio_net_hdr_v1 in host byte order. Pairs of
 * queues are served by a thread each, which calls the functions marked T for
 * its own pair only; none of them blocks.
 */
#ifndef COLINUX_NET_H
#define COLINUX_NET_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/config.h"
#include "core/guest_mem.h"
#include "core/queue.h"

struct net_backend;

/* What a thread waits for. */
struct poll_set {
	struct pollfd *fd;
	unsigned int count;
	unsigned int max;
	int timeout_ms;		/* -1: for ever */
};

/* Its index. Without memory it is not waited for: the index is -1. */
int poll_set_add(struct poll_set *set, int fd, short events);
void poll_set_free(struct poll_set *set);

struct net_backend_ops {
	/*
	 * T: a frame from the guest, header in iov[0]. -EAGAIN: not now, which
	 * want_send of prepare() waits for; any other result: it is gone.
	 */
	int (*send)(struct net_backend *b, unsigned int pair,
		    const struct iovec *iov, unsigned int iovs);
	/* T: a frame for the guest. 0: none now; -errno: never again. */
	ssize_t (*receive)(struct net_backend *b, unsigned int pair,
			   void *frame, size_t max);
	/* T: adds what to wait for; what polled() finds in the same set. */
	void (*prepare)(struct net_backend *b, unsigned int pair,
			struct poll_set *set, bool want_receive,
			bool want_send);
	void (*polled)(struct net_backend *b, unsigned int pair,
		       const struct poll_set *set);
	/* The guest chose; no queue runs. -errno. */
	int (*set_features)(struct net_backend *b, uint64_t features);
	/* Frames for the guest go to the first n pairs from now on. -errno. */
	int (*set_pairs)(struct net_backend *b, unsigned int n);
	void (*close)(struct net_backend *b);
};

struct net_vhost;

struct net_backend {
	const struct net_backend_ops *ops;
	uint64_t features;	/* VIRTIO_NET_F_* that it does itself */
	unsigned int pairs;
	uint16_t mtu;
	struct net_vhost *vhost;	/* serves the queues, or NULL */
};

/*
 * While we still have privileges. what: "eth0". number: of its addresses, 0 for
 * the first of this kind. Complains. NULL: failed.
 */
struct net_backend *net_slirp_open(const struct net_config *config,
				   unsigned int number, const char *what);
struct net_backend *net_tap_open(const struct net_config *config,
				 unsigned int pairs, const char *what);

/* --- vhost: queues served by the host's kernel ---------------------------- */

/*
 * fd[pairs]: the interface's files, which stay the caller's. NULL: the host
 * has no vhost-net, which is nobody's fault.
 */
struct net_vhost *net_vhost_open(const int *fd, unsigned int pairs);
void net_vhost_close(struct net_vhost *v);

int net_vhost_set_memory(struct net_vhost *v, const struct guest_mem *mem);
/* No queue runs. */
int net_vhost_set_features(struct net_vhost *v, uint64_t features);

/* queue: 2 * pair is the receiving one, 2 * pair + 1 the sending one. */
int net_vhost_start(struct net_vhost *v, unsigned int queue,
		    const struct queue *ring, int doorbell, int virq);
void net_vhost_stop(struct net_vhost *v, unsigned int queue);

/* Becomes readable when the guest broke a ring of this pair. */
int net_vhost_error_event(const struct net_vhost *v, unsigned int pair);

#endif /* COLINUX_NET_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The frontend's side of the vhost-user protocol: another process (the
 * backend) serves a virtio device's queues in guest memory, which it maps from
 * a file descriptor. Doorbells and virqs are eventfds that it is given, so
 * that nothing passes through this process while the guest works.
 *
 * Each function sends one or more messages and waits for the answers. The
 * backend is not trusted to answer well, or at all: an answer of another kind
 * or size is -EPROTO, none within VHOST_USER_SECONDS -ETIMEDOUT, a closed
 * socket -EPIPE. After any error the connection is of no use.
 * Not thread-safe.
 */
#ifndef COLINUX_VHOST_USER_H
#define COLINUX_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/guest_mem.h"
#include "core/queue.h"

#define VHOST_USER_SECONDS	30

struct vhost_user {
	int socket;
	uint64_t features;	/* virtio features that the backend offers */
	bool acks;		/* it confirms messages that have no answer */
};

struct vhost_user_ring {
	const struct queue *ring;	/* made by queue_init() */
	int kick;		/* eventfd: the guest added buffers */
	int call;		/* eventfd: the backend used some */
};

/* Introduces us on a connected socket, which stays the caller's. */
int vhost_user_init(struct vhost_user *v, int socket);

/* file: maps to guest memory, offset = gpa. */
int vhost_user_set_memory(struct vhost_user *v, int file,
			  const struct guest_mem *mem);

/* What the guest accepted; before the first ring is started. */
int vhost_user_set_features(struct vhost_user *v, uint64_t features);

int vhost_user_start_ring(struct vhost_user *v, unsigned int index,
			  const struct vhost_user_ring *ring);

/* The backend does not use this ring any more when it returns 0. */
int vhost_user_stop_ring(struct vhost_user *v, unsigned int index);

#endif /* COLINUX_VHOST_USER_H */

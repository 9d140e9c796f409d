/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ethernet frames in virtqueues of a network card: each starts with a
 * struct virtio_net_hdr_v1, copied once and checked against what the guest
 * and we agreed on. Nothing here does I/O or keeps state.
 */
#ifndef COLINUX_CONET_FRAME_H
#define COLINUX_CONET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <linux/virtio_net.h>

#include "core/queue.h"

#define CONET_HEADER	sizeof(struct virtio_net_hdr_v1)
#define CONET_FRAME_MIN	14			/* Ethernet's header */
#define CONET_FRAME_MAX	(14 + 4 + 65535)	/* with a VLAN tag */

/* Room for the pieces of one frame; too large for a small stack. */
struct conet_pieces {
	struct iovec iov[2 * QUEUE_MAX_SIZE + 1];
	struct vring_used_elem used[QUEUE_MAX_SIZE];
};

/* A frame that the guest sends: its header, checked, then its bytes. */
struct conet_sent {
	struct virtio_net_hdr_v1 header;	/* iov[0] */
	struct iovec *iov;
	unsigned int iovs;
	size_t bytes;		/* without header; any number */
	uint16_t head;
};

/*
 * The next frame that the guest sends. 1: there is one, its iov is in pieces;
 * 0: none; -EPROTO: the queue is broken.
 */
int conet_take(struct queue *q, uint64_t features, struct conet_pieces *pieces,
	       struct conet_sent *sent);

enum conet_given {
	CONET_NO_ROOM,		/* not yet; the guest will ring when there is */
	CONET_GIVEN,
	CONET_TOO_LARGE,	/* will never fit: drop it */
};

/*
 * Puts a frame, header first, into the guest's buffers. It is one of the
 * above, or -EPROTO: the queue is broken.
 */
int conet_give(struct queue *q, uint64_t features, struct conet_pieces *pieces,
	       void *frame, size_t len);

/*
 * A command of the control queue: answers it. -EPROTO: it is none. *pairs
 * changes if the guest wants another number of queue pairs, 1 to max.
 */
int conet_command(const struct chain *chain, unsigned int max,
		  unsigned int *pairs);

#endif /* COLINUX_CONET_FRAME_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of a split virtqueue. No globals, no I/O: all it needs is
 * guest memory. Not thread-safe; its owner serializes.
 *
 * The ring is written by the guest, which is not trusted: a descriptor is
 * copied once and then validated; a chain is at most as long as the queue.
 * The first violation makes the queue broken, and it stays so until
 * queue_init(): the owner then asks the guest to reset the device.
 */
#ifndef COLINUX_QUEUE_H
#define COLINUX_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_ring.h>

#include "core/guest_mem.h"

#define QUEUE_MAX_SIZE	256

struct queue_layout {
	uint64_t desc_gpa;
	uint64_t avail_gpa;
	uint64_t used_gpa;
	uint16_t size;		/* power of 2, at most QUEUE_MAX_SIZE */
	bool event_idx;		/* VIRTIO_RING_F_EVENT_IDX was negotiated */
	bool indirect;		/* VIRTIO_RING_F_INDIRECT_DESC was */
};

struct queue {
	struct guest_mem mem;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t size;
	bool event_idx;
	bool indirect;
	bool signal_valid;	/* signalled_used means something */
	uint16_t next_avail;	/* next entry of avail to take */
	uint16_t next_used;	/* next entry of used to fill */
	uint16_t signalled_used;/* next_used when we last decided on a virq */
	const char *broken;	/* what the guest did wrong, or NULL */
};

/*
 * One buffer: first `out` iovecs to be read by the device, then `in` iovecs to
 * be written. The caller provides iov[max].
 */
struct chain {
	struct iovec *iov;
	unsigned int max;
	unsigned int out;
	unsigned int in;
	uint64_t out_bytes;
	uint64_t in_bytes;
	uint16_t head;
};

/* -EINVAL: the layout is impossible or not within guest memory. */
int queue_init(struct queue *q, const struct guest_mem *mem,
	       const struct queue_layout *layout);

/* 1: chain is filled. 0: nothing there. -EPROTO: broken, q->broken says why. */
int queue_pop(struct queue *q, struct chain *chain);

/* Puts back the chain that the last queue_pop() returned; n times: n of them. */
void queue_unpop(struct queue *q);

/* True if queue_pop() would find something (or a fault). */
bool queue_pending(const struct queue *q);

/* Gives a chain back; written: bytes put into its `in` part. */
void queue_push(struct queue *q, uint16_t head, uint32_t written);

/* Gives n chains back, which the guest sees all at once. */
void queue_push_many(struct queue *q, const struct vring_used_elem *used,
		     unsigned int n);

/* After one or more pushes: does the guest want a virq for them? */
bool queue_needs_signal(struct queue *q);

/* Stop asking for notifications; a hint. */
void queue_disable_notify(struct queue *q);

/* Ask for one. True: something is pending already, do not sleep. */
bool queue_enable_notify(struct queue *q);

#endif /* COLINUX_QUEUE_H */

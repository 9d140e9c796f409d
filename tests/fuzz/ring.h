/* SPDX-License-Identifier: GPL-2.0 */
/* Guest memory with a virtqueue in it, made from a fuzzer's bytes. */
#ifndef FUZZ_RING_H
#define FUZZ_RING_H

#include "input.h"
#include "core/queue.h"

#define RING_MEM	0x8000
#define RING_DESC	0x0000
#define RING_AVAIL	0x1000
#define RING_USED	0x2000
#define RING_TABLE	0x3000		/* where indirect ones often are */
#define RING_DATA	0x4000

/* Fresh memory, the queue over it, and what the guest put there. */
void ring_create(struct input *in, struct guest_mem *mem, struct queue *q);
void ring_destroy(struct guest_mem *mem);

/* The guest changes something while the device works. */
void ring_disturb(struct input *in, const struct guest_mem *mem,
		  const struct queue *q);

/* A chain is within memory and its sums are right. */
void ring_check(const struct guest_mem *mem, const struct queue *q,
		const struct chain *chain);

#endif /* FUZZ_RING_H */

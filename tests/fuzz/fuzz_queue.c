// SPDX-License-Identifier: GPL-2.0
/* Virtqueues in memory full of anything, changed while they are served. */
#include <errno.h>
#include "ring.h"

#define MAX_TURNS	200

/* What a device does with a chain; the data may lie over the ring itself. */
static void serve(struct input *in, struct queue *q, struct chain *chain)
{
	uint32_t written = 0;

	for (unsigned int i = chain->out; i < chain->out + chain->in; i++) {
		memset(chain->iov[i].iov_base, take8(in), chain->iov[i].iov_len);
		written += chain->iov[i].iov_len;
	}
	queue_push(q, chain->head, written);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct iovec iov[32];
	struct chain chain = { .iov = iov };
	struct guest_mem mem;
	struct queue q;
	int got;

	ring_create(&in, &mem, &q);
	chain.max = 1 + (take8(&in) & 31);
	for (unsigned int i = 0; i < MAX_TURNS; i++) {
		bool pending = queue_pending(&q);

		got = queue_pop(&q, &chain);
		must(got == 1 || got == 0 || got == -EPROTO);
		must((got == -EPROTO) == !!q.broken);
		must(got == 0 || pending || q.broken);
		if (got < 0)
			break;
		if (got == 1) {
			ring_check(&mem, &q, &chain);
			if ((take8(&in) & 15) == 15)
				queue_unpop(&q);
			else
				serve(&in, &q, &chain);
			queue_needs_signal(&q);
		} else {
			queue_disable_notify(&q);
			queue_enable_notify(&q);
		}
		if (!in.left)
			break;
		ring_disturb(&in, &mem, &q);
	}
	must(!q.broken || (queue_pop(&q, &chain) == -EPROTO &&
			   !queue_pending(&q)));
	ring_destroy(&mem);
	return 0;
}

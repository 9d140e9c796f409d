// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's folder whose server is gone: any ring, any requests, and the index
 * where the server is said to have stopped. Each is answered within its bounds.
 */
#include <errno.h>
#include "ring.h"
#include "devices/cofs_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct iovec iov[QUEUE_MAX_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_MAX_SIZE };
	struct guest_mem mem;
	struct queue q;

	ring_create(&in, &mem, &q);
	q.used->idx = take8(&in) & 0x80 ? take16(&in) : 0;
	cofs_take_over(&q);
	for (unsigned int i = 0; i < 64 && queue_pop(&q, &chain) == 1; i++) {
		uint32_t written;

		ring_check(&mem, &q, &chain);
		written = cofs_refuse(&chain, -ENOTCONN);
		must(written == 0 || written == 16);
		must(written <= chain.in_bytes);
		queue_push(&q, chain.head, written);
		ring_disturb(&in, &mem, &q);
	}
	ring_destroy(&mem);
	return 0;
}

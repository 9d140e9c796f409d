// SPDX-License-Identifier: GPL-2.0
/* Requests without a server, see cofs_request.h. */
#include <string.h>

#include <linux/fuse.h>

#include "devices/cofs_request.h"

enum direction { FROM_GUEST, TO_GUEST };

/* Copies between buf and the first len bytes of iov; how many there were. */
static size_t copy(const struct iovec *iov, unsigned int n, void *buf,
		   size_t len, enum direction direction)
{
	size_t done = 0;

	for (unsigned int i = 0; i < n && done < len; i++) {
		size_t part = iov[i].iov_len;

		if (part > len - done)
			part = len - done;
		if (direction == FROM_GUEST)
			memcpy((char *)buf + done, iov[i].iov_base, part);
		else
			memcpy(iov[i].iov_base, (char *)buf + done, part);
		done += part;
	}
	return done;
}

uint32_t cofs_refuse(const struct chain *c, int error)
{
	struct fuse_in_header in = { 0 };
	struct fuse_out_header out;

	/* Some want no answer: "forget this file". */
	if (c->in_bytes < sizeof(out))
		return 0;
	copy(c->iov, c->out, &in, sizeof(in), FROM_GUEST);
	out = (struct fuse_out_header) {
		.len = sizeof(out), .error = error, .unique = in.unique,
	};
	return copy(c->iov + c->out, c->in, &out, sizeof(out), TO_GUEST);
}

void cofs_take_over(struct queue *ring)
{
	/* queue_pop() checks what comes of a wrong index. */
	ring->next_used = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
	ring->next_avail = ring->next_used;
	ring->signal_valid = false;
}

// SPDX-License-Identifier: GPL-2.0
/* A ring is its image's backend's, see blk.h. */
#include <errno.h>
#include <string.h>

#include "backends/blk.h"

int blk_ring_init(struct blk_ring *r, const struct blk_image *image,
		  int doorbell, unsigned int depth)
{
	memset(r, 0, sizeof(*r));
	r->ops = image->ops;
	r->image = image;
	r->doorbell = doorbell;
	return r->ops->init(r, depth);
}

int blk_ring_init_near(struct blk_ring *r, const struct blk_image *image,
		       int event, unsigned int depth)
{
	if (!image->ops->init_near)
		return -EOPNOTSUPP;
	memset(r, 0, sizeof(*r));
	r->ops = image->ops;
	r->image = image;
	r->doorbell = -1;
	return r->ops->init_near(r, event, depth);
}

void blk_ring_exit(struct blk_ring *r)
{
	r->ops->exit(r);
}

void blk_ring_add(struct blk_ring *r, struct blk_io *io)
{
	/* See format.c. */
	if (r->image->guessed_raw && blk_format_forged(io)) {
		io->result = -EPERM;
		io->next = r->finished;
		r->finished = io;
		return;
	}
	r->ops->add(r, io);
}

void blk_ring_submit(struct blk_ring *r)
{
	r->ops->submit(r);
}

struct blk_io *blk_ring_reap(struct blk_ring *r)
{
	return r->ops->reap(r);
}

bool blk_ring_ready(struct blk_ring *r)
{
	return r->ops->ready(r);
}

void blk_ring_wait(struct blk_ring *r)
{
	r->ops->wait(r);
}

void blk_ring_cancel(struct blk_ring *r)
{
	if (r->ops->cancel)
		r->ops->cancel(r);
}

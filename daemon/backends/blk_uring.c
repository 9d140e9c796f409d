// SPDX-License-Identifier: GPL-2.0
/*
 * Block I/O through io_uring. One thread owns a ring; an eventfd (the queue's
 * doorbell) is read through the same ring, so that the thread sleeps in one
 * place for both.
 *
 * A request takes one submission at a time; what the host did only in part is
 * submitted again for the rest. Buffers that direct I/O cannot take bounce.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/fs.h>

#include "backends/blk.h"

#define BOUNCE_BYTES	(64 << 10)	/* at a time */
#define BOUNCE_ALIGN	4096
/* io_uring of Linux 6.0; older headers of liburing know them, too. */
#define RING_FLAGS	(IORING_SETUP_SINGLE_ISSUER | \
			 IORING_SETUP_COOP_TASKRUN | \
			 IORING_SETUP_TASKRUN_FLAG)

static int ring_init(struct blk_ring *r, unsigned int depth)
{
	unsigned int entries = 2 * depth;	/* requests and the doorbell */
	int err;

	err = io_uring_queue_init(entries, &r->uring, RING_FLAGS);
	if (err == -EINVAL)
		err = io_uring_queue_init(entries, &r->uring, 0);
	return err;
}

/* Any thread may have to wait for the end, so it has no single issuer. */
static int ring_init_near(struct blk_ring *r, int event, unsigned int depth)
{
	int err = io_uring_queue_init(depth, &r->uring, 0);

	if (err)
		return err;
	err = io_uring_register_eventfd(&r->uring, event);
	if (err)
		io_uring_queue_exit(&r->uring);
	return err;
}

static void ring_exit(struct blk_ring *r)
{
	io_uring_queue_exit(&r->uring);
}

static struct io_uring_sqe *get_sqe(struct blk_ring *r)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&r->uring)))
		io_uring_submit(&r->uring);
	return sqe;
}

/* --- one request ---------------------------------------------------------- */

/* Offset and length can go through `direct`. */
static bool may_be_direct(const struct blk_ring *r, const struct blk_io *io)
{
	const struct blk_image *i = r->image;

	return i->direct >= 0 && io->offset % i->align == 0 &&
	       io->bytes % i->align == 0;
}

/* ... and so can the buffers. */
static bool buffers_aligned(const struct blk_ring *r, const struct blk_io *io)
{
	const uint32_t align = r->image->align;

	for (unsigned int n = 0; n < io->iovs; n++)
		if ((uintptr_t)io->iov[n].iov_base % align ||
		    io->iov[n].iov_len % align)
			return false;
	return true;
}

/* Copies between the first len bytes of iov[] and the bounce buffer. */
static void copy_bounce(struct blk_io *io, size_t len, bool to_bounce)
{
	uint8_t *at = io->bounce;

	for (unsigned int n = 0; n < io->iovs && len > 0; n++) {
		size_t part = io->iov[n].iov_len;

		if (part > len)
			part = len;
		if (to_bounce)
			memcpy(at, io->iov[n].iov_base, part);
		else
			memcpy(io->iov[n].iov_base, at, part);
		at += part;
		len -= part;
	}
}

/* Sets up io->bounce for the next piece; false: no memory. */
static bool bounce(struct blk_io *io)
{
	io->bounce_bytes = io->bytes < BOUNCE_BYTES ? io->bytes : BOUNCE_BYTES;
	if (posix_memalign(&io->bounce, BOUNCE_ALIGN, BOUNCE_BYTES)) {
		io->bounce = NULL;
		return false;
	}
	if (io->op == BLK_WRITE)
		copy_bounce(io, io->bounce_bytes, true);
	return true;
}

static void prepare_rw(struct blk_ring *r, struct io_uring_sqe *sqe,
		       struct blk_io *io)
{
	bool direct = may_be_direct(r, io);
	int flags = io->durable && io->op == BLK_WRITE ? RWF_DSYNC : 0;
	struct iovec *iov = io->iov;
	int fd;

	if (direct && !buffers_aligned(r, io) && !bounce(io)) {
		/* Not through `buffered`: see find_alignment(). Ends as EIO. */
		io_uring_prep_nop(sqe);
		return;
	}
	fd = direct ? r->image->direct : r->image->buffered;
	if (io->bounce) {
		if (io->op == BLK_READ)
			io_uring_prep_read(sqe, fd, io->bounce,
					   io->bounce_bytes, io->offset);
		else
			io_uring_prep_write(sqe, fd, io->bounce,
					    io->bounce_bytes, io->offset);
		sqe->rw_flags = flags;
	} else if (io->op == BLK_READ) {
		io_uring_prep_readv(sqe, fd, iov, io->iovs, io->offset);
	} else {
		io_uring_prep_writev2(sqe, fd, iov, io->iovs, io->offset, flags);
	}
}

static void prepare_fallocate(struct blk_ring *r, struct io_uring_sqe *sqe,
			      const struct blk_io *io)
{
	int mode = FALLOC_FL_KEEP_SIZE;

	mode |= io->op == BLK_ZERO ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE;
	io_uring_prep_fallocate(sqe, r->image->buffered, mode, io->offset,
				io->bytes);
}

static void submit(struct blk_ring *r, struct blk_io *io)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	switch (io->op) {
	case BLK_READ:
	case BLK_WRITE:
		prepare_rw(r, sqe, io);
		break;
	case BLK_FLUSH:
		io_uring_prep_fsync(sqe, r->image->buffered,
				    IORING_FSYNC_DATASYNC);
		break;
	default:
		prepare_fallocate(r, sqe, io);
	}
	if (io->again)
		io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
	io_uring_sqe_set_data(sqe, io);
	r->in_flight++;
}

/* There is no asynchronous discard of a block device. */
static void discard_device(struct blk_ring *r, struct blk_io *io)
{
	uint64_t range[2] = { io->offset, io->bytes };

	if (ioctl(r->image->buffered, BLKDISCARD, range) < 0)
		io->result = -errno;
	io->next = r->finished;
	r->finished = io;
}

static void ring_add(struct blk_ring *r, struct blk_io *io)
{
	io->result = 0;
	io->bounce = NULL;
	io->again = false;
	if (io->op == BLK_DISCARD && r->image->block_device) {
		io->next = r->discards;
		r->discards = io;
		return;
	}
	submit(r, io);
}

/* --- completions ---------------------------------------------------------- */

static void advance(struct blk_io *io, size_t done)
{
	io->offset += done;
	io->bytes -= done;
	while (done > 0 && io->iovs > 0) {
		size_t part = io->iov->iov_len;

		if (part > done) {
			io->iov->iov_base = (uint8_t *)io->iov->iov_base + done;
			io->iov->iov_len -= done;
			return;
		}
		done -= part;
		io->iov++;
		io->iovs--;
	}
}

/* True: finished; false: submitted again for what is left. */
static bool complete_rw(struct blk_ring *r, struct blk_io *io, int res)
{
	if (res > 0 && (uint64_t)res <= io->bytes) {
		if (io->bounce && io->op == BLK_READ)
			copy_bounce(io, res, false);
		advance(io, res);
	} else if (res == 0) {
		res = -EIO;	/* the image became shorter */
	}
	free(io->bounce);
	io->bounce = NULL;
	if (res == -EAGAIN || res == -EINTR) {
		io->again = true;
		res = 0;
	}
	if (res >= 0 && io->bytes > 0) {
		submit(r, io);
		return false;
	}
	io->result = res < 0 ? res : 0;
	return true;
}

static bool complete(struct blk_ring *r, struct blk_io *io, int res)
{
	r->in_flight--;
	if (io->op == BLK_READ || io->op == BLK_WRITE)
		return complete_rw(r, io, res);
	if (res == -EAGAIN || res == -EINTR) {
		io->again = true;
		submit(r, io);
		return false;
	}
	io->result = res < 0 ? res : 0;
	return true;
}

static struct blk_io *ring_reap(struct blk_ring *r)
{
	struct io_uring_cqe *cqe;
	struct blk_io *io = r->finished;

	if (io) {
		r->finished = io->next;
		return io;
	}
	while (io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		int res = cqe->res;

		io = io_uring_cqe_get_data(cqe);
		io_uring_cqe_seen(&r->uring, cqe);
		if (!io)
			r->doorbell_armed = false;
		else if (complete(r, io, res))
			return io;
	}
	return NULL;
}

static bool ring_ready(struct blk_ring *r)
{
	struct io_uring_cqe *cqe;

	return r->finished || io_uring_peek_cqe(&r->uring, &cqe) == 0;
}

static void arm_doorbell(struct blk_ring *r)
{
	struct io_uring_sqe *sqe;

	if (r->doorbell_armed || r->doorbell < 0)
		return;
	sqe = get_sqe(r);
	io_uring_prep_read(sqe, r->doorbell, &r->doorbell_count,
			   sizeof(r->doorbell_count), 0);
	io_uring_sqe_set_data(sqe, NULL);
	r->doorbell_armed = true;
}

static void ring_submit(struct blk_ring *r)
{
	struct blk_io *io;

	while ((io = r->discards) != NULL) {
		r->discards = io->next;
		discard_device(r, io);
	}
	if (io_uring_sq_ready(&r->uring))
		io_uring_submit(&r->uring);
}

static void ring_wait(struct blk_ring *r)
{
	if (r->finished)
		return;
	arm_doorbell(r);
	/* EINTR (a kick): the caller looks and waits again. */
	io_uring_submit_and_wait(&r->uring, 1);
}

const struct blk_ring_ops blk_uring_ops = {
	.init = ring_init,
	.init_near = ring_init_near,
	.exit = ring_exit,
	.add = ring_add,
	.submit = ring_submit,
	.reap = ring_reap,
	.ready = ring_ready,
	.wait = ring_wait,
};

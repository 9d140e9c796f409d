// SPDX-License-Identifier: GPL-2.0
/*
 * Block I/O through a connection to an NBD server. The ring's thread is the
 * only one that uses the connection; it sleeps in poll() for that and for the
 * doorbell.
 *
 * A request is sent in pieces, one at a time. libnbd may call completed() from
 * within any of its functions and must not be called from there: it only
 * collects, take_done() goes on.
 *
 * A server that is gone ends all requests with EIO, those to come as well. One
 * on another machine that is silent for too long counts as gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backends/nbd.h"
#include "core/log.h"

#define SECTOR		512
#define PIECE_DIRECT	(1U << 20)	/* from or to the guest's memory */
#define PIECE_BOUNCE	(256U << 10)
#define SILENCE_NS	60000000000ULL
#define LOOK_MS		1000

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static const struct libnbd *lib(const struct blk_ring *r)
{
	return r->image->nbd->lib;
}

static bool dead(const struct blk_ring *r)
{
	return lib(r)->aio_is_dead(r->handle) ||
	       lib(r)->aio_is_closed(r->handle);
}

static void report_death(const struct blk_ring *r)
{
	struct blk_nbd *nbd = r->image->nbd;

	if (!atomic_exchange(&nbd->gone, true))
		say("%s: %s has gone: the guest gets I/O errors", nbd->what,
		    nbd->helper ? "its helper qemu-nbd" : "the NBD server");
}

/* --- pieces ------------------------------------------------------------------ */

/* Copies between the piece and the first iovecs. */
static void copy_piece(struct blk_io *io, bool to_piece)
{
	uint8_t *at = io->bounce;
	size_t left = io->bounce_bytes;

	for (unsigned int n = 0; n < io->iovs && left > 0; n++) {
		size_t part = io->iov[n].iov_len;

		if (part > left)
			part = left;
		if (to_piece)
			memcpy(at, io->iov[n].iov_base, part);
		else
			memcpy(io->iov[n].iov_base, at, part);
		at += part;
		left -= part;
	}
}

/*
 * Chooses the next piece: io->bounce_bytes and, unless the guest's memory can
 * be used as it is, io->bounce. NULL: no memory.
 */
static void *next_piece(struct blk_io *io)
{
	size_t first = io->iovs ? io->iov->iov_len : 0;

	if (first > PIECE_DIRECT)
		first = PIECE_DIRECT;
	first -= first % SECTOR;
	if (first && (first == io->bytes || first >= PIECE_BOUNCE / 4)) {
		io->bounce_bytes = first;
		return io->iov->iov_base;
	}
	io->bounce_bytes = io->bytes < PIECE_BOUNCE ? io->bytes : PIECE_BOUNCE;
	io->bounce = calloc(1, io->bounce_bytes);
	if (io->bounce && io->op == BLK_WRITE)
		copy_piece(io, true);
	return io->bounce;
}

static void advance(struct blk_io *io)
{
	size_t done = io->bounce_bytes;

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

/* --- sending ----------------------------------------------------------------- */

/* libnbd's callback; a ring's requests find their ring through io->owner. */
static int completed(void *arg, int *error)
{
	struct blk_io *io = arg;
	struct blk_ring *r = io->owner;

	io->result = -*error;
	io->next = r->done;
	r->done = io;
	return 1;		/* nobody will ask for it by its number */
}

static int64_t send_data(struct blk_ring *r, struct blk_io *io,
			 nbd_completion_callback done)
{
	bool fua = io->durable && r->image->nbd->fua;
	void *piece = next_piece(io);

	if (!piece)
		return -1;
	if (io->op == BLK_READ)
		return lib(r)->aio_pread(r->handle, piece, io->bounce_bytes,
					 io->offset, done, 0);
	return lib(r)->aio_pwrite(r->handle, piece, io->bounce_bytes,
				  io->offset, done,
				  fua ? LIBNBD_CMD_FLAG_FUA : 0);
}

static int64_t send_request(struct blk_ring *r, struct blk_io *io)
{
	nbd_completion_callback done = {
		.callback = completed, .user_data = io,
	};
	const struct blk_nbd *nbd = r->image->nbd;

	io->bounce = NULL;
	if (io->again || io->op == BLK_FLUSH)
		return lib(r)->aio_flush(r->handle, done, 0);
	if (io->op == BLK_DISCARD)
		return lib(r)->aio_trim(r->handle, io->bytes, io->offset, done,
					0);
	if (io->op == BLK_READ || io->op == BLK_WRITE || !nbd->zero)
		return send_data(r, io, done);
	return lib(r)->aio_zero(r->handle, io->bytes, io->offset, done,
				io->op == BLK_ZERO ?
				LIBNBD_CMD_FLAG_NO_HOLE : 0);
}

static void submit(struct blk_ring *r, struct blk_io *io)
{
	if (r->in_flight++ == 0)
		r->progress_ns = now_ns();
	if (send_request(r, io) >= 0)
		return;
	io->result = -EIO;	/* it was not sent at all */
	io->next = r->done;
	r->done = io;
}

/* What the server cannot do and need not. */
static bool needless(const struct blk_nbd *nbd, const struct blk_io *io)
{
	return (io->op == BLK_FLUSH && !nbd->flush) ||
	       (io->op == BLK_DISCARD && !nbd->trim);
}

static void nbd_add(struct blk_ring *r, struct blk_io *io)
{
	io->result = 0;
	io->bounce = NULL;
	io->again = false;
	io->owner = r;
	if (needless(r->image->nbd, io)) {
		io->next = r->finished;
		r->finished = io;
		return;
	}
	submit(r, io);
}

/* --- completions ------------------------------------------------------------- */

static bool in_pieces(const struct blk_ring *r, const struct blk_io *io)
{
	return io->op == BLK_READ || io->op == BLK_WRITE ||
	       (io->op != BLK_FLUSH && io->op != BLK_DISCARD &&
		!r->image->nbd->zero);
}

/* True: finished; false: sent again for the rest, or for the flush. */
static bool complete(struct blk_ring *r, struct blk_io *io)
{
	const struct blk_nbd *nbd = r->image->nbd;

	r->in_flight--;
	r->progress_ns = now_ns();
	if (!io->result && !io->again && in_pieces(r, io)) {
		if (io->bounce && io->op == BLK_READ)
			copy_piece(io, false);
		advance(io);
	}
	free(io->bounce);
	io->bounce = NULL;
	if (io->result) {
		if (dead(r))
			report_death(r);
		if (io->result == -ENOTCONN || io->result == -ESHUTDOWN)
			io->result = -EIO;
		return true;
	}
	if (io->again || !in_pieces(r, io))
		return true;
	if (io->bytes == 0) {
		if (io->op == BLK_READ || !io->durable || nbd->fua ||
		    !nbd->flush)
			return true;
		io->again = true;
	}
	submit(r, io);
	return false;
}

/* Lets libnbd work, without waiting. */
static void pump(struct blk_ring *r)
{
	if (!dead(r))
		lib(r)->poll(r->handle, 0);
}

static struct blk_io *nbd_reap(struct blk_ring *r)
{
	struct blk_io *io = r->finished;

	if (io) {
		r->finished = io->next;
		return io;
	}
	if (!r->done && r->in_flight)
		pump(r);
	while ((io = r->done) != NULL) {
		r->done = io->next;
		if (complete(r, io))
			return io;
	}
	return NULL;
}

static bool nbd_ready(struct blk_ring *r)
{
	if (!r->done && r->in_flight)
		pump(r);
	return r->finished || r->done;
}

static void hang_up(struct blk_ring *r)
{
	if (!dead(r))
		shutdown(lib(r)->aio_get_fd(r->handle), SHUT_RDWR);
}

static void check_silence(struct blk_ring *r)
{
	if (r->in_flight && !r->image->nbd->helper &&
	    now_ns() - r->progress_ns > SILENCE_NS)
		hang_up(r);
}

static void nbd_wait(struct blk_ring *r)
{
	struct pollfd p[2] = { { .fd = r->doorbell, .events = POLLIN } };
	unsigned int direction;
	uint64_t count;

	if (r->finished || r->done)
		return;
	p[1].fd = -1;
	if (!dead(r)) {
		direction = lib(r)->aio_get_direction(r->handle);
		p[1].fd = lib(r)->aio_get_fd(r->handle);
		if (direction & LIBNBD_AIO_DIRECTION_READ)
			p[1].events |= POLLIN;
		if (direction & LIBNBD_AIO_DIRECTION_WRITE)
			p[1].events |= POLLOUT;
	}
	/* EINTR (a kick): the caller looks and waits again. */
	if (poll(p, 2, r->in_flight ? LOOK_MS : -1) > 0 && p[0].revents &&
	    read(r->doorbell, &count, sizeof(count)) < 0)
		say("%s: doorbell: %s", r->image->nbd->what, strerror(errno));
	if (p[1].revents)
		pump(r);
	if (dead(r))
		report_death(r);
	check_silence(r);
}

static void nbd_submit(struct blk_ring *r)
{
	(void)r;		/* all is on its way */
}

static void nbd_cancel(struct blk_ring *r)
{
	if (r->in_flight && !r->image->nbd->helper)
		hang_up(r);
}

static int nbd_init(struct blk_ring *r, unsigned int depth)
{
	struct blk_nbd *nbd = r->image->nbd;
	unsigned int n = atomic_fetch_add(&nbd->taken, 1);

	(void)depth;
	if (n >= nbd->handles)
		return -EMFILE;
	r->handle = nbd->handle[n];
	return 0;
}

static void nbd_exit(struct blk_ring *r)
{
	(void)r;		/* the image's to close */
}

const struct blk_ring_ops blk_nbd_ops = {
	.init = nbd_init,
	.exit = nbd_exit,
	.add = nbd_add,
	.submit = nbd_submit,
	.reap = nbd_reap,
	.ready = nbd_ready,
	.wait = nbd_wait,
	.cancel = nbd_cancel,
};

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disk images and the way to read and write them: image.c opens, locks and
 * measures; a backend does the I/O: blk_uring.c for raw images and devices,
 * blk_nbd.c for all that another process serves.
 */
#ifndef COLINUX_BLK_H
#define COLINUX_BLK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <liburing.h>

#include "backends/blk_spec.h"

struct blk_ring_ops;

/* --- images --------------------------------------------------------------- */

struct blk_nbd;

/*
 * A file or a block device. If it is raw, all goes through `direct` where
 * alignment allows, the rest through `buffered`; the host keeps both coherent.
 * Else, and for a snapshot, `buffered` only holds the lock and `nbd` is used.
 */
struct blk_image {
	const struct blk_ring_ops *ops;	/* the backend */
	int buffered;		/* holds the lock; -1: an NBD server's */
	int direct;		/* O_DIRECT, or -1 */
	uint64_t bytes;
	bool read_only;
	bool block_device;
	bool guessed_raw;	/* and must stay what it is */
	enum blk_format format;
	struct blk_nbd *nbd;
	unsigned int max_threads;	/* that may use it; 0: any number */
	uint32_t block_bytes;	/* logical block size to tell the guest */
	uint32_t physical_bytes;
	uint32_t align;		/* of all that goes through direct */
	dev_t device;		/* these two name it uniquely */
	ino_t inode;
};

/*
 * Open and measure, then claim for this CVM. what: "cobd0". Both complain and
 * return -errno; a failed claim leaves the image open.
 */
int blk_open(struct blk_image *image, const struct blk_spec *spec,
	     const char *what);
int blk_claim(struct blk_image *image, const struct blk_spec *spec,
	      const char *what);
void blk_close(struct blk_image *image);
/* *to owns what *from did; closing *from does nothing any more. */
void blk_move(struct blk_image *to, struct blk_image *from);
bool blk_same(const struct blk_image *a, const struct blk_image *b);

/* --- I/O ------------------------------------------------------------------ */

enum blk_op {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,
	BLK_DISCARD,		/* the contents do not matter any more */
	BLK_ZERO,		/* keep the space */
	BLK_ZERO_UNMAP,		/* the space may be given back */
};

/*
 * One request. The caller fills the first part and owns it again when
 * blk_ring_reap() returns it. iov[] is modified.
 */
struct blk_io {
	enum blk_op op;
	bool durable;		/* a write must be on the disk when it is done */
	uint64_t offset;
	uint64_t bytes;
	struct iovec *iov;
	unsigned int iovs;
	int result;		/* out: 0 or -errno */

	/* the ring's */
	void *bounce;
	size_t bounce_bytes;
	bool again;		/* sent for something else this time */
	struct blk_ring *owner;
	struct blk_io *next;
};

/* Would this request make a raw image look like one of another format? */
bool blk_format_forged(const struct blk_io *io);

/* One thread's ring on one image. */
struct blk_ring {
	const struct blk_ring_ops *ops;
	const struct blk_image *image;
	int doorbell;		/* an eventfd that wakes blk_ring_wait(), -1 */
	unsigned int in_flight;
	struct blk_io *finished;/* done at once */

	/* blk_nbd.c */
	struct nbd_handle *handle;
	struct blk_io *done;	/* to be looked at, last first */
	uint64_t progress_ns;	/* when something ended last */

	/* blk_uring.c */
	struct io_uring uring;
	uint64_t doorbell_count;
	bool doorbell_armed;
	struct blk_io *discards;	/* prepared, of a device */
};

/* What a backend does for the functions below; r->ops and so on are set. */
struct blk_ring_ops {
	int (*init)(struct blk_ring *r, unsigned int depth);
	int (*init_near)(struct blk_ring *r, int event, unsigned int depth);
				/* or NULL */
	void (*exit)(struct blk_ring *r);
	void (*add)(struct blk_ring *r, struct blk_io *io);
	void (*submit)(struct blk_ring *r);
	struct blk_io *(*reap)(struct blk_ring *r);
	bool (*ready)(struct blk_ring *r);
	void (*wait)(struct blk_ring *r);
	void (*cancel)(struct blk_ring *r);	/* may be NULL */
};

extern const struct blk_ring_ops blk_uring_ops;
extern const struct blk_ring_ops blk_nbd_ops;

/* In the thread that will use it. depth: requests at a time. -errno. */
int blk_ring_init(struct blk_ring *r, const struct blk_image *image,
		  int doorbell, unsigned int depth);
/*
 * A ring for a thread that waits elsewhere: event, an eventfd, is signalled
 * when something has finished after blk_ring_submit(). -EOPNOTSUPP: the
 * backend has none.
 */
int blk_ring_init_near(struct blk_ring *r, const struct blk_image *image,
		       int event, unsigned int depth);
void blk_ring_exit(struct blk_ring *r);

/* Prepares a request; blk_ring_submit() sends all that are prepared. */
void blk_ring_add(struct blk_ring *r, struct blk_io *io);
void blk_ring_submit(struct blk_ring *r);

/* A finished request, or NULL. */
struct blk_io *blk_ring_reap(struct blk_ring *r);

/* True if blk_ring_reap() has something to look at; cheap. */
bool blk_ring_ready(struct blk_ring *r);

/* Submits, and sleeps until a request is finished or the doorbell rings. */
void blk_ring_wait(struct blk_ring *r);

/* Nobody wants an answer any more: end soon whatever another machine does. */
void blk_ring_cancel(struct blk_ring *r);

#endif /* COLINUX_BLK_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A request for a disk, made from a chain of a virtqueue. The chain's bounds
 * were checked by the queue; what the bytes say is checked here.
 */
#ifndef COLINUX_COBD_REQUEST_H
#define COLINUX_COBD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/blk.h"
#include "core/queue.h"

#define COBD_QUEUE_SIZE		128
#define COBD_SECTOR_SHIFT	9
#define COBD_RANGE_SECTORS	(1U << 22)	/* of one discard */

/* What a request is checked against. */
struct cobd_disk {
	unsigned int number;	/* N of cobdN */
	uint64_t sectors;
	bool read_only;
	bool durable;		/* the guest will not send flushes */
};

struct cobd_request {
	struct blk_io io;	/* first: completions are turned back */
	struct cobd_request *next;	/* while free */
	uint16_t head;
	uint32_t type;
	uint32_t written;	/* bytes for the guest if all goes well */
	uint8_t *status;	/* hva of the guest's status byte */
	struct iovec iov[COBD_QUEUE_SIZE];
};

/*
 * Turns a chain, whose iovecs are r->iov, into r: a 16-byte header, data, a
 * status byte at the end, whatever the boundaries of descriptors. 0: submit
 * r->io. Above 0: it ends at once with the status one below. -EPROTO: it is
 * no request at all.
 */
int cobd_parse(struct cobd_request *r, const struct chain *chain,
	       const struct cobd_disk *d);

#endif /* COLINUX_COBD_REQUEST_H */

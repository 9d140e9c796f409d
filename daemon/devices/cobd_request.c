// SPDX-License-Identifier: GPL-2.0
/* Understanding the guest's requests for a disk, see cobd_request.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/virtio_blk.h>

#include "devices/cobd_request.h"

#define END_WITH(status)	((status) + 1)
#define SECTOR			(1U << COBD_SECTOR_SHIFT)

/* Copies the first len bytes of the iovecs and steps over them. */
static bool take(struct iovec **iov, unsigned int *n, void *to, size_t len)
{
	while (len > 0 && *n > 0) {
		struct iovec *v = *iov;
		size_t part = v->iov_len < len ? v->iov_len : len;

		memcpy(to, v->iov_base, part);
		to = (uint8_t *)to + part;
		len -= part;
		v->iov_base = (uint8_t *)v->iov_base + part;
		v->iov_len -= part;
		if (v->iov_len == 0) {
			++*iov;
			--*n;
		}
	}
	return len == 0;
}

static int check_range(const struct cobd_disk *d, uint64_t sector,
		       uint64_t bytes)
{
	if (bytes == 0 || bytes % SECTOR || sector > d->sectors ||
	    bytes >> COBD_SECTOR_SHIFT > d->sectors - sector)
		return END_WITH(VIRTIO_BLK_S_IOERR);
	return 0;
}

static int parse_rw(const struct cobd_disk *d, struct cobd_request *r,
		    uint64_t sector, struct iovec *iov, unsigned int n,
		    uint64_t bytes)
{
	int end = check_range(d, sector, bytes);

	if (end)
		return end;
	if (r->type == VIRTIO_BLK_T_OUT && d->read_only)
		return END_WITH(VIRTIO_BLK_S_IOERR);
	r->io.op = r->type == VIRTIO_BLK_T_OUT ? BLK_WRITE : BLK_READ;
	r->io.durable = d->durable;
	r->io.offset = sector << COBD_SECTOR_SHIFT;
	r->io.bytes = bytes;
	r->io.iov = iov;
	r->io.iovs = n;
	if (r->type == VIRTIO_BLK_T_IN)
		r->written = bytes;
	return 0;
}

/* DISCARD and WRITE_ZEROES; we offer one range per request. */
static int parse_ranges(const struct cobd_disk *d, struct cobd_request *r,
			struct iovec *iov, unsigned int n, uint64_t bytes)
{
	struct virtio_blk_discard_write_zeroes range;
	bool discard = r->type == VIRTIO_BLK_T_DISCARD;
	uint64_t length;
	int end;

	if (d->read_only || bytes != sizeof(range) ||
	    !take(&iov, &n, &range, sizeof(range)))
		return END_WITH(VIRTIO_BLK_S_IOERR);
	length = (uint64_t)range.num_sectors << COBD_SECTOR_SHIFT;
	end = check_range(d, range.sector, length);
	if (end)
		return end;
	if (range.num_sectors > COBD_RANGE_SECTORS)
		return END_WITH(VIRTIO_BLK_S_IOERR);
	if (range.flags & ~(discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
		return END_WITH(VIRTIO_BLK_S_UNSUPP);
	if (discard)
		r->io.op = BLK_DISCARD;
	else
		r->io.op = range.flags ? BLK_ZERO_UNMAP : BLK_ZERO;
	r->io.offset = range.sector << COBD_SECTOR_SHIFT;
	r->io.bytes = length;
	return 0;
}

static int give_id(const struct cobd_disk *d, struct cobd_request *r, struct iovec *iov,
		   unsigned int n)
{
	char id[VIRTIO_BLK_ID_BYTES + 1] = "";
	size_t done = 0;

	snprintf(id, sizeof(id), "cobd%u", d->number);
	for (unsigned int i = 0; i < n && done < VIRTIO_BLK_ID_BYTES; i++) {
		size_t part = VIRTIO_BLK_ID_BYTES - done;

		if (part > iov[i].iov_len)
			part = iov[i].iov_len;
		memcpy(iov[i].iov_base, id + done, part);
		done += part;
	}
	r->written = done;
	return END_WITH(VIRTIO_BLK_S_OK);
}

int cobd_parse(struct cobd_request *r, const struct chain *chain,
	       const struct cobd_disk *d)
{
	struct iovec *out = r->iov, *in = r->iov + chain->out;
	unsigned int outs = chain->out, ins = chain->in;
	struct virtio_blk_outhdr header;
	uint64_t out_bytes, in_bytes;

	r->head = chain->head;
	r->written = 0;
	if (!take(&out, &outs, &header, sizeof(header)) || ins == 0)
		return -EPROTO;
	out_bytes = chain->out_bytes - sizeof(header);
	in_bytes = chain->in_bytes - 1;
	r->status = (uint8_t *)in[ins - 1].iov_base + --in[ins - 1].iov_len;
	if (in[ins - 1].iov_len == 0)
		ins--;
	r->type = header.type;
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
		return parse_rw(d, r, header.sector, in, ins, in_bytes);
	case VIRTIO_BLK_T_OUT:
		return parse_rw(d, r, header.sector, out, outs, out_bytes);
	case VIRTIO_BLK_T_FLUSH:
		r->io.op = BLK_FLUSH;
		r->io.bytes = 0;
		return 0;
	case VIRTIO_BLK_T_GET_ID:
		return give_id(d, r, in, ins);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return parse_ranges(d, r, out, outs, out_bytes);
	}
	return END_WITH(VIRTIO_BLK_S_UNSUPP);
}

// SPDX-License-Identifier: GPL-2.0
/* A virtqueue from a fuzzer's bytes, see ring.h. */
#include "ring.h"

static struct vring_desc take_desc(struct input *in)
{
	uint8_t kind = take8(in);
	struct vring_desc d = {
		.flags = kind & 7,
		.next = kind >> 3 & 15,
	};

	if (kind & 0x80) {
		d.addr = take_number(in);
		d.len = (uint32_t)take_number(in);
		d.next = take16(in);
		d.flags = take16(in);
	} else if (d.flags & VRING_DESC_F_INDIRECT) {
		d.addr = RING_TABLE + (take8(in) & 7) * 16;
		d.len = 16 * (take8(in) & 15);
		d.flags &= ~VRING_DESC_F_NEXT;
	} else {
		d.addr = RING_DATA + (take8(in) << 6);
		d.len = 1 + (uint32_t)take_number(in);
	}
	return d;
}

static void fill(struct input *in, const struct guest_mem *mem, uint64_t gpa,
		 unsigned int n)
{
	struct vring_desc *d = guest_mem_at(mem, gpa, n * sizeof(*d));

	for (unsigned int i = 0; i < n && in->left; i++)
		d[i] = take_desc(in);
}

void ring_create(struct input *in, struct guest_mem *mem, struct queue *q)
{
	uint8_t flags = take8(in);
	struct queue_layout layout = {
		.desc_gpa = RING_DESC, .avail_gpa = RING_AVAIL,
		.used_gpa = RING_USED, .size = 1 << (flags & 7),
		.event_idx = flags & 8, .indirect = flags & 16,
	};
	struct vring_avail *avail;

	mem->size = RING_MEM;
	mem->hva = calloc(1, RING_MEM);		/* its end is watched */
	must(!queue_init(q, mem, &layout));
	avail = guest_mem_at(mem, RING_AVAIL, 4);
	avail->idx = take8(in) & 0x80 ? take16(in) : 1 + (flags >> 5);
	for (unsigned int i = 0; i < q->size && i < 8; i++)
		avail->ring[i] = take8(in) & 15;
	fill(in, mem, RING_DESC, 16);
	fill(in, mem, RING_TABLE, 16);
	fill(in, mem, RING_DATA, 4);	/* requests' headers, too */
}

void ring_destroy(struct guest_mem *mem)
{
	free(mem->hva);
}

void ring_disturb(struct input *in, const struct guest_mem *mem,
		  const struct queue *q)
{
	uint8_t kind = take8(in);
	struct vring_desc *d;

	if (kind & 1)
		q->avail->idx += kind >> 4;
	if (kind & 2) {
		d = guest_mem_at(mem, RING_DESC, 16 * 16);
		d[take8(in) & 15] = take_desc(in);
	}
	if (kind & 4)
		*(uint8_t *)guest_mem_at(mem, take16(in) % RING_MEM, 1) =
			take8(in);
}

void ring_check(const struct guest_mem *mem, const struct queue *q,
		const struct chain *chain)
{
	const uint8_t *start = mem->hva, *end = start + mem->size;
	uint64_t out = 0, in = 0;
	unsigned int n = chain->out + chain->in;

	must(n >= 1 && n <= chain->max);
	must(chain->head < q->size);
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *base = chain->iov[i].iov_base;
		size_t len = chain->iov[i].iov_len;

		must(len > 0 && base >= start && base < end);
		must(len <= (size_t)(end - base));
		if (i < chain->out)
			out += len;
		else
			in += len;
	}
	must(out == chain->out_bytes && in == chain->in_bytes);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Frames and commands of a network card from a virtqueue full of anything:
 * what is sent on lies within guest memory and has a header that was agreed
 * on, what is received stays within what the guest offered.
 */
#include <errno.h>
#include "ring.h"
#include "devices/conet_frame.h"

#define MAX_TURNS	100

static void check_memory(const struct guest_mem *mem, const struct iovec *iov)
{
	const uint8_t *start = mem->hva, *base = iov->iov_base;

	must(base >= start && base < start + mem->size);
	must(iov->iov_len > 0 &&
	     iov->iov_len <= (size_t)(start + mem->size - base));
}

static void check_sent(const struct guest_mem *mem, uint64_t features,
		       const struct conet_sent *s)
{
	const struct virtio_net_hdr_v1 *h = &s->header;
	size_t sum = 0;

	must(s->iovs >= 1 && s->iov[0].iov_base == h);
	must(s->iov[0].iov_len == CONET_HEADER);
	for (unsigned int i = 1; i < s->iovs; i++) {
		check_memory(mem, &s->iov[i]);
		sum += s->iov[i].iov_len;
	}
	must(sum == s->bytes);
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		must(features & (1ULL << VIRTIO_NET_F_CSUM));
		must((size_t)h->csum_start + h->csum_offset + 2 <= s->bytes);
	}
	if (h->gso_type) {
		must(features & (1ULL << VIRTIO_NET_F_HOST_TSO4 |
				 1ULL << VIRTIO_NET_F_HOST_TSO6));
		must(h->gso_size);
	}
}

/* False: the queue is of no more use. */
static bool send(const struct guest_mem *mem, struct queue *q,
		 uint64_t features, struct conet_pieces *pieces)
{
	struct conet_sent sent;
	int got = conet_take(q, features, pieces, &sent);

	must(got == 1 || got == 0 || got == -EPROTO);
	must((got < 0) == !!q->broken);
	if (got != 1)
		return false;
	check_sent(mem, features, &sent);
	queue_push(q, sent.head, 0);
	return true;
}

static bool receive(struct input *in, struct queue *q, uint64_t features,
		    struct conet_pieces *pieces, uint8_t *frame)
{
	uint16_t before = q->next_used, popped = q->next_avail;
	size_t len = CONET_HEADER + 1 + take16(in);
	int got = conet_give(q, features, pieces, frame, len);
	unsigned int given = (uint16_t)(q->next_used - before);
	size_t sum = 0;

	must(got == -EPROTO || (got >= CONET_NO_ROOM && got <= CONET_TOO_LARGE));
	must((got < 0) == !!q->broken);
	if (got != CONET_GIVEN) {
		must(!given && (q->broken || q->next_avail == popped));
		return got == CONET_TOO_LARGE;
	}
	must(given >= 1 && given <= q->size);
	must(given == 1 || (features & (1ULL << VIRTIO_NET_F_MRG_RXBUF)));
	for (unsigned int i = 0; i < given; i++)
		sum += pieces->used[i].len;
	must(sum == len);
	return true;
}

static bool command(struct queue *q, struct conet_pieces *pieces)
{
	struct chain chain = { .iov = pieces->iov, .max = QUEUE_MAX_SIZE };
	unsigned int pairs = 0;

	if (queue_pop(q, &chain) != 1)
		return false;
	if (conet_command(&chain, 4, &pairs))
		return false;
	must(pairs <= 4);
	queue_push(q, chain.head, 1);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t frame[CONET_HEADER + CONET_FRAME_MAX];
	static struct conet_pieces pieces;
	struct input in = { bytes, size };
	struct guest_mem mem;
	struct queue q;
	uint8_t kind = take8(&in);
	uint64_t features = take32(&in);

	ring_create(&in, &mem, &q);
	for (unsigned int i = 0; i < MAX_TURNS; i++) {
		bool more;

		if (kind % 3 == 0)
			more = send(&mem, &q, features, &pieces);
		else if (kind % 3 == 1)
			more = receive(&in, &q, features, &pieces, frame);
		else
			more = command(&q, &pieces);
		queue_needs_signal(&q);
		if (!more || !in.left)
			break;
		ring_disturb(&in, &mem, &q);
	}
	ring_destroy(&mem);
	return 0;
}

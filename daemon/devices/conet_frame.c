// SPDX-License-Identifier: GPL-2.0
/* Frames and commands in the queues of a network card, see conet_frame.h. */
#include <errno.h>
#include <string.h>

#include "devices/conet_frame.h"

static bool has(uint64_t features, unsigned int feature)
{
	return features & (1ULL << feature);
}

static int broken(struct queue *q, const char *why)
{
	q->broken = why;
	return -EPROTO;
}

/* Copies len bytes off the start of the iovecs. The caller knows they fit. */
static void take(struct iovec **iov, unsigned int *n, void *to, size_t len)
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
}

/* --- from the guest ------------------------------------------------------- */

/* What is wrong with a header, or NULL. */
static const char *check_header(const struct virtio_net_hdr_v1 *h,
				uint64_t features, size_t bytes)
{
	bool partial = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;

	if (partial && !has(features, VIRTIO_NET_F_CSUM))
		return "checksum left to us without agreement";
	if (partial && (size_t)h->csum_start + h->csum_offset + 2 > bytes)
		return "checksum beyond the end of the frame";
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return NULL;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		if (!has(features, VIRTIO_NET_F_HOST_TSO4))
			return "segmentation left to us without agreement";
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		if (!has(features, VIRTIO_NET_F_HOST_TSO6))
			return "segmentation left to us without agreement";
		break;
	default:
		return "unknown kind of segmentation";
	}
	if (!partial || h->gso_size == 0)
		return "segmentation without checksum or size";
	return NULL;
}

int conet_take(struct queue *q, uint64_t features, struct conet_pieces *pieces,
	       struct conet_sent *sent)
{
	/* The first place is for our copy of the header. */
	struct chain chain = { .iov = pieces->iov + 1, .max = QUEUE_MAX_SIZE };
	struct iovec *iov = chain.iov;
	const char *wrong;
	int got = queue_pop(q, &chain);

	if (got != 1)
		return got;
	if (chain.in || chain.out_bytes < CONET_HEADER)
		return broken(q, "frame without header or with room for an answer");
	take(&iov, &chain.out, &sent->header, CONET_HEADER);
	sent->bytes = chain.out_bytes - CONET_HEADER;
	wrong = check_header(&sent->header, features, sent->bytes);
	if (wrong)
		return broken(q, wrong);
	sent->header.num_buffers = 0;
	sent->iov = iov - 1;
	sent->iov[0].iov_base = &sent->header;
	sent->iov[0].iov_len = CONET_HEADER;
	sent->iovs = chain.out + 1;
	sent->head = chain.head;
	return 1;
}

/* --- to the guest --------------------------------------------------------- */

/* Buffers that were taken for a frame. */
struct gathered {
	unsigned int chains;
	unsigned int iovs;
	size_t room;
};

static void give_back(struct queue *q, const struct gathered *g)
{
	for (unsigned int i = 0; i < g->chains; i++)
		queue_unpop(q);
}

static int gather_one(struct queue *q, struct conet_pieces *p,
		      struct gathered *g)
{
	struct chain chain = {
		.iov = p->iov + g->iovs,
		.max = QUEUE_MAX_SIZE,
	};
	int got = queue_pop(q, &chain);

	if (got != 1)
		return got;
	if (chain.out || chain.in_bytes < CONET_HEADER)
		return broken(q, "receive buffer that is read-only or too small");
	if (chain.in_bytes > UINT32_MAX)
		return broken(q, "receive buffer that is too large");
	p->used[g->chains++] = (struct vring_used_elem) {
		.id = chain.head, .len = chain.in_bytes,
	};
	g->iovs += chain.in;
	g->room += chain.in_bytes;
	return 1;
}

/* As many buffers as hold len bytes: CONET_GIVEN if they do. */
static int gather(struct queue *q, struct conet_pieces *p, struct gathered *g,
		  size_t len, unsigned int max)
{
	while (g->room < len) {
		int got;

		/* The next one may be a chain of any length. */
		if (g->chains == max || g->iovs > QUEUE_MAX_SIZE)
			return CONET_TOO_LARGE;
		got = gather_one(q, p, g);
		if (got < 0)
			return got;
		/* Ask to be told of the next one, not of those we have. */
		if (got == 0 && !queue_enable_notify(q))
			return CONET_NO_ROOM;
	}
	return CONET_GIVEN;
}

static void scatter(struct conet_pieces *p, const struct gathered *g,
		    const uint8_t *frame, size_t len)
{
	size_t left = len;

	for (unsigned int i = 0; i < g->iovs && left > 0; i++) {
		size_t part = p->iov[i].iov_len < left ? p->iov[i].iov_len : left;

		memcpy(p->iov[i].iov_base, frame, part);
		frame += part;
		left -= part;
	}
	/* All buffers are full but for the last one. */
	p->used[g->chains - 1].len -= g->room - len;
}

int conet_give(struct queue *q, uint64_t features, struct conet_pieces *pieces,
	       void *frame, size_t len)
{
	bool merge = has(features, VIRTIO_NET_F_MRG_RXBUF);
	struct virtio_net_hdr_v1 header;
	struct gathered g = { 0 };
	int got;

	got = gather(q, pieces, &g, len, merge ? q->size : 1);
	if (got != CONET_GIVEN) {
		if (got >= 0)
			give_back(q, &g);
		return got;
	}
	memcpy(&header, frame, sizeof(header));
	header.num_buffers = g.chains;
	memcpy(frame, &header, sizeof(header));
	scatter(pieces, &g, frame, len);
	queue_push_many(q, pieces->used, g.chains);
	return CONET_GIVEN;
}

/* --- commands ------------------------------------------------------------- */

static uint8_t obey(struct iovec *iov, unsigned int n, size_t bytes,
		    const struct virtio_net_ctrl_hdr *h, unsigned int max,
		    unsigned int *pairs)
{
	struct virtio_net_ctrl_mq mq;

	if (h->class != VIRTIO_NET_CTRL_MQ ||
	    h->cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || bytes != sizeof(mq))
		return VIRTIO_NET_ERR;
	take(&iov, &n, &mq, sizeof(mq));
	if (mq.virtqueue_pairs < 1 || mq.virtqueue_pairs > max)
		return VIRTIO_NET_ERR;
	*pairs = mq.virtqueue_pairs;
	return VIRTIO_NET_OK;
}

int conet_command(const struct chain *chain, unsigned int max,
		  unsigned int *pairs)
{
	struct iovec *iov = chain->iov, *answer = iov + chain->out;
	struct virtio_net_ctrl_hdr header;
	unsigned int n = chain->out;

	if (chain->in == 0 || chain->out_bytes < sizeof(header))
		return -EPROTO;
	take(&iov, &n, &header, sizeof(header));
	*(uint8_t *)answer->iov_base =
		obey(iov, n, chain->out_bytes - sizeof(header), &header, max,
		     pairs);
	return 0;
}

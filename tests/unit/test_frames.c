// SPDX-License-Identifier: GPL-2.0
/* Frames and commands in the queues of a network card. */
#include <stdio.h>
#include "say.h"
#include "devices/conet_frame.h"

#define MEM	0x40000
#define AVAIL	0x1000
#define USED	0x2000
#define DATA	0x10000
#define SIZE	16
#define BIT(n)	(1ULL << (n))

static struct guest_mem mem;
static struct queue q;
static struct conet_pieces pieces;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;
static uint8_t frame[CONET_HEADER + CONET_FRAME_MAX];

static int setup(void **state)
{
	struct queue_layout layout = {
		.desc_gpa = 0, .avail_gpa = AVAIL, .used_gpa = USED,
		.size = SIZE, .event_idx = true,
	};

	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	assert_int_equal(queue_init(&q, &mem, &layout), 0);
	desc = q.desc;
	avail = q.avail;
	used = q.used;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = i < CONET_HEADER ? 0 : i * 7;
	return forget_said(state);
}

static int teardown(void **state)
{
	free(mem.hva);
	return 0;
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

static uint8_t *data(unsigned int i)
{
	return guest_mem_at(&mem, DATA + i * 0x1000, 0x1000);
}

/* Descriptor i, of len bytes at data(i). */
static void put(unsigned int i, uint32_t len, uint16_t flags)
{
	desc[i] = (struct vring_desc) {
		.addr = DATA + i * 0x1000, .len = len, .flags = flags,
		.next = i + 1,
	};
}

static void offer(unsigned int i)
{
	avail->ring[avail->idx++ % SIZE] = i;
}

static void buffers(unsigned int n, uint32_t len)
{
	for (unsigned int i = 0; i < n; i++) {
		put(i, len, VRING_DESC_F_WRITE);
		offer(i);
	}
}

/* --- from the guest ------------------------------------------------------------ */

static void boundaries_do_not_matter(void **state)
{
	struct conet_sent sent;
	uint8_t got[200];

	for (uint32_t cut = 1; cut < 40; cut++) {
		size_t n = 0;

		memcpy(data(0), frame, cut);
		memcpy(data(1), frame + cut, 100 - cut);
		put(0, cut, VRING_DESC_F_NEXT);
		put(1, 100 - cut, 0);
		offer(0);
		assert_int_equal(conet_take(&q, 0, &pieces, &sent), 1);
		assert_int_equal(sent.bytes, 88);
		assert_int_equal(sent.head, 0);
		assert_ptr_equal(sent.iov[0].iov_base, &sent.header);
		assert_int_equal(sent.iov[0].iov_len, CONET_HEADER);
		for (unsigned int i = 1; i < sent.iovs; i++) {
			memcpy(got + n, sent.iov[i].iov_base,
			       sent.iov[i].iov_len);
			n += sent.iov[i].iov_len;
		}
		assert_int_equal(n, 88);
		assert_memory_equal(got, frame + CONET_HEADER, 88);
	}
	assert_int_equal(conet_take(&q, 0, &pieces, &sent), 0);
}

static int take_header(struct virtio_net_hdr_v1 h, uint64_t features)
{
	struct conet_sent sent;
	int got;

	memcpy(data(0), &h, sizeof(h));
	put(0, CONET_HEADER + 60, 0);
	offer(0);
	got = conet_take(&q, features, &pieces, &sent);
	if (got < 0) {
		assert_non_null(q.broken);
		q.broken = NULL;
	}
	return got;
}

static void headers_are_checked(void **state)
{
	const uint64_t all = BIT(VIRTIO_NET_F_CSUM) |
			     BIT(VIRTIO_NET_F_HOST_TSO4) |
			     BIT(VIRTIO_NET_F_HOST_TSO6);
	struct virtio_net_hdr_v1 h = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = 34, .csum_offset = 16 };

	assert_int_equal(take_header(h, all), 1);
	assert_int_equal(take_header(h, 0), -EPROTO);
	h.csum_start = 43;
	assert_int_equal(take_header(h, all), -EPROTO);
	h.csum_start = 65535;
	h.csum_offset = 65535;
	assert_int_equal(take_header(h, all), -EPROTO);
	h.csum_start = 34;
	h.csum_offset = 16;
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	assert_int_equal(take_header(h, all), -EPROTO);	/* no size */
	h.gso_size = 1448;
	assert_int_equal(take_header(h, all), 1);
	assert_int_equal(take_header(h, BIT(VIRTIO_NET_F_CSUM)), -EPROTO);
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN;
	assert_int_equal(take_header(h, all), 1);
	assert_int_equal(take_header(h, BIT(VIRTIO_NET_F_CSUM) |
				     BIT(VIRTIO_NET_F_HOST_TSO4)), -EPROTO);
	h.gso_type = VIRTIO_NET_HDR_GSO_UDP;
	assert_int_equal(take_header(h, all), -EPROTO);
	h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	h.flags = 0;
	assert_int_equal(take_header(h, all), -EPROTO);
}

static void what_is_no_frame(void **state)
{
	struct conet_sent sent;

	put(0, CONET_HEADER - 1, 0);
	offer(0);
	assert_int_equal(conet_take(&q, 0, &pieces, &sent), -EPROTO);
	assert_int_equal(conet_take(&q, 0, &pieces, &sent), -EPROTO);
	q.broken = NULL;
	put(0, CONET_HEADER + 60, VRING_DESC_F_NEXT);
	put(1, 10, VRING_DESC_F_WRITE);
	offer(0);
	assert_int_equal(conet_take(&q, 0, &pieces, &sent), -EPROTO);
}

/* --- to the guest --------------------------------------------------------------- */

static const uint64_t merge = BIT(VIRTIO_NET_F_MRG_RXBUF);

static void check_given(unsigned int n, uint32_t len, size_t total)
{
	struct virtio_net_hdr_v1 h;
	size_t at = 0;

	memcpy(&h, data(0), sizeof(h));
	assert_int_equal(h.num_buffers, n);
	assert_int_equal(used->idx, n);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t part = total - at < len ? total - at : len;

		assert_int_equal(used->ring[i].id, i);
		assert_int_equal(used->ring[i].len, part);
		assert_memory_equal(data(i) + (i ? 0 : CONET_HEADER),
				    frame + at + (i ? 0 : CONET_HEADER),
				    part - (i ? 0 : CONET_HEADER));
		at += part;
	}
	assert_int_equal(at, total);
}

static void one_buffer(void **state)
{
	buffers(2, 1000);
	assert_int_equal(conet_give(&q, 0, &pieces, frame, 500), CONET_GIVEN);
	check_given(1, 1000, 500);
}

static void merged_buffers(void **state)
{
	buffers(5, 100);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 250), CONET_GIVEN);
	check_given(3, 100, 250);
}

static void exactly_full(void **state)
{
	buffers(5, 100);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 300), CONET_GIVEN);
	check_given(3, 100, 300);
}

static void nothing_is_used_before_all_fits(void **state)
{
	buffers(2, 100);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 250), CONET_NO_ROOM);
	assert_int_equal(used->idx, 0);
	/* The guest is asked to ring for the third, not for the first. */
	assert_int_equal(*(uint16_t *)&used->ring[SIZE], 2);
	put(2, 100, VRING_DESC_F_WRITE);
	offer(2);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 250), CONET_GIVEN);
	check_given(3, 100, 250);
}

static void too_large_for_the_ring(void **state)
{
	buffers(SIZE, 100);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 100 * SIZE + 1),
			 CONET_TOO_LARGE);
	assert_int_equal(used->idx, 0);
	/* Without merging one buffer must do. */
	assert_int_equal(conet_give(&q, 0, &pieces, frame, 101), CONET_TOO_LARGE);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 100 * SIZE),
			 CONET_GIVEN);
	check_given(SIZE, 100, 100 * SIZE);
}

static void bad_receive_buffers(void **state)
{
	put(0, 100, 0);
	offer(0);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 50), -EPROTO);
	q.broken = NULL;
	put(0, CONET_HEADER - 1, VRING_DESC_F_WRITE);
	offer(0);
	assert_int_equal(conet_give(&q, merge, &pieces, frame, 50), -EPROTO);
	assert_int_equal(used->idx, 0);
}

/* --- commands ------------------------------------------------------------------- */

static int order(const void *bytes, size_t len, unsigned int *pairs,
		 uint8_t *answer)
{
	struct iovec iov[2] = { { (void *)bytes, len }, { answer, 1 } };
	struct chain chain = { .iov = iov, .max = 2, .out = 1, .in = 1,
			       .out_bytes = len, .in_bytes = 1 };

	*pairs = 0;
	*answer = 0x55;
	return conet_command(&chain, 4, pairs);
}

static void commands(void **state)
{
	static const struct { uint8_t bytes[6]; size_t len; unsigned int pairs; } c[] = {
		{ { VIRTIO_NET_CTRL_MQ, 0, 1, 0 }, 4, 1 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 4, 0 }, 4, 4 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 0, 0 }, 4, 0 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 5, 0 }, 4, 0 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 1, 1 }, 4, 0 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 1 }, 3, 0 },
		{ { VIRTIO_NET_CTRL_MQ, 0, 1, 0, 0 }, 5, 0 },
		{ { VIRTIO_NET_CTRL_MQ, 1, 1, 0 }, 4, 0 },
		{ { VIRTIO_NET_CTRL_RX, 0, 1 }, 3, 0 },
		{ { 99, 99 }, 2, 0 },
	};
	unsigned int pairs;
	uint8_t answer;

	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		assert_int_equal(order(c[i].bytes, c[i].len, &pairs, &answer), 0);
		assert_int_equal(pairs, c[i].pairs);
		assert_int_equal(answer, pairs ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
	}
	assert_int_equal(order(c[0].bytes, 1, &pairs, &answer), -EPROTO);
	assert_int_equal(answer, 0x55);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(boundaries_do_not_matter), TEST(headers_are_checked),
		TEST(what_is_no_frame), TEST(one_buffer), TEST(merged_buffers),
		TEST(exactly_full), TEST(nothing_is_used_before_all_fits),
		TEST(too_large_for_the_ring), TEST(bad_receive_buffers),
		TEST(commands),
	};

	return cmocka_run_group_tests_name("frames", tests, NULL, NULL);
}

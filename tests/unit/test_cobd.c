// SPDX-License-Identifier: GPL-2.0
/* The guest's requests for a disk: cobd_parse() against every kind of chain. */
#include <linux/virtio_blk.h>
#include "say.h"
#include "devices/cobd_request.h"

#define SECTORS	1000
#define PARSE	0		/* to be submitted */
#define ENDS(status)	((status) + 1)

static struct cobd_disk disk;
static struct cobd_request request;
static struct chain chain;
static uint8_t header[64], data[8192], status[2];

static int setup(void **state)
{
	disk = (struct cobd_disk){ .number = 3, .sectors = SECTORS };
	memset(&request, 0x5a, sizeof(request));
	memset(header, 0, sizeof(header));
	memset(data, 0x77, sizeof(data));
	chain = (struct chain){ .iov = request.iov, .max = COBD_QUEUE_SIZE };
	return forget_said(state);
}

static void put(void *base, size_t len, bool in)
{
	unsigned int n = chain.out + chain.in;

	request.iov[n] = (struct iovec){ base, len };
	if (in) {
		chain.in++;
		chain.in_bytes += len;
	} else {
		chain.out++;
		chain.out_bytes += len;
	}
}

static void head(uint32_t type, uint64_t sector)
{
	struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	chain = (struct chain){ .iov = request.iov, .max = COBD_QUEUE_SIZE };
	memcpy(header, &h, sizeof(h));
	put(header, sizeof(h), false);
}

static int parse(void)
{
	return cobd_parse(&request, &chain, &disk);
}

static int simple(uint32_t type, uint64_t sector, size_t bytes)
{
	head(type, sector);
	if (bytes)
		put(data, bytes, type == VIRTIO_BLK_T_IN);
	put(status, 1, true);
	return parse();
}

/* --- reads and writes -------------------------------------------------------- */

static void a_read(void **state)
{
	assert_int_equal(simple(VIRTIO_BLK_T_IN, 5, 4096), PARSE);
	assert_int_equal(request.io.op, BLK_READ);
	assert_int_equal(request.io.offset, 5 * 512);
	assert_int_equal(request.io.bytes, 4096);
	assert_int_equal(request.io.iovs, 1);
	assert_ptr_equal(request.io.iov[0].iov_base, data);
	assert_int_equal(request.io.iov[0].iov_len, 4096);
	assert_int_equal(request.written, 4096);
	assert_ptr_equal(request.status, status);
}

static void a_write(void **state)
{
	assert_int_equal(simple(VIRTIO_BLK_T_OUT, 0, 512), PARSE);
	assert_int_equal(request.io.op, BLK_WRITE);
	assert_int_equal(request.written, 0);
	assert_false(request.io.durable);
	disk.durable = true;
	assert_int_equal(simple(VIRTIO_BLK_T_OUT, 0, 512), PARSE);
	assert_true(request.io.durable);
}

/* The specification leaves the boundaries of descriptors to the driver. */
static void boundaries_do_not_matter(void **state)
{
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 9 };
	unsigned int cut;

	for (cut = 1; cut < 16; cut++) {
		chain = (struct chain){ .iov = request.iov, .max = 128 };
		memcpy(header, &h, 16);
		put(header, cut, false);
		/* The rest of the header and the data in one. */
		memcpy(data, (uint8_t *)&h + cut, 16 - cut);
		put(data, 16 - cut + 512, false);
		put(status, 1, true);
		assert_int_equal(parse(), PARSE);
		assert_int_equal(request.io.offset, 9 * 512);
		assert_int_equal(request.io.bytes, 512);
		assert_ptr_equal(request.io.iov[0].iov_base, data + 16 - cut);
		assert_int_equal(request.io.iov[0].iov_len, 512);
	}
	/* Data and status in one. */
	head(VIRTIO_BLK_T_IN, 1);
	put(data, 513, true);
	assert_int_equal(parse(), PARSE);
	assert_ptr_equal(request.status, data + 512);
	assert_int_equal(request.io.bytes, 512);
	assert_int_equal(request.io.iov[0].iov_len, 512);
}

static void ranges_are_checked(void **state)
{
	static const struct { uint64_t sector; size_t bytes; } bad[] = {
		{ SECTORS, 512 }, { SECTORS - 1, 1024 }, { ~0ULL, 512 },
		{ 1ULL << 55, 512 }, { (1ULL << 55) - 1, 1024 }, { 0, 511 },
		{ 0, 513 }, { 0, 0 }, { ~0ULL >> 9, 512 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(simple(VIRTIO_BLK_T_IN, bad[i].sector,
					bad[i].bytes),
				 ENDS(VIRTIO_BLK_S_IOERR));
		assert_int_equal(simple(VIRTIO_BLK_T_OUT, bad[i].sector,
					bad[i].bytes),
				 ENDS(VIRTIO_BLK_S_IOERR));
	}
	assert_int_equal(simple(VIRTIO_BLK_T_IN, SECTORS - 16, 8192), PARSE);
	disk.sectors = 0;
	assert_int_equal(simple(VIRTIO_BLK_T_IN, 0, 512),
			 ENDS(VIRTIO_BLK_S_IOERR));
}

static void read_only_disks_are_not_written(void **state)
{
	struct virtio_blk_discard_write_zeroes range = { .num_sectors = 1 };
	static const uint32_t types[] = {
		VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES,
	};

	disk.read_only = true;
	assert_int_equal(simple(VIRTIO_BLK_T_OUT, 0, 512),
			 ENDS(VIRTIO_BLK_S_IOERR));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		memcpy(data, &range, sizeof(range));
		assert_int_equal(simple(types[i], 0, sizeof(range)),
				 ENDS(VIRTIO_BLK_S_IOERR));
	}
	assert_int_equal(simple(VIRTIO_BLK_T_IN, 0, 512), PARSE);
}

/* --- others ------------------------------------------------------------------- */

static void a_flush(void **state)
{
	assert_int_equal(simple(VIRTIO_BLK_T_FLUSH, 0, 0), PARSE);
	assert_int_equal(request.io.op, BLK_FLUSH);
	assert_int_equal(request.io.bytes, 0);
}

static int range_of(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {
		.sector = sector, .num_sectors = n, .flags = flags,
	};

	memcpy(data, &range, sizeof(range));
	return simple(type, 0, sizeof(range));
}

static void discard_and_write_zeroes(void **state)
{
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 8, 16, 0), PARSE);
	assert_int_equal(request.io.op, BLK_DISCARD);
	assert_int_equal(request.io.offset, 8 * 512);
	assert_int_equal(request.io.bytes, 16 * 512);
	assert_int_equal(range_of(VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS, 0),
			 PARSE);
	assert_int_equal(request.io.op, BLK_ZERO);
	assert_int_equal(range_of(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 1), PARSE);
	assert_int_equal(request.io.op, BLK_ZERO_UNMAP);
}

static void bad_ranges_of_discard(void **state)
{
	const int error = ENDS(VIRTIO_BLK_S_IOERR);

	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 0, 0, 0), error);
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0), error);
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 1, SECTORS, 0), error);
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, ~0ULL, 2, 0), error);
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 0, ~0U, 0), error);
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 0, 1, 1),
			 ENDS(VIRTIO_BLK_S_UNSUPP));
	assert_int_equal(range_of(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2),
			 ENDS(VIRTIO_BLK_S_UNSUPP));
	disk.sectors = 1ULL << 40;
	assert_int_equal(range_of(VIRTIO_BLK_T_DISCARD, 0,
				  COBD_RANGE_SECTORS + 1, 0), error);
	/* One range a request is what we offer. */
	assert_int_equal(simple(VIRTIO_BLK_T_DISCARD, 0, 32), error);
	assert_int_equal(simple(VIRTIO_BLK_T_DISCARD, 0, 15), error);
	assert_int_equal(simple(VIRTIO_BLK_T_DISCARD, 0, 0), error);
}

static void the_id(void **state)
{
	head(VIRTIO_BLK_T_GET_ID, 0);
	put(data, VIRTIO_BLK_ID_BYTES, true);
	put(status, 1, true);
	assert_int_equal(parse(), ENDS(VIRTIO_BLK_S_OK));
	assert_string_equal((char *)data, "cobd3");
	assert_int_equal(data[VIRTIO_BLK_ID_BYTES], 0x77);
	assert_int_equal(request.written, VIRTIO_BLK_ID_BYTES);
	/* A short buffer gets what fits. */
	memset(data, 0x77, sizeof(data));
	head(VIRTIO_BLK_T_GET_ID, 0);
	put(data, 3, true);
	put(status, 1, true);
	assert_int_equal(parse(), ENDS(VIRTIO_BLK_S_OK));
	assert_memory_equal(data, "cob\x77", 4);
	assert_int_equal(request.written, 3);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = { 2, 3, 9, 0x80000000, ~0U };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(simple(types[i], 0, 512),
				 ENDS(VIRTIO_BLK_S_UNSUPP));
}

static void no_request_at_all(void **state)
{
	/* No place for a status. */
	head(VIRTIO_BLK_T_OUT, 0);
	put(data, 512, false);
	assert_int_equal(parse(), -EPROTO);
	/* Half a header. */
	chain = (struct chain){ .iov = request.iov, .max = 128 };
	put(header, 15, false);
	put(status, 1, true);
	assert_int_equal(parse(), -EPROTO);
	/* No header. */
	chain = (struct chain){ .iov = request.iov, .max = 128 };
	put(status, 1, true);
	assert_int_equal(parse(), -EPROTO);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read),
		TEST(a_write),
		TEST(boundaries_do_not_matter),
		TEST(ranges_are_checked),
		TEST(read_only_disks_are_not_written),
		TEST(a_flush),
		TEST(discard_and_write_zeroes),
		TEST(bad_ranges_of_discard),
		TEST(the_id),
		TEST(unknown_types),
		TEST(no_request_at_all),
	};

	return cmocka_run_group_tests_name("cobd", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* A whole corng with its thread: what is asked for is filled, and no faster. */
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include "say.h"
#include "driver.h"
#include "core/thread.h"
#include "devices/devices.h"

#define MEM		(1UL << 20)
#define RING		0x20000
#define BUFFERS		0x40000
#define BUFFER		0x8000
#define SIZE		8
#define DRIVER_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;

static int setup(void **state)
{
	forget_said(state);
	memset(&fake_driver, 0, sizeof(fake_driver));
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	virtio_init(&bus, 3, &mem);
	assert_int_equal(corng_create(&bus), 0);
	dev = bus.device[0];
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	free(mem.hva);
	return 0;
}

static void start_device(void)
{
	struct co_queue *q = &dev->shared->queue[0];

	q->desc_gpa = RING;
	q->avail_gpa = RING + 0x1000;
	q->used_gpa = RING + 0x2000;
	q->size = SIZE;
	q->ready = 1;
	memset(guest_mem_at(&mem, RING, 0x3000), 0, 0x3000);
	desc = guest_mem_at(&mem, q->desc_gpa, 1);
	avail = guest_mem_at(&mem, q->avail_gpa, 1);
	used = guest_mem_at(&mem, q->used_gpa, 1);
	dev->shared->guest_features = 1ULL << VIRTIO_F_VERSION_1;
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, DRIVER_OK);
}

static void offer(unsigned int i, uint32_t len, uint16_t flags, bool ring)
{
	const uint64_t one = 1;

	desc[i] = (struct vring_desc) {
		.addr = BUFFERS + i * BUFFER, .len = len, .flags = flags,
	};
	avail->ring[avail->idx % SIZE] = i;
	__atomic_store_n(&avail->idx, avail->idx + 1, __ATOMIC_SEQ_CST);
	if (ring)
		assert_int_equal(write(fake_driver.doorbell[0] - 1, &one, 8), 8);
}

static void wait_used(uint16_t index)
{
	for (unsigned int ms = 0;
	     __atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) != index; ms++) {
		if (ms == 20000)
			fail_msg("no answer");
		usleep(1000);
	}
}

/* All of it is written: 256 bytes that stay zero are no randomness. */
static void check_random(unsigned int i, uint32_t len)
{
	const uint8_t *at = guest_mem_at(&mem, BUFFERS + i * BUFFER, BUFFER);
	unsigned int zeroes = 0;

	for (uint32_t n = 0; n < BUFFER; n++) {
		zeroes = at[n] ? 0 : zeroes + 1;
		if (n < len)
			assert_in_range(zeroes, 0, 255);
		else
			assert_int_equal(at[n], 0);
	}
}

static void requests_are_filled(void **state)
{
	start_device();
	for (unsigned int i = 0; i < 3; i++)
		offer(i, 1000 * (i + 1), VRING_DESC_F_WRITE, true);
	wait_used(3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(used->ring[i].id, i);
		assert_int_equal(used->ring[i].len, 1000 * (i + 1));
		check_random(i, used->ring[i].len);
	}
	assert_silent();
}

/* Offered before the device is started, and again after a reset. */
static void requests_that_wait(void **state)
{
	for (unsigned int turn = 0; turn < 3; turn++) {
		start_device();
		dev->shared->status = 0;
		virtio_update(&bus, 0);
		offer(0, 64, VRING_DESC_F_WRITE, true);
		usleep(1000);
		assert_int_equal(used->idx, 0);
		dev->shared->status = DRIVER_OK;
		dev->shared->queue[0].ready = 1;
		virtio_update(&bus, 0);
		wait_used(1);
		assert_int_equal(used->ring[0].len, 64);
		dev->shared->status = 0;
		virtio_update(&bus, 0);
	}
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* 40 KB are five periods' worth: at least four of them must end meanwhile. */
static void the_rate_is_bounded(void **state)
{
	uint64_t start = now_ms();
	uint32_t total = 0;

	start_device();
	for (uint16_t n = 0; total < 40000; n++) {
		offer(0, 40000 - total < 20000 ? 40000 - total : 20000,
		      VRING_DESC_F_WRITE, true);
		wait_used(n + 1);
		total += used->ring[n % SIZE].len;
		assert_in_range(used->ring[n % SIZE].len, 1, 8192);
	}
	assert_true(now_ms() - start >= 390);
}

static void a_bad_ring(void **state)
{
	start_device();
	avail->ring[0] = SIZE;
	avail->idx = 1;
	offer(0, 64, VRING_DESC_F_WRITE, true);
	for (unsigned int ms = 0; ms < 20000 && !(dev->shared->status &
	     VIRTIO_CONFIG_S_NEEDS_RESET); ms++)
		usleep(1000);
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	dev->shared->status = 0;
	virtio_update(&bus, 0);
	assert_said("reset");
	start_device();
	offer(0, 64, VRING_DESC_F_WRITE, true);
	wait_used(1);
}

/* A buffer to be read by the device: nothing to fill, but it comes back. */
static void nothing_to_fill(void **state)
{
	start_device();
	offer(0, 64, 0, true);
	wait_used(1);
	assert_int_equal(used->ring[0].len, 0);
	check_random(0, 0);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_are_filled),
		TEST(requests_that_wait),
		TEST(the_rate_is_bounded),
		TEST(a_bad_ring),
		TEST(nothing_to_fill),
	};

	threads_init();
	return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}

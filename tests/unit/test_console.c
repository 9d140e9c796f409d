// SPDX-License-Identifier: GPL-2.0
/*
 * A whole cocon with its thread: every byte arrives once and in order, both
 * ways, however it is cut, also across resets and when the guest ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include "say.h"
#include "driver.h"
#include "core/thread.h"
#include "devices/devices.h"

#define MEM		(1UL << 20)
#define RINGS		0x20000		/* 0x4000 for each queue */
#define BUFFERS		0x40000
#define BUFFER		0x400
#define SIZE		32
#define TEXT		200000
#define DRIVER_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

enum { RX, TX };

static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static struct cocon *cocon;
static struct sink sink;
static char path[64];
static char text[TEXT];
static unsigned int seed;

/* The guest's side of a queue; buffer i is descriptor i. */
static struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen;
	unsigned int n;
} vqs[2];

static unsigned int any(unsigned int n)
{
	return rand_r(&seed) % n;
}

static int setup(void **state)
{
	forget_said(state);
	seed = 99;
	memset(&fake_driver, 0, sizeof(fake_driver));
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	for (unsigned int i = 0; i < TEXT; i++)
		text[i] = i % 23 ? 'a' + any(26) : '\n';
	snprintf(path, sizeof(path), "/tmp/colinux-console-XXXXXX");
	close(mkstemp(path));
	assert_int_equal(sink_open(&sink, false, path), 0);
	virtio_init(&bus, 3, &mem);
	assert_int_equal(cocon_create(&bus, &sink, 80, 25, &cocon), 0);
	dev = bus.device[0];
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	sink_close(&sink);
	unlink(path);
	free(mem.hva);
	return 0;
}

/* --- the guest ---------------------------------------------------------------- */

static void start_queue(unsigned int n)
{
	struct co_queue *q = &dev->shared->queue[n];
	struct vq *vq = &vqs[n];

	q->desc_gpa = RINGS + n * 0x4000;
	q->avail_gpa = q->desc_gpa + 0x1000;
	q->used_gpa = q->desc_gpa + 0x2000;
	q->size = SIZE;
	q->ready = 1;
	memset(guest_mem_at(&mem, q->desc_gpa, 0x4000), 0, 0x4000);
	vq->desc = guest_mem_at(&mem, q->desc_gpa, 1);
	vq->avail = guest_mem_at(&mem, q->avail_gpa, 1);
	vq->used = guest_mem_at(&mem, q->used_gpa, 1);
	vq->seen = 0;
	vq->n = n;
}

static void reset_device(void)
{
	dev->shared->status = 0;
	virtio_update(&bus, 0);
}

static void start_device(void)
{
	dev->shared->guest_features = 1ULL << VIRTIO_F_VERSION_1 |
				      1ULL << VIRTIO_RING_F_EVENT_IDX;
	start_queue(RX);
	start_queue(TX);
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, DRIVER_OK);
}

static uint8_t *buffer(struct vq *vq, unsigned int i)
{
	return guest_mem_at(&mem, BUFFERS + (vq->n * SIZE + i) * BUFFER, BUFFER);
}

static uint16_t used_index(struct vq *vq)
{
	return __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
}

/* Offers buffer i; rings the doorbell if that is asked for. */
static void offer(struct vq *vq, unsigned int i, uint32_t len, bool ring)
{
	uint16_t old = vq->avail->idx;
	const uint64_t one = 1;

	vq->desc[i] = (struct vring_desc) {
		.addr = BUFFERS + (vq->n * SIZE + i) * BUFFER, .len = len,
		.flags = vq->n == RX ? VRING_DESC_F_WRITE : 0,
	};
	vq->avail->ring[old % SIZE] = i;
	__atomic_store_n(&vq->avail->idx, old + 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring && vring_need_event(__atomic_load_n((uint16_t *)
				     &vq->used->ring[SIZE], __ATOMIC_RELAXED),
				     old + 1, old))
		assert_int_equal(write(fake_driver.doorbell[vq->n] - 1, &one, 8),
				 8);
}

static void wait_used(struct vq *vq, uint16_t index)
{
	for (unsigned int ms = 0; used_index(vq) != index; ms++) {
		if (ms == 20000)
			fail_msg("output was not taken");
		usleep(1000);
	}
}

/* Prints text[from..to) in odd pieces; `now`: as printk, without a virq. */
static void print(unsigned int from, unsigned int to, bool now)
{
	struct vq *vq = &vqs[TX];

	while (from < to) {
		uint16_t index = vq->avail->idx;
		unsigned int i = index % SIZE, len = 1 + any(BUFFER);

		if (len > to - from)
			len = to - from;
		while ((uint16_t)(index - used_index(vq)) >= SIZE)
			usleep(100);
		memcpy(buffer(vq, i), text + from, len);
		offer(vq, i, len, !now);
		if (now) {
			virtio_update(&bus, 0);
			assert_int_equal(used_index(vq), vq->avail->idx);
		}
		from += len;
	}
	wait_used(vq, vq->avail->idx);
}

static void check_log(unsigned int bytes)
{
	char *log = malloc(TEXT + 1);
	int fd = open(path, O_RDONLY);

	assert_int_equal(read(fd, log, TEXT + 1), bytes);
	assert_memory_equal(log, text, bytes);
	close(fd);
	free(log);
}

/* --- output --------------------------------------------------------------------- */

static void output_through_the_doorbell(void **state)
{
	start_device();
	print(0, TEXT, false);
	check_log(TEXT);
	assert_silent();
}

static void output_at_once(void **state)
{
	start_device();
	print(0, TEXT, true);
	check_log(TEXT);
}

static void output_both_ways(void **state)
{
	unsigned int at = 0;

	start_device();
	while (at < TEXT) {
		unsigned int len = 1 + any(3000);

		if (len > TEXT - at)
			len = TEXT - at;
		print(at, at + len, any(2));
		at += len;
	}
	check_log(TEXT);
}

static void output_across_resets(void **state)
{
	for (unsigned int i = 0; i < 10; i++) {
		start_device();
		print(i * 1000, (i + 1) * 1000, i & 1);
		reset_device();
	}
	check_log(10000);
}

/* A panic: the guest offers its last words and is gone. */
static void last_words(void **state)
{
	start_device();
	memcpy(buffer(&vqs[TX], 0), text, 100);
	offer(&vqs[TX], 0, 100, false);
	virtio_finish(&bus);
	check_log(100);
}

static void bad_output_rings(void **state)
{
	start_device();
	vqs[TX].avail->ring[0] = SIZE;
	vqs[TX].avail->idx = 1;
	virtio_update(&bus, 0);
	assert_said("reset");
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	reset_device();
	start_device();
	print(0, 5000, false);
	check_log(5000);
}

/* --- input ------------------------------------------------------------------------- */

/* Takes what has come and offers the buffers again. */
static unsigned int take_input(char *to)
{
	struct vq *vq = &vqs[RX];
	unsigned int n = 0;

	while (vq->seen != used_index(vq)) {
		struct vring_used_elem *e = &vq->used->ring[vq->seen++ % SIZE];

		assert_in_range(e->len, 1, vq->desc[e->id].len);
		memcpy(to + n, buffer(vq, e->id), e->len);
		n += e->len;
		offer(vq, e->id, 1 + any(BUFFER), true);
	}
	return n;
}

/* The main thread's part: the guest has made room. */
static void serve_doorbell(void)
{
	struct pollfd p = { .fd = cocon_input_doorbell(cocon), .events = POLLIN };
	uint64_t count;

	if (poll(&p, 1, 0) != 1)
		return;
	assert_int_equal(read(p.fd, &count, 8), 8);
	cocon_serve_input(cocon);
}

static void input_in_any_pieces(void **state)
{
	char *got = malloc(TEXT + 1);
	unsigned int sent = 0, taken = 0, idle = 0;

	start_device();
	for (unsigned int i = 0; i < SIZE; i++)
		offer(&vqs[RX], i, 1 + any(BUFFER), true);
	while (taken < TEXT && idle < 1000) {
		unsigned int len = any(5000), before = taken;

		if (len > cocon_room(cocon))
			len = cocon_room(cocon);
		if (len > TEXT - sent)
			len = TEXT - sent;
		cocon_input(cocon, text + sent, len);
		sent += len;
		serve_doorbell();
		if (any(3))
			taken += take_input(got + taken);
		idle = taken == before && sent == TEXT ? idle + 1 : 0;
	}
	assert_int_equal(taken, TEXT);
	assert_memory_equal(got, text, TEXT);
	free(got);
}

static void input_waits_for_the_guest(void **state)
{
	size_t room = cocon_room(cocon);
	char got[BUFFER * SIZE];

	cocon_input(cocon, text, 1000);
	assert_int_equal(cocon_room(cocon), room - 1000);
	start_device();
	offer(&vqs[RX], 0, BUFFER, true);
	serve_doorbell();
	assert_int_equal(take_input(got), 1000);
	assert_memory_equal(got, text, 1000);
	assert_int_equal(cocon_room(cocon), room);
}

static void more_input_than_room(void **state)
{
	size_t room = cocon_room(cocon);

	for (size_t at = 0; at + 1000 <= room + 2000; at += 1000)
		cocon_input(cocon, text, 1000);
	assert_true(cocon_room(cocon) < 1000);
}

static void the_size_changes(void **state)
{
	struct virtio_console_config config;

	memcpy(&config, dev->shared->config, sizeof(config));
	assert_int_equal(config.cols, 80);
	assert_int_equal(config.rows, 25);
	cocon_resize(cocon, 100000, 50);
	memcpy(&config, dev->shared->config, sizeof(config));
	assert_int_equal(config.cols, 0xffff);
	assert_int_equal(config.rows, 50);
	assert_int_equal(fake_driver.raised[dev->config_virq], 1);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_through_the_doorbell),
		TEST(output_at_once),
		TEST(output_both_ways),
		TEST(output_across_resets),
		TEST(last_words),
		TEST(bad_output_rings),
		TEST(input_in_any_pieces),
		TEST(input_waits_for_the_guest),
		TEST(more_input_than_room),
		TEST(the_size_changes),
	};

	threads_init();
	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}

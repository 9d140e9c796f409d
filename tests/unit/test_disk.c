// SPDX-License-Identifier: GPL-2.0
/*
 * A whole cobd, with its threads and real I/O, driven as a guest does: many
 * requests at a time, in odd pieces, compared with what a disk must hold; and
 * resets in the middle of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include "say.h"
#include "driver.h"
#include "core/thread.h"
#include "devices/devices.h"

#define MEM		(8UL << 20)
#define RINGS		0x20000		/* 0x10000 bytes for each queue */
#define BUFFERS		0x100000
#define SLOTS		16		/* requests at a time, of a queue */
#define SLOT_BYTES	0x28000		/* of buffers */
#define SLOT_SECTORS	256		/* of the disk, for each */
#define DISK_SECTORS	(2 * SLOTS * SLOT_SECTORS)
#define SIZE		128		/* of a queue */
#define PATIENCE_MS	20000
#define FLAGS_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* What one request does, and where in guest memory it is. */
struct slot {
	uint32_t type;
	unsigned int sector, sectors;
	uint64_t gpa;
	unsigned int shift;		/* of the data: alignment */
	bool busy;
};

/* The guest's side of a queue. */
struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen;			/* of used->idx */
	int doorbell, virq;
	unsigned int near;		/* notifications for the vCPU's thread */
	struct slot slot[SLOTS];
};

static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static struct vq vqs[2];
static char path[64];
static uint8_t disk[DISK_SECTORS * 512];	/* what it must hold */
static uint64_t features;
static unsigned int seed;

static unsigned int any(unsigned int n)
{
	return rand_r(&seed) % n;
}

/* --- setting up ------------------------------------------------------------------ */

static void open_disk(bool read_only, unsigned int queues)
{
	struct blk_spec spec = { .path = path, .read_only = read_only };
	struct blk_image image;

	virtio_init(&bus, 3, &mem);
	assert_int_equal(blk_open(&image, &spec, "cobd0"), 0);
	assert_int_equal(blk_claim(&image, &spec, "cobd0"), 0);
	assert_int_equal(cobd_create(&bus, &image, 0, queues), 0);
	dev = bus.device[0];
}

static int setup(void **state)
{
	int fd;

	forget_said(state);
	seed = 12345;
	memset(&fake_driver, 0, sizeof(fake_driver));
	memset(disk, 0, sizeof(disk));
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	snprintf(path, sizeof(path), "/var/tmp/colinux-disk-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, sizeof(disk)))
		return -1;
	close(fd);
	features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX |
		   1ULL << VIRTIO_RING_F_INDIRECT_DESC |
		   1ULL << VIRTIO_BLK_F_FLUSH;
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	unlink(path);
	free(mem.hva);
	return 0;
}

static void start_queue(unsigned int n)
{
	struct co_queue *q = &dev->shared->queue[n];
	struct vq *vq = &vqs[n];

	memset(vq, 0, sizeof(*vq));
	q->desc_gpa = RINGS + n * 0x10000;
	q->avail_gpa = q->desc_gpa + 0x4000;
	q->used_gpa = q->desc_gpa + 0x8000;
	q->size = SIZE;
	q->ready = 1;
	memset(guest_mem_at(&mem, q->desc_gpa, 0x10000), 0, 0x10000);
	vq->desc = guest_mem_at(&mem, q->desc_gpa, 1);
	vq->avail = guest_mem_at(&mem, q->avail_gpa, 1);
	vq->used = guest_mem_at(&mem, q->used_gpa, 1);
	vq->doorbell = fake_driver.doorbell[n] - 1;
	vq->virq = fake_driver.virqfd[q->virq] - 1;
	for (unsigned int i = 0; i < SLOTS; i++)
		vq->slot[i].gpa = BUFFERS + (n * SLOTS + i) * SLOT_BYTES;
}

static void reset_device(void)
{
	dev->shared->status = 0;
	virtio_update(&bus, 0);
}

static void start_device(void)
{
	reset_device();
	dev->shared->guest_features = features;
	for (unsigned int n = 0; n < dev->queues; n++)
		start_queue(n);
	dev->shared->status = FLAGS_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, FLAGS_OK);
}

/* --- one request --------------------------------------------------------------------- */

/* Data in up to 3 pieces; each slot has 8 descriptors of its own. */
static void write_chain(struct vq *vq, unsigned int i)
{
	struct slot *s = &vq->slot[i];
	uint64_t data = s->gpa + 0x1000 + s->shift;
	uint32_t left = s->sectors * 512;
	struct vring_desc *d = &vq->desc[i * 8];
	struct virtio_blk_outhdr h = { .type = s->type, .sector = s->sector };
	bool in = s->type == VIRTIO_BLK_T_IN;
	unsigned int n = 1;

	memcpy(guest_mem_at(&mem, s->gpa, 16), &h, 16);
	d[0] = (struct vring_desc){ s->gpa, 16, VRING_DESC_F_NEXT, i * 8 + 1 };
	while (left && s->type <= VIRTIO_BLK_T_OUT) {
		uint32_t part = n == 3 ? left : 1 + any(left);

		d[n] = (struct vring_desc){ data, part, VRING_DESC_F_NEXT |
			(in ? VRING_DESC_F_WRITE : 0), i * 8 + n + 1 };
		data += part;
		left -= part;
		n++;
	}
	d[n] = (struct vring_desc){ s->gpa + 16, 1, VRING_DESC_F_WRITE, 0 };
	*(uint8_t *)guest_mem_at(&mem, s->gpa + 16, 1) = 0xee;
}

/* Zeroes and discards have a range as data. */
static void write_range(struct vq *vq, unsigned int i)
{
	struct slot *s = &vq->slot[i];
	struct vring_desc *d = &vq->desc[i * 8];
	struct virtio_blk_discard_write_zeroes r = {
		.sector = s->sector, .num_sectors = s->sectors,
		.flags = s->type == VIRTIO_BLK_T_WRITE_ZEROES ? any(2) : 0,
	};

	memcpy(guest_mem_at(&mem, s->gpa + 32, sizeof(r)), &r, sizeof(r));
	d[2] = d[1];
	d[1] = (struct vring_desc){ s->gpa + 32, sizeof(r), VRING_DESC_F_NEXT,
		i * 8 + 2 };
}

static uint8_t *slot_data(const struct slot *s)
{
	return guest_mem_at(&mem, s->gpa + 0x1000 + s->shift, s->sectors * 512);
}

/* Where the driver would take a notification now. */
static bool bell_is_near(const struct vq *vq)
{
	return __atomic_load_n(&fake_driver.exitbell[vq - vqs],
			       __ATOMIC_RELAXED);
}

/* Offers it to the device, and notifies that if it wants to be. */
static void submit(struct vq *vq, unsigned int i)
{
	uint16_t old = vq->avail->idx, event;
	const uint64_t one = 1;
	bool notify;

	vq->slot[i].busy = true;
	vq->avail->ring[old % SIZE] = i * 8;
	__atomic_store_n(&vq->avail->idx, old + 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n((uint16_t *)&vq->used->ring[SIZE],
				__ATOMIC_RELAXED);
	if (features & 1ULL << VIRTIO_RING_F_EVENT_IDX)
		notify = vring_need_event(event, old + 1, old);
	else
		notify = !(__atomic_load_n(&vq->used->flags, __ATOMIC_RELAXED) &
			   VRING_USED_F_NO_NOTIFY);
	if (!notify)
		return;
	if (bell_is_near(vq)) {
		vq->near++;
		virtio_notified(&bus, vq - vqs);
	} else {
		assert_int_equal(write(vq->doorbell, &one, 8), 8);
	}
}

static void request(struct vq *vq, unsigned int i, uint32_t type)
{
	struct slot *s = &vq->slot[i];
	unsigned int first = (vq - vqs) * SLOTS * SLOT_SECTORS + i * SLOT_SECTORS;

	s->type = type;
	s->sectors = any(4) ? 1 + any(SLOT_SECTORS) : SLOT_SECTORS;
	s->sector = first + any(SLOT_SECTORS - s->sectors + 1);
	if (!any(3)) {			/* direct I/O needs no bounce */
		s->sector = first;
		s->sectors = SLOT_SECTORS;
	}
	s->shift = any(2) ? 0 : any(4000);
	if (type == VIRTIO_BLK_T_OUT)
		for (unsigned int b = 0; b < s->sectors * 512; b++)
			slot_data(s)[b] = any(256);
	if (type == VIRTIO_BLK_T_IN)
		memset(slot_data(s), 0xdd, s->sectors * 512);
	write_chain(vq, i);
	if (type == VIRTIO_BLK_T_WRITE_ZEROES || type == VIRTIO_BLK_T_DISCARD)
		write_range(vq, i);
	submit(vq, i);
}

/* What came back is what a disk would say. */
static void check_done(struct vq *vq, unsigned int i, uint32_t written)
{
	struct slot *s = &vq->slot[i];
	uint8_t *at = disk + s->sector * 512;
	uint32_t bytes = s->sectors * 512;

	assert_true(s->busy);
	s->busy = false;
	assert_int_equal(*(uint8_t *)guest_mem_at(&mem, s->gpa + 16, 1),
			 VIRTIO_BLK_S_OK);
	switch (s->type) {
	case VIRTIO_BLK_T_OUT:
		memcpy(at, slot_data(s), bytes);
		break;
	case VIRTIO_BLK_T_IN:
		assert_memory_equal(slot_data(s), at, bytes);
		assert_int_equal(written, bytes + 1);
		return;
	case VIRTIO_BLK_T_DISCARD:	/* a file's hole reads as zeroes */
	case VIRTIO_BLK_T_WRITE_ZEROES:
		memset(at, 0, bytes);
		break;
	}
	assert_int_equal(written, 1);
}

static unsigned int reap(struct vq *vq)
{
	unsigned int n = 0;

	while (vq->seen != __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE)) {
		struct vring_used_elem *e = &vq->used->ring[vq->seen++ % SIZE];

		assert_true(e->id % 8 == 0 && e->id < SLOTS * 8);
		check_done(vq, e->id / 8, e->len);
		n++;
	}
	return n;
}

/*
 * Sleeps until a virq tells of something: none may be lost. This thread is the
 * vCPU's as well: its exit event is looked at, as the driver does.
 */
static void wait_some(struct vq *vq)
{
	struct pollfd p[] = {
		{ .fd = vq->virq, .events = POLLIN },
		{ .fd = bus.exit_event, .events = POLLIN },
	};
	uint64_t count;

	__atomic_store_n(&vq->avail->ring[SIZE], vq->seen, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	while (!reap(vq)) {
		if (poll(p, 2, PATIENCE_MS) < 1)
			fail_msg("no virq came");
		if (p[0].revents)
			assert_int_equal(read(vq->virq, &count, 8), 8);
		if (p[1].revents) {
			assert_int_equal(read(bus.exit_event, &count, 8), 8);
			virtio_poll(&bus);
		}
	}
}

static bool any_busy(const struct vq *vq)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		if (vq->slot[i].busy)
			return true;
	return false;
}

static void finish(struct vq *vq)
{
	while (any_busy(vq))
		wait_some(vq);
}

/* --- tests --------------------------------------------------------------------------- */

static uint32_t any_type(void)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
		VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_DISCARD,
	};

	return types[any(ARRAY_SIZE(types))];
}

static void run_requests(unsigned int count)
{
	while (count--) {
		struct vq *vq = &vqs[any(dev->queues)];
		unsigned int i = any(SLOTS);

		while (vq->slot[i].busy)
			wait_some(vq);
		request(vq, i, any_type());
		if (!any(8))
			reap(vq);
	}
	for (unsigned int n = 0; n < dev->queues; n++)
		finish(&vqs[n]);
}

/* The file itself holds what the guest wrote. */
static void check_file(void)
{
	uint8_t *file = malloc(sizeof(disk));
	int fd = open(path, O_RDONLY);

	assert_int_equal(read(fd, file, sizeof(disk)), sizeof(disk));
	assert_memory_equal(file, disk, sizeof(disk));
	close(fd);
	free(file);
}

static void requests_in_any_order(void **state)
{
	open_disk(false, 1);
	start_device();
	run_requests(1500);
	check_file();
	assert_silent();
}

static void two_queues(void **state)
{
	open_disk(false, 2);
	start_device();
	run_requests(1500);
	check_file();
	assert_silent();
}

static void without_event_index(void **state)
{
	features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	open_disk(false, 2);
	start_device();
	run_requests(1000);
	check_file();
}

static void without_flush_writes_are_durable(void **state)
{
	features &= ~(1ULL << VIRTIO_BLK_F_FLUSH);
	open_disk(false, 1);
	start_device();
	run_requests(100);
	check_file();
}

static void one_at_a_time(struct vq *vq, unsigned int count)
{
	while (count--) {
		request(vq, any(SLOTS), any_type());
		finish(vq);
	}
}

/* A guest that waits for each request is served in its own thread, soon. */
static void single_requests_are_served_near(void **state)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_FLUSH,
	};
	struct vq *vq = &vqs[0];

	open_disk(false, 1);
	start_device();
	assert_false(bell_is_near(vq));
	for (unsigned int n = 0; n < 300; n++) {
		request(vq, any(SLOTS), types[any(3)]);
		finish(vq);
	}
	assert_true(bell_is_near(vq));
	assert_true(vq->near >= 50);
	check_file();
	/* And many at a time by the queue's, as soon. */
	for (unsigned int n = 0; n < 4; n++) {
		for (unsigned int i = 0; i < SLOTS; i++)
			request(vq, i, VIRTIO_BLK_T_IN);
		finish(vq);
	}
	assert_false(bell_is_near(vq));
	assert_silent();
}

static void near_and_far_take_turns(void **state)
{
	open_disk(false, 2);
	start_device();
	for (unsigned int round = 0; round < 60; round++) {
		one_at_a_time(&vqs[any(2)], any(30));
		run_requests(any(20));
	}
	check_file();
	assert_silent();
}

static void near_without_event_index(void **state)
{
	features &= ~(1ULL << VIRTIO_RING_F_EVENT_IDX);
	near_and_far_take_turns(state);
}

/* What is under way near when the guest resets the device is waited for. */
static void resets_with_one_under_way(void **state)
{
	struct vq *vq = &vqs[0];

	open_disk(false, 1);
	start_device();
	for (unsigned int round = 0; round < 100; round++) {
		one_at_a_time(vq, any(3));
		request(vq, 0, VIRTIO_BLK_T_IN);
		if (any(2))
			virtio_leave(&bus);
		reset_device();
		memset(guest_mem_at(&mem, BUFFERS, SLOT_BYTES), 0x99, SLOT_BYTES);
		start_device();
		for (unsigned int i = 0; i < SLOT_BYTES; i += 16)
			assert_int_equal(((uint8_t *)mem.hva)[BUFFERS + i], 0x99);
	}
	one_at_a_time(vq, 10);
	virtio_destroy(&bus);
	assert_int_equal(fake_driver.exitfd, 0);
	assert_silent();
}

/* After a reset nothing touches the old rings and buffers any more. */
static void resets_in_the_middle(void **state)
{
	open_disk(false, 2);
	for (unsigned int round = 0; round < 60; round++) {
		start_device();
		for (unsigned int i = 0; i < 2 * SLOTS; i++)
			request(&vqs[i % 2], i / 2, VIRTIO_BLK_T_IN);
		reset_device();
		memset(guest_mem_at(&mem, RINGS, 0x20000), 0x99, 0x20000);
		memset(guest_mem_at(&mem, BUFFERS, 2 * SLOTS * SLOT_BYTES), 0x99,
		       2 * SLOTS * SLOT_BYTES);
		usleep(any(300));
		for (unsigned int i = 0; i < 0x20000; i++)
			assert_int_equal(((uint8_t *)mem.hva)[RINGS + i], 0x99);
		for (unsigned int i = 0; i < 2 * SLOTS * SLOT_BYTES; i += 16)
			assert_int_equal(((uint8_t *)mem.hva)[BUFFERS + i], 0x99);
	}
	start_device();
	run_requests(200);
	assert_silent();
}

/* Destroying it with requests under way is the daemon's normal end. */
static void destroyed_in_the_middle(void **state)
{
	for (unsigned int round = 0; round < 20; round++) {
		open_disk(false, 2);
		start_device();
		for (unsigned int i = 0; i < 2 * SLOTS; i++)
			request(&vqs[i % 2], i / 2, VIRTIO_BLK_T_IN);
		virtio_destroy(&bus);
	}
	assert_silent();
}

static void a_read_only_disk(void **state)
{
	struct vq *vq = &vqs[0];

	open_disk(true, 1);
	assert_true(dev->host_features & 1ULL << VIRTIO_BLK_F_RO);
	start_device();
	request(vq, 0, VIRTIO_BLK_T_IN);
	finish(vq);
	request(vq, 1, VIRTIO_BLK_T_OUT);
	while (__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE) == vq->seen)
		usleep(1000);
	assert_int_equal(*(uint8_t *)guest_mem_at(&mem, vq->slot[1].gpa + 16, 1),
			 VIRTIO_BLK_S_IOERR);
	vq->seen++;
	vq->slot[1].busy = false;
	check_file();
}

/* The image shrinks below us: errors for the guest, a line for the user. */
static void the_image_becomes_shorter(void **state)
{
	struct vq *vq = &vqs[0];

	open_disk(false, 1);
	start_device();
	assert_int_equal(truncate(path, 512), 0);
	request(vq, SLOTS - 1, VIRTIO_BLK_T_IN);
	while (__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE) == vq->seen)
		usleep(1000);
	assert_int_equal(*(uint8_t *)guest_mem_at(&mem,
			 vq->slot[SLOTS - 1].gpa + 16, 1), VIRTIO_BLK_S_IOERR);
	assert_said("cobd0");
}

static void a_bad_ring_breaks_it_until_reset(void **state)
{
	struct vq *vq = &vqs[0];
	const uint64_t one = 1;

	open_disk(false, 1);
	start_device();
	vq->avail->ring[0] = SIZE + 1;
	__atomic_store_n(&vq->avail->idx, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(write(vq->doorbell, &one, 8), 8);
	while (!(__atomic_load_n(&dev->shared->status, __ATOMIC_ACQUIRE) &
		 VIRTIO_CONFIG_S_NEEDS_RESET))
		usleep(1000);
	start_device();
	assert_said("reset");
	run_requests(50);
	check_file();
}

/* --- images ----------------------------------------------------------------------------- */

static void refused(const char *file, const char *why)
{
	struct blk_spec spec = { .path = (char *)file };
	struct blk_image image;
	int err = blk_open(&image, &spec, "cobd0");

	if (!err) {
		err = blk_claim(&image, &spec, "cobd0");
		blk_close(&image);
	}
	assert_true(err < 0);
	assert_said(why);
}

static void bad_images(void **state)
{
	refused("/nonexistent/image", "no such image");
	refused("/tmp", "directory");
	refused("/dev/null", "neither a file nor");
	assert_int_equal(truncate(path, 0), 0);
	refused(path, "empty");
	assert_int_equal(truncate(path, 1000), 0);
	refused(path, "512");
	assert_int_equal(truncate(path, 1024), 0);
	assert_int_equal(chmod(path, 0444), 0);
	refused(path, "not writable");
}

static void an_image_is_locked(void **state)
{
	struct blk_spec spec = { .path = path };
	struct blk_image a, b;

	assert_int_equal(blk_open(&a, &spec, "cobd0"), 0);
	assert_int_equal(blk_claim(&a, &spec, "cobd0"), 0);
	refused(path, "locked");
	blk_close(&a);
	spec.read_only = true;
	assert_int_equal(blk_open(&a, &spec, "cobd0"), 0);
	assert_int_equal(blk_claim(&a, &spec, "cobd0"), 0);
	assert_int_equal(blk_open(&b, &spec, "cobd1"), 0);
	assert_int_equal(blk_claim(&b, &spec, "cobd1"), 0);
	assert_true(blk_same(&a, &b));
	refused(path, "locked");
	blk_close(&a);
	blk_close(&b);
}

static int no_device(void **state)
{
	memset(&bus, 0, sizeof(bus));
	return setup(state);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, no_device, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_in_any_order),
		TEST(two_queues),
		TEST(without_event_index),
		TEST(without_flush_writes_are_durable),
		TEST(single_requests_are_served_near),
		TEST(near_and_far_take_turns),
		TEST(near_without_event_index),
		TEST(resets_with_one_under_way),
		TEST(resets_in_the_middle),
		TEST(destroyed_in_the_middle),
		TEST(a_read_only_disk),
		TEST(the_image_becomes_shorter),
		TEST(a_bad_ring_breaks_it_until_reset),
		TEST(bad_images),
		TEST(an_image_is_locked),
	};

	threads_init();
	return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}

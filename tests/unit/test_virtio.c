// SPDX-License-Identifier: GPL-2.0
/* The device table: negotiation, queues, resets, and guests that cheat. */
#include <fcntl.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <linux/virtio_config.h>
#include "say.h"
#include "driver.h"
#include "core/virtio.h"

#define MEM		(1 << 20)
#define FEATURE_A	(1ULL << 3)
#define V1		(1ULL << VIRTIO_F_VERSION_1)
#define EVENT_IDX	(1ULL << VIRTIO_RING_F_EVENT_IDX)

#define ACKNOWLEDGE	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define FEATURES_OK	(ACKNOWLEDGE | VIRTIO_CONFIG_S_FEATURES_OK)
#define DRIVER_OK	(FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* A device that only remembers. */
struct toy {
	struct device dev;
	bool running[CO_MAX_QUEUES];
	unsigned int starts, stops, serves, halts;
};
static unsigned int destroyed;

static struct toy *toy(struct device *dev)
{
	return (struct toy *)dev;
}

static void start_queue(struct device *dev, unsigned int n)
{
	assert_true(n < dev->queues);
	assert_false(toy(dev)->running[n]);
	toy(dev)->running[n] = true;
	toy(dev)->starts++;
}

static void stop_queue(struct device *dev, unsigned int n)
{
	assert_true(toy(dev)->running[n]);
	toy(dev)->running[n] = false;
	toy(dev)->stops++;
}

static void serve(struct device *dev)
{
	toy(dev)->serves++;
}

static void halt(struct device *dev)
{
	for (unsigned int i = 0; i < CO_MAX_QUEUES; i++)
		assert_false(toy(dev)->running[i]);
	toy(dev)->halts++;
}

static void destroy(struct device *dev)
{
	destroyed++;
	free(dev);
}

static const struct device_ops toy_ops = {
	.name = "toy", .device_id = 42, .start_queue = start_queue,
	.stop_queue = stop_queue, .serve = serve, .halt = halt,
	.destroy = destroy,
};

static struct guest_mem mem;
static struct virtio_bus bus;

static int setup(void **state)
{
	forget_said(state);
	memset(&fake_driver, 0, sizeof(fake_driver));
	destroyed = 0;
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0xee, MEM);
	virtio_init(&bus, 7, &mem);
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	free(mem.hva);
	return 0;
}

static int add(unsigned int queues, struct device **dev)
{
	struct toy *t = calloc(1, sizeof(*t));

	t->dev.ops = &toy_ops;
	t->dev.number = bus.devices;
	t->dev.host_features = FEATURE_A;
	t->dev.queues = queues;
	for (unsigned int i = 0; i < queues; i++)
		t->dev.queue[i].max_size = 64;
	*dev = &t->dev;
	return virtio_add(&bus, &t->dev, "config", 6);
}

static struct device *added(unsigned int queues)
{
	struct device *dev;

	assert_int_equal(add(queues, &dev), 0);
	return dev;
}

/* --- what the guest does ------------------------------------------------------- */

static void set_status(struct device *dev, uint32_t status)
{
	dev->shared->status = status;
	virtio_update(&bus, dev->slot);
}

static void set_queue(struct device *dev, unsigned int n)
{
	struct co_queue *q = &dev->shared->queue[n];

	q->desc_gpa = 0x20000 + n * 0x3000;
	q->avail_gpa = q->desc_gpa + 0x1000;
	q->used_gpa = q->desc_gpa + 0x2000;
	q->size = 64;
	q->ready = 1;
}

static void negotiate(struct device *dev, uint64_t features)
{
	set_status(dev, ACKNOWLEDGE);
	dev->shared->guest_features = features;
	set_status(dev, FEATURES_OK);
}

static void drive(struct device *dev)
{
	negotiate(dev, V1 | EVENT_IDX | FEATURE_A);
	assert_int_equal(dev->shared->status, FEATURES_OK);
	for (unsigned int n = 0; n < dev->queues; n++)
		set_queue(dev, n);
	set_status(dev, DRIVER_OK);
}

/* --- tests ------------------------------------------------------------------------- */

static void the_table_starts_empty(void **state)
{
	struct co_device *table = guest_mem_at(&mem, CO_DEVICES_GPA,
					       CO_MAX_DEVICES * sizeof(*table));

	for (unsigned int i = 0; i < CO_MAX_DEVICES; i++)
		assert_int_equal(table[i].device_id, 0);
}

static void an_entry_says_all(void **state)
{
	struct device *dev = added(2);
	struct co_device *s = dev->shared;

	assert_ptr_equal(s, guest_mem_at(&mem, CO_DEVICES_GPA, sizeof(*s)));
	assert_int_equal(s->device_id, 42);
	assert_true(s->host_features & FEATURE_A);
	assert_true(s->host_features & V1);
	assert_int_equal(s->status, 0);
	assert_int_equal(s->queues, 2);
	assert_int_equal(s->config_len, 6);
	assert_memory_equal(s->config, "config", 6);
	assert_int_equal(s->queue[1].max_size, 64);
	assert_int_equal(s->queue[2].max_size, 0);
	assert_true(s->config_virq >= CO_VIRQ_DEVICE);
}

static void virqs_and_doorbells_are_its_own(void **state)
{
	bool used[CO_MAX_VIRQS] = { false };

	for (unsigned int i = 0; i < 5; i++) {
		struct device *dev = added(i);

		assert_false(used[dev->config_virq]);
		used[dev->config_virq] = true;
		for (unsigned int n = 0; n < i; n++) {
			uint32_t virq = dev->shared->queue[n].virq;

			assert_false(used[virq]);
			used[virq] = true;
			assert_int_equal(fake_driver.virqfd[virq],
					 dev->queue[n].virq + 1);
			assert_int_equal(fake_driver.doorbell
					 [i * CO_MAX_QUEUES + n],
					 dev->queue[n].doorbell + 1);
		}
	}
}

static void a_driver_comes_up(void **state)
{
	struct device *dev = added(3);

	drive(dev);
	assert_int_equal(dev->shared->status, DRIVER_OK);
	assert_int_equal(toy(dev)->starts, 3);
	assert_int_equal(toy(dev)->serves, 1);
	assert_true(device_has(dev, 3));
	assert_true(dev->queue[0].ring.event_idx);
	virtio_update(&bus, 0);		/* nothing new: nothing done twice */
	assert_int_equal(toy(dev)->starts, 3);
	assert_silent();
}

static void only_ready_queues_start(void **state)
{
	struct device *dev = added(3);

	negotiate(dev, V1);
	set_queue(dev, 1);
	set_status(dev, DRIVER_OK);
	assert_int_equal(toy(dev)->starts, 1);
	assert_true(toy(dev)->running[1]);
	assert_false(dev->queue[1].ring.event_idx);
	set_queue(dev, 0);
	virtio_update(&bus, 0);
	assert_true(toy(dev)->running[0]);
	dev->shared->queue[1].ready = 0;
	virtio_update(&bus, 0);
	assert_false(toy(dev)->running[1]);
	assert_true(toy(dev)->running[0]);
}

static void features_not_offered_are_refused(void **state)
{
	struct device *dev = added(1);

	negotiate(dev, V1 | 1ULL << 60);
	assert_false(dev->shared->status & VIRTIO_CONFIG_S_FEATURES_OK);
	set_queue(dev, 0);
	set_status(dev, DRIVER_OK & ~VIRTIO_CONFIG_S_FEATURES_OK);
	assert_int_equal(toy(dev)->starts, 0);
}

static void version_1_is_a_must(void **state)
{
	struct device *dev = added(1);

	negotiate(dev, FEATURE_A);
	assert_false(dev->shared->status & VIRTIO_CONFIG_S_FEATURES_OK);
	negotiate(dev, V1);
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_FEATURES_OK);
}

/* Later changes of what was accepted mean nothing. */
static void features_are_fixed_once_accepted(void **state)
{
	struct device *dev = added(1);

	drive(dev);
	dev->shared->guest_features = ~0ULL;
	virtio_update(&bus, 0);
	assert_true(dev->features == (V1 | EVENT_IDX | FEATURE_A));
}

static void bad_queues_ask_for_a_reset(void **state)
{
	struct co_queue bad[] = {
		{ .desc_gpa = MEM, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 8 },
		{ .desc_gpa = 0x8, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 8 },
		{ .desc_gpa = 0, .avail_gpa = ~0ULL, .used_gpa = 0x2000, .size = 8 },
		{ .desc_gpa = 0, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 0 },
		{ .desc_gpa = 0, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 7 },
		{ .desc_gpa = 0, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 128 },
		{ .desc_gpa = 0, .avail_gpa = 0x1000, .used_gpa = 0x2000, .size = 65535 },
	};
	struct device *dev = added(1);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned int raised = fake_driver.raised[dev->config_virq];

		negotiate(dev, V1);
		bad[i].ready = 1;
		bad[i].virq = 0xffff;
		bad[i].max_size = 0xffff;	/* not the guest's to say */
		dev->shared->queue[0] = bad[i];
		set_status(dev, DRIVER_OK);
		assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
		assert_said("reset");
		assert_true(fake_driver.raised[dev->config_virq] > raised);
		assert_int_equal(toy(dev)->starts, 0);
		set_status(dev, 0);
	}
	drive(dev);
	assert_int_equal(toy(dev)->starts, 1);
}

static void reset_stops_everything(void **state)
{
	struct device *dev = added(4);

	for (unsigned int i = 1; i <= 3; i++) {
		drive(dev);
		set_status(dev, 0);
		assert_int_equal(toy(dev)->stops, 4 * i);
		assert_int_equal(dev->features, 0);
	}
}

static void broken_is_said_but_not_for_ever(void **state)
{
	struct device *dev = added(1);

	drive(dev);
	device_broken(dev, "test");
	assert_said("test");
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	set_status(dev, 0);
	drive(dev);
	assert_int_equal(dev->shared->status, DRIVER_OK);
	for (unsigned int i = 0; i < 1000; i++)
		device_broken(dev, "again");
	assert_in_range(said_lines, 1, 50);
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

static void slots_without_a_device(void **state)
{
	struct device *dev = added(1);

	virtio_update(&bus, 1);
	virtio_update(&bus, CO_MAX_DEVICES);
	virtio_update(&bus, ~0ULL);
	assert_int_equal(toy(dev)->serves, 0);
}

static void statuses_out_of_order(void **state)
{
	struct device *dev = added(1);

	set_queue(dev, 0);
	set_status(dev, VIRTIO_CONFIG_S_DRIVER_OK);
	assert_int_equal(toy(dev)->starts, 0);
	set_status(dev, ~0U);
	assert_int_equal(toy(dev)->starts, 0);
	set_status(dev, 0);
	dev->shared->guest_features = V1;
	set_status(dev, DRIVER_OK);	/* all at once is fine */
	assert_int_equal(toy(dev)->starts, 1);
}

static void too_many_devices(void **state)
{
	struct device *dev;

	for (unsigned int i = 0; i < CO_MAX_DEVICES; i++)
		added(1);
	assert_int_equal(add(1, &dev), -ENOSPC);
	assert_said("too many");
	assert_int_equal(destroyed, 1);
	assert_int_equal(bus.devices, CO_MAX_DEVICES);
}

static void too_many_virqs(void **state)
{
	struct device *dev;
	unsigned int n = 0;

	while (!add(CO_MAX_QUEUES, &dev))
		n++;
	assert_said("too many");
	assert_int_equal(n, (CO_MAX_VIRQS - CO_VIRQ_DEVICE) /
			 (CO_MAX_QUEUES + 1));
}

static void the_driver_refuses(void **state)
{
	struct device *dev;

	for (unsigned int i = 1; i <= 4; i++) {
		fake_driver.fail_after = i;
		assert_true(add(2, &dev) < 0);
		assert_said("driver");
		assert_int_equal(fake_driver.fail_after, 0);
	}
	assert_int_equal(destroyed, 0);		/* that is virtio_destroy's */
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void destroy_gives_all_back(void **state)
{
	int before = open_files();

	for (unsigned int i = 0; i < 4; i++)
		drive(added(i));
	virtio_destroy(&bus);
	assert_int_equal(destroyed, 4);
	assert_int_equal(open_files(), before);
	for (unsigned int i = 0; i < CO_MAX_DOORBELLS; i++)
		assert_int_equal(fake_driver.doorbell[i], 0);
	for (unsigned int i = 0; i < CO_MAX_VIRQS; i++)
		assert_int_equal(fake_driver.virqfd[i], 0);
}

static void a_signal_is_an_event(void **state)
{
	struct device *dev = added(2);
	uint64_t count;

	device_signal(dev, 1);
	device_signal(dev, 1);
	assert_int_equal(read(dev->queue[1].virq, &count, 8), 8);
	assert_int_equal(count, 2);
	assert_int_equal(read(dev->queue[0].virq, &count, 8), -1);
}

static void config_changes_are_whole(void **state)
{
	struct device *dev = added(1);
	uint32_t generation = dev->shared->config_generation;

	device_write_config(dev, "CONFIG", 6);
	assert_memory_equal(dev->shared->config, "CONFIG", 6);
	assert_int_equal(dev->shared->config_generation & 1, 0);
	assert_int_not_equal(dev->shared->config_generation, generation);
	assert_int_equal(fake_driver.raised[dev->config_virq], 1);
	dev->shared->config_generation = 0xffffffff;	/* the guest's joke */
	device_write_config(dev, "config", 6);
	assert_int_equal(dev->shared->config_generation & 1, 0);
}

static void last_words_are_served(void **state)
{
	struct device *dev = added(1);

	drive(dev);
	toy(dev)->serves = 0;
	virtio_finish(&bus);
	assert_int_equal(toy(dev)->serves, 1);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_table_starts_empty),
		TEST(an_entry_says_all),
		TEST(virqs_and_doorbells_are_its_own),
		TEST(a_driver_comes_up),
		TEST(only_ready_queues_start),
		TEST(features_not_offered_are_refused),
		TEST(version_1_is_a_must),
		TEST(features_are_fixed_once_accepted),
		TEST(bad_queues_ask_for_a_reset),
		TEST(reset_stops_everything),
		TEST(broken_is_said_but_not_for_ever),
		TEST(slots_without_a_device),
		TEST(statuses_out_of_order),
		TEST(too_many_devices),
		TEST(too_many_virqs),
		TEST(the_driver_refuses),
		TEST(destroy_gives_all_back),
		TEST(a_signal_is_an_event),
		TEST(config_changes_are_whole),
		TEST(last_words_are_served),
	};

	return cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
}

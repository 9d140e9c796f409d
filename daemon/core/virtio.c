// SPDX-License-Identifier: GPL-2.0
/*
 * The device table and the life of a virtio device, see virtio.h and "3.1
 * Device Initialization" of the virtio specification.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "core/log.h"
#include "core/virtio.h"
#include "os/os.h"

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

#define COMMON_FEATURES	((1ULL << VIRTIO_F_VERSION_1) |		\
			 (1ULL << VIRTIO_RING_F_EVENT_IDX) |	\
			 (1ULL << VIRTIO_RING_F_INDIRECT_DESC))

#define MAX_COMPLAINTS	20
#define TABLE_BYTES	(CO_MAX_DEVICES * sizeof(struct co_device))

void virtio_init(struct virtio_bus *bus, int driver,
		 const struct guest_mem *mem)
{
	memset(bus, 0, sizeof(*bus));
	bus->driver = driver;
	bus->mem = *mem;
	bus->next_virq = CO_VIRQ_DEVICE;
	memset(guest_mem_at(mem, CO_DEVICES_GPA, TABLE_BYTES), 0, TABLE_BYTES);
}

/* --- setting up ----------------------------------------------------------- */

static int make_queue(struct device *dev, unsigned int n)
{
	struct device_queue *q = &dev->queue[n];
	struct co_queue *shared = &dev->shared->queue[n];
	int driver = dev->bus->driver, err;

	/* Blocking: io_uring fails reads of a non-blocking one at once. */
	q->doorbell = eventfd(0, EFD_CLOEXEC);
	if (q->doorbell < 0)
		return -errno;
	q->virq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->virq < 0)
		return -errno;
	memset(shared, 0, sizeof(*shared));
	shared->max_size = q->max_size;
	q->virq_number = dev->bus->next_virq++;
	shared->virq = q->virq_number;
	err = os_driver_doorbell(driver, dev->slot * CO_MAX_QUEUES + n,
				 q->doorbell);
	if (err)
		return err;
	return os_driver_virqfd(driver, 0, q->virq_number, q->virq);
}

static int make_queues(struct device *dev)
{
	for (unsigned int n = 0; n < dev->queues; n++) {
		int err = make_queue(dev, n);

		if (err)
			return err;
	}
	return 0;
}

static void fill_entry(struct device *dev, const void *config, size_t len)
{
	struct co_device *s = dev->shared;

	s->device_id = dev->ops->device_id;
	s->vendor_id = CO_ABI_MAGIC;
	s->host_features = dev->host_features;
	s->guest_features = 0;
	s->status = 0;
	s->config_generation = 0;
	s->config_len = len;
	s->config_virq = dev->config_virq;
	s->queues = dev->queues;
	s->index = dev->number;
	memset(s->config, 0, sizeof(s->config));
	memcpy(s->config, config, len);
}

int virtio_add(struct virtio_bus *bus, struct device *dev, const void *config,
	       size_t config_len)
{
	uint64_t gpa = CO_DEVICES_GPA +
		       bus->devices * sizeof(struct co_device);
	int err;

	dev->bus = bus;
	dev->slot = bus->devices;
	dev->shared = guest_mem_at(&bus->mem, gpa, sizeof(*dev->shared));
	if (bus->devices == CO_MAX_DEVICES || !dev->shared ||
	    bus->next_virq + 1 + dev->queues > CO_MAX_VIRQS) {
		say("%s%u: too many devices: remove some", dev->ops->name,
		    dev->number);
		dev->queues = 0;
		dev->ops->destroy(dev);
		return -ENOSPC;
	}
	bus->device[bus->devices++] = dev;
	dev->host_features |= COMMON_FEATURES;
	dev->config_virq = bus->next_virq++;
	for (unsigned int n = 0; n < dev->queues; n++) {
		dev->queue[n].doorbell = -1;
		dev->queue[n].virq = -1;
	}
	err = make_queues(dev);
	if (err) {
		say("%s%u: cannot connect it to the driver: %s",
		    dev->ops->name, dev->number, strerror(-err));
		return err;
	}
	fill_entry(dev, config, config_len);
	return 0;
}

static void free_queues(struct device *dev)
{
	for (unsigned int n = 0; n < dev->queues; n++) {
		struct device_queue *q = &dev->queue[n];

		os_driver_doorbell(dev->bus->driver,
				   dev->slot * CO_MAX_QUEUES + n, -1);
		if (q->virq >= 0)
			os_driver_virqfd(dev->bus->driver, 0, q->virq_number,
					 -1);
		if (q->doorbell >= 0)
			close(q->doorbell);
		if (q->virq >= 0)
			close(q->virq);
	}
}

/* --- the guest's changes -------------------------------------------------- */

static void start_queue(struct device *dev, unsigned int n)
{
	const struct co_queue *s = &dev->shared->queue[n];
	struct device_queue *q = &dev->queue[n];
	struct queue_layout layout = {
		.desc_gpa = READ_ONCE(s->desc_gpa),
		.avail_gpa = READ_ONCE(s->avail_gpa),
		.used_gpa = READ_ONCE(s->used_gpa),
		.size = READ_ONCE(s->size),
		.event_idx = device_has(dev, VIRTIO_RING_F_EVENT_IDX),
		.indirect = device_has(dev, VIRTIO_RING_F_INDIRECT_DESC),
	};

	if (layout.size > q->max_size ||
	    queue_init(&q->ring, &dev->bus->mem, &layout)) {
		device_broken(dev, "bad size or address of a queue");
		return;
	}
	q->running = true;
	dev->ops->start_queue(dev, n);
}

static void stop_queue(struct device *dev, unsigned int n)
{
	if (!dev->queue[n].running)
		return;
	dev->ops->stop_queue(dev, n);
	dev->queue[n].running = false;
}

static void reset(struct device *dev)
{
	for (unsigned int n = 0; n < dev->queues; n++)
		stop_queue(dev, n);
	dev->features = 0;
	dev->status = 0;
}

/* FEATURES_OK stays only if we can live with what the guest accepted. */
static void check_features(struct device *dev)
{
	uint64_t wanted = READ_ONCE(dev->shared->guest_features);

	if ((wanted & ~dev->host_features) ||
	    !(wanted & (1ULL << VIRTIO_F_VERSION_1))) {
		__atomic_fetch_and(&dev->shared->status,
				   ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK,
				   __ATOMIC_SEQ_CST);
		return;
	}
	dev->features = wanted;
	dev->status |= VIRTIO_CONFIG_S_FEATURES_OK;
}

static void update_queues(struct device *dev)
{
	for (unsigned int n = 0; n < dev->queues; n++) {
		bool ready = READ_ONCE(dev->shared->queue[n].ready) == 1;

		if (ready && !dev->queue[n].running)
			start_queue(dev, n);
		else if (!ready)
			stop_queue(dev, n);
	}
}

void virtio_update(struct virtio_bus *bus, uint64_t slot)
{
	struct device *dev;
	uint32_t status;

	if (slot >= bus->devices)
		return;		/* no device there, nothing to act on */
	dev = bus->device[slot];
	status = __atomic_load_n(&dev->shared->status, __ATOMIC_ACQUIRE);
	if (status == 0) {
		reset(dev);
		return;
	}
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;		/* only a reset helps */
	if ((status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
		check_features(dev);
	if ((status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	    (dev->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		update_queues(dev);
		if (dev->ops->serve)
			dev->ops->serve(dev);
	}
}

void virtio_finish(struct virtio_bus *bus)
{
	for (unsigned int i = 0; i < bus->devices; i++)
		if (bus->device[i]->ops->serve)
			bus->device[i]->ops->serve(bus->device[i]);
}

void virtio_destroy(struct virtio_bus *bus)
{
	while (bus->devices > 0) {
		struct device *dev = bus->device[--bus->devices];

		reset(dev);
		dev->ops->halt(dev);
		free_queues(dev);
		dev->ops->destroy(dev);
	}
	if (bus->exit_event > 0) {
		os_driver_exitfd(bus->driver, 0, -1);
		close(bus->exit_event);
	}
	bus->exit_event = 0;
}

/* --- the vCPU's thread ------------------------------------------------------ */

int virtio_exit_event(struct virtio_bus *bus)
{
	int err, event;

	if (bus->exit_event > 0)
		return bus->exit_event;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		return -errno;
	err = os_driver_exitfd(bus->driver, 0, event);
	if (err) {
		close(event);
		return err;
	}
	bus->exit_event = event;
	return event;
}

void virtio_notified(struct virtio_bus *bus, uint64_t doorbell)
{
	uint64_t slot = doorbell / CO_MAX_QUEUES, queue = doorbell % CO_MAX_QUEUES;
	struct device *dev = slot < bus->devices ? bus->device[slot] : NULL;

	if (dev && dev->ops->notified && queue < dev->queues &&
	    dev->queue[queue].running)
		dev->ops->notified(dev, queue);
}

void virtio_poll(struct virtio_bus *bus)
{
	for (unsigned int i = 0; i < bus->devices; i++)
		if (bus->device[i]->ops->poll)
			bus->device[i]->ops->poll(bus->device[i]);
}

void virtio_leave(struct virtio_bus *bus)
{
	for (unsigned int i = 0; i < bus->devices; i++)
		if (bus->device[i]->ops->leave)
			bus->device[i]->ops->leave(bus->device[i]);
}

/* --- from the devices ----------------------------------------------------- */

static void config_virq(struct device *dev)
{
	int err = os_driver_raise(dev->bus->driver, 0, dev->config_virq);

	if (err)
		say("%s%u: cannot raise its virq: %s", dev->ops->name,
		    dev->number, strerror(-err));
}

void device_signal(struct device *dev, unsigned int queue)
{
	const uint64_t one = 1;

	/* Full (EAGAIN) means that many are on their way already. */
	if (write(dev->queue[queue].virq, &one, sizeof(one)) < 0 &&
	    errno != EAGAIN)
		say("%s%u: cannot signal its virq: %s", dev->ops->name,
		    dev->number, strerror(errno));
}

void device_broken(struct device *dev, const char *why)
{
	/* A guest can do this for ever; its user need not read it all. */
	if (atomic_fetch_add(&dev->complaints, 1) < MAX_COMPLAINTS)
		say("%s%u: stopped, the guest must reset it: %s",
		    dev->ops->name, dev->number, why);
	__atomic_fetch_or(&dev->shared->status,
			  (uint32_t)VIRTIO_CONFIG_S_NEEDS_RESET,
			  __ATOMIC_SEQ_CST);
	config_virq(dev);
}

void device_write_config(struct device *dev, const void *config, size_t len)
{
	uint32_t generation = READ_ONCE(dev->shared->config_generation) & ~1U;

	/*
	 * Odd while config[] changes: the guest reads generation, config,
	 * generation again with read barriers between (x86 keeps the order of
	 * stores; the fences keep the compiler's).
	 */
	WRITE_ONCE(dev->shared->config_generation, generation | 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(dev->shared->config, config, len);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	WRITE_ONCE(dev->shared->config_generation, generation + 2);
	config_virq(dev);
}

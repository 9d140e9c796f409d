/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtio devices over the table in guest memory (struct co_device): what is
 * common to all of them. A device is one file with one struct device_ops.
 *
 * Threads: the vCPU thread brings the guest's changes (virtio_update()); it
 * alone starts and stops queues. A device serves its running queues from
 * threads of its own and calls device_signal() and device_broken().
 */
#ifndef COLINUX_VIRTIO_H
#define COLINUX_VIRTIO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <colinux/abi.h>

#include "core/guest_mem.h"
#include "core/queue.h"

struct device;

struct device_ops {
	const char *name;		/* "cobd" */
	uint32_t device_id;		/* VIRTIO_ID_* */
	/*
	 * The ring of this queue is valid: serve it. On return of stop_queue
	 * nothing of it is used any more and no I/O for it is under way.
	 */
	void (*start_queue)(struct device *dev, unsigned int queue);
	void (*stop_queue)(struct device *dev, unsigned int queue);
	/*
	 * Optional: the guest wants its buffers looked at before it goes on.
	 * Runs in the vCPU thread; queues may be stopped.
	 */
	void (*serve)(struct device *dev);
	/*
	 * Optional, in the vCPU's thread: its CO_IOC_RUN returned because of
	 * this queue's doorbell (CO_IOC_EXITBELL); or for whatever reason
	 * (poll); it will not be called again (leave: no I/O may be under way
	 * that was begun in this thread).
	 */
	void (*notified)(struct device *dev, unsigned int queue);
	void (*poll)(struct device *dev);
	void (*leave)(struct device *dev);
	/* All queues are stopped for good: end the threads. */
	void (*halt)(struct device *dev);
	/* Free it; the doorbells are closed already. */
	void (*destroy)(struct device *dev);
};

struct device_queue {
	struct queue ring;
	uint16_t max_size;
	int doorbell;		/* eventfd: the guest added buffers */
	int virq;		/* eventfd: raises this queue's virq */
	uint32_t virq_number;
	bool running;		/* vCPU thread only */
};

/*
 * Fields are fixed once added to the bus, but for: status, features and
 * queue[].running, written by the vCPU thread; shared, by the guest, too.
 */
struct device {
	const struct device_ops *ops;
	struct virtio_bus *bus;
	unsigned int slot;		/* index in the table */
	unsigned int number;		/* N of cobdN */
	struct co_device *shared;
	uint64_t host_features;
	uint64_t features;		/* accepted by the guest */
	uint32_t status;		/* as of the last update */
	unsigned int queues;
	struct device_queue queue[CO_MAX_QUEUES];
	uint16_t config_virq;
	atomic_uint complaints;
};

struct virtio_bus {
	int driver;
	struct guest_mem mem;
	struct device *device[CO_MAX_DEVICES];
	unsigned int devices;
	unsigned int next_virq;
	int exit_event;		/* eventfd: ends CO_IOC_RUN of vCPU 0; or 0 */
};

void virtio_init(struct virtio_bus *bus, int driver,
		 const struct guest_mem *mem);

/*
 * Adds a device that has ops, number, host_features, queues and
 * queue[].max_size; makes its events and its entry in the table. Complains.
 * The bus destroys it from now on, also if this fails.
 */
int virtio_add(struct virtio_bus *bus, struct device *dev, const void *config,
	       size_t config_len);

/* CO_EXIT_DEVICE: act on what the guest changed. */
void virtio_update(struct virtio_bus *bus, uint64_t slot);

/*
 * The guest has ended: what it left in its queues is served, so that the last
 * words of a panic are not lost. vCPU thread.
 */
void virtio_finish(struct virtio_bus *bus);

/* Stops and destroys all devices; no vCPU runs any more. */
void virtio_destroy(struct virtio_bus *bus);

/* The eventfd that brings vCPU 0's thread back from CO_IOC_RUN; -errno. */
int virtio_exit_event(struct virtio_bus *bus);

/* vCPU's thread: CO_EXIT_NOTIFY; after each CO_IOC_RUN; before it ends. */
void virtio_notified(struct virtio_bus *bus, uint64_t doorbell);
void virtio_poll(struct virtio_bus *bus);
void virtio_leave(struct virtio_bus *bus);

/* Buffers were used: a virq for this queue. */
void device_signal(struct device *dev, unsigned int queue);

/* The guest broke the rules: ask it to reset the device. */
void device_broken(struct device *dev, const char *why);

/* Changes config[] so that the guest never sees half of it. */
void device_write_config(struct device *dev, const void *config, size_t len);

static inline bool device_has(const struct device *dev, unsigned int feature)
{
	return dev->features & (1ULL << feature);
}

#endif /* COLINUX_VIRTIO_H */

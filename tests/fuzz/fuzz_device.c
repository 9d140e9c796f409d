// SPDX-License-Identifier: GPL-2.0
/*
 * The device table under a guest that writes anything into it. Queues start and
 * stop in turn, only with valid rings and accepted features, and all is given
 * back at the end.
 */
#include <unistd.h>
#include <linux/virtio_config.h>
#include "input.h"
#include "core/virtio.h"

#define MEM		(256 << 10)
#define DEVICES		2
#define QUEUES		3
#define MAX_TURNS	200

struct toy {
	struct device dev;
	bool running[QUEUES];
	bool dead;
};
static struct guest_mem mem;

static void start_queue(struct device *dev, unsigned int n)
{
	struct toy *t = (struct toy *)dev;
	struct queue *q = &dev->queue[n].ring;

	must(n < QUEUES && !t->running[n] && !t->dead);
	must(dev->features & (1ULL << VIRTIO_F_VERSION_1));
	must(!(dev->features & ~dev->host_features));
	must(q->size && q->size <= dev->queue[n].max_size);
	must((uint8_t *)q->desc >= (uint8_t *)mem.hva &&
	     (uint8_t *)(q->desc + q->size) <= (uint8_t *)mem.hva + MEM);
	t->running[n] = true;
}

static void stop_queue(struct device *dev, unsigned int n)
{
	struct toy *t = (struct toy *)dev;

	must(n < QUEUES && t->running[n]);
	t->running[n] = false;
}

static void serve(struct device *dev)
{
	struct iovec iov[8];
	struct chain chain = { .iov = iov, .max = 8 };

	for (unsigned int n = 0; n < QUEUES; n++)
		if (((struct toy *)dev)->running[n] &&
		    queue_pop(&dev->queue[n].ring, &chain) == 1)
			queue_push(&dev->queue[n].ring, chain.head, 0);
}

static void halt(struct device *dev)
{
	struct toy *t = (struct toy *)dev;

	for (unsigned int n = 0; n < QUEUES; n++)
		must(!t->running[n]);
	t->dead = true;
}

static void destroy(struct device *dev)
{
	must(((struct toy *)dev)->dead);
	free(dev);
}

static const struct device_ops ops = {
	.name = "toy", .device_id = 42, .start_queue = start_queue,
	.stop_queue = stop_queue, .serve = serve, .halt = halt,
	.destroy = destroy,
};

static void add(struct virtio_bus *bus)
{
	struct toy *t = calloc(1, sizeof(*t));

	t->dev.ops = &ops;
	t->dev.host_features = 0xf0;
	t->dev.queues = QUEUES;
	for (unsigned int n = 0; n < QUEUES; n++)
		t->dev.queue[n].max_size = 16 << n;
	must(!virtio_add(bus, &t->dev, "config", 6));
}

static void good_queue(struct input *in, struct co_queue *q)
{
	uint64_t page = 16 + take8(in) % 40;

	q->desc_gpa = page << 12;
	q->avail_gpa = (page + 1) << 12;
	q->used_gpa = (page + 2) << 12;
	q->size = 1 << (take8(in) & 7);
	q->ready = 1;
}

static void act(struct input *in, struct virtio_bus *bus)
{
	uint8_t kind = take8(in);
	struct device *dev = bus->device[kind & 1];
	struct co_device *s = dev->shared;

	switch (kind >> 1 & 7) {
	case 0:
		s->status = take8(in);
		break;
	case 1:
		s->status |= 1 << (take8(in) & 7);
		break;
	case 2:
		s->guest_features = s->host_features & take64(in);
		break;
	case 3:
		good_queue(in, &s->queue[take8(in) % QUEUES]);
		break;
	case 4:
		s->queue[take8(in) % CO_MAX_QUEUES].ready = take8(in) & 3;
		break;
	case 5:
		((uint8_t *)s)[take16(in) % sizeof(*s)] = take8(in);
		break;
	case 6:
		device_broken(dev, "because");
		break;
	case 7:
		*(uint8_t *)guest_mem_at(&mem, take32(in) % MEM, 1) = take8(in);
		break;
	}
	if (!(kind & 0x80))
		virtio_update(bus, kind & 0x40 ? take_number(in) : dev->slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct virtio_bus bus;

	mem.size = MEM;
	mem.hva = calloc(1, MEM);
	virtio_init(&bus, 3, &mem);
	for (unsigned int i = 0; i < DEVICES; i++)
		add(&bus);
	for (unsigned int i = 0; i < MAX_TURNS && in.left; i++)
		act(&in, &bus);
	virtio_finish(&bus);
	virtio_destroy(&bus);
	free(mem.hva);
	return 0;
}

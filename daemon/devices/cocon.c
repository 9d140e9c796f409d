// SPDX-License-Identifier: GPL-2.0
/*
 * cocon: the guest's console, virtio-console with one port (hvc0); also what
 * its serial ports are made of (ttys.c, hvc1 and up).
 *
 * Output is served by a thread, and by the vCPU thread when the guest asks
 * for it synchronously (it does so when it may not wait for a virq, as in
 * printk). A standard output that is full stops them; the queue then fills up
 * and the guest waits. Input waits here until the guest has room.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>

#include "core/log.h"
#include "core/thread.h"
#include "devices/devices.h"

#define QUEUE_SIZE	64
#define INPUT_BYTES	65536	/* a pasted text; untouched pages are free */
#define MAX_SIDE	0xffff

enum { RX, TX, QUEUES };

/*
 * Locks: r rx_lock, t tx_lock (taken before the output's), m main thread only,
 * - fixed.
 */
struct cocon {
	struct device dev;			/* - */
	void (*write)(void *arg, const void *data, size_t len);	/* - */
	void *arg;				/* - */
	struct thread thread;			/* - */
	atomic_bool stop;
	pthread_mutex_t rx_lock;
	bool rx_on;				/* r */
	size_t input_len;			/* r */
	char input[INPUT_BYTES];		/* r */
	pthread_mutex_t tx_lock;
	bool tx_on;				/* t */
	struct virtio_console_config config;	/* m */
};

static struct cocon *to_cocon(struct device *dev)
{
	return (struct cocon *)dev;	/* its first member */
}

/* --- output --------------------------------------------------------------- */

/* Lock t held. */
static void serve_output(struct cocon *c)
{
	struct queue *ring = &c->dev.queue[TX].ring;
	struct iovec iov[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	int got;

	do {
		queue_disable_notify(ring);
		while ((got = queue_pop(ring, &chain)) == 1) {
			for (unsigned int i = 0; i < chain.out; i++)
				c->write(c->arg, iov[i].iov_base,
					 iov[i].iov_len);
			queue_push(ring, chain.head, 0);
			if (queue_needs_signal(ring))
				device_signal(&c->dev, TX);
		}
		if (got < 0) {
			c->tx_on = false;
			device_broken(&c->dev, ring->broken);
			return;
		}
	} while (queue_enable_notify(ring));
}

static void lock_and_serve_output(struct cocon *c)
{
	pthread_mutex_lock(&c->tx_lock);
	if (c->tx_on)
		serve_output(c);
	pthread_mutex_unlock(&c->tx_lock);
}

static void *output_thread(void *arg)
{
	struct cocon *c = arg;
	uint64_t rings;

	while (!atomic_load(&c->stop)) {
		if (read(c->dev.queue[TX].doorbell, &rings, sizeof(rings)) < 0)
			continue;	/* a kick */
		lock_and_serve_output(c);
	}
	return NULL;
}

/* --- input ---------------------------------------------------------------- */

/* Moves input into one chain; lock r held. */
static void fill_chain(struct cocon *c, const struct chain *chain)
{
	size_t done = 0;

	for (unsigned int i = 0; i < chain->in && done < c->input_len; i++) {
		const struct iovec *v = &chain->iov[chain->out + i];
		size_t n = c->input_len - done;

		if (n > v->iov_len)
			n = v->iov_len;
		memcpy(v->iov_base, c->input + done, n);
		done += n;
	}
	memmove(c->input, c->input + done, c->input_len - done);
	c->input_len -= done;
	queue_push(&c->dev.queue[RX].ring, chain->head, done);
}

/* Lock r held. */
static void serve_input(struct cocon *c)
{
	struct queue *ring = &c->dev.queue[RX].ring;
	struct iovec iov[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	bool pushed = false;
	int got = 0;

	while (c->input_len > 0) {
		got = queue_pop(ring, &chain);
		if (got == 0 && queue_enable_notify(ring))
			continue;
		if (got != 1)
			break;
		fill_chain(c, &chain);
		pushed = true;
	}
	if (pushed && queue_needs_signal(ring))
		device_signal(&c->dev, RX);
	if (got < 0) {
		c->rx_on = false;
		device_broken(&c->dev, ring->broken);
	}
}

void cocon_serve_input(struct cocon *c)
{
	pthread_mutex_lock(&c->rx_lock);
	if (c->rx_on)
		serve_input(c);
	pthread_mutex_unlock(&c->rx_lock);
}

size_t cocon_room(struct cocon *c)
{
	size_t room;

	pthread_mutex_lock(&c->rx_lock);
	room = INPUT_BYTES - c->input_len;
	pthread_mutex_unlock(&c->rx_lock);
	return room;
}

void cocon_input(struct cocon *c, const char *data, size_t len)
{
	pthread_mutex_lock(&c->rx_lock);
	if (len > INPUT_BYTES - c->input_len)
		len = INPUT_BYTES - c->input_len;
	memcpy(c->input + c->input_len, data, len);
	c->input_len += len;
	if (c->rx_on)
		serve_input(c);
	pthread_mutex_unlock(&c->rx_lock);
}

int cocon_input_doorbell(const struct cocon *c)
{
	return c->dev.queue[RX].doorbell;
}

/* --- the device ----------------------------------------------------------- */

static void start_queue(struct device *dev, unsigned int queue)
{
	struct cocon *c = to_cocon(dev);

	if (queue == RX) {
		pthread_mutex_lock(&c->rx_lock);
		c->rx_on = true;
		serve_input(c);
		pthread_mutex_unlock(&c->rx_lock);
	} else {
		pthread_mutex_lock(&c->tx_lock);
		c->tx_on = true;
		serve_output(c);
		pthread_mutex_unlock(&c->tx_lock);
	}
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	struct cocon *c = to_cocon(dev);
	pthread_mutex_t *lock = queue == RX ? &c->rx_lock : &c->tx_lock;

	pthread_mutex_lock(lock);
	if (queue == RX)
		c->rx_on = false;
	else
		c->tx_on = false;
	pthread_mutex_unlock(lock);
}

static void serve(struct device *dev)
{
	lock_and_serve_output(to_cocon(dev));
	cocon_serve_input(to_cocon(dev));
}

static void halt(struct device *dev)
{
	struct cocon *c = to_cocon(dev);
	const uint64_t one = 1;

	atomic_store(&c->stop, true);
	/* thread_join() kicks, so nothing is lost if this fails. */
	if (write(dev->queue[TX].doorbell, &one, sizeof(one)) < 0)
		say("cocon%u: cannot wake its thread: %s", dev->number,
		    strerror(errno));
	thread_join(&c->thread);
}

static void destroy(struct device *dev)
{
	struct cocon *c = to_cocon(dev);

	pthread_mutex_destroy(&c->rx_lock);
	pthread_mutex_destroy(&c->tx_lock);
	free(c);
}

static const struct device_ops cocon_ops = {
	.name = "cocon",
	.device_id = VIRTIO_ID_CONSOLE,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.serve = serve,
	.halt = halt,
	.destroy = destroy,
};

static void set_size(struct cocon *c, unsigned int columns, unsigned int rows)
{
	c->config.cols = columns > MAX_SIDE ? MAX_SIDE : columns;
	c->config.rows = rows > MAX_SIDE ? MAX_SIDE : rows;
}

void cocon_resize(struct cocon *c, unsigned int columns, unsigned int rows)
{
	set_size(c, columns, rows);
	device_write_config(&c->dev, &c->config, sizeof(c->config));
}

void cocon_size(const struct cocon *c, unsigned int *columns,
		unsigned int *rows)
{
	*columns = c->config.cols;
	*rows = c->config.rows;
}

static struct cocon *make(unsigned int number,
			  void (*write)(void *arg, const void *data, size_t len),
			  void *arg)
{
	struct cocon *c = calloc(1, sizeof(*c));

	if (!c) {
		say("cocon%u: out of memory", number);
		return NULL;
	}
	c->write = write;
	c->arg = arg;
	pthread_mutex_init(&c->rx_lock, NULL);
	pthread_mutex_init(&c->tx_lock, NULL);
	c->dev.ops = &cocon_ops;
	c->dev.number = number;
	c->dev.queues = QUEUES;
	c->dev.queue[RX].max_size = QUEUE_SIZE;
	c->dev.queue[TX].max_size = QUEUE_SIZE;
	return c;
}

static int add(struct virtio_bus *bus, struct cocon *c)
{
	unsigned int number = c->dev.number;
	char name[16];
	int err = virtio_add(bus, &c->dev, &c->config, sizeof(c->config));

	if (err)
		return err;
	snprintf(name, sizeof(name), "cocon%u", number);
	err = thread_start(&c->thread, name, output_thread, c);
	if (err)
		say("%s: cannot start a thread: %s", name, strerror(-err));
	return err;
}

static void write_sink(void *arg, const void *data, size_t len)
{
	sink_write(arg, data, len);
}

int cocon_create(struct virtio_bus *bus, struct sink *sink,
		 unsigned int columns, unsigned int rows, struct cocon **cocon)
{
	struct cocon *c = make(0, write_sink, sink);

	if (!c)
		return -ENOMEM;
	/* 0 x 0 means unknown to programs; somebody may attach later. */
	c->dev.host_features = 1ULL << VIRTIO_CONSOLE_F_SIZE;
	set_size(c, columns, rows);
	*cocon = c;
	return add(bus, c);
}

int cocon_create_port(struct virtio_bus *bus, unsigned int number,
		      void (*write)(void *arg, const void *data, size_t len),
		      void *arg, struct cocon **cocon)
{
	struct cocon *c = make(number, write, arg);

	if (!c)
		return -ENOMEM;
	*cocon = c;
	return add(bus, c);
}

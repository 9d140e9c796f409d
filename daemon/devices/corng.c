// SPDX-License-Identifier: GPL-2.0
/*
 * corng: randomness for the guest, virtio-rng fed by the host's getrandom().
 *
 * A guest that reads it in a loop must not keep a CPU of the host busy: there
 * are PERIOD_BYTES in each PERIOD_MS, then its requests wait for the next one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include "core/log.h"
#include "core/thread.h"
#include "devices/devices.h"

#define QUEUE_SIZE	8
#define PERIOD_MS	100
#define PERIOD_BYTES	8192

/* Locks: l lock, t the thread only, - fixed. */
struct corng {
	struct device dev;		/* - */
	struct thread thread;		/* - */
	atomic_bool stop;
	pthread_mutex_t lock;
	bool on;			/* l; the ring is ours while it is set */
	uint64_t period_end;		/* t, ms */
	size_t left;			/* t, bytes of this period */
};

static struct corng *to_corng(struct device *dev)
{
	return (struct corng *)dev;	/* its first member */
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* Bytes that may be given now; 0: sleeps, so look at everything again. */
static size_t allowance(struct corng *c)
{
	const struct timespec nap = { .tv_nsec = PERIOD_MS / 4 * 1000000L };
	uint64_t now = now_ms();

	if (now >= c->period_end) {
		c->period_end = now + PERIOD_MS;
		c->left = PERIOD_BYTES;
	}
	if (c->left == 0)
		nanosleep(&nap, NULL);	/* a kick ends it */
	return c->left;
}

/* Fills at most max bytes of a chain; how many. */
static size_t fill(const struct chain *chain, size_t max)
{
	size_t done = 0;

	for (unsigned int i = 0; i < chain->in && done < max; i++) {
		const struct iovec *v = &chain->iov[chain->out + i];
		size_t n = v->iov_len < max - done ? v->iov_len : max - done;
		ssize_t got = getrandom(v->iov_base, n, 0);

		if (got > 0)
			done += got;
		if (got != (ssize_t)n)
			break;		/* a kick */
	}
	return done;
}

/* One request; lock l held. False: there is none. */
static bool serve_one(struct corng *c, size_t max)
{
	struct queue *ring = &c->dev.queue[0].ring;
	struct iovec iov[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	size_t done;
	int got;

	if (!c->on)
		return false;
	do {
		got = queue_pop(ring, &chain);
	} while (got == 0 && queue_enable_notify(ring));
	if (got < 0) {
		c->on = false;
		device_broken(&c->dev, ring->broken);
	}
	if (got != 1)
		return false;
	done = fill(&chain, max);
	if (done == 0 && chain.in) {
		queue_unpop(ring);	/* kicked: once more */
		return true;
	}
	c->left -= done;
	queue_push(ring, chain.head, done);
	if (queue_needs_signal(ring))
		device_signal(&c->dev, 0);
	return true;
}

static void *corng_thread(void *arg)
{
	struct corng *c = arg;
	bool more = true;
	uint64_t rings;

	while (!atomic_load(&c->stop)) {
		size_t max;

		if (!more && read(c->dev.queue[0].doorbell, &rings,
				  sizeof(rings)) < 0)
			continue;	/* a kick */
		more = true;
		max = allowance(c);
		if (max == 0)
			continue;
		pthread_mutex_lock(&c->lock);
		more = serve_one(c, max);
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

static void wake(struct corng *c)
{
	const uint64_t one = 1;

	if (write(c->dev.queue[0].doorbell, &one, sizeof(one)) < 0)
		say("corng0: cannot wake its thread: %s", strerror(errno));
}

static void set_on(struct corng *c, bool on)
{
	pthread_mutex_lock(&c->lock);
	c->on = on;
	pthread_mutex_unlock(&c->lock);
}

static void start_queue(struct device *dev, unsigned int queue)
{
	(void)queue;		/* the only one */
	set_on(to_corng(dev), true);
	wake(to_corng(dev));	/* what is in it was not announced to us */
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	(void)queue;
	set_on(to_corng(dev), false);
}

static void halt(struct device *dev)
{
	struct corng *c = to_corng(dev);

	atomic_store(&c->stop, true);
	if (c->thread.started)
		wake(c);
	thread_join(&c->thread);
}

static void destroy(struct device *dev)
{
	pthread_mutex_destroy(&to_corng(dev)->lock);
	free(dev);
}

static const struct device_ops corng_ops = {
	.name = "corng",
	.device_id = VIRTIO_ID_RNG,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.halt = halt,
	.destroy = destroy,
};

int corng_create(struct virtio_bus *bus)
{
	struct corng *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		say("corng0: out of memory");
		return -ENOMEM;
	}
	pthread_mutex_init(&c->lock, NULL);
	c->dev.ops = &corng_ops;
	c->dev.queues = 1;
	c->dev.queue[0].max_size = QUEUE_SIZE;
	err = virtio_add(bus, &c->dev, "", 0);
	if (err)
		return err;
	err = thread_start(&c->thread, "corng0", corng_thread, c);
	if (err)
		say("corng0: cannot start a thread: %s", strerror(-err));
	return err;
}

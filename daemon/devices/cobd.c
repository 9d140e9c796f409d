// SPDX-License-Identifier: GPL-2.0
/*
 * cobd: a disk, virtio-blk on an image file or a block device.
 *
 * Each queue has a thread with an io_uring of its own:
 *
 *	guest --> avail ring --> take_requests() --> io_uring
 *	guest <-- used ring  <-- cobd_reap() <-----------'
 *
 * The vCPU thread tells it to run, stop or quit (order()); a stop is
 * acknowledged when nothing is in flight any more and the ring is not used.
 * While the guest has one request at a time the vCPU's thread serves it
 * instead, see cobd_near.c: who touches the virtqueue holds ring_lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "core/log.h"
#include "core/thread.h"
#include "devices/cobd.h"
#include "devices/devices.h"

#define SEG_MAX			(COBD_QUEUE_SIZE - 2)	/* header and status */
#define SIZE_MAX_SEGMENT	(4U << 20)
#define POLL_NS			20000
#define MAX_COMPLAINTS		10

/* --- requests ------------------------------------------------------------- */

static struct cobd_request *get_request(struct cobd_queue *q)
{
	struct cobd_request *r = q->free;

	if (r)
		q->free = r->next;
	else if (q->pool_used < COBD_QUEUE_SIZE)
		r = &q->pool[q->pool_used++];
	return r;
}

static void put_request(struct cobd_queue *q, struct cobd_request *r)
{
	r->next = q->free;
	q->free = r;
}

static void finish(struct cobd_queue *q, struct cobd_request *r, uint8_t status)
{
	uint32_t written = status == VIRTIO_BLK_S_OK ? r->written : 0;

	/* Visible before the used index: barrier B in queue.c. */
	__atomic_store_n(r->status, status, __ATOMIC_RELAXED);
	queue_push(cobd_vring(q), r->head, written + 1);
	put_request(q, r);
}

static uint8_t status_of(struct cobd *c, const struct cobd_request *r)
{
	if (r->io.result == 0)
		return VIRTIO_BLK_S_OK;
	if (r->io.result == -EOPNOTSUPP)
		return VIRTIO_BLK_S_UNSUPP;
	if (atomic_fetch_add(&c->complaints, 1) < MAX_COMPLAINTS)
		say("cobd%u: %s at byte %llu failed on the host: %s",
		    c->dev.number,
		    r->io.op == BLK_READ ? "read" :
		    r->io.op == BLK_FLUSH ? "flush" : "write",
		    (unsigned long long)r->io.offset, strerror(-r->io.result));
	return VIRTIO_BLK_S_IOERR;
}

/* --- the queue's thread --------------------------------------------------- */

void cobd_signal(struct cobd_queue *q)
{
	if (queue_needs_signal(cobd_vring(q)))
		device_signal(&q->cobd->dev, q->index);
}

bool cobd_take(struct cobd_queue *q, struct blk_ring *ring, bool *ended)
{
	struct cobd_request *r = get_request(q);
	struct chain chain;
	int got, todo;

	if (!r)
		return false;
	chain.iov = r->iov;
	chain.max = COBD_QUEUE_SIZE;
	got = queue_pop(cobd_vring(q), &chain);
	if (got != 1) {
		put_request(q, r);
		if (got < 0)
			device_broken(&q->cobd->dev, cobd_vring(q)->broken);
		return false;
	}
	todo = cobd_parse(r, &chain, &q->cobd->disk);
	if (todo < 0) {
		put_request(q, r);
		cobd_vring(q)->broken = "request without header or status";
		device_broken(&q->cobd->dev, cobd_vring(q)->broken);
		return false;
	}
	if (todo == 0 && ring == &q->near_ring && !cobd_near_suits(&r->io)) {
		queue_unpop(cobd_vring(q));
		put_request(q, r);
		return false;
	}
	if (todo == 0) {
		blk_ring_add(ring, &r->io);
	} else {
		finish(q, r, todo - 1);
		*ended = true;
	}
	return true;
}

static bool take_requests(struct cobd_queue *q)
{
	bool any = false, ended = false;

	if (cobd_vring(q)->broken)
		return false;
	queue_disable_notify(cobd_vring(q));
	while (cobd_take(q, &q->ring, &ended))
		any = true;
	if (any) {
		q->busy = true;
		cobd_near_choose(q);
	}
	if (ended)
		cobd_signal(q);
	return any;
}

bool cobd_reap(struct cobd_queue *q, struct blk_ring *ring)
{
	struct blk_io *io;
	bool any = false;

	while ((io = blk_ring_reap(ring)) != NULL) {
		struct cobd_request *r = (struct cobd_request *)io;

		finish(q, r, status_of(q->cobd, r));
		any = true;
	}
	if (any)
		cobd_signal(q);
	return any;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * Looks for more work for a moment: sleeping and being woken costs more than
 * a guest's typical pause between two requests. True: there is some.
 */
static bool poll_briefly(struct cobd_queue *q)
{
	uint64_t until = now_ns() + POLL_NS;

	/* The next request is for the vCPU's thread, if this one is idle. */
	if (!q->cobd->may_poll || __atomic_load_n(&q->bell, __ATOMIC_RELAXED))
		return false;
	do {
		if (queue_pending(cobd_vring(q)) || blk_ring_ready(&q->ring))
			return true;
		__builtin_ia32_pause();
	} while (now_ns() < until);
	return false;
}

/* Outside of the ring now; lock l: order may have changed back meanwhile. */
static void acknowledge_stop(struct cobd_queue *q)
{
	pthread_mutex_lock(&q->lock);
	if (atomic_load(&q->order) != COBD_RUN)
		q->stopped = true;
	pthread_cond_signal(&q->stopped_cond);
	pthread_mutex_unlock(&q->lock);
}

static bool all_in_flight(const struct cobd_queue *q)
{
	return !q->free && q->pool_used == COBD_QUEUE_SIZE;
}

/*
 * Sleeps, unless there is a new order: its ring of the doorbell may be among
 * what was taken since the last look at it.
 */
static void wait_for_more(struct cobd_queue *q, int order)
{
	if (atomic_load(&q->order) == order)
		blk_ring_wait(&q->ring);
}

static bool work(struct cobd_queue *q)
{
	bool worked;

	pthread_mutex_lock(&q->ring_lock);
	worked = take_requests(q);
	worked |= cobd_reap(q, &q->ring);
	pthread_mutex_unlock(&q->ring_lock);
	/* Not while the vCPU's thread may be waiting for the lock. */
	blk_ring_submit(&q->ring);
	return worked;
}

/* True: whatever comes next will wake us. */
static bool may_sleep(struct cobd_queue *q)
{
	bool yes;

	pthread_mutex_lock(&q->ring_lock);
	/* Nothing can be taken before something ends: no need to be told. */
	yes = all_in_flight(q) || !queue_enable_notify(cobd_vring(q));
	if (yes && q->ring.in_flight == 0)
		q->busy = false;
	pthread_mutex_unlock(&q->ring_lock);
	return yes;
}

static void serve(struct cobd_queue *q)
{
	bool worked = work(q);

	if (worked && poll_briefly(q))
		return;
	if (may_sleep(q))
		wait_for_more(q, COBD_RUN);
}

static void follow_orders(struct cobd_queue *q)
{
	for (;;) {
		int order = atomic_load(&q->order);

		if (order == COBD_RUN) {
			serve(q);
			continue;
		}
		pthread_mutex_lock(&q->ring_lock);
		cobd_reap(q, &q->ring);
		pthread_mutex_unlock(&q->ring_lock);
		if (order == COBD_QUIT)
			blk_ring_cancel(&q->ring);
		if (q->ring.in_flight == 0) {
			acknowledge_stop(q);
			if (order == COBD_QUIT)
				return;
		}
		wait_for_more(q, order);
	}
}

static void *queue_thread(void *arg)
{
	struct cobd_queue *q = arg;

	q->init_error = blk_ring_init(&q->ring, &q->cobd->image,
				      q->cobd->dev.queue[q->index].doorbell,
				      COBD_QUEUE_SIZE);
	if (q->init_error) {
		acknowledge_stop(q);
		return NULL;
	}
	follow_orders(q);
	blk_ring_exit(&q->ring);
	return NULL;
}

/* --- orders --------------------------------------------------------------- */

static void give_order(struct cobd_queue *q, enum cobd_order order)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&q->lock);
	q->stopped = false;
	atomic_store(&q->order, order);
	pthread_mutex_unlock(&q->lock);
	if (write(q->cobd->dev.queue[q->index].doorbell, &one, sizeof(one)) < 0)
		say("cobd%u: cannot wake its thread: %s", q->cobd->dev.number,
		    strerror(errno));
}

static void wait_stopped(struct cobd_queue *q)
{
	pthread_mutex_lock(&q->lock);
	while (!q->stopped)
		pthread_cond_wait(&q->stopped_cond, &q->lock);
	pthread_mutex_unlock(&q->lock);
}

static void start_queue(struct device *dev, unsigned int queue)
{
	struct cobd *c = to_cobd(dev);
	bool durable = !device_has(dev, VIRTIO_BLK_F_FLUSH);

	/* Changes only while no queue runs, so no thread is looking. */
	if (c->disk.durable != durable)
		c->disk.durable = durable;
	give_order(&c->queue[queue], COBD_RUN);
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	struct cobd_queue *q = &to_cobd(dev)->queue[queue];

	cobd_near_finish(q);
	give_order(q, COBD_STOP);
	wait_stopped(q);
}

static void halt(struct device *dev)
{
	struct cobd *c = to_cobd(dev);

	for (unsigned int i = 0; i < c->queues; i++) {
		struct cobd_queue *q = &c->queue[i];

		if (q->thread.started)
			give_order(q, COBD_QUIT);
		thread_join(&q->thread);
		cobd_near_exit(q);
		pthread_mutex_destroy(&q->ring_lock);
		pthread_mutex_destroy(&q->lock);
		pthread_cond_destroy(&q->stopped_cond);
		free(q->pool);
	}
	c->queues = 0;
}

static void destroy(struct device *dev)
{
	struct cobd *c = to_cobd(dev);

	blk_close(&c->image);
	free(c);
}

static const struct device_ops cobd_ops = {
	.name = "cobd",
	.device_id = VIRTIO_ID_BLOCK,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.notified = cobd_near_notified,
	.poll = cobd_near_poll,
	.leave = cobd_near_leave,
	.halt = halt,
	.destroy = destroy,
};

/* --- making one ----------------------------------------------------------- */

static int make_queue(struct cobd *c, unsigned int index)
{
	struct cobd_queue *q = &c->queue[index];
	char name[32];
	int err;

	q->cobd = c;
	q->index = index;
	atomic_store(&q->order, COBD_STOP);
	q->pool = calloc(COBD_QUEUE_SIZE, sizeof(*q->pool));
	if (!q->pool)
		return -ENOMEM;
	pthread_mutex_init(&q->ring_lock, NULL);
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->stopped_cond, NULL);
	c->queues++;		/* halt() takes care of it from now on */
	snprintf(name, sizeof(name), "cobd%u.%u", c->dev.number, index);
	err = thread_start(&q->thread, name, queue_thread, q);
	if (err)
		return err;
	wait_stopped(q);
	cobd_near_init(q);
	return q->init_error;
}

static unsigned int log2_of(uint32_t n)
{
	unsigned int log = 0;

	while (n > 1) {
		n >>= 1;
		log++;
	}
	return log;
}

static void fill_config(const struct cobd *c, struct virtio_blk_config *config)
{
	const struct blk_image *i = &c->image;

	memset(config, 0, sizeof(*config));
	config->capacity = i->bytes >> COBD_SECTOR_SHIFT;
	config->size_max = SIZE_MAX_SEGMENT;
	config->seg_max = SEG_MAX;
	config->blk_size = i->block_bytes;
	config->physical_block_exp = log2_of(i->physical_bytes / i->block_bytes);
	config->num_queues = c->dev.queues;
	config->max_discard_sectors = COBD_RANGE_SECTORS;
	config->max_discard_seg = 1;
	config->discard_sector_alignment = i->physical_bytes >> COBD_SECTOR_SHIFT;
	config->max_write_zeroes_sectors = COBD_RANGE_SECTORS;
	config->max_write_zeroes_seg = 1;
	config->write_zeroes_may_unmap = 1;
}

static uint64_t features(const struct cobd *c)
{
	uint64_t f = 1ULL << VIRTIO_BLK_F_SIZE_MAX |
		     1ULL << VIRTIO_BLK_F_SEG_MAX |
		     1ULL << VIRTIO_BLK_F_BLK_SIZE |
		     1ULL << VIRTIO_BLK_F_TOPOLOGY |
		     1ULL << VIRTIO_BLK_F_FLUSH |
		     1ULL << VIRTIO_BLK_F_MQ;

	if (c->image.read_only)
		f |= 1ULL << VIRTIO_BLK_F_RO;
	else
		f |= 1ULL << VIRTIO_BLK_F_DISCARD |
		     1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	return f;
}

int cobd_create(struct virtio_bus *bus, struct blk_image *image,
		unsigned int number, unsigned int queues)
{
	struct cobd *c = calloc(1, sizeof(*c));
	struct virtio_blk_config config;
	int err;

	if (!c) {
		blk_close(image);
		say("cobd%u: out of memory", number);
		return -ENOMEM;
	}
	c->image = *image;
	if (image->max_threads && queues > image->max_threads)
		queues = image->max_threads;
	c->may_poll = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	c->dev.ops = &cobd_ops;
	c->dev.number = number;
	c->dev.queues = queues;
	c->dev.host_features = features(c);
	c->disk = (struct cobd_disk) {
		.number = number,
		.sectors = c->image.bytes >> COBD_SECTOR_SHIFT,
		.read_only = c->image.read_only,
	};
	for (unsigned int i = 0; i < queues; i++)
		c->dev.queue[i].max_size = COBD_QUEUE_SIZE;
	fill_config(c, &config);
	err = virtio_add(bus, &c->dev, &config, sizeof(config));
	for (unsigned int i = 0; i < queues && !err; i++) {
		err = make_queue(c, i);
		if (err)
			say("cobd%u: cannot start its I/O (io_uring): %s",
			    number, strerror(-err));
	}
	return err;
}

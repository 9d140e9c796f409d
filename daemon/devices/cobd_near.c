// SPDX-License-Identifier: GPL-2.0
/*
 * The short way of a cobd: a guest that has one request at a time and waits for
 * it gains nothing from another thread, which the host would have to wake for
 * each request and which would then have to wake the vCPU's. So the vCPU's
 * thread serves it itself, with a small io_uring of its own:
 *
 *	notification --> CO_IOC_RUN returns --> io_uring --> CO_IOC_RUN: the
 *	guest idles; completion --> exit event --> CO_IOC_RUN returns --> virq
 *
 * A request that comes while another one is under way goes to the queue's
 * thread, which is faster with many. The doorbell is told which way most
 * notifications should take (CO_IOC_EXITBELL); that is no more than a hint, as
 * either side passes on what is not for it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "devices/cobd.h"
#include "os/os.h"

#define NEAR_DEPTH	1
#define NEAR_BYTES	(128U << 10)	/* copying more in here takes long */
/* Times in a row that the queue's thread had one request, or more, to change */
#define SINGLE		16
#define SEVERAL		4

bool cobd_near_suits(const struct blk_io *io)
{
	switch (io->op) {
	case BLK_READ:
	case BLK_WRITE:
		return io->bytes <= NEAR_BYTES;
	case BLK_FLUSH:
		return true;
	default:
		return false;		/* they may block */
	}
}

/* ring_lock is held. */
static void set_bell(struct cobd_queue *q, bool on)
{
	struct device *dev = &q->cobd->dev;

	if (q->bell == on)
		return;
	__atomic_store_n(&q->bell, on, __ATOMIC_RELAXED);
	os_driver_exitbell(dev->bus->driver,
			   dev->slot * CO_MAX_QUEUES + q->index, on);
}

/* --- requests, in the vCPU's thread ---------------------------------------- */

static void reap(struct cobd_queue *q)
{
	if (!q->near_busy)
		return;
	/* What the host had no memory for, or did in part only. */
	blk_ring_submit(&q->near_ring);
	if (!blk_ring_ready(&q->near_ring))
		return;
	pthread_mutex_lock(&q->ring_lock);
	if (cobd_reap(q, &q->near_ring))
		q->near_busy = false;
	pthread_mutex_unlock(&q->ring_lock);
	if (q->near_busy)
		blk_ring_submit(&q->near_ring);
}

/* False: there is something for the queue's thread. ring_lock is held. */
static bool take(struct cobd_queue *q)
{
	bool ended = false;

	if (q->busy || atomic_load(&q->order) != COBD_RUN)
		return false;
	if (cobd_take(q, &q->near_ring, &ended))
		q->near_busy = !ended;
	if (ended)
		cobd_signal(q);
	return !queue_enable_notify(cobd_vring(q));
}

static bool serve(struct cobd_queue *q)
{
	bool all;

	/* If it is locked the thread is working. */
	if (!q->near || q->near_busy || pthread_mutex_trylock(&q->ring_lock))
		return false;
	all = take(q);
	pthread_mutex_unlock(&q->ring_lock);
	reap(q);	/* submits it; the host may have it in memory */
	return all;
}

static void pass_on(struct cobd_queue *q)
{
	const uint64_t one = 1;

	if (write(q->cobd->dev.queue[q->index].doorbell, &one, sizeof(one)) < 0)
		say("cobd%u: cannot wake its thread: %s", q->cobd->dev.number,
		    strerror(errno));
}

void cobd_near_notified(struct device *dev, unsigned int queue)
{
	struct cobd_queue *q = &to_cobd(dev)->queue[queue];

	if (!serve(q))
		pass_on(q);
}

void cobd_near_poll(struct device *dev)
{
	struct cobd *c = to_cobd(dev);

	for (unsigned int i = 0; i < c->queues; i++)
		reap(&c->queue[i]);
}

void cobd_near_finish(struct cobd_queue *q)
{
	while (q->near_busy) {
		blk_ring_wait(&q->near_ring);
		reap(q);
	}
}

void cobd_near_leave(struct device *dev)
{
	struct cobd *c = to_cobd(dev);

	for (unsigned int i = 0; i < c->queues; i++)
		cobd_near_finish(&c->queue[i]);
}

/* --- the queue's thread ----------------------------------------------------- */

void cobd_near_choose(struct cobd_queue *q)
{
	if (q->ring.in_flight > 1 || q->near_busy) {
		q->single = 0;
		if (++q->several >= SEVERAL)
			set_bell(q, false);
	} else {
		q->several = 0;
		if (++q->single >= SINGLE && q->near)
			set_bell(q, true);
	}
}

/* --- making one ------------------------------------------------------------- */

/* Without it all goes through the thread, so failures do not matter. */
void cobd_near_init(struct cobd_queue *q)
{
	int event = virtio_exit_event(q->cobd->dev.bus);

	q->near = event >= 0 &&
		  blk_ring_init_near(&q->near_ring, &q->cobd->image, event,
				     NEAR_DEPTH) == 0;
}

void cobd_near_exit(struct cobd_queue *q)
{
	if (q->near)
		blk_ring_exit(&q->near_ring);
	q->near = false;
}

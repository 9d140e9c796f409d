/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of cobd share: cobd.c makes the disk and serves each queue in
 * a thread of its own ("far"), cobd_near.c serves single requests in the vCPU's
 * thread ("near").
 */
#ifndef COLINUX_COBD_H
#define COLINUX_COBD_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/thread.h"
#include "core/virtio.h"
#include "devices/cobd_request.h"

enum cobd_order { COBD_STOP, COBD_RUN, COBD_QUIT };

/*
 * Locks: w the queue's thread only, v the vCPU's thread only, r ring_lock (with
 * it the virtqueue), l lock, - fixed.
 */
struct cobd_queue {
	struct cobd *cobd;		/* - */
	unsigned int index;		/* - */
	struct thread thread;		/* - */
	struct blk_ring ring;		/* w */
	pthread_mutex_t ring_lock;
	struct cobd_request *pool;	/* r */
	struct cobd_request *free;	/* r, last used first: they are warm */
	unsigned int pool_used;		/* r */
	bool busy;			/* r the thread has something to do */

	bool near;			/* - near_ring is there */
	struct blk_ring near_ring;	/* v */
	bool near_busy;			/* written by v with r: a request is
					 * under way in it */
	bool bell;			/* written with r: notifications go to
					 * the vCPU's thread */
	unsigned int single, several;	/* r in a row, see cobd_near.c */

	atomic_int order;
	pthread_mutex_t lock;
	pthread_cond_t stopped_cond;
	bool stopped;			/* l */
	int init_error;		/* set before stopped is */
};

struct cobd {
	struct device dev;
	struct blk_image image;
	struct cobd_disk disk;		/* for cobd_parse() */
	bool may_poll;
	unsigned int queues;		/* that have been made */
	atomic_uint complaints;
	struct cobd_queue queue[CO_MAX_QUEUES];
};

static inline struct cobd *to_cobd(struct device *dev)
{
	return (struct cobd *)dev;	/* its first member */
}

static inline struct queue *cobd_vring(struct cobd_queue *q)
{
	return &q->cobd->dev.queue[q->index].ring;
}

/* --- cobd.c, all with ring_lock held --- */

/*
 * Takes one request and prepares it in ring; *ended: it has ended already.
 * False: there is none that could be taken.
 */
bool cobd_take(struct cobd_queue *q, struct blk_ring *ring, bool *ended);

/* Gives back what has finished in ring, and tells the guest. True: something. */
bool cobd_reap(struct cobd_queue *q, struct blk_ring *ring);

/* Tells the guest of what was given back, if it wants to know. */
void cobd_signal(struct cobd_queue *q);

/* --- cobd_near.c --- */

void cobd_near_init(struct cobd_queue *q);
void cobd_near_exit(struct cobd_queue *q);

/* Operations of the device, in the vCPU's thread. */
void cobd_near_notified(struct device *dev, unsigned int queue);
void cobd_near_poll(struct device *dev);
void cobd_near_leave(struct device *dev);

/* Waits until nothing is under way near. vCPU's thread, or that has ended. */
void cobd_near_finish(struct cobd_queue *q);

/* A request that may be served near. */
bool cobd_near_suits(const struct blk_io *io);

/* The queue's thread has taken requests: who shall have the next ones? */
void cobd_near_choose(struct cobd_queue *q);

#endif /* COLINUX_COBD_H */

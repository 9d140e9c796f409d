// SPDX-License-Identifier: GPL-2.0
/*
 * conet: a network card, virtio-net in front of a backend.
 *
 * Each pair of queues has a thread:
 *
 *	guest --> sending queue   --> conet_take() --> backend->send()
 *	guest <-- receiving queue <-- conet_give() <-- backend->receive()
 *
 * It looks at queues only with the pair's lock held and while they are on; the
 * vCPU thread turns them on and off under the same lock. Pair 0 has the control
 * queue, too. Where vhost-net serves the queues the threads only wait for
 * commands and complaints.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "backends/net.h"
#include "core/log.h"
#include "core/thread.h"
#include "devices/conet_frame.h"
#include "devices/devices.h"

#define QUEUE_SIZE	256
#define STACK_BYTES	(512 << 10)	/* libslirp has a frame of 64 KiB */
#define BUDGET		64		/* frames in a row, each way */

enum role { RX, TX, CONTROL, ROLES };

/* Locks: t the pair's thread only, l lock, - fixed. */
struct conet_pair {
	struct conet *conet;		/* - */
	unsigned int index;		/* - */
	struct thread thread;		/* - */
	int wake;			/* - eventfd */
	pthread_mutex_t lock;
	pthread_cond_t free_cond;	/* nobody wants the lock any more */
	atomic_uint wanted;		/* threads that want it */
	bool on[ROLES];			/* l: this queue is ours to serve */
	atomic_bool quit;
	bool lost;			/* t: nothing will come any more */
	bool full;			/* t: the backend takes nothing now */
	bool hungry;			/* t: the guest can have a frame */
	int control_doorbell;		/* t: -1: not on */
	uint8_t *frame;			/* t: for the guest, if frame_len */
	size_t frame_len;
	struct poll_set set;		/* t */
	struct conet_pieces pieces;	/* t */
};

struct conet {
	struct device dev;
	struct net_backend *backend;
	struct virtio_net_config config;
	atomic_bool link_lost;
	unsigned int started;		/* queues; vCPU thread only */
	unsigned int pairs;		/* that have been made */
	struct conet_pair *pair;
};

static struct conet *to_conet(struct device *dev)
{
	return (struct conet *)dev;	/* its first member */
}

static unsigned int control_queue(const struct conet *c)
{
	return device_has(&c->dev, VIRTIO_NET_F_MQ) ? 2 * c->backend->pairs : 2;
}

static unsigned int queue_of(const struct conet_pair *p, enum role role)
{
	return role == CONTROL ? control_queue(p->conet) : 2 * p->index + role;
}

static struct queue *vring(struct conet_pair *p, enum role role)
{
	return &p->conet->dev.queue[queue_of(p, role)].ring;
}

static int doorbell(const struct conet_pair *p, enum role role)
{
	return p->conet->dev.queue[queue_of(p, role)].doorbell;
}

/* --- the lock ------------------------------------------------------------- */

/* A busy thread would take its lock again before others wake up. */
static void lock(struct conet_pair *p)
{
	pthread_mutex_lock(&p->lock);
	while (atomic_load(&p->wanted))
		pthread_cond_wait(&p->free_cond, &p->lock);
}

static void turn(struct conet_pair *p, enum role role, bool on)
{
	const uint64_t one = 1;

	atomic_fetch_add(&p->wanted, 1);
	pthread_mutex_lock(&p->lock);
	atomic_fetch_sub(&p->wanted, 1);
	p->on[role] = on;
	pthread_cond_signal(&p->free_cond);
	pthread_mutex_unlock(&p->lock);
	if (write(p->wake, &one, sizeof(one)) < 0)
		say("conet%u: cannot wake its thread: %s", p->conet->dev.number,
		    strerror(errno));
}

/* --- frames; lock l -------------------------------------------------------- */

static void signal_guest(struct conet_pair *p, enum role role)
{
	if (queue_needs_signal(vring(p, role)))
		device_signal(&p->conet->dev, queue_of(p, role));
}

/* True: a frame was taken; false: none, or none can be taken. */
static bool send_one(struct conet_pair *p)
{
	struct conet *c = p->conet;
	struct queue *q = vring(p, TX);
	struct conet_sent sent;
	int got = conet_take(q, c->dev.features, &p->pieces, &sent);

	if (got < 0)
		device_broken(&c->dev, q->broken);
	if (got != 1)
		return false;
	/* One that no wire would carry is lost, as anything send() refuses. */
	if (sent.bytes >= CONET_FRAME_MIN && sent.bytes <= CONET_FRAME_MAX &&
	    c->backend->ops->send(c->backend, p->index, sent.iov,
				  sent.iovs) == -EAGAIN) {
		queue_unpop(q);
		p->full = true;
		return false;
	}
	queue_push(q, sent.head, 0);
	return true;
}

/* True: there may be more. */
static bool serve_tx(struct conet_pair *p)
{
	struct queue *q = vring(p, TX);
	unsigned int n = 0;

	if (!p->on[TX] || q->broken)
		return false;
	queue_disable_notify(q);
	p->full = false;
	while (n < BUDGET && send_one(p))
		n++;
	if (n)
		signal_guest(p, TX);
	if (n == BUDGET)
		return true;
	return !p->full && !q->broken && queue_enable_notify(q);
}

static void link_lost(struct conet *c, int err)
{
	struct virtio_net_config config = c->config;

	if (atomic_exchange(&c->link_lost, true))
		return;
	say("conet%u: the host's interface is gone: %s", c->dev.number,
	    strerror(err));
	config.status = 0;
	device_write_config(&c->dev, &config, sizeof(config));
}

/* The next frame for the guest is in p->frame; false: there is none. */
static bool have_frame(struct conet_pair *p)
{
	struct net_backend *b = p->conet->backend;
	ssize_t got;

	if (p->frame_len)
		return true;
	if (p->lost || b->vhost)
		return false;
	got = b->ops->receive(b, p->index, p->frame,
			      CONET_HEADER + CONET_FRAME_MAX);
	if (got < 0) {
		p->lost = true;
		link_lost(p->conet, -got);
		return false;
	}
	p->frame_len = got;
	return got > 0;
}

/* True: a frame was given; false: no frame, no room, or a broken queue. */
static bool give_one(struct conet_pair *p)
{
	struct conet *c = p->conet;
	struct queue *q = vring(p, RX);
	int got;

	if (!have_frame(p))
		return false;
	got = conet_give(q, c->dev.features, &p->pieces, p->frame,
			 p->frame_len);
	if (got < 0)
		device_broken(&c->dev, q->broken);
	if (got == CONET_GIVEN || got == CONET_TOO_LARGE)
		p->frame_len = 0;
	return got == CONET_GIVEN || got == CONET_TOO_LARGE;
}

static bool serve_rx(struct conet_pair *p)
{
	struct queue *q = vring(p, RX);
	unsigned int n = 0;

	if (!p->on[RX] || q->broken)
		return false;
	queue_disable_notify(q);
	while (n < BUDGET && give_one(p))
		n++;
	if (n)
		signal_guest(p, RX);
	return n == BUDGET;
}

static void command(struct conet_pair *p, const struct chain *chain)
{
	struct conet *c = p->conet;
	unsigned int pairs = 0;
	int err;

	if (conet_command(chain, device_has(&c->dev, VIRTIO_NET_F_MQ) ?
			  c->backend->pairs : 1, &pairs)) {
		vring(p, CONTROL)->broken = "command without header or answer";
		return;
	}
	err = pairs ? c->backend->ops->set_pairs(c->backend, pairs) : 0;
	if (err)
		say("conet%u: cannot use %u pairs of queues: %s", c->dev.number,
		    pairs, strerror(-err));
	queue_push(vring(p, CONTROL), chain->head, 1);
}

static void serve_control(struct conet_pair *p)
{
	struct chain chain = { .iov = p->pieces.iov, .max = QUEUE_MAX_SIZE };
	struct queue *q;
	unsigned int n = 0;

	if (!p->on[CONTROL])
		return;
	q = vring(p, CONTROL);	/* which it is may change while it is off */
	if (q->broken)
		return;
	do {
		while (n < BUDGET && queue_pop(q, &chain) == 1 && !q->broken) {
			command(p, &chain);
			n++;
		}
	} while (n < BUDGET && !q->broken && queue_enable_notify(q));
	if (q->broken)
		device_broken(&p->conet->dev, q->broken);
	else if (n)
		signal_guest(p, CONTROL);
}

/* True: look again at once. */
static bool serve(struct conet_pair *p)
{
	bool again;

	lock(p);
	again = serve_tx(p);
	again |= serve_rx(p);
	if (p->index == 0)
		serve_control(p);
	p->hungry = p->on[RX] && !p->frame_len && !p->lost;
	p->control_doorbell = p->on[CONTROL] ? doorbell(p, CONTROL) : -1;
	pthread_mutex_unlock(&p->lock);
	return again;
}

/* --- the pair's thread ----------------------------------------------------- */

static void drain(const struct poll_set *set, int index)
{
	uint64_t count;

	if (index >= 0 && (set->fd[index].revents & POLLIN) &&
	    read(set->fd[index].fd, &count, sizeof(count)) < 0)
		say("conet: cannot read an eventfd: %s", strerror(errno));
}

static void check_vhost(struct conet_pair *p, int index)
{
	struct conet *c = p->conet;

	if (index >= 0 && (p->set.fd[index].revents & POLLIN))
		device_broken(&c->dev, "the host's kernel found a broken queue");
	drain(&p->set, index);
}

/* Sleeps until there is something to do. */
static void wait_for_more(struct conet_pair *p, bool again)
{
	struct net_backend *b = p->conet->backend;
	int at[ROLES] = { -1, -1, -1 }, wake, error = -1;

	p->set.count = 0;
	p->set.timeout_ms = -1;
	wake = poll_set_add(&p->set, p->wake, POLLIN);
	if (b->vhost) {
		error = poll_set_add(&p->set,
				     net_vhost_error_event(b->vhost, p->index),
				     POLLIN);
	} else {
		at[RX] = poll_set_add(&p->set, doorbell(p, RX), POLLIN);
		at[TX] = poll_set_add(&p->set, doorbell(p, TX), POLLIN);
	}
	if (p->control_doorbell >= 0)
		at[CONTROL] = poll_set_add(&p->set, p->control_doorbell, POLLIN);
	b->ops->prepare(b, p->index, &p->set, p->hungry, p->full);
	poll(p->set.fd, p->set.count, again ? 0 : p->set.timeout_ms);
	drain(&p->set, wake);
	for (int role = 0; role < ROLES; role++)
		drain(&p->set, at[role]);
	check_vhost(p, error);
	b->ops->polled(b, p->index, &p->set);
}

static void *pair_thread(void *arg)
{
	struct conet_pair *p = arg;

	while (!atomic_load(&p->quit))
		wait_for_more(p, serve(p));
	return NULL;
}

/* --- queues on and off; vCPU thread ---------------------------------------- */

/* Whose queue is it? NULL: nobody's, the guest did not agree to it. */
static struct conet_pair *find(struct conet *c, unsigned int queue,
			       enum role *role)
{
	if (device_has(&c->dev, VIRTIO_NET_F_CTRL_VQ) &&
	    queue == control_queue(c)) {
		*role = CONTROL;
		return &c->pair[0];
	}
	*role = queue % 2;
	return queue / 2 < c->pairs ? &c->pair[queue / 2] : NULL;
}

static int begin(struct conet *c)
{
	struct net_backend *b = c->backend;
	int err = b->ops->set_features(b, c->dev.features);

	return err ? err : b->ops->set_pairs(b, 1);
}

static void start_queue(struct device *dev, unsigned int queue)
{
	struct conet *c = to_conet(dev);
	struct device_queue *q = &dev->queue[queue];
	struct conet_pair *p;
	enum role role;
	int err = 0;

	if (c->started++ == 0)
		err = begin(c);
	p = find(c, queue, &role);
	if (p && !err && role != CONTROL && c->backend->vhost)
		err = net_vhost_start(c->backend->vhost, queue, &q->ring,
				      q->doorbell, q->virq);
	else if (p && !err)
		turn(p, role, true);
	if (!err)
		return;
	say("conet%u: cannot start queue %u: %s", dev->number, queue,
	    strerror(-err));
	device_broken(dev, "a queue could not be started");
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	struct conet *c = to_conet(dev);
	enum role role;
	struct conet_pair *p = find(c, queue, &role);

	c->started--;
	if (p && role != CONTROL && c->backend->vhost)
		net_vhost_stop(c->backend->vhost, queue);
	else if (p)
		turn(p, role, false);
}

/* --- life ----------------------------------------------------------------- */

static void halt(struct device *dev)
{
	struct conet *c = to_conet(dev);

	for (unsigned int i = 0; i < c->pairs; i++) {
		struct conet_pair *p = &c->pair[i];

		atomic_store(&p->quit, true);
		if (p->thread.started)
			turn(p, RX, false);
		thread_join(&p->thread);
		pthread_mutex_destroy(&p->lock);
		pthread_cond_destroy(&p->free_cond);
		poll_set_free(&p->set);
		if (p->wake >= 0)
			close(p->wake);
		free(p->frame);
	}
	c->pairs = 0;
}

static void destroy(struct device *dev)
{
	struct conet *c = to_conet(dev);

	if (c->backend)
		c->backend->ops->close(c->backend);
	free(c->pair);
	free(c);
}

static const struct device_ops conet_ops = {
	.name = "conet",
	.device_id = VIRTIO_ID_NET,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.halt = halt,
	.destroy = destroy,
};

static int make_pair(struct conet *c, unsigned int index)
{
	struct conet_pair *p = &c->pair[index];
	char name[32];

	p->conet = c;
	p->index = index;
	p->frame = malloc(CONET_HEADER + CONET_FRAME_MAX);
	p->wake = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->free_cond, NULL);
	c->pairs++;		/* halt() takes care of it from now on */
	if (!p->frame)
		return -ENOMEM;
	if (p->wake < 0)
		return -errno;
	snprintf(name, sizeof(name), "conet%u.%u", c->dev.number, index);
	return thread_start_sized(&p->thread, name, pair_thread, p,
				  STACK_BYTES);
}

static void describe(struct conet *c, const uint8_t mac[6])
{
	const struct net_backend *b = c->backend;

	memcpy(c->config.mac, mac, 6);
	c->config.status = VIRTIO_NET_S_LINK_UP;
	c->config.max_virtqueue_pairs = b->pairs;
	c->config.mtu = b->mtu;
	c->dev.queues = 2 * b->pairs;
	c->dev.host_features = b->features | 1ULL << VIRTIO_NET_F_MAC |
			       1ULL << VIRTIO_NET_F_STATUS |
			       1ULL << VIRTIO_NET_F_MTU |
			       1ULL << VIRTIO_NET_F_MRG_RXBUF;
	if (b->pairs > 1) {
		c->dev.queues++;
		c->dev.host_features |= 1ULL << VIRTIO_NET_F_CTRL_VQ |
					1ULL << VIRTIO_NET_F_MQ;
	}
	for (unsigned int i = 0; i < c->dev.queues; i++)
		c->dev.queue[i].max_size = QUEUE_SIZE;
}

static int run(struct conet *c, const struct guest_mem *mem)
{
	unsigned int pairs = c->backend->pairs;
	int err = 0;

	if (c->backend->vhost)
		err = net_vhost_set_memory(c->backend->vhost, mem);
	for (unsigned int i = 0; i < pairs && !err; i++)
		err = make_pair(c, i);
	return err;
}

int conet_create(struct virtio_bus *bus, struct net_backend *backend,
		 unsigned int number, const uint8_t mac[6])
{
	struct conet *c = calloc(1, sizeof(*c));
	struct conet_pair *pair = calloc(backend->pairs, sizeof(*pair));
	int err;

	if (!c || !pair) {
		say("conet%u: out of memory", number);
		backend->ops->close(backend);
		free(pair);
		free(c);
		return -ENOMEM;
	}
	c->backend = backend;
	c->pair = pair;
	c->dev.ops = &conet_ops;
	c->dev.number = number;
	describe(c, mac);
	err = virtio_add(bus, &c->dev, &c->config, sizeof(c->config));
	if (err)
		return err;
	err = run(c, &bus->mem);
	if (err)
		say("conet%u: cannot start it: %s", number, strerror(-err));
	return err;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * cofs: a host folder, virtio-fs served by a virtiofsd over vhost-user.
 *
 *	guest --> doorbell (eventfd) --> virtiofsd <--> guest memory, host files
 *	guest <-- virq (eventfd)     <-------'
 *
 * We only tell virtiofsd where the queues are, and watch it. When it is gone,
 * the guest must not wait for ever: the thread takes the queues over and
 * answers what virtiofsd left behind, and all that comes, with ENOTCONN. There
 * is no way back but a new start of the guest: the names that the guest holds
 * for files are virtiofsd's.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "backends/vhost_user.h"
#include "core/log.h"
#include "core/thread.h"
#include "devices/cofs_request.h"
#include "devices/devices.h"

#define QUEUE_SIZE	QUEUE_MAX_SIZE

enum { HIGH_PRIORITY, REQUESTS, QUEUES };

/* Locks: l lock, - fixed. */
struct cofs {
	struct device dev;		/* - */
	char folder[200];		/* -, for messages */
	struct thread thread;		/* - */
	int wake;			/* -, eventfd for the thread */
	atomic_bool stop;
	pthread_mutex_t lock;
	struct virtiofsd server;	/* l */
	struct vhost_user vhost;	/* l */
	bool gone;			/* l; the server is, we answer */
	bool told_features;		/* l; since the last reset */
	bool running[QUEUES];		/* l */
};

static struct cofs *to_cofs(struct device *dev)
{
	return (struct cofs *)dev;	/* its first member */
}

/* --- without a server ----------------------------------------------------- */

/* Lock l held, in the thread. */
static void refuse_requests(struct cofs *c, unsigned int index)
{
	struct queue *ring = &c->dev.queue[index].ring;
	struct iovec iov[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	int got;

	if (!c->gone || !c->running[index] || ring->broken)
		return;
	do {
		while ((got = queue_pop(ring, &chain)) == 1) {
			queue_push(ring, chain.head,
				   cofs_refuse(&chain, -ENOTCONN));
			if (queue_needs_signal(ring))
				device_signal(&c->dev, index);
		}
		if (got < 0) {
			device_broken(&c->dev, ring->broken);
			return;
		}
	} while (queue_enable_notify(ring));
	/* The server may have answered and not told. */
	device_signal(&c->dev, index);
}

static void wake(struct cofs *c)
{
	const uint64_t one = 1;

	if (write(c->wake, &one, sizeof(one)) < 0)
		say("cofs%u: cannot wake its thread: %s", c->dev.number,
		    strerror(errno));
}

/* Lock l held. */
static void lose_server(struct cofs *c, int error)
{
	char why[300];

	if (c->gone)
		return;
	virtiofsd_end(&c->server, error, why, sizeof(why));
	c->gone = true;
	for (unsigned int n = 0; n < QUEUES; n++)
		if (c->running[n])
			cofs_take_over(&c->dev.queue[n].ring);
	say("cofs%u: virtiofsd %s: the guest gets errors for %s until it is started again",
	    c->dev.number, why, c->folder);
	wake(c);
}

/* --- the thread ----------------------------------------------------------- */

enum { ON_WAKE, ON_SERVER, ON_LOG, ON_DOORBELL, EVENTS = ON_DOORBELL + QUEUES };

static void fill_events(struct cofs *c, struct pollfd *e)
{
	pthread_mutex_lock(&c->lock);
	e[ON_WAKE] = (struct pollfd) { .fd = c->wake, .events = POLLIN };
	/* Its answers are for whoever asked: only that it hangs up counts. */
	e[ON_SERVER] = (struct pollfd) {
		.fd = c->gone ? -1 : c->server.socket, .events = POLLRDHUP,
	};
	e[ON_LOG] = (struct pollfd) {
		.fd = c->gone ? -1 : c->server.log, .events = POLLIN,
	};
	/* The server's as long as there is one. */
	for (unsigned int n = 0; n < QUEUES; n++)
		e[ON_DOORBELL + n] = (struct pollfd) {
			.fd = c->gone ? c->dev.queue[n].doorbell : -1,
			.events = POLLIN,
		};
	pthread_mutex_unlock(&c->lock);
}

static void empty(const struct pollfd *e)
{
	uint64_t count;

	if ((e->revents & POLLIN) && read(e->fd, &count, sizeof(count)) < 0)
		return;		/* nothing in it: as well */
}

static void act(struct cofs *c, const struct pollfd *e)
{
	empty(&e[ON_WAKE]);
	pthread_mutex_lock(&c->lock);
	if (e[ON_LOG].revents && !c->gone)
		virtiofsd_listen(&c->server);
	if (e[ON_SERVER].revents)
		lose_server(c, -EPIPE);
	for (unsigned int n = 0; n < QUEUES; n++) {
		if (c->gone)
			empty(&e[ON_DOORBELL + n]);
		refuse_requests(c, n);
	}
	pthread_mutex_unlock(&c->lock);
}

static void *cofs_thread(void *arg)
{
	struct pollfd e[EVENTS];
	struct cofs *c = arg;

	while (!atomic_load(&c->stop)) {
		fill_events(c, e);
		if (poll(e, EVENTS, -1) > 0)
			act(c, e);
	}
	return NULL;
}

/* --- the guest's queues --------------------------------------------------- */

/* Lock l held. */
static int start_in_server(struct cofs *c, unsigned int index)
{
	struct device_queue *q = &c->dev.queue[index];
	const struct vhost_user_ring ring = {
		.ring = &q->ring, .kick = q->doorbell, .call = q->virq,
	};
	int err = 0;

	if (!c->told_features)
		err = vhost_user_set_features(&c->vhost, c->dev.features);
	c->told_features = true;
	return err ? err : vhost_user_start_ring(&c->vhost, index, &ring);
}

static void start_queue(struct device *dev, unsigned int queue)
{
	struct cofs *c = to_cofs(dev);
	int err = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->gone)
		err = start_in_server(c, queue);
	if (err)
		lose_server(c, err);
	c->running[queue] = true;
	if (c->gone)
		wake(c);
	pthread_mutex_unlock(&c->lock);
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	struct cofs *c = to_cofs(dev);
	int err = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->gone)
		err = vhost_user_stop_ring(&c->vhost, queue);
	if (err)
		lose_server(c, err);
	c->running[queue] = false;
	c->told_features = false;
	pthread_mutex_unlock(&c->lock);
}

static void halt(struct device *dev)
{
	struct cofs *c = to_cofs(dev);

	atomic_store(&c->stop, true);
	if (c->thread.started)
		wake(c);
	thread_join(&c->thread);
}

static void destroy(struct device *dev)
{
	struct cofs *c = to_cofs(dev);
	char why[300];

	virtiofsd_end(&c->server, 0, why, sizeof(why));
	if (c->wake >= 0)
		close(c->wake);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static const struct device_ops cofs_ops = {
	.name = "cofs",
	.device_id = VIRTIO_ID_FS,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.halt = halt,
	.destroy = destroy,
};

/* --- making one ----------------------------------------------------------- */

/* It says hello when it has done all that can go wrong at its start. */
static int connect_server(struct cofs *c)
{
	struct virtio_bus *bus = c->dev.bus;
	const uint64_t needed = c->dev.host_features;
	char why[300] = "";
	int err;

	err = vhost_user_init(&c->vhost, c->server.socket);
	if (!err && (needed & ~c->vhost.features)) {
		say("cofs%u: this virtiofsd is too old: install another",
		    c->dev.number);
		return -EPROTO;
	}
	if (!err)
		err = vhost_user_set_memory(&c->vhost, bus->driver, &bus->mem);
	if (!err)
		return 0;
	virtiofsd_end(&c->server, err, why, sizeof(why));
	say("cofs%u: %s: virtiofsd %s", c->dev.number, c->folder, why);
	return err;
}

static int add_device(struct cofs *c, struct virtio_bus *bus)
{
	struct virtio_fs_config config = { .num_request_queues = 1 };

	c->dev.ops = &cofs_ops;
	c->dev.queues = QUEUES;
	c->dev.queue[HIGH_PRIORITY].max_size = QUEUE_SIZE;
	c->dev.queue[REQUESTS].max_size = QUEUE_SIZE;
	snprintf((char *)config.tag, sizeof(config.tag), "cofs%u",
		 c->dev.number);
	return virtio_add(bus, &c->dev, &config, sizeof(config));
}

static struct cofs *allocate(struct virtiofsd *server, unsigned int number)
{
	struct cofs *c = calloc(1, sizeof(*c));
	char why[300];

	if (c) {
		c->server = *server;
		c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		c->dev.number = number;
		pthread_mutex_init(&c->lock, NULL);
	} else {
		virtiofsd_end(server, 0, why, sizeof(why));
		say("cofs%u: out of memory", number);
	}
	server->pid = 0;
	return c;
}

int cofs_create(struct virtio_bus *bus, struct virtiofsd *server,
		unsigned int number, const char *folder)
{
	struct cofs *c = allocate(server, number);
	int err;

	if (!c)
		return -ENOMEM;
	snprintf(c->folder, sizeof(c->folder), "%s", folder);
	err = add_device(c, bus);
	if (err)
		return err;
	err = connect_server(c);
	if (err)
		return err;
	err = c->wake < 0 ? -EMFILE :
	      thread_start(&c->thread, "cofs", cofs_thread, c);
	if (err)
		say("cofs%u: cannot start a thread: %s", number,
		    strerror(-err));
	return err;
}

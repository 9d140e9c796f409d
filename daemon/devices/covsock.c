// SPDX-License-Identifier: GPL-2.0
/*
 * covsock: virtio-vsock, see covsock.h. One thread waits with epoll for the
 * doorbells and for the sockets of the host, and does everything under one
 * lock; others take that to start and stop queues and to hand over sockets,
 * and ring the thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

#include "core/log.h"
#include "core/thread.h"
#include "devices/covsock.h"

#define QUEUE_SIZE	128
#define EVENTS		64
#define TX_BATCH	256	/* packets, before others get their turn */

enum { RX, TX, EVENT, QUEUES };

/* In epoll's data; a connection's is its generation and index. */
#define ON_DOORBELL	0xffffff00U
#define ON_WAKE		0xffffff10U
#define ON_LISTENER	0xffffff11U

/* Locks: l lock, - fixed. */
struct covsock {
	struct device dev;		/* - */
	struct thread thread;		/* - */
	atomic_bool stop;
	int wake;			/* -, eventfd */
	int epoll;			/* - */
	pthread_mutex_t lock;
	bool on[QUEUES];		/* l */
	bool tx_waits;			/* l, for answers to be taken */
	int listener;			/* l, or -1 */
	char *path;			/* of the listener; thread-free */
	struct covsock_table table;	/* l */
};

static struct covsock *to_covsock(struct device *dev)
{
	return (struct covsock *)dev;	/* its first member */
}

static struct queue *vring(struct covsock *v, unsigned int n)
{
	return &v->dev.queue[n].ring;
}

static void ring(struct covsock *v)
{
	const uint64_t one = 1;

	if (write(v->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		say("covsock0: cannot wake its thread: %s", strerror(errno));
}

/* The guest broke the rules: nothing more until it resets us. Lock l. */
static void broken(struct covsock *v, const char *why)
{
	v->on[RX] = false;
	v->on[TX] = false;
	covsock_table_reset(&v->table);
	device_broken(&v->dev, why);
}

/* --- packets of the guest ------------------------------------------------- */

/* Copies the header and cuts it off; the count of iovecs left, -1: short. */
static int split_header(struct iovec *iov, unsigned int count,
			struct virtio_vsock_hdr *h)
{
	size_t got = 0;
	unsigned int i = 0;

	while (i < count && got < sizeof(*h)) {
		size_t n = sizeof(*h) - got;

		if (n > iov[i].iov_len)
			n = iov[i].iov_len;
		memcpy((uint8_t *)h + got, iov[i].iov_base, n);
		got += n;
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + n;
		iov[i].iov_len -= n;
		if (iov[i].iov_len == 0)
			i++;
	}
	if (got < sizeof(*h))
		return -1;
	memmove(iov, iov + i, (count - i) * sizeof(*iov));
	return count - i;
}

/* Shortens the iovecs to len bytes; their count, -1: there are not as many. */
static int cut(struct iovec *iov, unsigned int count, size_t len)
{
	unsigned int i = 0;

	for (; i < count && len > 0; i++) {
		if (iov[i].iov_len > len)
			iov[i].iov_len = len;
		len -= iov[i].iov_len;
	}
	return len > 0 ? -1 : (int)i;
}

static const char *take_packet(struct covsock *v, const struct chain *chain)
{
	struct virtio_vsock_hdr h;
	int count = split_header(chain->iov, chain->out, &h);

	if (count < 0)
		return "packet without a header";
	if (h.len && h.op != VIRTIO_VSOCK_OP_RW)
		return "data in a packet that carries none";
	count = cut(chain->iov, count, h.len);
	if (count < 0)
		return "packet shorter than its header says";
	return covsock_packet(&v->table, &h, chain->iov, count);
}

/* True: there is more. Lock l. */
static bool serve_tx(struct covsock *v)
{
	struct queue *q = vring(v, TX);
	struct iovec iov[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	const char *fault = NULL;
	int got = 0, taken = 0;

	queue_disable_notify(q);
	while (taken < TX_BATCH && covsock_may_take(&v->table)) {
		got = queue_pop(q, &chain);
		if (got != 1)
			break;
		fault = take_packet(v, &chain);
		if (fault)
			break;
		queue_push(q, chain.head, 0);
		taken++;
	}
	if (taken && queue_needs_signal(q))
		device_signal(&v->dev, TX);
	if (got < 0 || fault) {
		broken(v, fault ? fault : q->broken);
		return false;
	}
	v->tx_waits = !covsock_may_take(&v->table);
	if (v->tx_waits)
		return false;
	return taken == TX_BATCH || queue_enable_notify(q);
}

/* --- packets for the guest ------------------------------------------------ */

static void put_header(const struct iovec *iov, const struct virtio_vsock_hdr *h)
{
	const uint8_t *from = (const uint8_t *)h;
	size_t left = sizeof(*h);

	for (; left > 0; iov++) {
		size_t n = iov->iov_len < left ? iov->iov_len : left;

		memcpy(iov->iov_base, from, n);
		from += n;
		left -= n;
	}
}

/* The part of a buffer behind the header; the count of iovecs. */
static unsigned int room_for_data(const struct chain *chain, struct iovec *room)
{
	size_t skip = sizeof(struct virtio_vsock_hdr);
	unsigned int count = 0;

	for (unsigned int i = 0; i < chain->in; i++) {
		struct iovec v = chain->iov[chain->out + i];
		size_t n = skip < v.iov_len ? skip : v.iov_len;

		skip -= n;
		v.iov_base = (uint8_t *)v.iov_base + n;
		v.iov_len -= n;
		if (v.iov_len)
			room[count++] = v;
	}
	return count;
}

/* True: there may be more. Lock l. */
static bool serve_rx(struct covsock *v)
{
	struct queue *q = vring(v, RX);
	struct iovec iov[QUEUE_SIZE], room[QUEUE_SIZE];
	struct chain chain = { .iov = iov, .max = QUEUE_SIZE };
	struct virtio_vsock_hdr h;
	bool pushed = false, more = false;
	int got;

	queue_disable_notify(q);
	while ((got = queue_pop(q, &chain)) == 1) {
		if (chain.in_bytes <= sizeof(h)) {
			broken(v, "buffer too small for a packet");
			return false;
		}
		if (!covsock_fill(&v->table, &h, room,
				  room_for_data(&chain, room))) {
			queue_unpop(q);
			break;
		}
		put_header(iov + chain.out, &h);
		queue_push(q, chain.head, sizeof(h) + h.len);
		pushed = true;
	}
	if (got == 0)
		more = queue_enable_notify(q);
	if (pushed && queue_needs_signal(q))
		device_signal(&v->dev, RX);
	if (got < 0)
		broken(v, q->broken);
	return more;
}

/* Answers make room for packets, and packets make answers. Lock l. */
static bool serve_queues(struct covsock *v)
{
	bool more = false;

	if (v->on[TX])
		more = serve_tx(v);
	if (v->on[RX])
		more |= serve_rx(v);
	if (v->on[TX] && v->tx_waits)
		more |= covsock_may_take(&v->table);
	covsock_watch(&v->table);
	return more;
}

/* --- the thread ----------------------------------------------------------- */

static void clear(int event)
{
	uint64_t count;

	if (read(event, &count, sizeof(count)) < 0 && errno != EAGAIN &&
	    errno != EINTR)
		say("covsock0: cannot read an event: %s", strerror(errno));
}

/* Lock l. */
static void on_event(struct covsock *v, const struct epoll_event *e)
{
	uint32_t what = e->data.u64;

	if (what == ON_WAKE)
		clear(v->wake);
	else if (what == ON_LISTENER)
		covsock_accept(&v->table, v->listener);
	else if (what >= ON_DOORBELL)
		clear(v->dev.queue[what - ON_DOORBELL].doorbell);
	else
		covsock_event(&v->table, what, e->data.u64 >> 32, e->events);
}

static void *covsock_thread(void *arg)
{
	struct covsock *v = arg;
	struct epoll_event events[EVENTS];
	bool more = false;

	while (!atomic_load(&v->stop)) {
		int n = epoll_wait(v->epoll, events, EVENTS, more ? 0 : -1);

		pthread_mutex_lock(&v->lock);
		for (int i = 0; i < n; i++)
			on_event(v, &events[i]);
		more = serve_queues(v);
		pthread_mutex_unlock(&v->lock);
	}
	return NULL;
}

/* --- the device ----------------------------------------------------------- */

static void start_queue(struct device *dev, unsigned int queue)
{
	struct covsock *v = to_covsock(dev);

	pthread_mutex_lock(&v->lock);
	v->on[queue] = queue != EVENT;	/* we have no events to tell */
	v->table.up = v->on[RX] && v->on[TX];
	pthread_mutex_unlock(&v->lock);
	ring(v);
}

static void stop_queue(struct device *dev, unsigned int queue)
{
	struct covsock *v = to_covsock(dev);

	pthread_mutex_lock(&v->lock);
	v->on[queue] = false;
	if (queue != EVENT)
		covsock_table_reset(&v->table);
	pthread_mutex_unlock(&v->lock);
	ring(v);
}

/* What the guest has said before it ended. */
static void serve(struct device *dev)
{
	struct covsock *v = to_covsock(dev);

	pthread_mutex_lock(&v->lock);
	if (v->on[TX])
		serve_tx(v);
	pthread_mutex_unlock(&v->lock);
	ring(v);
}

static void halt(struct device *dev)
{
	struct covsock *v = to_covsock(dev);

	atomic_store(&v->stop, true);
	if (v->thread.started)
		ring(v);
	thread_join(&v->thread);
	covsock_table_free(&v->table);
	if (v->listener >= 0) {
		close(v->listener);
		unlink(v->path);
	}
	v->listener = -1;
}

static void destroy(struct device *dev)
{
	struct covsock *v = to_covsock(dev);

	if (v->epoll >= 0)
		close(v->epoll);
	if (v->wake >= 0)
		close(v->wake);
	pthread_mutex_destroy(&v->lock);
	free(v->path);
	free(v);
}

static const struct device_ops covsock_ops = {
	.name = "covsock",
	.device_id = VIRTIO_ID_VSOCK,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.serve = serve,
	.halt = halt,
	.destroy = destroy,
};

/* --- for others ----------------------------------------------------------- */

int covsock_connect(struct covsock *v, int fd, uint32_t port,
		    enum covsock_reply reply)
{
	struct covsock_conn *c;

	pthread_mutex_lock(&v->lock);
	c = covsock_add(&v->table, fd);
	if (c) {
		c->reply = reply;
		covsock_start(&v->table, c, port);
	}
	pthread_mutex_unlock(&v->lock);
	ring(v);
	return c ? 0 : -EMFILE;
}

int covsock_offer(struct covsock *v, uint32_t port, const char *path)
{
	struct covsock_table *t = &v->table;
	char *copy = strdup(path);
	int err = -ENOMEM;

	pthread_mutex_lock(&v->lock);
	if (copy)
		err = t->listeners == COVSOCK_LISTENERS ? -ENOSPC : 0;
	if (!err)
		t->listener[t->listeners++] = (struct covsock_listener) {
			.port = port, .path = copy,
		};
	pthread_mutex_unlock(&v->lock);
	if (err)
		free(copy);
	return err;
}

bool covsock_up(struct covsock *v)
{
	bool up;

	pthread_mutex_lock(&v->lock);
	up = v->table.up;
	pthread_mutex_unlock(&v->lock);
	return up;
}

static int watch(struct covsock *v, int fd, uint32_t what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = what };

	return epoll_ctl(v->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

int covsock_listen(struct covsock *v, const char *path)
{
	int err, fd = -1;

	pthread_mutex_lock(&v->lock);
	v->path = strdup(path);
	err = v->path ? covsock_bind(path, &fd) : -ENOMEM;
	v->listener = fd;
	if (!err)
		err = watch(v, fd, ON_LISTENER);
	pthread_mutex_unlock(&v->lock);
	if (err)
		say("covsock0: %s: cannot listen there: %s", path,
		    strerror(-err));
	return err;
}

static int start(struct covsock *v)
{
	int err = 0;

	if (v->epoll < 0 || v->wake < 0)
		return -EMFILE;
	err = watch(v, v->wake, ON_WAKE);
	for (unsigned int n = 0; n < QUEUES && !err; n++)
		err = watch(v, v->dev.queue[n].doorbell, ON_DOORBELL + n);
	if (!err)
		err = thread_start(&v->thread, "covsock0", covsock_thread, v);
	return err;
}

int covsock_create(struct virtio_bus *bus, struct covsock **covsock)
{
	struct virtio_vsock_config config = { .guest_cid = COVSOCK_GUEST_CID };
	struct covsock *v = calloc(1, sizeof(*v));
	int err;

	if (!v) {
		say("covsock0: out of memory");
		return -ENOMEM;
	}
	v->listener = -1;
	v->epoll = epoll_create1(EPOLL_CLOEXEC);
	v->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&v->lock, NULL);
	covsock_table_init(&v->table, COVSOCK_GUEST_CID, v->epoll);
	v->dev.ops = &covsock_ops;
	v->dev.queues = QUEUES;
	for (unsigned int n = 0; n < QUEUES; n++)
		v->dev.queue[n].max_size = QUEUE_SIZE;
	err = virtio_add(bus, &v->dev, &config, sizeof(config));
	if (err)
		return err;
	err = start(v);
	if (err) {
		say("covsock0: cannot start: %s", strerror(-err));
		return err;
	}
	*covsock = v;
	return 0;
}

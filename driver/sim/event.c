// SPDX-License-Identifier: GPL-2.0
/*
 * Events of the simulated host: numbers and counters like eventfds. As there,
 * a watch's function runs in the signaller's thread, and the event lives on
 * while someone holds it.
 */
#include <stdlib.h>
#include "sim.h"

struct watch {
	struct watch *next;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

struct event {
	pthread_mutex_t lock;	/* of count and watches; held over fn */
	u64 count;
	struct watch *watches;
	long references;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct event *events[SIM_EVENTS];	/* by number */

static void put(struct event *e)
{
	bool last;

	pthread_mutex_lock(&lock);
	last = --e->references == 0;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	sim_require(!e->watches, "an event is gone before its watch");
	free(e);
}

static struct event *get(int fd)
{
	struct event *e = NULL;

	pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < SIM_EVENTS)
		e = events[fd];
	if (e)
		e->references++;
	pthread_mutex_unlock(&lock);
	return e;
}

int sim_event(void)
{
	struct event *e = calloc(1, sizeof(*e));
	int fd = 0;

	sim_require(e, "out of memory");
	pthread_mutex_init(&e->lock, NULL);
	e->references = 1;
	pthread_mutex_lock(&lock);
	while (fd < SIM_EVENTS && events[fd])
		fd++;
	sim_require(fd < SIM_EVENTS, "too many events");
	events[fd] = e;
	pthread_mutex_unlock(&lock);
	return fd;
}

void sim_event_close(int fd)
{
	struct event *e = events[fd];

	pthread_mutex_lock(&lock);
	events[fd] = NULL;
	pthread_mutex_unlock(&lock);
	put(e);
}

void sim_event_write(int fd)
{
	struct event *e = get(fd);
	struct watch *w;

	pthread_mutex_lock(&e->lock);
	e->count++;
	for (w = e->watches; w; w = w->next) {
		e->count = 0;
		sim_thread.interrupt++;
		w->fn(w->arg);
		sim_thread.interrupt--;
	}
	pthread_mutex_unlock(&e->lock);
	put(e);
}

u64 sim_event_read(int fd)
{
	struct event *e = get(fd);
	u64 count;

	pthread_mutex_lock(&e->lock);
	count = e->count;
	e->count = 0;
	pthread_mutex_unlock(&e->lock);
	put(e);
	return count;
}

/* --- os.h -------------------------------------------------------------------- */

void *co_os_event_get(int fd, int *err)
{
	struct event *e = get(fd);

	sim_require(sim_may_sleep(), "co_os_event_get where one may not sleep");
	if (!e)
		*err = -EBADF;
	else
		co_atomic_inc((__u64 *)&sim.events);
	return e;
}

void co_os_event_put(void *event)
{
	sim_require(sim_may_sleep(), "co_os_event_put where one may not sleep");
	co_atomic_add((__u64 *)&sim.events, -1ULL);
	put(event);
}

void co_os_event_signal(void *event)
{
	struct event *e = event;
	struct watch *w;

	pthread_mutex_lock(&e->lock);
	e->count++;
	for (w = e->watches; w; w = w->next) {
		e->count = 0;
		w->fn(w->arg);
	}
	pthread_mutex_unlock(&e->lock);
}

void *co_os_event_watch(int fd, void (*fn)(void *arg), void *arg, int *err)
{
	struct watch *w;
	bool pending;

	sim_require(sim_may_sleep(), "co_os_event_watch where one may not sleep");
	*err = -ENOMEM;
	w = co_os_alloc(sizeof(*w));
	if (!w)
		return NULL;
	*err = -EBADF;
	w->event = get(fd);
	if (!w->event) {
		co_os_free(w);
		return NULL;
	}
	w->fn = fn;
	w->arg = arg;
	pthread_mutex_lock(&w->event->lock);
	w->next = w->event->watches;
	w->event->watches = w;
	pending = w->event->count;
	pthread_mutex_unlock(&w->event->lock);
	if (pending)
		fn(arg);	/* signalled before we came */
	co_atomic_inc((__u64 *)&sim.watches);
	return w;
}

void co_os_event_unwatch(void *watch)
{
	struct watch *w = watch, **p;

	sim_require(sim_may_sleep(),
		    "co_os_event_unwatch where one may not sleep");
	pthread_mutex_lock(&w->event->lock);
	p = &w->event->watches;
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	pthread_mutex_unlock(&w->event->lock);
	co_atomic_add((__u64 *)&sim.watches, -1ULL);
	put(w->event);
	co_os_free(w);
}

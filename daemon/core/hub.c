// SPDX-License-Identifier: GPL-2.0
/* Console output for viewers, see hub.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/hub.h"

#define ABORT_MS	100	/* how often a waiting writer looks at abort */

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

int hub_init(struct hub *h)
{
	pthread_condattr_t attr;

	memset(h, 0, sizeof(*h));
	h->patience_ms = HUB_PATIENCE_MS;
	h->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (h->wake < 0)
		return -errno;
	h->ring = malloc(HUB_BYTES);
	if (!h->ring) {
		close(h->wake);
		return -ENOMEM;
	}
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->taken, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

void hub_free(struct hub *h)
{
	pthread_cond_destroy(&h->taken);
	pthread_mutex_destroy(&h->lock);
	free(h->ring);
	close(h->wake);
}

/* --- writers (lock held) -------------------------------------------------- */

static void wake(struct hub *h)
{
	const uint64_t one = 1;

	/* It can only be full of wake-ups, which is as good. */
	if (write(h->wake, &one, sizeof(one)) < 0)
		return;
}

/* Bytes that can be written before a viewer would lose some. */
static size_t room(const struct hub *h)
{
	size_t least = HUB_BYTES;

	for (int i = 0; i < HUB_VIEWERS; i++) {
		const struct hub_viewer *v = &h->viewer[i];
		size_t here = HUB_BYTES - (h->head - v->at);

		if (v->on && !v->dropped && here < least)
			least = here;
	}
	return least;
}

static void drop_stuck(struct hub *h, uint64_t began)
{
	uint64_t now = now_ms();

	for (int i = 0; i < HUB_VIEWERS; i++) {
		struct hub_viewer *v = &h->viewer[i];
		uint64_t since = v->since_ms > began ? v->since_ms : began;

		if (!v->on || v->dropped || h->head - v->at < HUB_BYTES ||
		    now - since < h->patience_ms)
			continue;
		v->dropped = true;
		wake(h);
	}
}

static void wait_for_room(struct hub *h, const atomic_bool *abort)
{
	uint64_t began = now_ms();

	while (room(h) == 0 && !atomic_load(abort)) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += ABORT_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&h->taken, &h->lock, &until);
		drop_stuck(h, began);
	}
}

/* Puts len bytes, which fit, into the ring. */
static void put(struct hub *h, const char *data, size_t len)
{
	size_t at = h->head % HUB_BYTES;
	size_t first = len < HUB_BYTES - at ? len : HUB_BYTES - at;
	bool woken = false;

	memcpy(h->ring + at, data, first);
	memcpy(h->ring, data + first, len - first);
	for (int i = 0; i < HUB_VIEWERS; i++) {
		struct hub_viewer *v = &h->viewer[i];

		if (!v->on || v->at != h->head)
			continue;
		v->since_ms = now_ms();
		if (!woken)
			wake(h);
		woken = true;
	}
	h->head += len;
}

void hub_write(struct hub *h, const char *data, size_t len,
	       const atomic_bool *abort)
{
	pthread_mutex_lock(&h->lock);
	while (len > 0) {
		size_t part;

		wait_for_room(h, abort);
		part = room(h);
		if (part == 0)
			break;		/* aborted */
		if (part > len)
			part = len;
		put(h, data, part);
		data += part;
		len -= part;
	}
	pthread_mutex_unlock(&h->lock);
}

/* --- viewers -------------------------------------------------------------- */

int hub_attach(struct hub *h, size_t replay)
{
	int found = -EAGAIN;

	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < HUB_VIEWERS && found < 0; i++)
		if (!h->viewer[i].on)
			found = i;
	if (replay > HUB_REPLAY)
		replay = HUB_REPLAY;
	if (replay > h->head)
		replay = h->head;
	if (found >= 0)
		h->viewer[found] = (struct hub_viewer) {
			.on = true,
			.at = h->head - replay,
			.since_ms = now_ms(),
		};
	pthread_mutex_unlock(&h->lock);
	return found;
}

void hub_detach(struct hub *h, int viewer)
{
	pthread_mutex_lock(&h->lock);
	h->viewer[viewer].on = false;
	pthread_cond_broadcast(&h->taken);
	pthread_mutex_unlock(&h->lock);
}

int hub_peek(struct hub *h, int viewer, char *buf, size_t size)
{
	struct hub_viewer *v = &h->viewer[viewer];
	size_t at, first, len;

	pthread_mutex_lock(&h->lock);
	if (v->dropped) {
		pthread_mutex_unlock(&h->lock);
		return -EPIPE;
	}
	len = h->head - v->at;
	if (len > size)
		len = size;
	at = v->at % HUB_BYTES;
	first = len < HUB_BYTES - at ? len : HUB_BYTES - at;
	memcpy(buf, h->ring + at, first);
	memcpy(buf + first, h->ring, len - first);
	pthread_mutex_unlock(&h->lock);
	return len;
}

void hub_taken(struct hub *h, int viewer, size_t len)
{
	pthread_mutex_lock(&h->lock);
	h->viewer[viewer].at += len;
	h->viewer[viewer].since_ms = now_ms();
	pthread_cond_broadcast(&h->taken);
	pthread_mutex_unlock(&h->lock);
}

uint64_t hub_head(struct hub *h)
{
	uint64_t head;

	pthread_mutex_lock(&h->lock);
	head = h->head;
	pthread_mutex_unlock(&h->lock);
	return head;
}

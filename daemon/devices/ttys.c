// SPDX-License-Identifier: GPL-2.0
/*
 * ttysN: a serial port of the guest, a console device without a size (hvc1 and
 * up) that is joined with a tty, pty, socket or file of the host by a thread.
 *
 * A port without a peer is a cable that hangs loose: what the guest sends is
 * gone. A peer that takes nothing for PATIENCE_MS is treated so until it takes
 * something again, for the guest must not stop on it; a slow one is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/serial.h"
#include "core/log.h"
#include "core/thread.h"
#include "devices/devices.h"

#define PATIENCE_MS	1000

enum { ON_DOORBELL, ON_LISTENER, ON_INPUT, EVENTS };

struct ttys {
	struct serial serial;
	struct cocon *cocon;
	struct thread thread;
	atomic_bool stop;
	/*
	 * Of serial.fd, which the thread changes and the console's threads
	 * write to, and of stuck. The thread alone reads from it.
	 */
	pthread_mutex_t lock;
	bool stuck;		/* the peer takes nothing */
	bool told;
};

/* --- output (the console's threads) --------------------------------------- */

/* True: it may be tried again. Lock held. */
static bool wait_for_room(struct ttys *t)
{
	struct pollfd p = { .fd = t->serial.fd, .events = POLLOUT };

	if (t->stuck || atomic_load(&t->stop))
		return false;
	if (poll(&p, 1, PATIENCE_MS) != 0)
		return true;	/* room, an error, or a kick */
	t->stuck = true;
	if (!t->told)
		say("ttys%u: nobody takes what the guest sends: it is lost until somebody does",
		    t->serial.number);
	t->told = true;
	return false;
}

static void write_port(void *arg, const void *data, size_t len)
{
	struct ttys *t = arg;
	const char *from = data;

	pthread_mutex_lock(&t->lock);
	while (len > 0 && t->serial.fd >= 0) {
		ssize_t n = write(t->serial.fd, from, len);

		if (n < 0 && errno == EAGAIN && wait_for_room(t))
			continue;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		t->stuck = false;
		from += n;
		len -= n;
	}
	pthread_mutex_unlock(&t->lock);
}

/* --- input (our thread) ---------------------------------------------------- */

static void accept_peer(struct ttys *t)
{
	int fd = accept4(t->serial.listener, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	pthread_mutex_lock(&t->lock);
	t->serial.fd = fd;
	t->stuck = false;
	pthread_mutex_unlock(&t->lock);
}

static void lose_peer(struct ttys *t, int err)
{
	if (t->serial.listener < 0)
		say("ttys%u: %s: nothing more comes from there",
		    t->serial.number, err ? strerror(err) : "end of file");
	t->serial.reads = t->serial.listener >= 0;
	if (t->serial.listener < 0)
		return;
	pthread_mutex_lock(&t->lock);
	close(t->serial.fd);
	t->serial.fd = -1;
	pthread_mutex_unlock(&t->lock);
}

static void on_input(struct ttys *t)
{
	size_t room = cocon_room(t->cocon);
	char buf[1024];
	ssize_t n;

	n = read(t->serial.fd, buf, room < sizeof(buf) ? room : sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		lose_peer(t, n < 0 ? errno : 0);
	else
		cocon_input(t->cocon, buf, n);
}

static void turn(struct ttys *t)
{
	int fd = t->serial.fd;
	bool input = fd >= 0 && t->serial.reads && cocon_room(t->cocon) > 0;
	struct pollfd p[EVENTS] = {
		[ON_DOORBELL] = { .fd = cocon_input_doorbell(t->cocon) },
		[ON_LISTENER] = { .fd = fd < 0 ? t->serial.listener : -1 },
		[ON_INPUT] = { .fd = input ? fd : -1 },
	};
	uint64_t count;

	for (int i = 0; i < EVENTS; i++)
		p[i].events = POLLIN;
	if (poll(p, EVENTS, -1) <= 0)
		return;		/* a kick */
	if (p[ON_DOORBELL].revents &&
	    read(p[ON_DOORBELL].fd, &count, sizeof(count)) > 0)
		cocon_serve_input(t->cocon);
	if (p[ON_LISTENER].revents)
		accept_peer(t);
	if (p[ON_INPUT].revents)
		on_input(t);
}

static void *ttys_thread(void *arg)
{
	struct ttys *t = arg;

	while (!atomic_load(&t->stop))
		turn(t);
	return NULL;
}

/* --- its life --------------------------------------------------------------- */

struct ttys *ttys_open(unsigned int number, const char *spec, const char *dir)
{
	struct ttys *t = calloc(1, sizeof(*t));

	if (!t) {
		say("ttys%u: out of memory", number);
		return NULL;
	}
	if (serial_open(&t->serial, number, spec, dir)) {
		free(t);
		return NULL;
	}
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

int ttys_create(struct virtio_bus *bus, struct ttys *t, unsigned int hvc)
{
	char name[16];
	int err = cocon_create_port(bus, hvc, write_port, t, &t->cocon);

	if (err)
		return err;
	snprintf(name, sizeof(name), "ttys%u", t->serial.number);
	err = thread_start(&t->thread, name, ttys_thread, t);
	if (err)
		say("%s: cannot start a thread: %s", name, strerror(-err));
	return err;
}

void ttys_stop(struct ttys *t)
{
	atomic_store(&t->stop, true);
	thread_join(&t->thread);
}

void ttys_free(struct ttys *t)
{
	serial_close(&t->serial);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

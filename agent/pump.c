// SPDX-License-Identifier: GPL-2.0
/* Joins two stream sockets, see pump.h. Non-blocking, so neither way waits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pump.h"

#define BYTES	(64 << 10)

struct way {
	int from, to;
	size_t at, len;
	bool ended;		/* of `from` */
	bool over;		/* and all of it is through, or `to` is gone */
	char buf[BYTES];
};

static void finish(struct way *w)
{
	w->over = true;
	w->len = 0;
	shutdown(w->from, SHUT_RD);
	shutdown(w->to, SHUT_WR);
}

static void fill(struct way *w)
{
	ssize_t n = read(w->from, w->buf, BYTES);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		finish(w);
		return;
	}
	w->at = 0;
	w->len = n;
}

static void drain(struct way *w)
{
	ssize_t n = send(w->to, w->buf + w->at, w->len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		finish(w);
	if (n <= 0)
		return;
	w->at += n;
	w->len -= n;
}

void pump(int a, int b)
{
	static struct way way[2];

	way[0].from = a;
	way[0].to = b;
	way[1].from = b;
	way[1].to = a;
	fcntl(a, F_SETFL, fcntl(a, F_GETFL) | O_NONBLOCK);
	fcntl(b, F_SETFL, fcntl(b, F_GETFL) | O_NONBLOCK);
	while (!way[0].over || !way[1].over) {
		struct pollfd p[2];

		for (int i = 0; i < 2; i++) {
			struct way *w = &way[i];

			p[i].fd = w->over ? -1 : w->len ? w->to : w->from;
			p[i].events = w->len ? POLLOUT : POLLIN;
		}
		if (poll(p, 2, -1) < 0)
			continue;
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents || way[i].over)
				continue;
			if (way[i].len)
				drain(&way[i]);
			else
				fill(&way[i]);
		}
	}
}

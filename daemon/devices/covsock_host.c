// SPDX-License-Identifier: GPL-2.0
/*
 * The host's sockets of covsock, see covsock.h: what epoll says about them, and
 * the Unix socket that programs connect to. They say, in one line, which port
 * of the guest they want; what they send after that line is for the guest, so
 * it is read byte by byte and no further.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/covsock.h"

#define BACKLOG		64
#define WORD		"CONNECT "

/* The port, or 0: that is no line of ours (and 0 is no port). */
static uint32_t parse(const char *line)
{
	const char *digits = line + strlen(WORD);
	unsigned long port;
	char *end;

	if (strncmp(line, WORD, strlen(WORD)) ||
	    !isdigit((unsigned char)*digits))
		return 0;
	port = strtoul(digits, &end, 10);
	return *end || port >= UINT32_MAX ? 0 : port;
}

void covsock_line(struct covsock_table *t, struct covsock_conn *c)
{
	uint32_t port;

	for (;;) {
		ssize_t n = recv(c->fd, c->line + c->line_len, 1, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && !c->hung_up)
			return;
		if (n <= 0)
			break;
		if (c->line[c->line_len] == '\n') {
			c->line[c->line_len] = '\0';
			port = parse(c->line);
			if (!port)
				break;
			covsock_start(t, c, port);
			return;
		}
		if (++c->line_len == sizeof(c->line))
			break;
	}
	covsock_refuse(t, c, "expected CONNECT and a port");
}

int covsock_bind(const char *path, int *fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return -errno;
	/* Left over by one that was killed. */
	unlink(path);
	/* Before bind() this is the mode that the name will have. */
	if (fchmod(*fd, 0600) < 0 ||
	    bind(*fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(*fd, BACKLOG) < 0) {
		err = -errno;
		close(*fd);
		*fd = -1;
		return err;
	}
	return 0;
}

void covsock_accept(struct covsock_table *t, int listener)
{
	static const char full[] = "ERROR too many connections\n";
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;	/* nobody, or they have gone again */
		if (covsock_add(t, fd))
			continue;
		if (send(fd, full, sizeof(full) - 1,
			 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			errno = 0;	/* gone: that was the point anyway */
		close(fd);
	}
}

/* --- events of the host's sockets ----------------------------------------- */

static void hung_up(struct covsock_table *t, struct covsock_conn *c)
{
	epoll_ctl(t->epoll, EPOLL_CTL_DEL, c->fd, NULL);
	c->watched = false;
	c->hung_up = true;
	switch (c->state) {
	case COVSOCK_LINE:
		covsock_line(t, c);
		break;
	case COVSOCK_CONNECTING:
		/* Not sent yet: the guest need not know. */
		if (c->due & COVSOCK_DUE(REQUEST))
			covsock_free(t, c);
		else
			covsock_abort(c);
		break;
	case COVSOCK_DYING:
		covsock_free(t, c);
		break;
	default:
		/* What it sent before is read as the guest has room. */
		covsock_deaf(c);
		c->readable = true;
		if (c->state == COVSOCK_OPEN && c->host_eof)
			covsock_end_of_input(c);
	}
}

void covsock_event(struct covsock_table *t, uint32_t index,
		   uint32_t generation, uint32_t events)
{
	struct covsock_conn *c;

	if (index >= COVSOCK_CONNS)
		return;
	c = &t->conn[index];
	if (c->state == COVSOCK_FREE || c->generation != generation || c->fd < 0)
		return;		/* it was another one's */
	if (events & (EPOLLHUP | EPOLLERR)) {
		hung_up(t, c);
		return;
	}
	if (events & EPOLLIN) {
		if (c->state == COVSOCK_LINE)
			covsock_line(t, c);
		else
			c->readable = true;
	}
	if ((events & EPOLLOUT) && c->state != COVSOCK_FREE && c->fd >= 0)
		covsock_drain(t, c);
}

static uint32_t interest(const struct covsock_conn *c)
{
	uint32_t events = 0;

	if (c->state == COVSOCK_LINE)
		events |= EPOLLIN;
	if (c->state == COVSOCK_OPEN && !c->host_eof && !c->readable)
		events |= EPOLLIN;
	if (c->len > 0)
		events |= EPOLLOUT;
	return events;
}

void covsock_watch(struct covsock_table *t)
{
	for (unsigned int i = 0; i < t->high; i++) {
		struct covsock_conn *c = &t->conn[i];
		struct epoll_event e = {
			.events = interest(c),
			.data.u64 = (uint64_t)c->generation << 32 | i,
		};

		if (c->state == COVSOCK_FREE || c->fd < 0 || c->hung_up ||
		    (c->watched && c->events == e.events))
			continue;
		if (epoll_ctl(t->epoll, c->watched ? EPOLL_CTL_MOD :
			      EPOLL_CTL_ADD, c->fd, &e) < 0) {
			/* No memory: better ended than forgotten. */
			covsock_abort(c);
			continue;
		}
		c->watched = true;
		c->events = e.events;
	}
}

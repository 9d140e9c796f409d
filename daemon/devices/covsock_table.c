// SPDX-License-Identifier: GPL-2.0
/*
 * The table of covsock's connections, and what host programs are told about
 * theirs, see covsock.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/covsock.h"

void covsock_table_init(struct covsock_table *t, uint64_t guest_cid, int epoll)
{
	memset(t, 0, sizeof(*t));
	t->guest_cid = guest_cid;
	t->epoll = epoll;
	t->next_port = COVSOCK_FIRST_PORT;
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++)
		t->conn[i].fd = -1;
}

void covsock_close_fd(struct covsock_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);	/* leaves the epoll set by that */
	c->fd = -1;
	c->watched = false;
	c->events = 0;
}

void covsock_free(struct covsock_table *t, struct covsock_conn *c)
{
	uint32_t generation = c->generation;

	covsock_close_fd(c);
	free(c->backlog);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->generation = generation + 1;
	while (t->high > 0 && t->conn[t->high - 1].state == COVSOCK_FREE)
		t->high--;
}

/* Those whose program still has to say what it wants are not the guest's. */
void covsock_table_reset(struct covsock_table *t)
{
	t->up = false;
	t->resets = 0;
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++) {
		struct covsock_conn *c = &t->conn[i];

		switch (c->state) {
		case COVSOCK_FREE:
		case COVSOCK_LINE:
		case COVSOCK_DYING:
			break;
		case COVSOCK_CONNECTING:
			covsock_refuse(t, c, "the guest went away");
			break;
		case COVSOCK_OPEN:
		case COVSOCK_CLOSING:
			covsock_guest_gone(t, c);
		}
	}
}

void covsock_table_free(struct covsock_table *t)
{
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++)
		if (t->conn[i].state != COVSOCK_FREE)
			covsock_free(t, &t->conn[i]);
	for (unsigned int i = 0; i < t->listeners; i++)
		free(t->listener[i].path);
	t->listeners = 0;
}

struct covsock_conn *covsock_find(struct covsock_table *t, uint32_t host_port,
				 uint32_t guest_port)
{
	for (unsigned int i = 0; i < t->high; i++) {
		struct covsock_conn *c = &t->conn[i];

		if (c->state >= COVSOCK_CONNECTING &&
		    c->host_port == host_port && c->guest_port == guest_port)
			return c;
	}
	return NULL;
}

/* To be sent when the queue has room; covsock_may_take() kept a place. */
void covsock_answer_reset(struct covsock_table *t, uint64_t host_cid,
			 uint32_t host_port, uint32_t guest_port)
{
	if (t->resets == COVSOCK_RESETS)
		return;
	t->reset[t->resets++] = (struct covsock_reset) {
		.host_cid = host_cid,
		.host_port = host_port,
		.guest_port = guest_port,
	};
}

bool covsock_may_take(const struct covsock_table *t)
{
	/* A packet adds one at most, and so does what a full table drops. */
	return t->resets + 2 <= COVSOCK_RESETS;
}

/* An entry, at the cost of one that only waits for a word of the guest. */
static struct covsock_conn *take_entry(struct covsock_table *t)
{
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++)
		if (t->conn[i].state == COVSOCK_FREE)
			return &t->conn[i];
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++) {
		struct covsock_conn *c = &t->conn[i];

		if (c->state != COVSOCK_CLOSING || !covsock_may_take(t))
			continue;
		covsock_answer_reset(t, COVSOCK_CID_HOST, c->host_port, c->guest_port);
		covsock_free(t, c);
		return c;
	}
	return NULL;
}

struct covsock_conn *covsock_add(struct covsock_table *t, int fd)
{
	struct covsock_conn *c = take_entry(t);
	unsigned int index;

	if (!c)
		return NULL;
	index = c - t->conn;
	if (index >= t->high)
		t->high = index + 1;
	c->state = COVSOCK_LINE;
	c->fd = fd;
	return c;
}

/* --- words to the host's program ------------------------------------------ */

/* It has taken nothing yet, so there is room; if it has gone, so be it. */
static void tell(struct covsock_conn *c, const char *text)
{
	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		c->deaf = true;
}

void covsock_refuse(struct covsock_table *t, struct covsock_conn *c,
		    const char *why)
{
	char line[128];

	if (c->fd >= 0 && c->reply != COVSOCK_SILENT) {
		snprintf(line, sizeof(line),
			 c->reply == COVSOCK_JSON ?
			 "{\"ok\":false,\"error\":\"%s\"}\n" : "ERROR %s\n", why);
		tell(c, line);
	}
	covsock_free(t, c);
}

void covsock_accepted(struct covsock_conn *c)
{
	if (c->reply == COVSOCK_TEXT)
		tell(c, "OK\n");
	else if (c->reply == COVSOCK_JSON)
		tell(c, "{\"ok\":true}\n");
	c->state = COVSOCK_OPEN;
	if (c->hung_up || c->deaf)
		covsock_deaf(c);
	/* What it sent and left is still meant for the guest. */
	c->readable = c->hung_up;
}

void covsock_start(struct covsock_table *t, struct covsock_conn *c,
		   uint32_t port)
{
	if (!t->up) {
		covsock_refuse(t, c, "the guest is not up");
		return;
	}
	do {
		if (++t->next_port == UINT32_MAX)
			t->next_port = COVSOCK_FIRST_PORT;
	} while (covsock_find(t, t->next_port, port));
	c->host_port = t->next_port;
	c->guest_port = port;
	c->state = COVSOCK_CONNECTING;
	c->due = COVSOCK_DUE(REQUEST);
}

// SPDX-License-Identifier: GPL-2.0
/* Connections of the control socket, see control.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/control.h"
#include "core/log.h"
#include "core/machine.h"

#define PUMP_ROUNDS	8	/* then the others have their turn */
#define PUMP_BYTES	8192
#define SEND_BUFFER	(32 << 10)

/* --- output --------------------------------------------------------------- */

static void hang_up(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
}

void conn_put(struct conn *conn, const char *data, size_t len)
{
	size_t need = conn->out_len + len;
	char *bigger;

	if (need > conn->out_size) {
		bigger = need <= CONTROL_OUT_MAX ? realloc(conn->out, need) :
						   NULL;
		if (!bigger) {
			hang_up(conn);
			return;
		}
		conn->out = bigger;
		conn->out_size = need;
	}
	memcpy(conn->out + conn->out_len, data, len);
	conn->out_len = need;
}

void conn_put_json(struct conn *conn, json_t *json)
{
	const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(12);
	char *text = json ? json_dumps(json, flags) : NULL;

	json_decref(json);
	if (!text) {
		hang_up(conn);	/* out of memory: better than half a line */
		return;
	}
	conn_put(conn, text, strlen(text));
	conn_put(conn, "\n", 1);
	free(text);
}

void conn_refuse(struct conn *conn, const char *error)
{
	conn_put_json(conn, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* True: all sent. */
static bool flush(struct conn *conn)
{
	ssize_t n;

	while (conn->fd >= 0 && conn->out_len > 0) {
		n = send(conn->fd, conn->out, conn->out_len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			hang_up(conn);
			return false;
		}
		memmove(conn->out, conn->out + n, conn->out_len - n);
		conn->out_len -= n;
	}
	return conn->fd >= 0;
}

static void drop_viewer(struct control *c, struct conn *conn)
{
	static const char text[] =
		"\r\n[colinux: disconnected: nothing was read for too long]\r\n";

	conn_put(conn, text, sizeof(text) - 1);
	conn->closing = true;
	conn->more = false;
	control_event(c, json_pack("{s:s, s:i}", "event", "viewer-dropped",
				   "viewer", conn->id));
	hub_detach(&c->m->sink.hub, conn->viewer);
	conn->viewer = -1;
	if (conn == c->writer)
		control_next_writer(c);
}

/* Console output to a viewer, as much as it takes. */
static void pump(struct control *c, struct conn *conn)
{
	struct hub *hub = &c->m->sink.hub;
	char buf[PUMP_BYTES];

	conn->more = false;
	for (int i = 0; i < PUMP_ROUNDS && flush(conn) && !conn->closing; i++) {
		int len = hub_peek(hub, conn->viewer, buf, sizeof(buf));
		ssize_t n;

		if (len < 0)
			drop_viewer(c, conn);
		if (len == 0 && conn->once)
			conn->closing = true;
		if (len <= 0)
			return;
		conn->more = true;
		n = send(conn->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			hang_up(conn);
		if (n <= 0)
			return;
		hub_taken(hub, conn->viewer, n);
	}
}

/* --- input ---------------------------------------------------------------- */

static void take_lines(struct control *c, struct conn *conn)
{
	while (conn->mode == CONN_REQUESTS && conn->fd >= 0 && !conn->closing &&
	       conn->out_len < CONTROL_OUT_HIGH) {
		char *newline = memchr(conn->in, '\n', conn->in_len);
		size_t len;

		if (!newline && conn->in_len == sizeof(conn->in)) {
			conn_refuse(conn, "the request is longer than 4096 bytes");
			conn->closing = true;
		}
		if (!newline)
			return;
		*newline = '\0';
		len = newline - conn->in;
		control_request(c, conn, conn->in, len);
		conn->in_len -= len + 1;
		memmove(conn->in, newline + 1, conn->in_len);
	}
}

/* The writer's keys, as far as the guest takes them. */
static void type(struct control *c, struct conn *conn)
{
	struct cocon *cocon = c->m->cocon;
	size_t len = conn->in_len, room = cocon_room(cocon);

	if (conn != c->writer) {
		conn->in_len = 0;	/* it only looks on */
		return;
	}
	if (len > room)
		len = room;
	cocon_input(cocon, conn->in, len);
	conn->in_len -= len;
	memmove(conn->in, conn->in + len, conn->in_len);
}

static void take_input(struct control *c, struct conn *conn)
{
	if (conn->mode == CONN_REQUESTS)
		take_lines(c, conn);
	if (conn->mode == CONN_CONSOLE)
		type(c, conn);
}

static void receive(struct conn *conn)
{
	ssize_t n = recv(conn->fd, conn->in + conn->in_len,
			 sizeof(conn->in) - conn->in_len, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		hang_up(conn);
		return;
	}
	conn->in_len += n;
	conn->in_closed = n == 0;
}

/* It sends nothing any more, and all it sent was looked at. */
static void at_end(struct control *c, struct conn *conn)
{
	if (conn == c->writer && conn->in_len == 0)
		control_next_writer(c);
	if (conn->mode == CONN_REQUESTS && !conn->subscribed &&
	    !memchr(conn->in, '\n', conn->in_len))
		conn->closing = true;
}

/* --- connections ---------------------------------------------------------- */

static void add_conn(struct control *c, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));
	const int buffer = SEND_BUFFER;

	if (!conn) {
		close(fd);
		return;
	}
	/* Less than the default, which is the kernel's memory. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	conn->fd = fd;
	conn->viewer = -1;
	c->conn[c->conns++] = conn;
}

static void accept_one(struct control *c)
{
	static const char full[] =
		"{\"ok\":false,\"error\":\"too many connections\"}\n";
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (c->conns < CONTROL_CONNS) {
		add_conn(c, fd);
		return;
	}
	/* An empty socket takes this much at once. */
	if (send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		say("control socket: cannot answer: %s", strerror(errno));
	close(fd);
}

static void free_conn(struct control *c, struct conn *conn)
{
	hang_up(conn);
	if (conn->viewer >= 0)
		hub_detach(&c->m->sink.hub, conn->viewer);
	free(conn->out);
	free(conn);
}

static void sweep(struct control *c)
{
	unsigned int left = 0;
	bool writer_gone = false;

	for (unsigned int i = 0; i < c->conns; i++) {
		struct conn *conn = c->conn[i];

		if (conn->closing && conn->out_len == 0)
			hang_up(conn);
		if (conn->fd >= 0) {
			c->conn[left++] = conn;
			continue;
		}
		writer_gone |= conn == c->writer;
		free_conn(c, conn);
	}
	c->conns = left;
	if (writer_gone)
		control_next_writer(c);
}

/* --- messages of any thread ------------------------------------------------- */

static void on_message(const char *line, void *arg)
{
	struct control *c = arg;
	const uint64_t one = 1;
	char *copy = strdup(line);

	pthread_mutex_lock(&c->lock);
	if (copy && c->messages < CONTROL_MESSAGES) {
		c->message[c->messages++] = copy;
		copy = NULL;
	}
	pthread_mutex_unlock(&c->lock);
	free(copy);
	if (write(c->m->sink.hub.wake, &one, sizeof(one)) < 0)
		return;		/* full of wake-ups */
}

static void send_messages(struct control *c)
{
	char *message[CONTROL_MESSAGES];
	unsigned int n;

	pthread_mutex_lock(&c->lock);
	n = c->messages;
	memcpy(message, c->message, n * sizeof(*message));
	c->messages = 0;
	pthread_mutex_unlock(&c->lock);
	for (unsigned int i = 0; i < n; i++) {
		control_event(c, json_pack("{s:s, s:o}", "event", "message",
					   "text", proto_text(message[i])));
		free(message[i]);
	}
}

/* NULL: out of memory. */
void control_event(struct control *c, json_t *event)
{
	for (unsigned int i = 0; event && i < c->conns; i++)
		if (c->conn[i]->subscribed && c->conn[i]->fd >= 0)
			conn_put_json(c->conn[i], json_incref(event));
	json_decref(event);
}

/* --- the loop's turns ------------------------------------------------------- */

static short wanted(const struct control *c, const struct conn *conn)
{
	bool room = conn->in_len < sizeof(conn->in) && !conn->in_closed;
	short events = 0;

	if (conn->mode == CONN_REQUESTS)
		room = room && conn->out_len < CONTROL_OUT_HIGH;
	if (conn == c->writer)
		room = room && cocon_room(c->m->cocon) > 0;
	if (room && !conn->closing && !c->finishing)
		events |= POLLIN;
	if (conn->out_len > 0 || conn->more)
		events |= POLLOUT;
	return events;
}

unsigned int control_poll(struct control *c, struct pollfd *p)
{
	p[0] = (struct pollfd) {
		.fd = c->finishing ? -1 : c->listener, .events = POLLIN,
	};
	p[1] = (struct pollfd) { .fd = c->m->sink.hub.wake, .events = POLLIN };
	for (unsigned int i = 0; i < c->conns; i++)
		p[i + 2] = (struct pollfd) {
			.fd = c->conn[i]->fd,
			.events = wanted(c, c->conn[i]),
		};
	return c->conns + 2;
}

static void serve_conn(struct control *c, struct conn *conn, short got)
{
	if (got & POLLIN)
		receive(conn);
	else if ((got & (POLLHUP | POLLERR)) && !(got & POLLOUT))
		hang_up(conn);
	/* Also what waited for room, ours or the guest's. */
	if (conn->fd >= 0 && conn->in_len > 0 && !conn->closing)
		take_input(c, conn);
	if (conn->fd >= 0 && conn->in_closed)
		at_end(c, conn);
	if (conn->viewer >= 0)
		pump(c, conn);
	else
		flush(conn);
}

void control_serve(struct control *c, const struct pollfd *p)
{
	unsigned int conns = c->conns;
	uint64_t count;

	if ((p[1].revents & POLLIN) &&
	    read(p[1].fd, &count, sizeof(count)) > 0)
		send_messages(c);
	for (unsigned int i = 0; i < conns; i++)
		serve_conn(c, c->conn[i], p[i + 2].revents);
	/* Events for those who had their turn already. */
	for (unsigned int i = 0; i < conns; i++)
		if (c->conn[i]->subscribed)
			flush(c->conn[i]);
	if (p[0].revents & POLLIN)
		accept_one(c);
	sweep(c);
}

/* --- its life --------------------------------------------------------------- */

static int listen_at(int *listener, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd, err = rundir_socket(at.sun_path, sizeof(at.sun_path), name);

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Its directory lets nobody else in; this is for those who look. */
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    chmod(at.sun_path, 0600) < 0 || listen(fd, CONTROL_CONNS) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	*listener = fd;
	return 0;
}

int control_open(struct machine *m, struct control **control)
{
	struct control *c = calloc(1, sizeof(*c));
	int err = c ? listen_at(&c->listener, m->rundir.name) : -ENOMEM;

	if (err) {
		say("control socket: %s/control: cannot make it: %s",
		    m->rundir.path, strerror(-err));
		free(c);
		return err;
	}
	c->m = m;
	pthread_mutex_init(&c->lock, NULL);
	say_set_listener(on_message, c);
	*control = c;
	return 0;
}

static bool all_sent(struct control *c)
{
	for (unsigned int i = 0; i < c->conns; i++)
		if (c->conn[i]->out_len > 0 || c->conn[i]->more)
			return false;
	return true;
}

/* The guest has ended, so the hub does not grow any more. */
static void linger(struct control *c)
{
	struct pollfd p[CONTROL_POLLS];
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CONTROL_LINGER_MS / 1000;
	for (unsigned int i = 0; i < c->conns; i++)
		serve_conn(c, c->conn[i], 0);
	sweep(c);
	while (!all_sent(c)) {
		unsigned int n = control_poll(c, p);

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end.tv_sec)
			break;
		if (poll(p, n, 1000) > 0)
			control_serve(c, p);
	}
}

void control_close(struct control *c)
{
	c->finishing = true;
	say_set_listener(NULL, NULL);
	send_messages(c);
	control_event(c, json_pack("{s:s, s:i, s:s}", "event", "ended", "code",
				   c->m->end, "meaning",
				   exit_meaning(c->m->end)));
	linger(c);
	while (c->conns > 0)
		free_conn(c, c->conn[--c->conns]);
	close(c->listener);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

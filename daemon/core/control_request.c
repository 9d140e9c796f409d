// SPDX-License-Identifier: GPL-2.0
/* What clients of the control socket ask for, see control.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/control.h"
#include "core/machine.h"

#define STREAM_BUFFER	(256 << 10)

static void say_ok(struct conn *conn)
{
	conn_put_json(conn, json_pack("{s:b}", "ok", 1));
}

/* --- the console's writer --------------------------------------------------- */

static bool may_write(const struct conn *conn)
{
	return conn->fd >= 0 && conn->mode == CONN_CONSOLE &&
	       !conn->read_only && !conn->closing && !conn->in_closed;
}

void control_next_writer(struct control *c)
{
	c->writer = NULL;
	for (unsigned int i = 0; i < c->conns && !c->writer; i++)
		if (may_write(c->conn[i]))
			c->writer = c->conn[i];
	if (!c->finishing)
		control_event(c, json_pack("{s:s, s:i}", "event", "writer",
					   "viewer",
					   c->writer ? c->writer->id : 0));
}

/* The connection is a stream of the console's bytes from here on. */
static void console(struct control *c, struct conn *conn,
		    const struct request *r)
{
	struct machine *m = c->m;
	unsigned int columns, rows;

	conn->viewer = hub_attach(&m->sink.hub, r->replay);
	if (conn->viewer < 0) {
		conn_refuse(conn, "too many viewers of the console");
		return;
	}
	conn->mode = CONN_CONSOLE;
	conn->subscribed = false;
	conn->id = ++c->next_id;
	conn->read_only = r->read_only || !r->follow;
	conn->once = !r->follow;
	/* The terminal of a guest in the foreground was there first. */
	if (!c->writer && !conn->read_only && !m->terminal)
		c->writer = conn;
	cocon_size(m->cocon, &columns, &rows);
	conn_put_json(conn, json_pack("{s:b, s:i, s:b, s:i, s:i}", "ok", 1,
				      "viewer", conn->id,
				      "writer", c->writer == conn,
				      "columns", columns, "rows", rows));
}

static void resize(struct control *c, struct conn *conn,
		   const struct request *r)
{
	if (c->m->config->columns) {
		conn_refuse(conn, "cocon= fixes the size of the console");
		return;
	}
	if (r->viewer && (!c->writer || c->writer->id != r->viewer)) {
		conn_refuse(conn, "this viewer is not the writer");
		return;
	}
	cocon_resize(c->m->cocon, r->columns, r->rows);
	say_ok(conn);
}

/* --- the guest's sockets ------------------------------------------------------ */

/*
 * Gives the connection away: the device answers and joins the two sockets. Not
 * with bytes here that it would have to have.
 */
static void vsock(struct control *c, struct conn *conn,
		  const struct request *r, bool more)
{
	const int buffer = STREAM_BUFFER;
	int err;

	if (!c->m->covsock) {
		conn_refuse(conn, "the guest has no vsock device");
		return;
	}
	if (more || conn->out_len > 0) {
		conn_refuse(conn, "nothing may be sent behind a vsock request before its answer");
		return;
	}
	/* No short answers any more, but what programs say to each other. */
	setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	err = covsock_connect(c->m->covsock, conn->fd, r->port, COVSOCK_JSON);
	if (err)
		conn_refuse(conn, "too many connections to the guest");
	else
		conn->fd = -1;	/* the device's now */
}

/* --- all of them -------------------------------------------------------------- */

void control_request(struct control *c, struct conn *conn, const char *line,
		     size_t len)
{
	char error[200];
	struct request r;

	if (request_parse(line, len, &r, error, sizeof(error))) {
		conn_refuse(conn, error);
		return;
	}
	switch (r.type) {
	case REQUEST_STATUS:
		conn_put_json(conn, control_status(c));
		break;
	case REQUEST_STOP:
		if (machine_stop(c->m))
			conn_refuse(conn, "the driver cannot tell the guest");
		else
			say_ok(conn);
		break;
	case REQUEST_KILL:
		machine_kill(c->m);
		say_ok(conn);
		break;
	case REQUEST_CONSOLE:
		console(c, conn, &r);
		break;
	case REQUEST_EVENTS:
		conn->subscribed = true;
		say_ok(conn);
		break;
	case REQUEST_RESIZE:
		resize(c, conn, &r);
		break;
	case REQUEST_VSOCK:
		vsock(c, conn, &r, conn->in_len > len + 1);
		break;
	}
}

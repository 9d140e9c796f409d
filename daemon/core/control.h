/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control socket of a CVM: docs/control.md. Served by the main thread out
 * of its poll loop; nothing here waits for a client, and a client can hold no
 * more than what is bounded below.
 *
 * The console's viewers are here, too: at most one of them, the writer, types.
 */
#ifndef COLINUX_CONTROL_H
#define COLINUX_CONTROL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/proto.h"

#define CONTROL_CONNS		64
#define CONTROL_POLLS		(CONTROL_CONNS + 2)
#define CONTROL_OUT_MAX		(256 << 10)	/* a connection's answers */
#define CONTROL_OUT_HIGH	(32 << 10)	/* no more requests above */
#define CONTROL_MESSAGES	64
#define CONTROL_LINGER_MS	10000

struct machine;
struct control;

/* Makes the socket and records messages from now on. Complains. */
int control_open(struct machine *m, struct control **control);

/*
 * Gives clients what is on its way to them, waiting no longer than
 * CONTROL_LINGER_MS for one that does not read, and closes.
 */
void control_close(struct control *c);

/* Fills p[CONTROL_POLLS] for poll(2); how many. */
unsigned int control_poll(struct control *c, struct pollfd *p);
void control_serve(struct control *c, const struct pollfd *p);

/* To all who subscribed; takes the reference. */
void control_event(struct control *c, json_t *event);

/* --- inside: control.c has connections, control_request.c what they want ---- */

enum conn_mode { CONN_REQUESTS, CONN_CONSOLE };

struct conn {
	int fd;			/* -1: gone, to be swept */
	enum conn_mode mode;
	bool subscribed;	/* gets events, too */
	bool in_closed;		/* it sends nothing any more */
	bool closing;		/* when out has been sent */
	bool more;		/* the console has more than the socket takes */
	bool read_only;
	bool once;		/* a viewer of what there is, no more */
	unsigned int id;	/* of a viewer, in the order they came */
	int viewer;		/* in the hub, or -1 */
	size_t in_len;
	char in[PROTO_LINE_MAX];
	char *out;
	size_t out_len, out_size;
};

struct control {
	struct machine *m;
	int listener;
	struct conn *conn[CONTROL_CONNS];
	unsigned int conns;
	unsigned int next_id;
	struct conn *writer;	/* of the console, or NULL */
	bool finishing;		/* the guest has ended */
	pthread_mutex_t lock;	/* of what follows: any thread's messages */
	char *message[CONTROL_MESSAGES];
	unsigned int messages;
};

/* Bytes to be sent; too many: the client does not read, it is closed. */
void conn_put(struct conn *conn, const char *data, size_t len);
/* One line; takes the reference. */
void conn_put_json(struct conn *conn, json_t *json);
/* {"ok": false, "error": ...} */
void conn_refuse(struct conn *conn, const char *error);

/* One request. */
void control_request(struct control *c, struct conn *conn, const char *line,
		     size_t len);

/* The writer is gone: who is next? */
void control_next_writer(struct control *c);

/* status.c: the answer to "status". */
json_t *control_status(struct control *c);

#endif /* COLINUX_CONTROL_H */

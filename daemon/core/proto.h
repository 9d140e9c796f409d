/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests of the control socket, docs/control.md: one JSON object a line. This
 * is the parser alone, so that it can be tested with any bytes.
 */
#ifndef COLINUX_PROTO_H
#define COLINUX_PROTO_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define PROTO_VERSION	1
#define PROTO_LINE_MAX	4096	/* of a request, with its newline */

enum request_type {
	REQUEST_STATUS, REQUEST_STOP, REQUEST_KILL, REQUEST_CONSOLE,
	REQUEST_EVENTS, REQUEST_RESIZE, REQUEST_VSOCK,
};

struct request {
	enum request_type type;
	bool read_only;		/* console */
	bool follow;		/* console: more than what there is */
	unsigned int replay;	/* console: bytes */
	unsigned int columns;	/* resize */
	unsigned int rows;	/* resize */
	unsigned int viewer;	/* resize, 0: none */
	unsigned int port;	/* vsock */
};

/*
 * line: without its newline, not NUL-terminated. -EINVAL: error has one
 * printable line that says why.
 */
int request_parse(const char *line, size_t len, struct request *r, char *error,
		  size_t size);

/* Any text as JSON; bytes that are no UTF-8 become '?'. NULL: null. */
json_t *proto_text(const char *text);

#endif /* COLINUX_PROTO_H */

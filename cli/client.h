/* SPDX-License-Identifier: GPL-2.0 */
/* The other end of a CVM's control socket, docs/control.md. */
#ifndef COLINUX_CLIENT_H
#define COLINUX_CLIENT_H

#include <stddef.h>

#include <jansson.h>

#define CLIENT_ANSWER_MS	30000

struct client {
	int fd;
	const char *name;	/* of the CVM */
	char *buf;		/* what came and was not asked for yet */
	size_t len, size;
};

/* 0, -ENOENT: no such CVM runs, or another -errno. Does not complain. */
int client_open(struct client *c, const char *name);
/* The same, and complains. */
int client_connect(struct client *c, const char *name);
void client_close(struct client *c);

/* Sends one line; takes the reference. -errno, -EPIPE: it is gone. */
int client_send(struct client *c, json_t *request);
int client_send_text(struct client *c, const char *line);

/* Reads what is there without waiting. 0, -EAGAIN, -EPIPE: end of file. */
int client_fill(struct client *c);
/* The next line that has arrived whole, or NULL. */
json_t *client_take(struct client *c);
/* Waits for the next line; ms < 0: for ever. NULL: none came, errno says why. */
json_t *client_next(struct client *c, int ms);

/*
 * Sends a request and waits for its answer, past events. NULL: it failed, and
 * was complained about.
 */
json_t *client_ask(struct client *c, json_t *request);

/* What the answers are made of. */
const char *client_string(const json_t *object, const char *key);
json_int_t client_number(const json_t *object, const char *key);

#endif /* COLINUX_CLIENT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of a session: session.c has the connection and what the host asks
 * for, stdio.c the input and output of its command.
 */
#ifndef COLINUX_AGENT_SESSION_H
#define COLINUX_AGENT_SESSION_H

#include "agent.h"

#define OUT_SMALL	4096	/* control frames, beside one of data */
#define OUT_ROOM	(2 * (WIRE_HEADER + WIRE_DATA) + OUT_SMALL)

enum state {
	PROLOGUE,		/* a line, see session_new() */
	GREETING,		/* HELLO has to come */
	ASKING,			/* greeted; no command yet */
	RUNNING,
	LEAVING,		/* the last frame is in `out` */
};

struct session {
	int fd;
	enum state state;
	struct wire_in in;
	uint8_t *out;
	size_t out_at, out_len;
	struct command command;
	bool tty;
	bool reaped;
	int status;		/* of the command, as wait() has it */
	ssize_t left[2];	/* output to be read after its end, -1: all */
	uint64_t last_ms;	/* when it wrote something, then */
	uint8_t *ring;		/* input of WIRE_WINDOW bytes */
	size_t ring_at, ring_len;
	uint32_t credit;	/* what may still come */
	uint32_t owed;		/* taken by the command, not credited yet */
	bool input_ended;
	struct x11 x11;
};

/* A frame to the host. */
void session_put(struct session *s, enum wire_type type, const void *data,
		 size_t len);
void session_put32(struct session *s, enum wire_type type, uint32_t value);

/* The last frame: it went wrong. Returns true. */
bool session_fail(struct session *s, int status, const char *text);

/* More input from the host. False: the session is over. */
bool stdio_more(struct session *s, const struct frame *f);
/* Gives the command what it takes of it. */
void stdio_write(struct session *s);
void stdio_close_input(struct session *s);

/* The descriptor of standard output (0) or error (1). */
int *stdio_output(struct session *s, unsigned int which);
void stdio_read(struct session *s, unsigned int which);
void stdio_close_output(struct session *s, unsigned int which);

/* Read from the command only if nothing of that waits already. */
bool stdio_may_read(const struct session *s);

/* The command has ended and all of its output is read: say so. */
void stdio_leave_if_done(struct session *s);

#endif /* COLINUX_AGENT_SESSION_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the guest's console output goes: standard output, the log file and the
 * viewers of the control socket (hub.h).
 * Nothing is dropped: a full standard output makes the writer wait. A broken
 * one (closed pipe, full disk) is given up with a message; the guest goes on.
 */
#ifndef COLINUX_SINK_H
#define COLINUX_SINK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/hub.h"

struct sink {
	pthread_mutex_t lock;	/* of all below but abort */
	int out;		/* -1: none (any more) */
	int log;		/* -1: none (any more) */
	bool raw;		/* a line needs CR LF */
	bool mid_line;		/* the last byte was no newline */
	atomic_bool abort;	/* do not wait for readers any more */
	struct hub hub;
};

/* log_path may be NULL. Complains and returns -errno. */
int sink_open(struct sink *s, bool use_stdout, const char *log_path);
void sink_close(struct sink *s);

/* Bytes of a terminal, as they are. */
void sink_write(struct sink *s, const void *data, size_t len);

/* Plain text with LF at line ends (the guest's early console). */
void sink_write_text(struct sink *s, const char *text, size_t len);

/* Starts a new line on standard output unless it is at one. */
void sink_end_line(struct sink *s);

/*
 * Writers give up waiting for standard output; one that waits inside write(2)
 * needs a signal to notice.
 */
void sink_abort(struct sink *s);

#endif /* COLINUX_SINK_H */

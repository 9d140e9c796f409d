/* SPDX-License-Identifier: GPL-2.0 */
/* `colinux exec`, `shell` and `gui`: what is asked for, and doing it. */
#ifndef COLINUX_EXEC_H
#define COLINUX_EXEC_H

#include <stdbool.h>

#include "agent/wire.h"

/* Like a shell's: the command was not the cause. */
#define EXEC_FAILED	125

struct exec_options {
	const char *what;	/* "exec", "shell", "gui" */
	const char *name;	/* of the guest */
	unsigned int wait;	/* seconds for it to be up */
	bool tty;
	struct wire_request request;
};

/* exec_args.c: 0, -EINVAL after a complaint, -ECANCELED: help was given. */
int exec_args(struct exec_options *o, int argc, char **argv);

/* exec.c: the status of the command, or EXEC_FAILED after a complaint. */
int exec_run(const struct exec_options *o);

/* gui.c: the display of this user. -errno; complains. */
struct display {
	char cookie[2 * WIRE_COOKIE + 1];	/* hex, "" if there is none */
	char socket[100];
};

int display_find(struct display *d);

/*
 * A program of the guest wants the display: `secret` is the payload of its
 * X11_NEW. A child process joins the two.
 */
void display_join(const char *guest, const uint8_t *secret);

#endif /* COLINUX_EXEC_H */

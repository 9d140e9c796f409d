/* SPDX-License-Identifier: GPL-2.0 */
/*
 * execN=: programs of the host that are started before the guest and ended
 * with it. They have a process group each, no terminal and the name of the
 * guest in COLINUX_NAME; their death is reported and changes nothing else. The
 * host ends them, too, if the daemon is killed.
 */
#ifndef COLINUX_EXEC_H
#define COLINUX_EXEC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "core/config.h"
#include "core/thread.h"

struct exec_program {
	unsigned int number;	/* N of execN */
	char *path;		/* as it was given */
	pid_t pid;
	int pidfd;		/* -1: it has ended */
};

struct execs {
	struct exec_program program[CONFIG_MAX_EXEC];
	unsigned int count;
	struct thread thread;	/* waits for their deaths */
	atomic_bool stop;
};

/*
 * Starts all of them, before privileges are given up and before the first
 * thread; output: for what they print. Complains; none is left if it fails.
 */
int execs_start(struct execs *e, const struct config *c, const char *name,
		int output);

/* From now on deaths are reported. -errno. */
int execs_watch(struct execs *e);

/* Ends those that are left: SIGTERM, and some time later SIGKILL. */
void execs_stop(struct execs *e);

#endif /* COLINUX_EXEC_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads of the daemon: small stacks, all signals blocked but one, the kick,
 * which does nothing but end a system call with EINTR.
 */
#ifndef COLINUX_THREAD_H
#define COLINUX_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct thread {
	pthread_t id;
	bool started;
};

/* Once, before the first thread: what a kick does, which signals are left. */
int threads_init(void);

/* name: up to 15 bytes. -errno. */
int thread_start(struct thread *t, const char *name, void *(*run)(void *),
		 void *arg);

/* For those that call libraries with large frames. */
int thread_start_sized(struct thread *t, const char *name,
		       void *(*run)(void *), void *arg, size_t stack_bytes);

/* Kicks until it has ended; whoever calls has told it to. */
void thread_join(struct thread *t);

/* Kicks all that were started and not joined. */
void threads_kick(void);

#endif /* COLINUX_THREAD_H */

// SPDX-License-Identifier: GPL-2.0
/* Threads and kicks, see thread.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "core/thread.h"

#define KICK_SIGNAL	SIGUSR1
#define STACK_BYTES	(128 << 10)
#define MAX_THREADS	160
#define KICK_MS		20

/* Lock protects threads[]: NULL or started and not joined. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread *threads[MAX_THREADS];

static void on_kick(int sig)
{
	(void)sig;
}

int threads_init(void)
{
	/* No SA_RESTART: the whole point is EINTR. */
	struct sigaction act = { .sa_handler = on_kick };

	return sigaction(KICK_SIGNAL, &act, NULL) < 0 ? -errno : 0;
}

static int enlist(struct thread *t)
{
	int err = -EAGAIN;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_THREADS && err; i++) {
		if (!threads[i]) {
			threads[i] = t;
			err = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static void strike_off(struct thread *t)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i] == t)
			threads[i] = NULL;
	pthread_mutex_unlock(&lock);
}

/* The new thread inherits the mask: only kicks and crashes reach it. */
static int create(struct thread *t, const pthread_attr_t *attr,
		  void *(*run)(void *), void *arg)
{
	sigset_t mask, before;
	int err;

	sigfillset(&mask);
	sigdelset(&mask, KICK_SIGNAL);
	sigdelset(&mask, SIGSEGV);
	sigdelset(&mask, SIGBUS);
	sigdelset(&mask, SIGILL);
	sigdelset(&mask, SIGFPE);
	sigdelset(&mask, SIGABRT);
	pthread_sigmask(SIG_SETMASK, &mask, &before);
	err = pthread_create(&t->id, attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int thread_start(struct thread *t, const char *name, void *(*run)(void *),
		 void *arg)
{
	return thread_start_sized(t, name, run, arg, STACK_BYTES);
}

int thread_start_sized(struct thread *t, const char *name,
		       void *(*run)(void *), void *arg, size_t stack_bytes)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_bytes);
	err = create(t, &attr, run, arg);
	pthread_attr_destroy(&attr);
	if (err)
		return err;
	pthread_setname_np(t->id, name);
	t->started = true;
	return enlist(t);	/* t->id is valid: it may be kicked now */
}

void thread_join(struct thread *t)
{
	struct timespec until;

	if (!t->started)
		return;
	for (;;) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		/* A thread may be waiting for another one: kick them all. */
		if (pthread_timedjoin_np(t->id, NULL, &until) != ETIMEDOUT)
			break;
		threads_kick();
	}
	t->started = false;
	strike_off(t);
}

void threads_kick(void)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i])
			pthread_kill(threads[i]->id, KICK_SIGNAL);
	pthread_mutex_unlock(&lock);
}

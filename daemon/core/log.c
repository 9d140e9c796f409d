// SPDX-License-Identifier: GPL-2.0
/*
 * Messages for the user. Each line is one write(2), so that lines of several
 * threads never mix.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/log.h"

static const char *vm_name;		/* set once, before there are threads */
static atomic_bool raw_terminal;

static pthread_mutex_t listener_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*listener)(const char *line, void *arg);
static void *listener_arg;

void say_set_name(const char *name)
{
	vm_name = name;
}

void say_set_raw(bool raw)
{
	atomic_store(&raw_terminal, raw);
}

void say_set_listener(void (*fn)(const char *line, void *arg), void *arg)
{
	pthread_mutex_lock(&listener_lock);
	listener = fn;
	listener_arg = arg;
	pthread_mutex_unlock(&listener_lock);
}

static void tell_listener(const char *line)
{
	pthread_mutex_lock(&listener_lock);
	if (listener)
		listener(line, listener_arg);
	pthread_mutex_unlock(&listener_lock);
}

static void write_all(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= n;
	}
}

void say(const char *fmt, ...)
{
	char line[2048];
	const size_t room = sizeof(line) - 3;	/* CR LF NUL */
	va_list args;
	size_t len, head;
	int n;

	if (vm_name)
		n = snprintf(line, room, "colinux: %s: ", vm_name);
	else
		n = snprintf(line, room, "colinux: ");
	head = len = n;
	va_start(args, fmt);
	n = vsnprintf(line + len, room - len, fmt, args);
	va_end(args);
	if (n > 0)
		len += (size_t)n < room - len ? (size_t)n : room - len - 1;
	line[len] = '\0';
	tell_listener(line + head);
	if (atomic_load(&raw_terminal))
		line[len++] = '\r';
	line[len++] = '\n';
	write_all(line, len);
}

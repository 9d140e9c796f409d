// SPDX-License-Identifier: GPL-2.0
/* core/log.h for tests, see say.h. */
#include <stdio.h>
#include "say.h"

char said[4096];
unsigned int said_lines;
static void (*listener)(const char *line, void *arg);
static void *listener_arg;

void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
	said_lines++;
	if (listener)
		listener(said, listener_arg);
}

void say_set_name(const char *name)
{
	(void)name;
}

void say_set_listener(void (*fn)(const char *line, void *arg), void *arg)
{
	listener = fn;
	listener_arg = arg;
}

void say_set_raw(bool raw)
{
	(void)raw;
}

int forget_said(void **state)
{
	(void)state;
	said_lines = 0;
	said[0] = '\0';
	return 0;
}

void check_said(const char *text, const char *file, int line)
{
	if (said_lines != 1) {
		print_error("%u lines were said, the last: %s\n", said_lines,
			    said);
		_fail(file, line);
	}
	if (!strstr(said, text)) {
		print_error("'%s' is not in '%s'\n", text, said);
		_fail(file, line);
	}
	if (strchr(said, '\n')) {
		print_error("more than a line: '%s'\n", said);
		_fail(file, line);
	}
	forget_said(NULL);
}

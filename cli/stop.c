// SPDX-License-Identifier: GPL-2.0
/* `colinux stop` and `colinux kill`: they return when all of it is gone. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "core/log.h"
#include "core/rundir.h"

#define STOP_TIMEOUT	90	/* seconds, as systemd's */
#define KILL_TIMEOUT	30
#define LOOK_MS		20

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* The code of the event "ended"; -ETIMEDOUT; EXIT_INTERNAL: it said none. */
static int wait_for_end(struct client *c, long long end)
{
	json_t *json;

	for (;;) {
		long long left = end - now_ms();
		int code = -1;

		json = client_next(c, left > 0 ? (int)left : 0);
		if (!json)
			return errno == ETIMEDOUT ? -ETIMEDOUT : EXIT_INTERNAL;
		if (!strcmp(client_string(json, "event"), "ended"))
			code = client_number(json, "code");
		json_decref(json);
		if (code >= 0)
			return code;
	}
}

/*
 * The daemon gives memory and files back after it has said the end; its name
 * is free once its directory is gone, or (if it was killed) not locked.
 */
static int wait_for_name(const char *name, long long end)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	char path[RUNDIR_PATH_MAX + 16];

	if (rundir_socket(path, sizeof(path), name))
		return -ENAMETOOLONG;
	*strrchr(path, '/') = '\0';
	for (;;) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), free;

		if (fd < 0)
			return 0;
		free = flock(fd, LOCK_SH | LOCK_NB) == 0;
		close(fd);
		if (free)
			return 0;
		if (now_ms() > end)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

static enum exit_code timed_out(const struct name_args *a, const char *command)
{
	say("%s: %s has not ended within %d s: %s", command, a->name, a->timeout,
	    strcmp(command, "stop") ? "look at its daemon" :
	    "give it more time with --timeout, or end it with colinux kill");
	return EXIT_STARTUP;
}

static void print_end(const struct name_args *a, int code)
{
	json_t *json;

	if (!a->json)
		return;
	json = json_pack("{s:s, s:i, s:s}", "name", a->name, "code", code,
			 "meaning", exit_meaning(code));
	json_dumpf(json, stdout, 0);
	puts("");
	json_decref(json);
}

/* request: "stop" or "kill". */
static enum exit_code end_it(const struct name_args *a, const char *request)
{
	long long end = now_ms() + a->timeout * 1000LL;
	enum exit_code result = EXIT_STARTUP;
	json_t *answer = NULL;
	struct client c;
	int code;

	if (client_connect(&c, a->name))
		return EXIT_STARTUP;
	/* First, or the end could be missed. */
	json_decref(answer = client_ask(&c, json_pack("{s:s}", "request",
						      "events")));
	if (answer)
		json_decref(answer = client_ask(&c, json_pack("{s:s}", "request",
							      request)));
	if (!answer)
		goto close;
	code = wait_for_end(&c, end);
	if (code < 0 || wait_for_name(a->name, end)) {
		result = timed_out(a, request);
		goto close;
	}
	print_end(a, code);
	result = code;
	if (code == EXIT_KILLED && !strcmp(request, "kill"))
		result = 0;
	else if (code != EXIT_POWEROFF)
		say("%s: %s", a->name, exit_meaning(code));
close:
	client_close(&c);
	return result;
}

enum exit_code cli_stop(int argc, char **argv)
{
	struct name_args a = { .timeout = STOP_TIMEOUT };

	if (cli_name_args(&a, argc, argv, 1, "jt"))
		return EXIT_USAGE;
	return end_it(&a, "stop");
}

enum exit_code cli_kill(int argc, char **argv)
{
	struct name_args a = { .timeout = KILL_TIMEOUT };

	if (cli_name_args(&a, argc, argv, 1, "j"))
		return EXIT_USAGE;
	return end_it(&a, "kill");
}

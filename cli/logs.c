// SPDX-License-Identifier: GPL-2.0
/*
 * `colinux logs NAME`: the log file of a guest, also of one that has ended if
 * `colinux start` had chosen it; without a file, what the daemon still has of
 * the console.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "core/log.h"
#include "core/log_file.h"
#include "core/rundir.h"

#define LOOK_MS		200

static int copy_all(int fd)
{
	char buf[8192];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, n, stdout) != (size_t)n)
			return -EIO;
	return n < 0 ? -errno : fflush(stdout) ? -errno : 0;
}

static bool runs(const char *name)
{
	struct client c;
	bool found = client_open(&c, name) == 0;

	if (found)
		client_close(&c);
	return found;
}

static enum exit_code show_file(const struct name_args *a, const char *path)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	bool more = a->follow;

	if (fd < 0) {
		say("logs: %s: cannot open: %s", path, strerror(errno));
		return EXIT_STARTUP;
	}
	err = copy_all(fd);
	while (more && !err) {
		nanosleep(&pause, NULL);
		/* First, so that what comes before the end is not missed. */
		more = runs(a->name);
		err = copy_all(fd);
	}
	close(fd);
	if (err)
		say("logs: %s: cannot copy: %s", path, strerror(-err));
	return err ? EXIT_STARTUP : 0;
}

/* What the daemon keeps; it ends the stream with the guest. */
static enum exit_code show_console(struct client *c, bool follow)
{
	json_t *answer = client_ask(c, json_pack("{s:s, s:b, s:b}", "request",
						 "console", "read_only", 1,
						 "follow", follow));
	int err;

	if (!answer)
		return EXIT_STARTUP;
	json_decref(answer);
	fwrite(c->buf, 1, c->len, stdout);
	err = copy_all(c->fd);
	if (err && err != -ECONNRESET)
		say("logs: %s: %s", c->name, strerror(-err));
	return err && err != -ECONNRESET ? EXIT_STARTUP : 0;
}

static enum exit_code show_running(const struct name_args *a, struct client *c)
{
	json_t *status = client_ask(c, json_pack("{s:s}", "request", "status"));
	enum exit_code code;
	const char *path;

	if (!status)
		return EXIT_STARTUP;
	path = client_string(status, "log");
	code = *path ? show_file(a, path) : show_console(c, a->follow);
	json_decref(status);
	return code;
}

enum exit_code cli_logs(int argc, char **argv)
{
	char path[LOG_PATH_MAX];
	struct name_args a = { 0 };
	enum exit_code code;
	struct client c;

	if (cli_name_args(&a, argc, argv, 1, "f"))
		return EXIT_USAGE;
	if (client_open(&c, a.name) == 0) {
		code = show_running(&a, &c);
		client_close(&c);
		return code;
	}
	a.follow = false;
	if (*a.name == '.' || strchr(a.name, '/') ||
	    log_file_path(path, sizeof(path), a.name) || access(path, F_OK)) {
		say("logs: %s: no guest of this name is running, and there is no log of one: see colinux list",
		    a.name);
		return EXIT_STARTUP;
	}
	return show_file(&a, path);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * `colinux start`: the daemon of `colinux run` in the background. The caller
 * waits until the guest's kernel has taken its console; up to then messages are
 * the caller's, and so is the exit status if it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "core/log.h"
#include "core/machine.h"

/* The daemon's: a session of its own, no terminal. */
static enum exit_code background(struct config *config, int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0) {
		say("/dev/null: cannot use it: %s", strerror(errno));
		return EXIT_STARTUP;
	}
	close(null);
	config->no_console = true;
	config->ready_fd = ready;
	return machine_run(config);
}

/* The name comes when it is ready; nothing, if it has failed. */
static enum exit_code wait_for_it(pid_t pid, int ready, bool json)
{
	char name[CONFIG_NAME_MAX + 1];
	ssize_t n;
	int status;

	do {
		n = read(ready, name, sizeof(name) - 1);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		name[n] = '\0';
		printf(json ? "{\"name\": \"%s\", \"pid\": %d}\n" : "%s\n",
		       name, pid);
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_INTERNAL;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	say("start: the guest's daemon was ended by signal %d",
	    WTERMSIG(status));
	return EXIT_INTERNAL;
}

static enum exit_code start(struct config *config, bool json)
{
	enum exit_code code;
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0) {
		say("start: cannot make a pipe: %s", strerror(errno));
		return EXIT_STARTUP;
	}
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		return background(config, ready[1]);
	}
	close(ready[1]);
	if (pid < 0)
		say("start: cannot fork: %s", strerror(errno));
	code = pid < 0 ? EXIT_STARTUP : wait_for_it(pid, ready[0], json);
	close(ready[0]);
	return code;
}

/* --json is ours; the rest are options of run. */
static bool take_json(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++) {
		if (strcmp(argv[i], "--json"))
			continue;
		memmove(&argv[i], &argv[i + 1],
			(*argc - i) * sizeof(*argv));
		(*argc)--;
		return true;
	}
	return false;
}

enum exit_code cli_start(int argc, char **argv)
{
	enum exit_code code = EXIT_USAGE;
	struct config config;
	bool json = take_json(&argc, argv);

	config_init(&config);
	if (cli_run_args(&config, argc, argv) == 0)
		code = start(&config, json);
	config_free(&config);
	return code;
}

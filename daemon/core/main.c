// SPDX-License-Identifier: GPL-2.0
/* Where `colinux` starts, and the only place where it exits. */
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <colinux/abi.h>

#include "cli.h"
#include "core/log.h"

/* `colinux COMMAND --help`, also behind other arguments. */
static bool asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--help"))
			return true;
	return false;
}

static enum exit_code help(const char *what)
{
	const struct command *c = what ? cli_find(what) : NULL;

	if (what && !c) {
		say("%s: unknown command: see colinux --help", what);
		return EXIT_USAGE;
	}
	if (c)
		cli_help_command(c);
	else
		cli_help();
	return 0;
}

static enum exit_code command(int argc, char **argv)
{
	const char *what = argv[1];
	const struct command *c;

	if (!what) {
		say("no command: see colinux --help");
		return EXIT_USAGE;
	}
	if (!strcmp(what, "--help") || !strcmp(what, "-h") ||
	    !strcmp(what, "help"))
		return help(argv[2]);
	if (!strcmp(what, "--version")) {
		printf("colinux %s, interface revision %d\n", COLINUX_VERSION,
		       CO_ABI_REVISION);
		return 0;
	}
	c = cli_find(what);
	if (!c) {
		say("%s: unknown command: see colinux --help", what);
		return EXIT_USAGE;
	}
	if (!c->passes_all && asks_for_help(argc - 1, argv + 1))
		return help(what);
	return c->run(argc - 1, argv + 1);
}

/* What we open must not become standard input, output or error. */
static int fill_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	enum exit_code code;

	if (fill_standard_files())
		return EXIT_STARTUP;
	/* A heap for each thread would cost more than all we allocate. */
	mallopt(M_ARENA_MAX, 1);
	code = command(argc, argv);
	if (fflush(stdout) && code == 0) {
		say("standard output: cannot write");
		code = EXIT_STARTUP;
	}
	return code;
}

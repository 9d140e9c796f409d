// SPDX-License-Identifier: GPL-2.0
/* Where `colinux` starts, and the only place where it exits. */
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "core/log.h"
#include "core/machine.h"

static enum exit_code run(int argc, char **argv)
{
	enum exit_code code = EXIT_USAGE;
	struct config config;

	config_init(&config);
	if (cli_run_args(&config, argc, argv) == 0) {
		say_set_name(config.name);
		code = machine_run(&config);
		say_set_name(NULL);
	}
	config_free(&config);
	return code;
}

static enum exit_code command(int argc, char **argv)
{
	const char *what = argv[1];

	if (!what) {
		say("no command: see colinux --help");
		return EXIT_USAGE;
	}
	if (!strcmp(what, "--help") || !strcmp(what, "-h") ||
	    !strcmp(what, "help")) {
		cli_help();
		return 0;
	}
	if (!strcmp(what, "--version")) {
		printf("colinux %s, interface revision %d\n", COLINUX_VERSION,
		       CO_ABI_REVISION);
		return 0;
	}
	if (!strcmp(what, "run"))
		return run(argc - 1, argv + 1);
	if (!strcmp(what, "check"))
		return cli_check(argc - 1, argv + 1);
	if (!strcmp(what, "image"))
		return cli_image(argv + 1);
	say("%s: unknown command: see colinux --help", what);
	return EXIT_USAGE;
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

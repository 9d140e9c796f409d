// SPDX-License-Identifier: GPL-2.0
/* The small commands: check and image. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "core/log.h"
#include "os/os.h"

#define LIBEXEC		"/usr/libexec/colinux"
#define IMAGE_MAKER	"colinux-image"

enum exit_code cli_check(int argc, char **argv)
{
	int driver;

	if (argc > 1) {
		say("check: %s: takes no arguments: see colinux --help", argv[1]);
		return EXIT_USAGE;
	}
	if (os_driver_open(&driver))
		return EXIT_STARTUP;
	os_driver_close(driver);
	printf("%s: ready, revision %d of the interface\n", OS_DRIVER_PATH,
	       CO_ABI_REVISION);
	return 0;
}

/* Does not return if dir has an image maker. */
static void try_image(const char *dir, char **argv)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/" IMAGE_MAKER, dir) >=
	    (int)sizeof(path))
		return;
	execv(path, argv);
	if (errno != ENOENT && errno != ENOTDIR)
		say("image: %s: cannot run: %s", path, strerror(errno));
}

enum exit_code cli_image(int argc, char **argv)
{
	const char *dir = getenv("COLINUX_LIBEXEC");
	char path[PATH_MAX];
	char *slash;
	ssize_t n;

	(void)argc;
	argv[0] = (char *)IMAGE_MAKER;
	if (dir) {
		try_image(dir, argv);
	} else {
		n = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			*slash = '\0';
			try_image(path, argv);
		}
		try_image(LIBEXEC, argv);
	}
	say("image: " IMAGE_MAKER " not found: install it in " LIBEXEC
	    ", or set COLINUX_LIBEXEC");
	return EXIT_STARTUP;
}

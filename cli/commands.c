// SPDX-License-Identifier: GPL-2.0
/* A small command: image. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "core/log.h"
#include "os/os.h"

#define IMAGE_MAKER	"colinux-image"

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

	(void)argc;
	argv[0] = (char *)IMAGE_MAKER;
	if (dir)
		try_image(dir, argv);
	else if (cli_find_file(path, sizeof(path), "libexec/colinux"))
		try_image(path, argv);
	/* In the tree: build/colinux and tools/colinux-image. */
	if (!dir && cli_find_file(path, sizeof(path), "tools"))
		try_image(path, argv);
	say("image: " IMAGE_MAKER " not found: install it in /usr/libexec/colinux, or set COLINUX_LIBEXEC");
	return EXIT_STARTUP;
}

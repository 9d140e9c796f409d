// SPDX-License-Identifier: GPL-2.0
/* Log files of guests in the background, see log_file.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/log_file.h"

int log_file_path(char *path, size_t size, const char *name)
{
	const char *own = getenv("COLINUX_LOG_DIR");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	int n;

	if (own && *own)
		n = snprintf(path, size, "%s/%s.log", own, name);
	else if (geteuid() == 0)
		n = snprintf(path, size, "/var/log/colinux/%s.log", name);
	else if (state && *state)
		n = snprintf(path, size, "%s/colinux/%s.log", state, name);
	else if (home && *home)
		n = snprintf(path, size, "%s/.local/state/colinux/%s.log", home,
			     name);
	else
		return -ENOENT;
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

int log_file_prepare(char *path, size_t size, const char *name)
{
	int err = log_file_path(path, size, name);

	if (err) {
		say("no place for a log file: use --log FILE");
		return err;
	}
	for (char *slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* The last one's mode matters, others are there already. */
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			err = -errno;
			say("%s: cannot make the directory for logs: %s", path,
			    strerror(-err));
		}
		*slash = '/';
		if (err)
			return err;
	}
	return 0;
}

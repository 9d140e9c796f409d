// SPDX-License-Identifier: GPL-2.0
/* Where our files are, installed or not. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

bool cli_find_file(char *path, size_t size, const char *name)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	exe[n > 0 ? n : 0] = '\0';
	slash = strrchr(exe, '/');
	if (slash) {
		*slash = '\0';
		if (snprintf(path, size, "%s/../%s", exe, name) < (int)size &&
		    access(path, R_OK) == 0)
			return true;
	}
	return snprintf(path, size, "/usr/%s", name) < (int)size &&
	       access(path, R_OK) == 0;
}

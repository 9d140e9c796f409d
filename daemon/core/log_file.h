/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where guests in the background log: /var/log/colinux/NAME.log of root, else
 * $XDG_STATE_HOME or ~/.local/state. COLINUX_LOG_DIR replaces the place.
 */
#ifndef COLINUX_LOG_FILE_H
#define COLINUX_LOG_FILE_H

#include <stddef.h>

#define LOG_PATH_MAX	512

/* -ENAMETOOLONG, -ENOENT: there is no place. */
int log_file_path(char *path, size_t size, const char *name);

/* The same, and makes the directories. Complains. */
int log_file_prepare(char *path, size_t size, const char *name);

#endif /* COLINUX_LOG_FILE_H */

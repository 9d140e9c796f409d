/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a running CVM can be found: a directory of its own in
 *
 *	/run/colinux		of root,
 *	$XDG_RUNTIME_DIR/colinux, else /tmp/colinux-UID, of others
 *
 * named like the CVM, with the socket `control` in it. Whoever holds the lock
 * (flock) on the directory owns the name; the lock goes with its process in
 * whatever way that ends, so what a killed one left is found by the lock being
 * free, and is taken over. COLINUX_RUN_DIR replaces the place.
 */
#ifndef COLINUX_RUNDIR_H
#define COLINUX_RUNDIR_H

#include <stddef.h>

#include "core/config.h"

#define RUNDIR_PATH_MAX	100	/* a socket's is limited to 108 */

struct rundir {
	int fd;				/* of the directory, locked; -1: none */
	char name[CONFIG_NAME_MAX + 1];
	char path[RUNDIR_PATH_MAX];	/* of the directory */
};

/* The place itself. -ENAMETOOLONG. */
int rundir_base(char *path, size_t size);

/* Of the control socket of a CVM. -ENAMETOOLONG. */
int rundir_socket(char *path, size_t size, const char *name);

/*
 * Takes the name the configuration gives, or one made from its file's or its
 * first image's name, with a number behind it if that is taken. Complains.
 */
int rundir_claim(struct rundir *d, const struct config *c);
void rundir_release(struct rundir *d);

#endif /* COLINUX_RUNDIR_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtiofsd: the program that serves one host folder to a guest. It ends when
 * we do: its socket closes then, and it asked for the signal.
 */
#ifndef COLINUX_VIRTIOFSD_H
#define COLINUX_VIRTIOFSD_H

#include <stdbool.h>
#include <sys/types.h>

enum virtiofsd_cache {
	VIRTIOFSD_AUTO,		/* what the guest knows is true for a second */
	VIRTIOFSD_ALWAYS,	/* nobody else changes the folder */
	VIRTIOFSD_NEVER,
};

struct virtiofsd_options {
	const char *folder;
	bool read_only;
	enum virtiofsd_cache cache;
};

struct virtiofsd {
	pid_t pid;		/* 0: none; the leader of a process group */
	int socket;		/* vhost-user */
	int log;		/* its standard error, non-blocking */
	char last[200];		/* the last line it said */
	size_t len;		/* of the line that is not complete yet */
	char line[200];
};

/* Checks the folder and starts the program. `what`: "cofs0". Complains. */
int virtiofsd_start(struct virtiofsd *d, const struct virtiofsd_options *o,
		    const char *what);

/* Reads what it said since, so that it never waits for us. */
void virtiofsd_listen(struct virtiofsd *d);

/*
 * Ends it, whatever it does; it uses guest memory no more. `why` tells how it
 * had ended before, or that error (-errno) made us end it.
 */
void virtiofsd_end(struct virtiofsd *d, int error, char *why, size_t size);

#endif /* COLINUX_VIRTIOFSD_H */

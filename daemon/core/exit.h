/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a run ended: the exit status of `colinux`. Scripts rely on these
 * numbers; the table in exit.c is what --help prints.
 */
#ifndef COLINUX_EXIT_H
#define COLINUX_EXIT_H

#include <stdio.h>

enum exit_code {
	EXIT_POWEROFF	= 0,	/* the guest powered itself off */
	EXIT_USAGE	= 1,	/* bad option, configuration file or value */
	EXIT_STARTUP	= 2,	/* a file, the driver or memory was not there */
	EXIT_REBOOT	= 3,	/* the guest asks to be started again */
	EXIT_PANIC	= 4,	/* the guest's kernel panicked */
	EXIT_CRASH	= 5,	/* the driver had to abandon the guest */
	EXIT_KILLED	= 6,	/* ended by the user, the guest was running */
	EXIT_INTERNAL	= 7,	/* a fault of the daemon or the driver */
};

/* What a code means, a few words. */
const char *exit_meaning(enum exit_code code);

/* Lists all codes with their meanings. */
void exit_print_table(FILE *to);

#endif /* COLINUX_EXIT_H */

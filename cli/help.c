// SPDX-License-Identifier: GPL-2.0
/* What `colinux --help` and `colinux COMMAND --help` say. */
#include <stdio.h>

#include "cli.h"

#define SUMMARY_COLUMN	34

void cli_help(void)
{
	puts("Usage: colinux COMMAND [ARGUMENT]...\n");
	for (const struct command *c = cli_commands; c->name; c++) {
		int n = printf("  %s %s", c->name, c->usage);

		if (n >= SUMMARY_COLUMN)
			n = printf("\n") - 1;
		printf("%*s %s\n", SUMMARY_COLUMN - n, "", c->summary);
	}
	puts("\n'colinux COMMAND --help' tells more; 'colinux --version' the version.\n"
	     "\nExit status:");
	exit_print_table(stdout);
}

void cli_help_command(const struct command *c)
{
	printf("Usage: colinux %s %s\n\n%s.\n", c->name, c->usage, c->summary);
	if (c->help)
		printf("\n%s", c->help);
}

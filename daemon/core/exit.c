// SPDX-License-Identifier: GPL-2.0
/* The table of exit codes, see exit.h. */
#include "core/exit.h"

static const struct {
	enum exit_code code;
	const char *meaning;
} table[] = {
	{ EXIT_POWEROFF, "the guest powered off" },
	{ EXIT_USAGE,	 "wrong option, configuration file or value" },
	{ EXIT_STARTUP,	 "the guest could not be started, or a command not be done" },
	{ EXIT_REBOOT,	 "the guest asked for a reboot: run it again" },
	{ EXIT_PANIC,	 "the guest's kernel panicked" },
	{ EXIT_CRASH,	 "the guest crashed and was abandoned by the driver" },
	{ EXIT_KILLED,	 "ended by the user while the guest was running" },
	{ EXIT_INTERNAL, "internal error of the daemon or the driver" },
};

const char *exit_meaning(enum exit_code code)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == code)
			return table[i].meaning;
	return "unknown";
}

void exit_print_table(FILE *to)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		fprintf(to, "  %d  %s\n", table[i].code, table[i].meaning);
}

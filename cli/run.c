// SPDX-License-Identifier: GPL-2.0
/* `colinux run`: this process becomes the guest's daemon. */
#include "cli.h"
#include "core/machine.h"

enum exit_code cli_run(int argc, char **argv)
{
	enum exit_code code = EXIT_USAGE;
	struct config config;

	config_init(&config);
	if (cli_run_args(&config, argc, argv) == 0)
		code = machine_run(&config);
	config_free(&config);
	return code;
}

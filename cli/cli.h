/* SPDX-License-Identifier: GPL-2.0 */
/* The command line of `colinux`. */
#ifndef COLINUX_CLI_H
#define COLINUX_CLI_H

#include "core/config.h"
#include "core/exit.h"

#define COLINUX_VERSION "0.1"

void cli_help(void);

/* `colinux run ARGS`, argv[0] is "run". Complains and returns -errno. */
int cli_run_args(struct config *c, int argc, char **argv);

/* `colinux check`: is the driver there, and ours? */
enum exit_code cli_check(int argc, char **argv);

/* `colinux image ARGS`: becomes the image maker; returns only if it cannot. */
enum exit_code cli_image(char **argv);

#endif /* COLINUX_CLI_H */

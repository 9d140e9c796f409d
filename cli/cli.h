/* SPDX-License-Identifier: GPL-2.0 */
/* The command line of `colinux`: one table of commands, a file for each kind. */
#ifndef COLINUX_CLI_H
#define COLINUX_CLI_H

#include "core/config.h"
#include "core/exit.h"

#define COLINUX_VERSION "0.1"

struct command {
	const char *name;
	const char *usage;	/* what follows the name */
	const char *summary;	/* one line */
	const char *help;	/* more lines, or NULL */
	/* argv[0] is the name; "--help" does not come here. */
	enum exit_code (*run)(int argc, char **argv);
	/* It looks after --help and all else itself. */
	bool passes_all;
};

/* table.c: all of them, the last has no name. */
extern const struct command cli_commands[];
const struct command *cli_find(const char *name);

/* help.c */
void cli_help(void);
void cli_help_command(const struct command *c);

/* args.c: `colinux run ARGS`, argv[0] is "run". Complains; -errno. */
int cli_run_args(struct config *c, int argc, char **argv);

/* run.c */
enum exit_code cli_run(int argc, char **argv);

/* start.c: the same in the background. */
enum exit_code cli_start(int argc, char **argv);

/* --- guests that run -------------------------------------------------------- */

struct name_args {
	const char *name;
	const char *text;	/* a second argument */
	bool json, follow, read_only;
	int timeout;		/* seconds */
};

/*
 * name_args.c: takes `names` (0 to 2) arguments and the options in allowed: 'j'
 * --json, 'f' --follow, 'r' --read-only, 't' --timeout. Complains; -EINVAL.
 */
int cli_name_args(struct name_args *a, int argc, char **argv, int names,
		  const char *allowed);

/* status.c */
enum exit_code cli_list(int argc, char **argv);
enum exit_code cli_status(int argc, char **argv);
enum exit_code cli_request(int argc, char **argv);

/* stop.c */
enum exit_code cli_stop(int argc, char **argv);
enum exit_code cli_kill(int argc, char **argv);

/* console.c, logs.c */
enum exit_code cli_console(int argc, char **argv);
enum exit_code cli_logs(int argc, char **argv);

/* --- the rest --------------------------------------------------------------- */

/* check.c: can this host run guests? */
enum exit_code cli_check(int argc, char **argv);

/* commands.c: becomes the image maker; returns only if it cannot. */
enum exit_code cli_image(int argc, char **argv);

/*
 * paths.c: a file or folder of ours below the PREFIX that this program is in,
 * else below /usr. False: there is none.
 */
bool cli_find_file(char *path, size_t size, const char *name);

/* exec.c: commands in a running guest; the command's status. */
enum exit_code cli_exec(int argc, char **argv);
enum exit_code cli_shell(int argc, char **argv);
enum exit_code cli_gui(int argc, char **argv);

#endif /* COLINUX_CLI_H */

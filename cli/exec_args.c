// SPDX-License-Identifier: GPL-2.0
/*
 * The options of `colinux exec`, `shell` and `gui`. They stand before or
 * behind the guest's name; from the command on all is the command's.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent_client.h"
#include "cli.h"
#include "core/log.h"
#include "exec.h"

enum option_id { OPT_WAIT = 256, OPT_NO_TTY, OPT_HELP };

static const struct option options[] = {
	{ "user",	required_argument, NULL, 'u' },
	{ "workdir",	required_argument, NULL, 'w' },
	{ "env",	required_argument, NULL, 'e' },
	{ "tty",	no_argument,	   NULL, 't' },
	{ "no-tty",	no_argument,	   NULL, OPT_NO_TTY },
	{ "wait",	required_argument, NULL, OPT_WAIT },
	{ "help",	no_argument,	   NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static int bad_option(const struct exec_options *o, int what, char **argv)
{
	if (what == ':')
		say("%s: %s: a value is missing: see colinux %s --help",
		    o->what, argv[optind - 1], o->what);
	else
		say("%s: %s: unknown option, or one that takes no value: see colinux %s --help",
		    o->what, argv[optind - 1], o->what);
	return -EINVAL;
}

static int set_wait(struct exec_options *o, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || n > 86400) {
		say("%s: --wait: '%s' is not a number of seconds: use 0 to 86400",
		    o->what, value);
		return -EINVAL;
	}
	o->wait = n;
	return 0;
}

/* NAME=VALUE, or NAME to pass on ours. */
static int add_var(struct exec_options *o, char *value)
{
	struct wire_request *r = &o->request;
	const char *own;
	char *var;

	if (!*value || *value == '=') {
		say("%s: --env: '%s' has no name: use NAME=VALUE", o->what,
		    value);
		return -EINVAL;
	}
	if (r->vars == WIRE_ARGS) {
		say("%s: --env: too many: use at most %d", o->what, WIRE_ARGS);
		return -EINVAL;
	}
	if (strchr(value, '=')) {
		r->var[r->vars++] = value;
		return 0;
	}
	own = getenv(value);
	if (!own)
		return 0;
	/* Lives as long as this process does. */
	if (asprintf(&var, "%s=%s", value, own) < 0)
		return -ENOMEM;
	r->var[r->vars++] = var;
	return 0;
}

static int apply(struct exec_options *o, int id, char *value)
{
	switch (id) {
	case 'u':
		o->request.user = value;
		return 0;
	case 'w':
		o->request.dir = value;
		return 0;
	case 'e':
		return add_var(o, value);
	case 't':
		o->tty = true;
		return 0;
	case OPT_NO_TTY:
		o->tty = false;
		return 0;
	case OPT_WAIT:
		return set_wait(o, value);
	case OPT_HELP:
		cli_help_command(cli_find(o->what));
		return -ECANCELED;
	}
	return -EINVAL;
}

/* Up to the first word that is none; argv[optind] afterwards. */
static int take_options(struct exec_options *o, int argc, char **argv)
{
	int id, err;

	optind = 0;
	opterr = 0;
	while ((id = getopt_long(argc, argv, "+:u:w:e:t", options, NULL)) != -1) {
		if (id == '?' || id == ':')
			return bad_option(o, id, argv);
		err = apply(o, id, optarg);
		if (err)
			return err;
	}
	return 0;
}

static int take_command(struct exec_options *o, int argc, char **argv)
{
	struct wire_request *r = &o->request;

	if (r->login && argc > 0) {
		say("%s: %s: takes no command: use colinux exec", o->what,
		    argv[0]);
		return -EINVAL;
	}
	if (!r->login && argc == 0) {
		say("%s: no command: use colinux %s NAME -- COMMAND...",
		    o->what, o->what);
		return -EINVAL;
	}
	if (argc > WIRE_ARGS) {
		say("%s: too many arguments: use at most %d", o->what,
		    WIRE_ARGS);
		return -EINVAL;
	}
	for (int i = 0; i < argc; i++)
		r->arg[r->args++] = argv[i];
	return 0;
}

int exec_args(struct exec_options *o, int argc, char **argv)
{
	int err;

	o->wait = AGENT_WAIT_SECONDS;
	o->tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	err = take_options(o, argc, argv);
	if (err)
		return err;
	argc -= optind;
	argv += optind;
	if (argc == 0) {
		say("%s: which guest? use colinux %s NAME ...", o->what,
		    o->what);
		return -EINVAL;
	}
	o->name = argv[0];
	if (!*o->name || strchr(o->name, '/') || o->name[0] == '.') {
		say("%s: '%s' is not the name of a guest", o->what, o->name);
		return -EINVAL;
	}
	err = take_options(o, argc, argv);
	if (err)
		return err;
	return take_command(o, argc - optind, argv + optind);
}

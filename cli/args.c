// SPDX-License-Identifier: GPL-2.0
/*
 * The options of `colinux run` and `start`. A configuration file is read first wherever
 * it stands, so that options win over it; cobds of both add up.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "cli.h"
#include "core/log.h"

enum option_id {
	OPT_KERNEL = 256, OPT_INITRD, OPT_MEM, OPT_CPUS, OPT_APPEND, OPT_COBD,
	OPT_ROOT, OPT_NAME, OPT_LOG, OPT_COCON, OPT_NO_CONSOLE,
	OPT_SNAPSHOT, OPT_TTYS, OPT_EXEC,
	OPT_NET,
	OPT_COFS,
};

static const struct option options[] = {
	{ "kernel",	required_argument, NULL, OPT_KERNEL },
	{ "initrd",	required_argument, NULL, OPT_INITRD },
	{ "mem",	required_argument, NULL, OPT_MEM },
	{ "cpus",	required_argument, NULL, OPT_CPUS },
	{ "append",	required_argument, NULL, OPT_APPEND },
	{ "cobd",	required_argument, NULL, OPT_COBD },
	{ "snapshot",	no_argument,	   NULL, OPT_SNAPSHOT },
	{ "net",	required_argument, NULL, OPT_NET },
	{ "cofs",	required_argument, NULL, OPT_COFS },
	{ "ttys",	required_argument, NULL, OPT_TTYS },
	{ "exec",	required_argument, NULL, OPT_EXEC },
	{ "root",	required_argument, NULL, OPT_ROOT },
	{ "name",	required_argument, NULL, OPT_NAME },
	{ "log",	required_argument, NULL, OPT_LOG },
	{ "cocon",	required_argument, NULL, OPT_COCON },
	{ "no-console",	no_argument,	   NULL, OPT_NO_CONSOLE },
	{ NULL, 0, NULL, 0 },
};

static int bad_option(int what, char **argv)
{
	if (what == ':')
		say("%s: %s: a value is missing: see colinux %s --help",
		    argv[0], argv[optind - 1], argv[0]);
	else if (optopt >= OPT_KERNEL)
		say("%s: %s: takes no value: see colinux %s --help",
		    argv[0], argv[optind - 1], argv[0]);
	else if (optopt)
		say("%s: -%c: unknown option: see colinux %s --help", argv[0],
		    optopt, argv[0]);
	else
		say("%s: %s: unknown option: see colinux %s --help",
		    argv[0], argv[optind - 1], argv[0]);
	return -EINVAL;
}

static int apply(struct config *c, int id, const char *value)
{
	switch (id) {
	case OPT_KERNEL:
		return config_set_string(&c->kernel, value, "--kernel");
	case OPT_INITRD:
		return config_set_string(&c->initrd, value, "--initrd");
	case OPT_MEM:
		return config_set_mem(c, value, "--mem");
	case OPT_CPUS:
		return config_set_cpus(c, value, "--cpus");
	case OPT_APPEND:
		return config_append(c, value, "--append");
	case OPT_COBD:
		return config_add_cobd(c, -1, value, "--cobd");
	case OPT_SNAPSHOT:
		c->snapshot = true;
		return 0;
	case OPT_NET:
		return config_add_net(c, value, "--net");
	case OPT_COFS:
		return config_add_cofs(c, -1, value, "--cofs");
	case OPT_TTYS:
		return config_add_ttys(c, -1, value, "--ttys");
	case OPT_EXEC:
		return config_add_exec(c, -1, value, "--exec");
	case OPT_ROOT:
		return config_set_string(&c->root, value, "--root");
	case OPT_NAME:
		return config_set_name(c, value, "--name");
	case OPT_LOG:
		return config_set_string(&c->log, value, "--log");
	case OPT_COCON:
		return config_set_cocon(c, value, "--cocon");
	case OPT_NO_CONSOLE:
		c->no_console = true;
		return 0;
	}
	return -EINVAL;
}

/*
 * Goes through all options; c may be NULL to check only. getopt_long() moves
 * what is no option to the end: argv[optind] afterwards.
 */
static int each_option(struct config *c, int argc, char **argv)
{
	int id, err;

	optind = 0;		/* start anew */
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (id == '?' || id == ':')
			return bad_option(id, argv);
		err = c ? apply(c, id, optarg) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* The one that was installed with this program, if there is one. */
static int default_kernel(struct config *c)
{
	char path[PATH_MAX];

	if (!cli_find_file(path, sizeof(path), "lib/colinux/vmlinux"))
		return 0;
	return config_set_string(&c->kernel, path, "--kernel");
}

int cli_run_args(struct config *c, int argc, char **argv)
{
	int err = each_option(NULL, argc, argv);

	if (err)
		return err;
	if (argc - optind > 1) {
		say("%s: %s: only one configuration file is possible: see colinux %s --help",
		    argv[0], argv[optind + 1], argv[0]);
		return -EINVAL;
	}
	if (argc > optind) {
		err = config_read_file(c, argv[optind]);
		if (err)
			return err;
	}
	err = each_option(c, argc, argv);
	if (!err)
		err = config_default_net(c);
	if (!err && !c->kernel)
		err = default_kernel(c);
	if (err)
		return err;
	return config_check(c);
}

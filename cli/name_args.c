// SPDX-License-Identifier: GPL-2.0
/* The arguments of commands for a guest that runs. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "core/log.h"

static const struct option options[] = {
	{ "json",	no_argument,	   NULL, 'j' },
	{ "follow",	no_argument,	   NULL, 'f' },
	{ "read-only",	no_argument,	   NULL, 'r' },
	{ "timeout",	required_argument, NULL, 't' },
	{ NULL, 0, NULL, 0 },
};

static int set_timeout(struct name_args *a, const char *command)
{
	char *end;
	unsigned long seconds = strtoul(optarg, &end, 10);

	if (!isdigit((unsigned char)*optarg) || *end || seconds > 86400) {
		say("%s: --timeout: '%s' is not a number of seconds: use 0 to 86400",
		    command, optarg);
		return -EINVAL;
	}
	a->timeout = seconds;
	return 0;
}

static int apply(struct name_args *a, int id, const char *command)
{
	switch (id) {
	case 'j':
		a->json = true;
		return 0;
	case 'f':
		a->follow = true;
		return 0;
	case 'r':
		a->read_only = true;
		return 0;
	}
	return set_timeout(a, command);
}

static int bad_option(int id, char **argv)
{
	say("%s: %s: %s: see colinux %s --help", argv[0], argv[optind - 1],
	    id == ':' ? "a value is missing" : "unknown option", argv[0]);
	return -EINVAL;
}

int cli_name_args(struct name_args *a, int argc, char **argv, int names,
		  const char *allowed)
{
	int id, err;

	optind = 0;		/* start anew */
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":f", options, NULL)) != -1) {
		if (id == '?' || id == ':' || !strchr(allowed, id))
			return bad_option(id, argv);
		err = apply(a, id, argv[0]);
		if (err)
			return err;
	}
	if (argc - optind < names) {
		say("%s: %s is missing: see colinux %s --help", argv[0],
		    argc == optind ? "the guest's name" : "an argument",
		    argv[0]);
		return -EINVAL;
	}
	if (argc - optind > names) {
		say("%s: %s: one argument too many: see colinux %s --help",
		    argv[0], argv[optind + names], argv[0]);
		return -EINVAL;
	}
	if (names > 0)
		a->name = argv[optind];
	if (names > 1)
		a->text = argv[optind + 1];
	return 0;
}

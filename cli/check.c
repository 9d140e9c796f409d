// SPDX-License-Identifier: GPL-2.0
/*
 * `colinux check`: what there is to say of this host, a line for each; the
 * status says whether it can run guests now.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "core/log.h"
#include "os/os.h"

struct report {
	bool json;
	unsigned int count;
	unsigned int problems;
};

static const char * const verdicts[] = {
	[OS_OK] = "ok", [OS_WARNING] = "warning", [OS_PROBLEM] = "problem",
};

/* As a string of JSON; our texts are ASCII. */
static void put_json(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < ' ' ? ' ' : *text);
	}
	putchar('"');
}

static void print_json(const struct report *r, const char *name,
		       enum os_check_verdict verdict, const char *text,
		       const char *todo)
{
	printf("%s  {\"name\": \"%s\", \"status\": \"%s\", \"text\": ",
	       r->count ? ",\n" : "", name, verdicts[verdict]);
	put_json(text);
	if (todo) {
		printf(", \"todo\": ");
		put_json(todo);
	}
	putchar('}');
}

static void print(void *arg, const char *name, enum os_check_verdict verdict,
		  const char *text, const char *todo)
{
	struct report *r = arg;

	if (r->json)
		print_json(r, name, verdict, text, todo);
	else
		printf("%-8s %s: %s%s%s\n", verdicts[verdict], name, text,
		       todo ? ": " : "", todo ? todo : "");
	r->count++;
	r->problems += verdict == OS_PROBLEM;
}

enum exit_code cli_check(int argc, char **argv)
{
	struct report r = { 0 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json")) {
			say("check: %s: unknown argument: see colinux check --help",
			    argv[i]);
			return EXIT_USAGE;
		}
		r.json = true;
	}
	if (r.json)
		puts("{\"checks\": [");
	os_check_host("", print, &r);
	if (r.json)
		printf("\n], \"problems\": %u}\n", r.problems);
	else if (r.problems)
		printf("this host cannot run guests yet: %u problem%s\n",
		       r.problems, r.problems > 1 ? "s" : "");
	else
		puts("this host can run guests");
	return r.problems ? EXIT_STARTUP : 0;
}

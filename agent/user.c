// SPDX-License-Identifier: GPL-2.0
/*
 * Users of the guest, from its own files: the agent is one static program for
 * guests of any distribution, so it cannot load their libnss.
 */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

static void copy(char *to, size_t size, const char *from, const char *fallback)
{
	if (!from || !*from || strlen(from) >= size)
		from = fallback;
	snprintf(to, size, "%s", from);
}

static bool is_wanted(const struct passwd *p, const char *name)
{
	char *end;
	unsigned long uid;

	if (!strcmp(p->pw_name, name))
		return true;
	uid = strtoul(name, &end, 10);
	return isdigit((unsigned char)*name) && !*end && uid == p->pw_uid;
}

static void add_group(struct user *u, gid_t gid)
{
	if (u->groups < sizeof(u->group) / sizeof(u->group[0]))
		u->group[u->groups++] = gid;
}

static void find_groups(struct user *u)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *g;

	add_group(u, u->gid);
	while (f && (g = fgetgrent(f)) != NULL)
		for (char **m = g->gr_mem; *m; m++)
			if (!strcmp(*m, u->name) && g->gr_gid != u->gid)
				add_group(u, g->gr_gid);
	if (f)
		fclose(f);
}

int user_find(const char *name, struct user *u)
{
	FILE *f = fopen("/etc/passwd", "re");
	struct passwd *p = NULL;

	memset(u, 0, sizeof(*u));
	while (f && (p = fgetpwent(f)) != NULL && !is_wanted(p, name))
		;
	if (p) {
		copy(u->name, sizeof(u->name), p->pw_name, "root");
		copy(u->home, sizeof(u->home), p->pw_dir, "/");
		copy(u->shell, sizeof(u->shell), p->pw_shell, "/bin/sh");
		u->uid = p->pw_uid;
		u->gid = p->pw_gid;
	} else if (!strcmp(name, "root")) {
		/* A guest without that file has root nevertheless. */
		copy(u->name, sizeof(u->name), "root", "");
		copy(u->home, sizeof(u->home), "/root", "");
		copy(u->shell, sizeof(u->shell), "/bin/sh", "");
		p = (struct passwd *)u;
	}
	if (f)
		fclose(f);
	if (!p)
		return -ENOENT;
	find_groups(u);
	return 0;
}

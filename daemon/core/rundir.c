// SPDX-License-Identifier: GPL-2.0
/* Names of running CVMs, see rundir.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/rundir.h"

#define MAX_NUMBER	99	/* of names made by us */

int rundir_base(char *path, size_t size)
{
	const char *own = getenv("COLINUX_RUN_DIR");
	const char *user = getenv("XDG_RUNTIME_DIR");
	int n;

	if (own && *own)
		n = snprintf(path, size, "%s", own);
	else if (geteuid() == 0)
		n = snprintf(path, size, "/run/colinux");
	else if (user && *user)
		n = snprintf(path, size, "%s/colinux", user);
	else
		n = snprintf(path, size, "/tmp/colinux-%u", geteuid());
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int of_name(char *path, size_t size, const char *name, const char *file)
{
	char base[RUNDIR_PATH_MAX];

	if (rundir_base(base, sizeof(base)) ||
	    snprintf(path, size, "%s/%s%s", base, name, file) >= (int)size)
		return -ENAMETOOLONG;
	return 0;
}

int rundir_socket(char *path, size_t size, const char *name)
{
	return of_name(path, size, name, "/control");
}

/* --- claiming ------------------------------------------------------------- */

/* A directory that is ours alone; in /tmp it could be anybody's. */
static int make_dir(const char *path)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -EPERM;
}

/*
 * Makes, opens and locks the directory. The one before us may have removed it
 * between our opening and locking it: then what we locked has no name, and we
 * begin again. -EBUSY: somebody else has it.
 */
static int lock_dir(struct rundir *d)
{
	for (;;) {
		struct stat locked, named;
		int err = make_dir(d->path);

		if (err)
			return err;
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (d->fd < 0 && errno != ENOENT)
			return -errno;
		if (d->fd < 0)
			continue;
		if (flock(d->fd, LOCK_EX | LOCK_NB) < 0) {
			err = errno == EWOULDBLOCK ? -EBUSY : -errno;
			close(d->fd);
			return err;
		}
		if (fstat(d->fd, &locked) == 0 && stat(d->path, &named) == 0 &&
		    locked.st_ino == named.st_ino)
			return 0;
		close(d->fd);
	}
}

/* Sockets and links of ours, or of the one who was killed. */
static void empty_dir(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return;
	}
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(fd, entry->d_name, 0);
	closedir(dir);
}

static int try_name(struct rundir *d, const char *name)
{
	int err;

	snprintf(d->name, sizeof(d->name), "%s", name);
	err = of_name(d->path, sizeof(d->path), name, "");
	if (!err)
		err = lock_dir(d);
	if (!err)
		empty_dir(d->fd);
	else
		d->fd = -1;
	return err;
}

/* disks/Debian 12.img -> Debian_12 */
static void name_of_path(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	size_t len = dot > base ? (size_t)(dot - base) : strlen(base);

	if (len > size - 1)
		len = size - 1;
	for (size_t i = 0; i < len; i++)
		name[i] = isalnum((unsigned char)base[i]) ||
			  strchr("_.-", base[i]) ? base[i] : '_';
	name[len] = '\0';
	if (!len || name[0] == '.' || name[0] == '-')
		snprintf(name, size, "colinux");
}

static int claim_derived(struct rundir *d, const struct config *c)
{
	const char *from = c->file ? c->file :
			   c->cobds ? c->cobd[0].spec.path : c->kernel;
	/* Room for a number behind it. */
	char base[CONFIG_NAME_MAX - 2], name[CONFIG_NAME_MAX + 8];
	int err;

	name_of_path(from, base, sizeof(base));
	err = try_name(d, base);
	for (unsigned int i = 2; err == -EBUSY && i <= MAX_NUMBER; i++) {
		snprintf(name, sizeof(name), "%s-%u", base, i);
		err = try_name(d, name);
	}
	return err;
}

int rundir_claim(struct rundir *d, const struct config *c)
{
	char base[RUNDIR_PATH_MAX] = "";
	int err = rundir_base(base, sizeof(base));

	d->fd = -1;
	if (!err)
		err = make_dir(base);
	if (!err)
		err = c->name ? try_name(d, c->name) : claim_derived(d, c);
	if (err == -EBUSY)
		say("--name: '%s' is running already: use another name, or see colinux status %s",
		    d->name, d->name);
	else if (err)
		say("%s: cannot make a directory for the guest's control socket: %s",
		    err == -ENAMETOOLONG || !d->path[0] ? base : d->path,
		    strerror(-err));
	return err;
}

void rundir_release(struct rundir *d)
{
	if (d->fd < 0)
		return;
	/* Before the lock goes: afterwards it may be another one's. */
	empty_dir(d->fd);
	rmdir(d->path);
	close(d->fd);
	d->fd = -1;
}

// SPDX-License-Identifier: GPL-2.0
/* Host folders in the configuration: HOSTDIR[:GUESTDIR][,ro][,cache=MODE]. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/log.h"

static int set_cache(struct cofs_config *f, const char *mode, const char *what)
{
	static const struct {
		const char *name;
		enum virtiofsd_cache cache;
	} modes[] = {
		{ "auto", VIRTIOFSD_AUTO }, { "always", VIRTIOFSD_ALWAYS },
		{ "never", VIRTIOFSD_NEVER },
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(mode, modes[i].name)) {
			f->cache = modes[i].cache;
			return 0;
		}
	}
	say("%s: cache=%s: use auto, always or never", what, mode);
	return -EINVAL;
}

/* Takes what it knows off the end; the rest may have commas of its own. */
static int take_options(struct cofs_config *f, const char *what)
{
	char *comma;
	int err;

	while ((comma = strrchr(f->path, ',')) != NULL) {
		const char *word = comma + 1;

		if (!strncmp(word, "cache=", 6)) {
			err = set_cache(f, word + 6, what);
			if (err)
				return err;
		} else if (!strcmp(word, "ro") || !strcmp(word, "rw")) {
			f->read_only = word[1] == 'o';
		} else {
			break;
		}
		*comma = '\0';
	}
	return 0;
}

static bool has_dots(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, "/..")) != NULL) {
		at += 3;
		if (*at == '/' || !*at)
			return true;
	}
	return false;
}

/* It goes to the kernel's command line, and into a unit of systemd. */
static int check_mount(const char *mount, const char *what)
{
	const char *comma = strchr(mount, ',');

	if (comma) {
		say("%s: '%s' is no option: use ro, rw or cache=auto|always|never",
		    what, comma + 1);
		return -EINVAL;
	}
	if (*mount != '/' || !mount[strspn(mount, "/")]) {
		say("%s: guest folder '%s': must begin with '/' and not be '/' itself",
		    what, mount);
		return -EINVAL;
	}
	for (const char *c = mount; *c; c++) {
		if (isgraph((unsigned char)*c) && !strchr("\"'\\$%", *c))
			continue;
		say("%s: guest folder '%s': use plain letters, digits and signs",
		    what, mount);
		return -EINVAL;
	}
	if (has_dots(mount)) {
		say("%s: guest folder '%s': must not have '..' in it", what,
		    mount);
		return -EINVAL;
	}
	return 0;
}

static int split(struct cofs_config *f, const char *value, const char *what)
{
	int err = take_options(f, what);
	char *colon;

	if (err)
		return err;
	colon = strrchr(f->path, ':');
	if (colon) {
		*colon = '\0';
		f->mount = colon + 1;	/* within path */
		err = check_mount(f->mount, what);
		if (err)
			return err;
	}
	if (!*f->path) {
		say("%s: '%s' has no host folder: use HOSTDIR:GUESTDIR", what,
		    value);
		return -EINVAL;
	}
	return 0;
}

static int insert(struct config *c, const struct cofs_config *new,
		  const char *what)
{
	unsigned int at = 0;

	for (unsigned int i = 0; i < c->cofses; i++) {
		const struct cofs_config *f = &c->cofs[i];

		if (f->number == new->number) {
			say("%s: cofs%u is given twice: remove one", what,
			    new->number);
			return -EINVAL;
		}
		if (f->mount && new->mount && !strcmp(f->mount, new->mount)) {
			say("%s: guest folder %s: is cofs%u already: use another",
			    what, new->mount, f->number);
			return -EINVAL;
		}
		at += f->number < new->number;
	}
	memmove(&c->cofs[at + 1], &c->cofs[at],
		(c->cofses - at) * sizeof(c->cofs[0]));
	c->cofs[at] = *new;
	c->cofses++;
	return 0;
}

int config_add_cofs(struct config *c, int number, const char *value,
		    const char *what)
{
	struct cofs_config new = { 0 };
	int err;

	if (number < 0)
		number = c->cofses ? c->cofs[c->cofses - 1].number + 1 : 0;
	if (number > 255 || c->cofses == CONFIG_MAX_COFS) {
		say("%s: too many: use at most %d host folders, numbers 0 to 255",
		    what, CONFIG_MAX_COFS);
		return -EINVAL;
	}
	new.number = number;
	err = config_set_string(&new.path, value, what);
	if (err)
		return err;
	err = split(&new, value, what);
	if (!err)
		err = insert(c, &new, what);
	if (err)
		free(new.path);
	return err;
}

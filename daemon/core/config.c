// SPDX-License-Identifier: GPL-2.0
/* Setting and checking single values of the configuration, see config.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <colinux/abi.h>

#include "core/config.h"
#include "core/log.h"

void config_init(struct config *c)
{
	memset(c, 0, sizeof(*c));
	c->mem_bytes = CONFIG_MEM_DEFAULT;
	c->vcpus = 1;
	c->ready_fd = -1;
}

void config_free(struct config *c)
{
	free(c->kernel);
	free(c->initrd);
	free(c->root);
	free(c->append);
	free(c->file);
	free(c->name);
	free(c->log);
	for (unsigned int i = 0; i < c->cobds; i++)
		free(c->cobd[i].spec.path);
	for (unsigned int i = 0; i < c->nets; i++)
		config_net_free(&c->net[i]);
	for (unsigned int i = 0; i < c->cofses; i++)
		free(c->cofs[i].path);
	config_host_free(c);
	memset(c, 0, sizeof(*c));
}

static int no_memory(const char *what)
{
	say("%s: out of memory", what);
	return -ENOMEM;
}

int config_set_string(char **field, const char *value, const char *what)
{
	char *copy;

	if (!*value) {
		say("%s: the value is empty", what);
		return -EINVAL;
	}
	if (strpbrk(value, "\r\n")) {
		say("%s: the value must be on one line", what);
		return -EINVAL;
	}
	copy = strdup(value);
	if (!copy)
		return no_memory(what);
	free(*field);
	*field = copy;
	return 0;
}

/* Digits with an optional unit; a bare number is MiB, as it always was. */
static int parse_size(const char *value, uint64_t *bytes)
{
	unsigned long long n;
	unsigned int shift = 20;
	char *end;

	if (!isdigit((unsigned char)*value))
		return -EINVAL;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		static const char units[] = "kmgt";
		const char *unit = strchr(units, tolower((unsigned char)*end));

		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (n > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = (uint64_t)n << shift;
	return 0;
}

int config_set_mem(struct config *c, const char *value, const char *what)
{
	uint64_t bytes = 0;
	int err = parse_size(value, &bytes);

	if (err == -EINVAL) {
		say("%s: '%s' is not a size: use a number of MiB, or a unit: 512M, 2G",
		    what, value);
		return -EINVAL;
	}
	if (err || bytes > CO_MEM_MAX) {
		say("%s: %s is too big: use at most %luG", what, value,
		    CO_MEM_MAX >> 30);
		return -EINVAL;
	}
	if (bytes < CO_MEM_MIN) {
		say("%s: %s is too small: use at least %luM", what, value,
		    CO_MEM_MIN >> 20);
		return -EINVAL;
	}
	if (bytes % CO_CHUNK_SIZE) {
		say("%s: %s is not a multiple of 2 MiB: use %" PRIu64 "M", what,
		    value, (bytes / CO_CHUNK_SIZE + 1) * 2);
		return -EINVAL;
	}
	c->mem_bytes = bytes;
	return 0;
}

int config_set_cpus(struct config *c, const char *value, const char *what)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || n < 1) {
		say("%s: '%s' is not a number of CPUs: use 1", what, value);
		return -EINVAL;
	}
	if (n > 1) {
		say("%s: %s CPUs are not supported yet: use 1", what, value);
		return -EINVAL;
	}
	c->vcpus = n;
	return 0;
}

int config_set_name(struct config *c, const char *value, const char *what)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t ok = strspn(value, letters);

	if (value[ok] || ok > CONFIG_NAME_MAX || *value == '.' ||
	    *value == '-') {
		say("%s: '%s' is not a name: use up to %d letters, digits, '.', '_', '-', the first not '.' or '-'",
		    what, value, CONFIG_NAME_MAX);
		return -EINVAL;
	}
	return config_set_string(&c->name, value, what);
}

int config_set_cocon(struct config *c, const char *value, const char *what)
{
	unsigned long columns, rows = 0;
	char *end;

	columns = strtoul(value, &end, 10);
	if (isdigit((unsigned char)*value) && *end == 'x' &&
	    isdigit((unsigned char)end[1]))
		rows = strtoul(end + 1, &end, 10);
	if (*end || columns < 1 || columns > 1000 || rows < 1 || rows > 1000) {
		say("%s: '%s' is not a size: use COLUMNSxROWS, such as 80x25",
		    what, value);
		return -EINVAL;
	}
	c->columns = columns;
	c->rows = rows;
	return 0;
}

/* One word behind a path; -ENOENT: none of ours, it belongs to the path. */
static int cobd_option(struct blk_spec *spec, const char *word, bool *writable,
		       const char *what)
{
	if (!strcmp(word, "ro")) {
		spec->read_only = true;
	} else if (!strcmp(word, "rw")) {
		*writable = true;
	} else if (!strcmp(word, "snapshot")) {
		spec->snapshot = true;
		*writable = true;
	} else if (!strncmp(word, "format=", 7)) {
		if (blk_format_parse(word + 7, &spec->format) == 0)
			return 0;
		say("%s: '%s' is not a format: use raw, qcow2, vmdk, vhdx, vdi or vhd",
		    what, word + 7);
		return -EINVAL;
	} else {
		return -ENOENT;
	}
	return 0;
}

/* Takes the options off the end of spec->path, which may hold commas. */
static int split_options(struct blk_spec *spec, const char *what)
{
	bool writable = false;
	char *comma;

	while ((comma = strrchr(spec->path, ',')) != NULL) {
		int err = cobd_option(spec, comma + 1, &writable, what);

		if (err == -ENOENT)
			break;
		if (err)
			return err;
		*comma = '\0';
	}
	if (spec->read_only && writable) {
		say("%s: %s: ',ro' excludes ',rw' and ',snapshot': use one",
		    what, spec->path);
		return -EINVAL;
	}
	return 0;
}

static int insert_cobd(struct config *c, struct cobd_config new,
		       const char *what)
{
	unsigned int at = 0;

	while (at < c->cobds && c->cobd[at].number < new.number)
		at++;
	if (at < c->cobds && c->cobd[at].number == new.number) {
		say("%s: cobd%u is given twice: remove one", what, new.number);
		return -EINVAL;
	}
	memmove(&c->cobd[at + 1], &c->cobd[at],
		(c->cobds - at) * sizeof(c->cobd[0]));
	c->cobd[at] = new;
	c->cobds++;
	return 0;
}

int config_add_cobd(struct config *c, int number, const char *value,
		    const char *what)
{
	struct cobd_config new = { 0 };
	int err;

	if (number < 0)
		number = c->cobds ? c->cobd[c->cobds - 1].number + 1 : 0;
	if (number > 255 || c->cobds == CONFIG_MAX_COBD) {
		say("%s: too many: use at most %d cobds, numbers 0 to 255", what,
		    CONFIG_MAX_COBD);
		return -EINVAL;
	}
	new.number = number;
	err = config_set_string(&new.spec.path, value, what);
	if (err)
		return err;
	err = split_options(&new.spec, what);
	if (!err && !*new.spec.path) {
		say("%s: '%s' has no file name", what, value);
		err = -EINVAL;
	}
	if (!err)
		err = insert_cobd(c, new, what);
	if (err)
		free(new.spec.path);
	return err;
}

int config_append(struct config *c, const char *words, const char *what)
{
	size_t old = c->append ? strlen(c->append) : 0;
	size_t len = strlen(words);
	char *joined;

	if (strpbrk(words, "\r\n")) {
		say("%s: kernel parameters must be on one line", what);
		return -EINVAL;
	}
	joined = realloc(c->append, old + 1 + len + 1);
	if (!joined)
		return no_memory(what);
	if (old)
		joined[old++] = ' ';
	memcpy(joined + old, words, len + 1);
	c->append = joined;
	return 0;
}

int config_check(struct config *c)
{
	for (unsigned int i = 0; i < c->cobds && c->snapshot; i++)
		if (!c->cobd[i].spec.read_only)
			c->cobd[i].spec.snapshot = true;
	if (!c->kernel) {
		say("no kernel: use --kernel FILE, or kernel=FILE in the configuration file");
		return -EINVAL;
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/* Makes the guest's kernel command line, see config.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config.h"
#include "core/log.h"

struct line {
	char *buf;
	size_t size;
	size_t len;
	bool full;
};

static void put(struct line *l, const char *text, size_t len)
{
	if (len >= l->size - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->buf + l->len, text, len);
	l->len += len;
	l->buf[l->len] = '\0';
}

static void put_string(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* 0: vda ... 25: vdz, 26: vdaa. */
static void put_vd_name(struct line *l, unsigned int index)
{
	char letters[8];
	size_t at = sizeof(letters);

	index++;
	while (index) {
		index--;
		letters[--at] = 'a' + index % 26;
		index /= 26;
	}
	put_string(l, "/dev/vd");
	put(l, letters + at, sizeof(letters) - at);
}

static int find_cobd(const struct config *c, unsigned long number)
{
	for (unsigned int i = 0; i < c->cobds; i++)
		if (c->cobd[i].number == number)
			return i;
	return -1;
}

/*
 * /dev/cobd0, /dev/cobd0p1 and the old /dev/cobd/0. Returns what follows the
 * name in *rest, or -ENOENT if it is another device's.
 */
static int parse_cobd(const char *dev, unsigned long *number,
		      unsigned long *part, const char **rest)
{
	static const char prefix[] = "/dev/cobd";
	char *end;

	if (strncmp(dev, prefix, sizeof(prefix) - 1))
		return -ENOENT;
	dev += sizeof(prefix) - 1;
	if (*dev == '/')
		dev++;
	if (!isdigit((unsigned char)*dev))
		return -ENOENT;
	*number = strtoul(dev, &end, 10);
	*part = 0;
	if (*end == 'p' && isdigit((unsigned char)end[1]))
		*part = strtoul(end + 1, &end, 10);
	*rest = end;
	return 0;
}

/* Puts one device name, translated if it is a cobd. */
static int put_device(const struct config *c, struct line *l, const char *dev,
		      size_t len)
{
	unsigned long number, part;
	const char *rest;
	char digits[24];
	int index;

	if (parse_cobd(dev, &number, &part, &rest)) {
		put(l, dev, len);
		return 0;
	}
	index = find_cobd(c, number);
	if (index < 0) {
		say("root or kernel parameter: /dev/cobd%lu is not configured: add cobd%lu",
		    number, number);
		return -EINVAL;
	}
	put_vd_name(l, index);
	if (part) {
		snprintf(digits, sizeof(digits), "%lu", part);
		put_string(l, digits);
	}
	if (rest < dev + len)
		put(l, rest, dev + len - rest);
	return 0;
}

/* One word of the user's parameters: KEY=/dev/cobdN is translated. */
static int put_word(const struct config *c, struct line *l, const char *word,
		    size_t len)
{
	const char *equals = memchr(word, '=', len);
	size_t head;

	put_string(l, " ");
	if (!equals) {
		put(l, word, len);
		return 0;
	}
	head = equals + 1 - word;
	put(l, word, head);
	return put_device(c, l, word + head, len - head);
}

/* Calls put_word for each word; a quoted part may hold blanks. */
static int put_words(const struct config *c, struct line *l, const char *words)
{
	while (*words) {
		size_t len = 0;
		bool quoted = false;
		int err;

		words += strspn(words, " \t");
		while (words[len] && (quoted || !strchr(" \t", words[len]))) {
			quoted ^= words[len] == '"';
			len++;
		}
		if (!len)
			break;
		err = put_word(c, l, words, len);
		if (err)
			return err;
		words += len;
	}
	return 0;
}

static bool has_root(const char *words)
{
	const char *at = words;

	while (at && (at = strstr(at, "root="))) {
		if (at == words || at[-1] == ' ' || at[-1] == '\t')
			return true;
		at++;
	}
	return false;
}

/* The image's generator makes mounts of them. */
static void put_cofs(struct line *l, const struct cofs_config *f)
{
	char tag[40];

	if (!f->mount)
		return;
	snprintf(tag, sizeof(tag), " colinux.cofs=cofs%u:", f->number);
	put_string(l, tag);
	put_string(l, f->mount);
	if (f->read_only)
		put_string(l, ":ro");
}

/* For udev in the guest, which makes /dev/ttySN of them (61-ttys.rules). */
static void put_ports(const struct config *c, struct line *l)
{
	char word[48];

	for (unsigned int i = 0; i < c->serials; i++) {
		snprintf(word, sizeof(word), " colinux.hvc%u=ttyS%u", i + 1,
			 c->ttys[i].number);
		put_string(l, word);
	}
}

int cmdline_build(const struct config *c, char *buf, size_t size)
{
	struct line l = { .buf = buf, .size = size };
	char first[32];
	int err = 0;

	put_string(&l, "console=hvc0");
	if (c->root) {
		put_string(&l, " root=");
		err = put_device(c, &l, c->root, strlen(c->root));
	} else if (c->cobds && !has_root(c->append)) {
		snprintf(first, sizeof(first), "/dev/cobd%u", c->cobd[0].number);
		put_string(&l, " root=");
		err = put_device(c, &l, first, strlen(first));
	}
	for (unsigned int i = 0; i < c->cofses; i++)
		put_cofs(&l, &c->cofs[i]);
	put_ports(c, &l);
	if (!err && c->append)
		err = put_words(c, &l, c->append);
	if (err)
		return err;
	if (l.full) {
		say("kernel parameters: longer than %zu bytes: remove some", size - 1);
		return -EINVAL;
	}
	return 0;
}

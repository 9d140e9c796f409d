// SPDX-License-Identifier: GPL-2.0
/* The parser of requests, see proto.h. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/proto.h"

#define ANY(request)	(1U << REQUEST_##request)

static const char * const names[] = {
	[REQUEST_STATUS] = "status", [REQUEST_STOP] = "stop",
	[REQUEST_KILL] = "kill", [REQUEST_CONSOLE] = "console",
	[REQUEST_EVENTS] = "events", [REQUEST_RESIZE] = "resize",
	[REQUEST_VSOCK] = "vsock",
};

/* Members beside "request"; max 0: true or false. */
static const struct member {
	const char *name;
	unsigned int of;	/* ANY() of the requests that know it */
	unsigned int needed;	/* ... that need it */
	size_t offset;
	unsigned int min, max;
} members[] = {
	{ "read_only", ANY(CONSOLE), 0, offsetof(struct request, read_only),
	  0, 0 },
	{ "follow", ANY(CONSOLE), 0, offsetof(struct request, follow), 0, 0 },
	{ "replay", ANY(CONSOLE), 0, offsetof(struct request, replay), 0,
	  UINT_MAX },
	{ "columns", ANY(RESIZE), ANY(RESIZE), offsetof(struct request, columns),
	  1, 1000 },
	{ "rows", ANY(RESIZE), ANY(RESIZE), offsetof(struct request, rows), 1,
	  1000 },
	{ "viewer", ANY(RESIZE), 0, offsetof(struct request, viewer), 1,
	  UINT_MAX },
	{ "port", ANY(VSOCK), ANY(VSOCK), offsetof(struct request, port), 0,
	  UINT_MAX },
};

#define MEMBERS	(sizeof(members) / sizeof(members[0]))

struct parse {
	struct request *r;
	char *error;
	size_t size;
};

static int refuse(const struct parse *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* What the user wrote may be part of it: keep it one printable line. */
static int refuse(const struct parse *p, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(p->error, p->size, fmt, args);
	va_end(args);
	for (char *c = p->error; *c; c++)
		if (!isascii((unsigned char)*c) || !isprint((unsigned char)*c))
			*c = '?';
	return -EINVAL;
}

static int take_type(const struct parse *p, const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text)
		return refuse(p, "there is no \"request\" that is a string");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]))
			continue;
		p->r->type = i;
		return 0;
	}
	return refuse(p, "unknown request \"%.40s\"", text);
}

static int take_member(const struct parse *p, const struct member *m,
		       const json_t *value)
{
	char *to = (char *)p->r + m->offset;
	json_int_t n;

	if (m->max == 0) {
		if (!json_is_boolean(value))
			return refuse(p, "\"%s\" must be true or false",
				      m->name);
		*(bool *)to = json_is_true(value);
		return 0;
	}
	n = json_integer_value(value);
	if (!json_is_integer(value) || n < m->min || n > m->max)
		return refuse(p, "\"%s\" must be a number from %u to %u",
			      m->name, m->min, m->max);
	*(unsigned int *)to = n;
	return 0;
}

static const struct member *find_member(const char *name, unsigned int request)
{
	for (size_t i = 0; i < MEMBERS; i++)
		if (!strcmp(name, members[i].name) && (members[i].of & request))
			return &members[i];
	return NULL;
}

static int take_members(const struct parse *p, json_t *object)
{
	unsigned int request = 1U << p->r->type;
	const char *name;
	json_t *value;

	json_object_foreach(object, name, value) {
		const struct member *m = find_member(name, request);
		int err;

		if (!strcmp(name, "request"))
			continue;
		if (!m)
			return refuse(p, "\"%s\" does not know \"%.40s\"",
				      names[p->r->type], name);
		err = take_member(p, m, value);
		if (err)
			return err;
	}
	for (size_t i = 0; i < MEMBERS; i++)
		if ((members[i].needed & request) &&
		    !json_object_get(object, members[i].name))
			return refuse(p, "\"%s\" needs \"%s\"",
				      names[p->r->type], members[i].name);
	return 0;
}

json_t *proto_text(const char *text)
{
	json_t *string;
	char *copy;

	if (!text)
		return json_null();
	string = json_string(text);
	if (string)
		return string;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if (!isascii((unsigned char)*c))
			*c = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

int request_parse(const char *line, size_t len, struct request *r, char *error,
		  size_t size)
{
	const struct parse p = { .r = r, .error = error, .size = size };
	json_error_t where;
	json_t *object;
	int err;

	memset(r, 0, sizeof(*r));
	r->replay = UINT_MAX;
	r->follow = true;
	object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return refuse(&p, "not JSON: %.100s", where.text);
	if (!json_is_object(object)) {
		err = refuse(&p, "not a JSON object");
	} else {
		err = take_type(&p, json_object_get(object, "request"));
		if (!err)
			err = take_members(&p, object);
	}
	json_decref(object);
	return err;
}

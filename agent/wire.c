// SPDX-License-Identifier: GPL-2.0
/* Frames and requests, see wire.h. No I/O but wire_read(). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

#define ROOM	(WIRE_HEADER + WIRE_MAX)

uint16_t wire_get16(const uint8_t *from)
{
	return from[0] | from[1] << 8;
}

uint32_t wire_get32(const uint8_t *from)
{
	return wire_get16(from) | (uint32_t)wire_get16(from + 2) << 16;
}

void wire_put16(uint8_t *to, uint16_t value)
{
	to[0] = value;
	to[1] = value >> 8;
}

void wire_put32(uint8_t *to, uint32_t value)
{
	wire_put16(to, value);
	wire_put16(to + 2, value >> 16);
}

/* --- frames --------------------------------------------------------------- */

int wire_in_init(struct wire_in *in)
{
	memset(in, 0, sizeof(*in));
	in->buf = malloc(ROOM);
	return in->buf ? 0 : -ENOMEM;
}

void wire_in_free(struct wire_in *in)
{
	free(in->buf);
	memset(in, 0, sizeof(*in));
}

static void forget_used(struct wire_in *in)
{
	memmove(in->buf, in->buf + in->used, in->len - in->used);
	in->len -= in->used;
	in->used = 0;
}

ssize_t wire_read(struct wire_in *in, int fd)
{
	ssize_t n;

	forget_used(in);
	do {
		/* A frame always fits: never full here once frames are taken. */
		n = read(fd, in->buf + in->len, ROOM - in->len);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		in->len += n;
	return n;
}

int wire_take(struct wire_in *in, struct frame *f)
{
	const uint8_t *at = in->buf + in->used;
	size_t have = in->len - in->used;
	uint32_t len;

	if (have < WIRE_HEADER)
		return 0;
	len = wire_get32(at);
	if (len > WIRE_MAX || at[5] || at[6] || at[7])
		return -EPROTO;
	if (have - WIRE_HEADER < len)
		return 0;
	f->type = at[4];
	f->len = len;
	f->data = at + WIRE_HEADER;
	in->used += WIRE_HEADER + len;
	return 1;
}

void wire_header(uint8_t *to, enum wire_type type, uint32_t len)
{
	memset(to, 0, WIRE_HEADER);
	wire_put32(to, len);
	to[4] = type;
}

/* --- requests ------------------------------------------------------------- */

static const char *parse_size(struct wire_request *r, const char *text)
{
	unsigned int rows, columns;
	char rest;

	if (sscanf(text, "%5u %5u%c", &rows, &columns, &rest) != 2 ||
	    rows > 0xffff || columns > 0xffff)
		return "bad size of the terminal";
	r->tty = true;
	r->rows = rows;
	r->columns = columns;
	return NULL;
}

static const char *parse_word(struct wire_request *r, const char *word)
{
	switch (*word) {
	case 'a':
		if (r->args == WIRE_ARGS)
			return "too many arguments";
		r->arg[r->args++] = word + 1;
		return NULL;
	case 'e':
		if (r->vars == WIRE_ARGS)
			return "too many variables";
		if (!strchr(word, '=') || word[1] == '=')
			return "a variable without a name";
		r->var[r->vars++] = word + 1;
		return NULL;
	case 'u':
		r->user = word + 1;
		return NULL;
	case 'd':
		r->dir = word + 1;
		return NULL;
	case 'x':
		r->cookie = word + 1;
		return NULL;
	case 'l':
		r->login = true;
		return NULL;
	case 't':
		return parse_size(r, word + 1);
	}
	return "a word that this agent does not know";
}

const char *wire_request_parse(struct wire_request *r, const uint8_t *data, size_t len)
{
	const char *at = (const char *)data, *end = at + len, *why;

	memset(r, 0, sizeof(*r));
	if (len > 0 && end[-1])
		return "no end of a word";
	while (at < end) {
		why = parse_word(r, at);
		if (why)
			return why;
		at += strlen(at) + 1;
	}
	if (r->args == 0 && !r->login)
		return "no command";
	return NULL;
}

struct writer {
	uint8_t *to;
	size_t room, len;
	bool full;
};

static void put_word(struct writer *w, char kind, const char *text)
{
	size_t n = strlen(text) + 1;

	if (w->full || w->room - w->len < n + 1) {
		w->full = true;
		return;
	}
	w->to[w->len++] = kind;
	memcpy(w->to + w->len, text, n);
	w->len += n;
}

size_t wire_request_write(const struct wire_request *r, uint8_t *to, size_t room)
{
	struct writer w = { .to = to, .room = room };
	char size[16];

	if (r->user)
		put_word(&w, 'u', r->user);
	if (r->dir)
		put_word(&w, 'd', r->dir);
	if (r->cookie)
		put_word(&w, 'x', r->cookie);
	if (r->login)
		put_word(&w, 'l', "");
	if (r->tty) {
		snprintf(size, sizeof(size), "%u %u", r->rows, r->columns);
		put_word(&w, 't', size);
	}
	for (unsigned int i = 0; i < r->vars; i++)
		put_word(&w, 'e', r->var[i]);
	for (unsigned int i = 0; i < r->args; i++)
		put_word(&w, 'a', r->arg[i]);
	return w.full ? 0 : w.len;
}

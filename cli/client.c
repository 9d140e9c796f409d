// SPDX-License-Identifier: GPL-2.0
/* Talking to a CVM's daemon, see client.h. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "core/log.h"
#include "core/rundir.h"

#define READ_BYTES	8192
#define LINE_MAX_BYTES	(1 << 20)

int client_open(struct client *c, const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int err;

	memset(c, 0, sizeof(*c));
	c->name = name;
	if (!*name || *name == '.' || strchr(name, '/') ||
	    rundir_socket(at.sun_path, sizeof(at.sun_path), name))
		return -ENOENT;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return 0;
	err = errno == ECONNREFUSED ? -ENOENT : -errno;
	close(c->fd);
	return err;
}

int client_connect(struct client *c, const char *name)
{
	int err = client_open(c, name);

	if (err == -ENOENT)
		say("%s: no guest of this name is running: see colinux list",
		    name);
	else if (err)
		say("%s: cannot reach the guest's daemon: %s", name,
		    strerror(-err));
	return err;
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c->buf);
}

int client_send_text(struct client *c, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= n;
	}
	return 0;
}

int client_send(struct client *c, json_t *request)
{
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int err = -ENOMEM;

	json_decref(request);
	if (text)
		err = client_send_text(c, text);
	if (!err)
		err = client_send_text(c, "\n");
	free(text);
	return err;
}

int client_fill(struct client *c)
{
	ssize_t n;

	if (c->size - c->len < READ_BYTES) {
		size_t size = c->len + READ_BYTES;
		char *bigger = size < LINE_MAX_BYTES ? realloc(c->buf, size) :
						       NULL;

		if (!bigger)
			return -ENOMEM;
		c->buf = bigger;
		c->size = size;
	}
	n = recv(c->fd, c->buf + c->len, c->size - c->len, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	c->len += n;
	return n > 0 ? 0 : -EPIPE;
}

json_t *client_take(struct client *c)
{
	char *newline = c->len ? memchr(c->buf, '\n', c->len) : NULL;
	json_error_t where;
	json_t *json;
	size_t len;

	if (!newline)
		return NULL;
	len = newline + 1 - c->buf;
	json = json_loadb(c->buf, len, 0, &where);
	c->len -= len;
	memmove(c->buf, newline + 1, c->len);
	return json ? json : json_object();
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

json_t *client_next(struct client *c, int ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	long long end = now_ms() + ms;
	json_t *json;
	int err;

	while (!(json = client_take(c))) {
		long long left = end - now_ms();

		if (ms >= 0 && left <= 0) {
			errno = ETIMEDOUT;
			return NULL;
		}
		if (poll(&p, 1, ms < 0 ? -1 : (int)left) <= 0)
			continue;
		err = client_fill(c);
		if (err && err != -EAGAIN) {
			errno = -err;
			return NULL;
		}
	}
	return json;
}

static json_t *next_answer(struct client *c)
{
	json_t *json;

	while ((json = client_next(c, CLIENT_ANSWER_MS)) &&
	       json_object_get(json, "event"))
		json_decref(json);
	return json;
}

json_t *client_ask(struct client *c, json_t *request)
{
	int err = client_send(c, request);
	json_t *answer = NULL;
	const char *error;

	/* A daemon that refuses us says so before it closes. */
	if (!err || err == -EPIPE)
		answer = next_answer(c);
	if (!answer) {
		say("%s: the guest's daemon does not answer: %s", c->name,
		    strerror(err ? -err : errno));
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	error = client_string(answer, "error");
	say("%s: %s", c->name, *error ? error : "the answer makes no sense");
	json_decref(answer);
	return NULL;
}

const char *client_string(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t client_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

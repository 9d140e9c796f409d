// SPDX-License-Identifier: GPL-2.0
/* Connections to the agent, see agent_client.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "agent_client.h"
#include "core/log.h"
#include "core/rundir.h"

#define RETRY_MS	100
#define REASON_MAX	80

struct attempt {
	const uint8_t *hello;	/* all that is sent at once */
	size_t len;
	long until;		/* ms */
	char reason[REASON_MAX];
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Sends all; whoever is interrupted in the middle goes on. */
static int send_all(int fd, const uint8_t *data, size_t len, bool from_start)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR && !from_start)
			continue;
		if (n < 0)
			return -errno;
		from_start = false;
		data += n;
		len -= n;
	}
	return 0;
}

int agent_send(struct agent *a, enum wire_type type, const void *data,
	       size_t len)
{
	uint8_t frame[WIRE_HEADER + WIRE_DATA];
	int err;

	wire_header(frame, type, len);
	if (len <= WIRE_DATA) {
		if (len)
			memcpy(frame + WIRE_HEADER, data, len);
		return send_all(a->fd, frame, WIRE_HEADER + len, true);
	}
	err = send_all(a->fd, frame, WIRE_HEADER, true);
	return err ? err : send_all(a->fd, data, len, false);
}

/* --- connecting ----------------------------------------------------------- */

static int vsock_path(char *path, size_t size, const char *name)
{
	char base[RUNDIR_PATH_MAX];

	if (rundir_base(base, sizeof(base)) ||
	    snprintf(path, size, "%s/%s/vsock", base, name) >= (int)size)
		return -ENAMETOOLONG;
	return 0;
}

static int open_socket(struct agent *a)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int err;

	if (vsock_path(at.sun_path, sizeof(at.sun_path), a->name))
		return -ENAMETOOLONG;
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return -errno;
	if (connect(a->fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return 0;
	err = errno == ECONNREFUSED ? -ENOENT : -errno;
	close(a->fd);
	a->fd = -1;
	return err;
}

/* Waits for more bytes. -ETIMEDOUT, -EPIPE. */
static int more(struct agent *a, long until)
{
	struct pollfd p = { .fd = a->fd, .events = POLLIN };
	long left = until - now_ms();

	if (left <= 0 || poll(&p, 1, left) == 0)
		return -ETIMEDOUT;
	return wire_read(&a->in, a->fd) > 0 ? 0 : -EPIPE;
}

/* The line before the frames. -EAGAIN: not now, t->reason says why. */
static int read_line(struct agent *a, struct attempt *t)
{
	const char *line = (const char *)a->in.buf, *end;
	size_t len;
	int err;

	while (!(end = memchr(line, '\n', a->in.len))) {
		err = more(a, t->until);
		if (err)
			return err;
	}
	len = end - line;
	a->in.used = len + 1;
	if (len == 2 && !memcmp(line, "OK", 2))
		return 0;
	if (len > 6 && !memcmp(line, "ERROR ", 6))
		snprintf(t->reason, sizeof(t->reason), "%.*s", (int)len - 6,
			 line + 6);
	return -EAGAIN;
}

/* The greeting of the agent, its first frame. */
static int read_welcome(struct agent *a, struct attempt *t)
{
	struct frame f;
	int err, got;

	while ((got = wire_take(&a->in, &f)) == 0) {
		err = more(a, t->until);
		if (err)
			return err;
	}
	if (got < 0)
		return got;
	if (f.type == WIRE_ERROR && f.len > 1) {
		say("%s: %s: %.*s", a->what, a->name, (int)f.len - 1,
		    (const char *)f.data + 1);
		return -EREMOTEIO;
	}
	if (f.type != WIRE_WELCOME || f.len < 4 ||
	    wire_get32(f.data) != WIRE_VERSION)
		return -EPROTO;
	return 0;
}

static int try_once(struct agent *a, struct attempt *t)
{
	int err = open_socket(a);

	if (err)
		return err;
	err = wire_in_init(&a->in);
	if (!err)
		err = send_all(a->fd, t->hello, t->len, false);
	/* Refused: the line that says so may be there nevertheless. */
	if (!err || err == -EPIPE || err == -ECONNRESET)
		err = read_line(a, t);
	if (!err)
		err = read_welcome(a, t);
	if (err)
		agent_close(a);
	return err;
}

static int complain(const struct agent *a, const struct attempt *t, int err,
		    unsigned int seconds)
{
	if (!a->what || err == -EREMOTEIO)
		return err;
	switch (err) {
	case -ENOENT:
		say("%s: %s: no guest of this name is running", a->what,
		    a->name);
		break;
	case -EACCES:
	case -EPERM:
		say("%s: %s: permission denied: run colinux as the user who runs the guest",
		    a->what, a->name);
		break;
	case -EAGAIN:
		say("%s: %s: no agent answered within %u s (%s): is colinux-agent installed and running there?",
		    a->what, a->name, seconds, t->reason);
		break;
	case -ETIMEDOUT:
		say("%s: %s: the guest did not answer within %u s", a->what,
		    a->name, seconds);
		break;
	case -EPROTO:
		say("%s: %s: the agent in the guest speaks another protocol: install the one that belongs to this colinux",
		    a->what, a->name);
		break;
	default:
		say("%s: %s: cannot connect to the guest: %s", a->what, a->name,
		    strerror(-err));
	}
	return err;
}

static int connect_with(struct agent *a, unsigned int seconds,
			const uint8_t *hello, size_t len)
{
	struct attempt t = {
		.hello = hello, .len = len, .until = now_ms() + seconds * 1000L,
	};
	int err;

	for (;;) {
		err = try_once(a, &t);
		if (!err)
			return 0;
		if (err != -EAGAIN || now_ms() + RETRY_MS > t.until)
			return complain(a, &t, err, seconds);
		poll(NULL, 0, RETRY_MS);
	}
}

int agent_connect(struct agent *a, const char *what, const char *name,
		  unsigned int seconds, enum wire_type type,
		  const void *payload, size_t len)
{
	uint8_t *hello = malloc(64 + 2 * WIRE_HEADER + len);
	size_t n;
	int err;

	memset(a, 0, sizeof(*a));
	a->fd = -1;
	a->what = what;
	a->name = name;
	if (!hello)
		return -ENOMEM;
	n = sprintf((char *)hello, "CONNECT %d\n", WIRE_PORT);
	wire_header(hello + n, WIRE_HELLO, 4);
	wire_put32(hello + n + WIRE_HEADER, WIRE_VERSION);
	n += WIRE_HEADER + 4;
	if (type) {
		wire_header(hello + n, type, len);
		if (len)
			memcpy(hello + n + WIRE_HEADER, payload, len);
		n += WIRE_HEADER + len;
	}
	err = connect_with(a, seconds, hello, n);
	free(hello);
	return err;
}

void agent_close(struct agent *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	wire_in_free(&a->in);
}

/* --- small requests ------------------------------------------------------- */

static int ask(const char *what, const char *name, unsigned int seconds,
	       enum wire_type type, const void *payload, size_t len)
{
	struct attempt t = { .until = now_ms() + seconds * 1000L };
	struct agent a;
	struct frame f;
	int err = agent_connect(&a, what, name, seconds, type, payload, len);
	int got;

	if (err)
		return err;
	while ((got = wire_take(&a.in, &f)) == 0 && !err)
		err = more(&a, t.until);
	if (!err && (got < 0 || f.type != WIRE_PONG))
		err = -EPROTO;
	agent_close(&a);
	if (err)
		complain(&a, &t, err, seconds);
	return err;
}

int agent_ping(const char *what, const char *name, unsigned int seconds)
{
	return ask(what, name, seconds, WIRE_PING, NULL, 0);
}

int agent_shutdown(const char *what, const char *name, bool reboot)
{
	return ask(what, name, AGENT_WAIT_SECONDS, WIRE_SHUTDOWN,
		   reboot ? "r" : "p", 1);
}

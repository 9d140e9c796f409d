// SPDX-License-Identifier: GPL-2.0
/*
 * `colinux console NAME`: a viewer of the console, or its writer. One
 * connection carries the console's bytes, another one what happens.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "core/log.h"
#include "os/os.h"

#define ESCAPE_KEY	0x1d		/* ctrl-] */
#define BELL		"\a"
#define END_MS		5000		/* from the last byte to the last event */

enum { ON_SIGNAL, ON_INPUT, ON_OUTPUT, ON_EVENT, EVENTS };

struct view {
	struct client stream;
	struct client events;
	json_int_t id;		/* of this viewer */
	bool read_only;
	bool writer;
	bool terminal;		/* standard input is one, and raw */
	bool input_open;
	bool escape;		/* the last key was the escape key */
	bool left;		/* the user wants to go */
	int code;		/* how the guest ended, -1: it has not */
	const char *why;	/* we were disconnected, or NULL */
};

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

/* --- requests beside the stream; the answers come among the events ---------- */

static void request(struct view *v, json_t *json)
{
	/* If it is gone, its end is what we see next. */
	if (client_send(&v->events, json))
		v->why = "its daemon takes no requests";
}

static void send_size(struct view *v)
{
	unsigned int columns, rows;

	if (v->writer && os_terminal_size(&columns, &rows) == 0)
		request(v, json_pack("{s:s, s:i, s:i, s:I}", "request",
				     "resize", "columns", columns, "rows", rows,
				     "viewer", v->id));
}

/* --- keys --------------------------------------------------------------------- */

static void type(struct view *v, const char *keys, size_t len)
{
	if (!len)
		return;
	if (!v->writer) {
		if (write(STDERR_FILENO, BELL, 1) < 0)
			return;
	} else if (write_all(v->stream.fd, keys, len)) {
		v->input_open = false;
	}
}

static void escaped(struct view *v, char key)
{
	const char escape = ESCAPE_KEY;

	switch (key) {
	case 'd':
		v->left = true;
		break;
	case 'p':
		request(v, json_pack("{s:s}", "request", "stop"));
		break;
	case 'q':
		request(v, json_pack("{s:s}", "request", "kill"));
		break;
	case ESCAPE_KEY:
		type(v, &escape, 1);
		break;
	default:
		say("after ctrl-]: d detaches, p asks the guest to power off, q ends it, ctrl-] sends itself");
	}
}

static void keys(struct view *v, const char *data, size_t len)
{
	while (len > 0 && !v->left) {
		const char *found;
		size_t part;

		if (v->escape) {
			v->escape = false;
			escaped(v, *data++);
			len--;
			continue;
		}
		found = memchr(data, ESCAPE_KEY, len);
		part = found ? (size_t)(found - data) : len;
		type(v, data, part);
		v->escape = found;
		part += found ? 1 : 0;
		data += part;
		len -= part;
	}
}

static void on_input(struct view *v)
{
	char buf[4096];
	ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0 && v->terminal) {
		keys(v, buf, n);
	} else if (n > 0) {
		/* Not keys: all of it is the guest's. */
		if (write_all(v->stream.fd, buf, n))
			v->input_open = false;
	} else {
		v->input_open = false;
		shutdown(v->stream.fd, SHUT_WR);
	}
}

/* --- output ------------------------------------------------------------------- */

/* What has come of the console. */
static int write_output(struct view *v)
{
	int err = write_all(STDOUT_FILENO, v->stream.buf, v->stream.len);

	v->stream.len = 0;
	if (err)
		say("standard output: cannot write: %s", strerror(-err));
	return err;
}

static int on_output(struct view *v, bool *open)
{
	int err = client_fill(&v->stream);

	if (err && err != -EAGAIN)
		*open = false;
	return write_output(v);
}

static void take_event(struct view *v, const json_t *json)
{
	const char *event = client_string(json, "event");
	bool mine = client_number(json, "viewer") == v->id;

	if (json_is_false(json_object_get(json, "ok"))) {
		/* A size that cocon= fixes is no news to anybody. */
		return;
	}
	if (!strcmp(event, "ended")) {
		v->code = client_number(json, "code");
	} else if (!strcmp(event, "message")) {
		say("%s: %s", v->stream.name, client_string(json, "text"));
	} else if (!strcmp(event, "writer") && mine) {
		v->writer = true;
		say("%s: this console may type now", v->stream.name);
		send_size(v);
	} else if (!strcmp(event, "viewer-dropped") && mine) {
		v->why = "nothing was read for too long";
	}
}

static bool on_event(struct view *v)
{
	int err = client_fill(&v->events);
	json_t *json;

	while ((json = client_take(&v->events))) {
		take_event(v, json);
		json_decref(json);
	}
	return !err || err == -EAGAIN;
}

/* --- signals ------------------------------------------------------------------ */

static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void on_signal(struct view *v, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGWINCH)
		send_size(v);
	else if (info.ssi_signo == SIGCONT)
		os_terminal_again();
	else
		v->left = true;
}

/* --- attached ----------------------------------------------------------------- */

/* -errno: standard output is gone. */
static int follow(struct view *v, int signals)
{
	struct pollfd p[EVENTS] = {
		[ON_SIGNAL] = { .fd = signals, .events = POLLIN },
		[ON_INPUT] = { .events = POLLIN },
		[ON_OUTPUT] = { .fd = v->stream.fd, .events = POLLIN },
		[ON_EVENT] = { .fd = v->events.fd, .events = POLLIN },
	};
	int err = write_output(v);	/* what came with the answer */
	bool open = true;

	while (!v->left && !err && (open || p[ON_EVENT].fd >= 0)) {
		p[ON_INPUT].fd = v->input_open && open ? STDIN_FILENO : -1;
		if (!open)
			p[ON_OUTPUT].fd = -1;
		if (poll(p, EVENTS, open ? -1 : END_MS) == 0)
			break;
		if (p[ON_OUTPUT].revents)
			err = on_output(v, &open);
		if (p[ON_EVENT].revents && !on_event(v))
			p[ON_EVENT].fd = -1;
		if (p[ON_SIGNAL].revents)
			on_signal(v, signals);
		if (p[ON_INPUT].revents)
			on_input(v);
		/* With the console's last byte here, only the end is of use. */
		if (!open && (v->code >= 0 || v->why))
			break;
	}
	return err;
}

static enum exit_code result(const struct view *v, int err)
{
	const char *name = v->stream.name;

	if (v->left) {
		say("%s: detached", name);
		return 0;
	}
	if (v->code >= 0)
		return v->code;
	if (!err)
		say("%s: disconnected: %s", name,
		    v->why ? v->why : "its daemon is gone");
	return EXIT_STARTUP;
}

static enum exit_code view(struct view *v)
{
	int signals = take_signals(), err;

	if (signals < 0) {
		say("cannot take signals: %s", strerror(errno));
		return EXIT_INTERNAL;
	}
	v->terminal = os_terminal_enter();
	/* Without a terminal nobody could leave by a key. */
	v->input_open = v->terminal || !v->read_only;
	if (v->terminal)
		say("%s: attached%s: ctrl-] d detaches", v->stream.name,
		    v->writer ? "" : v->read_only ? " read-only" :
		    " read-only, somebody else types");
	if (v->terminal)
		send_size(v);
	err = follow(v, signals);
	os_terminal_leave();
	close(signals);
	return result(v, err);
}

enum exit_code cli_console(int argc, char **argv)
{
	struct view v = { .code = -1 };
	struct name_args a = { 0 };
	enum exit_code code = EXIT_STARTUP;
	json_t *answer;

	if (cli_name_args(&a, argc, argv, 1, "r"))
		return EXIT_USAGE;
	v.read_only = a.read_only;
	if (client_connect(&v.events, a.name))
		return EXIT_STARTUP;
	if (client_connect(&v.stream, a.name))
		goto close_events;
	answer = client_ask(&v.events, json_pack("{s:s}", "request", "events"));
	if (!answer)
		goto close;
	json_decref(answer);
	answer = client_ask(&v.stream, json_pack("{s:s, s:b}", "request",
						 "console", "read_only",
						 a.read_only));
	if (!answer)
		goto close;
	v.id = client_number(answer, "viewer");
	v.writer = json_is_true(json_object_get(answer, "writer"));
	json_decref(answer);
	code = view(&v);
close:
	client_close(&v.stream);
close_events:
	client_close(&v.events);
	return code;
}

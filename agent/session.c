// SPDX-License-Identifier: GPL-2.0
/*
 * One connection of the host: at first frames that ask, then one command.
 *
 *	host --> frames --> input ring --> command's standard input
 *	host <-- out <-- frames of what the command writes
 *
 * The connection is always read, so that signals and its end are noticed
 * whatever the command does: input may only come as far as CREDIT allowed, so
 * the ring holds it. Output is read from the command only when the last of it
 * is off: if nobody takes it, the command waits, as with a pipe.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "session.h"

/* --- frames to the host --------------------------------------------------- */

void session_put(struct session *s, enum wire_type type, const void *data,
		 size_t len)
{
	if (OUT_ROOM - s->out_len < WIRE_HEADER + len)
		return;		/* cannot be: see stdio_may_read() and OUT_SMALL */
	wire_header(s->out + s->out_len, type, len);
	if (len)
		memcpy(s->out + s->out_len + WIRE_HEADER, data, len);
	s->out_len += WIRE_HEADER + len;
}

void session_put32(struct session *s, enum wire_type type, uint32_t value)
{
	uint8_t bytes[4];

	wire_put32(bytes, value);
	session_put(s, type, bytes, sizeof(bytes));
}

bool session_fail(struct session *s, int status, const char *text)
{
	uint8_t bytes[256];
	size_t n = strnlen(text, sizeof(bytes) - 1);

	bytes[0] = status;
	memcpy(bytes + 1, text, n);
	session_put(s, WIRE_ERROR, bytes, n + 1);
	s->state = LEAVING;
	return true;
}

/* False: the host is gone. */
static bool flush(struct session *s)
{
	while (s->out_at < s->out_len) {
		ssize_t n = send(s->fd, s->out + s->out_at,
				 s->out_len - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		s->out_at += n;
	}
	s->out_at = 0;
	s->out_len = 0;
	return true;
}

/* --- what the host asks --------------------------------------------------- */

static void display_vars(const struct session *s, char vars[2][80],
			 const char **list)
{
	unsigned int n = 0;

	if (s->x11.listener >= 0) {
		snprintf(vars[0], 80, "DISPLAY=:%u", s->x11.display);
		list[n++] = vars[0];
		if (*s->x11.authority) {
			snprintf(vars[1], 80, "XAUTHORITY=%s", s->x11.authority);
			list[n++] = vars[1];
		}
	}
	list[n] = NULL;
}

static bool start_command(struct session *s, const struct frame *f)
{
	static struct wire_request r;	/* large; not needed for long */
	const char *why = wire_request_parse(&r, f->data, f->len), *list[3];
	struct spawn_error error;
	char vars[2][80];
	struct user u;

	if (why)
		return session_fail(s, STATUS_AGENT, why);
	if (user_find(r.user ?: "root", &u))
		return session_fail(s, STATUS_AGENT, "no such user in the guest");
	if (r.cookie && x11_open(&s->x11, r.cookie, &u))
		return session_fail(s, STATUS_AGENT, "cannot make a display");
	s->ring = malloc(WIRE_WINDOW);
	if (!s->ring)
		return session_fail(s, STATUS_AGENT, "out of memory");
	display_vars(s, vars, list);
	if (spawn(&r, &u, list, &s->command, &error))
		return session_fail(s, error.status, error.text);
	s->tty = r.tty;
	s->state = RUNNING;
	s->credit = WIRE_WINDOW;
	session_put32(s, WIRE_STARTED, s->command.pid);
	session_put32(s, WIRE_CREDIT, s->credit);
	return true;
}

static bool pass_signal(struct session *s, const struct frame *f)
{
	uint32_t sig = f->len == 4 ? wire_get32(f->data) : 0;

	if (sig == 0 || sig >= NSIG)
		return session_fail(s, STATUS_AGENT, "no such signal");
	if (!s->reaped)
		kill(-s->command.pid, sig);
	return true;
}

static bool resize(struct session *s, const struct frame *f)
{
	struct winsize size = { 0 };

	if (f->len != 4 || !s->tty)
		return session_fail(s, STATUS_AGENT, "no size for a terminal");
	size.ws_row = wire_get16(f->data);
	size.ws_col = wire_get16(f->data + 2);
	if (s->command.out >= 0)
		ioctl(s->command.out, TIOCSWINSZ, &size);
	return true;
}

static bool shut_down(struct session *s, const struct frame *f)
{
	const char *program = "/sbin/poweroff";
	pid_t pid;

	if (f->len != 1 || (*f->data != 'p' && *f->data != 'r'))
		return session_fail(s, STATUS_AGENT, "unknown kind of shutdown");
	if (*f->data == 'r')
		program = "/sbin/reboot";
	pid = fork();
	if (pid == 0) {
		spawn_plain_signals();
		execl(program, program, NULL);
		_exit(STATUS_ABSENT);
	}
	if (pid < 0)
		return session_fail(s, STATUS_AGENT, "no process for the shutdown");
	session_put(s, WIRE_PONG, NULL, 0);
	return true;
}

static bool join_x11(struct session *s, const struct frame *f)
{
	/* Our greeting goes first, and is little. */
	if (f->len != WIRE_COOKIE + 4 || !flush(s) ||
	    !x11_join(s->fd, f->data, wire_get32(f->data + WIRE_COOKIE)))
		return session_fail(s, STATUS_AGENT, "no such display");
	return false;		/* a child has our connection now */
}

static bool greet(struct session *s, const struct frame *f)
{
	uint8_t bytes[4 + sizeof(AGENT_RELEASE)];

	if (f->type != WIRE_HELLO || f->len != 4)
		return session_fail(s, STATUS_AGENT, "expected a greeting");
	if (wire_get32(f->data) != WIRE_VERSION)
		return session_fail(s, STATUS_AGENT,
			    "the agent speaks version 1 of the protocol only");
	wire_put32(bytes, WIRE_VERSION);
	memcpy(bytes + 4, AGENT_RELEASE, sizeof(AGENT_RELEASE) - 1);
	session_put(s, WIRE_WELCOME, bytes, sizeof(bytes) - 1);
	s->state = ASKING;
	return true;
}

static bool ask(struct session *s, const struct frame *f)
{
	switch (f->type) {
	case WIRE_EXEC:
		return start_command(s, f);
	case WIRE_PING:
		session_put(s, WIRE_PONG, NULL, 0);
		return true;
	case WIRE_SHUTDOWN:
		return shut_down(s, f);
	case WIRE_X11:
		return join_x11(s, f);
	}
	return session_fail(s, STATUS_AGENT, "unexpected frame");
}

static bool while_running(struct session *s, const struct frame *f)
{
	switch (f->type) {
	case WIRE_STDIN:
		return stdio_more(s, f);
	case WIRE_SIGNAL:
		return pass_signal(s, f);
	case WIRE_WINSIZE:
		return resize(s, f);
	}
	return session_fail(s, STATUS_AGENT, "unexpected frame");
}

static bool on_frame(struct session *s, const struct frame *f)
{
	switch (s->state) {
	case GREETING:
		return greet(s, f);
	case ASKING:
		return ask(s, f);
	case RUNNING:
		return while_running(s, f);
	default:
		return true;	/* too late, the host will see */
	}
}

/* --- the connection ------------------------------------------------------- */

/* Drops the line that covsock would have taken. */
static bool skip_line(struct session *s)
{
	char c;

	while (recv(s->fd, &c, 1, MSG_DONTWAIT) == 1) {
		if (c != '\n')
			continue;
		s->state = GREETING;
		return send(s->fd, "OK\n", 3, MSG_NOSIGNAL) == 3;
	}
	return errno == EAGAIN;
}

/* Room for what a frame of the host can make us say. */
static bool may_hear(const struct session *s)
{
	return OUT_ROOM - s->out_len >= OUT_SMALL / 2;
}

static bool take_frames(struct session *s)
{
	struct frame f;
	int got;

	while (may_hear(s)) {
		got = wire_take(&s->in, &f);
		if (got < 0)
			return session_fail(s, STATUS_AGENT, "that is no frame");
		if (got == 0)
			return true;
		if (!on_frame(s, &f))
			return false;
	}
	return true;
}

static bool hear(struct session *s)
{
	ssize_t n;

	if (s->state == PROLOGUE)
		return skip_line(s);
	if (!take_frames(s))	/* what there was no room for before */
		return false;
	if (!may_hear(s) || s->state == LEAVING)
		return true;
	n = wire_read(&s->in, s->fd);
	if (n < 0)
		return errno == EAGAIN;
	return n > 0 && take_frames(s);
}

unsigned int session_poll(struct session *s, struct pollfd *p)
{
	const struct command *c = &s->command;
	short events = s->out_len > s->out_at ? POLLOUT : 0;

	if (may_hear(s))
		events |= POLLIN;
	p[0] = (struct pollfd) { .fd = s->fd, .events = events };
	p[1] = (struct pollfd) { .fd = -1, .events = POLLOUT };
	p[2] = (struct pollfd) { .fd = -1, .events = POLLIN };
	p[3] = (struct pollfd) { .fd = -1, .events = POLLIN };
	p[4] = (struct pollfd) { .fd = -1, .events = POLLIN };
	if (may_hear(s))
		p[4].fd = s->x11.listener;
	if (s->state == RUNNING) {
		if (s->ring_len > 0 || s->input_ended)
			p[1].fd = c->in;
		if (stdio_may_read(s)) {
			p[2].fd = c->out;
			p[3].fd = c->err;
		}
	}
	return SESSION_FDS;
}

static void new_window(struct session *s)
{
	uint8_t bytes[WIRE_COOKIE + 4];
	int number = x11_accept(&s->x11);

	if (number < 0 || s->state != RUNNING)
		return;
	memcpy(bytes, s->x11.secret, WIRE_COOKIE);
	wire_put32(bytes + WIRE_COOKIE, number);
	session_put(s, WIRE_X11_NEW, bytes, sizeof(bytes));
}

bool session_serve(struct session *s, const struct pollfd *p, unsigned int n)
{
	(void)n;
	if ((p[0].revents & ~POLLOUT) && !hear(s))
		return false;
	if (s->state == RUNNING) {
		if (p[1].revents && p[1].fd == s->command.in)
			stdio_write(s);
		for (unsigned int i = 0; i < 2; i++)
			if (p[2 + i].revents && *stdio_output(s, i) == p[2 + i].fd)
				stdio_read(s, i);
		stdio_leave_if_done(s);
	}
	if (p[4].revents)
		new_window(s);
	/* Frames may have waited for the room that flushing makes. */
	if (!flush(s) || (s->state != PROLOGUE && !take_frames(s)) || !flush(s))
		return false;
	return s->state != LEAVING || s->out_len > 0;
}

struct session *session_new(int fd, bool prologue)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = fd;
	s->state = prologue ? PROLOGUE : GREETING;
	s->command = (struct command) { .in = -1, .out = -1, .err = -1 };
	s->x11.listener = -1;
	s->out = malloc(OUT_ROOM);
	if (!s->out || wire_in_init(&s->in)) {
		free(s->out);
		free(s);
		return NULL;
	}
	return s;
}

/* The host has gone before the command: that is like a terminal hanging up. */
static void hang_up(struct session *s)
{
	if (s->command.pid > 0 && !s->reaped) {
		kill(-s->command.pid, SIGHUP);
		kill(-s->command.pid, SIGCONT);
	}
}

void session_free(struct session *s)
{
	hang_up(s);
	stdio_close_input(s);
	for (unsigned int i = 0; i < 2; i++)
		if (*stdio_output(s, i) >= 0)
			stdio_close_output(s, i);
	x11_close(&s->x11);
	close(s->fd);
	wire_in_free(&s->in);
	free(s->ring);
	free(s->out);
	free(s);
}

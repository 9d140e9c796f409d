// SPDX-License-Identifier: GPL-2.0
/*
 * Input and output of a session's command, see session.h. Input waits in a ring
 * of as many bytes as the host may send; output is read only when the last of
 * it is on its way, so that a command whose output nobody takes waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

#define CTRL_D		"\004"
#define QUIET_MS	300

/* --- input ------------------------------------------------- */

void stdio_close_input(struct session *s)
{
	if (s->command.in >= 0)
		close(s->command.in);
	s->command.in = -1;
}

/* These bytes are off; tell the host in portions that are worth it. */
static void taken(struct session *s, size_t n)
{
	s->owed += n;
	if (s->owed < WIRE_WINDOW / 4)
		return;
	session_put32(s, WIRE_CREDIT, s->owed);
	s->credit += s->owed;
	s->owed = 0;
}

/* The command has closed it: no more is wanted. */
static void input_refused(struct session *s)
{
	stdio_close_input(s);
	s->ring_len = 0;
	session_put(s, WIRE_CLOSED, NULL, 0);
}

static void end_input(struct session *s)
{
	/* A terminal has no end; this is what a person would type. */
	if (s->tty && s->command.in >= 0 &&
	    write(s->command.in, CTRL_D, 1) < 0 && errno == EAGAIN)
		return;
	stdio_close_input(s);
}

void stdio_write(struct session *s)
{
	while (s->ring_len > 0 && s->command.in >= 0) {
		size_t first = WIRE_WINDOW - s->ring_at;
		ssize_t n;

		if (first > s->ring_len)
			first = s->ring_len;
		n = write(s->command.in, s->ring + s->ring_at, first);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			input_refused(s);
		if (n < 0)
			return;
		s->ring_at = (s->ring_at + n) % WIRE_WINDOW;
		s->ring_len -= n;
		taken(s, n);
	}
	if (s->ring_len == 0 && s->input_ended && s->command.in >= 0)
		end_input(s);
}

bool stdio_more(struct session *s, const struct frame *f)
{
	size_t to = (s->ring_at + s->ring_len) % WIRE_WINDOW, first;

	if (f->len > s->credit || (f->len && s->input_ended))
		return session_fail(s, STATUS_AGENT, "more input than allowed");
	if (f->len == 0)
		s->input_ended = true;
	s->credit -= f->len;
	if (s->command.in < 0)
		return true;	/* the host has not heard of it yet */
	first = WIRE_WINDOW - to;
	if (first > f->len)
		first = f->len;
	memcpy(s->ring + to, f->data, first);
	memcpy(s->ring, f->data + first, f->len - first);
	s->ring_len += f->len;
	stdio_write(s);
	return true;
}

/* --- output ------------------------------------------------ */

int *stdio_output(struct session *s, unsigned int which)
{
	return which ? &s->command.err : &s->command.out;
}

void stdio_close_output(struct session *s, unsigned int which)
{
	int *fd = stdio_output(s, which);

	close(*fd);
	*fd = -1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

void stdio_read(struct session *s, unsigned int which)
{
	uint8_t data[WIRE_DATA];
	size_t want = sizeof(data);
	ssize_t n;

	if (s->reaped && s->left[which] >= 0 && (size_t)s->left[which] < want)
		want = s->left[which];
	n = want ? read(*stdio_output(s, which), data, want) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stdio_close_output(s, which);
		return;
	}
	if (s->reaped && s->left[which] >= 0)
		s->left[which] -= n;
	s->last_ms = s->reaped ? now_ms() : 0;
	session_put(s, which ? WIRE_STDERR : WIRE_STDOUT, data, n);
}

/*
 * The command has ended. What it wrote is all there; others may hold its pipes
 * open for long (a daemon it has started), they are not waited for. What is on
 * its way through a terminal cannot be counted: it is over at its end, or when
 * nothing has come for a moment.
 */
static void count_rest(struct session *s)
{
	for (unsigned int i = 0; i < 2; i++) {
		int n;

		s->left[i] = -1;
		if (!s->tty && *stdio_output(s, i) >= 0 &&
		    ioctl(*stdio_output(s, i), FIONREAD, &n) == 0)
			s->left[i] = n;
	}
}

/* Read from the command only if nothing of that waits already. */
bool stdio_may_read(const struct session *s)
{
	return s->out_len < OUT_SMALL / 2;
}

bool session_soon(const struct session *s)
{
	return s->state == RUNNING && s->reaped && s->tty &&
	       s->command.out >= 0;
}

void stdio_leave_if_done(struct session *s)
{
	uint8_t end[2] = { 0 };

	for (unsigned int i = 0; i < 2 && s->reaped; i++)
		if (*stdio_output(s, i) >= 0 && s->left[i] == 0)
			stdio_close_output(s, i);
	if (session_soon(s) && stdio_may_read(s) && now_ms() - s->last_ms > QUIET_MS)
		stdio_close_output(s, 0);
	if (s->state != RUNNING || !s->reaped || s->command.out >= 0 ||
	    s->command.err >= 0)
		return;
	if (WIFSIGNALED(s->status))
		end[1] = WTERMSIG(s->status);
	else
		end[0] = WEXITSTATUS(s->status);
	session_put(s, WIRE_EXIT, end, sizeof(end));
	stdio_close_input(s);
	s->state = LEAVING;
}

bool session_reap(struct session *s, pid_t pid, int status)
{
	if (s->state != RUNNING || s->reaped || s->command.pid != pid)
		return false;
	s->reaped = true;
	s->status = status;
	s->last_ms = now_ms();
	count_rest(s);
	return true;
}

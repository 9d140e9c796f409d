// SPDX-License-Identifier: GPL-2.0
/* Console output, see sink.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"
#include "core/sink.h"

int sink_open(struct sink *s, bool use_stdout, const char *log_path)
{
	int err;

	memset(s, 0, sizeof(*s));
	s->out = use_stdout ? STDOUT_FILENO : -1;
	s->log = -1;
	if (log_path) {
		s->log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			      0600);
		if (s->log < 0) {
			err = -errno;
			say("--log: %s: cannot open: %s", log_path, strerror(-err));
			return err;
		}
	}
	err = hub_init(&s->hub);
	if (err) {
		say("console: out of memory or descriptors: %s", strerror(-err));
		if (s->log >= 0)
			close(s->log);
		return err;
	}
	pthread_mutex_init(&s->lock, NULL);
	return 0;
}

void sink_close(struct sink *s)
{
	if (s->log >= 0)
		close(s->log);
	hub_free(&s->hub);
	pthread_mutex_destroy(&s->lock);
}

void sink_abort(struct sink *s)
{
	atomic_store(&s->abort, true);
}

/* 0: all written or aborted. */
static int write_out(struct sink *s, int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n;

		if (atomic_load(&s->abort) && fd == s->out)
			return 0;
		n = write(fd, data, len);
		if (n < 0 && errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

static void write_both(struct sink *s, const char *data, size_t len)
{
	int err;

	if (len == 0)
		return;
	s->mid_line = data[len - 1] != '\n';
	/* The log first: it must have all even if standard output hangs. */
	if (s->log >= 0) {
		err = write_out(s, s->log, data, len);
		if (err) {
			say("--log: cannot write, no more logging: %s",
			    strerror(-err));
			close(s->log);
			s->log = -1;
		}
	}
	if (s->out >= 0) {
		err = write_out(s, s->out, data, len);
		if (err) {
			say("standard output: cannot write, the guest goes on without: %s",
			    strerror(-err));
			s->out = -1;
		}
	}
	hub_write(&s->hub, data, len, &s->abort);
}

void sink_write(struct sink *s, const void *data, size_t len)
{
	pthread_mutex_lock(&s->lock);
	write_both(s, data, len);
	pthread_mutex_unlock(&s->lock);
}

void sink_write_text(struct sink *s, const char *text, size_t len)
{
	pthread_mutex_lock(&s->lock);
	while (s->raw && len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t part = newline ? (size_t)(newline - text) : len;

		write_both(s, text, part);
		text += part;
		len -= part;
		if (newline) {
			write_both(s, "\r\n", 2);
			text++;
			len--;
		}
	}
	write_both(s, text, len);
	pthread_mutex_unlock(&s->lock);
}

void sink_end_line(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->mid_line && s->out >= 0)
		write_out(s, s->out, s->raw ? "\r\n" : "\n", s->raw ? 2 : 1);
	s->mid_line = false;
	pthread_mutex_unlock(&s->lock);
}

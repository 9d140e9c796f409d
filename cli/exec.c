// SPDX-License-Identifier: GPL-2.0
/*
 * `colinux exec`, `shell`, `gui`: a command in the guest with the standard
 * files of this process, see docs/agent.md.
 *
 * Standard output may be slow: writing it waits, and meanwhile nothing is read
 * from the guest, so the command waits as well. Signals interrupt that.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_client.h"
#include "cli.h"
#include "core/log.h"
#include "exec.h"
#include "os/os.h"

#define PATIENCE	3	/* signals that the command may ignore */

struct exec {
	struct agent agent;
	const struct exec_options *options;
	bool raw;		/* the terminal is */
	bool input_open;
	bool running;
	uint32_t credit;
	unsigned int ignored;
	int status;		/* -1: not ended */
};

/* --- signals -------------------------------------------------------------- */

static const int caught[] = {
	SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT,
};
#define CAUGHT	(sizeof(caught) / sizeof(caught[0]))

static volatile sig_atomic_t came[NSIG];

static void on_signal(int sig)
{
	came[sig] = 1;
}

static void catch_signals(void)
{
	/* No SA_RESTART: a write that waits is to be interrupted. */
	struct sigaction act = { .sa_handler = on_signal };
	struct sigaction before;

	signal(SIGPIPE, SIG_IGN);
	for (unsigned int i = 0; i < CAUGHT; i++) {
		sigaction(caught[i], NULL, &before);
		if (before.sa_handler != SIG_IGN)	/* nohup, & */
			sigaction(caught[i], &act, NULL);
	}
}

static void block_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	for (unsigned int i = 0; i < CAUGHT; i++)
		sigaddset(&set, caught[i]);
	sigprocmask(how, &set, NULL);
}

static void send_size(struct exec *x)
{
	unsigned int columns, rows;
	uint8_t bytes[4];

	if (!x->options->tty || os_terminal_size(&columns, &rows))
		return;
	wire_put16(bytes, rows);
	wire_put16(bytes + 2, columns);
	agent_send(&x->agent, WIRE_WINSIZE, bytes, sizeof(bytes));
}

static void take_signal(struct exec *x, int sig)
{
	uint8_t bytes[4];

	switch (sig) {
	case SIGWINCH:
		send_size(x);
		return;
	case SIGCONT:
		if (x->raw)
			os_terminal_again();
		send_size(x);
		return;
	}
	/* The agent hangs up on the command when we are gone. */
	if (sig == SIGHUP || x->options->tty || ++x->ignored >= PATIENCE ||
	    !x->running) {
		x->status = 128 + sig;
		return;
	}
	wire_put32(bytes, sig);
	/* Another signal came while the guest was not listening: later. */
	if (agent_send(&x->agent, WIRE_SIGNAL, bytes, sizeof(bytes)) == -EINTR)
		came[sig] = 1;
}

static void take_signals(struct exec *x)
{
	for (unsigned int i = 0; i < CAUGHT && x->status < 0; i++) {
		if (!came[caught[i]])
			continue;
		came[caught[i]] = 0;
		take_signal(x, caught[i]);
	}
}

/* --- input ---------------------------------------------------------------- */

static void send_input(struct exec *x, const uint8_t *data, size_t len)
{
	int err;

	do {
		take_signals(x);
		err = agent_send(&x->agent, WIRE_STDIN, data, len);
	} while (err == -EINTR && x->status < 0);
	/* A broken connection is noticed by reading from it. */
	if (err)
		x->input_open = false;
	x->credit -= len;
}

static void read_input(struct exec *x)
{
	uint8_t data[WIRE_DATA];
	size_t want = x->credit < sizeof(data) ? x->credit : sizeof(data);
	ssize_t n = read(STDIN_FILENO, data, want);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		n = 0;
		x->input_open = false;
	}
	send_input(x, data, n);
}

/* --- output --------------------------------------------------------------- */

static void write_output(struct exec *x, int fd, const struct frame *f)
{
	size_t done = 0;

	while (done < f->len && x->status < 0) {
		ssize_t n = write(fd, f->data + done, f->len - done);

		if (n >= 0) {
			done += n;
			continue;
		}
		if (errno == EAGAIN) {
			struct pollfd p = { .fd = fd, .events = POLLOUT };

			poll(&p, 1, -1);
		} else if (errno == EPIPE) {
			x->status = 128 + SIGPIPE;	/* as any program */
		} else if (errno != EINTR) {
			say("%s: standard %s: cannot write: %s",
			    x->options->what, fd == 1 ? "output" : "error",
			    strerror(errno));
			x->status = EXEC_FAILED;
		}
		take_signals(x);
	}
}

/* --- frames --------------------------------------------------------------- */

static void leave_terminal(struct exec *x)
{
	if (x->raw)
		os_terminal_leave();
	x->raw = false;
}

static void broken(struct exec *x, const char *why)
{
	leave_terminal(x);
	say("%s: %s: %s", x->options->what, x->options->name, why);
	x->status = EXEC_FAILED;
}

/* Text of the guest, for our one line. */
static void say_error(struct exec *x, const struct frame *f)
{
	char text[256];
	size_t n = 0;

	for (; n + 1 < f->len && n < sizeof(text) - 1; n++) {
		uint8_t c = f->data[n + 1];

		text[n] = c < ' ' || c == 0x7f ? ' ' : c;
	}
	text[n] = '\0';
	broken(x, text);
	x->status = f->data[0];
}

static void on_exit_frame(struct exec *x, const struct frame *f)
{
	if (f->len != 2) {
		broken(x, "the agent's answer makes no sense");
		return;
	}
	x->status = f->data[1] ? 128 + f->data[1] : f->data[0];
}

static void on_frame(struct exec *x, const struct frame *f)
{
	switch (f->type) {
	case WIRE_STARTED:
		x->running = true;
		return;
	case WIRE_STDOUT:
		write_output(x, STDOUT_FILENO, f);
		return;
	case WIRE_STDERR:
		write_output(x, STDERR_FILENO, f);
		return;
	case WIRE_EXIT:
		on_exit_frame(x, f);
		return;
	case WIRE_CLOSED:
		x->input_open = false;
		return;
	case WIRE_CREDIT:
		if (f->len == 4 && wire_get32(f->data) <= WIRE_WINDOW) {
			x->credit += wire_get32(f->data);
			return;
		}
		break;
	case WIRE_X11_NEW:
		if (f->len == WIRE_COOKIE + 4 && x->options->request.cookie) {
			display_join(x->options->name, f->data);
			return;
		}
		break;
	case WIRE_ERROR:
		if (f->len > 0) {
			say_error(x, f);
			return;
		}
	}
	broken(x, "the agent's answer makes no sense");
}

static void take_frames(struct exec *x)
{
	struct frame f;
	int got = 0;

	while (x->status < 0 && (got = wire_take(&x->agent.in, &f)) == 1)
		on_frame(x, &f);
	if (got < 0)
		broken(x, "the agent's answer makes no sense");
}

/* --- all of it ------------------------------------------------------------ */

static void turn(struct exec *x, const sigset_t *unblocked)
{
	bool want = x->input_open && x->running && x->credit > 0;
	struct pollfd p[2] = {
		{ .fd = x->agent.fd, .events = POLLIN },
		{ .fd = want ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int n;

	block_signals(SIG_BLOCK);
	take_signals(x);
	n = x->status < 0 ? ppoll(p, 2, NULL, unblocked) : 0;
	block_signals(SIG_UNBLOCK);
	if (n <= 0)
		return;
	if (p[0].revents) {
		if (wire_read(&x->agent.in, x->agent.fd) <= 0)
			broken(x, "the connection broke: the guest, its daemon or its agent has ended");
		take_frames(x);
	}
	if (p[1].revents && x->status < 0)
		read_input(x);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;		/* display_join()'s */
}

static int start(struct exec *x)
{
	const struct exec_options *o = x->options;
	uint8_t *payload = malloc(WIRE_MAX);
	size_t len;
	int err;

	if (!payload)
		return -ENOMEM;
	len = wire_request_write(&o->request, payload, WIRE_MAX);
	if (!len) {
		say("%s: the command and its variables are too long: use less than %u KiB",
		    o->what, WIRE_MAX >> 10);
		err = -E2BIG;
	} else {
		err = agent_connect(&x->agent, o->what, o->name, o->wait,
				    WIRE_EXEC, payload, len);
	}
	free(payload);
	return err;
}

int exec_run(const struct exec_options *o)
{
	struct exec x = { .options = o, .input_open = true, .status = -1 };
	sigset_t unblocked;

	if (start(&x))
		return EXEC_FAILED;
	sigprocmask(SIG_SETMASK, NULL, &unblocked);
	x.raw = o->tty && os_terminal_enter();
	catch_signals();
	take_frames(&x);	/* those that came with the greeting */
	while (x.status < 0)
		turn(&x, &unblocked);
	leave_terminal(&x);
	agent_close(&x.agent);
	return x.status;
}

/* --- the commands --------------------------------------------------------- */

static void set_terminal(struct exec_options *o)
{
	unsigned int columns, rows;
	const char *term = getenv("TERM");
	static char var[80];

	o->request.tty = o->tty;
	if (!o->tty)
		return;
	if (os_terminal_size(&columns, &rows) == 0) {
		o->request.columns = columns;
		o->request.rows = rows;
	}
	if (o->request.vars == WIRE_ARGS)
		return;
	/* First, so that the user's wins. */
	memmove(o->request.var + 1, o->request.var,
		o->request.vars * sizeof(o->request.var[0]));
	snprintf(var, sizeof(var), "TERM=%s", term && *term ? term : "linux");
	o->request.var[0] = var;
	o->request.vars++;
}

static int execute(const char *what, int argc, char **argv)
{
	static struct exec_options o;
	static struct display d;
	int err;

	o.what = what;
	o.request.login = !strcmp(what, "shell");
	err = exec_args(&o, argc, argv);
	if (err)
		return err == -ECANCELED ? 0 : EXEC_FAILED;
	if (!strcmp(what, "gui")) {
		if (display_find(&d))
			return EXEC_FAILED;
		o.request.cookie = d.cookie;
	}
	set_terminal(&o);
	return exec_run(&o);
}

enum exit_code cli_exec(int argc, char **argv)
{
	return (enum exit_code)execute("exec", argc, argv);
}

enum exit_code cli_shell(int argc, char **argv)
{
	return (enum exit_code)execute("shell", argc, argv);
}

enum exit_code cli_gui(int argc, char **argv)
{
	return (enum exit_code)execute("gui", argc, argv);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The main thread while the guest runs: keys, signals, the end.
 *
 * Keys are always read, even if the guest takes none: the escape key must
 * work when the guest hangs. Input from a pipe waits until there is room.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/control.h"
#include "core/log.h"
#include "core/machine.h"
#include "os/os.h"

#define ESCAPE_KEY	0x1d		/* ctrl-] */
#define BELL		"\a"
#define KILL_KICK_MS	20

enum { ON_SIGNAL, ON_END, ON_INPUT, ON_ROOM, EVENTS };

struct loop {
	struct machine *m;
	struct pollfd event[EVENTS + CONTROL_POLLS];
	bool terminal;		/* standard input is one, and raw */
	bool input_open;
	bool escape;		/* the last key was the escape key */
	bool ended;
};

static void signals_we_take(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGWINCH);
	sigaddset(set, SIGCONT);
}

void loop_block_signals(void)
{
	sigset_t set;

	signals_we_take(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* write() and read() report these conditions well enough. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
}

/* --- ending the guest ----------------------------------------------------- */

void machine_kill(struct machine *m)
{
	atomic_store(&m->kill, true);
	sink_abort(&m->sink);
	threads_kick();		/* again by the loop until it has ended */
}

int machine_stop(struct machine *m)
{
	struct co_boot *boot = guest_mem_at(&m->mem, CO_BOOT_GPA, sizeof(*boot));
	int err;

	if (!m->asked)
		control_event(m->control, json_pack("{s:s}", "event",
						    "stopping"));
	m->asked = true;
	/* Before the virq: the guest looks at it when that arrives. */
	__atomic_store_n(&boot->control, CO_CONTROL_POWEROFF, __ATOMIC_RELEASE);
	err = os_driver_raise(m->driver, 0, CO_VIRQ_CONTROL);
	if (err)
		say("cannot tell the guest: %s", strerror(-err));
	return err;
}

/* A signal or a key: the second one is meant to help. */
static void ask_power_off(struct loop *l)
{
	if (l->m->asked) {
		machine_kill(l->m);
		return;
	}
	say("asked the guest to power off: once more to end it at once");
	machine_stop(l->m);
}

/* --- input ---------------------------------------------------------------- */

static void escaped(struct loop *l, char key)
{
	const char escape = ESCAPE_KEY;

	switch (key) {
	case 'q':
		machine_kill(l->m);
		break;
	case 'p':
		ask_power_off(l);
		break;
	case 'd':
		say("the guest runs in the foreground: it cannot be detached");
		break;
	case ESCAPE_KEY:
		cocon_input(l->m->cocon, &escape, 1);
		break;
	default:
		say("after ctrl-]: q ends the guest, p asks it to power off, ctrl-] sends itself");
	}
}

/* Passes on keys up to the next escape key; drops what nobody takes. */
static void terminal_input(struct loop *l, const char *keys, size_t len)
{
	while (len > 0) {
		const char *found;
		size_t part;

		if (l->escape) {
			l->escape = false;
			escaped(l, *keys);
			keys++;
			len--;
			continue;
		}
		found = memchr(keys, ESCAPE_KEY, len);
		part = found ? (size_t)(found - keys) : len;
		if (part > cocon_room(l->m->cocon)) {
			/* As a UART does: the guest is not listening. */
			if (write(STDERR_FILENO, BELL, 1) < 0)
				return;
		} else {
			cocon_input(l->m->cocon, keys, part);
		}
		l->escape = found;
		part += found ? 1 : 0;
		keys += part;
		len -= part;
	}
}

static void on_input(struct loop *l)
{
	size_t room = cocon_room(l->m->cocon);
	char buf[256];
	ssize_t n;

	if (l->terminal || room > sizeof(buf))
		room = sizeof(buf);
	if (room == 0)
		return;
	n = read(STDIN_FILENO, buf, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0)
		l->input_open = false;	/* the guest goes on without */
	else if (l->terminal)
		terminal_input(l, buf, n);
	else
		cocon_input(l->m->cocon, buf, n);
}

/* The guest's driver of the console has offered its first buffers. */
static void is_up(struct machine *m)
{
	int err = machine_ready(m);

	if (err)
		say("cannot tell that the guest is up: %s", strerror(-err));
	m->up = true;
	control_event(m->control, json_pack("{s:s}", "event", "running"));
}

static void on_room(struct loop *l)
{
	uint64_t count;

	if (read(l->event[ON_ROOM].fd, &count, sizeof(count)) <= 0)
		return;
	if (!l->m->up)
		is_up(l->m);
	cocon_serve_input(l->m->cocon);
}

/* --- signals -------------------------------------------------------------- */

static void resize(struct machine *m)
{
	unsigned int columns, rows;

	/* cocon=COLSxROWS fixes the size. */
	if (m->config->columns == 0 && os_terminal_size(&columns, &rows) == 0)
		cocon_resize(m->cocon, columns, rows);
}

static void on_signal(struct loop *l)
{
	struct signalfd_siginfo info;

	if (read(l->event[ON_SIGNAL].fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGWINCH:
		resize(l->m);
		break;
	case SIGCONT:
		os_terminal_again();
		break;
	default:
		ask_power_off(l);
	}
}

/* --- the loop ------------------------------------------------------------- */

static void turn(struct loop *l)
{
	struct pollfd *e = l->event;
	bool killing = atomic_load(&l->m->kill);
	bool want_input = l->input_open &&
			  (l->terminal || cocon_room(l->m->cocon) > 0);

	unsigned int n = EVENTS + control_poll(l->m->control, e + EVENTS);

	e[ON_INPUT].fd = want_input ? STDIN_FILENO : -1;
	if (poll(e, n, killing ? KILL_KICK_MS : -1) < 0)
		return;		/* EINTR: look again */
	if (killing)
		threads_kick();
	if (e[ON_SIGNAL].revents)
		on_signal(l);
	if (e[ON_ROOM].revents)
		on_room(l);
	if (e[ON_INPUT].revents)
		on_input(l);
	control_serve(l->m->control, e + EVENTS);
	if (e[ON_END].revents)
		l->ended = true;
}

int loop_run(struct machine *m)
{
	struct loop l = { .m = m };
	sigset_t set;
	int signals, err;

	signals_we_take(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return -errno;
	for (int i = 0; i < EVENTS; i++)
		l.event[i].events = POLLIN;
	err = control_open(m, &m->control);
	if (err)
		goto close;
	l.event[ON_SIGNAL].fd = signals;
	l.event[ON_END].fd = m->end_event;
	l.event[ON_ROOM].fd = cocon_input_doorbell(m->cocon);
	l.input_open = !m->config->no_console;
	l.terminal = m->terminal;
	while (!l.ended)
		turn(&l);
	control_close(m->control);
	m->control = NULL;
close:
	close(signals);
	return err;
}

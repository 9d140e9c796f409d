// SPDX-License-Identifier: GPL-2.0
/*
 * The terminal on Linux, see os.h. Its old settings live in a global, as a
 * signal handler must be able to restore them when the daemon crashes.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "core/log.h"
#include "os/os.h"

static struct termios before;
static struct termios raw;
static atomic_bool is_raw;

static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };

static void restore(void)
{
	if (atomic_exchange(&is_raw, false))
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

/* Runs with SA_RESETHAND: returning from it crashes again, for good. */
static void on_crash(int sig)
{
	if (atomic_exchange(&is_raw, false))
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	raise(sig);
}

static void catch_crashes(void)
{
	struct sigaction act = {
		.sa_handler = on_crash,
		.sa_flags = SA_RESETHAND,
	};

	for (size_t i = 0; i < sizeof(crashes) / sizeof(*crashes); i++)
		sigaction(crashes[i], &act, NULL);
}

bool os_terminal_enter(void)
{
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) < 0)
		return false;
	/* In the background the terminal belongs to somebody else. */
	if (tcgetpgrp(STDIN_FILENO) != getpgrp())
		return false;
	raw = before;
	cfmakeraw(&raw);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	catch_crashes();
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		return false;
	atomic_store(&is_raw, true);
	say_set_raw(true);
	return true;
}

void os_terminal_leave(void)
{
	restore();
	say_set_raw(false);
}

void os_terminal_again(void)
{
	if (atomic_load(&is_raw))
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

int os_terminal_size(unsigned int *columns, unsigned int *rows)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 &&
	    ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return -ENOTTY;
	if (size.ws_col == 0 || size.ws_row == 0)
		return -ENOTTY;
	*columns = size.ws_col;
	*rows = size.ws_row;
	return 0;
}

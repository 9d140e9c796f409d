// SPDX-License-Identifier: GPL-2.0
/* The host's end of a serial port, see serial.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/serial.h"
#include "core/log.h"

#define UNIX_PREFIX	"unix:"

static const struct {
	unsigned int baud;
	speed_t speed;
} speeds[] = {
	{ 300, B300 }, { 1200, B1200 }, { 2400, B2400 }, { 4800, B4800 },
	{ 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 },
	{ 57600, B57600 }, { 115200, B115200 }, { 230400, B230400 },
	{ 460800, B460800 }, { 921600, B921600 },
};

/* "/dev/ttyS0,9600": where the comma is, if a number is behind it. */
static const char *find_speed(const char *spec)
{
	const char *comma = strrchr(spec, ',');

	return comma && isdigit((unsigned char)comma[1]) &&
	       strspn(comma + 1, "0123456789") == strlen(comma + 1) ? comma :
								      NULL;
}

static int parse_speed(const char *text, speed_t *speed)
{
	unsigned long baud = strtoul(text, NULL, 10);

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		if (speeds[i].baud != baud)
			continue;
		*speed = speeds[i].speed;
		return 0;
	}
	return -EINVAL;
}

int serial_check(const char *spec, const char *what)
{
	const char *comma = find_speed(spec);
	speed_t speed;

	if (!strncmp(spec, UNIX_PREFIX, strlen(UNIX_PREFIX))) {
		if (spec[strlen(UNIX_PREFIX)])
			return 0;
		say("%s: '%s' has no path: use unix:PATH", what, spec);
		return -EINVAL;
	}
	if (strcmp(spec, "pty") && !strchr(spec, '/')) {
		say("%s: '%s' is no serial port: use pty, unix:PATH, or the path of a tty or file, with a '/' in it",
		    what, spec);
		return -EINVAL;
	}
	if (comma && parse_speed(comma + 1, &speed)) {
		say("%s: '%s' is not a speed: use 9600, 115200 or the like",
		    what, comma + 1);
		return -EINVAL;
	}
	return 0;
}

/* --- ttys ----------------------------------------------------------------- */

static int make_raw(int fd, const char *speed_text)
{
	struct termios raw;
	speed_t speed;

	if (tcgetattr(fd, &raw) < 0)
		return -errno;
	cfmakeraw(&raw);
	raw.c_cflag |= CLOCAL | CREAD;
	if (speed_text && !parse_speed(speed_text, &speed))
		cfsetspeed(&raw, speed);
	return tcsetattr(fd, TCSANOW, &raw) < 0 ? -errno : 0;
}

static int use_tty(struct serial *s, const char *path, const char *speed)
{
	int err;

	if (flock(s->fd, LOCK_EX | LOCK_NB) < 0) {
		say("ttys%u: %s: is in use by another guest", s->number, path);
		return -EBUSY;
	}
	if (tcgetattr(s->fd, &s->before) < 0)
		return -errno;
	err = make_raw(s->fd, speed);
	if (err) {
		say("ttys%u: %s: cannot set it up: %s", s->number, path,
		    strerror(-err));
		return err;
	}
	s->is_tty = true;
	s->reads = true;
	return 0;
}

static int open_path(struct serial *s, const char *spec)
{
	const char *comma = find_speed(spec);
	struct stat st = { 0 };
	char path[PATH_MAX];
	int flags = O_WRONLY | O_APPEND | O_CREAT;

	snprintf(path, sizeof(path), "%.*s",
		 (int)(comma ? comma - spec : (long)strlen(spec)), spec);
	if (stat(path, &st) == 0 && S_ISCHR(st.st_mode))
		flags = O_RDWR | O_NOCTTY;
	s->fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		say("ttys%u: %s: cannot open: %s", s->number, path,
		    strerror(errno));
		return -errno;
	}
	if (isatty(s->fd))
		return use_tty(s, path, comma ? comma + 1 : NULL);
	if (!comma)
		return 0;
	say("ttys%u: %s: is no tty, it has no speed: remove '%s'", s->number,
	    path, comma);
	return -ENOTTY;
}

/* A name that does not change, for one that does. */
static int link_pty(struct serial *s, const char *pty, const char *dir)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ttys%u", dir, s->number);
	if (symlink(pty, path) < 0)
		return -errno;
	s->remove = strdup(path);
	say("ttys%u: is %s, %s", s->number, path, pty);
	return 0;
}

static int open_pty(struct serial *s, const char *dir)
{
	char pty[64];
	int err = 0;

	s->fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (s->fd < 0 || grantpt(s->fd) < 0 || unlockpt(s->fd) < 0 ||
	    ptsname_r(s->fd, pty, sizeof(pty)) ||
	    fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
		err = -errno;
	if (!err)
		s->other = open(pty, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (!err && s->other < 0)
		err = -errno;
	if (!err)
		err = make_raw(s->other, NULL);
	if (!err)
		err = link_pty(s, pty, dir);
	if (err)
		say("ttys%u: cannot make a pty: %s", s->number, strerror(-err));
	s->reads = true;
	return err;
}

/* --- Unix sockets --------------------------------------------------------- */

/* A socket that nobody listens to is what a killed daemon left. */
static void remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd;

	if (lstat(at->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(at->sun_path);
	close(fd);
}

static int open_unix(struct serial *s, const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int err = 0;

	if (strlen(path) >= sizeof(at.sun_path)) {
		say("ttys%u: %s: is too long for a socket: use at most %zu bytes",
		    s->number, path, sizeof(at.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(at.sun_path, path);
	remove_stale(&at);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
			     SOCK_NONBLOCK, 0);
	if (s->listener < 0 ||
	    bind(s->listener, (struct sockaddr *)&at, sizeof(at)) < 0)
		err = -errno;
	if (!err)
		s->remove = strdup(path);
	if (!err && (chmod(path, 0600) < 0 || listen(s->listener, 1) < 0))
		err = -errno;
	if (err)
		say("ttys%u: %s: cannot listen there: %s", s->number, path,
		    strerror(-err));
	s->reads = true;
	return err;
}

int serial_open(struct serial *s, unsigned int number, const char *spec,
		const char *dir)
{
	int err;

	*s = (struct serial) {
		.number = number, .fd = -1, .listener = -1, .other = -1,
	};
	if (!strcmp(spec, "pty"))
		err = open_pty(s, dir);
	else if (!strncmp(spec, UNIX_PREFIX, strlen(UNIX_PREFIX)))
		err = open_unix(s, spec + strlen(UNIX_PREFIX));
	else
		err = open_path(s, spec);
	if (err)
		serial_close(s);
	return err;
}

void serial_close(struct serial *s)
{
	if (s->is_tty)
		tcsetattr(s->fd, TCSANOW, &s->before);
	if (s->fd >= 0)
		close(s->fd);
	if (s->listener >= 0)
		close(s->listener);
	if (s->other >= 0)
		close(s->other);
	if (s->remove)
		unlink(s->remove);
	free(s->remove);
	s->fd = -1;
	s->listener = -1;
	s->other = -1;
	s->is_tty = false;
	s->remove = NULL;
}

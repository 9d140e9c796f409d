// SPDX-License-Identifier: GPL-2.0
/*
 * Displays for programs of the guest: for each session that asks for one a
 * Unix socket as X servers have it, /tmp/.X11-unix/Xn. Who connects waits here
 * until the host's end, which knows the display there, has made a connection
 * of its own and joins the two; a child process then carries the bytes.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "pump.h"

#define FIRST_DISPLAY	10
#define LAST_DISPLAY	137
#define WAITING		64
#define COOKIE_NAME	"MIT-MAGIC-COOKIE-1"
#define FAMILY_WILD	0xffff

/* Programs that wait to be joined; the oldest makes room. */
static struct {
	int fd;
	uint32_t number;
	uint8_t secret[WIRE_COOKIE];
} waiting[WAITING];
static uint32_t last_number;

/* --- the cookie ----------------------------------------------------------- */

static int hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' :
					   tolower((unsigned char)c) - 'a' + 10;
}

static int parse_cookie(const char *hex, uint8_t *cookie)
{
	for (unsigned int i = 0; i < WIRE_COOKIE; i++) {
		if (!isxdigit((unsigned char)hex[2 * i]) ||
		    !isxdigit((unsigned char)hex[2 * i + 1]))
			return -EINVAL;
		cookie[i] = hex_digit(hex[2 * i]) << 4 |
			    hex_digit(hex[2 * i + 1]);
	}
	return hex[2 * WIRE_COOKIE] ? -EINVAL : 0;
}

/* Counted strings, big endian, as xauth(1) writes them. */
static size_t add_counted(uint8_t *to, const void *data, uint16_t len)
{
	to[0] = len >> 8;
	to[1] = len;
	memcpy(to + 2, data, len);
	return len + 2;
}

static int write_authority(struct x11 *x, const uint8_t *cookie,
			   const struct user *u)
{
	uint8_t entry[128] = { FAMILY_WILD >> 8, FAMILY_WILD & 0xff };
	char display[12];
	size_t n = 2;
	int fd, err = 0;

	snprintf(display, sizeof(display), "%u", x->display);
	n += add_counted(entry + n, "", 0);
	n += add_counted(entry + n, display, strlen(display));
	n += add_counted(entry + n, COOKIE_NAME, strlen(COOKIE_NAME));
	n += add_counted(entry + n, cookie, WIRE_COOKIE);
	snprintf(x->authority, sizeof(x->authority),
		 "/run/colinux-agent.X%u", x->display);
	unlink(x->authority);
	fd = open(x->authority, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, entry, n) != (ssize_t)n || fchown(fd, u->uid, u->gid) < 0)
		err = -EIO;
	close(fd);
	return err;
}

/* --- the display ---------------------------------------------------------- */

static int listen_at(struct x11 *x, unsigned int display, const struct user *u)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t mask;
	int err, fd;

	snprintf(x->socket, sizeof(x->socket), "/tmp/.X11-unix/X%u", display);
	strcpy(at.sun_path, x->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&at, sizeof(at));
	umask(mask);
	if (err < 0)
		goto close;
	x->display = display;
	if (chown(x->socket, u->uid, u->gid) < 0 || listen(fd, 16) < 0) {
		unlink(x->socket);
		goto close;
	}
	x->listener = fd;
	return 0;
close:
	err = -errno;
	close(fd);
	return err;
}

int x11_open(struct x11 *x, const char *cookie, const struct user *u)
{
	uint8_t bytes[WIRE_COOKIE];
	int err = -EADDRINUSE;

	if (*cookie && parse_cookie(cookie, bytes))
		return -EINVAL;
	if (getrandom(x->secret, sizeof(x->secret), 0) != sizeof(x->secret))
		return -EIO;
	mkdir("/tmp/.X11-unix", 01777);
	if (chmod("/tmp/.X11-unix", 01777) < 0)
		return -errno;
	for (unsigned int d = FIRST_DISPLAY;
	     d <= LAST_DISPLAY && err == -EADDRINUSE; d++)
		err = listen_at(x, d, u);
	if (!err && *cookie)
		err = write_authority(x, bytes, u);
	if (err)
		x11_close(x);
	return err;
}

static void forget(unsigned int i)
{
	if (waiting[i].number)
		close(waiting[i].fd);
	memset(&waiting[i], 0, sizeof(waiting[i]));
}

void x11_close(struct x11 *x)
{
	if (x->listener < 0)
		return;
	close(x->listener);
	x->listener = -1;
	unlink(x->socket);
	if (*x->authority)
		unlink(x->authority);
	for (unsigned int i = 0; i < WAITING; i++)
		if (!memcmp(waiting[i].secret, x->secret, WIRE_COOKIE))
			forget(i);
}

int x11_accept(struct x11 *x)
{
	int fd = accept4(x->listener, NULL, NULL, SOCK_CLOEXEC);
	unsigned int i;

	if (fd < 0)
		return -errno;
	last_number = last_number % 0x7fffffff + 1;
	i = last_number % WAITING;
	forget(i);
	waiting[i].fd = fd;
	waiting[i].number = last_number;
	memcpy(waiting[i].secret, x->secret, WIRE_COOKIE);
	return last_number;
}

bool x11_join(int fd, const uint8_t *secret, uint32_t number)
{
	unsigned int i = number % WAITING;
	pid_t pid;

	if (!number || waiting[i].number != number ||
	    memcmp(waiting[i].secret, secret, WIRE_COOKIE))
		return false;
	pid = fork();
	if (pid == 0) {
		spawn_plain_signals();
		signal(SIGPIPE, SIG_IGN);
		pump(fd, waiting[i].fd);
		_exit(0);
	}
	forget(i);
	return pid > 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The host's X display for programs of the guest (docs/agent.md): for each of
 * their connections one to the X server here and one to the agent, joined by a
 * process. The user's own cookie opens the display, so the guest's programs may
 * do there what the user's programs may.
 */
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/pump.h"
#include "agent_client.h"
#include "core/log.h"
#include "exec.h"

#define COOKIE_NAME	"MIT-MAGIC-COOKIE-1"
#define FIELD_MAX	256
#define X_TCP_PORT	6000

static struct display ours;
static char tcp_host[100], tcp_port[16];	/* "": a Unix socket */

/* --- the cookie ----------------------------------------------------------- */

/* A counted string of an .Xauthority; -1: there is none. */
static int read_field(FILE *f, char *to)
{
	int high = getc(f), low = getc(f), len;

	if (high == EOF || low == EOF)
		return -1;
	len = high << 8 | low;
	if (len >= FIELD_MAX || fread(to, 1, len, f) != (size_t)len)
		return -1;
	to[len] = '\0';
	return len;
}

/*
 * The cookie for this display: files hold one for each name of the host, which
 * are the same in practice, so the name is not looked at.
 */
static void find_cookie(FILE *f, const char *number, char *hex)
{
	char host[FIELD_MAX], display[FIELD_MAX], name[FIELD_MAX];
	char data[FIELD_MAX];

	while (getc(f) != EOF && getc(f) != EOF) {	/* the family */
		int len;

		if (read_field(f, host) < 0 || read_field(f, display) < 0 ||
		    read_field(f, name) < 0)
			return;
		len = read_field(f, data);
		if ((*display && strcmp(display, number)) ||
		    strcmp(name, COOKIE_NAME) || len != WIRE_COOKIE)
			continue;
		for (int i = 0; i < len; i++)
			sprintf(hex + 2 * i, "%02x", (unsigned char)data[i]);
		return;
	}
}

static void read_authority(const char *number, char *hex)
{
	const char *path = getenv("XAUTHORITY"), *home = getenv("HOME");
	char own[4096];
	FILE *f;

	if (!path || !*path) {
		snprintf(own, sizeof(own), "%s/.Xauthority", home ? home : "");
		path = own;
	}
	f = fopen(path, "re");
	if (!f)
		return;		/* a server may let us in without */
	find_cookie(f, number, hex);
	fclose(f);
}

/* --- the display ---------------------------------------------------------- */

int display_find(struct display *d)
{
	const char *name = getenv("DISPLAY"), *colon;
	char number[8];
	size_t len;

	colon = name ? strrchr(name, ':') : NULL;
	len = colon ? strspn(colon + 1, "0123456789") : 0;
	if (!len || len > 5) {
		say("gui: DISPLAY is %s: run it where X programs run",
		    name && *name ? "no display" : "not set");
		return -EINVAL;
	}
	snprintf(number, sizeof(number), "%.*s", (int)len, colon + 1);
	if (colon == name || !strncmp(name, "unix:", 5)) {
		snprintf(d->socket, sizeof(d->socket), "/tmp/.X11-unix/X%s",
			 number);
	} else {
		snprintf(tcp_host, sizeof(tcp_host), "%.*s",
			 (int)(colon - name), name);
		snprintf(tcp_port, sizeof(tcp_port), "%d",
			 X_TCP_PORT + atoi(number));
	}
	read_authority(number, d->cookie);
	ours = *d;
	return 0;
}

static int connect_tcp(void)
{
	struct addrinfo want = { .ai_socktype = SOCK_STREAM }, *list, *a;
	int fd = -1;

	if (getaddrinfo(tcp_host, tcp_port, &want, &list))
		return -1;
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

static int connect_display(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd;

	if (*tcp_port)
		return connect_tcp();
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", ours.socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Frames are over after the greeting: these bytes are the program's first. */
static bool pass_on(struct agent *a, int fd)
{
	size_t at = a->in.used;

	while (at < a->in.len) {
		ssize_t n = send(fd, a->in.buf + at, a->in.len - at,
				 MSG_NOSIGNAL);

		if (n < 0)
			return false;
		at += n;
	}
	return true;
}

void display_join(const char *guest, const uint8_t *secret)
{
	struct agent a;
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		say("gui: no process for a connection: %s", strerror(errno));
	if (pid)
		return;
	/* ^C at the terminal is for the command; we end with its sockets. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	fd = connect_display();
	if (fd < 0)
		say("gui: DISPLAY %s: cannot connect to the X server: %s",
		    getenv("DISPLAY"), strerror(errno));
	/* Joined even so: the program is to see that it ends. */
	if (agent_connect(&a, "gui", guest, 5, WIRE_X11, secret,
			  WIRE_COOKIE + 4))
		_exit(EXEC_FAILED);
	if (fd >= 0 && pass_on(&a, fd))
		pump(a.fd, fd);
	_exit(0);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Telling who waits that the guest is up: `colinux start` through a pipe, a
 * service manager through NOTIFY_SOCKET (sd_notify(3): one datagram).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/log.h"
#include "core/machine.h"

/* Not our terminal's any more: messages go where the console's output goes. */
static int leave_caller(struct machine *m)
{
	size_t len = strlen(m->rundir.name);
	int fd = m->config->ready_fd, err = 0;

	if (dup2(m->sink.log, STDERR_FILENO) < 0)
		err = -errno;
	/* A caller that has gone does not matter. */
	if (!err && write(fd, m->rundir.name, len) != (ssize_t)len &&
	    errno != EPIPE)
		err = -errno;
	close(fd);
	return err;
}

static int notify(const char *path)
{
	static const char text[] = "READY=1\nSTATUS=The guest is up";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, err = 0;

	if (len >= sizeof(at.sun_path) || (*path != '/' && *path != '@'))
		return -EINVAL;
	memcpy(at.sun_path, path, len);
	if (*path == '@')
		at.sun_path[0] = '\0';	/* an abstract one */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL,
		   (struct sockaddr *)&at,
		   offsetof(struct sockaddr_un, sun_path) + len) < 0)
		err = -errno;
	close(fd);
	return err;
}

int machine_ready(struct machine *m)
{
	const char *path = getenv("NOTIFY_SOCKET");
	int err = 0;

	if (path && *path)
		err = notify(path);
	if (!err && m->config->ready_fd >= 0)
		err = leave_caller(m);
	return err;
}

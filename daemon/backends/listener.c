// SPDX-License-Identifier: GPL-2.0
/*
 * A private listening socket, see listener.h. It must have a name to be
 * connected to, and has one for a moment, in a directory that is only ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backends/listener.h"

static int connect_all(const struct sockaddr_un *name, int *sockets,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		sockets[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sockets[i] < 0 ||
		    connect(sockets[i], (const struct sockaddr *)name,
			    sizeof(*name)) < 0)
			return -errno;
	}
	return 0;
}

static int bind_and_connect(int listener, const char *dir, int *sockets,
			    unsigned int count)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int err;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", dir);
	if (bind(listener, (struct sockaddr *)&name, sizeof(name)) < 0)
		return -errno;
	err = listen(listener, count) < 0 ? -errno : 0;
	if (!err)
		err = connect_all(&name, sockets, count);
	unlink(name.sun_path);
	return err;
}

int listener_make(int *sockets, unsigned int count)
{
	char dir[] = "/tmp/colinux-XXXXXX";
	int listener, err;

	for (unsigned int i = 0; i < count; i++)
		sockets[i] = -1;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0)
		return -errno;
	if (!mkdtemp(dir)) {
		err = -errno;
		goto close;
	}
	err = bind_and_connect(listener, dir, sockets, count);
	rmdir(dir);
	if (!err)
		return listener;
close:
	close(listener);
	return err;
}

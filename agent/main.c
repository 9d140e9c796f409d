// SPDX-License-Identifier: GPL-2.0
/*
 * colinux-agent: runs commands in the guest for `colinux exec` and `shell` on
 * the host. It listens on a vsock port; only the host may connect.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent.h"

#define QUEUE	128
#define SOON_MS	100

static struct session *sessions[AGENT_SESSIONS];
static unsigned int count;

static int complain(const char *what)
{
	fprintf(stderr, "colinux-agent: %s: %s\n", what, strerror(errno));
	return -1;
}

static int listen_vsock(void)
{
	struct sockaddr_vm at = {
		.svm_family = AF_VSOCK,
		.svm_port = WIRE_PORT,
		.svm_cid = VMADDR_CID_ANY,
	};
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return complain("vsock");
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, QUEUE) < 0)
		return complain("vsock port 1000");
	return fd;
}

/* For tests without a guest: what the daemon's socket looks like. */
static int listen_unix(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, QUEUE) < 0)
		return complain(path);
	return fd;
}

/* Nobody in the guest may use us to become another user. */
static bool is_host(const struct sockaddr_vm *peer)
{
	return peer->svm_family == AF_UNIX ||
	       (peer->svm_family == AF_VSOCK &&
		peer->svm_cid == VMADDR_CID_HOST);
}

static void welcome(int listener, bool prologue)
{
	struct sockaddr_vm peer = { .svm_family = AF_UNIX };
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (!is_host(&peer) || count == AGENT_SESSIONS) {
		close(fd);
		return;
	}
	sessions[count] = session_new(fd, prologue);
	if (sessions[count])
		count++;
	else
		close(fd);
}

static void reap(int signals)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	/* Several children may be behind one signal. */
	if (read(signals, &info, sizeof(info)) < 0 && errno != EAGAIN)
		complain("signalfd");
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (unsigned int i = 0; i < count; i++)
			if (session_reap(sessions[i], pid, status))
				break;
}

static void serve(int listener, int signals, bool prologue)
{
	static struct pollfd p[2 + AGENT_SESSIONS * SESSION_FDS];
	unsigned int polled = count, kept = 0, n = 2;
	bool soon = false;

	/* Who comes when all are taken waits in the listener's queue. */
	p[0] = (struct pollfd) {
		.fd = count < AGENT_SESSIONS ? listener : -1, .events = POLLIN,
	};
	p[1] = (struct pollfd) { .fd = signals, .events = POLLIN };
	for (unsigned int i = 0; i < count; i++) {
		n += session_poll(sessions[i], p + n);
		soon |= session_soon(sessions[i]);
	}
	if (poll(p, n, soon ? SOON_MS : -1) < 0)
		return;
	if (p[1].revents)
		reap(signals);
	n = 2;
	for (unsigned int i = 0; i < polled; i++, n += SESSION_FDS) {
		if (session_serve(sessions[i], p + n, SESSION_FDS))
			sessions[kept++] = sessions[i];
		else
			session_free(sessions[i]);
	}
	count = kept;
	if (p[0].revents)
		welcome(listener, prologue);
}

int main(int argc, char **argv)
{
	bool test = argc == 3 && !strcmp(argv[1], "--unix");
	int listener, signals;
	sigset_t set;

	if (argc > 1 && !test) {
		fprintf(stderr, "colinux-agent " AGENT_RELEASE
			", protocol %d: takes no arguments\n", WIRE_VERSION);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	listener = test ? listen_unix(argv[2]) : listen_vsock();
	if (signals < 0 || listener < 0)
		return 1;
	for (;;)
		serve(listener, signals, test);
}

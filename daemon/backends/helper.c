// SPDX-License-Identifier: GPL-2.0
/*
 * qemu-nbd as our helper: one process for an image that is not simply raw, on
 * a socket that nobody else can connect to. Its end is ours: it is told when
 * we die, however that happens, and goes when we disconnect.
 *
 *	we: bind, listen, connect, unlink	helper: accept on descriptor 3
 *
 * Everything is connected before it runs, so there is no waiting for it to be
 * ready and no name is left behind. The overlay of a snapshot is a file that
 * qemu-nbd unlinks at once, in TMPDIR or /var/tmp.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/listener.h"
#include "backends/nbd.h"
#include "core/log.h"
#include "os/os.h"

#define PROGRAM		"qemu-nbd"
#define LISTEN_FD	3		/* as systemd's socket activation has it */
#define NOT_FOUND	127
#define END_POLL_US	10000
#define END_POLLS	1000		/* 10 s, then it is killed */

/* --- the process ------------------------------------------------------------- */

/*
 * The file as QEMU's options name it. Its lock is ours already, and commas are
 * doubled. false: too long.
 */
static bool name_image(char *text, size_t size, const struct blk_image *image,
		       const char *path)
{
	int n = snprintf(text, size, "driver=%s,file.driver=%s,file.locking=off,file.filename=",
			 blk_format_qemu(image->format),
			 image->block_device ? "host_device" : "file");
	size_t at = n;

	for (; *path && at + 3 < size; path++) {
		if (*path == ',')
			text[at++] = ',';
		text[at++] = *path;
	}
	text[at] = '\0';
	return !*path;
}

/* In the child. Does not return. */
static void become_helper(char **argv, int listener, int errors, pid_t parent)
{
	char pid[24];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(NOT_FOUND);
	setsid();		/* keys on the terminal are not for it */
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	unsetenv("LISTEN_FDNAMES");
	dup2(errors, STDERR_FILENO);
	dup2(errors, STDOUT_FILENO);
	if (listener == LISTEN_FD)
		fcntl(listener, F_SETFD, 0);
	else
		dup2(listener, LISTEN_FD);
	if (os_limit_helper() == 0)
		execvp(PROGRAM, argv);
	dprintf(STDERR_FILENO, "cannot run " PROGRAM
		" (%s): install the package qemu-utils\n", strerror(errno));
	_exit(NOT_FOUND);
}

static int start(char **argv, int listener, int errors, const char *what,
		 pid_t *pid)
{
	pid_t parent = getpid();

	*pid = fork();
	if (*pid < 0) {
		*pid = 0;
		say("%s: cannot start " PROGRAM ": %s", what, strerror(errno));
		return -EAGAIN;
	}
	if (*pid == 0)
		become_helper(argv, listener, errors, parent);
	return 0;
}

static int start_for(const struct blk_image *image, const struct blk_spec *spec,
		     const char *what, int listener, unsigned int count,
		     int errors, pid_t *pid)
{
	char options[2 * PATH_MAX + 128], path[PATH_MAX], shared[16];
	char *argv[12];
	unsigned int n = 0;

	/* Absolute: nothing in it can be taken for a protocol. */
	if (!realpath(spec->path, path) ||
	    !name_image(options, sizeof(options), image, path)) {
		say("%s: %s: its name is too long", what, spec->path);
		return -ENAMETOOLONG;
	}
	snprintf(shared, sizeof(shared), "%u", count);
	argv[n++] = PROGRAM;
	argv[n++] = "--image-opts";
	argv[n++] = options;
	argv[n++] = "--shared";
	argv[n++] = shared;
	argv[n++] = "--discard=unmap";
	argv[n++] = "--cache=writeback";
	if (spec->read_only)
		argv[n++] = "--read-only";
	else if (spec->snapshot)
		argv[n++] = "--snapshot";
	argv[n] = NULL;
	return start(argv, listener, errors, what, pid);
}

int blk_helper_start(const struct blk_image *image, const struct blk_spec *spec,
		     const char *what, int *sockets, unsigned int count,
		     int errors, pid_t *pid)
{
	int listener, err;

	listener = listener_make(sockets, count);
	err = listener < 0 ? listener : 0;
	if (err) {
		say("%s: cannot make a socket for " PROGRAM ": %s", what,
		    strerror(-err));
	} else {
		err = start_for(image, spec, what, listener, count, errors, pid);
		close(listener);
	}
	for (unsigned int i = 0; i < count && err; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
	return err;
}

/* We have disconnected: it writes back what it has and ends. */
void blk_helper_end(pid_t pid)
{
	kill(pid, SIGTERM);
	for (unsigned int i = 0; i < END_POLLS; i++) {
		pid_t ended = waitpid(pid, NULL, WNOHANG);

		if (ended == pid || (ended < 0 && errno != EINTR))
			return;
		usleep(END_POLL_US);
	}
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * pty COMMAND...: runs COMMAND on a terminal of its own (123 x 41). Standard
 * input is typed there, what appears goes to standard output; the status is
 * COMMAND's.
 */
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* False at the end. */
static int copy(int from, int to)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));

	return n > 0 && write(to, buf, n) == n;
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 41, .ws_col = 123 };
	struct pollfd p[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN },
	};
	int status;
	pid_t pid;

	if (argc < 2)
		return 99;
	pid = forkpty(&p[1].fd, NULL, NULL, &size);
	if (pid < 0) {
		perror("forkpty");
		return 99;
	}
	if (pid == 0) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(99);
	}
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents && !copy(STDIN_FILENO, p[1].fd))
			p[0].fd = -1;
		if (p[1].revents && !copy(p[1].fd, STDOUT_FILENO))
			break;
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

// SPDX-License-Identifier: GPL-2.0
/* Programs that live as long as the guest, see exec.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/exec.h"
#include "core/log.h"

#define MAX_WORDS	64
#define PATIENCE_MS	3000

/* --- starting ------------------------------------------------------------- */

/*
 * Takes the command apart, in place: words between blanks, '...' protects
 * blanks; classic files have a comma behind the program.
 */
static int split(char *command, char **words)
{
	char *from = command, *to = command;
	unsigned int n = 0;

	while (*from) {
		bool quoted = false;

		from += strspn(from, " \t");
		if (!*from)
			break;
		if (n == MAX_WORDS)
			return -E2BIG;
		words[n++] = to;
		for (; *from && (quoted || !strchr(" \t", *from)); from++) {
			if (*from == ',' && n == 1 && !quoted)
				break;
			if (*from == '\'')
				quoted = !quoted;
			else
				*to++ = *from;
		}
		if (quoted)
			return -EINVAL;
		/* to is behind from only if there was nothing to remove. */
		if (*from)
			from++;
		*to++ = '\0';
	}
	words[n] = NULL;
	return n && *words[0] ? 0 : -EINVAL;
}

/* In the child; what went wrong goes through report. */
static void become(char **words, const char *name, int output, int report,
		   pid_t parent)
{
	static const int defaults[] = { SIGPIPE, SIGTTIN, SIGTTOU, SIGUSR1 };
	int null = open("/dev/null", O_RDWR), err;
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		signal(defaults[i], SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	close(null);
	setenv("COLINUX_NAME", name, 1);
	execvp(words[0], words);
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(2);
	_exit(1);
}

static int spawn(struct exec_program *p, char **words, const char *name,
		 int output)
{
	pid_t parent = getpid();
	int report[2], err = 0;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	p->pid = fork();
	if (p->pid == 0)
		become(words, name, output, report[1], parent);
	if (p->pid < 0)
		err = errno;
	close(report[1]);
	/* Nothing comes when it has become the program. */
	if (p->pid > 0 && read(report[0], &err, sizeof(err)) > 0)
		waitpid(p->pid, NULL, 0);
	close(report[0]);
	if (err)
		return -err;
	p->pidfd = pidfd_open(p->pid, 0);
	if (p->pidfd >= 0)
		return 0;
	err = -errno;
	kill(-p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	return err;
}

static int start_one(struct exec_program *p, const struct exec_config *c,
		     const char *name, int output)
{
	char *words[MAX_WORDS + 1], *copy = strdup(c->command);
	int err = copy ? split(copy, words) : -ENOMEM;

	p->number = c->number;
	if (err == -EINVAL)
		say("exec%u: '%s' is no command: give a program and its arguments, quotes in pairs",
		    c->number, c->command);
	else if (err)
		say("exec%u: %s", c->number, strerror(-err));
	if (err)
		goto free;
	err = spawn(p, words, name, output);
	if (err) {
		say("exec%u: %s: cannot run: %s", c->number, words[0],
		    strerror(-err));
		goto free;
	}
	p->path = strdup(words[0]);
free:
	free(copy);
	return err;
}

int execs_start(struct execs *e, const struct config *c, const char *name,
		int output)
{
	for (unsigned int i = 0; i < c->execs; i++) {
		int err = start_one(&e->program[i], &c->exec[i], name, output);

		if (err) {
			execs_stop(e);
			return err;
		}
		e->count++;
	}
	return 0;
}

/* --- their deaths --------------------------------------------------------- */

static void reap(struct exec_program *p, bool report)
{
	const char *path = p->path ? p->path : "?";
	int status = 0;

	if (waitpid(p->pid, &status, 0) == p->pid && report) {
		if (WIFSIGNALED(status))
			say("exec%u: %s was ended by signal %d, the guest goes on without",
			    p->number, path, WTERMSIG(status));
		else
			say("exec%u: %s has ended with status %d, the guest goes on without",
			    p->number, path, WEXITSTATUS(status));
	}
	close(p->pidfd);
	p->pidfd = -1;
}

/* Waits up to ms (-1: for ever) and reaps; how many live. */
static unsigned int wait_for(struct execs *e, int ms, bool report)
{
	struct pollfd p[CONFIG_MAX_EXEC];
	unsigned int alive = 0;

	for (unsigned int i = 0; i < e->count; i++)
		p[i] = (struct pollfd) {
			.fd = e->program[i].pidfd, .events = POLLIN,
		};
	if (poll(p, e->count, ms) < 0)
		return e->count;	/* a kick */
	for (unsigned int i = 0; i < e->count; i++) {
		if (p[i].fd >= 0 && p[i].revents)
			reap(&e->program[i], report);
		alive += e->program[i].pidfd >= 0;
	}
	return alive;
}

static void *watch(void *arg)
{
	struct execs *e = arg;
	unsigned int alive = e->count;

	while (alive && !atomic_load(&e->stop))
		alive = wait_for(e, -1, true);
	return NULL;
}

int execs_watch(struct execs *e)
{
	int err = 0;

	if (e->count)
		err = thread_start(&e->thread, "exec", watch, e);
	if (err)
		say("exec: cannot start a thread: %s", strerror(-err));
	return err;
}

static void signal_all(struct execs *e, int sig)
{
	for (unsigned int i = 0; i < e->count; i++)
		if (e->program[i].pidfd >= 0)
			kill(-e->program[i].pid, sig);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

void execs_stop(struct execs *e)
{
	long long end = now_ms() + PATIENCE_MS, left;
	unsigned int alive;

	atomic_store(&e->stop, true);
	thread_join(&e->thread);
	signal_all(e, SIGTERM);
	do {
		left = end - now_ms();
		alive = wait_for(e, left > 0 ? (int)left : 0, false);
	} while (alive && left > 0);
	signal_all(e, SIGKILL);
	while (alive)
		alive = wait_for(e, -1, false);
	for (unsigned int i = 0; i < e->count; i++)
		free(e->program[i].path);
	e->count = 0;
}

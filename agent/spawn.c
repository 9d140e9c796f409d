// SPDX-License-Identifier: GPL-2.0
/*
 * Starts a command. The child shares our memory until it becomes the command
 * (as vfork() does, which is what makes starting cheap), so it only makes
 * system calls and tells by *error what went wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "agent.h"

#define STACK_BYTES	(64 << 10)
#define PATH		"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define OWN_VARS	8
#define VAR_MAX		(AGENT_HOME_MAX + 16)

/* What the child needs, made before it starts. */
struct plan {
	const struct wire_request *request;
	const struct user *user;
	struct spawn_error *error;
	int fd[3];		/* its standard files; -1: the terminal */
	char terminal[32];	/* path of its terminal, or "" */
	const char *program;
	char *const *argv;
	char *const *envp;
	const char *path;	/* its PATH */
};

static char stack[STACK_BYTES] __attribute__((aligned(16)));

void spawn_plain_signals(void)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* --- in the child --------------------------------------------------------- */

static int failed(struct plan *p, int status, const char *what, int err)
{
	p->error->status = status;
	snprintf(p->error->text, sizeof(p->error->text), "%s: %s", what,
		 strerror(err));
	return 1;
}

static int open_terminal(struct plan *p)
{
	int fd = open(p->terminal, O_RDWR);

	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) < 0)
		return -1;
	for (int i = 0; i < 3; i++)
		if (dup2(fd, i) < 0)
			return -1;
	if (fd > 2)
		close(fd);
	return 0;
}

static int set_files(struct plan *p)
{
	setsid();		/* a process group of its own, in any case */
	if (*p->terminal)
		return open_terminal(p);
	for (int i = 0; i < 3; i++)
		if (dup2(p->fd[i], i) < 0)
			return -1;
	return 0;
}

/* System calls, as glibc's would look for threads that are not there. */
static int become(const struct user *u)
{
	if (syscall(SYS_setgroups, u->groups, u->group) < 0 ||
	    syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0 ||
	    syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0)
		return -1;
	return 0;
}

static int set_directory(struct plan *p)
{
	if (p->request->dir)
		return chdir(p->request->dir);
	if (chdir(p->user->home) < 0)
		return chdir("/");
	return 0;
}

/* A text without "#!": what shells do with it. */
static void run_as_script(struct plan *p, const char *path)
{
	const char *argv[WIRE_ARGS + 3];
	unsigned int n = 0;

	argv[n++] = "sh";
	argv[n++] = path;
	for (char *const *a = p->argv + 1; p->argv[0] && *a; a++)
		argv[n++] = *a;
	argv[n] = NULL;
	execve("/bin/sh", (char *const *)argv, p->envp);
}

static void try_run(struct plan *p, const char *path)
{
	execve(path, p->argv, p->envp);
	if (errno == ENOEXEC)
		run_as_script(p, path);
}

/* Along PATH; errno says what to complain about, as in shells. */
static void search(struct plan *p)
{
	const char *dir = p->path, *end;
	char file[4096];
	int err = ENOENT;

	for (;; dir = end + 1) {
		int n;

		end = strchrnul(dir, ':');
		n = snprintf(file, sizeof(file), "%.*s%s%s", (int)(end - dir),
			     dir, end > dir ? "/" : "./", p->program);
		if (n < (int)sizeof(file)) {
			try_run(p, file);
			if (errno != ENOENT && errno != ENOTDIR)
				err = errno;
		}
		if (!*end)
			break;
	}
	errno = err;
}

static int child(void *arg)
{
	struct plan *p = arg;

	if (set_files(p) < 0)
		return failed(p, STATUS_AGENT, "its files", errno);
	if (become(p->user) < 0)
		return failed(p, STATUS_AGENT, p->user->name, errno);
	if (set_directory(p) < 0)
		return failed(p, STATUS_AGENT, p->request->dir ?: "/", errno);
	spawn_plain_signals();
	if (strchr(p->program, '/'))
		try_run(p, p->program);
	else
		search(p);
	return failed(p, errno == ENOENT || errno == ENOTDIR ? STATUS_ABSENT :
							       STATUS_CANNOT,
		      p->program, errno);
}

/* --- its variables -------------------------------------------------------- */

static bool same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && !strncmp(a, b, n);
}

/* Later ones win. */
static void set_var(const char **vars, unsigned int *count, const char *var)
{
	for (unsigned int i = 0; i < *count; i++) {
		if (same_name(vars[i], var)) {
			vars[i] = var;
			return;
		}
	}
	vars[(*count)++] = var;
	vars[*count] = NULL;
}

static void make_vars(const struct wire_request *r, const struct user *u,
		      const char *const *more, char own[][VAR_MAX],
		      const char **vars)
{
	unsigned int count = 0;

	vars[0] = NULL;
	snprintf(own[0], VAR_MAX, "PATH=" PATH);
	snprintf(own[1], VAR_MAX, "HOME=%s", u->home);
	snprintf(own[2], VAR_MAX, "USER=%s", u->name);
	snprintf(own[3], VAR_MAX, "LOGNAME=%s", u->name);
	snprintf(own[4], VAR_MAX, "SHELL=%s", u->shell);
	for (unsigned int i = 0; i < 5; i++)
		set_var(vars, &count, own[i]);
	for (; *more; more++)
		set_var(vars, &count, *more);
	for (unsigned int i = 0; i < r->vars; i++)
		set_var(vars, &count, r->var[i]);
}

static const char *path_of(const char *const *vars)
{
	for (; *vars; vars++)
		if (!strncmp(*vars, "PATH=", 5))
			return *vars + 5;
	return PATH;
}

/* --- its files ------------------------------------------------------------ */

static void close_all(int *fd, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

static int make_terminal(const struct wire_request *r, const struct user *u,
			 struct plan *p, struct command *c)
{
	struct winsize size = { .ws_row = r->rows, .ws_col = r->columns };
	int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (master < 0)
		return -1;
	c->in = master;
	c->out = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (c->out < 0 || unlockpt(master) < 0 ||
	    ptsname_r(master, p->terminal, sizeof(p->terminal)) ||
	    chown(p->terminal, u->uid, -1) < 0 ||
	    ioctl(master, TIOCSWINSZ, &size) < 0) {
		close(master);
		if (c->out >= 0)
			close(c->out);
		return -1;
	}
	return 0;
}

static int make_pipes(struct plan *p, struct command *c)
{
	int fd[6] = { -1, -1, -1, -1, -1, -1 };

	/* Ours do not block, the command's are as it expects them. */
	for (int i = 0; i < 3; i++) {
		int ours = i == 0 ? 1 : 0;

		if (pipe2(fd + 2 * i, O_CLOEXEC) < 0 ||
		    fcntl(fd[2 * i + ours], F_SETFL, O_NONBLOCK) < 0) {
			close_all(fd, 6);
			return -1;
		}
	}
	p->fd[0] = fd[0];
	c->in = fd[1];
	c->out = fd[2];
	p->fd[1] = fd[3];
	c->err = fd[4];
	p->fd[2] = fd[5];
	return 0;
}

static int start(struct plan *p, struct command *c)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	p->error->status = 0;
	c->pid = clone(child, stack + STACK_BYTES,
		       CLONE_VM | CLONE_VFORK | SIGCHLD, p);
	if (c->pid < 0)
		failed(p, STATUS_AGENT, "new process", errno);
	else if (p->error->status)
		waitpid(c->pid, NULL, 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return p->error->status ? -1 : 0;
}

int spawn(const struct wire_request *r, const struct user *u,
	  const char *const *more_vars, struct command *c,
	  struct spawn_error *error)
{
	static const char *vars[WIRE_ARGS + OWN_VARS + 1];
	char own[OWN_VARS][VAR_MAX], name[AGENT_HOME_MAX + 1];
	const char *slash = strrchr(u->shell, '/');
	char *const login[] = { name, NULL };
	struct plan p = {
		.request = r, .user = u, .error = error, .fd = { -1, -1, -1 },
	};
	int err;

	make_vars(r, u, more_vars, own, vars);
	snprintf(name, sizeof(name), "-%s", slash ? slash + 1 : u->shell);
	p.program = r->login ? u->shell : r->arg[0];
	p.argv = r->login ? login : (char *const *)r->arg;
	p.envp = (char *const *)vars;
	p.path = path_of(vars);
	*c = (struct command) { .in = -1, .out = -1, .err = -1 };
	err = r->tty ? make_terminal(r, u, &p, c) : make_pipes(&p, c);
	if (err)
		return -failed(&p, STATUS_AGENT, r->tty ? "terminal" : "pipes",
			       errno);
	err = start(&p, c);
	close_all(p.fd, 3);
	if (err) {
		int ours[3] = { c->in, c->out, c->err };

		close_all(ours, 3);
	}
	return err;
}

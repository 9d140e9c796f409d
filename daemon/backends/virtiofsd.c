// SPDX-License-Identifier: GPL-2.0
/*
 * Starting and ending virtiofsd, see virtiofsd.h. There are two programs of
 * this name: the one of the virtiofs project, and the older one of QEMU up to
 * version 7. Both listen on a socket that they are given, take one connection,
 * and end with it.
 *
 * Read-only is not an option of theirs in all versions, so the folder is
 * mounted read-only, with all below it, in a mount namespace of the program's:
 * the host's kernel refuses to write, whatever guest and program do.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/close_range.h>

#include "backends/listener.h"
#include "backends/virtiofsd.h"
#include "core/log.h"

#define GRACE_MS	500	/* from its last word to its end */
#define GONE_MS		10000	/* to die when killed */

static const struct {
	const char *path;
	bool qemu;		/* the older one */
} programs[] = {
	{ "/usr/libexec/virtiofsd", false },
	{ "/usr/lib/virtiofsd", false },
	{ "/usr/bin/virtiofsd", false },
	{ "/usr/lib/qemu/virtiofsd", true },
};

struct start {
	const struct virtiofsd_options *options;
	const char *what;
	char folder[PATH_MAX];	/* its real path */
	const char *program;
	bool qemu;
	int listener;
	int log;
	pid_t parent;
};

/* --- in the new process --------------------------------------------------- */

static void __attribute__((noreturn)) give_up(const char *doing)
{
	dprintf(STDERR_FILENO, "cannot %s: %s\n", doing, strerror(errno));
	_exit(126);
}

static void make_read_only(const char *folder)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (unshare(CLONE_NEWNS) < 0)
		give_up("make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		give_up("make mounts private");
	if (mount(folder, folder, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, folder, AT_RECURSIVE, &attr,
			  sizeof(attr)) < 0)
		give_up("mount the folder read-only");
}

/* As little of ours as possible. */
static void clean_process(const struct start *s)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setpgid(0, 0);		/* ctrl-C is not for it */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(s->log, STDOUT_FILENO) < 0 || dup2(s->log, STDERR_FILENO) < 0)
		_exit(126);
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ||
	    fcntl(s->listener, F_SETFD, 0) < 0)
		give_up("close files");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != s->parent)
		give_up("follow its parent");
}

/* Commas separate its options; a backslash protects them. */
static void quote(char *to, const char *from)
{
	while (*from) {
		if (*from == ',' || *from == '\\')
			*to++ = '\\';
		*to++ = *from++;
	}
	*to = '\0';
}

/*
 * One thread that serves requests in the order of the queue: so it is known
 * which of them are open when it dies (devices/cofs.c).
 */
static void exec_qemu(const struct start *s)
{
	static const char * const caches[] = { "auto", "always", "none" };
	char source[2 * PATH_MAX], options[2 * PATH_MAX + 200], fd[32];

	quote(source, s->folder);
	snprintf(options, sizeof(options),
		 "source=%s,cache=%s,xattr,announce_submounts,log_level=err",
		 source, caches[s->options->cache]);
	snprintf(fd, sizeof(fd), "--fd=%d", s->listener);
	execl(s->program, s->program, "-f", fd, "--thread-pool-size=1", "-o",
	      options, NULL);
}

static void exec_project(const struct start *s)
{
	static const char * const caches[] = {
		"--cache=auto", "--cache=always", "--cache=never",
	};
	char fd[32];

	snprintf(fd, sizeof(fd), "--fd=%d", s->listener);
	execl(s->program, s->program, fd, "--shared-dir", s->folder,
	      caches[s->options->cache], "--xattr", "--announce-submounts",
	      "--log-level=error", NULL);
}

static void __attribute__((noreturn)) become_virtiofsd(const struct start *s)
{
	clean_process(s);
	if (s->options->read_only)
		make_read_only(s->folder);
	if (s->qemu)
		exec_qemu(s);
	else
		exec_project(s);
	give_up("start it");
}

/* --- starting ------------------------------------------------------------- */

static int find_folder(struct start *s)
{
	const char *folder = s->options->folder;
	struct stat st;

	if (!realpath(folder, s->folder) || stat(s->folder, &st) < 0) {
		say("%s: %s: %s", s->what, folder, errno == ENOENT ?
		    "no such folder on the host: create it or correct the path" :
		    strerror(errno));
		return -EINVAL;
	}
	if (!S_ISDIR(st.st_mode)) {
		say("%s: %s: is not a folder: use a folder", s->what, folder);
		return -EINVAL;
	}
	return 0;
}

static int find_program(struct start *s)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		if (access(programs[i].path, X_OK) == 0) {
			s->program = programs[i].path;
			s->qemu = programs[i].qemu;
			return 0;
		}
	}
	say("%s: virtiofsd is not installed: install the package virtiofsd (Debian 12: qemu-system-common)",
	    s->what);
	return -ENOENT;
}

static int launch(struct virtiofsd *d, struct start *s)
{
	int pipes[2], err;

	s->listener = listener_make(&d->socket, 1);
	err = s->listener < 0 ? s->listener : 0;
	if (!err && pipe2(pipes, O_CLOEXEC) < 0) {
		err = -errno;
		close(s->listener);
	}
	if (err) {
		if (d->socket >= 0)
			close(d->socket);
		d->socket = -1;
		return err;
	}
	d->log = pipes[0];
	fcntl(d->log, F_SETFL, O_NONBLOCK);
	s->log = pipes[1];
	s->parent = getpid();
	d->pid = fork();
	if (d->pid == 0)
		become_virtiofsd(s);
	if (d->pid < 0) {
		err = -errno;
		d->pid = 0;
		close(d->log);
		close(d->socket);
	} else {
		setpgid(d->pid, d->pid);	/* whoever comes first */
	}
	close(pipes[1]);
	close(s->listener);
	return err;
}

int virtiofsd_start(struct virtiofsd *d, const struct virtiofsd_options *o,
		    const char *what)
{
	struct start s = { .options = o, .what = what };
	int err;

	memset(d, 0, sizeof(*d));
	d->socket = -1;
	d->log = -1;
	err = find_folder(&s);
	if (!err)
		err = find_program(&s);
	if (err)
		return err;
	err = launch(d, &s);
	if (err)
		say("%s: cannot start %s: %s", what, s.program, strerror(-err));
	return err;
}

/* --- what it says --------------------------------------------------------- */

/* "[time] [ID: 0001] text" is how one of them writes. */
static const char *skip_brackets(const char *line)
{
	while (*line == '[') {
		const char *end = strchr(line, ']');

		if (!end)
			break;
		line = end + 1 + strspn(end + 1, " ");
	}
	return line;
}

static void take_letter(struct virtiofsd *d, char c)
{
	const char *text;

	if (c != '\n') {
		if (d->len < sizeof(d->line) - 1)
			d->line[d->len++] = c >= ' ' && c < 127 ? c : '?';
		return;
	}
	d->line[d->len] = '\0';
	d->len = 0;
	text = skip_brackets(d->line);
	if (*text)
		memmove(d->last, text, strlen(text) + 1);
}

void virtiofsd_listen(struct virtiofsd *d)
{
	char text[512];
	ssize_t n;

	while (d->log >= 0) {
		n = read(d->log, text, sizeof(text));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		for (ssize_t i = 0; i < n; i++)
			take_letter(d, text[i]);
		if (n <= 0) {
			close(d->log);
			d->log = -1;
		}
	}
}

/* --- the end -------------------------------------------------------------- */

static void nap_ms(unsigned int ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000L };

	nanosleep(&t, NULL);
}

/* If its socket is closed it is about to end: how does it? */
static bool ended_by_itself(const struct virtiofsd *d)
{
	struct pollfd p = { .fd = d->socket, .events = POLLRDHUP };
	siginfo_t info = { 0 };

	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLRDHUP | POLLHUP)))
		return false;
	for (unsigned int ms = 0; ms < GRACE_MS; ms += 5) {
		/* Not reaped: its process group must not become another's. */
		if (waitid(P_PID, d->pid, &info, WEXITED | WNOHANG | WNOWAIT))
			return false;
		if (info.si_pid)
			return true;
		nap_ms(5);
	}
	return false;
}

static void describe(const struct virtiofsd *d, int status, char *why,
		     size_t size)
{
	const char *colon = *d->last ? ": " : "";

	if (WIFSIGNALED(status))
		snprintf(why, size, "was killed by signal %d%s%s",
			 WTERMSIG(status), colon, d->last);
	else if (WEXITSTATUS(status))
		snprintf(why, size, "ended with status %d%s%s",
			 WEXITSTATUS(status), colon, d->last);
	else
		snprintf(why, size, "ended%s%s", colon, d->last);
}

/* The socket closes after the memory is gone, process by process. */
static void wait_gone(const struct virtiofsd *d)
{
	struct pollfd p = { .fd = d->socket, .events = POLLRDHUP };

	for (unsigned int ms = 0; ms < GONE_MS; ms += 10) {
		if (poll(&p, 1, 10) > 0 && (p.revents & POLLHUP))
			return;
	}
}

void virtiofsd_end(struct virtiofsd *d, int error, char *why, size_t size)
{
	bool by_itself;
	int status = 0;

	if (d->pid == 0)
		return;
	by_itself = ended_by_itself(d);
	kill(-d->pid, SIGKILL);		/* all there is of it */
	while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
		;
	wait_gone(d);
	virtiofsd_listen(d);
	if (by_itself)
		describe(d, status, why, size);
	else
		snprintf(why, size, "had to be ended: %s", strerror(-error));
	if (d->log >= 0)
		close(d->log);
	close(d->socket);
	d->log = -1;
	d->socket = -1;
	d->pid = 0;
}

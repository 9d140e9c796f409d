/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of the agent: one process, one thread, one poll(). main.c listens
 * and waits, session.c serves a connection, spawn.c starts a command, user.c
 * knows who users are, x11.c is the display of guest programs.
 */
#ifndef COLINUX_AGENT_H
#define COLINUX_AGENT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire.h"

#define AGENT_RELEASE	"0.1"
#define AGENT_SESSIONS	128
#define AGENT_HOME_MAX	256

/* Of the request, not of the program that runs: like a shell's. */
#define STATUS_AGENT	125	/* it could not be tried */
#define STATUS_CANNOT	126	/* found, but it cannot be run */
#define STATUS_ABSENT	127	/* not found */

struct user {
	char name[64];
	char home[AGENT_HOME_MAX];
	char shell[AGENT_HOME_MAX];
	uid_t uid;
	gid_t gid;
	size_t groups;
	gid_t group[64];
};

/* user.c: -ENOENT: nobody has this name (or number). */
int user_find(const char *name, struct user *u);

/* A command that runs. Ends of pipes, or twice the master of a terminal. */
struct command {
	pid_t pid;
	int in, out, err;	/* -1: closed, or the terminal has it */
};

struct spawn_error {
	int status;
	char text[256];
};

/* spawn.c: starts what the request says. 0, or -1 and *error. */
int spawn(const struct wire_request *r, const struct user *u,
	  const char *const *more_vars, struct command *c,
	  struct spawn_error *error);

/* spawn.c: for a child of fork(): no signal is blocked or ignored. */
void spawn_plain_signals(void);

struct session;

/* session.c: takes over fd. `prologue`: a line comes before the frames. */
struct session *session_new(int fd, bool prologue);
void session_free(struct session *s);

/* The descriptors it waits for; how many (at most SESSION_FDS). */
#define SESSION_FDS	5
unsigned int session_poll(struct session *s, struct pollfd *p);

/* What poll() said about them. False: it is over. */
bool session_serve(struct session *s, const struct pollfd *p, unsigned int n);

/* It wants session_serve() again soon, though poll() may say nothing. */
bool session_soon(const struct session *s);

/* This process has ended: was it its command? */
bool session_reap(struct session *s, pid_t pid, int status);

/*
 * x11.c: a display of our own for the programs of a session. Its socket is
 * readable when one connects; x11_accept() says its number.
 */
struct x11 {
	int listener;		/* or -1 */
	unsigned int display;
	char authority[64];	/* file with the cookie, or "" */
	char socket[64];
	uint8_t secret[WIRE_COOKIE];	/* of those who may join */
};

int x11_open(struct x11 *x, const char *cookie, const struct user *u);
void x11_close(struct x11 *x);

/* -errno, or the number by which the host's end joins it. */
int x11_accept(struct x11 *x);

/* Joins fd and a waiting program; a child process carries the bytes. */
bool x11_join(int fd, const uint8_t *secret, uint32_t number);

#endif /* COLINUX_AGENT_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ttysN=: what a serial port of the guest is connected to on the host. Opened
 * before privileges are given up.
 */
#ifndef COLINUX_SERIAL_H
#define COLINUX_SERIAL_H

#include <stdbool.h>
#include <termios.h>

struct serial {
	unsigned int number;	/* N of ttysN */
	int fd;			/* read from and written to, or -1 */
	int listener;		/* of a Unix socket that makes fd, or -1 */
	int other;		/* the pty's other side, kept open, or -1 */
	bool reads;		/* fd gives input */
	bool is_tty;		/* fd is a tty of the host ... */
	struct termios before;	/* ... and was set like this */
	char *remove;		/* a path that goes with us, or NULL */
};

/*
 * spec: "pty", "unix:PATH", a tty of the host ("/dev/ttyS0[,SPEED]"), or a file
 * that output is appended to. dir: of the guest, for the pty's name. Complains.
 */
int serial_open(struct serial *s, unsigned int number, const char *spec,
		const char *dir);
void serial_close(struct serial *s);

/* Is spec one? Complains, as "what: ...". */
int serial_check(const char *spec, const char *what);

#endif /* COLINUX_SERIAL_H */

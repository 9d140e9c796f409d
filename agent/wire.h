/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What `colinux exec` and the agent in the guest say to each other over a
 * vsock stream: frames of a header and up to WIRE_MAX bytes. docs/agent.md
 * describes the protocol; both ends build from this file and wire.c, and
 * neither trusts the other.
 */
#ifndef COLINUX_AGENT_WIRE_H
#define COLINUX_AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_VERSION	1
#define WIRE_PORT	1000	/* below 1024: only guest root can listen */
#define WIRE_HEADER	8
#define WIRE_MAX	(128U << 10)	/* payload of a frame */
#define WIRE_DATA	(32U << 10)	/* payload of data, usually */
#define WIRE_WINDOW	(256U << 10)	/* input on its way to a command */
#define WIRE_COOKIE	16

enum wire_type {
	/* to the agent */
	WIRE_HELLO	= 0x01,	/* u32 version; always first */
	WIRE_EXEC	= 0x02,	/* words, see struct wire_request */
	WIRE_STDIN	= 0x03,	/* bytes; none: the end of it */
	WIRE_SIGNAL	= 0x04,	/* u32 number, for the process group */
	WIRE_WINSIZE	= 0x05,	/* u16 rows, u16 columns */
	WIRE_PING	= 0x06,	/* answered by PONG */
	WIRE_SHUTDOWN	= 0x07,	/* 'p' power off, 'r' reboot; PONG */
	WIRE_X11	= 0x08,	/* 16 bytes and u32 number of a window
				 * program's connection: bytes follow */
	/* from the agent */
	WIRE_WELCOME	= 0x81,	/* u32 version, the agent's release */
	WIRE_STARTED	= 0x82,	/* u32 process */
	WIRE_STDOUT	= 0x83,	/* bytes */
	WIRE_STDERR	= 0x84,	/* bytes */
	WIRE_EXIT	= 0x85,	/* u8 exit status, u8 signal; the last */
	WIRE_ERROR	= 0x86,	/* u8 status, text; the last */
	WIRE_CREDIT	= 0x87,	/* u32 more bytes of input are welcome */
	WIRE_CLOSED	= 0x88,	/* the command takes no more input */
	WIRE_PONG	= 0x89,
	WIRE_X11_NEW	= 0x8a,	/* 16 bytes, u32: somebody wants the display */
};

struct frame {
	uint8_t type;
	uint32_t len;
	const uint8_t *data;
};

/* Bytes that arrive, until they make frames. */
struct wire_in {
	uint8_t *buf;		/* WIRE_HEADER + WIRE_MAX bytes */
	size_t len;
	size_t used;		/* by the frame that was taken last */
};

int wire_in_init(struct wire_in *in);
void wire_in_free(struct wire_in *in);

/* What read() says, but 0 only for the end and EINTR is hidden. */
ssize_t wire_read(struct wire_in *in, int fd);

/*
 * 1: a frame, valid until the next call. 0: not all of it is here yet.
 * -EPROTO: that is no frame.
 */
int wire_take(struct wire_in *in, struct frame *f);

/* Fills WIRE_HEADER bytes. */
void wire_header(uint8_t *to, enum wire_type type, uint32_t len);

uint16_t wire_get16(const uint8_t *from);
uint32_t wire_get32(const uint8_t *from);
void wire_put16(uint8_t *to, uint16_t value);
void wire_put32(uint8_t *to, uint32_t value);

/*
 * A command to be run. On the wire: words that end with a NUL, of which the
 * first byte says what they are. Pointers are into the frame.
 */
#define WIRE_ARGS	4096	/* arguments, and variables */

struct wire_request {
	const char *user;	/* 'u', NULL: root */
	const char *dir;	/* 'd', NULL: the user's home */
	const char *cookie;	/* 'x', hex; a display is wanted. Or NULL */
	bool tty;		/* 't' ROWS COLUMNS */
	bool login;		/* 'l': the user's shell, as a login does */
	uint16_t rows, columns;
	unsigned int args;
	unsigned int vars;
	const char *arg[WIRE_ARGS + 1];	/* 'a', NULL at the end */
	const char *var[WIRE_ARGS + 1];	/* 'e' NAME=VALUE, too */
};

/* NULL, or what is wrong with it. */
const char *wire_request_parse(struct wire_request *r, const uint8_t *data, size_t len);

/* Into `to`; the length, or 0: it does not fit into a frame. */
size_t wire_request_write(const struct wire_request *r, uint8_t *to, size_t room);

#endif /* COLINUX_AGENT_WIRE_H */

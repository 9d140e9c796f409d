/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of covsock, the vsock device: its connections. Each joins a stream
 * socket of the host with a stream socket of the guest:
 *
 *	host's socket --> covsock_fill() --> packet in the guest's receive queue
 *	host's socket <-- backlog <-- covsock_packet() <-- the transmit queue
 *
 * covsock.c has the queues, the thread and the lock; the rest has none of these,
 * so that tests and the fuzzer drive it directly: covsock_table.c the table,
 * covsock_conn.c what packets mean, covsock_host.c the host's sockets.
 *
 * Nothing is dropped and nothing grows without bound: the guest may send
 * only what our buf_alloc allows, which is what a backlog can hold; the
 * host's socket is read only when the guest's credit allows a packet.
 */
#ifndef COLINUX_COVSOCK_H
#define COLINUX_COVSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <linux/virtio_vsock.h>

#include "devices/devices.h"

#define COVSOCK_CID_HOST	2
#define COVSOCK_CONNS		256
#define COVSOCK_BUFFER		(256U << 10)	/* of a connection */
#define COVSOCK_RESETS		64
#define COVSOCK_LISTENERS	8
#define COVSOCK_FIRST_PORT	0x40000000U	/* of those we give away */

enum covsock_state {
	COVSOCK_FREE,
	COVSOCK_LINE,		/* the host's program has to say which port */
	COVSOCK_CONNECTING,	/* the guest has to answer our request */
	COVSOCK_OPEN,
	COVSOCK_CLOSING,	/* host's socket gone, the guest has to agree */
	COVSOCK_DYING,		/* guest's socket gone, the backlog is left */
};

#define COVSOCK_DUE(name)	(1U << VIRTIO_VSOCK_OP_##name)

/* All under the device's lock. */
struct covsock_conn {
	enum covsock_state state;
	uint32_t generation;	/* of this entry of the table */
	enum covsock_reply reply;
	char line[24];		/* as far as the program has said it */
	unsigned int line_len;
	int fd;			/* the host's socket, or -1 */
	uint32_t events;	/* registered with epoll */
	bool watched;		/* fd is in the epoll set */
	uint32_t host_port;
	uint32_t guest_port;
	/* From the host's socket to the guest. */
	uint32_t peer_alloc;	/* the guest's buffer */
	uint32_t peer_fwd;	/* what it has taken out of that */
	uint32_t sent;
	bool readable;		/* fd may have something */
	bool host_eof;		/* and nothing will come after it */
	bool hung_up;		/* the host's program has closed it */
	uint8_t shut;		/* VIRTIO_VSOCK_SHUTDOWN_*, told the guest */
	uint8_t shut_wanted;	/* to be told */
	/* From the guest to the host's socket. */
	uint32_t received;
	uint32_t forwarded;
	uint32_t told;		/* forwarded, as the guest knows it */
	uint8_t guest_shut;	/* VIRTIO_VSOCK_SHUTDOWN_*, by the guest */
	bool deaf;		/* the host's program takes no more */
	uint8_t *backlog;	/* COVSOCK_BUFFER bytes, or NULL */
	size_t start, len;	/* of what is in it; it wraps */
	uint32_t due;		/* packets without data, COVSOCK_DUE() */
};

/* An answer to something that belongs to no connection. */
struct covsock_reset {
	uint64_t host_cid;
	uint32_t host_port;
	uint32_t guest_port;
};

struct covsock_listener {
	uint32_t port;
	char *path;		/* of a Unix socket to connect to */
};

struct covsock_table {
	uint64_t guest_cid;
	int epoll;
	bool up;		/* the guest's driver takes packets */
	uint32_t next_port;
	unsigned int turn;	/* who is asked first for a packet */
	unsigned int high;	/* entries from here on are free */
	struct covsock_conn conn[COVSOCK_CONNS];
	unsigned int resets;
	struct covsock_reset reset[COVSOCK_RESETS];
	unsigned int listeners;
	struct covsock_listener listener[COVSOCK_LISTENERS];
};

void covsock_table_init(struct covsock_table *t, uint64_t guest_cid, int epoll);
void covsock_table_free(struct covsock_table *t);

/* The guest's driver has gone or was reset: so have all its sockets. */
void covsock_table_reset(struct covsock_table *t);

/*
 * One packet of the guest: a copy of its header, and its data, of header.len
 * bytes. NULL, or how the guest broke the rules.
 */
const char *covsock_packet(struct covsock_table *t,
			   const struct virtio_vsock_hdr *h,
			   const struct iovec *data, unsigned int count);

/* False: too many answers wait already, take no more packets. */
bool covsock_may_take(const struct covsock_table *t);

/*
 * The next packet for the guest, if there is one: its header into *h, its
 * data into the iovecs. False: there is none.
 */
bool covsock_fill(struct covsock_table *t, struct virtio_vsock_hdr *h,
		  const struct iovec *room, unsigned int count);

/* epoll said this about a connection's socket. */
void covsock_event(struct covsock_table *t, uint32_t index,
		   uint32_t generation, uint32_t events);

/* Has epoll watch what the connections wait for now. */
void covsock_watch(struct covsock_table *t);

/*
 * A connection for a socket of the host, not in the table's epoll yet. NULL:
 * the table is full, fd is still the caller's.
 */
struct covsock_conn *covsock_add(struct covsock_table *t, int fd);

/* Connects it to a port of the guest; may free it, with a word to its fd. */
void covsock_start(struct covsock_table *t, struct covsock_conn *c,
		   uint32_t port);

/* Says why on its fd, in the manner it wants to be told, and frees it. */
void covsock_refuse(struct covsock_table *t, struct covsock_conn *c,
		    const char *why);

/* covsock_host.c: takes the line that says which port. */
void covsock_line(struct covsock_table *t, struct covsock_conn *c);

/* covsock_host.c: a listening Unix socket, for its owner only. -errno. */
int covsock_bind(const char *path, int *fd);

/* covsock_host.c: takes who waits there. */
void covsock_accept(struct covsock_table *t, int listener);

/* --- between these files -------------------------------------------------- */

struct covsock_conn *covsock_find(struct covsock_table *t, uint32_t host_port,
				  uint32_t guest_port);
void covsock_close_fd(struct covsock_conn *c);
void covsock_free(struct covsock_table *t, struct covsock_conn *c);

/* A reset, sent when the queue has room; covsock_may_take() kept a place. */
void covsock_answer_reset(struct covsock_table *t, uint64_t host_cid,
			  uint32_t host_port, uint32_t guest_port);

/* The guest has: its program may begin. */
void covsock_accepted(struct covsock_conn *c);

/* The guest's socket is gone: what it sent is still to be delivered. */
void covsock_guest_gone(struct covsock_table *t, struct covsock_conn *c);

/* Ends a connection that cannot go on, on both sides. */
void covsock_abort(struct covsock_conn *c);

/* The host's program takes no more: tell the guest, discard what comes. */
void covsock_deaf(struct covsock_conn *c);

/* All that the host's program sent is on its way. */
void covsock_end_of_input(struct covsock_conn *c);

/* Gives the program what it takes of the backlog. */
void covsock_drain(struct covsock_table *t, struct covsock_conn *c);

#endif /* COLINUX_COVSOCK_H */

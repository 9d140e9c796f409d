// SPDX-License-Identifier: GPL-2.0
/*
 * What covsock's packets mean, see covsock.h: "5.10 Socket Device" of the
 * virtio specification, stream sockets only.
 *
 * A connection of which one side is gone stays for the other's sake: DYING
 * until the host's program has taken what the guest sent before, CLOSING until
 * the guest has confirmed. A guest may take its time for that, so entries that
 * are closing are taken away, oldest first, when the table is full.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/covsock.h"

#define DUE(name)	COVSOCK_DUE(name)
#define SHUT_BOTH	(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

/* --- to the guest --------------------------------------------------------- */

static uint32_t credit(const struct covsock_conn *c)
{
	uint32_t under_way = c->sent - c->peer_fwd;

	return c->peer_alloc > under_way ? c->peer_alloc - under_way : 0;
}

static bool wants_read(const struct covsock_conn *c)
{
	return c->state == COVSOCK_OPEN && !c->host_eof && c->fd >= 0 &&
	       credit(c) > 0;
}

/* All that the host's program sent is on its way. */
void covsock_end_of_input(struct covsock_conn *c)
{
	c->host_eof = true;
	c->readable = false;
	c->shut_wanted |= VIRTIO_VSOCK_SHUTDOWN_SEND;
	if (c->hung_up || c->deaf) {
		c->shut_wanted |= SHUT_BOTH;
		c->len = 0;
		c->state = COVSOCK_CLOSING;
		covsock_close_fd(c);
	}
	if (c->shut_wanted & ~c->shut)
		c->due |= DUE(SHUTDOWN);
}

/* Reads into a packet; the number of bytes, 0 if there is nothing now. */
static size_t read_data(struct covsock_conn *c, const struct iovec *room,
			unsigned int count)
{
	struct iovec iov[QUEUE_MAX_SIZE];
	struct msghdr m = { .msg_iov = iov };
	size_t left = credit(c);
	unsigned int n = 0;
	ssize_t got;

	for (; n < count && left > 0; n++) {
		iov[n] = room[n];
		if (iov[n].iov_len > left)
			iov[n].iov_len = left;
		left -= iov[n].iov_len;
	}
	m.msg_iovlen = n;
	do {
		got = recvmsg(c->fd, &m, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got > 0) {
		c->sent += got;
		return got;
	}
	c->readable = false;
	if (got == 0 || errno != EAGAIN)
		covsock_end_of_input(c);
	return 0;
}

static void head(const struct covsock_table *t, struct covsock_conn *c,
		 struct virtio_vsock_hdr *h, unsigned int op, size_t len)
{
	*h = (struct virtio_vsock_hdr) {
		.src_cid = COVSOCK_CID_HOST,
		.dst_cid = t->guest_cid,
		.src_port = c->host_port,
		.dst_port = c->guest_port,
		.len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = COVSOCK_BUFFER,
		.fwd_cnt = c->forwarded,
	};
	c->told = c->forwarded;
	c->due &= ~DUE(CREDIT_UPDATE);
}

/* The due packet of a connection, in the order that makes sense. */
static void fill_due(struct covsock_table *t, struct covsock_conn *c,
		     struct virtio_vsock_hdr *h)
{
	if (c->due & DUE(RST)) {
		head(t, c, h, VIRTIO_VSOCK_OP_RST, 0);
		c->due = 0;
		covsock_free(t, c);
	} else if (c->due & DUE(REQUEST)) {
		c->due &= ~DUE(REQUEST);
		head(t, c, h, VIRTIO_VSOCK_OP_REQUEST, 0);
	} else if (c->due & DUE(RESPONSE)) {
		c->due &= ~DUE(RESPONSE);
		head(t, c, h, VIRTIO_VSOCK_OP_RESPONSE, 0);
	} else if (c->due & DUE(SHUTDOWN)) {
		c->due &= ~DUE(SHUTDOWN);
		c->shut |= c->shut_wanted;
		head(t, c, h, VIRTIO_VSOCK_OP_SHUTDOWN, 0);
		h->flags = c->shut;
	} else {
		head(t, c, h, VIRTIO_VSOCK_OP_CREDIT_UPDATE, 0);
	}
}

static bool fill_from(struct covsock_table *t, struct covsock_conn *c,
		      struct virtio_vsock_hdr *h, const struct iovec *room,
		      unsigned int count)
{
	size_t got;

	/* Before the end is told, all data: reading says when that is. */
	if (c->due == 0 && c->readable && wants_read(c)) {
		got = read_data(c, room, count);
		if (got) {
			head(t, c, h, VIRTIO_VSOCK_OP_RW, got);
			return true;
		}
	}
	if (c->due == 0)
		return false;
	fill_due(t, c, h);
	return true;
}

static void fill_reset(struct covsock_table *t, struct virtio_vsock_hdr *h)
{
	struct covsock_reset r = t->reset[--t->resets];

	*h = (struct virtio_vsock_hdr) {
		.src_cid = r.host_cid,
		.dst_cid = t->guest_cid,
		.src_port = r.host_port,
		.dst_port = r.guest_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_RST,
	};
}

bool covsock_fill(struct covsock_table *t, struct virtio_vsock_hdr *h,
		  const struct iovec *room, unsigned int count)
{
	unsigned int high = t->high;

	if (t->resets) {
		fill_reset(t, h);
		return true;
	}
	for (unsigned int i = 0; i < high; i++) {
		unsigned int at = (t->turn + i) % high;
		struct covsock_conn *c = &t->conn[at];

		if (c->state >= COVSOCK_CONNECTING &&
		    fill_from(t, c, h, room, count)) {
			t->turn = at + 1;
			return true;
		}
	}
	return false;
}

/* --- from the guest ------------------------------------------------------- */

/* The guest's socket is gone: what it sent is still to be delivered. */
void covsock_guest_gone(struct covsock_table *t, struct covsock_conn *c)
{
	if (c->state == COVSOCK_CONNECTING) {
		covsock_refuse(t, c, "the guest refuses: nothing listens there");
		return;
	}
	if (c->len == 0 || c->deaf || c->fd < 0) {
		covsock_free(t, c);
		return;
	}
	c->state = COVSOCK_DYING;
	c->due = 0;
	c->readable = false;
}

/* The backlog is empty: pass on what the guest said about the end. */
static void drained(struct covsock_table *t, struct covsock_conn *c)
{
	if (c->state == COVSOCK_DYING) {
		covsock_free(t, c);
		return;
	}
	if (c->guest_shut == SHUT_BOTH) {
		covsock_close_fd(c);
		c->state = COVSOCK_CLOSING;
		c->due = DUE(RST);
		return;
	}
	if ((c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND) && c->fd >= 0)
		shutdown(c->fd, SHUT_WR);
}

/* Bytes that are off our hands. */
static void forward(struct covsock_conn *c, size_t n)
{
	c->forwarded += n;
	if (c->forwarded - c->told >= COVSOCK_BUFFER / 4 &&
	    !(c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
		c->due |= DUE(CREDIT_UPDATE);
}

/* The host's program takes no more: tell the guest, discard what comes. */
void covsock_deaf(struct covsock_conn *c)
{
	c->deaf = true;
	forward(c, c->len);
	c->len = 0;
	if (c->state != COVSOCK_OPEN)
		return;
	c->shut_wanted |= VIRTIO_VSOCK_SHUTDOWN_RCV;
	if (c->host_eof)
		covsock_end_of_input(c);
	else
		c->due |= DUE(SHUTDOWN);
}

/* As much as the socket takes; 0 or more, -1: it takes no more, ever. */
static ssize_t send_some(int fd, const struct iovec *iov, unsigned int count)
{
	struct msghdr m = {
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = count,
	};
	ssize_t n;

	do {
		n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS ? 0 : -1;
	return n;
}

void covsock_drain(struct covsock_table *t, struct covsock_conn *c)
{
	while (c->len > 0) {
		size_t first = COVSOCK_BUFFER - c->start;
		struct iovec iov = { .iov_base = c->backlog + c->start };
		ssize_t n;

		iov.iov_len = c->len < first ? c->len : first;
		n = send_some(c->fd, &iov, 1);
		if (n < 0)
			covsock_deaf(c);
		if (n <= 0)
			break;
		c->start = (c->start + n) % COVSOCK_BUFFER;
		c->len -= n;
		forward(c, n);
	}
	if (c->len == 0) {
		free(c->backlog);
		c->backlog = NULL;
		c->start = 0;
		drained(t, c);
	}
}

/* Keeps what iov has from byte `skip` on. False: no memory. */
static bool keep(struct covsock_conn *c, const struct iovec *iov,
		 unsigned int count, size_t skip)
{
	if (!c->backlog)
		c->backlog = malloc(COVSOCK_BUFFER);
	if (!c->backlog)
		return false;
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t n = iov[i].iov_len, to, first;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		from += skip;
		n -= skip;
		skip = 0;
		to = (c->start + c->len) % COVSOCK_BUFFER;
		first = COVSOCK_BUFFER - to;
		if (first > n)
			first = n;
		memcpy(c->backlog + to, from, first);
		memcpy(c->backlog, from + first, n - first);
		c->len += n;
	}
	return true;
}

/* Ends a connection that cannot go on, on both sides. */
void covsock_abort(struct covsock_conn *c)
{
	covsock_close_fd(c);
	c->len = 0;
	c->state = COVSOCK_CLOSING;
	c->due = DUE(RST);
}

static const char *data(struct covsock_table *t, struct covsock_conn *c,
			uint32_t len, const struct iovec *iov,
			unsigned int count)
{
	ssize_t n = 0;

	if (c->state == COVSOCK_CONNECTING ||
	    (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		covsock_abort(c);
		return NULL;
	}
	c->received += len;
	if (c->received - c->forwarded > COVSOCK_BUFFER)
		return "more data than its credit";
	if (c->fd >= 0 && !c->deaf && c->len == 0) {
		n = send_some(c->fd, iov, count);
		if (n < 0)
			covsock_deaf(c);
	}
	if (c->fd < 0 || c->deaf)
		n = len;
	forward(c, n);
	if ((size_t)n < len && !keep(c, iov, count, n))
		covsock_abort(c);
	(void)t;
	return NULL;
}

static void shut(struct covsock_table *t, struct covsock_conn *c,
		 uint32_t flags)
{
	if (c->state == COVSOCK_CONNECTING) {
		covsock_guest_gone(t, c);
		return;
	}
	c->guest_shut |= flags & SHUT_BOTH;
	if (c->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		/* The host's program gets EPIPE; nothing is read any more. */
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_RD);
		c->host_eof = true;
		c->readable = false;
	}
	if (c->len == 0)
		drained(t, c);
}

/* A guest's socket asks for a service of the host. */
static void request(struct covsock_table *t, const struct virtio_vsock_hdr *h)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct covsock_conn *c;
	const char *path = NULL;
	int fd;

	for (unsigned int i = 0; i < t->listeners; i++)
		if (t->listener[i].port == h->dst_port)
			path = t->listener[i].path;
	if (!path)
		goto reset;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		goto reset;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		goto close;
	c = covsock_add(t, fd);
	if (!c)
		goto close;
	c->reply = COVSOCK_SILENT;
	c->state = COVSOCK_OPEN;
	c->host_port = h->dst_port;
	c->guest_port = h->src_port;
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	c->due = DUE(RESPONSE);
	return;
close:
	close(fd);
reset:
	covsock_answer_reset(t, h->dst_cid, h->dst_port, h->src_port);
}

static const char *known(struct covsock_table *t, struct covsock_conn *c,
			 const struct virtio_vsock_hdr *h,
			 const struct iovec *iov, unsigned int count)
{
	c->peer_alloc = h->buf_alloc;
	c->peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_RESPONSE:
		if (c->state == COVSOCK_CONNECTING && !(c->due & DUE(REQUEST)))
			covsock_accepted(c);
		else
			covsock_abort(c);
		return NULL;
	case VIRTIO_VSOCK_OP_RST:
		covsock_guest_gone(t, c);
		return NULL;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		shut(t, c, h->flags);
		return NULL;
	case VIRTIO_VSOCK_OP_RW:
		return data(t, c, h->len, iov, count);
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE:
		return NULL;
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST:
		c->due |= DUE(CREDIT_UPDATE);
		return NULL;
	}
	covsock_abort(c);
	return NULL;
}

const char *covsock_packet(struct covsock_table *t,
			   const struct virtio_vsock_hdr *h,
			   const struct iovec *iov, unsigned int count)
{
	struct covsock_conn *c;

	if (h->src_cid != t->guest_cid)
		return "packet of another machine's address";
	if (h->op == VIRTIO_VSOCK_OP_INVALID)
		return "packet without an operation";
	c = h->dst_cid == COVSOCK_CID_HOST &&
	    h->type == VIRTIO_VSOCK_TYPE_STREAM ?
		covsock_find(t, h->dst_port, h->src_port) : NULL;
	/* One that is dying is the host program's, not the guest's any more. */
	if (c && c->state != COVSOCK_DYING)
		return known(t, c, h, iov, count);
	if (h->op == VIRTIO_VSOCK_OP_RST)
		return NULL;
	if (!c && h->op == VIRTIO_VSOCK_OP_REQUEST &&
	    h->dst_cid == COVSOCK_CID_HOST &&
	    h->type == VIRTIO_VSOCK_TYPE_STREAM)
		request(t, h);
	else
		covsock_answer_reset(t, h->dst_cid, h->dst_port, h->src_port);
	return NULL;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * covsock under a guest that sends any packets and host programs that come and
 * go: what is kept stays within its bounds, every socket is closed at the end,
 * and what a program reads is what the guest sent to it.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "input.h"
#include "devices/covsock.h"

#define PROGRAMS	6
#define MAX_TURNS	300
#define ROOM		4096

struct program {
	int fd;			/* or -1 */
	uint32_t port;
};

static struct covsock_table t;
static struct program program[PROGRAMS];
static uint8_t bytes[70000];
static int epoll;

static void check(void)
{
	for (unsigned int i = 0; i < COVSOCK_CONNS; i++) {
		const struct covsock_conn *c = &t.conn[i];

		must(c->state == COVSOCK_FREE || i < t.high);
		must(c->len <= COVSOCK_BUFFER && c->start < COVSOCK_BUFFER);
		must(!c->len || c->backlog);
		must(c->state != COVSOCK_FREE || (c->fd < 0 && !c->backlog));
		must(c->state != COVSOCK_OPEN || c->fd >= 0);
		must(c->len <= c->received - c->forwarded);
	}
	must(t.resets <= COVSOCK_RESETS);
}

static void start(struct input *in)
{
	struct program *p = &program[take8(in) % PROGRAMS];
	int pair[2], room = ROOM;
	struct covsock_conn *c;

	if (p->fd >= 0)
		return;
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	c = covsock_add(&t, pair[1]);
	must(c);
	p->fd = pair[0];
	c->reply = take8(in) % 3;
	if (take8(in) & 1)
		covsock_start(&t, c, take8(in) & 3);
}

static void use(struct input *in)
{
	struct program *p = &program[take8(in) % PROGRAMS];
	uint8_t how = take8(in);

	if (p->fd < 0)
		return;
	switch (how & 7) {
	case 0:
		close(p->fd);
		p->fd = -1;
		break;
	case 1:
		shutdown(p->fd, how & 8 ? SHUT_WR : SHUT_RD);
		break;
	case 2:
		send(p->fd, "CONNECT 2\n", 1 + (how >> 3) % 10,
		     MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 3:
		send(p->fd, bytes, take16(in), MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	default:
		recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	}
}

/* Fields of a connection that there is, then some of them anything. */
static void packet(struct input *in)
{
	struct covsock_conn *c = &t.conn[take8(in) % PROGRAMS];
	uint8_t wrong = take8(in);
	struct virtio_vsock_hdr h = {
		.src_cid = COVSOCK_GUEST_CID, .dst_cid = COVSOCK_CID_HOST,
		.src_port = c->guest_port, .dst_port = c->host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = take8(in) % 9,
		.flags = take8(in), .buf_alloc = 65536, .fwd_cnt = c->sent,
	};
	struct iovec iov = { bytes, 0 };

	if (wrong & 1)
		h.src_port = take8(in) & 3;
	if (wrong & 2)
		h.dst_port = take_number(in);
	if (wrong & 4)
		h.buf_alloc = take_number(in);
	if (wrong & 8)
		h.fwd_cnt = take_number(in);
	if ((wrong & 0xf0) == 0x10)
		h.dst_cid = take_number(in);
	if ((wrong & 0xf0) == 0x20)
		h.src_cid = take_number(in);
	if ((wrong & 0xf0) == 0x30)
		h.type = take16(in);
	if (h.op == VIRTIO_VSOCK_OP_RW)
		h.len = iov.iov_len = take16(in);
	/* The queue's part of covsock stops at a fault, and resets all. */
	if (covsock_may_take(&t) && covsock_packet(&t, &h, &iov, !!h.len)) {
		covsock_table_reset(&t);
		t.up = true;
	}
}

static void fill(struct input *in)
{
	struct virtio_vsock_hdr h;
	struct iovec room[2] = { { bytes, 1 + take8(in) },
				 { bytes + 300, 1 + take16(in) } };

	for (unsigned int i = take8(in) & 7; i > 0; i--) {
		if (!covsock_fill(&t, &h, room, 2))
			return;
		must(h.dst_cid == COVSOCK_GUEST_CID);
		must(h.len <= room[0].iov_len + room[1].iov_len);
		must(h.op == VIRTIO_VSOCK_OP_RW ? h.len : !h.len);
		must(h.op != VIRTIO_VSOCK_OP_INVALID);
	}
}

static void events(void)
{
	struct epoll_event e[16];
	int n;

	covsock_watch(&t);
	n = epoll_wait(epoll, e, 16, 0);
	for (int i = 0; i < n; i++)
		covsock_event(&t, e[i].data.u64, e[i].data.u64 >> 32,
			      e[i].events);
}

static void turn(struct input *in)
{
	switch (take8(in) % 8) {
	case 0:
		start(in);
		break;
	case 1:
		use(in);
		break;
	case 2:
	case 3:
		packet(in);
		break;
	case 4:
	case 5:
		fill(in);
		break;
	case 6:
		events();
		break;
	case 7:
		if (take8(in) < 8) {
			covsock_table_reset(&t);
			t.up = take8(in) & 1;
		}
	}
	check();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	int lowest;

	epoll = epoll_create1(0);
	covsock_table_init(&t, COVSOCK_GUEST_CID, epoll);
	t.up = true;
	for (unsigned int i = 0; i < PROGRAMS; i++)
		program[i].fd = -1;
	lowest = dup(epoll);
	close(lowest);
	for (unsigned int i = 0; i < MAX_TURNS && in.left; i++)
		turn(&in);
	covsock_table_free(&t);
	for (unsigned int i = 0; i < PROGRAMS; i++)
		if (program[i].fd >= 0)
			close(program[i].fd);
	/* No descriptor is left: the next one is what it was. */
	must(dup(epoll) == lowest);
	close(lowest);
	close(epoll);
	return 0;
}

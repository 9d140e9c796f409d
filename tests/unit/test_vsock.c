// SPDX-License-Identifier: GPL-2.0
/*
 * covsock's connections, packet by packet: what the guest is told, what host
 * programs get, that credit holds both ways, that every end is passed on, and
 * that a guest which breaks the rules is found out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "say.h"
#include "devices/covsock.h"

#define GUEST		COVSOCK_GUEST_CID
#define PORT		77
#define ALLOC		(64 << 10)
#define BOTH		(VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static struct covsock_table *t;
static int epoll;
static uint8_t data[COVSOCK_BUFFER + 4096];

static int setup(void **state)
{
	forget_said(state);
	epoll = epoll_create1(0);
	t = malloc(sizeof(*t));
	covsock_table_init(t, GUEST, epoll);
	t->up = true;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + (i >> 8);
	return 0;
}

static int teardown(void **state)
{
	covsock_table_free(t);
	free(t);
	close(epoll);
	return 0;
}

/* --- both sides -------------------------------------------------------------- */

/* What epoll has to say; again until it has nothing. */
static void events(void)
{
	struct epoll_event e[16];
	int n;

	for (int turn = 0; turn < 100; turn++) {
		covsock_watch(t);
		n = epoll_wait(epoll, e, 16, 0);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			covsock_event(t, e[i].data.u64, e[i].data.u64 >> 32,
				      e[i].events);
	}
	fail_msg("epoll never has enough");
}

static const char *packet(const struct covsock_conn *c, unsigned int op,
			  const void *bytes, size_t len, uint32_t flags)
{
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST, .dst_cid = COVSOCK_CID_HOST,
		.src_port = c->guest_port, .dst_port = c->host_port,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .len = len,
		.flags = flags, .buf_alloc = ALLOC, .fwd_cnt = c->sent,
	};
	struct iovec iov[2] = {
		{ (void *)bytes, len / 3 },
		{ (uint8_t *)bytes + len / 3, len - len / 3 },
	};

	return covsock_packet(t, &h, iov, len ? 2 : 0);
}

/* The next packet for the guest must be this; its data. */
static size_t next(unsigned int op, struct virtio_vsock_hdr *h, uint8_t *buf)
{
	struct iovec iov[2] = { { buf, 100 }, { buf + 100, 3900 } };

	assert_true(covsock_fill(t, h, iov, 2));
	assert_int_equal(h->op, op);
	assert_int_equal(h->dst_cid, GUEST);
	return h->len;
}

static struct virtio_vsock_hdr expect(unsigned int op)
{
	struct virtio_vsock_hdr h;
	uint8_t buf[4000];

	next(op, &h, buf);
	return h;
}

static void expect_nothing(void)
{
	struct virtio_vsock_hdr h;
	uint8_t buf[4000];
	struct iovec iov = { buf, sizeof(buf) };

	assert_false(covsock_fill(t, &h, &iov, 1));
}

static void expect_text(int fd, const char *text)
{
	char buf[200] = "";
	ssize_t n = recv(fd, buf, strlen(text), MSG_DONTWAIT);

	assert_int_equal(n, strlen(text));
	assert_string_equal(buf, text);
}

static void expect_end(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
}

/* A connection that is open, the host's end in *fd. */
static struct covsock_conn *connected(int *fd)
{
	struct covsock_conn *c;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*fd = pair[0];
	c = covsock_add(t, pair[1]);
	assert_non_null(c);
	covsock_start(t, c, PORT);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_null(packet(c, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0, 0));
	expect_text(*fd, "OK\n");
	events();
	return c;
}

static void assert_free(const struct covsock_conn *c)
{
	assert_int_equal(c->state, COVSOCK_FREE);
	assert_int_equal(c->fd, -1);
	assert_null(c->backlog);
}

/* --- connecting -------------------------------------------------------------- */

static void host_connects(void **state)
{
	struct covsock_conn *c;
	struct virtio_vsock_hdr h;
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	covsock_start(t, c, PORT);
	h = expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(h.src_cid, COVSOCK_CID_HOST);
	assert_int_equal(h.dst_port, PORT);
	assert_true(h.src_port > 1024);
	assert_int_equal(h.buf_alloc, COVSOCK_BUFFER);
	assert_int_equal(h.type, VIRTIO_VSOCK_TYPE_STREAM);
	expect_nothing();
	assert_null(packet(c, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0, 0));
	expect_text(pair[0], "OK\n");
	close(pair[0]);
}

static void guest_refuses(void **state)
{
	struct covsock_conn *c;
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	c->reply = COVSOCK_JSON;
	covsock_start(t, c, PORT);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_null(packet(c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	expect_text(pair[0], "{\"ok\":false,\"error\":\"the guest refuses: nothing listens there\"}\n");
	expect_end(pair[0]);
	assert_free(c);
	close(pair[0]);
}

static void guest_is_not_up(void **state)
{
	struct covsock_conn *c;
	int pair[2];

	t->up = false;
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	covsock_start(t, c, PORT);
	expect_text(pair[0], "ERROR the guest is not up\n");
	expect_end(pair[0]);
	assert_free(c);
	expect_nothing();
	close(pair[0]);
}

static void host_gives_up_early(void **state)
{
	struct covsock_conn *c;
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	covsock_start(t, c, PORT);
	expect(VIRTIO_VSOCK_OP_REQUEST);
	close(pair[0]);
	events();
	expect(VIRTIO_VSOCK_OP_RST);
	assert_free(c);
	/* Its answer was on its way. */
	c->host_port = COVSOCK_FIRST_PORT + 1;
	c->guest_port = PORT;
	assert_null(packet(c, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0, 0));
	expect(VIRTIO_VSOCK_OP_RST);
}

static void say_line(const char *line, const char *answer)
{
	struct covsock_conn *c;
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	for (; *line; line++) {
		if (send(pair[0], line, 1, MSG_NOSIGNAL) < 0)
			break;
		events();
	}
	if (answer) {
		expect_text(pair[0], answer);
		assert_free(c);
	} else {
		assert_int_equal(expect(VIRTIO_VSOCK_OP_REQUEST).dst_port, 80);
		assert_int_equal(c->state, COVSOCK_CONNECTING);
	}
	close(pair[0]);
	events();
	while (c->state != COVSOCK_FREE)
		expect(VIRTIO_VSOCK_OP_RST);
}

static void lines(void **state)
{
	const char *no = "ERROR expected CONNECT and a port\n";

	say_line("CONNECT 80\n", NULL);
	say_line("CONNECT 80\nand data", NULL);
	say_line("CONNECT 0\n", no);
	say_line("CONNECT -1\n", no);
	say_line("CONNECT 4294967295\n", no);
	say_line("CONNECT 80x\n", no);
	say_line("CONNECT\n", no);
	say_line("connect 80\n", no);
	say_line("\n", no);
	say_line("CONNECT 000000000000000000000000000000080\n", no);
}

static void early_data_is_for_the_guest(void **state)
{
	static const char text[] = "CONNECT 80\nhello";
	struct virtio_vsock_hdr h;
	struct covsock_conn *c;
	uint8_t buf[4000];
	int pair[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	c = covsock_add(t, pair[1]);
	assert_int_equal(write(pair[0], text, sizeof(text) - 1), 16);
	events();
	expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_null(packet(c, VIRTIO_VSOCK_OP_RESPONSE, NULL, 0, 0));
	events();
	assert_int_equal(next(VIRTIO_VSOCK_OP_RW, &h, buf), 5);
	assert_memory_equal(buf, "hello", 5);
	close(pair[0]);
}

static void guest_may_not_connect(void **state)
{
	struct covsock_conn c = { .host_port = 9, .guest_port = 1234 };
	struct virtio_vsock_hdr h;

	assert_null(packet(&c, VIRTIO_VSOCK_OP_REQUEST, NULL, 0, 0));
	h = expect(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(h.src_port, 9);
	assert_int_equal(h.dst_port, 1234);
	assert_int_equal(t->high, 0);
}

static void guest_connects_where_it_may(void **state)
{
	struct covsock_conn c = { .host_port = 9, .guest_port = 1234 };
	char path[] = "/tmp/colinux-vsock-XXXXXX", buf[8] = "";
	int listener, fd;

	close(mkstemp(path));
	assert_int_equal(covsock_bind(path, &listener), 0);
	t->listener[t->listeners++] = (struct covsock_listener) {
		9, strdup(path) };
	assert_null(packet(&c, VIRTIO_VSOCK_OP_REQUEST, NULL, 0, 0));
	expect(VIRTIO_VSOCK_OP_RESPONSE);
	assert_null(packet(&c, VIRTIO_VSOCK_OP_RW, "ping", 4, 0));
	fd = accept(listener, NULL, NULL);
	assert_int_equal(read(fd, buf, 8), 4);
	assert_string_equal(buf, "ping");
	/* The same sockets once more: no. */
	assert_null(packet(&c, VIRTIO_VSOCK_OP_REQUEST, NULL, 0, 0));
	expect(VIRTIO_VSOCK_OP_RST);
	expect_end(fd);
	close(fd);
	close(listener);
	/* Nobody listens any more. */
	assert_null(packet(&c, VIRTIO_VSOCK_OP_REQUEST, NULL, 0, 0));
	expect(VIRTIO_VSOCK_OP_RST);
	unlink(path);
}

/* --- data -------------------------------------------------------------------- */

static void credit_of_the_guest(void **state)
{
	struct virtio_vsock_hdr h;
	size_t total = 0, len;
	uint8_t buf[4000];
	int fd;
	struct covsock_conn *c = connected(&fd);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert_int_equal(write(fd, data, ALLOC + 5000), ALLOC + 5000);
	events();
	while (total < ALLOC) {
		len = next(VIRTIO_VSOCK_OP_RW, &h, buf);
		assert_memory_equal(buf, data + total, len);
		total += len;
	}
	assert_int_equal(total, ALLOC);
	expect_nothing();
	events();
	expect_nothing();
	/* It has taken all. */
	assert_null(packet(c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0, 0));
	while (total < ALLOC + 5000) {
		len = next(VIRTIO_VSOCK_OP_RW, &h, buf);
		assert_memory_equal(buf, data + total, len);
		total += len;
	}
	expect_nothing();
	close(fd);
}

static void a_guest_that_lies_about_credit(void **state)
{
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST, .dst_cid = COVSOCK_CID_HOST,
		.type = VIRTIO_VSOCK_TYPE_STREAM,
		.op = VIRTIO_VSOCK_OP_CREDIT_UPDATE,
		.buf_alloc = ALLOC, .fwd_cnt = 1000,	/* of nothing */
	};
	int fd;
	struct covsock_conn *c = connected(&fd);

	h.src_port = c->guest_port;
	h.dst_port = c->host_port;
	assert_null(covsock_packet(t, &h, NULL, 0));
	assert_int_equal(write(fd, data, 100), 100);
	events();
	expect_nothing();
	close(fd);
}

static void our_credit_and_a_slow_host(void **state)
{
	uint8_t *got = malloc(COVSOCK_BUFFER * 4);
	size_t taken = 0, sent = 0;
	int fd, room = 4096;
	struct covsock_conn *c = connected(&fd);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (c->received - c->forwarded + 1000 <= COVSOCK_BUFFER) {
		assert_null(packet(c, VIRTIO_VSOCK_OP_RW, data + sent % 4096,
				   1000, 0));
		sent += 1000;
	}
	assert_true(c->len > COVSOCK_BUFFER / 2);
	while (taken < sent) {
		ssize_t n = recv(fd, got + taken, 30000, MSG_DONTWAIT);

		assert_true(n > 0);
		taken += n;
		events();
	}
	for (size_t i = 0; i < sent; i += 1000)
		assert_memory_equal(got + i, data + i % 4096, 1000);
	assert_null(c->backlog);
	assert_int_equal(expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE).fwd_cnt, sent);
	expect_nothing();
	free(got);
	close(fd);
}

static void more_than_our_credit(void **state)
{
	int fd, room = 4096;
	struct covsock_conn *c = connected(&fd);

	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	while (c->received - c->forwarded + 4096 <= COVSOCK_BUFFER)
		assert_null(packet(c, VIRTIO_VSOCK_OP_RW, data, 4096, 0));
	assert_non_null(packet(c, VIRTIO_VSOCK_OP_RW, data, 4097, 0));
	close(fd);
}

static void credit_on_request(void **state)
{
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_null(packet(c, VIRTIO_VSOCK_OP_RW, data, 100, 0));
	expect_nothing();
	assert_null(packet(c, VIRTIO_VSOCK_OP_CREDIT_REQUEST, NULL, 0, 0));
	assert_int_equal(expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE).fwd_cnt, 100);
	close(fd);
}

/* --- ends -------------------------------------------------------------------- */

static void host_ends_its_half(void **state)
{
	struct virtio_vsock_hdr h;
	uint8_t buf[4000];
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_int_equal(write(fd, "last", 4), 4);
	shutdown(fd, SHUT_WR);
	events();
	assert_int_equal(next(VIRTIO_VSOCK_OP_RW, &h, buf), 4);
	h = expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_nothing();
	assert_null(packet(c, VIRTIO_VSOCK_OP_RW, "answer", 6, 0));
	expect_text(fd, "answer");
	assert_null(packet(c, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0, BOTH));
	expect(VIRTIO_VSOCK_OP_RST);
	assert_free(c);
	expect_end(fd);
	close(fd);
}

static void guest_ends_its_half(void **state)
{
	struct virtio_vsock_hdr h;
	uint8_t buf[4000];
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_null(packet(c, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0,
			   VIRTIO_VSOCK_SHUTDOWN_SEND));
	expect_end(fd);
	assert_int_equal(write(fd, "still", 5), 5);
	events();
	assert_int_equal(next(VIRTIO_VSOCK_OP_RW, &h, buf), 5);
	/* What it has said it would not do. */
	assert_null(packet(c, VIRTIO_VSOCK_OP_RW, "more", 4, 0));
	expect(VIRTIO_VSOCK_OP_RST);
	assert_free(c);
	close(fd);
}

static void guest_reads_no_more(void **state)
{
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_null(packet(c, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0,
			   VIRTIO_VSOCK_SHUTDOWN_RCV));
	events();
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_null(packet(c, VIRTIO_VSOCK_OP_RW, "yes", 3, 0));
	expect_text(fd, "yes");
	close(fd);
	events();
	assert_int_equal(expect(VIRTIO_VSOCK_OP_SHUTDOWN).flags, BOTH);
	assert_null(packet(c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	assert_free(c);
}

/* All it wrote before it closed arrives, however slow the guest is. */
static void host_closes(void **state)
{
	struct virtio_vsock_hdr h;
	size_t total = 0;
	uint8_t buf[4000];
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_int_equal(write(fd, data, ALLOC + 100), ALLOC + 100);
	close(fd);
	events();
	assert_int_equal(expect(VIRTIO_VSOCK_OP_SHUTDOWN).flags,
			 VIRTIO_VSOCK_SHUTDOWN_RCV);
	while (total < ALLOC)
		total += next(VIRTIO_VSOCK_OP_RW, &h, buf);
	expect_nothing();
	events();
	assert_null(packet(c, VIRTIO_VSOCK_OP_CREDIT_UPDATE, NULL, 0, 0));
	assert_int_equal(next(VIRTIO_VSOCK_OP_RW, &h, buf), 100);
	assert_int_equal(expect(VIRTIO_VSOCK_OP_SHUTDOWN).flags, BOTH);
	assert_int_equal(c->state, COVSOCK_CLOSING);
	/* Nobody is there to take it. */
	assert_null(packet(c, VIRTIO_VSOCK_OP_RW, data, 1000, 0));
	assert_null(packet(c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	assert_free(c);
	expect_nothing();
}

/* What it sent before its end arrives, however slow the host is. */
static void guest_closes(bool with_reset)
{
	int fd, room = 4096;
	size_t sent = 0, taken = 0;
	uint8_t buf[4096];
	struct covsock_conn *c = connected(&fd);

	setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (; sent < 100000; sent += 1000)
		assert_null(packet(c, VIRTIO_VSOCK_OP_RW, data, 1000, 0));
	if (with_reset)
		assert_null(packet(c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	else
		assert_null(packet(c, VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0, BOTH));
	assert_int_not_equal(c->state, COVSOCK_FREE);
	while (taken < sent) {
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

		assert_true(n > 0);
		taken += n;
		events();
	}
	expect_end(fd);
	if (!with_reset) {
		/* Perhaps a word about credit first. */
		while (expect(c->due & 1 << VIRTIO_VSOCK_OP_RST ?
			      VIRTIO_VSOCK_OP_RST :
			      VIRTIO_VSOCK_OP_CREDIT_UPDATE).op !=
		       VIRTIO_VSOCK_OP_RST)
			;
	}
	assert_free(c);
	expect_nothing();
	close(fd);
}

static void guest_closes_slow_host(void **state)
{
	guest_closes(false);
}

static void guest_resets_slow_host(void **state)
{
	guest_closes(true);
}

static void the_guest_reboots(void **state)
{
	struct covsock_conn *c[3];
	int fd[3], room = 4096;
	char buf[4096];
	size_t taken = 0;

	c[0] = connected(&fd[0]);
	c[1] = connected(&fd[1]);
	setsockopt(c[1]->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	for (int i = 0; i < 50; i++)
		assert_null(packet(c[1], VIRTIO_VSOCK_OP_RW, data, 1000, 0));
	c[2] = connected(&fd[2]);
	c[2]->state = COVSOCK_CONNECTING;
	covsock_table_reset(t);
	expect_end(fd[0]);
	assert_free(c[0]);
	expect_text(fd[2], "ERROR the guest went away\n");
	for (ssize_t n; (n = recv(fd[1], buf, sizeof(buf), MSG_DONTWAIT)) > 0;
	     events())
		taken += n;
	assert_int_equal(taken, 50000);
	expect_end(fd[1]);
	assert_free(c[1]);
	expect_nothing();
	for (int i = 0; i < 3; i++)
		close(fd[i]);
}

/* --- limits and nonsense ------------------------------------------------------ */

static void strangers_are_reset(void **state)
{
	struct covsock_conn c = { .host_port = 1, .guest_port = 2 };

	assert_null(packet(&c, VIRTIO_VSOCK_OP_RW, data, 10, 0));
	expect(VIRTIO_VSOCK_OP_RST);
	assert_null(packet(&c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	expect_nothing();
	for (int i = 0; covsock_may_take(t); i++) {
		assert_in_range(i, 0, COVSOCK_RESETS);
		assert_null(packet(&c, VIRTIO_VSOCK_OP_RW, data, 10, 0));
	}
	while (t->resets)
		expect(VIRTIO_VSOCK_OP_RST);
	assert_true(covsock_may_take(t));
}

static void broken_rules(void **state)
{
	struct virtio_vsock_hdr h = {
		.src_cid = GUEST + 1, .dst_cid = COVSOCK_CID_HOST,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = VIRTIO_VSOCK_OP_RW,
	};
	int fd;
	struct covsock_conn *c = connected(&fd);

	assert_non_null(covsock_packet(t, &h, NULL, 0));
	assert_non_null(packet(c, VIRTIO_VSOCK_OP_INVALID, NULL, 0, 0));
	/* Kinds of sockets, machines and operations that there are not. */
	h.src_cid = GUEST;
	h.type = VIRTIO_VSOCK_TYPE_SEQPACKET;
	assert_null(covsock_packet(t, &h, NULL, 0));
	expect(VIRTIO_VSOCK_OP_RST);
	h.type = VIRTIO_VSOCK_TYPE_STREAM;
	h.dst_cid = 99;
	assert_null(covsock_packet(t, &h, NULL, 0));
	assert_int_equal(expect(VIRTIO_VSOCK_OP_RST).src_cid, 99);
	assert_null(packet(c, 42, NULL, 0, 0));
	expect_end(fd);
	expect(VIRTIO_VSOCK_OP_RST);
	assert_free(c);
	close(fd);
}

static void a_full_table(void **state)
{
	static int fd[COVSOCK_CONNS];
	struct covsock_conn *c, *first = &t->conn[0];
	uint32_t port;
	int pair[2];

	for (int i = 0; i < COVSOCK_CONNS; i++)
		connected(&fd[i]);
	assert_null(covsock_add(t, 0));
	/* One that waits for the guest's word only makes room. */
	close(fd[0]);
	events();
	port = first->host_port;
	expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(expect(VIRTIO_VSOCK_OP_SHUTDOWN).flags, BOTH);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	fd[0] = pair[0];
	c = covsock_add(t, pair[1]);
	assert_ptr_equal(c, first);
	assert_int_equal(expect(VIRTIO_VSOCK_OP_RST).src_port, port);
	covsock_start(t, c, PORT);
	assert_int_not_equal(expect(VIRTIO_VSOCK_OP_REQUEST).src_port, port);
	for (int i = 0; i < COVSOCK_CONNS; i++)
		close(fd[i]);
}

static void stale_events(void **state)
{
	int fd;
	struct covsock_conn *c = connected(&fd);
	uint32_t old = c->generation;

	assert_null(packet(c, VIRTIO_VSOCK_OP_RST, NULL, 0, 0));
	close(fd);
	assert_ptr_equal(connected(&fd), c);
	covsock_event(t, 0, old, EPOLLHUP);
	assert_int_equal(c->state, COVSOCK_OPEN);
	covsock_event(t, COVSOCK_CONNS + 5, 0, EPOLLHUP);
	close(fd);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(host_connects),
		TEST(guest_refuses),
		TEST(guest_is_not_up),
		TEST(host_gives_up_early),
		TEST(lines),
		TEST(early_data_is_for_the_guest),
		TEST(guest_may_not_connect),
		TEST(guest_connects_where_it_may),
		TEST(credit_of_the_guest),
		TEST(a_guest_that_lies_about_credit),
		TEST(our_credit_and_a_slow_host),
		TEST(more_than_our_credit),
		TEST(credit_on_request),
		TEST(host_ends_its_half),
		TEST(guest_ends_its_half),
		TEST(guest_reads_no_more),
		TEST(host_closes),
		TEST(guest_closes_slow_host),
		TEST(guest_resets_slow_host),
		TEST(the_guest_reboots),
		TEST(strangers_are_reset),
		TEST(broken_rules),
		TEST(a_full_table),
		TEST(stale_events),
	};

	return cmocka_run_group_tests_name("vsock", tests, NULL, NULL);
}

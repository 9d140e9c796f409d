// SPDX-License-Identifier: GPL-2.0
/*
 * A whole covsock with its thread, its rings and its Unix socket: a guest that
 * echoes, guests that break the rules, resets, the end.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include "say.h"
#include "driver.h"
#include "core/thread.h"
#include "devices/covsock.h"

#define MEM		(2UL << 20)
#define RINGS		0x20000		/* 0x4000 for each queue */
#define BUFFERS		0x40000
#define BUFFER		0x1000
#define SIZE		32
#define TEXT		400000
#define PORT		77
#define WAIT_MS		20000
#define HEADER		sizeof(struct virtio_vsock_hdr)
#define DRIVER_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

enum { RX, TX, EVENT };

static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static struct covsock *covsock;
static char path[64];
static uint8_t text[TEXT];

/* The guest's side of a queue; buffer i is descriptor i. */
static struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen;
	unsigned int n;
} vqs[3];

/* The guest's only connection. */
static struct {
	uint32_t host_port, fwd, sent, peer_alloc, peer_fwd;
	bool ended;
} guest;

/* What waits for credit; no more than we allowed can come meanwhile. */
static uint8_t kept[65536];
static uint32_t kept_len;

static int setup(void **state)
{
	forget_said(state);
	memset(&fake_driver, 0, sizeof(fake_driver));
	memset(&guest, 0, sizeof(guest));
	memset(vqs, 0, sizeof(vqs));
	kept_len = 0;
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	for (unsigned int i = 0; i < TEXT; i++)
		text[i] = i * 11 + (i >> 9);
	snprintf(path, sizeof(path), "/tmp/colinux-vsock-%d", getpid());
	virtio_init(&bus, 3, &mem);
	assert_int_equal(covsock_create(&bus, &covsock), 0);
	assert_int_equal(covsock_listen(covsock, path), 0);
	dev = bus.device[0];
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	assert_int_equal(access(path, F_OK), -1);
	free(mem.hva);
	return 0;
}

/* --- the guest's rings -------------------------------------------------------- */

static void start_queue(unsigned int n)
{
	struct co_queue *q = &dev->shared->queue[n];
	struct vq *vq = &vqs[n];

	q->desc_gpa = RINGS + n * 0x4000;
	q->avail_gpa = q->desc_gpa + 0x1000;
	q->used_gpa = q->desc_gpa + 0x2000;
	q->size = SIZE;
	q->ready = 1;
	memset(guest_mem_at(&mem, q->desc_gpa, 0x4000), 0, 0x4000);
	vq->desc = guest_mem_at(&mem, q->desc_gpa, 1);
	vq->avail = guest_mem_at(&mem, q->avail_gpa, 1);
	vq->used = guest_mem_at(&mem, q->used_gpa, 1);
	vq->seen = 0;
	vq->n = n;
}

static uint64_t buffer_gpa(const struct vq *vq, unsigned int i)
{
	return BUFFERS + (vq->n * SIZE + i) * BUFFER;
}

static uint8_t *buffer(const struct vq *vq, unsigned int i)
{
	return guest_mem_at(&mem, buffer_gpa(vq, i), BUFFER);
}

static uint32_t status(void)
{
	return __atomic_load_n(&dev->shared->status, __ATOMIC_SEQ_CST);
}

static uint16_t used_index(const struct vq *vq)
{
	return __atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE);
}

static void offer(struct vq *vq, unsigned int i, uint32_t len)
{
	uint16_t old = vq->avail->idx;
	const uint64_t one = 1;

	vq->desc[i] = (struct vring_desc) {
		.addr = buffer_gpa(vq, i), .len = len,
		.flags = vq->n == TX ? 0 : VRING_DESC_F_WRITE,
	};
	vq->avail->ring[old % SIZE] = i;
	__atomic_store_n(&vq->avail->idx, old + 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vring_need_event(__atomic_load_n((uint16_t *)&vq->used->ring[SIZE],
					     __ATOMIC_RELAXED), old + 1, old))
		assert_int_equal(write(fake_driver.doorbell[vq->n] - 1, &one, 8),
				 8);
}

static void start_device(void)
{
	dev->shared->guest_features = 1ULL << VIRTIO_F_VERSION_1 |
				      1ULL << VIRTIO_RING_F_EVENT_IDX;
	for (unsigned int n = RX; n <= EVENT; n++)
		start_queue(n);
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, DRIVER_OK);
	for (unsigned int i = 0; i < SIZE; i++)
		offer(&vqs[RX], i, BUFFER);
}

static void send_packet(unsigned int op, const void *data, uint32_t len,
			uint32_t flags)
{
	struct vq *vq = &vqs[TX];
	unsigned int i = vq->avail->idx % SIZE;
	struct virtio_vsock_hdr h = {
		.src_cid = COVSOCK_GUEST_CID, .dst_cid = COVSOCK_CID_HOST,
		.src_port = PORT, .dst_port = guest.host_port, .len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op, .flags = flags,
		.buf_alloc = 65536, .fwd_cnt = guest.fwd,
	};

	for (unsigned int ms = 0; (uint16_t)(vq->avail->idx - used_index(vq)) ==
				  SIZE; ms++) {
		assert_true(ms < WAIT_MS);
		usleep(1000);
	}
	memcpy(buffer(vq, i), &h, HEADER);
	if (len)
		memcpy(buffer(vq, i) + HEADER, data, len);
	offer(vq, i, HEADER + len);
}

/* --- the guest ---------------------------------------------------------------- */

static void echo(void)
{
	while (kept_len > 0) {
		uint32_t n = kept_len < 1000 ? kept_len : 1000;

		if (guest.sent - guest.peer_fwd + n > guest.peer_alloc)
			return;
		kept_len -= n;
		guest.fwd += n;
		guest.sent += n;
		send_packet(VIRTIO_VSOCK_OP_RW, kept, n, 0);
		memmove(kept, kept + n, kept_len);
	}
}

static void receive(const struct virtio_vsock_hdr *h, const uint8_t *data)
{
	guest.peer_alloc = h->buf_alloc;
	guest.peer_fwd = h->fwd_cnt;
	switch (h->op) {
	case VIRTIO_VSOCK_OP_REQUEST:
		guest.host_port = h->src_port;
		send_packet(VIRTIO_VSOCK_OP_RESPONSE, NULL, 0, 0);
		break;
	case VIRTIO_VSOCK_OP_RW:
		assert_true(kept_len + h->len <= sizeof(kept));
		memcpy(kept + kept_len, data, h->len);
		kept_len += h->len;
		break;
	case VIRTIO_VSOCK_OP_SHUTDOWN:
		if (h->flags == (VIRTIO_VSOCK_SHUTDOWN_RCV |
				 VIRTIO_VSOCK_SHUTDOWN_SEND))
			send_packet(VIRTIO_VSOCK_OP_RST, NULL, 0, 0);
		else
			send_packet(VIRTIO_VSOCK_OP_SHUTDOWN, NULL, 0, 3);
		break;
	case VIRTIO_VSOCK_OP_RST:
		guest.ended = true;
	}
}

static bool run_guest(void)
{
	struct vq *vq = &vqs[RX];
	bool any = false;

	/* Nothing runs there before its driver or after a reset. */
	if (!status())
		return false;
	while (vq->seen != used_index(vq)) {
		struct vring_used_elem *e = &vq->used->ring[vq->seen % SIZE];
		const struct virtio_vsock_hdr *h;

		h = (const void *)buffer(vq, e->id);
		assert_int_equal(e->len, HEADER + h->len);
		receive(h, buffer(vq, e->id) + HEADER);
		vq->seen++;
		offer(vq, e->id, BUFFER);
		any = true;
	}
	echo();
	return any;
}

/* --- the host's program -------------------------------------------------------- */

static int program(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(write(fd, "CONNECT 77\n", 11), 11);
	return fd;
}

/* Reads while the guest runs; 0: the end. */
static ssize_t get(int fd, void *to, size_t len)
{
	for (unsigned int ms = 0; ms < WAIT_MS; ms++) {
		ssize_t n = read(fd, to, len);

		if (n >= 0 || errno != EAGAIN)
			return n;
		if (!run_guest())
			usleep(1000);
	}
	fail_msg("nothing came");
	return -1;
}

static void get_line(int fd, const char *line)
{
	char got[200];

	assert_int_equal(get(fd, got, strlen(line)), strlen(line));
	assert_memory_equal(got, line, strlen(line));
}

/* --- tests ---------------------------------------------------------------------- */

static void echoes(void **state)
{
	uint8_t *got = malloc(TEXT);
	size_t sent = 0, taken = 0;
	int fd;

	memset(&guest, 0, sizeof(guest));
	start_device();
	fd = program();
	get_line(fd, "OK\n");
	while (taken < TEXT) {
		ssize_t n = write(fd, text + sent, TEXT - sent);

		if (n > 0)
			sent += n;
		run_guest();
		n = get(fd, got + taken, TEXT - taken);
		assert_true(n > 0);
		taken += n;
	}
	assert_memory_equal(got, text, TEXT);
	shutdown(fd, SHUT_WR);
	assert_int_equal(get(fd, got, 1), 0);
	for (unsigned int ms = 0; !guest.ended && ms < WAIT_MS; ms++) {
		run_guest();
		usleep(1000);
	}
	assert_true(guest.ended);
	close(fd);
	free(got);
	assert_silent();
}

static void not_up_yet(void **state)
{
	int fd = program();

	assert_false(covsock_up(covsock));
	get_line(fd, "ERROR the guest is not up\n");
	close(fd);
	start_device();
	assert_true(covsock_up(covsock));
	fd = program();
	get_line(fd, "OK\n");
	close(fd);
}

static void handed_over(void **state)
{
	int pair[2];
	char c;

	start_device();
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	assert_int_equal(covsock_connect(covsock, pair[1], PORT, COVSOCK_JSON),
			 0);
	get_line(pair[0], "{\"ok\":true}\n");
	assert_int_equal(write(pair[0], "x", 1), 1);
	assert_int_equal(get(pair[0], &c, 1), 1);
	close(pair[0]);
}

/* The guest is told, what it had is gone, and it can begin again. */
static void broken_by(unsigned int op, uint32_t len, uint32_t real)
{
	struct vq *vq = &vqs[TX];
	struct virtio_vsock_hdr *h;
	unsigned int i;
	char c;
	int fd;

	start_device();
	fd = program();
	get_line(fd, "OK\n");
	i = vq->avail->idx % SIZE;
	h = (void *)buffer(vq, i);
	*h = (struct virtio_vsock_hdr) {
		.src_cid = COVSOCK_GUEST_CID, .dst_cid = COVSOCK_CID_HOST,
		.src_port = PORT, .dst_port = guest.host_port, .len = len,
		.type = VIRTIO_VSOCK_TYPE_STREAM, .op = op,
	};
	offer(vq, i, real);
	assert_int_equal(get(fd, &c, 1), 0);
	close(fd);
	assert_true(status() & VIRTIO_CONFIG_S_NEEDS_RESET);
	dev->shared->status = 0;
	virtio_update(&bus, 0);
	assert_said("must reset it");
}

static void bad_packets(void **state)
{
	broken_by(VIRTIO_VSOCK_OP_RW, 10, HEADER - 1);
	broken_by(VIRTIO_VSOCK_OP_RW, 10, HEADER + 9);
	broken_by(VIRTIO_VSOCK_OP_RW, ~0U, HEADER + 9);
	broken_by(VIRTIO_VSOCK_OP_SHUTDOWN, 10, HEADER + 10);
	broken_by(VIRTIO_VSOCK_OP_INVALID, 0, HEADER);
	echoes(state);
}

static void a_buffer_without_room(void **state)
{
	int fd;
	char c;

	start_device();
	run_guest();
	/* All that are there are good; the next round has a bad one. */
	dev->shared->status = 0;
	virtio_update(&bus, 0);
	dev->shared->guest_features = 1ULL << VIRTIO_F_VERSION_1 |
				      1ULL << VIRTIO_RING_F_EVENT_IDX;
	for (unsigned int n = RX; n <= EVENT; n++)
		start_queue(n);
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	offer(&vqs[RX], 0, HEADER);
	fd = program();
	while (get(fd, &c, 1) > 0)
		;
	close(fd);
	assert_said("too small");
}

static void resets_with_connections(void **state)
{
	char c;

	for (unsigned int i = 0; i < 20; i++) {
		int fd;

		start_device();
		fd = program();
		get_line(fd, "OK\n");
		dev->shared->status = 0;
		virtio_update(&bus, 0);
		assert_int_equal(get(fd, &c, 1), 0);
		close(fd);
	}
	assert_silent();
}

static void ends_with_connections(void **state)
{
	int fd[10];

	start_device();
	for (unsigned int i = 0; i < 10; i++) {
		fd[i] = program();
		if (i < 5)
			get_line(fd[i], "OK\n");
	}
	virtio_finish(&bus);
	virtio_destroy(&bus);
	for (unsigned int i = 0; i < 10; i++)
		close(fd[i]);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(echoes),
		TEST(not_up_yet),
		TEST(handed_over),
		TEST(bad_packets),
		TEST(a_buffer_without_room),
		TEST(resets_with_connections),
		TEST(ends_with_connections),
	};

	threads_init();
	return cmocka_run_group_tests_name("covsock", tests, NULL, NULL);
}

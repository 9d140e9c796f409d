// SPDX-License-Identifier: GPL-2.0
/*
 * cofs with a server that is a process of this test: what it is told, and that
 * each request is answered once, whatever becomes of it.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include "say.h"
#include "driver.h"
#include "core/thread.h"
#include "devices/cofs_request.h"
#include "devices/devices.h"

#define MEM		(4UL << 20)
#define RINGS		0x20000		/* 0x8000 for each queue */
#define BUFFERS		0x40000
#define BUFFER		0x100
#define SIZE		64
#define DRIVER_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static struct virtiofsd server;
static pid_t server_pid;

/* --- the server ------------------------------------------------------------- */

/* How it misbehaves; all of this is in memory that both processes see. */
static struct faults {
	int dies_at;		/* this request, 0: none */
	int wrong_kind_at;
	int wrong_size_at;
	int refuses;
	int no_features;	/* offers neither ring features nor acks */
	unsigned int answers;	/* that it gives before it stops answering */
	unsigned int seen[32];	/* how often each request came */
	uint64_t features;
	uint64_t mem_bytes;
	unsigned int kick_rings;
} *faults;

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		uint32_t word[2];
		uint64_t words[8];
	};
} __attribute__((packed, aligned(4)));

static struct {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next;
	int kick, call;
} rings[2];

static void reply(int fd, struct message *m, uint32_t size)
{
	m->flags = 5;
	m->size = size;
	if (m->request == (uint32_t)faults->wrong_kind_at)
		m->request++;
	if (m->request == (uint32_t)faults->wrong_size_at)
		m->size++;
	if (write(fd, m, 12 + size) < 0)
		_exit(3);
}

static void serve(unsigned int n)
{
	const uint64_t one = 1;
	uint64_t count;

	if (read(rings[n].kick, &count, 8) < 0)
		_exit(4);
	faults->kick_rings++;
	while (faults->answers && rings[n].next != rings[n].avail->idx) {
		uint16_t head = rings[n].avail->ring[rings[n].next % SIZE];
		struct vring_used_elem *e =
			&rings[n].used->ring[rings[n].next % SIZE];

		e->id = head;
		e->len = 77;
		__atomic_store_n(&rings[n].used->idx, ++rings[n].next,
				 __ATOMIC_RELEASE);
		faults->answers--;
		if (write(rings[n].call, &one, 8) < 0)
			_exit(5);
	}
}

static void obey(int fd, struct message *m, int file)
{
	unsigned int n = m->word[0] & 1;

	switch (m->request) {
	case 1:
		m->number = faults->no_features ? 0 :
			0x170000000ULL | 1ULL << 30;
		reply(fd, m, 8);
		return;
	case 15:
		m->number = ~0ULL;
		reply(fd, m, 8);
		return;
	case 2:
		faults->features = m->number;
		break;
	case 5:
		faults->mem_bytes = m->words[2];
		break;
	case 9:
		rings[n].desc = (void *)m->words[1];
		rings[n].used = (void *)m->words[2];
		rings[n].avail = (void *)m->words[3];
		break;
	case 10:
		rings[n].next = m->word[1];
		break;
	case 11:
		m->word[1] = rings[n].next;
		rings[n].kick = -1;
		reply(fd, m, 8);
		return;
	case 12:
		rings[n].kick = file;
		break;
	case 13:
		rings[n].call = file;
		break;
	}
	if (m->flags & 8) {
		m->number = m->request == (uint32_t)faults->refuses;
		reply(fd, m, 8);
	}
}

static void take_message(int fd)
{
	struct message m;
	struct iovec iov = { &m, 12 };
	char control[CMSG_SPACE(sizeof(int))];
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int file = -1;

	if (recvmsg(fd, &msg, 0) != 12)
		_exit(0);
	if (CMSG_FIRSTHDR(&msg))
		memcpy(&file, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(file));
	if (m.size > 64 || (m.size && recv(fd, &m.number, m.size, 0) !=
			    (ssize_t)m.size))
		_exit(6);
	faults->seen[m.request % 32]++;
	if (m.request == (uint32_t)faults->dies_at) {
		fprintf(stderr, "[now] [ID: 1] request %u is too much\n",
			m.request);
		_exit(9);
	}
	obey(fd, &m, file);
}

static void server_main(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rings[0].kick = -1;
	rings[1].kick = -1;
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = fd, .events = POLLIN },
			{ .fd = rings[0].kick, .events = POLLIN },
			{ .fd = rings[1].kick, .events = POLLIN },
		};

		poll(p, 3, -1);
		if (p[1].revents & POLLIN)
			serve(0);
		if (p[2].revents & POLLIN)
			serve(1);
		if (p[0].revents)
			take_message(fd);
	}
}

/* As virtiofsd_start() leaves it. */
static void start_server(void)
{
	int sockets[2], pipes[2];

	memset(&server, 0, sizeof(server));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(pipe(pipes), 0);
	server.pid = fork();
	if (server.pid == 0) {
		setpgid(0, 0);
		dup2(pipes[1], STDERR_FILENO);
		close(sockets[0]);
		server_main(sockets[1]);
	}
	setpgid(server.pid, server.pid);
	close(sockets[1]);
	close(pipes[1]);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	server.socket = sockets[0];
	server.log = pipes[0];
	server_pid = server.pid;
}

/* --- setup -------------------------------------------------------------------- */

static int setup(void **state)
{
	forget_said(state);
	memset(&fake_driver, 0, sizeof(fake_driver));
	memset(faults, 0, sizeof(*faults));
	faults->answers = 1000000;
	mem.size = MEM;
	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	virtio_init(&bus, 2, &mem);
	return 0;
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	munmap(mem.hva, MEM);
	assert_int_equal(kill(server_pid, 0), -1);
	return 0;
}

static int create(void)
{
	int err;

	start_server();
	err = cofs_create(&bus, &server, 7, "/srv/x");
	assert_int_equal(server.pid, 0);
	dev = bus.device[0];
	return err;
}

/* --- the guest ------------------------------------------------------------------ */

static struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
} vqs[2];

static void fill_queue(unsigned int n)
{
	struct co_queue *q = &dev->shared->queue[n];

	q->desc_gpa = RINGS + n * 0x8000;
	q->avail_gpa = q->desc_gpa + 0x2000;
	q->used_gpa = q->desc_gpa + 0x4000;
	q->size = SIZE;
	q->ready = 1;
	memset(guest_mem_at(&mem, q->desc_gpa, 0x8000), 0, 0x8000);
	vqs[n].desc = guest_mem_at(&mem, q->desc_gpa, 1);
	vqs[n].avail = guest_mem_at(&mem, q->avail_gpa, 1);
	vqs[n].used = guest_mem_at(&mem, q->used_gpa, 1);
}

static void start_device(void)
{
	dev->shared->guest_features = dev->host_features;
	fill_queue(0);
	fill_queue(1);
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, DRIVER_OK);
}

static void reset_device(void)
{
	dev->shared->status = 0;
	virtio_update(&bus, 0);
}

static uint8_t *buffer(unsigned int q, unsigned int i)
{
	return guest_mem_at(&mem, BUFFERS + (q * SIZE + i) * BUFFER, BUFFER);
}

static void ring(unsigned int q)
{
	const uint64_t one = 1;

	assert_int_equal(write(fake_driver.doorbell[q] - 1, &one, 8), 8);
}

/* A request in descriptors i (header), i + 1 (answer); unique: i + 1000. */
static void ask(unsigned int q, unsigned int i, bool answer)
{
	struct vring_desc *d = &vqs[q].desc[i];
	struct fuse_in_header in = { .len = 40, .unique = i + 1000 };
	uint64_t at = BUFFERS + (q * SIZE + i) * BUFFER;
	uint16_t index = vqs[q].avail->idx;

	memset(buffer(q, i), 0, BUFFER);
	memcpy(buffer(q, i), &in, sizeof(in));
	d[0] = (struct vring_desc) { .addr = at, .len = 40 };
	if (answer) {
		d[0].flags = VRING_DESC_F_NEXT;
		d[0].next = i + 1;
		d[1] = (struct vring_desc) {
			.addr = at + 64, .len = 100, .flags = VRING_DESC_F_WRITE,
		};
	}
	vqs[q].avail->ring[index % SIZE] = i;
	__atomic_store_n(&vqs[q].avail->idx, index + 1, __ATOMIC_SEQ_CST);
}

static void wait_used(unsigned int q, uint16_t index)
{
	for (unsigned int ms = 0; __atomic_load_n(&vqs[q].used->idx,
	     __ATOMIC_ACQUIRE) != index; ms++) {
		if (ms == 20000)
			fail_msg("queue %u: %u used, not %u", q,
				 vqs[q].used->idx, index);
		usleep(1000);
	}
}

static void assert_refused(unsigned int q, uint16_t at, unsigned int i)
{
	const struct vring_used_elem *e = &vqs[q].used->ring[at % SIZE];
	struct fuse_out_header out;

	assert_int_equal(e->id, i);
	assert_int_equal(e->len, sizeof(out));
	memcpy(&out, buffer(q, i) + 64, sizeof(out));
	assert_int_equal(out.len, sizeof(out));
	assert_int_equal(out.error, -ENOTCONN);
	assert_int_equal(out.unique, i + 1000);
}

static void wait_said(void)
{
	for (unsigned int ms = 0; ms < 20000 && !said_lines; ms++)
		usleep(1000);
	usleep(1000);
}

/* --- tests ---------------------------------------------------------------------- */

static void the_server_is_told_all(void **state)
{
	struct virtio_fs_config config;

	assert_int_equal(create(), 0);
	memcpy(&config, dev->shared->config, sizeof(config));
	assert_string_equal((char *)config.tag, "cofs7");
	assert_int_equal(config.num_request_queues, 1);
	assert_int_equal(faults->mem_bytes, MEM);
	start_device();
	assert_int_equal(faults->features, dev->host_features | 1ULL << 30);
	assert_int_equal(faults->seen[18], 2);
	for (unsigned int i = 0; i < 10; i++)
		ask(1, 2 * i, true);
	ring(1);
	wait_used(1, 10);
	assert_int_equal(vqs[1].used->ring[9].len, 77);
	ask(0, 0, false);
	ring(0);
	wait_used(0, 1);
	for (unsigned int i = 0; i < 3; i++) {
		reset_device();
		start_device();
		ask(1, 0, true);
		ring(1);
		wait_used(1, 1);
	}
	assert_int_equal(faults->seen[11], 6);
	assert_int_equal(faults->seen[2], 4);
	assert_silent();
}

/* It had taken ten, answered three, and was told of five more. */
static void the_server_is_killed(void **state)
{
	assert_int_equal(create(), 0);
	start_device();
	faults->answers = 3;
	for (unsigned int i = 0; i < 10; i++)
		ask(1, 2 * i, true);
	ring(1);
	wait_used(1, 3);
	for (unsigned int i = 10; i < 15; i++)
		ask(1, 2 * i, true);
	ask(0, 4, false);
	kill(server_pid, SIGKILL);
	wait_used(1, 15);
	wait_used(0, 1);
	for (unsigned int i = 3; i < 15; i++)
		assert_refused(1, i, 2 * i);
	assert_int_equal(vqs[0].used->ring[0].len, 0);
	wait_said();
	assert_said("cofs7: virtiofsd was killed by signal 9: the guest gets errors for /srv/x");
	/* What comes later; around the ring, and after a new start. */
	for (unsigned int i = 15; i < 200; i++) {
		ask(1, i % 20 * 2, true);
		ring(1);
		wait_used(1, i + 1);
		assert_refused(1, i, i % 20 * 2);
	}
	reset_device();
	start_device();
	ask(1, 2, true);
	ring(1);
	wait_used(1, 1);
	assert_refused(1, 0, 2);
	assert_silent();
}

static void the_server_ends(void **state)
{
	assert_int_equal(create(), 0);
	start_device();
	ask(1, 0, true);
	faults->dies_at = 11;
	reset_device();
	assert_said("cofs7: virtiofsd ended with status 9: request 11 is too much: the guest");
	start_device();
	ask(1, 0, true);
	ring(1);
	wait_used(1, 1);
	assert_refused(1, 0, 0);
}

static void it_dies_before_the_guest_starts(void **state)
{
	assert_int_equal(create(), 0);
	kill(server_pid, SIGKILL);
	wait_said();
	assert_said("signal 9");
	start_device();
	ask(1, 0, true);
	ring(1);
	wait_used(1, 1);
	assert_refused(1, 0, 0);
}

/* Each kind of bad answer, to each request of the start of a guest. */
static void bad_answers(void **state)
{
	static const int requests[] = { 2, 8, 9, 10, 12, 13, 18 };

	for (unsigned int i = 0; i < 3 * ARRAY_SIZE(requests); i++) {
		int request = requests[i / 3];

		forget_said(NULL);
		assert_int_equal(create(), 0);
		if (i % 3 == 0)
			faults->refuses = request;
		else if (i % 3 == 1)
			faults->wrong_kind_at = request;
		else
			faults->wrong_size_at = request;
		start_device();
		assert_said("virtiofsd had to be ended: ");
		ask(1, 0, true);
		ring(1);
		wait_used(1, 1);
		assert_refused(1, 0, 0);
		teardown(NULL);
		setup(NULL);
	}
	assert_int_equal(create(), 0);
}

static void it_cannot_start(void **state)
{
	faults->dies_at = 3;
	assert_int_equal(create(), -EPIPE);
	assert_said("cofs7: /srv/x: virtiofsd ended with status 9: request 3 is too much");
	teardown(NULL);
	setup(NULL);
	faults->no_features = 1;
	assert_int_equal(create(), -EPROTO);
	assert_said("too old");
}

static void a_bad_ring_without_a_server(void **state)
{
	assert_int_equal(create(), 0);
	start_device();
	kill(server_pid, SIGKILL);
	wait_said();
	forget_said(NULL);
	vqs[1].avail->ring[0] = SIZE;
	vqs[1].avail->idx = 1;
	ring(1);
	wait_said();
	assert_said("reset");
	assert_true(dev->shared->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	reset_device();
	start_device();
	ask(1, 0, true);
	ring(1);
	wait_used(1, 1);
	assert_refused(1, 0, 0);
}

static void answers_in_pieces(void **state)
{
	struct fuse_in_header in = { .len = 40, .unique = 0x1122334455667788 };
	struct fuse_out_header out;
	uint8_t request[40], answer[16];

	memcpy(request, &in, sizeof(in));
	for (unsigned int cut = 1; cut < 16; cut++) {
		struct iovec iov[4] = {
			{ request, cut }, { request + cut, 40 - cut },
			{ answer, cut }, { answer + cut, 16 - cut },
		};
		struct chain c = { .iov = iov, .out = 2, .in = 2,
				   .out_bytes = 40, .in_bytes = 16 };

		memset(answer, 0, 16);
		assert_int_equal(cofs_refuse(&c, -EIO), 16);
		memcpy(&out, answer, 16);
		assert_int_equal(out.len, 16);
		assert_int_equal(out.error, -EIO);
		assert_int_equal(out.unique, in.unique);
		c.in = 1;
		c.in_bytes = cut;
		assert_int_equal(cofs_refuse(&c, -EIO), 0);
	}
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_server_is_told_all),
		TEST(the_server_is_killed),
		TEST(the_server_ends),
		TEST(it_dies_before_the_guest_starts),
		TEST(bad_answers),
		TEST(it_cannot_start),
		TEST(a_bad_ring_without_a_server),
		cmocka_unit_test_setup(answers_in_pieces, forget_said),
	};

	faults = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	threads_init();
	return cmocka_run_group_tests_name("cofs", tests, NULL, NULL);
}

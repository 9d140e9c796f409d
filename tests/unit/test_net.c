// SPDX-License-Identifier: GPL-2.0
/*
 * A whole conet with its thread and a whole network behind it (libslirp):
 * frames of the guest reach it, its answers and connections from the host reach
 * the guest, also across resets and with few buffers.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include "say.h"
#include "driver.h"
#include "backends/net.h"
#include "core/thread.h"
#include "devices/conet_frame.h"
#include "devices/devices.h"

#define MEM		(4UL << 20)
#define RINGS		0x20000		/* 0x4000 for each queue */
#define BUFFERS		0x40000
#define BUFFER		0x800
#define SIZE		64
#define DRIVER_OK	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | \
			 VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

enum { RX, TX };

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
static struct guest_mem mem;
static struct virtio_bus bus;
static struct device *dev;
static uint16_t port;

static struct vq {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen;
	unsigned int n;
} vqs[2];

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static int set_up(unsigned int forwards)
{
	struct net_forward f = { .guest_port = 80 };
	struct net_config config = { .forward = &f, .forwards = forwards };
	struct net_backend *b;

	forget_said(NULL);
	memset(&fake_driver, 0, sizeof(fake_driver));
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	virtio_init(&bus, 3, &mem);
	port = free_port();
	f.host_port = port;
	b = net_slirp_open(&config, 0, "eth0");
	assert_non_null(b);
	assert_int_equal(conet_create(&bus, b, 0, mac), 0);
	dev = bus.device[0];
	return 0;
}

static int setup(void **state)
{
	return set_up(1);
}

static int setup_without_ports(void **state)
{
	return set_up(0);
}

static int teardown(void **state)
{
	virtio_destroy(&bus);
	free(mem.hva);
	return 0;
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- the guest ---------------------------------------------------------------- */

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

static void start_device(uint64_t features)
{
	dev->shared->guest_features = 1ULL << VIRTIO_F_VERSION_1 |
				      1ULL << VIRTIO_RING_F_EVENT_IDX | features;
	start_queue(RX);
	start_queue(TX);
	dev->shared->status = DRIVER_OK;
	virtio_update(&bus, 0);
	assert_int_equal(dev->shared->status, DRIVER_OK);
}

static void reset_device(void)
{
	dev->shared->status = 0;
	virtio_update(&bus, 0);
}

static uint64_t buffer_gpa(const struct vq *vq, unsigned int i)
{
	return BUFFERS + (vq->n * SIZE + i) * BUFFER;
}

static void offer(struct vq *vq, unsigned int i, uint32_t len)
{
	uint16_t old = vq->avail->idx;
	const uint64_t one = 1;

	vq->desc[i] = (struct vring_desc) {
		.addr = buffer_gpa(vq, i), .len = len,
		.flags = vq->n == RX ? VRING_DESC_F_WRITE : 0,
	};
	vq->avail->ring[old % SIZE] = i;
	__atomic_store_n(&vq->avail->idx, old + 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (vring_need_event(__atomic_load_n((uint16_t *)&vq->used->ring[SIZE],
					     __ATOMIC_RELAXED), old + 1, old))
		assert_int_equal(write(fake_driver.doorbell[vq->n] - 1, &one, 8),
				 8);
}

/* The next used buffer: its index; -1: none within ms. */
static int next_used(struct vq *vq, unsigned int ms, uint32_t *len)
{
	struct vring_used_elem e;

	while (__atomic_load_n(&vq->used->idx, __ATOMIC_ACQUIRE) == vq->seen) {
		if (!ms--)
			return -1;
		usleep(1000);
	}
	e = vq->used->ring[vq->seen++ % SIZE];
	if (len)
		*len = e.len;
	return e.id;
}

static void send_frame(const void *bytes, size_t len)
{
	uint8_t *at = guest_mem_at(&mem, buffer_gpa(&vqs[TX], 0), BUFFER);

	memset(at, 0, CONET_HEADER);
	memcpy(at + CONET_HEADER, bytes, len);
	offer(&vqs[TX], 0, CONET_HEADER + len);
	assert_int_equal(next_used(&vqs[TX], 20000, NULL), 0);
}

/* Who has 10.0.2.2? */
static void ask(void)
{
	static const uint8_t arp[42] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15,
		0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
	};

	send_frame(arp, sizeof(arp));
}

/* The answer to ask(), among other frames, in buffers that are offered again. */
static void expect_answer(uint32_t len)
{
	static const uint8_t answer[] = { 0, 2, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2 };
	uint32_t got;

	for (;;) {
		int i = next_used(&vqs[RX], 20000, &got);
		uint8_t *at;

		if (i < 0)
			fail_msg("no answer");
		at = guest_mem_at(&mem, buffer_gpa(&vqs[RX], i), BUFFER);
		assert_in_range(got, CONET_HEADER + 14, len);
		if (!memcmp(at + CONET_HEADER + 20, answer, sizeof(answer)))
			break;
		offer(&vqs[RX], i, len);
	}
}

static void offer_all(uint32_t len)
{
	for (unsigned int i = 0; i < SIZE; i++)
		offer(&vqs[RX], i, len);
}

/* --- tests ---------------------------------------------------------------------- */

static void the_network_answers(void **state)
{
	start_device(0);
	offer_all(BUFFER);
	for (int i = 0; i < 20; i++) {
		ask();
		expect_answer(BUFFER);
	}
	assert_silent();
}

static void what_the_card_says(void **state)
{
	const struct virtio_net_config *c = (void *)dev->shared->config;

	assert_memory_equal(c->mac, mac, 6);
	assert_int_equal(c->status, VIRTIO_NET_S_LINK_UP);
	assert_int_equal(c->mtu, 65520);
	assert_false(dev->host_features & (1ULL << VIRTIO_NET_F_CSUM));
	assert_false(dev->host_features & (1ULL << VIRTIO_NET_F_HOST_TSO4));
}

static void checksums_are_good(void **state)
{
	struct virtio_net_hdr_v1 *h =
		guest_mem_at(&mem, BUFFERS, sizeof(*h));

	start_device(1ULL << VIRTIO_NET_F_GUEST_CSUM);
	offer_all(BUFFER);
	ask();
	expect_answer(BUFFER);
	assert_int_equal(h->flags, VIRTIO_NET_HDR_F_DATA_VALID);
	assert_int_equal(h->num_buffers, 1);
}

static void across_resets(void **state)
{
	for (int i = 0; i < 10; i++) {
		start_device(0);
		offer_all(BUFFER);
		ask();
		expect_answer(BUFFER);
		reset_device();
	}
	assert_silent();
}

/* Answers wait until there are buffers. */
static void without_buffers(void **state)
{
	start_device(0);
	ask();
	usleep(50000);
	assert_int_equal(vqs[RX].used->idx, 0);
	offer_all(BUFFER);
	expect_answer(BUFFER);
}

static void merged(void **state)
{
	struct virtio_net_hdr_v1 *h;
	uint32_t len;
	int first;

	start_device(1ULL << VIRTIO_NET_F_MRG_RXBUF);
	for (unsigned int i = 0; i < SIZE; i++)
		offer(&vqs[RX], i, 32);
	ask();
	first = next_used(&vqs[RX], 20000, &len);
	assert_true(first >= 0);
	h = guest_mem_at(&mem, buffer_gpa(&vqs[RX], first), sizeof(*h));
	assert_true(h->num_buffers > 1);
	for (int i = 1; i < h->num_buffers; i++)
		assert_true(next_used(&vqs[RX], 0, &len) >= 0);
}

/* A host's connection to the forwarded port: the guest sees a SYN to 80. */
static void a_forwarded_connection(void **state)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	start_device(0);
	offer_all(BUFFER);
	ask();			/* it learns our address */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	for (;;) {
		int i = next_used(&vqs[RX], 20000, NULL);
		uint8_t *at;

		if (i < 0)
			fail_msg("no connection arrived");
		at = guest_mem_at(&mem, buffer_gpa(&vqs[RX], i) + CONET_HEADER,
				  64);
		if (at[12] == 8 && at[13] == 0 && at[23] == IPPROTO_TCP) {
			assert_memory_equal(at + 30, "\12\0\2\17", 4);
			assert_int_equal(at[36] << 8 | at[37], 80);
			assert_int_equal(at[47] & 0x3f, 2);	/* SYN */
			break;
		}
		offer(&vqs[RX], i, BUFFER);
	}
	close(fd);
}

/* How often the card's thread has slept. */
static unsigned long sleeps(void)
{
	unsigned long n = 0;
	struct dirent *task;
	DIR *dir = opendir("/proc/self/task");

	while ((task = readdir(dir)) != NULL) {
		char path[300], line[100];
		bool ours = false;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status",
			 task->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			if (!strncmp(line, "Name:", 5))
				ours = strstr(line, "conet0.0");
			if (ours && !strncmp(line, "voluntary", 9))
				n = atol(strchr(line, ':') + 1);
		}
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

/* libslirp would like to be called once a second. */
static void an_idle_network_sleeps(void **state)
{
	unsigned long before;

	start_device(0);
	offer_all(BUFFER);
	ask();
	expect_answer(BUFFER);
	usleep(200000);
	before = sleeps();
	assert_true(before > 0);
	usleep(2500000);
	assert_int_equal(sleeps(), before);
}

static void a_taken_port(void **state)
{
	struct net_forward f = { .guest_port = 80, .host_port = port };
	struct net_config config = { .forward = &f, .forwards = 1 };

	assert_null(net_slirp_open(&config, 0, "eth1"));
	assert_said("eth1: cannot forward TCP port");
}

static void rules_broken(void **state)
{
	start_device(0);
	/* A checksum left to us, which we never offered. */
	offer_all(BUFFER);
	*(uint8_t *)guest_mem_at(&mem, buffer_gpa(&vqs[TX], 0), 1) =
		VIRTIO_NET_HDR_F_NEEDS_CSUM;
	offer(&vqs[TX], 0, 100);
	for (int ms = 0; !(__atomic_load_n(&dev->shared->status,
					   __ATOMIC_SEQ_CST) &
			   VIRTIO_CONFIG_S_NEEDS_RESET); ms++) {
		assert_in_range(ms, 0, 20000);
		usleep(1000);
	}
	reset_device();
	assert_said("reset");
	start_device(0);
	offer_all(BUFFER);
	ask();
	expect_answer(BUFFER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_network_answers), TEST(what_the_card_says),
		TEST(checksums_are_good), TEST(across_resets),
		TEST(without_buffers), TEST(merged),
		TEST(a_forwarded_connection),
		cmocka_unit_test_setup_teardown(an_idle_network_sleeps,
						setup_without_ports, teardown),
		TEST(a_taken_port),
		TEST(rules_broken),
	};

	threads_init();
	return cmocka_run_group_tests_name("net", tests, NULL, NULL);
}

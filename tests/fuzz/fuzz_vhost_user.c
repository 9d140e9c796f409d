// SPDX-License-Identifier: GPL-2.0
/*
 * A vhost-user backend that answers anything, or hangs up. Whatever it says is
 * either right or an error, and all its bytes that count are looked at.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "input.h"
#include "backends/vhost_user.h"

#define MAX_INPUT	4096
#define MAX_CALLS	40

static int call(struct vhost_user *v, uint8_t what,
		const struct vhost_user_ring *ring)
{
	static struct guest_mem mem = { .hva = &mem, .size = 1 << 20 };

	switch (what & 3) {
	case 0:
		return vhost_user_set_memory(v, ring->kick, &mem);
	case 1:
		return vhost_user_set_features(v, what);
	case 2:
		return vhost_user_start_ring(v, what >> 2, ring);
	default:
		return vhost_user_stop_ring(v, what >> 2);
	}
}

/* Good answers for a start, so that the fuzzer need not find them first. */
static void greet(int peer, uint8_t kind)
{
	struct {
		uint32_t head[3];
		uint64_t value;
	} __attribute__((packed)) m[] = {
		{ { 1, 5, 8 }, 1ULL << 30 | 1ULL << 32 },
		{ { 15, 5, 8 }, kind & 2 ? 1 << 3 : 0 },
	};

	if (!(kind & 1))
		m[0].value &= ~(1ULL << 30);
	must(write(peer, m, kind & 1 ? sizeof(m) : sizeof(m[0])) > 0);
}

static void talk(struct input *in, int us, const struct vhost_user_ring *ring)
{
	struct vhost_user v;
	uint8_t calls[MAX_CALLS];
	int err;

	take(in, calls, sizeof(calls));
	err = vhost_user_init(&v, us);
	for (unsigned int i = 0; i < MAX_CALLS && !err; i++)
		err = call(&v, calls[i], ring);
	must(err == 0 || err == -EPROTO || err == -EPIPE || err == -EIO);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct queue queue = { .size = 64 };
	static int file = -1;
	struct input in = { bytes, size };
	struct input calls = { bytes, size };
	uint8_t kind = take8(&in);
	int pair[2];

	if (size > MAX_INPUT)
		return 0;
	if (file < 0)
		file = memfd_create("fuzz", MFD_CLOEXEC);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	if (kind & 4)
		greet(pair[1], kind);
	if (in.left)
		must(write(pair[1], in.at, in.left) == (ssize_t)in.left);
	if (kind & 8)
		close(pair[1]);
	else
		shutdown(pair[1], SHUT_WR);
	talk(&calls, pair[0], &(struct vhost_user_ring) {
		.ring = &queue, .kick = file, .call = file });
	close(pair[0]);
	if (!(kind & 8))
		close(pair[1]);
	return 0;
}

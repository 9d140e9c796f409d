// SPDX-License-Identifier: GPL-2.0
/*
 * vhost-user, see vhost_user.h and "Vhost-user Protocol" in QEMU's manual. A
 * message is a header, a payload of a size that its kind fixes, and sometimes
 * a file descriptor. All numbers have the machine's byte order.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "backends/vhost_user.h"

enum request {
	GET_FEATURES		= 1,
	SET_FEATURES		= 2,
	SET_OWNER		= 3,
	SET_MEM_TABLE		= 5,
	SET_VRING_NUM		= 8,
	SET_VRING_ADDR		= 9,
	SET_VRING_BASE		= 10,
	GET_VRING_BASE		= 11,
	SET_VRING_KICK		= 12,
	SET_VRING_CALL		= 13,
	GET_PROTOCOL_FEATURES	= 15,
	SET_PROTOCOL_FEATURES	= 16,
	SET_VRING_ENABLE	= 18,
};

#define FLAG_VERSION		0x1U
#define FLAG_VERSION_MASK	0x3U
#define FLAG_REPLY		0x4U
#define FLAG_NEED_REPLY		0x8U

#define F_PROTOCOL_FEATURES	(1ULL << 30)	/* among the virtio features */
#define PROTOCOL_F_REPLY_ACK	(1ULL << 3)

struct header {
	uint32_t request;
	uint32_t flags;
	uint32_t size;		/* of the payload */
};

struct vring_state {
	uint32_t index;
	uint32_t num;
};

struct vring_addresses {
	uint32_t index;
	uint32_t flags;
	uint64_t desc_hva;	/* addresses in this process: the backend */
	uint64_t used_hva;	/* finds them by region.hva below */
	uint64_t avail_hva;
	uint64_t log;
};

struct memory_table {
	uint32_t regions;
	uint32_t padding;
	struct {
		uint64_t gpa;
		uint64_t bytes;
		uint64_t hva;
		uint64_t offset;	/* in the file */
	} region;
};

/* --- messages ------------------------------------------------------------- */

/* A socket's errno as one of those that the header promises. */
static int socket_error(void)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return -ETIMEDOUT;
	if (errno == ECONNRESET)
		return -EPIPE;
	return -errno;
}

/*
 * file < 0: none goes with it. Messages are few and small: one that finds no
 * room means that the backend has long ceased to read.
 */
static int send_message(struct vhost_user *v, struct header *h,
			const void *payload, int file)
{
	struct iovec iov[2] = {
		{ h, sizeof(*h) }, { (void *)payload, h->size },
	};
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (file >= 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &file, sizeof(file));
	}
	do {
		n = sendmsg(v->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_error();
	return n == (ssize_t)(sizeof(*h) + h->size) ? 0 : -EPIPE;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Kicks interrupt it as often as they like: it ends at the deadline. */
static int wait_readable(struct vhost_user *v, int64_t deadline)
{
	struct pollfd p = { .fd = v->socket, .events = POLLIN };
	int64_t left;
	int n;

	do {
		left = deadline - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, left);
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int receive_bytes(struct vhost_user *v, void *to, size_t len)
{
	int64_t deadline = now_ms() + VHOST_USER_SECONDS * 1000;
	size_t done = 0;

	while (done < len) {
		int err = wait_readable(v, deadline);
		ssize_t n;

		if (err)
			return err;
		/* Plain recv(): file descriptors sent along are dropped. */
		n = recv(v->socket, (char *)to + done, len - done,
			 MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return socket_error();
		if (n == 0)
			return -EPIPE;
		done += n;
	}
	return 0;
}

/* The answer to `request`: exactly size bytes, or it is none. */
static int receive_reply(struct vhost_user *v, uint32_t request, void *payload,
			 uint32_t size)
{
	struct header h;
	int err = receive_bytes(v, &h, sizeof(h));

	if (err)
		return err;
	if (h.request != request || h.size != size ||
	    (h.flags & FLAG_VERSION_MASK) != FLAG_VERSION ||
	    !(h.flags & FLAG_REPLY))
		return -EPROTO;
	return receive_bytes(v, payload, size);
}

/* A message that has no answer of its own, confirmed if that is possible. */
static int tell(struct vhost_user *v, uint32_t request, const void *payload,
		uint32_t size, int file)
{
	struct header h = { request, FLAG_VERSION, size };
	uint64_t result = 0;
	int err;

	if (v->acks)
		h.flags |= FLAG_NEED_REPLY;
	err = send_message(v, &h, payload, file);
	if (!err && v->acks)
		err = receive_reply(v, request, &result, sizeof(result));
	if (!err && result)
		err = -EIO;
	return err;
}

static int tell_u64(struct vhost_user *v, uint32_t request, uint64_t value)
{
	return tell(v, request, &value, sizeof(value), -1);
}

static int tell_state(struct vhost_user *v, uint32_t request,
		      unsigned int index, uint32_t num)
{
	struct vring_state state = { index, num };

	return tell(v, request, &state, sizeof(state), -1);
}

static int tell_event(struct vhost_user *v, uint32_t request,
		      unsigned int index, int event)
{
	uint64_t value = index;

	return tell(v, request, &value, sizeof(value), event);
}

static int ask_u64(struct vhost_user *v, uint32_t request, uint64_t *value)
{
	struct header h = { request, FLAG_VERSION, 0 };
	int err = send_message(v, &h, NULL, -1);

	return err ? err : receive_reply(v, request, value, sizeof(*value));
}

/* --- what devices use ----------------------------------------------------- */

int vhost_user_init(struct vhost_user *v, int socket)
{
	uint64_t protocol = 0;
	int err;

	memset(v, 0, sizeof(*v));
	v->socket = socket;
	err = ask_u64(v, GET_FEATURES, &v->features);
	if (!err)
		err = tell(v, SET_OWNER, NULL, 0, -1);
	if (err || !(v->features & F_PROTOCOL_FEATURES))
		return err;
	err = ask_u64(v, GET_PROTOCOL_FEATURES, &protocol);
	if (err)
		return err;
	protocol &= PROTOCOL_F_REPLY_ACK;
	err = tell_u64(v, SET_PROTOCOL_FEATURES, protocol);
	v->acks = protocol & PROTOCOL_F_REPLY_ACK;
	return err;
}

int vhost_user_set_memory(struct vhost_user *v, int file,
			  const struct guest_mem *mem)
{
	struct memory_table table = { .regions = 1 };

	table.region.bytes = mem->size;
	table.region.hva = (uintptr_t)mem->hva;
	return tell(v, SET_MEM_TABLE, &table, sizeof(table), file);
}

int vhost_user_set_features(struct vhost_user *v, uint64_t features)
{
	return tell_u64(v, SET_FEATURES,
			features | (v->features & F_PROTOCOL_FEATURES));
}

int vhost_user_start_ring(struct vhost_user *v, unsigned int index,
			  const struct vhost_user_ring *r)
{
	const struct queue *q = r->ring;
	struct vring_addresses at = {
		.index = index,
		.desc_hva = (uintptr_t)q->desc,
		.avail_hva = (uintptr_t)q->avail,
		.used_hva = (uintptr_t)q->used,
	};
	int err;

	err = tell_state(v, SET_VRING_NUM, index, q->size);
	if (!err)
		err = tell_state(v, SET_VRING_BASE, index, q->next_avail);
	if (!err)
		err = tell(v, SET_VRING_ADDR, &at, sizeof(at), -1);
	if (!err)
		err = tell_event(v, SET_VRING_CALL, index, r->call);
	/* This starts it: everything else must be known. */
	if (!err)
		err = tell_event(v, SET_VRING_KICK, index, r->kick);
	if (!err && (v->features & F_PROTOCOL_FEATURES))
		err = tell_state(v, SET_VRING_ENABLE, index, 1);
	return err;
}

int vhost_user_stop_ring(struct vhost_user *v, unsigned int index)
{
	struct header h = {
		GET_VRING_BASE, FLAG_VERSION, sizeof(struct vring_state),
	};
	struct vring_state state = { index, 0 };
	int err = send_message(v, &h, &state, -1);

	/* It answers with where it stopped, which nobody needs here. */
	if (!err)
		err = receive_reply(v, GET_VRING_BASE, &state, sizeof(state));
	if (!err && state.index != index)
		err = -EPROTO;
	return err;
}

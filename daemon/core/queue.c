// SPDX-License-Identifier: GPL-2.0
/*
 * The device's side of a split virtqueue, see queue.h.
 *
 * Barriers pair with those of drivers/virtio/virtio_ring.c in the guest:
 *   A  load-acquire of avail->idx: entries and descriptors are read after it
 *      (the guest: virtio_wmb before it stores avail->idx);
 *   B  store-release of used->idx: the used entry and all data are visible
 *      before it (the guest: virtio_rmb after it loads used->idx);
 *   C  full barrier between storing used->idx and loading used_event (the
 *      guest: full barrier between storing used_event and loading used->idx),
 *      else both sides could miss each other and a virq would be lost;
 *   D  the same for avail_event against avail->idx, for notifications.
 */
#include <errno.h>
#include <string.h>

#include "core/queue.h"

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

static uint16_t *used_event(const struct queue *q)
{
	return &q->avail->ring[q->size];
}

static uint16_t *avail_event(const struct queue *q)
{
	return (uint16_t *)&q->used->ring[q->size];
}

static void *ring_part(const struct guest_mem *mem, uint64_t gpa,
		       uint64_t len, uint64_t align)
{
	return gpa % align ? NULL : guest_mem_at(mem, gpa, len);
}

int queue_init(struct queue *q, const struct guest_mem *mem,
	       const struct queue_layout *layout)
{
	const uint64_t n = layout->size;

	memset(q, 0, sizeof(*q));
	if (n == 0 || n > QUEUE_MAX_SIZE || (n & (n - 1)))
		return -EINVAL;
	q->mem = *mem;
	q->size = layout->size;
	q->event_idx = layout->event_idx;
	q->indirect = layout->indirect;
	/* flags, idx, the entries, and the event index at the end */
	q->desc = ring_part(mem, layout->desc_gpa, 16 * n, 16);
	q->avail = ring_part(mem, layout->avail_gpa, 6 + 2 * n, 2);
	q->used = ring_part(mem, layout->used_gpa, 6 + 8 * n, 4);
	if (!q->desc || !q->avail || !q->used)
		return -EINVAL;
	return 0;
}

static int broken(struct queue *q, const char *why)
{
	q->broken = why;
	return -EPROTO;
}

/* The one copy of a descriptor; the guest may be rewriting it right now. */
static struct vring_desc copy_desc(const struct vring_desc *d)
{
	return (struct vring_desc) {
		.addr = READ_ONCE(d->addr),
		.len = READ_ONCE(d->len),
		.flags = READ_ONCE(d->flags),
		.next = READ_ONCE(d->next),
	};
}

static int add_buffer(struct queue *q, struct chain *c,
		      const struct vring_desc *d)
{
	unsigned int n = c->out + c->in;
	void *hva;

	if (d->len == 0)
		return broken(q, "empty descriptor");
	hva = guest_mem_at(&q->mem, d->addr, d->len);
	if (!hva)
		return broken(q, "descriptor outside of guest memory");
	if (n >= c->max)
		return broken(q, "too many descriptors");
	if (c->in && !(d->flags & VRING_DESC_F_WRITE))
		return broken(q, "readable descriptor after a writable one");
	if (d->flags & VRING_DESC_F_WRITE) {
		c->in++;
		c->in_bytes += d->len;
	} else {
		c->out++;
		c->out_bytes += d->len;
	}
	c->iov[n].iov_base = hva;
	c->iov[n].iov_len = d->len;
	return 0;
}

/* Where the walk along a chain is: the ring's table or an indirect one. */
struct cursor {
	const struct vring_desc *table;
	unsigned int entries;
	unsigned int index;
	bool inside;		/* an indirect table */
};

static int enter_indirect(struct queue *q, struct cursor *at,
			  const struct vring_desc *d)
{
	if (!q->indirect || at->inside)
		return broken(q, "unexpected indirect descriptor");
	if (d->flags & VRING_DESC_F_NEXT)
		return broken(q, "indirect descriptor with a next one");
	if (d->len == 0 || d->len % sizeof(*d))
		return broken(q, "bad length of an indirect table");
	at->entries = d->len / sizeof(*d);
	if (at->entries > q->size)
		return broken(q, "indirect table larger than the queue");
	at->table = ring_part(&q->mem, d->addr, d->len, 8);
	if (!at->table)
		return broken(q, "indirect table outside of guest memory");
	at->index = 0;
	at->inside = true;
	return 0;
}

static int walk(struct queue *q, struct chain *c)
{
	struct cursor at = { q->desc, q->size, c->head, false };
	int err;

	/* One more turn than descriptors: the indirect one is no buffer. */
	for (unsigned int turns = 0; turns <= q->size; turns++) {
		struct vring_desc d = copy_desc(&at.table[at.index]);

		if (d.flags & VRING_DESC_F_INDIRECT) {
			err = enter_indirect(q, &at, &d);
			if (err)
				return err;
			continue;
		}
		err = add_buffer(q, c, &d);
		if (err)
			return err;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 1;
		if (d.next >= at.entries)
			return broken(q, "next descriptor out of range");
		at.index = d.next;
	}
	return broken(q, "descriptor chain without end");
}

bool queue_pending(const struct queue *q)
{
	return !q->broken && READ_ONCE(q->avail->idx) != q->next_avail;
}

int queue_pop(struct queue *q, struct chain *c)
{
	uint16_t waiting;

	if (q->broken)
		return -EPROTO;
	/* Barrier A. */
	waiting = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) -
		  q->next_avail;
	if (waiting == 0)
		return 0;
	if (waiting > q->size)
		return broken(q, "available index jumped");
	c->head = READ_ONCE(q->avail->ring[q->next_avail & (q->size - 1)]);
	if (c->head >= q->size)
		return broken(q, "head out of range");
	q->next_avail++;
	c->out = 0;
	c->in = 0;
	c->out_bytes = 0;
	c->in_bytes = 0;
	return walk(q, c);
}

void queue_unpop(struct queue *q)
{
	q->next_avail--;
}

void queue_push_many(struct queue *q, const struct vring_used_elem *used,
		     unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct vring_used_elem *e =
			&q->used->ring[q->next_used & (q->size - 1)];

		WRITE_ONCE(e->id, used[i].id);
		WRITE_ONCE(e->len, used[i].len);
		q->next_used++;
	}
	/* Barrier B. */
	__atomic_store_n(&q->used->idx, q->next_used, __ATOMIC_RELEASE);
}

void queue_push(struct queue *q, uint16_t head, uint32_t written)
{
	const struct vring_used_elem used = { .id = head, .len = written };

	queue_push_many(q, &used, 1);
}

bool queue_needs_signal(struct queue *q)
{
	uint16_t old = q->signalled_used;
	bool known = q->signal_valid;

	/* Barrier C. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled_used = q->next_used;
	q->signal_valid = true;
	if (!q->event_idx)
		return !(READ_ONCE(q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return !known || vring_need_event(READ_ONCE(*used_event(q)),
					  q->next_used, old);
}

void queue_disable_notify(struct queue *q)
{
	/* With EVENT_IDX an avail_event in the past does the same. */
	if (!q->event_idx)
		WRITE_ONCE(q->used->flags, VRING_USED_F_NO_NOTIFY);
}

bool queue_enable_notify(struct queue *q)
{
	if (q->event_idx)
		WRITE_ONCE(*avail_event(q), q->next_avail);
	else
		WRITE_ONCE(q->used->flags, 0);
	/* Barrier D. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return queue_pending(q);
}

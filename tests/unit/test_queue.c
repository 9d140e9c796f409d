// SPDX-License-Identifier: GPL-2.0
/* The device's side of virtqueues, with a guest that breaks every rule. */
#include "say.h"
#include "core/queue.h"

#define MEM	0x10000
#define DESC	0x1000
#define AVAIL	0x2000
#define USED	0x3000
#define TABLE	0x4000
#define DATA	0x5000
#define SIZE	8

/* Guest memory, a queue in it, and the guest's view of that. */
static struct guest_mem mem;
static struct queue q;
static struct vring_desc *desc;
static struct vring_avail *avail;
static struct vring_used *used;
static struct iovec iov[SIZE];
static struct chain chain;

static int setup(void **state)
{
	forget_said(state);
	mem.hva = aligned_alloc(4096, MEM);
	mem.size = MEM;
	memset(mem.hva, 0, MEM);
	desc = guest_mem_at(&mem, DESC, 16 * SIZE);
	avail = guest_mem_at(&mem, AVAIL, 6 + 2 * SIZE);
	used = guest_mem_at(&mem, USED, 6 + 8 * SIZE);
	chain = (struct chain){ .iov = iov, .max = SIZE };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(mem.hva);
	return 0;
}

static struct queue_layout layout(void)
{
	return (struct queue_layout) {
		.desc_gpa = DESC, .avail_gpa = AVAIL, .used_gpa = USED,
		.size = SIZE, .indirect = true,
	};
}

static void init(bool event_idx)
{
	struct queue_layout l = layout();

	l.event_idx = event_idx;
	assert_int_equal(queue_init(&q, &mem, &l), 0);
}

static void set(unsigned int i, uint64_t gpa, uint32_t len, uint16_t flags,
		uint16_t next)
{
	desc[i] = (struct vring_desc){ gpa, len, flags, next };
}

static void offer(uint16_t head)
{
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

/* --- where a queue may lie ----------------------------------------------------- */

static void good_layouts(void **state)
{
	struct queue_layout l = layout();

	assert_int_equal(queue_init(&q, &mem, &l), 0);
	l.size = 1;
	assert_int_equal(queue_init(&q, &mem, &l), 0);
	l.size = QUEUE_MAX_SIZE;
	assert_int_equal(queue_init(&q, &mem, &l), 0);
	/* Up to the last byte of memory. */
	l.size = SIZE;
	l.desc_gpa = MEM - 16 * SIZE;
	assert_int_equal(queue_init(&q, &mem, &l), 0);
	l.desc_gpa = DESC;
	l.used_gpa = MEM - (6 + 8 * SIZE + 2);
	assert_int_equal(queue_init(&q, &mem, &l), 0);
}

static void bad_sizes(void **state)
{
	static const uint16_t sizes[] = { 0, 3, 6, 255, 257, 512, 32768, 65535 };
	struct queue_layout l = layout();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		l.size = sizes[i];
		assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
	}
}

static void bad_addresses(void **state)
{
	static const uint64_t gpas[] = {
		MEM, MEM - 2, MEM + 16, ~0ULL, ~0ULL - 15, 1ULL << 63,
		-(16ULL * SIZE),
	};
	struct queue_layout l;

	for (size_t i = 0; i < ARRAY_SIZE(gpas); i++) {
		l = layout();
		l.desc_gpa = gpas[i];
		assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
		l = layout();
		l.avail_gpa = gpas[i];
		assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
		l = layout();
		l.used_gpa = gpas[i];
		assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
	}
}

static void misaligned_parts(void **state)
{
	struct queue_layout l = layout();

	l.desc_gpa = DESC + 8;
	assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
	l = layout();
	l.avail_gpa = AVAIL + 1;
	assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
	l = layout();
	l.used_gpa = USED + 2;
	assert_int_equal(queue_init(&q, &mem, &l), -EINVAL);
}

/* --- good chains ----------------------------------------------------------------- */

static void an_empty_queue_gives_nothing(void **state)
{
	init(false);
	assert_false(queue_pending(&q));
	assert_int_equal(queue_pop(&q, &chain), 0);
	assert_null(q.broken);
}

static void a_chain_is_out_then_in(void **state)
{
	init(false);
	set(3, DATA, 16, VRING_DESC_F_NEXT, 5);
	set(5, DATA + 0x100, 32, VRING_DESC_F_NEXT, 0);
	set(0, DATA + 0x200, 64, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(1, DATA + 0x300, 1, VRING_DESC_F_WRITE, 7);
	offer(3);
	assert_true(queue_pending(&q));
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.head, 3);
	assert_int_equal(chain.out, 2);
	assert_int_equal(chain.in, 2);
	assert_int_equal(chain.out_bytes, 48);
	assert_int_equal(chain.in_bytes, 65);
	assert_ptr_equal(iov[1].iov_base, guest_mem_at(&mem, DATA + 0x100, 1));
	assert_int_equal(iov[3].iov_len, 1);
	assert_int_equal(queue_pop(&q, &chain), 0);
}

static void an_indirect_chain(void **state)
{
	struct vring_desc *t = guest_mem_at(&mem, TABLE, 3 * 16);

	init(false);
	set(2, TABLE, 3 * 16, VRING_DESC_F_INDIRECT, 0);
	t[0] = (struct vring_desc){ DATA, 16, VRING_DESC_F_NEXT, 2 };
	t[2] = (struct vring_desc){ DATA + 64, 512,
		VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1 };
	t[1] = (struct vring_desc){ DATA + 1024, 1, VRING_DESC_F_WRITE, 0 };
	offer(2);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.head, 2);
	assert_int_equal(chain.out, 1);
	assert_int_equal(chain.in, 2);
	assert_int_equal(chain.in_bytes, 513);
}

static void the_longest_chain(void **state)
{
	init(false);
	for (unsigned int i = 0; i < SIZE; i++)
		set(i, DATA + i, 1, i < SIZE - 1 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(0);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.out, SIZE);
}

static void the_longest_indirect_chain(void **state)
{
	struct vring_desc *t = guest_mem_at(&mem, TABLE, SIZE * 16);

	init(false);
	set(0, TABLE, SIZE * 16, VRING_DESC_F_INDIRECT, 0);
	for (unsigned int i = 0; i < SIZE; i++)
		t[i] = (struct vring_desc){ DATA + i, 1,
			i < SIZE - 1 ? VRING_DESC_F_NEXT : 0, i + 1 };
	offer(0);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.out, SIZE);
}

/* All of memory as one buffer is the guest's business. */
static void a_buffer_up_to_the_end_of_memory(void **state)
{
	init(false);
	set(0, 0, MEM, 0, 0);
	set(1, MEM - 1, 1, 0, 0);
	offer(0);
	offer(1);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(queue_pop(&q, &chain), 1);
}

/* Indices are 16 bits wide and wrap; a full round keeps its order. */
static void indices_wrap(void **state)
{
	init(false);
	set(0, DATA, 4, 0, 0);
	for (unsigned int i = 0; i < 70000; i++) {
		offer(0);
		assert_int_equal(queue_pop(&q, &chain), 1);
		queue_push(&q, chain.head, i);
		assert_int_equal(used->idx, (uint16_t)(i + 1));
		assert_int_equal(used->ring[i % SIZE].len, i);
	}
	assert_int_equal(queue_pop(&q, &chain), 0);
}

static void unpop_gives_it_again(void **state)
{
	init(false);
	set(0, DATA, 4, 0, 0);
	set(1, DATA, 5, 0, 0);
	offer(0);
	offer(1);
	assert_int_equal(queue_pop(&q, &chain), 1);
	queue_unpop(&q);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.out_bytes, 4);
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_int_equal(chain.out_bytes, 5);
}

/* --- bad ones ---------------------------------------------------------------------- */

/* The queue is broken, says so, and stays so. */
static void expect_broken(const char *why)
{
	assert_int_equal(queue_pop(&q, &chain), -EPROTO);
	assert_non_null(q.broken);
	if (!strstr(q.broken, why))
		fail_msg("'%s' is not in '%s'", why, q.broken);
	assert_false(queue_pending(&q));
	set(0, DATA, 4, 0, 0);
	offer(0);
	assert_int_equal(queue_pop(&q, &chain), -EPROTO);
	/* Until it is set up anew. */
	memset(avail, 0, 4);
	init(false);
	assert_int_equal(queue_pop(&q, &chain), 0);
}

static void available_index_jumps(void **state)
{
	init(false);
	avail->idx = SIZE + 1;
	expect_broken("jumped");
	avail->idx = 0xffff;
	expect_broken("jumped");
}

static void head_out_of_range(void **state)
{
	init(false);
	offer(SIZE);
	expect_broken("head");
	offer(0xffff);
	expect_broken("head");
}

static void next_out_of_range(void **state)
{
	init(false);
	set(0, DATA, 4, VRING_DESC_F_NEXT, SIZE);
	offer(0);
	expect_broken("next");
	set(0, DATA, 4, VRING_DESC_F_NEXT, 0xffff);
	offer(0);
	expect_broken("next");
}

static void chains_without_end(void **state)
{
	init(false);
	set(0, DATA, 4, VRING_DESC_F_NEXT, 0);
	offer(0);
	expect_broken("");
	set(0, DATA, 4, VRING_DESC_F_NEXT, 1);
	set(1, DATA, 4, VRING_DESC_F_NEXT, 2);
	set(2, DATA, 4, VRING_DESC_F_NEXT, 1);
	offer(0);
	expect_broken("");
}

static void an_indirect_loop(void **state)
{
	struct vring_desc *t = guest_mem_at(&mem, TABLE, 16);

	init(false);
	t[0] = (struct vring_desc){ DATA, 4, VRING_DESC_F_NEXT, 0 };
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	expect_broken("");
}

static void more_than_the_caller_can_take(void **state)
{
	init(false);
	chain.max = 2;
	for (unsigned int i = 0; i < 3; i++)
		set(i, DATA, 1, i < 2 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(0);
	expect_broken("too many");
}

static void buffers_outside_of_memory(void **state)
{
	static const struct { uint64_t gpa; uint32_t len; } bad[] = {
		{ MEM, 1 }, { MEM - 1, 2 }, { 0, MEM + 1 }, { ~0ULL, 1 },
		{ ~0ULL - 3, 8 }, { 0, ~0U }, { 1ULL << 63, 4 },
	};

	init(false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set(0, bad[i].gpa, bad[i].len, 0, 0);
		offer(0);
		expect_broken("outside");
	}
}

static void empty_buffer(void **state)
{
	init(false);
	set(0, DATA, 0, 0, 0);
	offer(0);
	expect_broken("empty");
}

static void readable_after_writable(void **state)
{
	init(false);
	set(0, DATA, 4, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(1, DATA, 4, 0, 0);
	offer(0);
	expect_broken("readable");
}

static void bad_indirect_tables(void **state)
{
	static const struct { uint64_t gpa; uint32_t len; const char *why; }
	bad[] = {
		{ TABLE, 0, "length" },
		{ TABLE, 8, "length" },
		{ TABLE, 17, "length" },
		{ TABLE, (SIZE + 1) * 16, "larger" },
		{ TABLE, 0xfffffff0, "larger" },
		{ MEM - 16, 32, "outside" },
		{ TABLE + 4, 16, "outside" },
		{ ~0ULL - 15, 16, "outside" },
	};

	init(false);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		set(0, bad[i].gpa, bad[i].len, VRING_DESC_F_INDIRECT, 0);
		offer(0);
		expect_broken(bad[i].why);
	}
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	offer(0);
	expect_broken("next");
}

static void indirect_within_indirect(void **state)
{
	struct vring_desc *t = guest_mem_at(&mem, TABLE, 16);

	init(false);
	t[0] = (struct vring_desc){ TABLE, 16, VRING_DESC_F_INDIRECT, 0 };
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	expect_broken("indirect");
}

static void indirect_without_having_been_agreed(void **state)
{
	struct queue_layout l = layout();

	l.indirect = false;
	assert_int_equal(queue_init(&q, &mem, &l), 0);
	set(0, TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	expect_broken("indirect");
}

/* --- signals -------------------------------------------------------------------------- */

static uint16_t *used_event(void)
{
	return &avail->ring[SIZE];
}

static uint16_t *avail_event(void)
{
	return (uint16_t *)&used->ring[SIZE];
}

static void push_some(unsigned int n)
{
	while (n--)
		queue_push(&q, 0, 0);
}

static void signals_by_flag(void **state)
{
	init(false);
	push_some(1);
	assert_true(queue_needs_signal(&q));
	push_some(1);
	assert_true(queue_needs_signal(&q));
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	push_some(1);
	assert_false(queue_needs_signal(&q));
}

static void signals_by_event_index(void **state)
{
	init(true);
	*used_event() = 0;
	push_some(1);
	assert_true(queue_needs_signal(&q));
	push_some(1);
	assert_false(queue_needs_signal(&q));	/* it waits for the 1st only */
	*used_event() = 4;
	push_some(2);				/* used 4 */
	assert_false(queue_needs_signal(&q));
	push_some(1);
	assert_true(queue_needs_signal(&q));
	/* Several at once that step over it. */
	*used_event() = 7;
	push_some(6);
	assert_true(queue_needs_signal(&q));
	/* The flag means nothing now. */
	avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	*used_event() = q.next_used;
	push_some(1);
	assert_true(queue_needs_signal(&q));
}

static void event_index_wraps(void **state)
{
	init(true);
	push_some(0xfffe);
	queue_needs_signal(&q);
	*used_event() = 0;
	push_some(2);			/* used index 0 */
	assert_false(queue_needs_signal(&q));
	push_some(1);
	assert_true(queue_needs_signal(&q));
}

static void notifications_by_flag(void **state)
{
	init(false);
	set(0, DATA, 4, 0, 0);
	queue_disable_notify(&q);
	assert_int_equal(used->flags, VRING_USED_F_NO_NOTIFY);
	assert_false(queue_enable_notify(&q));
	assert_int_equal(used->flags, 0);
	queue_disable_notify(&q);
	offer(0);
	assert_true(queue_enable_notify(&q));	/* must not sleep */
}

static void notifications_by_event_index(void **state)
{
	init(true);
	set(0, DATA, 4, 0, 0);
	assert_false(queue_enable_notify(&q));
	assert_int_equal(*avail_event(), 0);
	offer(0);
	assert_true(queue_enable_notify(&q));
	assert_int_equal(queue_pop(&q, &chain), 1);
	assert_false(queue_enable_notify(&q));
	assert_int_equal(*avail_event(), 1);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(good_layouts),
		TEST(bad_sizes),
		TEST(bad_addresses),
		TEST(misaligned_parts),
		TEST(an_empty_queue_gives_nothing),
		TEST(a_chain_is_out_then_in),
		TEST(an_indirect_chain),
		TEST(the_longest_chain),
		TEST(the_longest_indirect_chain),
		TEST(a_buffer_up_to_the_end_of_memory),
		TEST(indices_wrap),
		TEST(unpop_gives_it_again),
		TEST(available_index_jumps),
		TEST(head_out_of_range),
		TEST(next_out_of_range),
		TEST(chains_without_end),
		TEST(an_indirect_loop),
		TEST(more_than_the_caller_can_take),
		TEST(buffers_outside_of_memory),
		TEST(empty_buffer),
		TEST(readable_after_writable),
		TEST(bad_indirect_tables),
		TEST(indirect_within_indirect),
		TEST(indirect_without_having_been_agreed),
		TEST(signals_by_flag),
		TEST(signals_by_event_index),
		TEST(event_index_wraps),
		TEST(notifications_by_flag),
		TEST(notifications_by_event_index),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}

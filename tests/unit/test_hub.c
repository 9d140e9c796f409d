// SPDX-License-Identifier: GPL-2.0
/*
 * The console's viewers: each byte arrives once and in order at each viewer
 * that reads, a slow one holds up the writer, a stuck one is dropped.
 */
#include <pthread.h>
#include <unistd.h>
#include "say.h"
#include "core/hub.h"

#define TEXT	(4 << 20)

static struct hub hub;
static atomic_bool abort_now;
static char *text;

static int setup(void **state)
{
	text = malloc(TEXT);
	for (unsigned int i = 0; i < TEXT; i++)
		text[i] = i * 2654435761U >> 13;
	atomic_store(&abort_now, false);
	assert_int_equal(hub_init(&hub), 0);
	return 0;
}

static int teardown(void **state)
{
	hub_free(&hub);
	free(text);
	return 0;
}

static void print(unsigned int from, unsigned int to)
{
	hub_write(&hub, text + from, to - from, &abort_now);
}

static void assert_gets(int viewer, unsigned int from, unsigned int to)
{
	char buf[1000];

	while (from < to) {
		int n = hub_peek(&hub, viewer, buf, sizeof(buf));

		assert_true(n > 0);
		assert_memory_equal(buf, text + from, n);
		hub_taken(&hub, viewer, n);
		from += n;
	}
	assert_int_equal(from, to);
	assert_int_equal(hub_peek(&hub, viewer, buf, sizeof(buf)), 0);
}

static void replay(void **state)
{
	int all, some, none;

	print(0, 1000);
	all = hub_attach(&hub, 5000);
	some = hub_attach(&hub, 100);
	none = hub_attach(&hub, 0);
	print(1000, 1010);
	assert_gets(all, 0, 1010);
	assert_gets(some, 900, 1010);
	assert_gets(none, 1000, 1010);
}

static void replay_is_bounded(void **state)
{
	print(0, TEXT);
	assert_gets(hub_attach(&hub, 1 << 30), TEXT - HUB_REPLAY, TEXT);
}

static void too_many_viewers(void **state)
{
	for (int i = 0; i < HUB_VIEWERS; i++)
		assert_int_equal(hub_attach(&hub, 0), i);
	assert_int_equal(hub_attach(&hub, 0), -EAGAIN);
	hub_detach(&hub, 3);
	assert_int_equal(hub_attach(&hub, 0), 3);
}

static void wakes_once(void **state)
{
	int viewer = hub_attach(&hub, 0);
	uint64_t count;

	print(0, 10);
	print(10, 20);
	assert_int_equal(read(hub.wake, &count, 8), 8);
	assert_int_equal(count, 1);
	assert_gets(viewer, 0, 20);
	print(20, 30);
	assert_int_equal(read(hub.wake, &count, 8), 8);
	hub_detach(&hub, viewer);
	print(30, 40);
	assert_int_equal(read(hub.wake, &count, 8), -1);
}

static void *writer(void *arg)
{
	unsigned int seed = 1, at = 0;

	while (at < TEXT) {
		unsigned int len = 1 + rand_r(&seed) % 3000;

		if (len > TEXT - at)
			len = TEXT - at;
		print(at, at + len);
		at += len;
	}
	return NULL;
}

/* Reads in odd pieces and sometimes sleeps, as a slow terminal would. */
static void *reader(void *arg)
{
	unsigned int seed = (intptr_t)arg, at = 0;
	int viewer = (intptr_t)arg;
	char buf[8192];

	while (at < TEXT) {
		int n = hub_peek(&hub, viewer, buf,
				 1 + rand_r(&seed) % sizeof(buf));

		if (n < 0 || memcmp(buf, text + at, n))
			break;
		hub_taken(&hub, viewer, n);
		at += n;
		if (n == 0 || rand_r(&seed) % 50 == 0)
			usleep(rand_r(&seed) % 300);
	}
	return (void *)(intptr_t)at;
}

static void nothing_is_lost(void **state)
{
	pthread_t id[4], w;
	void *got;

	for (intptr_t i = 0; i < 4; i++) {
		assert_int_equal(hub_attach(&hub, 0), i);
		pthread_create(&id[i], NULL, reader, (void *)i);
	}
	pthread_create(&w, NULL, writer, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(id[i], &got);
		assert_int_equal((intptr_t)got, TEXT);
	}
	pthread_join(w, NULL);
}

static void stuck_viewer_is_dropped(void **state)
{
	int stuck = hub_attach(&hub, 0), good = hub_attach(&hub, 0);
	char buf[10];

	hub.patience_ms = 200;
	print(0, HUB_BYTES / 2);
	assert_gets(good, 0, HUB_BYTES / 2);
	usleep(300000);		/* not reading alone is no reason */
	print(HUB_BYTES / 2, HUB_BYTES);
	assert_int_equal(hub_peek(&hub, stuck, buf, 10), 10);
	assert_gets(good, HUB_BYTES / 2, HUB_BYTES);
	print(HUB_BYTES, HUB_BYTES + 1);
	assert_int_equal(hub_peek(&hub, stuck, buf, 10), -EPIPE);
	assert_gets(good, HUB_BYTES, HUB_BYTES + 1);
	hub_detach(&hub, stuck);
}

static void abort_does_not_wait(void **state)
{
	int stuck = hub_attach(&hub, 0);

	atomic_store(&abort_now, true);
	print(0, TEXT);
	assert_gets(stuck, 0, HUB_BYTES);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(replay), TEST(replay_is_bounded), TEST(too_many_viewers),
		TEST(wakes_once), TEST(nothing_is_lost),
		TEST(stuck_viewer_is_dropped), TEST(abort_does_not_wait),
	};

	return cmocka_run_group_tests_name("hub", tests, NULL, NULL);
}

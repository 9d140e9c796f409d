// SPDX-License-Identifier: GPL-2.0
/*
 * micro: what small operations of a kernel cost. The same static binary runs
 * on the host and in every guest; it prints, for each operation,
 *
 *	bench NAME MEDIAN MIN		in ns, over some rounds
 *
 *	micro [-t MS] [-r ROUNDS] [-d DISK] [NAME...]	measure (all, or those
 *					named); with DISK also reading from it
 *	micro now			the wall clock in ns
 *	micro exit			end at once (what exec runs)
 *
 * Each operation finds by itself how often it must run for a round to last MS.
 * All runs on one CPU: guests have one, so a host with more must not win by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE		4096UL
#define FAULT_PAGES	256UL
#define HUGE		(2UL << 20)
#define STREAM		(1UL << 20)
#define CHASE_PAGES	8192UL		/* 32 MiB: more than a TLB covers */
#define DISK_PAGES	1024UL
#define MAX_ROUNDS	101

static volatile uint64_t sink;
static const char *disk;

static void die(const char *what)
{
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static char *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* --- the operations: each does its thing n times --------------------------- */

static void op_getppid(unsigned long n)
{
	while (n--)
		syscall(SYS_getppid);
}

/* Touch a page of 4 KiB for the first time; includes giving it back. */
static void op_page_fault(unsigned long n)
{
	static char *area;
	unsigned long i;

	if (!area) {
		area = map(FAULT_PAGES * PAGE);
		madvise(area, FAULT_PAGES * PAGE, MADV_NOHUGEPAGE);
	}
	for (i = 0; i < n; i++) {
		if (i % FAULT_PAGES == 0)
			madvise(area, FAULT_PAGES * PAGE, MADV_DONTNEED);
		area[i % FAULT_PAGES * PAGE] = 1;
	}
}

/* The same for a huge page. */
static void op_huge_fault(unsigned long n)
{
	static char *area;

	if (!area) {
		area = map(2 * HUGE);
		area += HUGE - (uintptr_t)area % HUGE;
		madvise(area, HUGE, MADV_HUGEPAGE);
	}
	while (n--) {
		area[0] = 1;
		madvise(area, HUGE, MADV_DONTNEED);
	}
}

static void op_mmap(unsigned long n)
{
	while (n--) {
		char *p = map(16 * PAGE);

		p[0] = 1;
		munmap(p, 16 * PAGE);
	}
}

static void reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("child");
}

static void op_fork_exit(unsigned long n)
{
	while (n--) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		reap(pid);
	}
}

static void op_fork_exec(unsigned long n)
{
	while (n--) {
		pid_t pid = fork();

		if (!pid) {
			execl("/proc/self/exe", "micro", "exit", NULL);
			_exit(1);
		}
		reap(pid);
	}
}

/* One byte there and back between two processes: two switches. */
static void op_ping_pong(unsigned long n)
{
	static int there[2], back[2];
	char c = 0;

	if (!there[1]) {
		if (pipe(there) || pipe(back))
			die("pipe");
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, 9);
			while (read(there[0], &c, 1) == 1 &&
			       write(back[1], &c, 1) == 1)
				;
			_exit(0);
		}
	}
	while (n--)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			die("ping-pong");
}

static void op_clock_gettime(unsigned long n)
{
	while (n--)
		sink = now(CLOCK_MONOTONIC);
}

static void op_stream(unsigned long n)
{
	static char *from, *to;

	if (!from) {
		from = map(STREAM);
		to = map(STREAM);
		memset(from, 1, STREAM);
	}
	while (n--) {
		memcpy(to, from, STREAM);
		sink = (uint64_t)to[n % STREAM];
	}
}

/* Where page i holds its word: not always the same set of the caches. */
static uint32_t chase_index(unsigned long i)
{
	return (uint32_t)(i * PAGE / 4 + i * 16 % (PAGE / 4));
}

/* A load that depends on the one before, each from another page. */
static void op_chase(unsigned long n)
{
	static uint32_t *area, at;
	unsigned long i;

	if (!area) {
		area = (uint32_t *)map(CHASE_PAGES * PAGE);
		/* 5 and an odd number: one cycle through all pages. */
		for (i = 0; i < CHASE_PAGES; i++)
			area[chase_index(i)] =
				chase_index((i * 5 + 4099) % CHASE_PAGES);
	}
	while (n--)
		at = *(volatile uint32_t *)&area[at];
}

static void op_cpu(unsigned long n)
{
	uint64_t x = sink | 1;
	unsigned long i;

	while (n--)
		for (i = 0; i < 1000; i++)
			x = x * 6364136223846793005u + (x >> 7);
	sink = x;
}

/* 4 KiB past the page cache, one at a time. */
static void op_disk_read(unsigned long n)
{
	static char *buffer;
	static int fd = -1;

	if (fd < 0) {
		buffer = map(PAGE);
		fd = open(disk, O_RDONLY | O_DIRECT);
		if (fd < 0)
			die(disk);
	}
	while (n--) {
		off_t at = (off_t)(n * 7 % DISK_PAGES * PAGE);

		if (pread(fd, buffer, PAGE, at) != (ssize_t)PAGE)
			die(disk);
	}
}

static const struct op {
	const char *name;
	void (*run)(unsigned long n);
} ops[] = {
	{ "getppid", op_getppid },
	{ "page_fault", op_page_fault },
	{ "huge_fault", op_huge_fault },
	{ "mmap_munmap", op_mmap },
	{ "fork_exit", op_fork_exit },
	{ "fork_exec", op_fork_exec },
	{ "ping_pong", op_ping_pong },
	{ "clock_gettime", op_clock_gettime },
	{ "copy_1MiB", op_stream },
	{ "chase", op_chase },
	{ "cpu_1000", op_cpu },
	{ "disk_read_4k", op_disk_read },
};

/* --- measuring -------------------------------------------------------------- */

static uint64_t elapsed(const struct op *op, unsigned long n)
{
	uint64_t start = now(CLOCK_MONOTONIC);

	op->run(n);
	return now(CLOCK_MONOTONIC) - start;
}

/* How often fills a round. The first runs also warm everything up. */
static unsigned long calibrate(const struct op *op, uint64_t wanted)
{
	unsigned long n = 1;
	uint64_t t;

	elapsed(op, 1);
	for (;;) {
		t = elapsed(op, n);
		if (t >= wanted / 2)
			break;
		n *= t < wanted / 16 ? 8 : 2;
	}
	t = n * wanted / t;
	return t ? t : 1;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct op *op, uint64_t wanted, int rounds)
{
	unsigned long n = calibrate(op, wanted);
	double cost[MAX_ROUNDS];
	int i;

	for (i = 0; i < rounds; i++)
		cost[i] = (double)elapsed(op, n) / (double)n;
	qsort(cost, (size_t)rounds, sizeof(*cost), compare);
	printf("bench %s %.2f %.2f\n", op->name, cost[rounds / 2], cost[0]);
	fflush(stdout);
}

static int wanted_op(const struct op *op, char **names)
{
	if (op->run == op_disk_read && !disk)
		return 0;
	if (!*names)
		return 1;
	while (*names)
		if (!strcmp(*names++, op->name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t round = 50000000;
	cpu_set_t cpus;
	int rounds = 7, c;
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "exit"))
		_exit(0);
	if (argc == 2 && !strcmp(argv[1], "now")) {
		printf("now %llu\n", (unsigned long long)now(CLOCK_REALTIME));
		return 0;
	}
	while ((c = getopt(argc, argv, "t:r:d:")) != -1) {
		if (c == 't')
			round = strtoull(optarg, NULL, 10) * 1000000;
		else if (c == 'r')
			rounds = atoi(optarg);
		else if (c == 'd')
			disk = optarg;
		else
			return 2;
	}
	if (rounds < 1 || rounds > MAX_ROUNDS || !round)
		return 2;
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (wanted_op(&ops[i], argv + optind))
			measure(&ops[i], round, rounds);
	return 0;
}

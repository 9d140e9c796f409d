// SPDX-License-Identifier: GPL-2.0
/*
 * files DIR FILES MIB [drop]: many small files and one large one in DIR, as
 * operations or MiB for each second. With drop, this kernel's caches are
 * emptied before it looks at something that it made itself.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK		(128 << 10)
#define SMALL		1000
#define PER_DIR		100

static int files, mib, drop;
static char block[BLOCK];

static void must(int good, const char *what)
{
	if (!good) {
		perror(what);
		exit(1);
	}
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void forget(void)
{
	int fd = drop ? open("/proc/sys/vm/drop_caches", O_WRONLY) : -1;

	if (fd >= 0) {
		sync();
		must(write(fd, "3", 1) == 1, "drop_caches");
		close(fd);
	}
}

static void report(const char *name, double amount, double start)
{
	printf("bench %s %.1f\n", name, amount / (now() - start));
	fflush(stdout);
}

static const char *name(int i, const char *suffix)
{
	static char text[2][64];
	static int turn;

	turn = !turn;
	snprintf(text[turn], sizeof(text[turn]), "d%d/%d%s", i / PER_DIR, i,
		 suffix);
	return text[turn];
}

static void make_one(int i)
{
	int fd = open(name(i, ""), O_WRONLY | O_CREAT | O_EXCL, 0644);

	must(fd >= 0 && write(fd, block, SMALL) == SMALL, "create");
	close(fd);
}

static void stat_one(int i)
{
	struct stat st;

	must(stat(name(i, ""), &st) == 0, "stat");
}

static void read_one(int i)
{
	int fd = open(name(i, ""), O_RDONLY);

	must(fd >= 0 && read(fd, block, BLOCK) == SMALL, "read");
	close(fd);
}

static void rename_one(int i)
{
	must(rename(name(i, ""), name(i, "x")) == 0, "rename");
}

static void unlink_one(int i)
{
	must(unlink(name(i, "x")) == 0, "unlink");
}

static void each(const char *what, void (*one)(int i), int cold)
{
	double start;

	if (cold)
		forget();
	start = now();
	for (int i = 0; i < files; i++)
		one(i);
	report(what, files, start);
}

static void list(void)
{
	double start;
	int n = 0;

	forget();
	start = now();
	for (int d = 0; d <= (files - 1) / PER_DIR; d++) {
		char path[32];
		DIR *dir;

		snprintf(path, sizeof(path), "d%d", d);
		dir = opendir(path);
		must(dir != NULL, "opendir");
		while (readdir(dir))
			n++;
		closedir(dir);
	}
	report("list", n, start);
}

static void small(void)
{
	for (int d = 0; d <= (files - 1) / PER_DIR; d++) {
		char path[32];

		snprintf(path, sizeof(path), "d%d", d);
		must(mkdir(path, 0755) == 0, "mkdir");
	}
	each("create_1000_bytes", make_one, 0);
	list();
	each("stat", stat_one, 1);
	each("stat_again", stat_one, 0);
	each("open_read_close", read_one, 1);
	each("open_read_close_again", read_one, 0);
	each("rename", rename_one, 0);
	each("unlink", unlink_one, 0);
}

static void stream(const char *what, int writing, int cold)
{
	int fd = open("large", writing ? O_RDWR | O_CREAT : O_RDONLY, 0644);
	double start;

	must(fd >= 0, "open");
	if (cold)
		forget();
	start = now();
	for (int i = 0; i < mib * (1 << 20) / BLOCK; i++)
		must((writing ? write(fd, block, BLOCK) :
				read(fd, block, BLOCK)) == BLOCK, what);
	report(what, mib, start);
	close(fd);
}

static void small_blocks(void)
{
	int fd = open("large", O_RDWR), n = files / 4;
	unsigned int seed = 1;
	double start;

	must(fd >= 0, "open");
	forget();
	start = now();
	for (int i = 0; i < n; i++)
		must(pread(fd, block, 4096, rand_r(&seed) % (mib * 256) *
			   4096LL) == 4096, "pread");
	report("random_read_4k", n, start);
	start = now();
	for (int i = 0; i < n; i++)
		must(pwrite(fd, block, 4096, rand_r(&seed) % (mib * 256) *
			    4096LL) == 4096, "pwrite");
	report("random_write_4k", n, start);
	n /= 10;
	start = now();
	for (int i = 0; i < n; i++)
		must(pwrite(fd, block, 4096, i * 4096LL) == 4096 &&
		     fsync(fd) == 0, "fsync");
	report("write_4k_fsync", n, start);
	close(fd);
	unlink("large");
}

int main(int argc, char **argv)
{
	if (argc < 4 || chdir(argv[1])) {
		fprintf(stderr, "usage: files DIR FILES MIB [drop]\n");
		return 1;
	}
	files = atoi(argv[2]);
	mib = atoi(argv[3]);
	drop = argc > 4;
	memset(block, 'x', sizeof(block));
	small();
	stream("write_MiB", 1, 0);
	stream("rewrite_MiB", 1, 0);
	stream("read_MiB", 0, 1);
	stream("read_again_MiB", 0, 0);
	small_blocks();
	return 0;
}

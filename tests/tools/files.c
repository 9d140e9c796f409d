// SPDX-License-Identifier: GPL-2.0
/*
 * files DIR: what programs do with files beyond reading and writing: shared
 * mappings, extended attributes, holes, locks, notices of changes. Prints a
 * line "ok - ..." or "not ok - ..." for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define PAGES	64
#define PAGE	4096

static int failed;

static void check(const char *what, bool good)
{
	printf("%sok - %s", good ? "" : "not ", what);
	printf(good ? "\n" : " (%s)\n", strerror(errno));
	failed |= !good;
	errno = 0;
}

/* Written by one mapping, seen by read(), another mapping, another process. */
static void mappings(void)
{
	int fd = open("map", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *one, *two, page[PAGE];
	bool same = true;
	int status;

	check("a file grows", ftruncate(fd, PAGES * PAGE) == 0);
	one = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	two = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	check("it is mapped", one != MAP_FAILED && two != MAP_FAILED);
	if (one == MAP_FAILED || two == MAP_FAILED)
		return;
	if (fork() == 0) {
		for (int i = 0; i < PAGES; i++)
			memset(one + i * PAGE, 'a' + i % 26, PAGE);
		_exit(msync(one, PAGES * PAGE, MS_SYNC) != 0);
	}
	wait(&status);
	check("msync", status == 0);
	for (int i = 0; i < PAGES; i++) {
		same &= pread(fd, page, PAGE, i * PAGE) == PAGE;
		same &= page[17] == 'a' + i % 26 && two[i * PAGE] == page[17];
	}
	check("what a mapping wrote is read", same);
	check("what is written is in the mapping",
	      pwrite(fd, "new", 3, PAGE) == 3 && !memcmp(two + PAGE, "new", 3));
	munmap(one, PAGES * PAGE);
	munmap(two, PAGES * PAGE);
	close(fd);
}

static void attributes(void)
{
	char value[100] = "", names[200];
	int fd = open("attr", O_RDWR | O_CREAT | O_TRUNC, 0644);

	close(fd);
	check("setxattr", setxattr("attr", "user.colour", "green", 5, 0) == 0);
	check("getxattr",
	      getxattr("attr", "user.colour", value, sizeof(value)) == 5 &&
	      !memcmp(value, "green", 5));
	check("listxattr", listxattr("attr", names, sizeof(names)) > 0 &&
	      memmem(names, sizeof(names), "user.colour", 12));
	check("removexattr", removexattr("attr", "user.colour") == 0 &&
	      getxattr("attr", "user.colour", value, sizeof(value)) == -1 &&
	      errno == ENODATA);
}

static void holes(void)
{
	int fd = open("holes", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct stat st;
	char c = 1;

	check("a write far behind the end", pwrite(fd, "x", 1, 1 << 30) == 1);
	check("a hole takes no room", fstat(fd, &st) == 0 &&
	      st.st_size == (1 << 30) + 1 && st.st_blocks < 1000);
	check("a hole is zero", pread(fd, &c, 1, 12345) == 1 && c == 0);
	check("fallocate", fallocate(fd, 0, 0, 1 << 20) == 0);
	check("a hole is punched", fallocate(fd, FALLOC_FL_PUNCH_HOLE |
	      FALLOC_FL_KEEP_SIZE, 4096, 8192) == 0);
	close(fd);
	unlink("holes");
}

static void locks(void)
{
	int one = open("attr", O_RDWR), two = open("attr", O_RDWR);

	check("flock", flock(one, LOCK_EX) == 0);
	check("flock excludes",
	      flock(two, LOCK_EX | LOCK_NB) == -1 && errno == EWOULDBLOCK);
	close(one);
	check("flock is given back", flock(two, LOCK_EX | LOCK_NB) == 0);
	close(two);
}

static void open_and_gone(void)
{
	int fd = open("gone", O_RDWR | O_CREAT | O_EXCL, 0600);
	char text[5] = "";

	check("O_EXCL", fd >= 0 && open("gone", O_RDWR | O_CREAT | O_EXCL,
					0600) == -1 && errno == EEXIST);
	check("an open file is removed",
	      write(fd, "still", 5) == 5 && unlink("gone") == 0);
	check("... and lives on", pread(fd, text, 5, 0) == 5 &&
	      !memcmp(text, "still", 5));
	close(fd);
	check("append", (fd = open("attr", O_WRONLY | O_APPEND)) >= 0 &&
	      write(fd, "1", 1) == 1 && lseek(fd, 0, SEEK_SET) == 0 &&
	      write(fd, "2", 1) == 1 && lseek(fd, 0, SEEK_END) == 2);
	close(fd);
}

/* Changes made in this guest are noticed in it. */
static void notices(void)
{
	int fd = inotify_init1(IN_NONBLOCK);
	char events[4096];
	ssize_t n;

	check("inotify", inotify_add_watch(fd, ".", IN_CREATE | IN_MOVED_TO) >= 0);
	close(open("noticed", O_WRONLY | O_CREAT, 0644));
	rename("noticed", "noticed2");
	n = read(fd, events, sizeof(events));
	check("a new file and a renamed one are noticed", n > 0 &&
	      memmem(events, n, "noticed", 8) && memmem(events, n, "noticed2", 9));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc != 2 || chdir(argv[1])) {
		fprintf(stderr, "usage: files DIR\n");
		return 2;
	}
	mappings();
	attributes();
	holes();
	locks();
	open_and_gone();
	notices();
	return failed;
}

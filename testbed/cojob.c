// SPDX-License-Identifier: GPL-2.0
/*
 * The host's end of colinux-job (tools/image/colinux-job):
 *
 *	cojob make DISK < SCRIPT	write a job disk
 *	cojob read LOG			take a guest's console from standard input:
 *					what the job printed goes to standard output
 *					and error, everything else to LOG, the job's
 *					status is ours; 125 if the guest ended
 *					without one
 *	cojob now			the wall clock in ns (busybox has none)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK		4096
#define NO_STATUS	125

static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p) {
		fprintf(stderr, "cojob: out of memory\n");
		exit(NO_STATUS);
	}
	return p;
}

static int make(const char *disk)
{
	size_t len = 0, room = 0, total, n;
	char *text = NULL, *block;
	FILE *out;
	int head;

	do {
		if (room - len < BLOCK)
			text = grow(text, room = 2 * room + BLOCK);
		n = fread(text + len, 1, room - len, stdin);
		len += n;
	} while (n);

	total = (len + 64 + BLOCK - 1) / BLOCK * BLOCK;
	block = grow(NULL, total);
	memset(block, 0, total);
	head = snprintf(block, 64, "colinux-job %zu\n", len);
	memcpy(block + head, text, len);
	out = fopen(disk, "w");
	if (!out || fwrite(block, 1, total, out) != total || fclose(out)) {
		perror(disk);
		return 1;
	}
	return 0;
}

/* Number up to the newline of a frame's head; -1: that was no frame. */
static long number(void)
{
	long value = 0;
	int c, digits = 0;

	while ((c = getchar()) >= '0' && c <= '9' && digits++ < 9)
		value = value * 10 + c - '0';
	return c == '\n' && digits ? value : -1;
}

static void copy(long len, FILE *to)
{
	int c;

	while (len-- > 0 && (c = getchar()) != EOF)
		putc(c, to);
	fflush(to);
}

static int read_console(const char *path)
{
	int c, kind, status = -1;
	FILE *log = fopen(path, "w");
	long value;

	if (!log) {
		perror(path);
		return NO_STATUS;
	}
	while ((c = getchar()) != EOF) {
		if (c != 0x1e) {
			putc(c, log);
			if (c == '\n')
				fflush(log);
			continue;
		}
		kind = getchar();
		value = number();
		if (value < 0)
			continue;
		if (kind == 'O')
			copy(value, stdout);
		else if (kind == 'E')
			copy(value, stderr);
		else if (kind == 'X')
			status = value;
	}
	fclose(log);
	return status < 0 ? NO_STATUS : status;
}

static int now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	printf("%lld%09ld\n", (long long)ts.tv_sec, ts.tv_nsec);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "now"))
		return now();
	if (argc == 3 && !strcmp(argv[1], "make"))
		return make(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "read"))
		return read_console(argv[2]);
	fprintf(stderr, "usage: cojob make DISK < SCRIPT | cojob read LOG\n");
	return 2;
}

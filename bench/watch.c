// SPDX-License-Identifier: GPL-2.0
/*
 * watch PID SECONDS: what a running guest costs its host. Prints, for the
 * daemon PID and the time given,
 *
 *	bench cpu_ns N		its threads' CPU time
 *	bench switches N	round trips into the guest
 *	bench forwards N	... of which to forward an interrupt of the host
 *	bench idles N, virqs N, notifies N
 *	bench elapsed_ns N
 *
 * and then how much memory it has, in KiB: all, and guest memory in it.
 * The counters are the driver's: the daemon's open file is borrowed for it.
 */
#define _GNU_SOURCE
#include <colinux/ioctl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "watch: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Our own descriptor of the file that the process has open as /dev/colinux. */
static int borrow(int pid)
{
	char dir[64], path[512], target[64];
	struct dirent *entry;
	int pidfd, fd = -1;
	ssize_t n;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	d = opendir(dir);
	if (!d)
		die(dir);
	while (fd < 0 && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = 0;
		if (!strcmp(target, "/dev/colinux"))
			fd = atoi(entry->d_name);
	}
	closedir(d);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (fd < 0)
		die("pidfd_getfd");
	close(pidfd);
	return fd;
}

/* CPU time of all threads; only of those that are still there. */
static unsigned long long cpu_ns(int pid)
{
	unsigned long long sum = 0, ns;
	char dir[64], path[512];
	struct dirent *entry;
	FILE *f;
	DIR *d;

	snprintf(dir, sizeof(dir), "/proc/%d/task", pid);
	d = opendir(dir);
	if (!d)
		die(dir);
	while ((entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s/schedstat", dir, entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	closedir(d);
	return sum;
}

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (unsigned long long)ts.tv_sec * 1000000000 +
	       (unsigned long long)ts.tv_nsec;
}

static void print(const char *name, unsigned long long value)
{
	printf("bench %s %llu\n", name, value);
}

static void costs(int pid, unsigned int seconds)
{
	struct co_ioc_stats a, b;
	unsigned long long cpu, start;
	int fd = borrow(pid);

	cpu = cpu_ns(pid);
	start = now_ns();
	if (ioctl(fd, CO_IOC_STATS, &a))
		die("CO_IOC_STATS");
	sleep(seconds);
	if (ioctl(fd, CO_IOC_STATS, &b))
		die("CO_IOC_STATS");
	print("cpu_ns", cpu_ns(pid) - cpu);
	print("elapsed_ns", now_ns() - start);
	print("switches", b.switches - a.switches);
	print("forwards", b.forwards - a.forwards);
	print("idles", b.idles - a.idles);
	print("virqs", b.virqs - a.virqs);
	print("notifies", b.notifies - a.notifies);
	close(fd);
}

static void memory(int pid)
{
	unsigned long long all = 0, all_pss = 0, guest = 0, kb;
	int in_guest = 0;
	char line[512];
	FILE *f;

	snprintf(line, sizeof(line), "/proc/%d/smaps", pid);
	f = fopen(line, "r");
	if (!f)
		die(line);
	while (fgets(line, sizeof(line), f)) {
		/* The first line of a mapping begins with its range, in hex. */
		if (strchr("0123456789abcdef", line[0]))
			in_guest = strstr(line, "/dev/colinux") != NULL;
		else if (sscanf(line, "Rss: %llu kB", &kb) == 1 && in_guest)
			guest += kb;
		else if (sscanf(line, "Rss: %llu kB", &kb) == 1)
			all += kb;
		else if (sscanf(line, "Pss: %llu kB", &kb) == 1 && !in_guest)
			all_pss += kb;
	}
	fclose(f);
	print("rss_beyond_kib", all);
	print("pss_beyond_kib", all_pss);
	print("guest_mapped_kib", guest);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	costs(atoi(argv[1]), (unsigned int)atoi(argv[2]));
	memory(atoi(argv[1]));
	return 0;
}

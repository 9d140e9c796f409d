// SPDX-License-Identifier: GPL-2.0
/*
 * cvm: the driver's contract without the daemon. Loads a trivial guest, runs
 * it, prints its console text and then the counters:
 *
 *	cvm ELF [COMMAND LINE]
 *
 * Exit status: 0 power-off, else the exit reason of enum co_exit, 99 for a
 * call that failed.
 */
#include <colinux/ioctl.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY	(64UL << 20)

static void die(const char *what)
{
	fprintf(stderr, "cvm: %s: %s\n", what, strerror(errno));
	exit(99);
}

static char *read_file(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY);
	char *data;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		die(path);
	close(fd);
	return data;
}

/* Returns the entry. Our own files only: nothing is checked. */
static __u64 load(const char *path, char *memory)
{
	const char *file = read_file(path);
	const Elf64_Ehdr *eh = (const void *)file;
	const Elf64_Phdr *ph = (const void *)(file + eh->e_phoff);
	int i;

	for (i = 0; i < eh->e_phnum; i++)
		if (ph[i].p_type == PT_LOAD)
			memcpy(memory + ph[i].p_paddr, file + ph[i].p_offset,
			       ph[i].p_filesz);
	return eh->e_entry;
}

static void print_stats(int fd)
{
	struct co_ioc_stats s;

	if (ioctl(fd, CO_IOC_STATS, &s))
		die("CO_IOC_STATS");
	printf("switches %llu forwards %llu nmis %llu/%llu mces %llu/%llu self_kicks %llu drained %llu\n",
	       (unsigned long long)s.switches, (unsigned long long)s.forwards,
	       (unsigned long long)s.nmis_taken,
	       (unsigned long long)s.nmis_replayed,
	       (unsigned long long)s.mces_taken,
	       (unsigned long long)s.mces_replayed,
	       (unsigned long long)s.self_kicks,
	       (unsigned long long)s.drained);
}

int main(int argc, char **argv)
{
	struct co_ioc_create create = { CO_ABI_REVISION, 1, MEMORY, 0 };
	struct co_ioc_boot boot = { 0, CO_ZERO_PAGE_GPA };
	struct co_ioc_run run = { 0 };
	char *memory;
	int fd;

	if (argc < 2)
		return 99;
	fd = open("/dev/colinux", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die("/dev/colinux");
	if (ioctl(fd, CO_IOC_CREATE, &create))
		die("CO_IOC_CREATE");
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	boot.entry_gva = load(argv[1], memory);
	strcpy(memory + CO_CMDLINE_GPA, argc > 2 ? argv[2] : "");
	if (ioctl(fd, CO_IOC_BOOT, &boot))
		die("CO_IOC_BOOT");
	do {
		if (ioctl(fd, CO_IOC_RUN, &run)) {
			if (errno == EINTR)
				continue;
			die("CO_IOC_RUN");
		}
		printf("%.*s", (int)run.text_len, (const char *)run.text);
	} while (run.reason < CO_EXIT_POWEROFF);
	printf("\nreason %u\n", run.reason);
	print_stats(fd);
	return run.reason == CO_EXIT_POWEROFF ? 0 : (int)run.reason;
}

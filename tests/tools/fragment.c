// SPDX-License-Identifier: GPL-2.0
/*
 * fragment MIB: leave free memory in pieces. Takes MIB of memory, gives most of
 * it back but keeps some locked pages in each 2 MiB, says "ready" and waits to
 * be killed. With vm.compact_unevictable_allowed=0 compaction cannot help.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PIECE	(512UL << 10)
#define PAGE	4096UL

int main(int argc, char **argv)
{
	size_t at, size = (size_t)(argc > 1 ? atol(argv[1]) : 64) << 20;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE) ||
	    mlock(memory, size)) {
		perror("fragment");
		return 1;
	}
	for (at = 0; at < size; at += PIECE) {
		if (munmap(memory + at, PIECE - PAGE)) {
			perror("fragment: munmap");
			return 1;
		}
	}
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

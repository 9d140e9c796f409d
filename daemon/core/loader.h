/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Puts the guest's kernel, initrd and boot parameters into guest memory.
 * Opening checks all that can be known without the driver, so that a wrong
 * file is found before memory is taken from the host.
 */
#ifndef COLINUX_LOADER_H
#define COLINUX_LOADER_H

#include <stdint.h>

#include <elf.h>

#include "core/guest_mem.h"

#define KERNEL_MAX_SEGMENTS	16

struct kernel_file {
	const char *path;
	int fd;
	uint64_t file_bytes;
	uint64_t entry_gva;
	uint64_t end_gpa;	/* first byte behind the kernel */
	unsigned int segments;
	Elf64_Phdr segment[KERNEL_MAX_SEGMENTS];	/* validated PT_LOADs */
};

struct initrd_file {
	const char *path;	/* NULL: none */
	int fd;
	uint64_t bytes;
	uint64_t gpa;
};

/* All of these complain with one line and return -errno. */
int kernel_open(struct kernel_file *k, const char *path, uint64_t mem_bytes);
int kernel_load(const struct kernel_file *k, const struct guest_mem *mem);
void kernel_close(struct kernel_file *k);

int initrd_open(struct initrd_file *i, const char *path,
		const struct kernel_file *k, uint64_t mem_bytes);
int initrd_load(const struct initrd_file *i, const struct guest_mem *mem);
void initrd_close(struct initrd_file *i);

/* Reads exactly len bytes. -ENODATA: the file ends before. */
int read_at(int fd, void *buf, uint64_t len, uint64_t offset);

/* Fills the zero page and the command line. */
void boot_params_fill(const struct guest_mem *mem,
		      const struct initrd_file *initrd, const char *cmdline);

#endif /* COLINUX_LOADER_H */

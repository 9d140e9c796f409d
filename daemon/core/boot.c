// SPDX-License-Identifier: GPL-2.0
/*
 * The initrd and the "zero page": what Linux on x86 expects from whoever
 * loads it (Documentation/arch/x86/boot.rst and zero-page.rst there).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asm/bootparam.h>

#include <colinux/abi.h>

#include "core/loader.h"
#include "core/log.h"

#define INITRD_LIMIT	(1ULL << 30)	/* all the guest looks at early */
#define PAGE		4096ULL
#define E820_RAM	1
#define E820_RESERVED	2
#define BOOT_FLAG	0xaa55
#define HEADER_MAGIC	0x53726448	/* "HdrS" */
#define BOOT_PROTOCOL	0x020c
#define LOADER_UNKNOWN	0xff

/* As high as possible, where the kernel's own growth does not matter. */
static int place_initrd(struct initrd_file *i, uint64_t lowest,
			uint64_t mem_bytes)
{
	uint64_t top = mem_bytes < INITRD_LIMIT ? mem_bytes : INITRD_LIMIT;
	uint64_t room;

	lowest = (lowest + PAGE - 1) & ~(PAGE - 1);
	room = top > lowest ? top - lowest : 0;
	if (i->bytes > room) {
		say("initrd: %s: larger than memory (%llu MiB, room for %llu MiB): give the guest more with --mem",
		    i->path, (unsigned long long)(i->bytes + (1 << 20) - 1) >> 20,
		    (unsigned long long)room >> 20);
		return -EFBIG;
	}
	i->gpa = (top - i->bytes) & ~(PAGE - 1);
	return 0;
}

int initrd_open(struct initrd_file *i, const char *path,
		const struct kernel_file *k, uint64_t mem_bytes)
{
	struct stat st;
	int err;

	memset(i, 0, sizeof(*i));
	i->fd = -1;
	i->path = path;
	if (!path)
		return 0;
	i->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (i->fd < 0) {
		err = -errno;
		say("initrd: %s: cannot open: %s", path, strerror(errno));
		return err;
	}
	if (fstat(i->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
		say("initrd: %s: empty or not a regular file: use another", path);
		err = -EINVAL;
		goto close;
	}
	i->bytes = st.st_size;
	err = place_initrd(i, k->end_gpa, mem_bytes);
	if (!err)
		return 0;
close:
	initrd_close(i);
	return err;
}

int initrd_load(const struct initrd_file *i, const struct guest_mem *mem)
{
	void *to;
	int err;

	if (!i->path)
		return 0;
	to = guest_mem_at(mem, i->gpa, i->bytes);
	err = to ? read_at(i->fd, to, i->bytes, 0) : -EFBIG;
	if (err)
		say("initrd: %s: cannot read: %s", i->path,
		    err == -ENODATA ? "it became shorter" : strerror(-err));
	return err;
}

void initrd_close(struct initrd_file *i)
{
	if (i->fd >= 0)
		close(i->fd);
	i->fd = -1;
}

void boot_params_fill(const struct guest_mem *mem,
		      const struct initrd_file *initrd, const char *cmdline)
{
	struct boot_params *bp = guest_mem_at(mem, CO_ZERO_PAGE_GPA, sizeof(*bp));
	char *line = guest_mem_at(mem, CO_CMDLINE_GPA, CO_CMDLINE_MAX);

	/* Both lie in the first MiB, and memory is never smaller than that. */
	memset(bp, 0, sizeof(*bp));
	memset(line, 0, CO_CMDLINE_MAX);
	memcpy(line, cmdline, strnlen(cmdline, CO_CMDLINE_MAX - 1));

	bp->hdr.boot_flag = BOOT_FLAG;
	bp->hdr.header = HEADER_MAGIC;
	bp->hdr.version = BOOT_PROTOCOL;
	bp->hdr.type_of_loader = LOADER_UNKNOWN;
	bp->hdr.cmd_line_ptr = CO_CMDLINE_GPA;
	bp->hdr.cmdline_size = CO_CMDLINE_MAX - 1;
	if (initrd->path) {
		bp->hdr.ramdisk_image = initrd->gpa;
		bp->hdr.ramdisk_size = initrd->bytes;
	}
	bp->e820_table[0].addr = 0;
	bp->e820_table[0].size = CO_LOW_SIZE;
	bp->e820_table[0].type = E820_RESERVED;
	bp->e820_table[1].addr = CO_LOW_SIZE;
	bp->e820_table[1].size = mem->size - CO_LOW_SIZE;
	bp->e820_table[1].type = E820_RAM;
	bp->e820_entries = 2;
}

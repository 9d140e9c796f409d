// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel files: a good one with any changes, or any bytes. What is accepted
 * loads within guest memory and has its entry in what was loaded.
 */
#include <sys/mman.h>
#include <unistd.h>
#include <colinux/abi.h>
#include "input.h"
#include "core/loader.h"

#define MEM	(4ULL << 20)
#define TEXT	0x200000ULL

struct image {
	Elf64_Ehdr e;
	Elf64_Phdr p[4];
	Elf64_Nhdr nhdr;
	char name[8];
	struct co_elf_note co;
	char text[64];
} __attribute__((packed));

static void good(struct image *i)
{
	*i = (struct image) {
		.e = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
				     ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC, .e_machine = EM_X86_64,
			.e_phoff = offsetof(struct image, p),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3,
		},
		.p = {
			{ .p_type = PT_LOAD, .p_paddr = TEXT, .p_filesz = 64,
			  .p_offset = offsetof(struct image, text),
			  .p_memsz = 100 },
			{ .p_type = PT_LOAD, .p_paddr = TEXT + 4096,
			  .p_memsz = 4096 },
			{ .p_type = PT_NOTE,
			  .p_offset = offsetof(struct image, nhdr),
			  .p_filesz = 36 },
		},
		.nhdr = { 8, sizeof(struct co_elf_note), CO_ELF_NOTE_TYPE },
		.name = CO_ELF_NOTE_NAME,
		.co = { CO_ABI_REVISION, 0, CO_KERNEL_MAP_GVA + TEXT + 16 },
	};
}

static size_t change(struct input *in, uint8_t *image, size_t len)
{
	while (in->left) {
		uint16_t at = take16(in) % len;
		uint64_t value = take_number(in);
		size_t n = 1 << (at & 3);

		memcpy(image + at, &value, n < len - at ? n : len - at);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	static int fd = -1;
	static char path[32];
	struct image image;
	struct guest_mem mem = { .size = MEM };
	struct kernel_file k;
	size_t len = 0;

	if (fd < 0) {
		fd = memfd_create("kernel", 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	if (take8(&in) < 0xf8) {
		good(&image);
		len = change(&in, (uint8_t *)&image, sizeof(image));
		bytes = (uint8_t *)&image;
	} else {
		bytes = in.at;
		len = in.left;
	}
	must(!ftruncate(fd, 0) && pwrite(fd, bytes, len, 0) == (ssize_t)len);
	if (kernel_open(&k, path, MEM))
		return 0;
	must(k.end_gpa <= MEM && k.entry_gva >= CO_KERNEL_MAP_GVA + CO_LOW_SIZE);
	must(k.entry_gva - CO_KERNEL_MAP_GVA < k.end_gpa);
	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(!kernel_load(&k, &mem));
	munmap(mem.hva, MEM);
	kernel_close(&k);
	return 0;
}

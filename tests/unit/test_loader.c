// SPDX-License-Identifier: GPL-2.0
/* Kernels and initrds, good and bad: each bad one with its one line. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <asm/bootparam.h>
#include <colinux/abi.h>
#include "say.h"
#include "core/loader.h"

#define MEM	(64ULL << 20)
#define TEXT	0x1000000ULL	/* gpa of the kernel */

/* A kernel small enough to be written out, and where each part is in it. */
struct image {
	Elf64_Ehdr e;
	Elf64_Phdr load, data, note;
	Elf64_Nhdr nhdr;
	char name[8];
	struct co_elf_note co;	/* aligned to 4 bytes, as notes are */
	char text[64];
} __attribute__((packed));

static struct image good = {
	.e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = 1,
		.e_phoff = offsetof(struct image, load),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	},
	.load = {
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct image, text),
		.p_paddr = TEXT,
		.p_filesz = 64,
		.p_memsz = 64,
	},
	.data = {
		.p_type = PT_LOAD,
		.p_offset = offsetof(struct image, text),
		.p_paddr = TEXT + 0x1000,
		.p_filesz = 4,
		.p_memsz = 0x2000,	/* .bss */
	},
	.note = {
		.p_type = PT_NOTE,
		.p_offset = offsetof(struct image, nhdr),
		.p_filesz = sizeof(Elf64_Nhdr) + 8 + sizeof(struct co_elf_note),
	},
	.nhdr = {
		.n_namesz = 8,
		.n_descsz = sizeof(struct co_elf_note),
		.n_type = CO_ELF_NOTE_TYPE,
	},
	.name = CO_ELF_NOTE_NAME,
	.co = {
		.revision = CO_ABI_REVISION,
		.entry_gva = CO_KERNEL_MAP_GVA + TEXT + 16,
	},
	.text = "the kernel's text",
};

static struct image image;
static char path[32];
static struct kernel_file kernel;

static int setup(void **state)
{
	image = good;
	return forget_said(state);
}

static void write_file(const void *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static int open_image(size_t len)
{
	write_file(&image, len);
	return kernel_open(&kernel, path, MEM);
}

/* It is refused with one line that has this in it; no file stays open. */
static void refused(const char *text)
{
	if (open_image(sizeof(image)) >= 0) {
		kernel_close(&kernel);
		fail_msg("accepted, but should be: %s", text);
	}
	assert_said(text);
	assert_int_equal(kernel.fd, -1);
}

/* --- the kernel ------------------------------------------------------------------ */

static void a_good_kernel(void **state)
{
	struct guest_mem mem = { .size = MEM };
	uint8_t *at;

	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	at = mem.hva;
	memset(at + TEXT, 0xee, 0x5000);
	assert_int_equal(open_image(sizeof(image)), 0);
	assert_true(kernel.entry_gva == good.co.entry_gva);
	assert_int_equal(kernel.end_gpa, TEXT + 0x3000);
	assert_int_equal(kernel_load(&kernel, &mem), 0);
	assert_memory_equal(at + TEXT, good.text, 64);
	assert_int_equal(at[TEXT + 64], 0xee);
	assert_memory_equal(at + TEXT + 0x1000, good.text, 4);
	for (unsigned int i = 4; i < 0x2000; i++)
		assert_int_equal(at[TEXT + 0x1000 + i], 0);
	assert_int_equal(at[TEXT + 0x3000], 0xee);
	kernel_close(&kernel);
	munmap(mem.hva, MEM);
	assert_silent();
}

static void it_became_shorter_meanwhile(void **state)
{
	struct guest_mem mem = { .size = MEM };

	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_int_equal(open_image(sizeof(image)), 0);
	assert_int_equal(truncate(path, 100), 0);
	assert_true(kernel_load(&kernel, &mem) < 0);
	assert_said("truncated");
	kernel_close(&kernel);
	munmap(mem.hva, MEM);
}

static void no_such_file(void **state)
{
	assert_int_equal(kernel_open(&kernel, "/nonexistent/vmlinux", MEM),
			 -ENOENT);
	assert_said("/nonexistent/vmlinux");
}

static void a_directory(void **state)
{
	assert_true(kernel_open(&kernel, "/tmp", MEM) < 0);
	assert_said("not a regular file");
}

static void an_empty_file(void **state)
{
	assert_true(open_image(0) < 0);
	assert_said("empty");
}

static void not_an_elf_file(void **state)
{
	image.e.e_ident[1] = 'X';
	refused("not an ELF file");
	write_file("MZ", 2);
	assert_true(kernel_open(&kernel, path, MEM) < 0);
	assert_said("not an ELF file");
}

static void another_machine(void **state)
{
	image.e.e_machine = EM_AARCH64;
	refused("x86-64");
	setup(NULL);
	image.e.e_ident[EI_CLASS] = ELFCLASS32;
	refused("x86-64");
	setup(NULL);
	image.e.e_ident[EI_DATA] = ELFDATA2MSB;
	refused("x86-64");
}

static void not_a_kernel(void **state)
{
	image.e.e_type = ET_DYN;
	refused("not a kernel");
	setup(NULL);
	image.e.e_phnum = 0;
	refused("not a kernel");
	setup(NULL);
	image.e.e_phentsize = 1;
	refused("not a kernel");
}

/* However much is missing, it is one line and no crash. */
static void truncated_anywhere(void **state)
{
	for (size_t len = 1; len < sizeof(image); len++) {
		assert_true(open_image(len) < 0);
		assert_said(path);
		assert_int_equal(kernel.fd, -1);
	}
}

static void headers_beyond_the_file(void **state)
{
	static const uint64_t offsets[] = {
		sizeof(image), 1ULL << 40, 1ULL << 63, ~0ULL, ~0ULL - 55,
	};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		setup(NULL);
		image.e.e_phoff = offsets[i];
		refused("truncated");
	}
	setup(NULL);
	image.e.e_phnum = 0xffff;
	refused("");
}

static void segments_beyond_the_file(void **state)
{
	image.load.p_offset = ~0ULL;
	refused("truncated");
	setup(NULL);
	image.load.p_offset = ~0ULL - 10;
	refused("truncated");
	setup(NULL);
	image.load.p_filesz = 0x100000;
	image.load.p_memsz = 0x100000;
	refused("truncated");
	setup(NULL);
	image.load.p_filesz = ~0ULL;
	image.load.p_memsz = ~0ULL;
	refused("truncated");
}

static void segments_beyond_memory(void **state)
{
	image.data.p_memsz = MEM;
	refused("does not fit");
	setup(NULL);
	image.data.p_memsz = ~0ULL;
	refused("does not fit");
	setup(NULL);
	image.load.p_paddr = MEM;
	refused("does not fit");
	setup(NULL);
	image.load.p_paddr = ~0ULL;
	refused("does not fit");
	setup(NULL);
	image.load.p_paddr = CO_LOW_SIZE - 1;
	refused("1 MiB");
}

static void more_in_the_file_than_in_memory(void **state)
{
	image.load.p_memsz = 63;
	refused("broken");
}

static void no_note(void **state)
{
	image.note.p_type = PT_NULL;
	refused("not a colinux kernel");
	setup(NULL);
	image.name[0] = 'X';
	refused("not a colinux kernel");
	setup(NULL);
	image.nhdr.n_type = 2;
	refused("not a colinux kernel");
	setup(NULL);
	image.nhdr.n_descsz = 8;
	refused("not a colinux kernel");
}

static void broken_notes(void **state)
{
	static const uint32_t sizes[] = { 9, 1000, 0x7fffffff, ~0U, ~0U - 2 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		setup(NULL);
		image.nhdr.n_namesz = sizes[i];
		refused("not a colinux kernel");
		setup(NULL);
		image.nhdr.n_descsz = sizes[i] + 100;
		refused("not a colinux kernel");
	}
	setup(NULL);
	image.note.p_filesz = 11;
	refused("not a colinux kernel");
	setup(NULL);
	image.note.p_filesz = ~0ULL;
	refused("not a colinux kernel");
	setup(NULL);
	image.note.p_offset = sizeof(image) - 1;
	refused("");
}

static void another_revision(void **state)
{
	image.co.revision = CO_ABI_REVISION + 1;
	refused("revision");
	image.co.revision = 0;
	refused("revision");
}

static void entry_outside(void **state)
{
	static const uint64_t entries[] = {
		0, TEXT, CO_KERNEL_MAP_GVA, CO_KERNEL_MAP_GVA + TEXT - 1,
		CO_KERNEL_MAP_GVA + TEXT + 64, ~0ULL,
	};

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		setup(NULL);
		image.co.entry_gva = entries[i];
		refused("entry");
	}
}

/* --- the initrd -------------------------------------------------------------------- */

static struct kernel_file placed = { .end_gpa = TEXT + 0x3001 };
static struct initrd_file initrd;

static void no_initrd(void **state)
{
	struct guest_mem mem = { .size = MEM };

	assert_int_equal(initrd_open(&initrd, NULL, &placed, MEM), 0);
	assert_int_equal(initrd_load(&initrd, &mem), 0);
	initrd_close(&initrd);
	assert_silent();
}

static void a_good_initrd(void **state)
{
	struct guest_mem mem = { .size = MEM };

	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	write_file("initrd's bytes", 14);
	assert_int_equal(initrd_open(&initrd, path, &placed, MEM), 0);
	assert_true(initrd.gpa >= placed.end_gpa);
	assert_true(initrd.gpa + 14 <= MEM);
	assert_int_equal(initrd.gpa % 4096, 0);
	assert_int_equal(initrd_load(&initrd, &mem), 0);
	assert_memory_equal((uint8_t *)mem.hva + initrd.gpa, "initrd's bytes",
			    14);
	initrd_close(&initrd);
	munmap(mem.hva, MEM);
}

static void initrd_sizes(void **state)
{
	const uint64_t room = MEM - ((placed.end_gpa + 4095) & ~4095ULL);

	write_file("x", 1);
	assert_int_equal(truncate(path, room), 0);
	assert_int_equal(initrd_open(&initrd, path, &placed, MEM), 0);
	assert_true(initrd.gpa >= placed.end_gpa);
	assert_int_equal(initrd.gpa + room, MEM);
	initrd_close(&initrd);
	assert_int_equal(truncate(path, room + 1), 0);
	assert_int_equal(initrd_open(&initrd, path, &placed, MEM), -EFBIG);
	assert_said("larger than memory");
	assert_int_equal(truncate(path, 1ULL << 40), 0);
	assert_int_equal(initrd_open(&initrd, path, &placed, MEM), -EFBIG);
	assert_said("larger than memory");
	assert_int_equal(truncate(path, 0), 0);
	assert_true(initrd_open(&initrd, path, &placed, MEM) < 0);
	assert_said("empty");
	assert_int_equal(initrd.fd, -1);
}

static void bad_initrds(void **state)
{
	assert_int_equal(initrd_open(&initrd, "/nonexistent/initrd", &placed,
				     MEM), -ENOENT);
	assert_said("/nonexistent/initrd");
	assert_true(initrd_open(&initrd, "/tmp", &placed, MEM) < 0);
	assert_said("regular");
}

/* --- the zero page ---------------------------------------------------------------- */

static void boot_params(void **state)
{
	struct guest_mem mem = { .size = MEM };
	struct boot_params *bp;
	char line[CO_CMDLINE_MAX + 100];
	uint64_t end = 0;

	mem.hva = mmap(NULL, MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	bp = guest_mem_at(&mem, CO_ZERO_PAGE_GPA, sizeof(*bp));
	memset(bp, 0xff, sizeof(*bp));
	initrd = (struct initrd_file){ .path = "x", .bytes = 5, .gpa = 0x3000000 };
	boot_params_fill(&mem, &initrd, "a=b");
	assert_string_equal(guest_mem_at(&mem, CO_CMDLINE_GPA, 4), "a=b");
	assert_int_equal(bp->hdr.cmd_line_ptr, CO_CMDLINE_GPA);
	assert_int_equal(bp->hdr.ramdisk_image, 0x3000000);
	assert_int_equal(bp->hdr.ramdisk_size, 5);
	/* The memory map has no holes, and the first MiB is no RAM. */
	for (unsigned int i = 0; i < bp->e820_entries; i++) {
		assert_int_equal(bp->e820_table[i].addr, end);
		end += bp->e820_table[i].size;
		assert_int_equal(bp->e820_table[i].type == 1, end > CO_LOW_SIZE);
	}
	assert_int_equal(end, MEM);
	/* Never beyond its page. */
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	memset(guest_mem_at(&mem, 0x4000, 16), 0x77, 16);
	boot_params_fill(&mem, &initrd, line);
	assert_int_equal(strlen(guest_mem_at(&mem, CO_CMDLINE_GPA, 1)),
			 CO_CMDLINE_MAX - 1);
	assert_int_equal(*(uint8_t *)guest_mem_at(&mem, 0x4000, 1), 0x77);
	munmap(mem.hva, MEM);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_kernel),
		TEST(it_became_shorter_meanwhile),
		TEST(no_such_file),
		TEST(a_directory),
		TEST(an_empty_file),
		TEST(not_an_elf_file),
		TEST(another_machine),
		TEST(not_a_kernel),
		TEST(truncated_anywhere),
		TEST(headers_beyond_the_file),
		TEST(segments_beyond_the_file),
		TEST(segments_beyond_memory),
		TEST(more_in_the_file_than_in_memory),
		TEST(no_note),
		TEST(broken_notes),
		TEST(another_revision),
		TEST(entry_outside),
		TEST(no_initrd),
		TEST(a_good_initrd),
		TEST(initrd_sizes),
		TEST(bad_initrds),
		TEST(boot_params),
	};
	int failed;

	snprintf(path, sizeof(path), "/tmp/colinux-unit-XXXXXX");
	close(mkstemp(path));
	failed = cmocka_run_group_tests_name("loader", tests, NULL, NULL);
	unlink(path);
	return failed;
}

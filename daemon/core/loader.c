// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's kernel: an ELF vmlinux, placed at its physical addresses. The
 * file is input like any other: each number is checked before it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <colinux/abi.h>

#include "core/loader.h"
#include "core/log.h"

#define MAX_NOTE_BYTES	65536

int read_at(int fd, void *buf, uint64_t len, uint64_t offset)
{
	while (len > 0) {
		ssize_t n = pread(fd, buf, len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		buf = (uint8_t *)buf + n;
		len -= n;
		offset += n;
	}
	return 0;
}

static int bad(const struct kernel_file *k, const char *why)
{
	say("kernel: %s: %s", k->path, why);
	return -ENOEXEC;
}

static int bad_read(const struct kernel_file *k, int err)
{
	if (err == -ENODATA)
		return bad(k, "truncated: copy or build it again");
	say("kernel: %s: cannot read: %s", k->path, strerror(-err));
	return err;
}

static int check_header(const struct kernel_file *k, const Elf64_Ehdr *e)
{
	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		return bad(k, "not an ELF file: use the guest's vmlinux, not a bzImage");
	if (e->e_ident[EI_CLASS] != ELFCLASS64 ||
	    e->e_ident[EI_DATA] != ELFDATA2LSB || e->e_machine != EM_X86_64)
		return bad(k, "not for x86-64: use the guest's vmlinux");
	if (e->e_type != ET_EXEC || e->e_phentsize != sizeof(Elf64_Phdr) ||
	    e->e_phnum == 0)
		return bad(k, "not a kernel: use the guest's vmlinux");
	return 0;
}

/* Takes over one PT_LOAD. mem_bytes: of guest memory. */
static int add_segment(struct kernel_file *k, const Elf64_Phdr *p,
		       uint64_t mem_bytes)
{
	uint64_t limit = mem_bytes < CO_KERNEL_MAP_SIZE ? mem_bytes :
							  CO_KERNEL_MAP_SIZE;

	if (p->p_memsz == 0)
		return 0;
	if (p->p_filesz > p->p_memsz)
		return bad(k, "broken ELF segment: build it again");
	if (p->p_offset > k->file_bytes ||
	    p->p_filesz > k->file_bytes - p->p_offset)
		return bad(k, "truncated: copy or build it again");
	if (p->p_paddr < CO_LOW_SIZE)
		return bad(k, "wants memory below 1 MiB: not a colinux kernel");
	if (p->p_paddr > limit || p->p_memsz > limit - p->p_paddr) {
		say("kernel: %s: does not fit into %llu MiB of memory: give it more with --mem",
		    k->path, (unsigned long long)limit >> 20);
		return -ENOEXEC;
	}
	if (k->segments == KERNEL_MAX_SEGMENTS)
		return bad(k, "too many ELF segments: not a colinux kernel");
	k->segment[k->segments++] = *p;
	if (p->p_paddr + p->p_memsz > k->end_gpa)
		k->end_gpa = p->p_paddr + p->p_memsz;
	return 0;
}

static uint64_t align4(uint64_t n)
{
	return (n + 3) & ~3ULL;
}

/* 1: found in this buffer. 0: not there. */
static int find_note(const uint8_t *buf, uint64_t len, struct co_elf_note *note)
{
	static const char name[] = CO_ELF_NOTE_NAME;
	uint64_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		uint64_t name_at = at + sizeof(h), desc_at;

		memcpy(&h, buf + at, sizeof(h));
		desc_at = name_at + align4(h.n_namesz);
		if (desc_at > len || h.n_descsz > len - desc_at)
			return 0;
		if (h.n_type == CO_ELF_NOTE_TYPE &&
		    h.n_namesz == sizeof(name) &&
		    !memcmp(buf + name_at, name, sizeof(name)) &&
		    h.n_descsz >= sizeof(*note)) {
			memcpy(note, buf + desc_at, sizeof(*note));
			return 1;
		}
		at = desc_at + align4(h.n_descsz);
		if (at > len)
			return 0;
	}
	return 0;
}

/* Looks into one PT_NOTE. 1: found, 0: not there, or -errno. */
static int read_note(const struct kernel_file *k, const Elf64_Phdr *p,
		     struct co_elf_note *note)
{
	uint8_t *buf;
	int err;

	if (p->p_filesz == 0 || p->p_filesz > MAX_NOTE_BYTES)
		return 0;
	buf = malloc(p->p_filesz);
	if (!buf)
		return -ENOMEM;
	err = read_at(k->fd, buf, p->p_filesz, p->p_offset);
	if (!err)
		err = find_note(buf, p->p_filesz, note);
	free(buf);
	return err;
}

static int check_note(struct kernel_file *k, const struct co_elf_note *note)
{
	uint64_t gpa = note->entry_gva - CO_KERNEL_MAP_GVA;

	if (note->revision != CO_ABI_REVISION) {
		say("kernel: %s: made for revision %u of the interface, this is revision %u: use matching versions",
		    k->path, note->revision, CO_ABI_REVISION);
		return -ENOEXEC;
	}
	for (unsigned int i = 0; i < k->segments; i++)
		if (gpa >= k->segment[i].p_paddr &&
		    gpa - k->segment[i].p_paddr < k->segment[i].p_filesz) {
			k->entry_gva = note->entry_gva;
			return 0;
		}
	return bad(k, "its entry point is not within it: build it again");
}

static int read_segments(struct kernel_file *k, uint64_t mem_bytes)
{
	struct co_elf_note note;
	Elf64_Ehdr e;
	int err, found = 0;

	memset(&e, 0, sizeof(e));
	err = read_at(k->fd, &e, sizeof(e), 0);
	if (err && (err != -ENODATA || !memcmp(e.e_ident, ELFMAG, SELFMAG)))
		return bad_read(k, err);
	err = check_header(k, &e);
	if (err)
		return err;
	for (unsigned int i = 0; i < e.e_phnum; i++) {
		Elf64_Phdr p;

		if (e.e_phoff > k->file_bytes)
			return bad_read(k, -ENODATA);
		err = read_at(k->fd, &p, sizeof(p), e.e_phoff + i * sizeof(p));
		if (err)
			return bad_read(k, err);
		if (p.p_type == PT_LOAD) {
			err = add_segment(k, &p, mem_bytes);
			if (err)
				return err;
		} else if (p.p_type == PT_NOTE && !found) {
			found = read_note(k, &p, &note);
			if (found < 0)
				return bad_read(k, found);
		}
	}
	if (!found)
		return bad(k, "not a colinux kernel (it has no colinux note): build it with the colinux patches");
	return check_note(k, &note);
}

int kernel_open(struct kernel_file *k, const char *path, uint64_t mem_bytes)
{
	struct stat st;
	int err;

	memset(k, 0, sizeof(*k));
	k->path = path;
	k->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (k->fd < 0) {
		err = -errno;
		say("kernel: %s: cannot open: %s", path, strerror(errno));
		return err;
	}
	if (fstat(k->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		err = bad(k, "not a regular file: use the guest's vmlinux");
		goto close;
	}
	k->file_bytes = st.st_size;
	if (st.st_size == 0) {
		err = bad(k, "is empty: copy or build it again");
		goto close;
	}
	err = read_segments(k, mem_bytes);
	if (!err)
		return 0;
close:
	kernel_close(k);
	return err;
}

int kernel_load(const struct kernel_file *k, const struct guest_mem *mem)
{
	for (unsigned int i = 0; i < k->segments; i++) {
		const Elf64_Phdr *p = &k->segment[i];
		uint8_t *to = guest_mem_at(mem, p->p_paddr, p->p_memsz);
		int err;

		if (!to)
			return bad(k, "does not fit into memory");
		err = read_at(k->fd, to, p->p_filesz, p->p_offset);
		if (err)
			return bad_read(k, err);
		memset(to + p->p_filesz, 0, p->p_memsz - p->p_filesz);
	}
	return 0;
}

void kernel_close(struct kernel_file *k)
{
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * tables: print the host's IDT and each CPU's GDT as hexadecimal lines, for
 * comparing before and after. Read through /proc/kcore at the addresses that
 * /proc/kallsyms gives. The TLS entries of the GDT are left out: they belong
 * to whatever thread runs.
 */
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDT_BYTES	4096
#define GDT_ENTRIES	16
#define TLS_FIRST	12
#define TLS_LAST	14

static int kcore;
static Elf64_Phdr phdr[256];
static unsigned int phdrs;

static void die(const char *what)
{
	fprintf(stderr, "tables: %s\n", what);
	exit(1);
}

static uint64_t symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], found[256];
	unsigned long long value;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &value, found) == 2 &&
		    !strcmp(found, name)) {
			fclose(f);
			return value;
		}
	}
	die(name);
	return 0;
}

static void open_kcore(void)
{
	Elf64_Ehdr eh;

	kcore = open("/proc/kcore", O_RDONLY);
	if (kcore < 0 || read(kcore, &eh, sizeof(eh)) != sizeof(eh) ||
	    eh.e_phnum > 256)
		die("/proc/kcore");
	phdrs = eh.e_phnum;
	if (pread(kcore, phdr, phdrs * sizeof(*phdr), (off_t)eh.e_phoff) < 0)
		die("/proc/kcore");
}

static void peek(uint64_t gva, void *to, size_t len)
{
	unsigned int i;

	for (i = 0; i < phdrs; i++) {
		uint64_t at = gva - phdr[i].p_vaddr;

		if (phdr[i].p_type != PT_LOAD || gva < phdr[i].p_vaddr ||
		    at + len > phdr[i].p_memsz)
			continue;
		if (pread(kcore, to, len, (off_t)(phdr[i].p_offset + at)) ==
		    (ssize_t)len)
			return;
	}
	die("an address that /proc/kcore does not have");
}

static void print(const char *what, unsigned int n, const uint8_t *bytes, size_t len)
{
	size_t i;

	printf("%s %u ", what, n);
	for (i = 0; i < len; i++)
		printf("%02x", bytes[i]);
	printf("\n");
}

int main(void)
{
	long cpu, cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t offsets = symbol("__per_cpu_offset");
	uint64_t gdt_page = symbol("gdt_page");
	uint8_t idt[IDT_BYTES], gdt[GDT_ENTRIES * 8];

	open_kcore();
	peek(symbol("idt_table"), idt, sizeof(idt));
	print("idt", 0, idt, sizeof(idt));
	for (cpu = 0; cpu < cpus; cpu++) {
		uint64_t offset;

		peek(offsets + 8 * (uint64_t)cpu, &offset, sizeof(offset));
		peek(gdt_page + offset, gdt, sizeof(gdt));
		memset(gdt + TLS_FIRST * 8, 0, (TLS_LAST - TLS_FIRST + 1) * 8);
		print("gdt", (unsigned int)cpu, gdt, sizeof(gdt));
	}
	return 0;
}

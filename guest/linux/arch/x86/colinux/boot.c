// SPDX-License-Identifier: GPL-2.0
/*
 * From the entry to start_kernel(): what head_64.S and head64.c do for a
 * kernel that boots alone.
 *
 * The driver's first page tables map the kernel image and the area, nothing
 * else, and its IDT reports any exception as the end of the machine. Here the
 * static page tables of the image are turned from guest to host addresses,
 * and a temporary direct map of low memory is made, because code that runs
 * before init_mem_mapping() reaches things by __va(). It lives in a PGD of its
 * own, so that the real one starts empty.
 */
#define USE_EARLY_PGTABLE_L5

#include <linux/init.h>
#include <linux/mm.h>
#include <linux/pgtable.h>

#include <asm/bootparam.h>
#include <asm/desc.h>
#include <asm/proto.h>
#include <asm/sections.h>
#include <asm/setup.h>
#include <asm/tlbflush.h>

#include "colinux.h"

#define BOOT_MAP_MAX	PUD_SIZE

u64 colinux_p2m_entries __ro_after_init;
u64 colinux_m2p_entries __ro_after_init;
struct co_boot *colinux_boot __ro_after_init;

static pgd_t boot_pgd[PTRS_PER_PGD] __initdata __aligned(PAGE_SIZE);
static p4d_t boot_p4d[MAX_PTRS_PER_P4D] __initdata __aligned(PAGE_SIZE);
static pud_t boot_pud[PTRS_PER_PUD] __initdata __aligned(PAGE_SIZE);
static pmd_t boot_pmd[PTRS_PER_PMD] __initdata __aligned(PAGE_SIZE);

static u64 __init table_entry(void *table)
{
	return colinux_p2h(__pa_symbol(table)) | _PAGE_TABLE_NOENC;
}

static void __init convert_entry(u64 *entry)
{
	if (*entry & _PAGE_PRESENT)
		*entry = colinux_p2h(*entry & PTE_PFN_MASK) |
			 (*entry & PTE_FLAGS_MASK);
}

static void __init convert_table(void *table)
{
	u64 *entry = table;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PTE; i++)
		convert_entry(&entry[i]);
}

/* Only what the image covers stays mapped at its link address. */
static void __init convert_kernel_map(void)
{
	unsigned int first = pmd_index((unsigned long)_text);
	unsigned int last = pmd_index((unsigned long)_end - 1);
	u64 *entry = (u64 *)level2_kernel_pgt;
	unsigned int i;

	for (i = 0; i < PTRS_PER_PMD; i++) {
		u64 flags = entry[i] & ~PHYSICAL_PMD_PAGE_MASK;
		u64 gpa = entry[i] & PHYSICAL_PMD_PAGE_MASK;

		if (i < first || i > last)
			entry[i] = 0;
		else
			entry[i] = colinux_p2h(gpa) | flags;
	}
}

static void __init setup_paging_levels(void)
{
	if (!(native_read_cr4() & X86_CR4_LA57))
		return;

	__pgtable_l5_enabled = 1;
	pgdir_shift = 48;
	ptrs_per_p4d = 512;
	page_offset_base = __PAGE_OFFSET_BASE_L5;
	vmalloc_base = __VMALLOC_BASE_L5;
	vmemmap_base = __VMEMMAP_BASE_L5;
}

static void __init map_low_memory(u64 mem_bytes)
{
	u64 flags = __PAGE_KERNEL_LARGE & ~_PAGE_GLOBAL;
	u64 gpa;

	for (gpa = 0; gpa < min_t(u64, mem_bytes, BOOT_MAP_MAX); gpa += PMD_SIZE)
		boot_pmd[gpa >> PMD_SHIFT].pmd = colinux_p2h(gpa) | flags;

	boot_pud[pud_index(PAGE_OFFSET)].pud = table_entry(boot_pmd);
	if (pgtable_l5_enabled()) {
		boot_p4d[p4d_index(PAGE_OFFSET)].p4d = table_entry(boot_pud);
		boot_pgd[pgd_index(PAGE_OFFSET)].pgd = table_entry(boot_p4d);
	} else {
		boot_pgd[pgd_index(PAGE_OFFSET)].pgd = table_entry(boot_pud);
	}
}

/*
 * The kernel mapping and the area. pgd_ctor() copies the kernel's half of
 * init_top_pgt to every process.
 */
static void __init map_kernel_and_area(u64 area_entry)
{
	unsigned int top = pgd_index(__START_KERNEL_map);

	if (pgtable_l5_enabled()) {
		convert_table(level4_kernel_pgt);
		((u64 *)level4_kernel_pgt)[CO_AREA_SLOT] = area_entry;
		init_top_pgt[top].pgd = table_entry(level4_kernel_pgt);
	} else {
		init_top_pgt[CO_AREA_SLOT].pgd = area_entry;
		init_top_pgt[top].pgd = table_entry(level3_kernel_pgt);
		boot_pgd[CO_AREA_SLOT] = init_top_pgt[CO_AREA_SLOT];
	}
	boot_pgd[top] = init_top_pgt[top];
}

/*
 * TR selects the passage's TSS and stays loaded until cpu_init(); an exit to
 * the host needs its descriptor to be found here, as in the passage's GDT.
 */
static void __init setup_gdt(void)
{
	struct gdt_page *page = this_cpu_ptr(&gdt_page);
	struct desc_ptr gdt;

	native_store_gdt(&gdt);
	memcpy(&page->gdt[GDT_ENTRY_TSS],
	       (void *)gdt.address + GDT_ENTRY_TSS * sizeof(struct desc_struct),
	       sizeof(tss_desc));
	gdt.address = (unsigned long)page->gdt;
	gdt.size = GDT_SIZE - 1;
	native_load_gdt(&gdt);
}

/* On the driver's page tables; boot is an address in the kernel mapping. */
void __init __noreturn colinux_start(struct co_boot *boot,
				     unsigned long boot_params_gpa)
{
	colinux_p2m_entries = boot->mem_bytes >> CO_CHUNK_SHIFT;
	colinux_m2p_entries = boot->m2p_entries;

	setup_paging_levels();
	setup_gdt();

	convert_table(level3_kernel_pgt);
	convert_table(level2_fixmap_pgt);
	convert_kernel_map();
	map_kernel_and_area(boot->area_entry);
	map_low_memory(boot->mem_bytes);
	load_cr3(boot_pgd);	/* CR4.PGE is clear: this flushes everything */
	cr4_init_shadow();

	colinux_boot = __va(CO_BOOT_GPA);
	colinux_setup_early();
	idt_setup_early_handler();

	x86_64_start_reservations((char *)boot_params_gpa);
}

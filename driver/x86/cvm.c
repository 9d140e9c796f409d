// SPDX-License-Identifier: GPL-2.0
/*
 * What a CVM needs for the switch: the area (passage code, state regions, p2m
 * and m2p at their constant addresses), the transition tables, the guest's
 * first page tables, and each vCPU's state region.
 */
#include "x86.h"

#define CODE64		0x00af9b000000ffffULL	/* ring 0, 64-bit, accessed */
#define DATA		0x00cf93000000ffffULL
#define GATE_INTERRUPT	0x8e

static void set_gate(struct co_gate *gate, u64 target, u8 ist)
{
	gate->offset_low = (u16)target;
	gate->offset_mid = (u16)(target >> 16);
	gate->offset_high = (u32)(target >> 32);
	gate->selector = CO_CS;
	gate->ist = ist;
	gate->type = GATE_INTERRUPT;
	gate->zero = 0;
}

static void fill_idt(struct co_gate *idt, u64 code, u8 ist)
{
	u32 i;

	for (i = 0; i < CO_GATES; i++)
		set_gate(&idt[i], code + co_passage_at.faults +
			 i * CO_FAULT_STUB, ist);
}

static void fill_idts(struct co_state *s)
{
	fill_idt(s->h_idt, s->h_code, 0);
	set_gate(&s->h_idt[2], s->h_code + co_passage_at.transit_nmi, 0);
	set_gate(&s->h_idt[18], s->h_code + co_passage_at.transit_mce, 0);
	fill_idt(s->g_idt, s->g_code, 0);
	set_gate(&s->g_idt[2], s->g_code + co_passage_at.transit_nmi, 0);
	set_gate(&s->g_idt[18], s->g_code + co_passage_at.transit_mce, 0);
	fill_idt(s->boot_idt, s->g_code, CO_IST_FAULT);
	set_gate(&s->boot_idt[2], s->g_code + co_passage_at.nmi,
		 CO_IST_NMI);
	set_gate(&s->boot_idt[18], s->g_code + co_passage_at.mce,
		 CO_IST_MCE);
}

static u64 in_state(const struct co_state *s, const void *field)
{
	return (u64)((const u8 *)field - (const u8 *)s);
}

static void set_table(struct co_table *table, u64 base, u32 bytes)
{
	table->limit = (u16)(bytes - 1);
	table->base = base;
}

/* The guest's first GDT and TSS are the passage's. */
static void fill_descriptors(struct co_state *s)
{
	u64 tss = s->g_self + in_state(s, &s->tss);
	u64 *desc = s->guest.tss_desc;

	s->gdt[CO_CS / 8] = CODE64;
	s->gdt[CO_SS / 8] = DATA;
	desc[0] = (sizeof(s->tss) - 1) | (tss & 0xffffff) << 16 |
		  0x8bULL << 40 | (tss >> 24 & 0xff) << 56;
	desc[1] = tss >> 32;
	memcpy(&s->gdt[CO_TSS / 8], desc, sizeof(s->guest.tss_desc));
	s->tss.ist[CO_IST_FAULT - 1] = s->g_self + CO_BOOT_STACK;
	s->tss.ist[CO_IST_NMI - 1] = s->g_self + CO_VCPU_NMI_STACK;
	s->tss.ist[CO_IST_MCE - 1] = s->g_self + CO_VCPU_MCE_STACK;
	s->tss.iomap = sizeof(s->tss);
	set_table(&s->h_gdtr, s->h_self + in_state(s, s->gdt), sizeof(s->gdt));
	set_table(&s->g_gdtr, s->g_self + in_state(s, s->gdt), sizeof(s->gdt));
	set_table(&s->h_idtr, s->h_self + in_state(s, s->h_idt),
		  sizeof(s->h_idt));
	set_table(&s->g_idtr, s->g_self + in_state(s, s->g_idt),
		  sizeof(s->g_idt));
}

static int vcpu_create(struct co_cvm *cvm, struct co_vcpu *vcpu)
{
	struct co_arch_vcpu *arch;
	struct co_state *s;

	arch = co_os_alloc(sizeof(*arch));
	if (!arch)
		return -ENOMEM;
	vcpu->arch = arch;
	while ((4096U << arch->fpu_order) < co_x86.xsave_bytes)
		arch->fpu_order++;
	arch->fpu = co_os_page_alloc(arch->fpu_order, &arch->state_hpa);
	s = co_os_page_alloc(1, &arch->state_hpa);
	arch->state = s;
	if (!arch->fpu || !s)
		return -ENOMEM;
	s->h_self = (u64)s;
	s->g_self = CO_AREA_VCPU_GVA + vcpu->index * (u64)CO_VCPU_STATE_SIZE;
	s->h_code = (u64)co_passage_page;
	s->g_code = CO_AREA_CODE_GVA;
	s->passage_cr3 = cvm->arch->passage.page[0].hpa;
	fill_idts(s);
	fill_descriptors(s);
	co_cpu_init_vcpu(arch);
	return 0;
}

static void vcpu_destroy(struct co_vcpu *vcpu)
{
	struct co_arch_vcpu *arch = vcpu->arch;

	if (!arch)
		return;
	if (arch->state)
		co_os_page_free(arch->state, 1);
	if (arch->fpu)
		co_os_page_free(arch->fpu, arch->fpu_order);
	co_os_free(arch);
	vcpu->arch = NULL;
}

static int map_state(struct co_tables *t, const struct co_arch_vcpu *arch,
		     u64 va)
{
	int err = co_tables_map(t, va, arch->state_hpa, PT_DATA, 1);

	if (!err)
		err = co_tables_map(t, va + 4096, arch->state_hpa + 4096,
				    PT_DATA, 1);
	return err;
}

static int map_pages(struct co_tables *t, u64 va, const struct co_page *page,
		     u32 pages)
{
	int err = 0;
	u32 i;

	for (i = 0; i < pages && !err; i++)
		err = co_tables_map(t, va + i * 4096ULL, page[i].hpa, PT_CONST,
				    1);
	return err;
}

/* The transition tables, whose area part the guest's tables share. */
static int map_passage(struct co_cvm *cvm)
{
	struct co_tables *t = &cvm->arch->passage;
	u64 code = co_os_code_hpa(co_passage_page);
	u32 i;
	int err;

	err = co_tables_map(t, CO_AREA_CODE_GVA, code, PT_CODE, 1);
	if (!err)
		err = co_tables_map(t, (u64)co_passage_page, code, PT_CODE, 1);
	if (!err)
		err = map_pages(t, CO_AREA_P2M_GVA, cvm->p2m, cvm->p2m_pages);
	if (!err)
		err = map_pages(t, CO_AREA_M2P_GVA, cvm->m2p, cvm->m2p_pages);
	for (i = 0; i < cvm->vcpus && !err; i++) {
		const struct co_arch_vcpu *arch = cvm->vcpu[i].arch;

		err = map_state(t, arch, arch->state->g_self);
		if (!err)
			err = map_state(t, arch, arch->state->h_self);
	}
	if (err)
		return err;
	cvm->arch->area_entry = co_tables_area_entry(t);
	return 0;
}

static int map_kernel(struct co_cvm *cvm)
{
	struct co_tables *t = &cvm->arch->boot;
	u64 gpa;
	int err = 0;

	for (gpa = 0; gpa < CO_KERNEL_MAP_SIZE && gpa < cvm->mem_bytes && !err;
	     gpa += CO_CHUNK_SIZE)
		err = co_tables_map(t, CO_KERNEL_MAP_GVA + gpa,
				    co_memory_hpa(cvm, gpa),
				    PT_CODE | PT_WRITE | PT_DIRTY, 2);
	return err ? err : co_tables_share_area(t, cvm->arch->area_entry);
}

int co_arch_cvm_create(struct co_cvm *cvm)
{
	u32 i;
	int err;

	cvm->arch = co_os_alloc(sizeof(*cvm->arch));
	if (!cvm->arch)
		return -ENOMEM;
	err = co_tables_create(&cvm->arch->passage);
	if (!err)
		err = co_tables_create(&cvm->arch->boot);
	for (i = 0; i < cvm->vcpus && !err; i++)
		err = vcpu_create(cvm, &cvm->vcpu[i]);
	if (!err)
		err = map_passage(cvm);
	if (!err)
		err = map_kernel(cvm);
	return err;	/* the caller destroys */
}

void co_arch_cvm_destroy(struct co_cvm *cvm)
{
	u32 i;

	for (i = 0; cvm->vcpu && i < cvm->vcpus; i++)
		vcpu_destroy(&cvm->vcpu[i]);
	if (!cvm->arch)
		return;
	co_tables_destroy(&cvm->arch->passage);
	co_tables_destroy(&cvm->arch->boot);
	co_os_free(cvm->arch);
	cvm->arch = NULL;
}

int co_arch_boot(struct co_cvm *cvm, u64 entry_gva, u64 boot_params_gpa,
		 struct co_boot *boot)
{
	struct co_state *s = cvm->vcpu[0].arch->state;
	u64 end = cvm->mem_bytes < CO_KERNEL_MAP_SIZE ? cvm->mem_bytes :
							CO_KERNEL_MAP_SIZE;

	if (entry_gva < CO_KERNEL_MAP_GVA + CO_LOW_SIZE ||
	    entry_gva >= CO_KERNEL_MAP_GVA + end)
		return -EINVAL;
	boot->area_entry = cvm->arch->area_entry;
	boot->passage_call = CO_AREA_CODE_GVA + co_passage_at.call;
	boot->passage_nmi = CO_AREA_CODE_GVA + co_passage_at.nmi;
	boot->passage_mce = CO_AREA_CODE_GVA + co_passage_at.mce;
	boot->features = co_x86.pku ? CO_FEATURE_PKU : 0;
	s->guest.frame.rip = entry_gva;
	s->guest.cr3 = cvm->arch->boot.page[0].hpa;
	s->guest.rdi = CO_KERNEL_MAP_GVA + CO_BOOT_GPA;
	s->guest.rsi = boot_params_gpa;
	set_table(&s->guest.gdtr, s->g_gdtr.base, sizeof(s->gdt));
	set_table(&s->guest.idtr, s->g_self + in_state(s, s->boot_idt),
		  sizeof(s->boot_idt));
	return 0;
}

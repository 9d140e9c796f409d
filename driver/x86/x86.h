/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of driver/x86 share; lock letters as in core.h. */
#ifndef CO_X86_H
#define CO_X86_H

#include "../core/core.h"
#include "state.h"

/* One set of page tables that we build, by its pages. */
struct co_tables {
	struct co_page *page;		/* page[0] is the root */
	u32 pages;
	u32 capacity;
};

#define PT_PRESENT	(1ULL << 0)
#define PT_WRITE	(1ULL << 1)
#define PT_ACCESSED	(1ULL << 5)
#define PT_DIRTY	(1ULL << 6)
#define PT_LARGE	(1ULL << 7)
#define PT_NX		(1ULL << 63)
#define PT_ADDRESS	0x000ffffffffff000ULL
#define PT_CODE		(PT_PRESENT | PT_ACCESSED)
#define PT_CONST	(PT_CODE | PT_NX)
#define PT_DATA		(PT_CONST | PT_WRITE | PT_DIRTY)

struct co_arch_cvm {
	struct co_tables passage;	/* [c] transition: h, area */
	struct co_tables boot;		/* [c] kernel mapping, area */
	u64 area_entry;			/* [c] */
};

/*
 * MSRs that stay the guest's for a burst: the host does not use them in its
 * kernel while this thread keeps the CPU.
 */
#define CO_BURST_MSRS	12	/* at most */

struct co_arch_vcpu {
	struct co_state *state;		/* [r] */
	u64 state_hpa;			/* [c] */
	void *fpu;			/* [r] XSAVE or FXSAVE image */
	unsigned int fpu_order;		/* [c] */
	u64 msr[CO_BURST_MSRS];		/* [r] the guest's, out of a burst */
	u64 host_msr[CO_BURST_MSRS];	/* [r] the host's, in a burst */
	u64 xcr0, host_xcr0;		/* [r] */
	u64 xss, host_xss;		/* [r] */
	u64 spec_ctrl;			/* [r] */
	u32 pkru;			/* [r] */
	u64 dr[6];			/* [r] 0-3, 6, 7 */
};

/* What this machine has; filled by co_arch_check. */
struct co_x86_features {
	bool la57, xsave, xss, spec_ctrl, ibpb, pku, ibt, vmx, pebs, bts;
	u32 xsave_bytes;
	u32 burst_msrs;
	u32 burst_msr[CO_BURST_MSRS];
};
extern struct co_x86_features co_x86;

/* pagetable.c */
int co_tables_create(struct co_tables *tables);
void co_tables_destroy(struct co_tables *tables);
int co_tables_map(struct co_tables *tables, u64 va, u64 hpa, u64 flags,
		  u32 level);
u64 co_tables_area_entry(struct co_tables *tables);
int co_tables_share_area(struct co_tables *tables, u64 entry);

/*
 * The debug build counts at which byte of the passage NMIs hit; the last
 * counter is for everywhere else.
 */
#ifdef CO_DEBUG
extern u64 co_debug_hits[4096 + 1];
void co_debug_hit(const struct co_state *state);
#else
static inline void co_debug_hit(const struct co_state *state)
{
}
#endif

/* cpu.c */
void co_cpu_init_vcpu(struct co_arch_vcpu *arch);

#endif /* CO_X86_H */

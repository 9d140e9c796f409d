/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The state region of one vCPU: CO_VCPU_STATE_SIZE bytes, aligned to that,
 * mapped in the host at h and in the guest at g (CO_AREA_VCPU_GVA). Everything
 * the passage (switch.S) touches lies here; it finds the region from its
 * stack pointer, which always points into it.
 *
 *	0x0000	struct co_state
 *	0x1000	stack for #MC in the guest	(top 0x1400, IST 4)
 *	0x1400	stack for NMI in the guest	(top 0x1800, IST 2)
 *	0x1800	stack for faults before the guest has an IDT (top 0x1c00, IST 1)
 *	0x1c00	the passage's own stack		(top 0x2000)
 *
 * Offsets reach the assembler through offsets.c.
 */
#ifndef CO_X86_STATE_H
#define CO_X86_STATE_H

#include <os.h>
#include <colinux/abi.h>

#define CO_BOOT_STACK		0x1c00
#define CO_PASSAGE_STACK	0x2000
#define CO_IST_FAULT		1
#define CO_IST_NMI		2	/* Linux' IST_INDEX_NMI + 1 */
#define CO_IST_MCE		4	/* Linux' IST_INDEX_MCE + 1 */

/* Operand of lgdt/lidt; padded so that base is aligned. */
struct co_table {
	u16 pad[3];
	u16 limit;
	u64 base;
};

/* What iretq takes from the stack. */
struct co_frame {
	u64 rip;
	u64 cs;
	u64 rflags;
	u64 rsp;
	u64 ss;
};

struct co_context {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
	u64 rax, rcx, rdx, rsi, rdi;
	struct co_frame frame;		/* of the host only rsp */
	u64 cr0, cr2, cr3, cr4;
	u64 fs_base, gs_base;
	struct co_table gdtr, idtr;
	u64 tss_desc[2];		/* as in its GDT */
	u16 ds, es, fs, gs, ldtr, tr;
	u32 pad;
};

struct co_gate {
	u16 offset_low;
	u16 selector;
	u8  ist;
	u8  type;
	u16 offset_mid;
	u32 offset_high;
	u32 zero;
};

struct co_tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3;
	u16 iomap;
} __attribute__((packed));

#define CO_GATES	32
#define CO_GDT_ENTRIES	16

struct co_state {
	struct co_context host;
	struct co_context guest;
	u64 h_self, g_self;		/* this region's two addresses */
	u64 h_code, g_code;		/* the code page's */
	u64 passage_cr3;		/* the transition page tables */
	struct co_table h_gdtr, g_gdtr, h_idtr, g_idtr;
	/*
	 * Why we are back. nmi and mce: one arrived since the host's IDT was
	 * left. async: nothing but that. fault: the guest is dead.
	 */
	u32 nmi, mce;			/* one u64 to the assembler */
	u32 async;
	u32 fault;
	u64 nmi_rip;			/* where the last NMI or #MC hit */
	u64 fault_vector, fault_error, fault_rip, fault_cr2;
	u64 gdt[CO_GDT_ENTRIES];
	struct co_gate h_idt[CO_GATES];	/* in the passage, host side */
	struct co_gate g_idt[CO_GATES];	/* in the passage, guest side */
	struct co_gate boot_idt[CO_GATES];	/* the guest's first IDT */
	struct co_tss tss;		/* the guest's first TSS */
};

_Static_assert(sizeof(struct co_gate) == 16, "gate");
_Static_assert(sizeof(struct co_tss) == 104, "TSS");
_Static_assert(sizeof(struct co_table) == 16, "table");
_Static_assert(sizeof(struct co_state) <= 4096, "state fits its page");
_Static_assert(__builtin_offsetof(struct co_state, nmi) % 8 == 0, "nmi, mce");

/* switch.S: the code page; all of it is position-independent. */
extern const u8 co_passage_page[];	/* 4096 bytes, aligned to that */

/* Places in it, as offsets: nothing calls them at the driver's address. */
struct co_passage_offsets {
	u32 call;		/* what the guest calls */
	u32 nmi, mce;		/* the guest's gates 2 and 18 */
	u32 transit_nmi;	/* gate 2 while inside the passage */
	u32 transit_mce;
	u32 faults;		/* CO_GATES stubs of CO_FAULT_STUB bytes */
	u32 resume, resume_end;	/* the tail that may be started over */
};
extern const struct co_passage_offsets co_passage_at;
#define CO_FAULT_STUB	16

/* Host: run the guest of this state until it is back. Interrupts off. */
void co_passage_enter(struct co_state *state);

#endif /* CO_X86_STATE_H */

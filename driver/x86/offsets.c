// SPDX-License-Identifier: GPL-2.0
/*
 * Offsets for switch.S. Compiled to assembly only; lines "->NAME value" become
 * offsets.h.
 */
#include "state.h"

#define DEFINE(name, value) \
	asm volatile("\n.ascii \"->" #name " %0 " #value "\"" : : "i" (value))
#define STATE(name, field) \
	DEFINE(name, __builtin_offsetof(struct co_state, field))
#define CTX(name, field) \
	DEFINE(name, __builtin_offsetof(struct co_context, field))

void co_offsets(void);
void co_offsets(void)
{
	STATE(S_HOST, host);
	STATE(S_GUEST, guest);
	STATE(S_H_SELF, h_self);
	STATE(S_G_SELF, g_self);
	STATE(S_H_CODE, h_code);
	STATE(S_G_CODE, g_code);
	STATE(S_PASSAGE_CR3, passage_cr3);
	STATE(S_H_GDTR, h_gdtr.limit);
	STATE(S_G_GDTR, g_gdtr.limit);
	STATE(S_H_IDTR, h_idtr.limit);
	STATE(S_G_IDTR, g_idtr.limit);
	STATE(S_NMI, nmi);
	STATE(S_MCE, mce);
	STATE(S_NMI_RIP, nmi_rip);
	STATE(S_ASYNC, async);
	STATE(S_FAULT, fault);
	STATE(S_FAULT_VECTOR, fault_vector);
	STATE(S_FAULT_ERROR, fault_error);
	STATE(S_FAULT_RIP, fault_rip);
	STATE(S_FAULT_CR2, fault_cr2);
	STATE(S_GDT, gdt);
	CTX(C_R15, r15);
	CTX(C_R14, r14);
	CTX(C_R13, r13);
	CTX(C_R12, r12);
	CTX(C_RBP, rbp);
	CTX(C_RBX, rbx);
	CTX(C_R11, r11);
	CTX(C_R10, r10);
	CTX(C_R9, r9);
	CTX(C_R8, r8);
	CTX(C_RAX, rax);
	CTX(C_RCX, rcx);
	CTX(C_RDX, rdx);
	CTX(C_RSI, rsi);
	CTX(C_RDI, rdi);
	CTX(C_RIP, frame.rip);
	CTX(C_CS, frame.cs);
	CTX(C_RFLAGS, frame.rflags);
	CTX(C_RSP, frame.rsp);
	CTX(C_SS, frame.ss);
	CTX(C_CR0, cr0);
	CTX(C_CR2, cr2);
	CTX(C_CR3, cr3);
	CTX(C_CR4, cr4);
	CTX(C_FS_BASE, fs_base);
	CTX(C_GS_BASE, gs_base);
	CTX(C_GDTR, gdtr.limit);
	CTX(C_GDT_BASE, gdtr.base);
	CTX(C_IDTR, idtr.limit);
	CTX(C_TSS_DESC, tss_desc);
	CTX(C_DS, ds);
	CTX(C_ES, es);
	CTX(C_FS, fs);
	CTX(C_GS, gs);
	CTX(C_LDTR, ldtr);
	CTX(C_TR, tr);
	DEFINE(STATE_MASK, -CO_VCPU_STATE_SIZE);
	DEFINE(PASSAGE_STACK, CO_PASSAGE_STACK);
	DEFINE(SEL_CS, CO_CS);
	DEFINE(SEL_SS, CO_SS);
}

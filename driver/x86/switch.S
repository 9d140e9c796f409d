/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The world switch: one page of position-independent code, mapped in the host
 * (h alias, driver text), in the transition page tables (both aliases) and in
 * every address space of the guest (g alias).
 *
 *	 host tables      transition tables        guest tables
 *	---------------  ----------------------  ------------------
 *	enter (h) ------> h ... hop ... g -------> restore, resume
 *	home  (h) <------ h ... hop ... g <------- call, nmi, mce
 *
 * Invariants, for NMI and #MC can hit any instruction:
 *  - From the lidt of the passage to the lidt of the other side, RSP points
 *    into the state region through the alias whose IDT is loaded, and code,
 *    IDT, GDT and stack are mapped by the page tables in CR3.
 *  - Gates of the passage use no IST; NMIs stay blocked (no iretq) until the
 *    host's own handler, replayed by the caller of co_passage_enter, irets.
 *  - Inside, no instruction uses the stack, so a handler may leave its frame
 *    behind; interrupted code resumes by popfq, pop %rsp, ret.
 *  - From resume to resume_end the guest's registers are complete in the state
 *    region and not in the CPU: whatever interrupts it may start it over.
 * Register convention inside: RDI = state region through the live alias.
 */
#include "offsets.h"
#include "annotate.h"

#define X86_CR4_PGE	0x80
#define MSR_FS_BASE	0xc0000100
#define MSR_GS_BASE	0xc0000101

	.section .text.co_passage, "ax", @progbits
	.balign	4096
	.globl	co_passage_page
co_passage_page:

#define OFFSET_OF(label)	((label) - co_passage_page)

/* --- macros for both directions ------------------------------------------- */

/* Save what the CPU holds beside general registers to context \ctx of RDI. */
.macro SAVE_SYSTEM ctx
	sgdt	\ctx+C_GDTR(%rdi)
	sidt	\ctx+C_IDTR(%rdi)
	sldt	%eax
	movw	%ax, \ctx+C_LDTR(%rdi)
	str	%eax
	movw	%ax, \ctx+C_TR(%rdi)
	movzwl	%ax, %eax
	addq	\ctx+C_GDT_BASE(%rdi), %rax
	movq	(%rax), %rcx
	movq	8(%rax), %rdx
	movq	%rcx, \ctx+C_TSS_DESC(%rdi)
	movq	%rdx, \ctx+C_TSS_DESC+8(%rdi)
	movq	%cr0, %rax
	movq	%rax, \ctx+C_CR0(%rdi)
	movq	%cr3, %rax
	movq	%rax, \ctx+C_CR3(%rdi)
	movq	%cr4, %rax
	movq	%rax, \ctx+C_CR4(%rdi)
	movw	%ds, \ctx+C_DS(%rdi)
	movw	%es, \ctx+C_ES(%rdi)
	movw	%fs, \ctx+C_FS(%rdi)
	movw	%gs, \ctx+C_GS(%rdi)
	movl	$MSR_FS_BASE, %ecx
	rdmsr
	movl	%eax, \ctx+C_FS_BASE(%rdi)
	movl	%edx, \ctx+C_FS_BASE+4(%rdi)
	movl	$MSR_GS_BASE, %ecx
	rdmsr
	movl	%eax, \ctx+C_GS_BASE(%rdi)
	movl	%edx, \ctx+C_GS_BASE+4(%rdi)
.endm

/*
 * Load it back, all but CR3, CR4 and the IDT. TR comes from a copy of its
 * descriptor in the passage's GDT, marked available, so that no live GDT is
 * written to; the passage's GDT is loaded at this point.
 */
.macro LOAD_SYSTEM ctx
	movq	%cr0, %rax
	cmpq	\ctx+C_CR0(%rdi), %rax
	je	.Lsame_cr0\@
	movq	\ctx+C_CR0(%rdi), %rax
	movq	%rax, %cr0
.Lsame_cr0\@:
	movzwl	\ctx+C_TR(%rdi), %eax
	movq	\ctx+C_TSS_DESC(%rdi), %rcx
	movq	\ctx+C_TSS_DESC+8(%rdi), %rdx
	btrq	$41, %rcx
	movq	%rcx, S_GDT(%rdi, %rax)
	movq	%rdx, S_GDT+8(%rdi, %rax)
	ltr	%ax
	lgdt	\ctx+C_GDTR(%rdi)
	lldt	\ctx+C_LDTR(%rdi)
	movw	\ctx+C_DS(%rdi), %ds
	movw	\ctx+C_ES(%rdi), %es
	movw	\ctx+C_FS(%rdi), %fs
	movw	\ctx+C_GS(%rdi), %gs
	movl	$MSR_FS_BASE, %ecx
	movl	\ctx+C_FS_BASE(%rdi), %eax
	movl	\ctx+C_FS_BASE+4(%rdi), %edx
	wrmsr
	movl	$MSR_GS_BASE, %ecx
	movl	\ctx+C_GS_BASE(%rdi), %eax
	movl	\ctx+C_GS_BASE+4(%rdi), %edx
	wrmsr
.endm

/*
 * Under the transition tables: from this alias to the other. Both are mapped,
 * so the pairs below may mix until all three are done.
 */
.macro HOP to_self to_code to_gdtr to_idtr label
	movq	\to_code(%rdi), %rax
	movq	\to_self(%rdi), %rdi
	leaq	PASSAGE_STACK(%rdi), %rsp
	lidt	\to_idtr(%rdi)
	lgdt	\to_gdtr(%rdi)
	addq	$OFFSET_OF(\label), %rax
	CO_JMP_RAX
\label:
.endm

/* TLB entries of either side, global ones too, go with CR4.PGE. */
.macro FLUSH_AND_LEAVE
	movq	%cr4, %rax
	andq	$~X86_CR4_PGE, %rax
	movq	%rax, %cr4
	movq	S_PASSAGE_CR3(%rdi), %rax
	movq	%rax, %cr3
.endm

/* RDI = the region that RSP points into. */
.macro FIND_STATE reg
	movq	%rsp, \reg
	andq	$STATE_MASK, \reg
.endm

/* --- host to guest --------------------------------------------------------- */

/* void co_passage_enter(struct co_state *h), interrupts off */
	.globl	co_passage_enter
	.type	co_passage_enter, @function
co_passage_enter:
	CO_ENDBR
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, S_HOST+C_RSP(%rdi)
	SAVE_SYSTEM S_HOST
	leaq	PASSAGE_STACK(%rdi), %rsp
	lidt	S_H_IDTR(%rdi)
	lgdt	S_H_GDTR(%rdi)
	FLUSH_AND_LEAVE
	movq	S_GUEST+C_CR4(%rdi), %rax
	movq	%rax, %cr4
	HOP	S_G_SELF S_G_CODE S_G_GDTR S_G_IDTR hop_guest
	movq	S_GUEST+C_CR3(%rdi), %rax
	movq	%rax, %cr3
	movq	S_GUEST+C_CR2(%rdi), %rax
	movq	%rax, %cr2
	LOAD_SYSTEM S_GUEST
	lidt	S_GUEST+C_IDTR(%rdi)
	/* From here on NMIs come through the guest's gate to co_passage_nmi. */

co_passage_resume:
	cmpq	$0, S_NMI(%rdi)
	jne	resume_later
	movq	S_GUEST+C_R15(%rdi), %r15
	movq	S_GUEST+C_R14(%rdi), %r14
	movq	S_GUEST+C_R13(%rdi), %r13
	movq	S_GUEST+C_R12(%rdi), %r12
	movq	S_GUEST+C_RBP(%rdi), %rbp
	movq	S_GUEST+C_RBX(%rdi), %rbx
	movq	S_GUEST+C_R11(%rdi), %r11
	movq	S_GUEST+C_R10(%rdi), %r10
	movq	S_GUEST+C_R9(%rdi), %r9
	movq	S_GUEST+C_R8(%rdi), %r8
	movq	S_GUEST+C_RAX(%rdi), %rax
	movq	S_GUEST+C_RCX(%rdi), %rcx
	movq	S_GUEST+C_RDX(%rdi), %rdx
	movq	S_GUEST+C_RSI(%rdi), %rsi
	leaq	S_GUEST+C_RIP(%rdi), %rsp
	movq	S_GUEST+C_RDI(%rdi), %rdi
	iretq
resume_end:

/* --- guest to host --------------------------------------------------------- */

/* The guest's call: RDI = g, interrupts off, on the caller's stack. */
co_passage_call:
	movq	%rbx, S_GUEST+C_RBX(%rdi)
	movq	%rbp, S_GUEST+C_RBP(%rdi)
	movq	%r12, S_GUEST+C_R12(%rdi)
	movq	%r13, S_GUEST+C_R13(%rdi)
	movq	%r14, S_GUEST+C_R14(%rdi)
	movq	%r15, S_GUEST+C_R15(%rdi)
	movq	(%rsp), %rax
	leaq	8(%rsp), %rcx
	movq	%rax, S_GUEST+C_RIP(%rdi)
	movq	%rcx, S_GUEST+C_RSP(%rdi)
	pushfq
	popq	S_GUEST+C_RFLAGS(%rdi)
	movq	$SEL_CS, S_GUEST+C_CS(%rdi)
	movq	$SEL_SS, S_GUEST+C_SS(%rdi)
save_guest:
	movq	%cr2, %rax
	movq	%rax, S_GUEST+C_CR2(%rdi)
	SAVE_SYSTEM S_GUEST

	jmp	go_home

/* The guest did not run (on): only an NMI or #MC brings us back. */
resume_later:
	movl	$1, S_ASYNC(%rdi)
/* The guest's state is complete; whatever IDT and GDT are loaded, go. */
go_home:
	leaq	PASSAGE_STACK(%rdi), %rsp
	lidt	S_G_IDTR(%rdi)
	lgdt	S_G_GDTR(%rdi)
	FLUSH_AND_LEAVE
	HOP	S_H_SELF S_H_CODE S_H_GDTR S_H_IDTR hop_host
host_side:
	/*
	 * CR3's low bits are 0 now, so PCIDE may come back; PGE too, for the
	 * transition tables have no global entries.
	 */
	movq	S_HOST+C_CR4(%rdi), %rax
	movq	%rax, %cr4
	movq	S_HOST+C_CR3(%rdi), %rax
	movq	%rax, %cr3
	LOAD_SYSTEM S_HOST
	movl	$SEL_SS, %eax
	movl	%eax, %ss
	lidt	S_HOST+C_IDTR(%rdi)
	movq	S_HOST+C_RSP(%rdi), %rsp
	/* DF, AC and the like may be those of interrupted guest code. */
	pushq	$2
	popfq
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	CO_RET

/* --- NMI and machine check -------------------------------------------------- */

/*
 * Resume what was interrupted, with NMIs still blocked. On the stack: rcx, rax
 * and the frame. The return address goes below the interrupted RSP, where
 * neither kernel keeps anything (no red zone), perhaps over this frame's SS.
 */
.macro RESUME_BLOCKED
	movq	40(%rsp), %rcx
	movq	16(%rsp), %rax
	movq	%rax, -8(%rcx)
	subq	$8, %rcx
	movq	%rcx, 40(%rsp)
	popq	%rcx
	popq	%rax
	leaq	16(%rsp), %rsp
	popfq
	popq	%rsp
	CO_RET
.endm

/* Gate of the passage's own IDTs. */
.macro TRANSIT flag
	pushq	%rax
	pushq	%rcx
	FIND_STATE %rax
	movq	16(%rsp), %rcx
	movq	%rcx, S_NMI_RIP(%rax)
	movl	$1, \flag(%rax)
	RESUME_BLOCKED
.endm

/*
 * The guest's gate, on an IST stack in the state region. Three cases by where
 * the guest was: in the tail: start it over by way of the host; elsewhere in
 * this page: it is on its way to the host, a flag will do; anywhere else: save
 * all registers and go.
 */
.macro FROM_GUEST flag
	pushq	%rax
	pushq	%rcx
	FIND_STATE %rax
	movl	$1, \flag(%rax)
	movq	16(%rsp), %rcx
	movq	%rcx, S_NMI_RIP(%rax)
	subq	S_G_CODE(%rax), %rcx
	cmpq	$4096, %rcx
	jae	save_all
	cmpq	$OFFSET_OF(co_passage_resume), %rcx
	jb	resume_blocked
	cmpq	$OFFSET_OF(resume_end), %rcx
	jae	resume_blocked
	movq	%rax, %rdi
	jmp	resume_later
.endm

co_transit_nmi:
	TRANSIT	S_NMI
co_transit_mce:
	TRANSIT	S_MCE
co_passage_nmi:
	FROM_GUEST S_NMI
co_passage_mce:
	FROM_GUEST S_MCE

resume_blocked:
	RESUME_BLOCKED

/* RAX = state; on the stack rcx, rax, frame. */
save_all:
	movq	%rdi, S_GUEST+C_RDI(%rax)
	movq	%rax, %rdi
	popq	S_GUEST+C_RCX(%rdi)
	popq	S_GUEST+C_RAX(%rdi)
	popq	S_GUEST+C_RIP(%rdi)
	popq	S_GUEST+C_CS(%rdi)
	popq	S_GUEST+C_RFLAGS(%rdi)
	popq	S_GUEST+C_RSP(%rdi)
	popq	S_GUEST+C_SS(%rdi)
	movq	%rdx, S_GUEST+C_RDX(%rdi)
	movq	%rsi, S_GUEST+C_RSI(%rdi)
	movq	%r8, S_GUEST+C_R8(%rdi)
	movq	%r9, S_GUEST+C_R9(%rdi)
	movq	%r10, S_GUEST+C_R10(%rdi)
	movq	%r11, S_GUEST+C_R11(%rdi)
	movq	%rbx, S_GUEST+C_RBX(%rdi)
	movq	%rbp, S_GUEST+C_RBP(%rdi)
	movq	%r12, S_GUEST+C_R12(%rdi)
	movq	%r13, S_GUEST+C_R13(%rdi)
	movq	%r14, S_GUEST+C_R14(%rdi)
	movq	%r15, S_GUEST+C_R15(%rdi)
	movl	$1, S_ASYNC(%rdi)
	jmp	save_guest

/* --- exceptions that nobody can handle -------------------------------------- */

/* Vectors that push an error code. */
#define HAS_ERROR_CODE	0x60227d00

	.balign	16
co_passage_faults:
	.set	vector, 0
	.rept	32
	.balign	16
	.if	((HAS_ERROR_CODE >> vector) & 1) == 0
	pushq	$0
	.endif
	pushq	$vector
	jmp	fault
	.set	vector, vector + 1
	.endr
	.balign	16

/*
 * On the guest's side: it is dead, go home. On the host's side something of
 * the host's own could not be loaded: try the way home too, there is no other.
 */
fault:
	FIND_STATE %rdi
	cmpl	$0, S_FAULT(%rdi)
	jne	fault_known
	popq	S_FAULT_VECTOR(%rdi)
	popq	S_FAULT_ERROR(%rdi)
	popq	S_FAULT_RIP(%rdi)
	movq	%cr2, %rax
	movq	%rax, S_FAULT_CR2(%rdi)
	movl	$1, S_FAULT(%rdi)
fault_known:
	/* A watchpoint of the guest must not hit us again and again. */
	movl	$0x400, %eax
	movq	%rax, %dr7
	cmpq	%rdi, S_G_SELF(%rdi)
	je	go_home
	leaq	PASSAGE_STACK(%rdi), %rsp
	jmp	host_side

	/* An error here says that the passage outgrew its page. */
	.org	co_passage_page + 4096, 0xcc

	/* The whole page is one function to tools that follow control flow. */
	.size	co_passage_enter, . - co_passage_enter
	CO_NON_STANDARD co_passage_enter

/* struct co_passage_offsets */
	.section .rodata, "a"
	.balign	8
	.globl	co_passage_at
co_passage_at:
	.long	OFFSET_OF(co_passage_call)
	.long	OFFSET_OF(co_passage_nmi)
	.long	OFFSET_OF(co_passage_mce)
	.long	OFFSET_OF(co_transit_nmi)
	.long	OFFSET_OF(co_transit_mce)
	.long	OFFSET_OF(co_passage_faults)
	.long	OFFSET_OF(co_passage_resume)
	.long	OFFSET_OF(resume_end)
	CO_NOTE_GNU_STACK

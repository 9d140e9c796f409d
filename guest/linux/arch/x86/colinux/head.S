/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first instructions of a cooperative guest. The state of the CPU at entry
 * is described in colinux/abi.h; what is missing for C code is a stack and a
 * GS base for per-CPU data.
 */
#include <linux/elfnote.h>
#include <linux/init.h>
#include <linux/linkage.h>

#include <asm/asm.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/percpu.h>
#include <asm/unwind_hints.h>

#include <colinux/abi.h>

	__INIT
SYM_CODE_START(colinux_entry)
	UNWIND_HINT_END_OF_STACK
	ANNOTATE_NOENDBR
	cld
	leaq	__top_init_kernel_stack(%rip), %rsp

	/* SS and CS are the same in both kernels and stay loaded. */
	xorl	%eax, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs

	movl	$MSR_GS_BASE, %ecx
	leaq	INIT_PER_CPU_VAR(fixed_percpu_data)(%rip), %rdx
	movl	%edx, %eax
	shrq	$32, %rdx
	wrmsr

	pushq	$0
	popfq

	/* RDI and RSI are the arguments. */
	xorl	%ebp, %ebp
	call	colinux_start
	ud2
SYM_CODE_END(colinux_entry)

	/* How the daemon finds the entry: struct co_elf_note. */
	ELFNOTE(colinux, CO_ELF_NOTE_TYPE,
		.long CO_ABI_REVISION; .long 0; .quad colinux_entry)

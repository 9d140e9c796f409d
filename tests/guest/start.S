/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trivial guest: enough of a kernel to be entered by the world switch and
 * to perform operations. Its program is main.c.
 */
#define __ASSEMBLY__
#include <colinux/abi.h>

	.section .note.colinux, "a", @note
	.balign	4
	.long	8, 16, CO_ELF_NOTE_TYPE
	.asciz	"colinux"
	.long	CO_ABI_REVISION, 0
	.quad	start

	.text
	.globl	start
start:
	leaq	stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	call	guest_main
	ud2

	.globl	stub_entry
stub_entry:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	cld
	call	stub_main
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq

	.bss
	.balign	16
	.skip	16384
stack_top:
	.section .note.GNU-stack, "", @progbits

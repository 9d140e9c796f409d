/* SPDX-License-Identifier: GPL-2.0 */
/*
 * void co_int(u32 vector): "int $vector" runs the host's handler through its
 * live IDT, exactly as if the interrupt had arrived here. The vector is part
 * of the instruction, so there is a stub for each.
 */
#include "annotate.h"

	.text
	.globl	co_int
	.type	co_int, @function
co_int:
	CO_ENDBR
	movzbl	%dil, %edi
	leaq	co_int_stubs(%rip), %rax
	leaq	(%rax,%rdi,8), %rax
	CO_JMP_RAX
	.size	co_int, . - co_int

	.balign	8
co_int_stubs:
	.set	vector, 0
	.rept	256
	.balign	8
	CO_ENDBR
	.byte	0xcd, vector
	CO_RET
	.set	vector, vector + 1
	.endr
	.balign	8
	CO_NOTE_GNU_STACK

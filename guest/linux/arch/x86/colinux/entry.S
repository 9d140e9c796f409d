/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the interrupt gates lead: 8 bytes for each vector, which push the
 * vector in place of an error code.
 */
#include <linux/linkage.h>

#include <asm/asm.h>
#include <asm/colinux.h>
#include <asm/irq_vectors.h>
#include <asm/nospec-branch.h>
#include <asm/unwind_hints.h>

	.section .entry.text, "ax"

.macro colinux_stub vector
	UNWIND_HINT_IRET_REGS
0:
	ENDBR
	.byte	0x6a, \vector		/* push imm8, two bytes always */
	jmp	asm_colinux_interrupt
	.fill	0b + 8 - ., 1, 0xcc
.endm

	.align 8
SYM_CODE_START(colinux_stubs)
	.Lvector = FIRST_EXTERNAL_VECTOR
	.rept NR_VECTORS - FIRST_EXTERNAL_VECTOR
	colinux_stub .Lvector
	.Lvector = .Lvector + 1
	.endr
SYM_CODE_END(colinux_stubs)

	.align 8
SYM_CODE_START(colinux_stub_virq)
	colinux_stub COLINUX_VECTOR
SYM_CODE_END(colinux_stub_virq)

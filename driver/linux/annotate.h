/* SPDX-License-Identifier: GPL-2.0 */
/* What the host's build wants to be told about hand-written assembly. */
#ifndef CO_ANNOTATE_H
#define CO_ANNOTATE_H

#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

#define CO_ENDBR	endbr64
/* The passage jumps only to addresses of its own, once each way. */
#define CO_JMP_RAX	ANNOTATE_RETPOLINE_SAFE; jmp *%rax
#define CO_RET		ANNOTATE_UNRET_SAFE; ret; int3
#define CO_NON_STANDARD	STACK_FRAME_NON_STANDARD
#define CO_NOTE_GNU_STACK

#endif

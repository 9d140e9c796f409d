/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cooperative Linux guest: address translation and the hooks in code shared
 * with other x86 platforms.
 *
 * The kernel thinks in guest pseudo-physical addresses; page-table entries and
 * CR3 hold host addresses. Both spaces consist of 2 MiB chunks, and two tables
 * at constant addresses translate: p2m (read-only, valid from the first
 * instruction on) and m2p. An address that is not memory of this guest gets
 * COLINUX_FOREIGN flipped: no frame of anybody has that bit, so an access
 * faults, and translating back gives the same address again.
 */
#ifndef _ASM_X86_COLINUX_H
#define _ASM_X86_COLINUX_H

/*
 * A reserved exception vector: raised by software only, to take virqs through
 * a real interrupt entry. No device ever delivers it.
 */
#define COLINUX_VECTOR		31

#ifndef __ASSEMBLY__

#include <linux/compiler.h>
#include <linux/types.h>

#if defined(CONFIG_COLINUX) && defined(CONFIG_X86_64)

#include <colinux/abi.h>

#define COLINUX_FOREIGN		(1ULL << 51)

extern u64 colinux_p2m_entries, colinux_m2p_entries;

static __always_inline u64 colinux_p2h(u64 gpa)
{
	const u32 *p2m = (const u32 *)CO_AREA_P2M_GVA;
	u64 chunk = gpa >> CO_CHUNK_SHIFT;

	if (unlikely(chunk >= colinux_p2m_entries))
		return gpa ^ COLINUX_FOREIGN;
	return ((u64)READ_ONCE(p2m[chunk]) << CO_CHUNK_SHIFT) |
	       (gpa & (CO_CHUNK_SIZE - 1));
}

static __always_inline u64 colinux_h2p(u64 hpa)
{
	const u32 *m2p = (const u32 *)CO_AREA_M2P_GVA;
	u64 chunk = hpa >> CO_CHUNK_SHIFT;
	u32 gchunk;

	if (unlikely(chunk >= colinux_m2p_entries))
		return hpa ^ COLINUX_FOREIGN;
	gchunk = READ_ONCE(m2p[chunk]);
	if (unlikely(gchunk == CO_CHUNK_NONE))
		return hpa ^ COLINUX_FOREIGN;
	return ((u64)gchunk << CO_CHUNK_SHIFT) | (hpa & (CO_CHUNK_SIZE - 1));
}

struct gate_struct;

void colinux_fix_gate(unsigned int vector, struct gate_struct *gate);
void colinux_fix_ist(void *ist);
void colinux_relax(void);
unsigned int colinux_virq_to_irq(unsigned int virq);
s64 colinux_call(u32 op, u64 arg);

extern const char colinux_stub_virq[];

#else /* !CONFIG_COLINUX */

static __always_inline u64 colinux_p2h(u64 gpa) { return gpa; }
static __always_inline u64 colinux_h2p(u64 hpa) { return hpa; }

#define colinux_fix_gate(vector, gate)	do { } while (0)
#define colinux_fix_ist(ist)		do { } while (0)

#endif /* CONFIG_COLINUX */
#endif /* !__ASSEMBLY__ */
#endif /* _ASM_X86_COLINUX_H */

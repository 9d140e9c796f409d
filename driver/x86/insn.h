/* SPDX-License-Identifier: GPL-2.0 */
/* Privileged instructions and CPUID, as functions. */
#ifndef CO_X86_INSN_H
#define CO_X86_INSN_H

#include <os.h>

#define MSR_APIC_BASE		0x1b
#define MSR_SPLIT_CTRL		0x33
#define MSR_SPEC_CTRL		0x48
#define MSR_PRED_CMD		0x49
#define MSR_CORE_CAPS		0xcf
#define MSR_ARCH_CAPS		0x10a
#define MSR_TSX_CTRL		0x122
#define MSR_SYSENTER_CS		0x174
#define MSR_SYSENTER_ESP	0x175
#define MSR_SYSENTER_EIP	0x176
#define MSR_MISC_ENABLE		0x1a0
#define MSR_DEBUGCTL		0x1d9
#define MSR_PEBS_ENABLE		0x3f1
#define MSR_S_CET		0x6a2
#define MSR_X2APIC_ISR		0x810
#define MSR_XSS			0xda0
#define MSR_KVM_ASYNC_PF_EN	0x4b564d02
#define MSR_EFER		0xc0000080
#define MSR_STAR		0xc0000081
#define MSR_LSTAR		0xc0000082
#define MSR_CSTAR		0xc0000083
#define MSR_SYSCALL_MASK	0xc0000084
#define MSR_KERNEL_GS_BASE	0xc0000102
#define MSR_TSC_AUX		0xc0000103
#define MSR_AMD64_SYSCFG	0xc0010010
#define MSR_AMD64_SEV		0xc0010131

#define EFER_SYSCALL		(1ULL << 0)
#define EFER_SVM_ON		(1ULL << 12)

#define CR4_PGE			(1ULL << 7)
#define CR4_LA57		(1ULL << 12)
#define CR4_VMXE		(1ULL << 13)
#define CR4_PCIDE		(1ULL << 17)
#define CR4_OSXSAVE		(1ULL << 18)
#define CR4_SMEP		(1ULL << 20)
#define CR4_SMAP		(1ULL << 21)
#define CR4_PKE			(1ULL << 22)
#define CR4_CET			(1ULL << 23)
#define CR4_FRED		(1ULL << 32)

#define RFLAGS_FIXED		0x2
#define RFLAGS_IF		(1ULL << 9)

struct x86_cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct x86_cpuid x86_cpuid(u32 leaf, u32 subleaf)
{
	struct x86_cpuid r;

	asm volatile("cpuid" : "=a" (r.eax), "=b" (r.ebx), "=c" (r.ecx),
		     "=d" (r.edx) : "a" (leaf), "c" (subleaf));
	return r;
}

static inline u64 x86_rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return low | (u64)high << 32;
}

static inline void x86_wrmsr(u32 msr, u64 value)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((u32)value),
		     "d" ((u32)(value >> 32)) : "memory");
}

static inline u64 x86_rdtsc(void)
{
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return low | (u64)high << 32;
}

#define X86_READ(reg)						\
static inline u64 x86_read_##reg(void)				\
{								\
	u64 value;						\
								\
	asm volatile("mov %%" #reg ", %0" : "=r" (value));	\
	return value;						\
}
X86_READ(cr0)
X86_READ(cr3)
X86_READ(cr4)
X86_READ(dr0)
X86_READ(dr1)
X86_READ(dr2)
X86_READ(dr3)
X86_READ(dr6)
X86_READ(dr7)

#define X86_WRITE(reg)						\
static inline void x86_write_##reg(u64 value)			\
{								\
	asm volatile("mov %0, %%" #reg : : "r" (value) : "memory");	\
}
X86_WRITE(dr0)
X86_WRITE(dr1)
X86_WRITE(dr2)
X86_WRITE(dr3)
X86_WRITE(dr6)
X86_WRITE(dr7)

static inline u64 x86_xgetbv(void)
{
	u32 low, high;

	asm volatile("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
	return low | (u64)high << 32;
}

static inline void x86_xsetbv(u64 value)
{
	asm volatile("xsetbv" : : "c" (0), "a" ((u32)value),
		     "d" ((u32)(value >> 32)));
}

static inline u32 x86_rdpkru(void)
{
	u32 value, edx;

	asm volatile("rdpkru" : "=a" (value), "=d" (edx) : "c" (0));
	return value;
}

static inline void x86_wrpkru(u32 value)
{
	asm volatile("wrpkru" : : "a" (value), "c" (0), "d" (0) : "memory");
}

/* All but PKRU, which changes hands at every crossing. */
#define XSAVE_MASK		(~(1u << 9))

static inline void x86_xsave(void *area)
{
	asm volatile("xsave64 (%0)" : : "r" (area), "a" (XSAVE_MASK), "d" (~0u)
		     : "memory");
}

static inline void x86_xrstor(const void *area)
{
	asm volatile("xrstor64 (%0)" : : "r" (area), "a" (XSAVE_MASK), "d" (~0u)
		     : "memory");
}

static inline void x86_fxsave(void *area)
{
	asm volatile("fxsave64 (%0)" : : "r" (area) : "memory");
}

static inline void x86_fxrstor(const void *area)
{
	asm volatile("fxrstor64 (%0)" : : "r" (area) : "memory");
}

#endif /* CO_X86_INSN_H */

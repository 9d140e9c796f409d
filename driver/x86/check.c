// SPDX-License-Identifier: GPL-2.0
/*
 * Can this host be shared? Everything the switch relies on and cannot change,
 * looked at once, when the driver is loaded. Whatever is not as expected is
 * refused with the reason.
 */
#include "x86.h"
#include "insn.h"

struct co_x86_features co_x86;

static bool bit(u32 word, u32 n)
{
	return word >> n & 1;
}

static void find_features(void)
{
	u64 cr4 = x86_read_cr4();
	u32 max = x86_cpuid(0, 0).eax;
	struct x86_cpuid c;

	c = x86_cpuid(1, 0);
	co_x86.vmx = bit(c.ecx, 5);
	co_x86.xsave = cr4 & CR4_OSXSAVE;
	co_x86.la57 = cr4 & CR4_LA57;
	co_x86.pku = cr4 & CR4_PKE;
	co_x86.ibt = cr4 & CR4_CET;
	co_x86.rdtscp = bit(x86_cpuid(0x80000001, 0).edx, 27);
	if (max >= 7) {
		c = x86_cpuid(7, 0);
		co_x86.spec_ctrl = bit(c.edx, 26);
	}
	if (x86_cpuid(0x80000000, 0).eax >= 0x80000008) {
		c = x86_cpuid(0x80000008, 0);
		co_x86.spec_ctrl |= bit(c.ebx, 14) || bit(c.ebx, 24);
	}
	co_x86.xsave_bytes = 512;
	if (co_x86.xsave) {
		co_x86.xsave_bytes = x86_cpuid(0xd, 0).ecx;
		co_x86.xss = bit(x86_cpuid(0xd, 1).eax, 3);
	}
}

static bool shadow_stacks(void)
{
	return co_x86.ibt && (x86_rdmsr(MSR_S_CET) & 1);
}

/* AMD memory encryption: page tables need a bit we do not set. */
static bool memory_encryption(void)
{
	if (x86_cpuid(0x80000000, 0).eax < 0x8000001f)
		return false;
	if (!(x86_cpuid(0x8000001f, 0).eax & 3))
		return false;
	return x86_rdmsr(MSR_AMD64_SYSCFG) >> 23 & 1;
}

static bool selectors_differ(void)
{
	u16 cs, ss, tr;

	asm("mov %%cs, %0" : "=r" (cs));
	asm("mov %%ss, %0" : "=r" (ss));
	asm("str %0" : "=r" (tr));
	return cs != CO_CS || (ss != CO_SS && ss != 0) || tr != CO_TSS;
}

static bool tdx_guest(void)
{
	struct x86_cpuid c;

	if (x86_cpuid(0, 0).eax < 0x21)
		return false;
	c = x86_cpuid(0x21, 0);
	return c.ebx == 0x65746e49 && c.edx == 0x5844546c;	/* "IntelTDX" */
}

int co_arch_check(char *why, size_t size)
{
	const char *reason = NULL;

	find_features();
	if (x86_read_cr4() & CR4_FRED)
		reason = "the host uses FRED event delivery";
	else if (shadow_stacks())
		reason = "the host uses supervisor shadow stacks (CET)";
	else if (tdx_guest())
		reason = "the host is a TDX guest";
	else if (memory_encryption())
		reason = "the host uses memory encryption (SME or SEV)";
	else if (selectors_differ())
		reason = "the host's kernel segments are not 0x10, 0x18, 0x40";
	if (!reason)
		return 0;
	snprintf(why, size, "%s", reason);
	return -ENODEV;
}

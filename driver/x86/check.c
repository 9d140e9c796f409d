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

static void add_burst_msr(u32 msr)
{
	co_x86.burst_msr[co_x86.burst_msrs++] = msr;
}

/*
 * TSX and split-lock control are written by each kernel as it sees fit, the
 * guest's choice must not stay behind.
 */
static void find_burst_msrs(u32 max)
{
	static const u32 always[] = {
		MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
		MSR_KERNEL_GS_BASE, MSR_SYSENTER_CS, MSR_SYSENTER_ESP,
		MSR_SYSENTER_EIP, MSR_EFER,
	};
	struct x86_cpuid c = { 0 };
	u32 i;

	co_x86.burst_msrs = 0;
	for (i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		add_burst_msr(always[i]);
	if (bit(x86_cpuid(0x80000001, 0).edx, 27))
		add_burst_msr(MSR_TSC_AUX);
	if (max >= 7)
		c = x86_cpuid(7, 0);
	if (bit(c.edx, 29) && bit((u32)x86_rdmsr(MSR_ARCH_CAPS), 7))
		add_burst_msr(MSR_TSX_CTRL);
	if (bit(c.edx, 30) && bit((u32)x86_rdmsr(MSR_CORE_CAPS), 5))
		add_burst_msr(MSR_SPLIT_CTRL);
}

/* Debug store: two bits of MISC_ENABLE say what is missing of it. */
static void find_debug_store(u32 edx)
{
	u64 misc;

	if (!bit(edx, 21))
		return;
	misc = x86_rdmsr(MSR_MISC_ENABLE);
	co_x86.bts = !(misc >> 11 & 1);
	co_x86.pebs = !(misc >> 12 & 1);
}

static void find_features(void)
{
	u64 cr4 = x86_read_cr4();
	u32 max = x86_cpuid(0, 0).eax;
	struct x86_cpuid c;

	c = x86_cpuid(1, 0);
	co_x86.vmx = bit(c.ecx, 5);
	find_debug_store(c.edx);
	co_x86.xsave = cr4 & CR4_OSXSAVE;
	co_x86.la57 = cr4 & CR4_LA57;
	co_x86.pku = cr4 & CR4_PKE;
	co_x86.ibt = cr4 & CR4_CET;
	find_burst_msrs(max);
	if (max >= 7) {
		c = x86_cpuid(7, 0);
		co_x86.ibpb = bit(c.edx, 26);
		co_x86.spec_ctrl = bit(c.edx, 26) || bit(c.edx, 27) ||
				   bit(c.edx, 31);
	}
	if (x86_cpuid(0x80000000, 0).eax >= 0x80000008) {
		c = x86_cpuid(0x80000008, 0);
		co_x86.ibpb |= bit(c.ebx, 12);
		co_x86.spec_ctrl |= bit(c.ebx, 14) || bit(c.ebx, 15) ||
				    bit(c.ebx, 24);
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
	/* SYSCFG tells of the host's own, reads as 0 in a SEV guest. */
	return (x86_rdmsr(MSR_AMD64_SEV) & 7) ||
	       (x86_rdmsr(MSR_AMD64_SYSCFG) >> 23 & 1);
}

/* A KVM below us may send page faults of its own while ring 3 runs. */
static bool async_page_faults(void)
{
	struct x86_cpuid c;

	if (!bit(x86_cpuid(1, 0).ecx, 31))
		return false;
	c = x86_cpuid(0x40000000, 0);
	if (c.ebx != 0x4b4d564b || c.ecx != 0x564b4d56 || c.edx != 0x4d)
		return false;	/* not "KVMKVMKVM" */
	if (!bit(x86_cpuid(0x40000001, 0).eax, 4))
		return false;
	return x86_rdmsr(MSR_KVM_ASYNC_PF_EN) & 1;
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
	else if (async_page_faults())
		reason = "KVM sends asynchronous page faults: boot the host with no-kvmapf";
	else if (selectors_differ())
		reason = "the host's kernel segments are not 0x10, 0x18, 0x40";
	if (!reason)
		return 0;
	snprintf(why, size, "%s", reason);
	return -ENODEV;
}

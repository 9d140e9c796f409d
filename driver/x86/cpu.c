// SPDX-License-Identifier: GPL-2.0
/*
 * A round trip as the host's C code sees it: what changes hands beside what
 * the passage does, and what is owed to the host afterwards.
 *
 * Two groups. The system-call MSRs, XCR0 and the FPU belong to the guest for a
 * whole burst: the host's kernel uses none of them while this thread keeps the
 * CPU, also not in interrupt handlers. Speculation control, protection keys,
 * debug registers and CET change at every crossing.
 */
#include "x86.h"
#include "insn.h"

void co_int(u32 vector);	/* int.S */

/* What the guest finds in an MSR of the burst at its start. */
static u64 first_value(u32 msr)
{
	if (msr == MSR_EFER)
		return x86_rdmsr(msr) | EFER_SYSCALL;
	return msr == MSR_TSX_CTRL ? x86_rdmsr(msr) : 0;
}

/* Boot state of a guest CPU: the host's control registers, FPU reset. */
void co_cpu_init_vcpu(struct co_arch_vcpu *arch)
{
	struct co_context *g = &arch->state->guest;
	u32 *fpu = arch->fpu;
	u32 i;

	fpu[0] = 0x37f;		/* FCW */
	fpu[6] = 0x1f80;	/* MXCSR */
	arch->xcr0 = 3;	/* x87 and SSE */
	for (i = 0; i < co_x86.burst_msrs; i++)
		arch->msr[i] = first_value(co_x86.burst_msr[i]);
	arch->dr[4] = 0xffff0ff0;
	arch->dr[5] = 0x400;
	g->cr0 = x86_read_cr0();
	g->cr4 = x86_read_cr4() & ~(CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP |
				    CR4_PKE | CR4_CET);
	/* The host may start using VMX; the bit is harmless before that. */
	if (co_x86.vmx)
		g->cr4 |= CR4_VMXE;
	g->frame.cs = CO_CS;
	g->frame.ss = CO_SS;
	g->frame.rflags = RFLAGS_FIXED;
	g->ds = CO_SS;
	g->es = CO_SS;
	g->tr = CO_TSS;
}

static void swap_xstate(u64 *save_xcr0, u64 *save_xss, u64 xcr0, u64 xss)
{
	if (!co_x86.xsave)
		return;
	*save_xcr0 = x86_xgetbv();
	if (*save_xcr0 != xcr0)
		x86_xsetbv(xcr0);
	if (!co_x86.xss)
		return;
	*save_xss = x86_rdmsr(MSR_XSS);
	if (*save_xss != xss)
		x86_wrmsr(MSR_XSS, xss);
}

/*
 * EFER.SVME stays as it is: the host's KVM may set or clear it by an interrupt
 * in the middle of a burst, and relies on it afterwards.
 */
static void swap_msr(u32 msr, u64 *save, u64 value)
{
	*save = x86_rdmsr(msr);
	if (msr == MSR_EFER)
		value = (value & ~EFER_SVM_ON) | (*save & EFER_SVM_ON);
	if (*save != value)
		x86_wrmsr(msr, value);
}

void co_arch_load(struct co_vcpu *vcpu)
{
	struct co_arch_vcpu *arch = vcpu->arch;
	u32 i;

	swap_xstate(&arch->host_xcr0, &arch->host_xss, arch->xcr0, arch->xss);
	if (co_x86.xsave) {
		/* XSAVE keeps the header's bits of components now off. */
		((u64 *)arch->fpu)[512 / 8] &= arch->xcr0;
		x86_xrstor(arch->fpu);
	} else {
		x86_fxrstor(arch->fpu);
	}
	for (i = 0; i < co_x86.burst_msrs; i++)
		swap_msr(co_x86.burst_msr[i], &arch->host_msr[i], arch->msr[i]);
}

void co_arch_save(struct co_vcpu *vcpu)
{
	struct co_arch_vcpu *arch = vcpu->arch;
	u32 i;

	for (i = 0; i < co_x86.burst_msrs; i++)
		swap_msr(co_x86.burst_msr[i], &arch->msr[i], arch->host_msr[i]);
	if (co_x86.xsave)
		x86_xsave(arch->fpu);
	else
		x86_fxsave(arch->fpu);
	swap_xstate(&arch->xcr0, &arch->xss, arch->host_xcr0, arch->host_xss);
}

/* --- per crossing ------------------------------------------------------------ */

struct crossing {
	u64 spec_ctrl, s_cet, dr7, dr[5], pebs, debugctl;
	u32 pkru;
	bool guest_debugs;
};

#define DR7_ENABLE	0xff
#define DEBUGCTL_TRACE	0xc2	/* BTF, TR, BTS */

/* Samples and branch records are written to linear addresses of the host. */
static void stop_records(struct crossing *c)
{
	c->pebs = co_x86.pebs ? x86_rdmsr(MSR_PEBS_ENABLE) : 0;
	if (c->pebs)
		x86_wrmsr(MSR_PEBS_ENABLE, 0);
	c->debugctl = co_x86.bts ? x86_rdmsr(MSR_DEBUGCTL) : 0;
	if (c->debugctl & DEBUGCTL_TRACE)
		x86_wrmsr(MSR_DEBUGCTL, c->debugctl & ~(u64)DEBUGCTL_TRACE);
}

static void restart_records(struct crossing *c)
{
	if (c->debugctl & DEBUGCTL_TRACE)
		x86_wrmsr(MSR_DEBUGCTL, c->debugctl);
	if (c->pebs)
		x86_wrmsr(MSR_PEBS_ENABLE, c->pebs);
}

static void load_debug(const u64 *dr)
{
	x86_write_dr0(dr[0]);
	x86_write_dr1(dr[1]);
	x86_write_dr2(dr[2]);
	x86_write_dr3(dr[3]);
	x86_write_dr6(dr[4]);
}

static void save_debug(u64 *dr)
{
	dr[0] = x86_read_dr0();
	dr[1] = x86_read_dr1();
	dr[2] = x86_read_dr2();
	dr[3] = x86_read_dr3();
	dr[4] = x86_read_dr6();
}

/*
 * The host's breakpoints must not hit in the guest or in the passage (there
 * #DB is fatal). The guest's are armed before the passage: they are on its own
 * addresses, of which the passage touches none but the context of the call.
 */
static void debug_to_guest(struct co_arch_vcpu *arch, struct crossing *c)
{
	c->dr7 = x86_read_dr7();
	c->guest_debugs = (c->dr7 | arch->dr[5]) & DR7_ENABLE;
	if (!c->guest_debugs)
		return;
	x86_write_dr7(0);
	save_debug(c->dr);
	load_debug(arch->dr);
	x86_write_dr7(arch->dr[5]);
}

static void debug_to_host(struct co_arch_vcpu *arch, struct crossing *c)
{
	u64 dr7 = x86_read_dr7();

	if (!c->guest_debugs && !(dr7 & DR7_ENABLE)) {
		arch->dr[5] = dr7;
		return;
	}
	x86_write_dr7(0);
	arch->dr[5] = dr7;
	save_debug(arch->dr);
	if (c->guest_debugs)
		load_debug(c->dr);
	x86_write_dr7(c->dr7);
}

static void to_guest(struct co_arch_vcpu *arch, struct crossing *c)
{
	stop_records(c);
	debug_to_guest(arch, c);
	if (co_x86.pku) {
		c->pkru = x86_rdpkru();
		if (c->pkru != arch->pkru)
			x86_wrpkru(arch->pkru);
	}
	if (co_x86.ibt) {
		c->s_cet = x86_rdmsr(MSR_S_CET);
		x86_wrmsr(MSR_S_CET, 0);
	}
	if (co_x86.spec_ctrl) {
		c->spec_ctrl = x86_rdmsr(MSR_SPEC_CTRL);
		if (c->spec_ctrl != arch->spec_ctrl)
			x86_wrmsr(MSR_SPEC_CTRL, arch->spec_ctrl);
	}
}

static void to_host(struct co_arch_vcpu *arch, struct crossing *c)
{
	if (co_x86.spec_ctrl) {
		arch->spec_ctrl = x86_rdmsr(MSR_SPEC_CTRL);
		if (c->spec_ctrl != arch->spec_ctrl)
			x86_wrmsr(MSR_SPEC_CTRL, c->spec_ctrl);
	}
	if (co_x86.ibt)
		x86_wrmsr(MSR_S_CET, c->s_cet);
	if (co_x86.pku) {
		arch->pkru = x86_rdpkru();
		if (c->pkru != arch->pkru)
			x86_wrpkru(c->pkru);
	}
	debug_to_host(arch, c);
	restart_records(c);
}

/*
 * NMIs are still blocked when one was taken; the host's handler unblocks them
 * with its iret. So must #MC's: it comes second, lest a real NMI hits the first
 * instructions of a replayed one, which rely on being alone.
 */
static void replay(struct co_cvm *cvm, struct co_state *s)
{
	if (s->nmi || s->mce)
		co_debug_hit(s);
	if (s->nmi) {
		co_count(cvm, nmis_taken);
		asm volatile("int $2" : : : "memory");
		co_count(cvm, nmis_replayed);
	}
	if (s->mce) {
		co_count(cvm, mces_taken);
		asm volatile("int $18" : : : "memory");
		co_count(cvm, mces_replayed);
	}
}

/*
 * An NMI brought us here straight from a guest process, through no entry code
 * that would have kept its branch predictions from the host's handlers.
 */
static void barrier_after_user(const struct co_state *s)
{
	if (co_x86.ibpb && s->async && (s->guest.frame.cs & 3))
		x86_wrmsr(MSR_PRED_CMD, 1);
}

enum co_arch_exit co_arch_enter(struct co_vcpu *vcpu,
				struct co_arch_fault *fault)
{
	struct co_arch_vcpu *arch = vcpu->arch;
	struct co_state *s = arch->state;
	struct crossing c;

	s->nmi = 0;
	s->mce = 0;
	s->async = 0;
	to_guest(arch, &c);
	co_passage_enter(s);
	barrier_after_user(s);
	to_host(arch, &c);
	replay(vcpu->cvm, s);
	if (!s->fault && s->guest.tr != CO_TSS) {
		s->fault = 1;
		s->fault_vector = 10;	/* #TS: a TR the passage cannot load */
		s->fault_error = s->guest.tr;
		s->fault_rip = s->guest.frame.rip;
	}
	if (s->fault) {
		fault->vector = (u32)s->fault_vector;
		fault->error = s->fault_error;
		fault->rip = s->fault_rip;
		fault->cr2 = s->fault_cr2;
		return CO_ARCH_FAULT;
	}
	return s->async ? CO_ARCH_NMI : CO_ARCH_OP;
}

void co_arch_forward(unsigned int vector)
{
	co_int(vector);
}

/* --- in-service interrupts ----------------------------------------------------- */

#define APIC_ENABLED		(1U << 11)
#define APIC_X2			(1U << 10)

static u32 read_isr(u32 word)
{
	u64 base = x86_rdmsr(MSR_APIC_BASE);
	volatile u32 *regs;

	if (!(base & APIC_ENABLED))
		return 0;
	if (base & APIC_X2)
		return (u32)x86_rdmsr(MSR_X2APIC_ISR + word);
	regs = co_os_apic();
	return regs ? regs[(0x100 + word * 0x10) / 4] : 0;
}

unsigned int co_arch_drain(void)
{
	unsigned int run = 0, bit;
	int word;
	u32 isr;

	for (word = 7; word >= 1; word--) {
		for (isr = read_isr((u32)word); isr; isr &= ~(1U << bit)) {
			bit = 31U - (unsigned int)__builtin_clz(isr);
			co_arch_forward((unsigned int)word * 32 + bit);
			run++;
		}
	}
	return run;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The platform: a machine without firmware, legacy devices, PCI or an APIC,
 * and a CPU of which everything that is not switched with the world is hidden.
 */
#include <linux/init.h>
#include <linux/smp.h>

#include <asm/apic.h>
#include <asm/cpufeature.h>
#include <asm/hypervisor.h>
#include <asm/i8259.h>
#include <asm/paravirt.h>
#include <asm/setup.h>
#include <asm/x86_init.h>

#include "colinux.h"

/*
 * The machine check, memory types, timers and counters of the CPU are the
 * host's, as is anything that takes a register which the passage does not
 * switch.
 */
static const u16 hidden_features[] __initconst = {
	X86_FEATURE_MCE, X86_FEATURE_MCA, X86_FEATURE_MTRR,
	X86_FEATURE_APIC, X86_FEATURE_X2APIC, X86_FEATURE_EXTAPIC,
	X86_FEATURE_TSC_DEADLINE_TIMER, X86_FEATURE_TSC_ADJUST,
	X86_FEATURE_MWAIT, X86_FEATURE_MWAITX, X86_FEATURE_WAITPKG,
	X86_FEATURE_ARCH_PERFMON, X86_FEATURE_PERFCTR_CORE,
	X86_FEATURE_PERFCTR_NB, X86_FEATURE_PERFCTR_LLC,
	X86_FEATURE_PERFMON_V2, X86_FEATURE_IBS, X86_FEATURE_DS,
	X86_FEATURE_DTES64, X86_FEATURE_PEBS, X86_FEATURE_BTS,
	X86_FEATURE_PDCM, X86_FEATURE_ARCH_LBR, X86_FEATURE_INTEL_PT,
	X86_FEATURE_EPB, X86_FEATURE_HWP, X86_FEATURE_CPPC,
	X86_FEATURE_ACPI, X86_FEATURE_ACC, X86_FEATURE_DTHERM,
	X86_FEATURE_CQM, X86_FEATURE_CQM_LLC, X86_FEATURE_RDT_A,
	X86_FEATURE_CORE_CAPABILITIES, X86_FEATURE_SPLIT_LOCK_DETECT,
	X86_FEATURE_BUS_LOCK_DETECT, X86_FEATURE_ENQCMD,
	X86_FEATURE_VMX, X86_FEATURE_SVM, X86_FEATURE_SGX, X86_FEATURE_SMX,
	X86_FEATURE_SME, X86_FEATURE_SEV, X86_FEATURE_SEV_ES,
	X86_FEATURE_SEV_SNP, X86_FEATURE_TME,
	X86_FEATURE_SHSTK, X86_FEATURE_IBT, X86_FEATURE_USER_SHSTK,
	X86_FEATURE_FRED, X86_FEATURE_LAM, X86_FEATURE_AMX_TILE,
	X86_FEATURE_XFD, X86_FEATURE_GBPAGES, X86_FEATURE_RING3MWAIT,
	X86_FEATURE_CPUID_FAULT, X86_FEATURE_MSR_IA32_FEAT_CTL,
};

static void __init hide_features(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(hidden_features); i++)
		setup_clear_cpu_cap(hidden_features[i]);
	if (!(colinux_boot->features & CO_FEATURE_PKU)) {
		setup_clear_cpu_cap(X86_FEATURE_PKU);
		setup_clear_cpu_cap(X86_FEATURE_OSPKE);
	}

	/*
	 * Mitigations and errata that are set in model specific registers are
	 * the host's to set, as if this were a virtual machine.
	 */
	setup_force_cpu_cap(X86_FEATURE_HYPERVISOR);
}

static void __init set_legacy_features(void)
{
	x86_platform.legacy.rtc = 0;
	x86_platform.legacy.warm_reset = 0;
	x86_platform.legacy.no_vga = 1;
	x86_platform.legacy.reserve_bios_regions = 0;
	x86_platform.legacy.i8042 = X86_LEGACY_I8042_PLATFORM_ABSENT;
	x86_platform.legacy.devices.pnpbios = 0;
}

/* Before start_kernel(): nothing here may need memory or static calls. */
void __init colinux_setup_early(void)
{
	pv_info.name = "Cooperative Linux";
	pv_ops.irq.safe_halt = colinux_safe_halt;
	pv_ops.irq.halt = colinux_halt;
	pv_ops.cpu.io_delay = paravirt_nop;

	hide_features();
	apic_is_disabled = true;
	legacy_pic = &null_legacy_pic;

	x86_init.resources.probe_roms = x86_init_noop;
	x86_init.resources.dmi_setup = x86_init_noop;
	x86_init.resources.reserve_resources = x86_init_noop;
	x86_init.mpparse.find_mptable = x86_init_noop;
	x86_init.mpparse.early_parse_smp_cfg = x86_init_noop;
	x86_init.mpparse.parse_smp_cfg = x86_init_noop;
	x86_init.irqs.pre_vector_init = colinux_irq_init;
	x86_init.irqs.intr_mode_select = x86_init_noop;
	x86_init.irqs.intr_mode_init = x86_init_noop;
	x86_init.timers.setup_percpu_clockev = x86_init_noop;
	x86_init.timers.timer_init = colinux_timer_init;
	x86_init.timers.wallclock_init = x86_init_noop;

	x86_platform.set_legacy_features = set_legacy_features;
	x86_platform.realmode_reserve = x86_init_noop;
	x86_platform.realmode_init = x86_init_noop;

	colinux_reboot_init();
	colinux_console_init();
}

static uint32_t __init detect(void)
{
	return U32_MAX;		/* nothing else runs this kernel */
}

const struct hypervisor_x86 x86_hyper_colinux __refconst = {
	.name			= "Cooperative Linux",
	.detect			= detect,
	.init.init_platform	= colinux_clock_init,
	.ignore_nopv		= true,
};

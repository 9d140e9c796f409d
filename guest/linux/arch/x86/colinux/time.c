// SPDX-License-Identifier: GPL-2.0
/*
 * Time: the driver publishes a line through the TSC in the vCPU's page
 * (layout of pvclock), and sets one-shot timers on request.
 */
#include <linux/clockchips.h>
#include <linux/clocksource.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/static_call.h>
#include <linux/timex.h>

#include <asm/cpufeature.h>
#include <asm/paravirt.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "colinux.h"

static u64 sched_clock_start __ro_after_init;

/*
 * What user space sees: the vDSO wants the clock at the start of a page, and
 * the page of a vCPU has other things in it. Copied when the line moved.
 */
static union {
	struct pvclock_vsyscall_time_info info;
	u8 page[PAGE_SIZE];
} vdso_clock __aligned(PAGE_SIZE);

static __always_inline struct pvclock_vcpu_time_info *clock_of(unsigned int cpu)
{
	return (struct pvclock_vcpu_time_info *)&colinux_vcpu_page(cpu)->clock;
}

static __always_inline u64 clock_read(void)
{
	u64 ns;

	preempt_disable_notrace();
	ns = pvclock_clocksource_read_nowd(clock_of(raw_smp_processor_id()));
	preempt_enable_notrace();
	return ns;
}

static u64 clocksource_read(struct clocksource *cs)
{
	return clock_read();
}

static noinstr u64 colinux_sched_clock(void)
{
	return clock_read() - sched_clock_start;
}

static int clocksource_enable(struct clocksource *cs)
{
	vclocks_set_used(VDSO_CLOCKMODE_PVCLOCK);
	return 0;
}

static struct clocksource colinux_clocksource = {
	.name		= "colinux",
	.read		= clocksource_read,
	.rating		= 400,
	.mask		= CLOCKSOURCE_MASK(64),
	.flags		= CLOCK_SOURCE_IS_CONTINUOUS,
	.vdso_clock_mode = VDSO_CLOCKMODE_PVCLOCK,
	.enable		= clocksource_enable,
};

/* Publish the line of vCPU 0 for the vDSO if it has moved. */
void colinux_clock_check(void)
{
	struct pvclock_vcpu_time_info *to = &vdso_clock.info.pvti;
	struct pvclock_vcpu_time_info *from = clock_of(0);
	struct pvclock_vcpu_time_info copy;
	u32 version;

	if (raw_smp_processor_id() ||
	    READ_ONCE(from->version) == READ_ONCE(to->version))
		return;

	do {
		version = pvclock_read_begin(from);
		copy = *from;
	} while (pvclock_read_retry(from, version));

	/* Readers retry while the version is odd. */
	WRITE_ONCE(to->version, version | 1);
	smp_wmb();	/* the odd version before the fields, for the vDSO */
	to->tsc_timestamp = copy.tsc_timestamp;
	to->system_time = copy.system_time;
	to->tsc_to_system_mul = copy.tsc_to_system_mul;
	to->tsc_shift = copy.tsc_shift;
	to->flags = copy.flags;
	smp_wmb();	/* the fields before the even version */
	WRITE_ONCE(to->version, version);
}

static void get_wallclock(struct timespec64 *now)
{
	struct co_boot *boot = colinux_boot;
	u32 version, nsec;
	u64 ns;

	do {
		version = READ_ONCE(boot->wall_version);
		smp_rmb();	/* with the driver's odd version */
		now->tv_sec = boot->wall_sec;
		ns = boot->wall_nsec;
		smp_rmb();	/* with the driver's even version */
	} while ((version & 1) || version != READ_ONCE(boot->wall_version));

	ns += clock_read();
	now->tv_sec += div_u64_rem(ns, NSEC_PER_SEC, &nsec);
	now->tv_nsec = nsec;
}

static int set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;
}

static unsigned long tsc_khz_of_host(void)
{
	return colinux_boot->tsc_khz;
}

static u64 steal_clock(int cpu)
{
	return READ_ONCE(colinux_vcpu_page(cpu)->steal_ns);
}

/* --- one-shot timers ------------------------------------------------------ */

/* A longer sleep wakes once a minute. */
#define TIMER_MAX_NS	(60UL * NSEC_PER_SEC)

static DEFINE_PER_CPU(struct clock_event_device, timer_event);

static int timer_next(unsigned long ns, struct clock_event_device *dev)
{
	colinux_call(CO_OP_TIMER, ns);
	return 0;
}

static int timer_off(struct clock_event_device *dev)
{
	colinux_call(CO_OP_TIMER, CO_TIMER_OFF);
	return 0;
}

static irqreturn_t timer_interrupt(int irq, void *cookie)
{
	struct clock_event_device *dev = this_cpu_ptr(&timer_event);

	colinux_clock_check();
	dev->event_handler(dev);
	return IRQ_HANDLED;
}

static void timer_setup_cpu(unsigned int irq)
{
	struct clock_event_device *dev = this_cpu_ptr(&timer_event);

	dev->name = "colinux";
	dev->features = CLOCK_EVT_FEAT_ONESHOT;
	dev->rating = 400;
	dev->irq = irq;
	dev->cpumask = cpumask_of(smp_processor_id());
	dev->set_next_event = timer_next;
	dev->set_state_shutdown = timer_off;
	dev->set_state_oneshot_stopped = timer_off;
	clockevents_config_and_register(dev, NSEC_PER_SEC, 1000, TIMER_MAX_NS);
	enable_percpu_irq(irq, IRQ_TYPE_NONE);
}

/* x86_init.timers.timer_init */
void __init colinux_timer_init(void)
{
	unsigned int irq = colinux_virq_to_irq(CO_VIRQ_TIMER);

	if (__request_percpu_irq(irq, timer_interrupt, IRQF_TIMER,
				 "colinux-timer", &timer_event))
		panic("colinux: no timer");
	timer_setup_cpu(irq);
}

/*
 * From init_hypervisor_platform(), before the TSC is looked at. It registers a
 * clock source of its own, of lower rating; nothing here could watch it, and
 * whether it can be trusted the host knows.
 */
void __init colinux_clock_init(void)
{
	bool stable = colinux_vcpu_page(0)->clock.flags & CO_CLOCK_STABLE;
	u64 lpj = (u64)colinux_boot->tsc_khz * 1000;

	pvclock_set_flags(PVCLOCK_TSC_STABLE_BIT);
	sched_clock_start = clock_read();
	paravirt_set_sched_clock(colinux_sched_clock);

	x86_platform.calibrate_tsc = tsc_khz_of_host;
	x86_platform.calibrate_cpu = tsc_khz_of_host;
	x86_platform.get_wallclock = get_wallclock;
	x86_platform.set_wallclock = set_wallclock;
	x86_platform.save_sched_clock_state = x86_init_noop;
	x86_platform.restore_sched_clock_state = x86_init_noop;
	preset_lpj = div_u64(lpj, HZ);
	setup_force_cpu_cap(X86_FEATURE_TSC_KNOWN_FREQ);
	setup_force_cpu_cap(X86_FEATURE_TSC_RELIABLE);

	colinux_clock_check();
	if (stable)
		pvclock_set_pvti_cpu0_va(&vdso_clock.info);
	else
		colinux_clocksource.vdso_clock_mode = VDSO_CLOCKMODE_NONE;
	clocksource_register_hz(&colinux_clocksource, NSEC_PER_SEC);
}

static int __init steal_init(void)
{
	static_call_update(pv_steal_clock, steal_clock);
	static_key_slow_inc(&paravirt_steal_enabled);
	static_key_slow_inc(&paravirt_steal_rq_enabled);
	return 0;
}
arch_initcall(steal_init);

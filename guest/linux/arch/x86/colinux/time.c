// SPDX-License-Identifier: GPL-2.0
/*
 * Clocks. The driver publishes a line through the TSC in the vCPU's page
 * (layout of pvclock), guest time, and the host's wall clock at guest time 0.
 *
 * Where the line is never to move, the bare TSC is the clock source, as on the
 * host: nothing is read but the TSC. If the line moves all the same (the TSC
 * was reset while the host slept, or the host does not trust it any more) the
 * line takes over, which is the clock source elsewhere anyhow.
 */
#include <linux/clocksource.h>
#include <linux/delay.h>
#include <linux/init.h>
#include <linux/spinlock.h>
#include <linux/static_call.h>
#include <linux/timekeeping.h>
#include <linux/timex.h>
#include <linux/workqueue.h>

#include <asm/cpufeature.h>
#include <asm/paravirt.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>
#include <asm/x86_init.h>

#include "colinux.h"

static u64 sched_clock_start __ro_after_init;

static struct pvclock_vcpu_time_info *clock_of(unsigned int cpu)
{
	return (struct pvclock_vcpu_time_info *)&colinux_vcpu_page(cpu)->clock;
}

static noinstr u64 colinux_sched_clock(void)
{
	return colinux_clock_read() - sched_clock_start;
}

/* --- clock sources --------------------------------------------------------- */

/*
 * What user space sees: the vDSO wants the clock at the start of a page, and
 * the page of a vCPU has other things in it. Copied when the line moved.
 */
static union {
	struct pvclock_vsyscall_time_info info;
	u8 page[PAGE_SIZE];
} vdso_clock __aligned(PAGE_SIZE);

static u64 line_read(struct clocksource *cs)
{
	return colinux_clock_read();
}

static int line_enable(struct clocksource *cs)
{
	vclocks_set_used(VDSO_CLOCKMODE_PVCLOCK);
	return 0;
}

static struct clocksource line_clocksource = {
	.name		= "colinux",
	.read		= line_read,
	.rating		= 400,
	.mask		= CLOCKSOURCE_MASK(64),
	.flags		= CLOCK_SOURCE_IS_CONTINUOUS,
	.vdso_clock_mode = VDSO_CLOCKMODE_PVCLOCK,
	.enable		= line_enable,
};

static u64 tsc_read(struct clocksource *cs)
{
	return rdtsc_ordered();
}

static int tsc_enable(struct clocksource *cs)
{
	vclocks_set_used(VDSO_CLOCKMODE_TSC);
	return 0;
}

static struct clocksource tsc_clocksource = {
	.name		= "colinux-tsc",
	.read		= tsc_read,
	.rating		= 450,
	.mask		= CLOCKSOURCE_MASK(64),
	.flags		= CLOCK_SOURCE_IS_CONTINUOUS,
	.vdso_clock_mode = VDSO_CLOCKMODE_TSC,
	.enable		= tsc_enable,
};

static bool tsc_trusted;	/* tsc_clocksource may be in use */

/*
 * The line has moved: no clock source that is the bare TSC is good any more.
 * Linux turns to the next one soon, in a thread.
 */
static void distrust_tsc(void)
{
	tsc_trusted = false;
	clocksource_mark_unstable(&tsc_clocksource);
	mark_tsc_unstable("the host does not trust it");
}

/* Until then its time may stand still. */
static bool leaving_tsc(void)
{
	return (tsc_clocksource.flags & CLOCK_SOURCE_UNSTABLE) &&
	       READ_ONCE(tsc_clocksource.rating);
}

/* Publish the line of vCPU 0 for the vDSO. */
static void publish_line(void)
{
	struct pvclock_vcpu_time_info *to = &vdso_clock.info.pvti;
	struct pvclock_vcpu_time_info *from = clock_of(0);
	struct pvclock_vcpu_time_info copy;
	u32 version;

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

/* --- the wall clock --------------------------------------------------------- */

/*
 * Linux' CLOCK_REALTIME is its CLOCK_MONOTONIC and an offset that whoever sets
 * the clock here changes. So the host's wall clock is compared with our
 * CLOCK_MONOTONIC: a jump between two looks is the host's doing (its clock was
 * set, it slept, it lost its TSC) and our clock jumps as far, from wherever
 * this guest has put it. What NTP corrects, here or there, is no jump.
 */
#define WALL_STEP_NS	(NSEC_PER_SEC / 2)
#define WALL_LOOK_NS	NSEC_PER_SEC

static DEFINE_RAW_SPINLOCK(wall_lock);	/* the two below */
static s64 wall_lead;		/* host's wall clock minus CLOCK_MONOTONIC */
static u64 wall_looked;		/* guest time of the last look; 0: not yet */

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

	ns += colinux_clock_read();
	now->tv_sec += div_u64_rem(ns, NSEC_PER_SEC, &nsec);
	now->tv_nsec = nsec;
}

static int set_wallclock(const struct timespec64 *now)
{
	return -ENODEV;
}

/* How far the host's clock has jumped since the last look, 0: it has not. */
static s64 wall_step(void)
{
	struct timespec64 host;
	s64 lead, step;

	if (leaving_tsc())
		return 0;
	get_wallclock(&host);
	lead = timespec64_to_ns(&host) - ktime_get_ns();
	wall_looked = colinux_clock_read();
	step = lead - wall_lead;
	if (abs(step) >= WALL_STEP_NS)
		return step;
	wall_lead = lead;
	return 0;
}

static void wall_follow(struct work_struct *work)
{
	struct timespec64 now;
	unsigned long flags;
	s64 step;

	raw_spin_lock_irqsave(&wall_lock, flags);
	step = wall_step();
	wall_lead += step;
	raw_spin_unlock_irqrestore(&wall_lock, flags);
	if (!step)
		return;

	ktime_get_real_ts64(&now);
	now = ns_to_timespec64(timespec64_to_ns(&now) + step);
	if (do_settimeofday64(&now))
		pr_warn("colinux: cannot follow the host's clock, which jumped by %lld ms\n",
			div_s64(step, NSEC_PER_MSEC));
	else
		pr_info("colinux: clock set by %lld ms, as the host's was\n",
			div_s64(step, NSEC_PER_MSEC));
}

static DECLARE_WORK(wall_work, wall_follow);

/* Any context: look now. */
void colinux_wall_check(void)
{
	unsigned long flags;
	s64 step = 0;

	raw_spin_lock_irqsave(&wall_lock, flags);
	if (wall_looked)
		step = wall_step();
	raw_spin_unlock_irqrestore(&wall_lock, flags);
	if (step)
		schedule_work(&wall_work);
}

/*
 * Until it had its clock source Linux counted ticks, and a busy host makes it
 * miss some. Nobody here has set the clock yet.
 */
static int __init wall_init(void)
{
	struct timespec64 now;
	unsigned long flags;

	get_wallclock(&now);
	do_settimeofday64(&now);
	raw_spin_lock_irqsave(&wall_lock, flags);
	wall_lead += wall_step();	/* from 0 */
	raw_spin_unlock_irqrestore(&wall_lock, flags);
	return 0;
}
late_initcall(wall_init);

/* At each timer interrupt, and when the driver says so. */
void colinux_clock_check(void)
{
	if (raw_smp_processor_id())
		return;
	if (READ_ONCE(clock_of(0)->version) !=
	    READ_ONCE(vdso_clock.info.pvti.version)) {
		publish_line();
		if (tsc_trusted)
			distrust_tsc();
	}
	if (wall_looked && colinux_clock_read() - wall_looked > WALL_LOOK_NS)
		colinux_wall_check();
}

/* --- setup ------------------------------------------------------------------ */

static unsigned long tsc_khz_of_host(void)
{
	return colinux_boot->tsc_khz;
}

static u64 steal_clock(int cpu)
{
	return READ_ONCE(colinux_vcpu_page(cpu)->steal_ns);
}

/*
 * From init_hypervisor_platform(), before the TSC is looked at. Linux registers
 * a clock source "tsc", of lower rating; nothing here could watch it, and
 * whether it can be trusted the host knows.
 */
void __init colinux_clock_init(void)
{
	bool stable = colinux_vcpu_page(0)->clock.flags & CO_CLOCK_STABLE;
	u64 lpj = (u64)colinux_boot->tsc_khz * 1000;

	pvclock_set_flags(PVCLOCK_TSC_STABLE_BIT);
	sched_clock_start = colinux_clock_read();
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

	publish_line();
	if (stable) {
		pvclock_set_pvti_cpu0_va(&vdso_clock.info);
		tsc_trusted = true;
		clocksource_register_khz(&tsc_clocksource,
					 colinux_boot->tsc_khz);
	} else {
		line_clocksource.vdso_clock_mode = VDSO_CLOCKMODE_NONE;
	}
	clocksource_register_hz(&line_clocksource, NSEC_PER_SEC);
}

static int __init steal_init(void)
{
	static_call_update(pv_steal_clock, steal_clock);
	static_key_slow_inc(&paravirt_steal_enabled);
	static_key_slow_inc(&paravirt_steal_rq_enabled);
	return 0;
}
arch_initcall(steal_init);

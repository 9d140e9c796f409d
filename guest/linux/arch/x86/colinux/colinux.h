/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of this folder share. */
#ifndef COLINUX_GUEST_H
#define COLINUX_GUEST_H

#include <asm/colinux.h>
#include <asm/page.h>
#include <asm/pvclock.h>
#include <asm/smp.h>

/* In the direct map, which exists (in part) from colinux_start() on. */
extern struct co_boot *colinux_boot;

static __always_inline struct co_vcpu_page *colinux_vcpu_page(unsigned int cpu)
{
	return __va(CO_VCPU_PAGES_GPA + cpu * PAGE_SIZE);
}

static __always_inline u64 colinux_vcpu_state(unsigned int cpu)
{
	return CO_AREA_VCPU_GVA + cpu * CO_VCPU_STATE_SIZE;
}

/* Words of virq_pending; the caller has interrupts off. */
static __always_inline bool colinux_virqs_pending(struct co_vcpu_page *page)
{
	u64 any = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page->virq_pending); i++)
		any |= READ_ONCE(page->virq_pending[i]);
	return any;
}

/* Guest time in ns: the line through the TSC, monotonic. */
static __always_inline u64 colinux_clock_read(void)
{
	struct pvclock_vcpu_time_info *clock;
	u64 ns;

	preempt_disable_notrace();
	clock = (void *)&colinux_vcpu_page(raw_smp_processor_id())->clock;
	ns = pvclock_clocksource_read_nowd(clock);
	preempt_enable_notrace();
	return ns;
}

s64 colinux_call_text(u32 op, const char *text, unsigned int len);
void colinux_safe_halt(void);
void colinux_halt(void);

void colinux_start(struct co_boot *boot, unsigned long boot_params_gpa);
void colinux_setup_early(void);
void colinux_console_init(void);
void colinux_reboot_init(void);
void colinux_irq_init(void);
void colinux_clock_init(void);
void colinux_timer_init(void);
void colinux_clock_check(void);
void colinux_wall_check(void);
void colinux_timer_enter_halt(void);
u64 colinux_timer_for_idle(void);
void colinux_timer_flush(void);

extern const char colinux_stubs[];
#define COLINUX_STUB_SIZE	8

#endif /* COLINUX_GUEST_H */

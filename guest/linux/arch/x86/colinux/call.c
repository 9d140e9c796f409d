// SPDX-License-Identifier: GPL-2.0
/*
 * Operations: calls of the passage, which switches to the host until it has
 * done what was asked for (and whatever else it wanted to do).
 *
 * All of it may run where RCU is not watching (idle) or before anything is set
 * up, hence noinstr.
 */
#include <linux/irqflags.h>
#include <linux/percpu.h>
#include <linux/string.h>

#include <asm/irq_vectors.h>
#include <asm/irqflags.h>

#include "colinux.h"

static __always_inline void switch_to_host(unsigned int cpu)
{
	void (*passage)(u64 state) = (void *)colinux_boot->passage_call;

	passage(colinux_vcpu_state(cpu));
}

/*
 * Interrupts were on and virqs are waiting: take them as an interrupt. STI
 * holds interrupts off for one instruction, so nothing comes between.
 */
static __always_inline void enable_and_take_virqs(void)
{
	asm volatile("sti\n\tint %0" : : "i" (COLINUX_VECTOR) : "memory");
}

static __always_inline void restore_flags(unsigned long flags,
					  struct co_vcpu_page *page)
{
	if (native_irqs_disabled_flags(flags))
		return;		/* the driver makes an interrupt pending */
	if (colinux_virqs_pending(page))
		enable_and_take_virqs();
	else
		native_irq_enable();
}

noinstr s64 colinux_call(u32 op, u64 arg)
{
	unsigned long flags = native_local_irq_save();
	unsigned int cpu = raw_smp_processor_id();
	struct co_vcpu_page *page = colinux_vcpu_page(cpu);
	s64 ret;

	page->op = op;
	page->arg[0] = arg;
	switch_to_host(cpu);
	ret = page->ret;
	restore_flags(flags, page);
	return ret;
}

/* At most CO_TEXT_MAX bytes of text. */
noinstr s64 colinux_call_text(u32 op, const char *text, unsigned int len)
{
	unsigned long flags = native_local_irq_save();
	unsigned int cpu = raw_smp_processor_id();
	struct co_vcpu_page *page = colinux_vcpu_page(cpu);
	s64 ret;

	len = min_t(unsigned int, len, CO_TEXT_MAX);
	__builtin_memcpy(page->text, text, len);
	page->op = op;
	page->arg[0] = len;
	switch_to_host(cpu);
	ret = page->ret;
	restore_flags(flags, page);
	return ret;
}

/*
 * For loops that wait for the daemon with interrupts off: it may need the CPU
 * that the loop runs on.
 */
void colinux_relax(void)
{
	colinux_call(CO_OP_NONE, 0);
}

/*
 * Idle: interrupts are off when called and on at the end. The driver returns
 * at once when a virq is pending already, so that none is slept over.
 */
noinstr void colinux_safe_halt(void)
{
	unsigned int cpu = raw_smp_processor_id();
	struct co_vcpu_page *page = colinux_vcpu_page(cpu);

	colinux_timer_enter_halt();
	if (!colinux_virqs_pending(page)) {
		page->op = CO_OP_IDLE;
		page->arg[0] = colinux_timer_for_idle();
		switch_to_host(cpu);
	}
	if (colinux_virqs_pending(page))
		enable_and_take_virqs();
	else
		native_irq_enable();
}

/* A halt with interrupts off is the end of a kernel that cannot go on. */
noinstr void colinux_halt(void)
{
	static const char reason[] = "halted with interrupts off";

	if (native_irqs_disabled_flags(native_save_fl()))
		colinux_call_text(CO_OP_PANIC, reason, sizeof(reason) - 1);
	colinux_call(CO_OP_IDLE, CO_TIMER_KEEP);
}

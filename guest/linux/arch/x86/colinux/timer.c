// SPDX-License-Identifier: GPL-2.0
/*
 * One-shot timers: the host sets one for each CPU on request. Telling it is a
 * world switch, so it is told as seldom as possible:
 *
 * - A timer that fires too early does no harm (it is set again), so it is not
 *   moved to a later time and not cancelled.
 * - What is programmed while the CPU halts, or by interrupts that end a halt,
 *   is told with the next CO_OP_IDLE.
 *
 * For each CPU, with interrupts off: `wanted` is when Linux wants the next
 * event, `armed` when the host's timer fires, both in guest time. While no
 * halt is under way armed <= wanted holds; docs/interrupts-and-time.md argues
 * why no event is lost when it does not.
 */
#include <linux/clockchips.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/sched/idle.h>
#include <linux/tick.h>

#include "colinux.h"

/* A longer sleep wakes once a minute. */
#define TIMER_MAX_NS	(60UL * NSEC_PER_SEC)
#define NEVER		U64_MAX

struct timer_state {
	u64 wanted, armed;
	bool in_halt;
};

static DEFINE_PER_CPU(struct clock_event_device, timer_event);
static DEFINE_PER_CPU(struct timer_state, timer_state) = {
	.wanted = NEVER,
	.armed = NEVER,
};

static __always_inline u64 ns_until(u64 when)
{
	u64 now = colinux_clock_read();

	return when > now ? when - now : 0;
}

/*
 * For the host, whose clock may run faster than the TSC by what NTP corrects
 * it: to be woken too early costs a second switch, a little late costs none.
 */
static __always_inline u64 host_ns_until(u64 when)
{
	u64 ns = ns_until(when);

	return ns + (ns >> 13);
}

/* Interrupts are off. */
static void arm(struct timer_state *t)
{
	if (t->wanted >= t->armed || t->in_halt)
		return;
	t->armed = t->wanted;
	colinux_call(CO_OP_TIMER, host_ns_until(t->wanted));
}

static int timer_next(unsigned long ns, struct clock_event_device *dev)
{
	struct timer_state *t = this_cpu_ptr(&timer_state);

	t->wanted = colinux_clock_read() + ns;
	arm(t);
	return 0;
}

static int timer_off(struct clock_event_device *dev)
{
	this_cpu_write(timer_state.wanted, NEVER);
	return 0;
}

/* The host's timer fired. It may be one that nobody wants any more. */
static irqreturn_t timer_interrupt(int irq, void *cookie)
{
	struct clock_event_device *dev = this_cpu_ptr(&timer_event);
	struct timer_state *t = this_cpu_ptr(&timer_state);

	colinux_clock_check();
	t->armed = NEVER;
	if (t->wanted != NEVER && !ns_until(t->wanted)) {
		t->wanted = NEVER;
		dev->event_handler(dev);	/* programs the next */
	} else {
		arm(t);
	}
	return IRQ_HANDLED;
}

/* --- halt ------------------------------------------------------------------ */

/* Interrupts are off. From here to arch_cpu_idle_exit() nothing is told. */
noinstr void colinux_timer_enter_halt(void)
{
	if (is_idle_task(current))	/* else nobody would end the halt */
		raw_cpu_ptr(&timer_state)->in_halt = true;
}

/* The argument of CO_OP_IDLE, which follows. Interrupts are off. */
noinstr u64 colinux_timer_for_idle(void)
{
	struct timer_state *t = raw_cpu_ptr(&timer_state);

	if (t->armed == t->wanted)
		return CO_TIMER_KEEP;
	t->armed = t->wanted;
	return t->wanted == NEVER ? CO_TIMER_OFF : host_ns_until(t->wanted);
}

/*
 * Called by the idle loop after each halt. While the tick is stopped either
 * the CPU halts again and tells it then, or the loop ends and programs the
 * tick, which comes within TICK_NSEC: an event well after that can wait.
 */
void arch_cpu_idle_exit(void)
{
	struct timer_state *t;
	unsigned long flags;

	local_irq_save(flags);
	t = this_cpu_ptr(&timer_state);
	t->in_halt = false;
	if (!tick_nohz_tick_stopped() || ns_until(t->wanted) < 2 * TICK_NSEC)
		arm(t);
	local_irq_restore(flags);
}

/* In every interrupt: what arch_cpu_idle_exit() has left is told now. */
void colinux_timer_flush(void)
{
	arm(this_cpu_ptr(&timer_state));
}

/* --- setup ------------------------------------------------------------------ */

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

// SPDX-License-Identifier: GPL-2.0
/*
 * os.h on Linux: memory, locks, sleep, time and the CPU. Events are in event.c.
 * Only functions that Linux exports to modules.
 */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>
#include <asm/apic.h>
#include <asm/fpu/api.h>
#include <asm/tsc.h>
#include <os.h>
#include <colinux/abi.h>
#include "port.h"

/* --- memory --- */

void *co_os_alloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL_ACCOUNT);
}

void co_os_free(void *p)
{
	kvfree(p);
}

void *co_os_page_alloc(unsigned int order, u64 *hpa)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO;
	struct page *page;

	if (order)
		gfp |= __GFP_COMP | __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	if (fatal_signal_pending(current))
		return NULL;
	page = alloc_pages(gfp, order);
	if (!page)
		return NULL;
	*hpa = page_to_phys(page);
	return page_address(page);
}

/* A chunk that the daemon or an I/O request still uses goes with the last. */
void co_os_page_free(void *hva, unsigned int order)
{
	if (order)
		put_page(virt_to_page(hva));
	else
		free_page((unsigned long)hva);
	cond_resched();		/* of many */
}

u64 co_os_max_hpa(void)
{
	u64 end = 0;
	int node;

	for_each_online_node(node)
		end = max_t(u64, end, node_end_pfn(node));
	return end << PAGE_SHIFT;
}

u64 co_os_code_hpa(const void *hva)
{
	return page_to_phys(vmalloc_to_page(hva));
}

/* --- locks and sleep --- */

void co_os_mutex_init(struct co_os_mutex *m)
{
	mutex_init(&m->mutex);
}

void co_os_lock(struct co_os_mutex *m)
{
	mutex_lock(&m->mutex);
}

void co_os_unlock(struct co_os_mutex *m)
{
	mutex_unlock(&m->mutex);
}

void co_os_waiter_init(struct co_os_waiter *w)
{
	init_waitqueue_head(&w->queue);
	spin_lock_init(&w->lock);
	w->task = NULL;
}

void co_os_wait(struct co_os_waiter *w, bool (*done)(void *arg), void *arg)
{
	unsigned long flags;

	if (READ_ONCE(w->task) != current) {
		spin_lock_irqsave(&w->lock, flags);
		w->task = current;
		spin_unlock_irqrestore(&w->lock, flags);
	}
	if (done)
		wait_event_interruptible(w->queue, done(arg));
}

/* The thread left the driver: nobody to interrupt. */
void co_port_detach(struct co_os_waiter *w)
{
	unsigned long flags;

	spin_lock_irqsave(&w->lock, flags);
	if (w->task == current)		/* else another runs it by now */
		w->task = NULL;
	spin_unlock_irqrestore(&w->lock, flags);
}

void co_os_kick(struct co_os_waiter *w)
{
	unsigned long flags;

	smp_mb();	/* the caller's stores before the look at the queue */
	if (waitqueue_active(&w->queue))
		wake_up(&w->queue);
	spin_lock_irqsave(&w->lock, flags);
	if (w->task)
		kick_process(w->task);
	spin_unlock_irqrestore(&w->lock, flags);
}

/* --- time --- */

static enum hrtimer_restart timer_fn(struct hrtimer *timer)
{
	struct co_os_timer *t = container_of(timer, struct co_os_timer, timer);

	t->fn(t->arg);
	return HRTIMER_NORESTART;
}

void co_os_timer_init(struct co_os_timer *t, void (*fn)(void *arg), void *arg)
{
	hrtimer_init(&t->timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	t->timer.function = timer_fn;
	t->fn = fn;
	t->arg = arg;
}

/* hrtimers take signed nanoseconds; a year is for ever. */
#define FOR_EVER_NS	31536000000000000ULL

void co_os_timer_set(struct co_os_timer *t, u64 ns)
{
	if (ns == CO_TIMER_OFF) {
		hrtimer_try_to_cancel(&t->timer);
		return;
	}
	hrtimer_start(&t->timer, ns_to_ktime(min_t(u64, ns, FOR_EVER_NS)),
		      HRTIMER_MODE_REL);
}

void co_os_timer_stop(struct co_os_timer *t)
{
	if (t->fn)
		hrtimer_cancel(&t->timer);
}

u64 co_os_now_ns(void)
{
	return ktime_get_ns();
}

void co_os_clock(struct co_os_clock *clock)
{
	unsigned long flags;

	local_irq_save(flags);
	clock->tsc = rdtsc_ordered();
	clock->now_ns = ktime_get_ns();
	/* Of the same moment: the difference shows only real steps. */
	clock->wall_ns = ktime_to_ns(ktime_mono_to_real(clock->now_ns));
	local_irq_restore(flags);
	clock->tsc_khz = tsc_khz;
	clock->stable = !check_tsc_unstable() && !co_port_distrust_tsc();
}

/* --- the CPU --- */

void co_os_fpu_begin(void)
{
	kernel_fpu_begin();
}

void co_os_fpu_end(void)
{
	kernel_fpu_end();
}

void co_os_irq_disable(void)
{
	local_irq_disable();
}

void co_os_irq_enable(void)
{
	local_irq_enable();
}

/* Work for the return to user space counts as a signal: go and do it. */
static bool wanted_in_user_space(void)
{
	return signal_pending(current) || test_thread_flag(TIF_NOTIFY_RESUME);
}

bool co_os_must_leave(void)
{
	return need_resched() || wanted_in_user_space();
}

bool co_os_yield(void)
{
	cond_resched_tasks_rcu_qs();
	return wanted_in_user_space();
}

static void self_kicked(struct irq_work *work)
{
}

static DEFINE_PER_CPU(struct irq_work, self_kick);

void co_os_self_kick(void)
{
	irq_work_queue(this_cpu_ptr(&self_kick));
}

/* Not an initialiser: modules' per-CPU data is copied without relocation. */
void co_port_os_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		*per_cpu_ptr(&self_kick, cpu) = IRQ_WORK_INIT_HARD(self_kicked);
}

void co_port_os_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&self_kick, cpu));
}

volatile u32 *co_os_apic(void)
{
	return (volatile u32 *)APIC_BASE;
}

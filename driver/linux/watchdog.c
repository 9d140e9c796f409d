// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that spins with interrupts off keeps its CPU from the host. While
 * CVMs exist every CPU looks once a second whether a vCPU has been in its
 * guest for too long, and sends its CPU an NMI: that gets through, and the
 * vCPU's loop, which is asked at each, abandons the CVM after a while.
 *
 * Every CPU looks because the one that hangs cannot. With a single CPU only an
 * NMI from elsewhere (the host's own lockup detector) helps.
 */
#include <linux/cpu.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/timer.h>
#include <asm/apic.h>
#include <asm/nmi.h>
#include <asm/smp.h>
#include "port.h"

#define OVERDUE_NS	2000000000ULL

static LIST_HEAD(files);
static DEFINE_SPINLOCK(files_lock);	/* files; taken with interrupts off */
static DEFINE_MUTEX(timers_mutex);	/* users, starting and stopping */
static unsigned int users;

static void look(struct timer_list *timer);
static DEFINE_PER_CPU(struct timer_list, look_timer);

/* NMIs on their way to a CPU; several may arrive as one. */
static DEFINE_PER_CPU(atomic_t, nmi_due);
static atomic64_t nmis_handled;

/* The host calls every handler for an NMI; this one claims ours. */
static int claim_nmi(unsigned int type, struct pt_regs *regs)
{
	if (!atomic_xchg(this_cpu_ptr(&nmi_due), 0))
		return NMI_DONE;
	atomic64_inc(&nmis_handled);
	return NMI_HANDLED;
}

u64 co_watchdog_nmis_handled(void)
{
	return atomic64_read(&nmis_handled);
}

/* Interrupts off: the two halves of the xAPIC's command belong together. */
void co_watchdog_send_nmi(unsigned int cpu)
{
	u32 apic_id = cpu_physical_id(cpu);
	volatile u32 *apic = co_os_apic();

	atomic_set(per_cpu_ptr(&nmi_due, cpu), 1);
	if (x2apic_enabled()) {
		wrmsrl(APIC_BASE_MSR + (APIC_ICR >> 4),
		       (u64)apic_id << 32 | APIC_DM_NMI);
		return;
	}
	while (apic[APIC_ICR / 4] & APIC_ICR_BUSY)
		cpu_relax();
	apic[APIC_ICR2 / 4] = apic_id << 24;
	apic[APIC_ICR / 4] = APIC_DM_NMI;
}

static int vcpu_cpu(struct co_vcpu *vcpu)
{
	struct task_struct *task = READ_ONCE(vcpu->waiter.task);

	return task ? (int)task_cpu(task) : -1;
}

/* Under files_lock a vCPU's thread may leave; then it is not overdue. */
static void look_at(struct co_cvm *cvm, u64 now)
{
	struct co_vcpu *vcpu;
	unsigned long flags;
	u32 i;

	for (i = 0; i < cvm->vcpus; i++) {
		vcpu = &cvm->vcpu[i];
		if (!co_vcpu_overdue(vcpu, now, OVERDUE_NS))
			continue;
		spin_lock_irqsave(&vcpu->waiter.lock, flags);
		if (vcpu_cpu(vcpu) >= 0 &&
		    vcpu_cpu(vcpu) != (int)smp_processor_id()) {
			/* Enough for a guest that has its interrupts on. */
			kick_process(vcpu->waiter.task);
			co_watchdog_send_nmi(vcpu_cpu(vcpu));
		}
		spin_unlock_irqrestore(&vcpu->waiter.lock, flags);
	}
}

static void look(struct timer_list *timer)
{
	unsigned long flags;
	struct co_file *f;

	spin_lock_irqsave(&files_lock, flags);
	list_for_each_entry(f, &files, list)
		if (co_load_acquire(&f->cvm->booted))
			look_at(f->cvm, co_os_now_ns());
	spin_unlock_irqrestore(&files_lock, flags);
	mod_timer(timer, jiffies + HZ);
}

int co_watchdog_find_cpu(void)
{
	unsigned long flags;
	struct co_file *f;
	int cpu = -1;

	spin_lock_irqsave(&files_lock, flags);
	list_for_each_entry(f, &files, list)
		if (co_load_acquire(&f->cvm->booted))
			cpu = vcpu_cpu(&f->cvm->vcpu[0]);
	spin_unlock_irqrestore(&files_lock, flags);
	return cpu;
}

static void start_timers(void)
{
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		struct timer_list *timer = per_cpu_ptr(&look_timer, cpu);

		timer_setup(timer, look, TIMER_PINNED);
		timer->expires = jiffies + HZ;
		add_timer_on(timer, cpu);
	}
	cpus_read_unlock();
}

static void stop_timers(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct timer_list *timer = per_cpu_ptr(&look_timer, cpu);

		if (timer->function)
			del_timer_sync(timer);
	}
}

void co_watchdog_add(struct co_file *file)
{
	mutex_lock(&timers_mutex);
	if (!users++)
		start_timers();
	spin_lock_irq(&files_lock);
	list_add_tail(&file->list, &files);
	spin_unlock_irq(&files_lock);
	mutex_unlock(&timers_mutex);
}

void co_watchdog_remove(struct co_file *file)
{
	mutex_lock(&timers_mutex);
	spin_lock_irq(&files_lock);
	list_del(&file->list);
	spin_unlock_irq(&files_lock);
	if (!--users)
		stop_timers();
	mutex_unlock(&timers_mutex);
}

int co_watchdog_init(void)
{
	return register_nmi_handler(NMI_LOCAL, claim_nmi, 0, "colinux");
}

void co_watchdog_exit(void)
{
	unregister_nmi_handler(NMI_LOCAL, "colinux");
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a vCPU: co_vcpu_run is entered by a daemon's thread and goes
 * round
 *
 *   burst:  FPU loaded, no preemption
 *     enter the guest, come back with an operation, act if that is quick
 *   act on what takes longer (sleep, or tell the daemon)
 *
 * A burst ends when the host wants the CPU, when it has lasted BURST_NS, or
 * with an operation that needs more than a few instructions. Everything in
 * the vCPU page is the guest's: it is read once and checked.
 */
#include "core.h"

#define BURST_NS	5000000
/*
 * A guest is given up when only NMIs came back from it, so many of them over
 * so long. The watchdog sends the first after 2 s and then one each second.
 */
#define STUCK_NS	3000000000ULL
#define STUCK_NMIS	3

enum next {
	NEXT_ENTER,	/* stay in the burst */
	NEXT_BURST,	/* let the host have the CPU, then go on */
	NEXT_IDLE,
	NEXT_DAEMON,	/* return to the daemon with run filled */
};

static void timer_fired(void *arg)
{
	co_virq_raise(arg, CO_VIRQ_TIMER);
}

int co_vcpu_create(struct co_cvm *cvm, u32 index)
{
	struct co_vcpu *vcpu = &cvm->vcpu[index];

	vcpu->cvm = cvm;
	vcpu->index = index;
	vcpu->calm = 1;
	vcpu->page = co_memory_hva(cvm, CO_VCPU_PAGES_GPA + index * 4096ULL,
				   sizeof(*vcpu->page));
	co_os_waiter_init(&vcpu->waiter);
	co_os_timer_init(&vcpu->timer, timer_fired, vcpu);
	return 0;
}

void co_vcpu_destroy(struct co_vcpu *vcpu)
{
	co_os_timer_stop(&vcpu->timer);
}

/* --- ends ----------------------------------------------------------------- */

/*
 * Interrupts are off. Whatever interrupt the guest accepted and did not hand
 * over must reach the host now, or this CPU's local APIC would block for ever
 * all that are not more urgent.
 */
static enum next end_cvm(struct co_vcpu *vcpu, struct co_ioc_run *run,
			 u32 reason)
{
	co_atomic_add(&vcpu->cvm->stats.drained, co_arch_drain());
	WRITE_ONCE(vcpu->cvm->ended, 1);
	run->reason = reason;
	return NEXT_DAEMON;
}

static enum next crash(struct co_vcpu *vcpu, struct co_ioc_run *run,
		       const char *why)
{
	run->text_len = (u32)snprintf((char *)run->text, CO_TEXT_MAX, "%s",
				      why);
	run->arg[0] = ~0ULL;
	return end_cvm(vcpu, run, CO_EXIT_CRASH);
}

static enum next crash_fault(struct co_vcpu *vcpu, struct co_ioc_run *run,
			     const struct co_arch_fault *fault)
{
	run->text_len = (u32)snprintf((char *)run->text, CO_TEXT_MAX,
		"exception %u (error %llx) at %llx, cr2 %llx, with no handler in the guest",
		fault->vector, (unsigned long long)fault->error,
		(unsigned long long)fault->rip,
		(unsigned long long)fault->cr2);
	run->arg[0] = fault->vector == ~0U ? ~0ULL : fault->vector;
	run->arg[1] = fault->rip;
	run->arg[2] = fault->cr2;
	return end_cvm(vcpu, run, CO_EXIT_CRASH);
}

static u32 copy_text(struct co_vcpu *vcpu, struct co_ioc_run *run, u64 length)
{
	if (length > CO_TEXT_MAX)
		length = CO_TEXT_MAX;
	memcpy(run->text, vcpu->page->text, length);
	return (u32)length;
}

/* --- operations ------------------------------------------------------------ */

/* Interrupts are off and the interrupt is in service on this very CPU. */
static enum next op_forward(struct co_vcpu *vcpu, struct co_ioc_run *run,
			    u64 vector)
{
	if (vector < 32 || vector > 255 || vector == 0x80)
		return crash(vcpu, run, "the guest forwarded no interrupt");
	co_count(vcpu->cvm, forwards);
	co_arch_forward((unsigned int)vector);
	return NEXT_ENTER;
}

static enum next op_device(struct co_vcpu *vcpu, struct co_ioc_run *run,
			   u64 device)
{
	if (device >= CO_MAX_DEVICES) {
		vcpu->page->ret = -EINVAL;
		return NEXT_ENTER;
	}
	vcpu->page->ret = 0;
	run->reason = CO_EXIT_DEVICE;
	run->arg[0] = device;
	return NEXT_DAEMON;
}

static enum next op_console(struct co_vcpu *vcpu, struct co_ioc_run *run,
			    u64 length)
{
	run->reason = CO_EXIT_CONSOLE;
	run->text_len = copy_text(vcpu, run, length);
	vcpu->page->ret = run->text_len;
	return NEXT_DAEMON;
}

static enum next op_panic(struct co_vcpu *vcpu, struct co_ioc_run *run,
			  u64 length)
{
	run->text_len = copy_text(vcpu, run, length);
	return end_cvm(vcpu, run, CO_EXIT_PANIC);
}

static enum next op_notify(struct co_vcpu *vcpu, struct co_ioc_run *run,
			   u64 doorbell)
{
	if (!co_exitbell_on(vcpu->cvm, doorbell)) {
		vcpu->page->ret = co_doorbell_ring(vcpu->cvm, doorbell);
		return NEXT_ENTER;
	}
	co_count(vcpu->cvm, notifies);
	vcpu->page->ret = 0;
	run->reason = CO_EXIT_NOTIFY;
	run->arg[0] = doorbell;
	return NEXT_DAEMON;
}

static enum next op_quick(struct co_vcpu *vcpu, u32 op, u64 arg)
{
	if (op == CO_OP_TIMER)
		co_os_timer_set(&vcpu->timer, arg);
	vcpu->page->ret = 0;
	return NEXT_ENTER;
}

/* CO_OP_TIMER knows no "keep": that asks for more than a year, as others. */
static enum next op_idle(struct co_vcpu *vcpu, u64 ns)
{
	if (ns != CO_TIMER_KEEP)
		co_os_timer_set(&vcpu->timer, ns);
	return NEXT_IDLE;
}

static enum next operate(struct co_vcpu *vcpu, struct co_ioc_run *run)
{
	u32 op = READ_ONCE(vcpu->page->op);
	u64 arg = READ_ONCE(vcpu->page->arg[0]);

	vcpu->last_op = op;
	switch (op) {
	case CO_OP_FORWARD:
		return op_forward(vcpu, run, arg);
	case CO_OP_NONE:
	case CO_OP_TIMER:
		return op_quick(vcpu, op, arg);
	case CO_OP_NOTIFY:
		return op_notify(vcpu, run, arg);
	case CO_OP_IDLE:
		return op_idle(vcpu, arg);
	case CO_OP_DEVICE:
		return op_device(vcpu, run, arg);
	case CO_OP_CONSOLE:
		return op_console(vcpu, run, arg);
	case CO_OP_POWEROFF:
		return end_cvm(vcpu, run, CO_EXIT_POWEROFF);
	case CO_OP_REBOOT:
		return end_cvm(vcpu, run, CO_EXIT_REBOOT);
	case CO_OP_PANIC:
		return op_panic(vcpu, run, arg);
	}
	return crash(vcpu, run, "the guest asked for an unknown operation");
}

/* --- the burst ------------------------------------------------------------- */

/*
 * With interrupts off: make sure a guest that cannot see its virqs now will be
 * interrupted once it can. It looks by itself after these two operations.
 */
static void ensure_delivery(struct co_vcpu *vcpu)
{
	if (vcpu->last_op == CO_OP_FORWARD || vcpu->last_op == CO_OP_IDLE)
		return;
	if (co_virq_pending(vcpu)) {
		co_count(vcpu->cvm, self_kicks);
		co_os_self_kick();
	}
}

static enum next enter_once(struct co_vcpu *vcpu, struct co_ioc_run *run)
{
	struct co_arch_fault fault;
	enum co_arch_exit why;
	u64 first_nmi = 0;
	u32 nmis = 0;

	ensure_delivery(vcpu);
	WRITE_ONCE(vcpu->entered_ns, co_os_now_ns());
	do {
		co_count(vcpu->cvm, switches);
		why = co_arch_enter(vcpu, &fault);
		if (why == CO_ARCH_NMI && !nmis++)
			first_nmi = co_os_now_ns();
	} while (why == CO_ARCH_NMI && (nmis < STUCK_NMIS ||
		 co_os_now_ns() - first_nmi <= STUCK_NS));
	WRITE_ONCE(vcpu->entered_ns, 0);
	if (why == CO_ARCH_NMI)
		return crash(vcpu, run, "the guest kept interrupts off for 5 s");
	if (why == CO_ARCH_OP)
		return operate(vcpu, run);
	return crash_fault(vcpu, run, &fault);
}

/* Any context: has this vCPU been in the guest, uninterrupted, for so long? */
bool co_vcpu_overdue(struct co_vcpu *vcpu, u64 now_ns, u64 limit_ns)
{
	u64 entered = READ_ONCE(vcpu->entered_ns);

	return entered && now_ns > entered && now_ns - entered > limit_ns;
}

/*
 * With interrupts off, before the thread may sleep or move to another CPU: an
 * interrupt that the guest accepted but has not forwarded yet (it printed
 * something first, say) is in service here and must not stay so. The guest's
 * late FORWARD runs the host's handler once more, which finds nothing to do.
 */
static void leave_nothing(struct co_vcpu *vcpu)
{
	if (vcpu->last_op != CO_OP_FORWARD)
		co_atomic_add(&vcpu->cvm->stats.drained, co_arch_drain());
}

static enum next burst(struct co_vcpu *vcpu, struct co_ioc_run *run)
{
	enum next next;
	u64 start;

	co_os_fpu_begin();
	co_arch_load(vcpu);
	start = co_os_now_ns();
	co_clock_update(vcpu);
	if (vcpu->runnable_ns) {
		vcpu->page->steal_ns += start - vcpu->runnable_ns;
		vcpu->runnable_ns = 0;
	}
	do {
		co_os_irq_disable();
		if (co_os_must_leave() || co_exit_wanted(vcpu)) {
			leave_nothing(vcpu);
			co_os_irq_enable();
			next = NEXT_BURST;
			break;
		}
		next = enter_once(vcpu, run);
		if (next == NEXT_ENTER && co_os_now_ns() - start > BURST_NS)
			next = NEXT_BURST;
		if (next != NEXT_ENTER)
			leave_nothing(vcpu);
		co_os_irq_enable();
	} while (next == NEXT_ENTER);
	co_arch_save(vcpu);
	if (next == NEXT_BURST)
		vcpu->runnable_ns = co_os_now_ns();
	co_os_fpu_end();
	return next;
}

/* --- the thread ------------------------------------------------------------ */

static bool idle_done(void *arg)
{
	struct co_vcpu *vcpu = arg;

	return co_virq_pending(vcpu) || co_exit_wanted(vcpu) ||
	       READ_ONCE(vcpu->cvm->ended);
}

static void idle(struct co_vcpu *vcpu)
{
	if (co_virq_pending(vcpu))
		return;
	co_count(vcpu->cvm, idles);
	co_os_wait(&vcpu->waiter, idle_done, vcpu);
}

int co_vcpu_run(struct co_vcpu *vcpu, struct co_ioc_run *run)
{
	enum next next;

	run->reason = CO_EXIT_NONE;
	run->text_len = 0;
	run->reserved = 0;
	memset(run->arg, 0, sizeof(run->arg));
	co_os_wait(&vcpu->waiter, NULL, NULL);
	for (;;) {
		if (READ_ONCE(vcpu->cvm->ended))
			return -ESHUTDOWN;
		if (co_os_yield()) {
			vcpu->runnable_ns = 0;	/* what follows is not stolen */
			return -EINTR;
		}
		if (co_exit_take(vcpu)) {
			vcpu->runnable_ns = 0;
			return 0;
		}
		next = burst(vcpu, run);
		if (next == NEXT_IDLE)
			idle(vcpu);
		if (next == NEXT_DAEMON)
			return 0;
	}
}

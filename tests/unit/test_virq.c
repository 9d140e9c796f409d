// SPDX-License-Identifier: GPL-2.0
/* Virqs, idle, timers, doorbells and virqfds, with threads where it matters. */
#include "cvm.h"

#define RAISES	2000

/* --- raising --------------------------------------------------------------- */

static void raise_checks_its_arguments(void **state)
{
	struct co_cvm *cvm = co_cvm_new();

	assert_int_equal(cvm_raise(cvm, 0, 0), -ENXIO);
	assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
	assert_int_equal(cvm_raise(cvm, 0, 0), -ENXIO);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	assert_int_equal(cvm_raise(cvm, 2, 0), -EINVAL);
	assert_int_equal(cvm_raise(cvm, ~0U, 0), -EINVAL);
	assert_int_equal(cvm_raise(cvm, 0, CO_MAX_VIRQS), -EINVAL);
	assert_int_equal(cvm_raise(cvm, 0, ~0U), -EINVAL);
	assert_int_equal(cvm_raise(cvm, 1, CO_MAX_VIRQS - 1), 0);
	assert_true(cvm->vcpu[1].page->virq_pending[3] == 1ULL << 63);
	co_cvm_destroy(cvm);
}

static void each_virq_has_its_bit(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	u32 i;

	for (i = 0; i < CO_MAX_VIRQS; i++) {
		assert_int_equal(cvm_raise(cvm, 0, i), 0);
		assert_true(co_virq_pending(&cvm->vcpu[0]));
		assert_true(guest_take(&cvm->vcpu[0], i / 64) ==
			    1ULL << (i % 64));
		assert_false(co_virq_pending(&cvm->vcpu[0]));
	}
	assert_int_equal(cvm_stats(cvm).virqs, CO_MAX_VIRQS);
	assert_int_equal(sim.kicks, CO_MAX_VIRQS);
	co_cvm_destroy(cvm);
}

/* --- delivery to a guest that cannot see it now ------------------------------- */

static void pending_virq_self_kicks(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_NONE }, { CO_OP_NONE }, { CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_raise(cvm, 0, 5), 0);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	/* Never taken, so each entry makes an interrupt pending. */
	assert_int_equal(sim.self_kicks, 3);
	assert_int_equal(cvm_stats(cvm).self_kicks, 3);
	guest_take(&cvm->vcpu[0], 0);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(sim.self_kicks, 3);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit looks_itself(struct co_vcpu *vcpu,
				      struct co_arch_fault *fault, void *arg)
{
	u32 *op = arg;

	assert_false(sim.self_kicked);
	vcpu->page->op = *op;
	vcpu->page->arg[0] = *op == CO_OP_FORWARD ? 40 : 0;
	if (sim.entries == 20)
		vcpu->page->op = CO_OP_POWEROFF;
	else
		co_virq_raise(vcpu, 7);
	return CO_ARCH_OP;
}

/* A guest that has forwarded or slept looks for virqs: no second interrupt. */
static void no_self_kick_where_the_guest_looks(void **state)
{
	static u32 ops[] = { CO_OP_FORWARD, CO_OP_IDLE };
	struct co_ioc_run run;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		struct co_cvm *cvm = cvm_ready();

		sim.entries = 0;
		sim.guest = looks_itself;
		sim.guest_arg = &ops[i];
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(run.reason, CO_EXIT_POWEROFF);
		assert_int_equal(sim.entries, 20);
		co_cvm_destroy(cvm);
	}
}

/* --- idle and timers ------------------------------------------------------------ */

static void idle_sleeps_until_the_timer(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_TIMER, 3000000000 }, { CO_OP_IDLE, CO_TIMER_KEEP },
		{ CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;
	u64 start = sim.now_ns;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_in_range(sim.now_ns - start, 3000000000, 3000010000);
	assert_true(guest_take(&cvm->vcpu[0], 0) == 1 << CO_VIRQ_TIMER);
	assert_int_equal(cvm_stats(cvm).idles, 1);
	assert_int_equal(sim.waits, 1);
	co_cvm_destroy(cvm);
}

/* One round trip: its own timer replaces what was set before. */
static void idle_sets_the_timer(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_TIMER, 1000 }, { CO_OP_IDLE, 3000000000 },
		{ CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;
	u64 start = sim.now_ns;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_in_range(sim.now_ns - start, 3000000000, 3000010000);
	assert_true(guest_take(&cvm->vcpu[0], 0) == 1 << CO_VIRQ_TIMER);
	assert_int_equal(sim.entries, 3);
	co_cvm_destroy(cvm);
}

/* No sleep, but the timer is set all the same; off is off. */
static void idle_sets_the_timer_with_a_virq_pending(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_IDLE, 5000000 }, { CO_OP_DEVICE, 0 },
		{ CO_OP_IDLE, CO_TIMER_OFF }, { CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_vcpu *vcpu = &cvm->vcpu[0];
	struct co_ioc_run run;
	struct script s;

	sim.step_ns = 0;
	GUEST(&s, steps);
	assert_int_equal(cvm_raise(cvm, 0, 200), 0);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(sim.waits, 0);
	sim_advance(4999999);
	assert_true(guest_take(vcpu, 0) == 0);
	sim_advance(1);
	assert_true(guest_take(vcpu, 0) == 1 << CO_VIRQ_TIMER);
	vcpu->page->virq_pending[0] = 2;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	sim_advance(1000000000);
	assert_true(guest_take(vcpu, 0) == 2);
	co_cvm_destroy(cvm);
}

static void idle_with_a_virq_does_not_sleep(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_IDLE, CO_TIMER_KEEP }, { CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_raise(cvm, 0, 200), 0);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_int_equal(sim.waits, 0);
	assert_int_equal(cvm_stats(cvm).idles, 0);
	co_cvm_destroy(cvm);
}

static void idle_ends_with_a_signal(void **state)
{
	static const struct step steps[] = { { CO_OP_IDLE, CO_TIMER_KEEP } };
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), -EINTR);
	assert_int_equal(sim.entries, 1);
	sim.signal = false;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	co_cvm_destroy(cvm);
}

/* The last setting counts; off is off; the guest may ask for any time. */
static void timer_settings(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_TIMER, 1000 }, { CO_OP_TIMER, CO_TIMER_OFF },
		{ CO_OP_TIMER, CO_TIMER_OFF - 1 }, { CO_OP_TIMER, 1ULL << 63 },
		{ CO_OP_TIMER, 5000000 }, { CO_OP_DEVICE, 0 },
		{ CO_OP_TIMER, CO_TIMER_OFF }, { CO_OP_DEVICE, 0 },
		{ CO_OP_TIMER, 0 }, { CO_OP_DEVICE, 0 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_vcpu *vcpu = &cvm->vcpu[0];
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	sim.step_ns = 0;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	sim_advance(4999999);
	assert_false(co_virq_pending(vcpu));
	sim_advance(1);
	assert_true(guest_take(vcpu, 0) == 1 << CO_VIRQ_TIMER);
	sim_advance(1000000000);
	assert_false(co_virq_pending(vcpu));
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	sim_advance(1000000000);
	assert_false(co_virq_pending(vcpu));
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_true(guest_take(vcpu, 0) == 1 << CO_VIRQ_TIMER);
	co_cvm_destroy(cvm);
}

/* --- doorbells --------------------------------------------------------------------- */

static void doorbells_ring(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	int a = sim_event(), b = sim_event();
	s64 last = 1, none = 1, wild = 1, good = 1;
	const struct step steps[] = {
		{ CO_OP_NOTIFY, 0, 0, &good },
		{ CO_OP_NOTIFY, CO_MAX_DOORBELLS - 1, 0, &last },
		{ CO_OP_NOTIFY, CO_MAX_DOORBELLS - 1 },
		{ CO_OP_NOTIFY, 7, 0, &none },
		{ CO_OP_NOTIFY, CO_MAX_DOORBELLS, 0, &wild },
		{ CO_OP_NOTIFY, ~0ULL },
	};
	struct co_ioc_run run;
	struct script s;

	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_doorbell(cvm, 0, a), 0);
	assert_int_equal(cvm_doorbell(cvm, CO_MAX_DOORBELLS - 1, b), 0);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	assert_int_equal(sim_event_read(a), 1);
	assert_int_equal(sim_event_read(b), 2);
	assert_int_equal(good, 0);
	assert_int_equal(last, 0);
	assert_true(none < 0);
	assert_true(wild < 0);
	assert_int_equal(cvm_stats(cvm).notifies, 3);
	co_cvm_destroy(cvm);
	sim_event_close(a);
	sim_event_close(b);
}

static void doorbell_errors(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	int fd = sim_event();

	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_doorbell(cvm, CO_MAX_DOORBELLS, fd), -EINVAL);
	assert_int_equal(cvm_doorbell(cvm, ~0U, -1), -EINVAL);
	assert_int_equal(cvm_doorbell(cvm, 0, 12345), -EBADF);
	assert_int_equal(cvm_doorbell(cvm, 0, fd), 0);
	assert_int_equal(cvm_doorbell(cvm, 0, fd), 0);	/* replaces */
	assert_int_equal(sim.events, 1);
	assert_int_equal(cvm_doorbell(cvm, 0, 12345), -EBADF);
	assert_int_equal(sim.events, 1);
	assert_int_equal(cvm_doorbell(cvm, 0, -1), 0);
	assert_int_equal(sim.events, 0);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

/* They are read without a lock while the guest runs: fixed from boot on. */
static void doorbells_are_fixed_once_booted(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	int fd = sim_event();

	assert_int_equal(cvm_doorbell(cvm, 0, fd), -EBUSY);
	assert_int_equal(cvm_doorbell(cvm, 0, -1), -EBUSY);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

/* The event lives on in the driver when the daemon closes its file. */
static void a_closed_doorbell_is_harmless(void **state)
{
	static const struct step steps[] = { { CO_OP_NOTIFY, 0 } };
	struct co_cvm *cvm = co_cvm_new();
	struct co_ioc_run run;
	struct script s;
	int fd = sim_event();

	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_doorbell(cvm, 0, fd), 0);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	sim_event_close(fd);
	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	co_cvm_destroy(cvm);
}

/* --- virqfds ------------------------------------------------------------------------ */

static void virqfd_raises(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_vcpu *vcpu = &cvm->vcpu[0];
	int a = sim_event(), b = sim_event();

	assert_int_equal(cvm_virqfd(cvm, 0, 16, a), 0);
	assert_int_equal(cvm_virqfd(cvm, 0, 255, b), 0);
	sim_event_write(a);
	assert_true(guest_take(vcpu, 0) == 1 << 16);
	sim_event_write(b);
	sim_event_write(b);
	assert_true(guest_take(vcpu, 3) == 1ULL << 63);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, -1), 0);
	sim_event_write(a);
	assert_false(co_virq_pending(vcpu));
	co_cvm_destroy(cvm);
	sim_event_write(b);	/* nobody is there any more */
	sim_event_close(a);
	sim_event_close(b);
}

static void virqfd_errors(void **state)
{
	struct co_ioc_virqfd reserved = { .virq = 20, .reserved = 1 };
	struct co_cvm *cvm = co_cvm_new();
	int fd = sim_event();

	assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
	assert_int_equal(cvm_virqfd(cvm, 2, 20, fd), -EINVAL);
	assert_int_equal(cvm_virqfd(cvm, ~0U, 20, -1), -EINVAL);
	assert_int_equal(cvm_virqfd(cvm, 0, CO_MAX_VIRQS, fd), -EINVAL);
	assert_int_equal(cvm_virqfd(cvm, 0, 20, 12345), -EBADF);
	assert_true(cvm_virqfd(cvm, 0, 20, -1) < 0);	/* none there */
	reserved.fd = fd;
	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_VIRQFD, &reserved), -EINVAL);
	assert_int_equal(sim.watches, 0);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

static void virqfd_is_replaced(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_vcpu *vcpu = &cvm->vcpu[0];
	int a = sim_event(), b = sim_event();

	assert_int_equal(cvm_virqfd(cvm, 0, 16, a), 0);
	assert_int_equal(cvm_virqfd(cvm, 0, 17, a), 0);	/* one event, two */
	sim_event_write(a);
	assert_true(guest_take(vcpu, 0) == 3 << 16);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, b), 0);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, 12345), -EBADF);
	assert_int_equal(sim.watches, 2);
	sim_event_write(a);
	assert_true(guest_take(vcpu, 0) == 1 << 17);
	sim_event_write(b);
	assert_true(guest_take(vcpu, 0) == 1 << 16);
	co_cvm_destroy(cvm);
	sim_event_close(a);
	sim_event_close(b);
}

/* What was signalled before the daemon connected the event is not lost. */
static void virqfd_takes_earlier_signals(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	int fd = sim_event();

	sim_event_write(fd);
	assert_int_equal(cvm_virqfd(cvm, 0, 16, fd), 0);
	assert_true(guest_take(&cvm->vcpu[0], 0) == 1 << 16);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

static void virqfd_survives_failed_allocations(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	unsigned long n;
	int fd = sim_event();

	assert_int_equal(cvm_virqfd(cvm, 0, 16, fd), 0);
	for (n = 1;; n++) {
		sim.allocations = 0;
		sim.fail_at = n;
		if (!cvm_virqfd(cvm, 0, 16, fd))
			break;
		/* The old one still works. */
		sim_event_write(fd);
		assert_true(guest_take(&cvm->vcpu[0], 0) == 1 << 16);
		assert_int_equal(sim.watches, 1);
	}
	assert_true(n > 1);
	sim.fail_at = 0;
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

/* --- threads --------------------------------------------------------------------- */

static enum co_arch_exit waits_for_all(struct co_vcpu *vcpu,
				       struct co_arch_fault *fault, void *arg)
{
	unsigned long *taken = arg;
	u32 i;

	for (i = 0; i < CO_MAX_VIRQS / 64; i++) {
		u64 bits = guest_take(vcpu, i);

		if (bits >> 63)		/* the others have finished */
			vcpu->page->op = CO_OP_POWEROFF;
		else
			vcpu->page->op = CO_OP_IDLE;
		vcpu->page->arg[0] = CO_TIMER_KEEP;
		*taken += !!bits;
		if (vcpu->page->op == CO_OP_POWEROFF)
			break;
	}
	return CO_ARCH_OP;
}

struct runner {
	struct co_cvm *cvm;
	struct co_ioc_run run;
	long ret;
};

static void *run_thread(void *arg)
{
	struct runner *r = arg;

	r->ret = cvm_run(r->cvm, 0, &r->run);
	return NULL;
}

static void *raise_thread(void *arg)
{
	struct runner *r = arg;
	u32 i;

	for (i = 0; i < RAISES; i++)
		co_virq_raise(&r->cvm->vcpu[0], 16 + i % 8);
	return NULL;
}

/* However idle and raise race, the guest is woken for the last one. */
static void no_wakeup_is_lost(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct runner r = { .cvm = cvm };
	pthread_t vcpu, other[2];
	unsigned long taken = 0;
	int fd = sim_event(), i;

	sim.block = true;
	sim.guest = waits_for_all;
	sim.guest_arg = &taken;
	assert_int_equal(cvm_virqfd(cvm, 0, CO_MAX_VIRQS - 1, fd), 0);
	assert_int_equal(pthread_create(&vcpu, NULL, run_thread, &r), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&other[i], NULL, raise_thread,
						&r), 0);
	for (i = 0; i < 2; i++)
		pthread_join(other[i], NULL);
	sim_event_write(fd);
	pthread_join(vcpu, NULL);
	assert_int_equal(r.ret, 0);
	assert_int_equal(r.run.reason, CO_EXIT_POWEROFF);
	assert_true(taken > 0);
	assert_int_equal(cvm_stats(cvm).virqs, 2 * RAISES + 1);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

static void a_sleeping_vcpu_is_busy_too(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct runner r = { .cvm = cvm };
	unsigned long taken = 0;
	struct co_ioc_run run;
	pthread_t vcpu;

	sim.block = true;
	sim.guest = waits_for_all;
	sim.guest_arg = &taken;
	assert_int_equal(pthread_create(&vcpu, NULL, run_thread, &r), 0);
	while (!READ_ONCE(sim.waits))
		sched_yield();
	assert_int_equal(cvm_run(cvm, 0, &run), -EBUSY);
	assert_int_equal(cvm_raise(cvm, 0, CO_MAX_VIRQS - 1), 0);
	pthread_join(vcpu, NULL);
	assert_int_equal(r.ret, 0);
	co_cvm_destroy(cvm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(raise_checks_its_arguments),
		TEST(each_virq_has_its_bit),
		TEST(pending_virq_self_kicks),
		TEST(no_self_kick_where_the_guest_looks),
		TEST(idle_sleeps_until_the_timer),
		TEST(idle_sets_the_timer),
		TEST(idle_sets_the_timer_with_a_virq_pending),
		TEST(idle_with_a_virq_does_not_sleep),
		TEST(idle_ends_with_a_signal),
		TEST(timer_settings),
		TEST(doorbells_ring),
		TEST(doorbell_errors),
		TEST(doorbells_are_fixed_once_booted),
		TEST(a_closed_doorbell_is_harmless),
		TEST(virqfd_raises),
		TEST(virqfd_errors),
		TEST(virqfd_is_replaced),
		TEST(virqfd_takes_earlier_signals),
		TEST(virqfd_survives_failed_allocations),
		TEST(no_wakeup_is_lost),
		TEST(a_sleeping_vcpu_is_busy_too),
	};

	return cmocka_run_group_tests_name("virq", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* What brings a vCPU's thread back to the daemon: exit events and doorbells. */
#include "cvm.h"

static long cvm_exitfd(struct co_cvm *cvm, u32 vcpu, s32 fd)
{
	struct co_ioc_exitfd args = { .vcpu = vcpu, .fd = fd };

	return co_cvm_ioctl(cvm, CO_IOC_EXITFD, &args);
}

static long cvm_exitbell(struct co_cvm *cvm, u32 doorbell, u32 on)
{
	struct co_ioc_exitbell args = { .doorbell = doorbell, .on = on };

	return co_cvm_ioctl(cvm, CO_IOC_EXITBELL, &args);
}

/* --- doorbells ------------------------------------------------------------- */

static void a_doorbell_ends_the_run_while_it_is_told_to(void **state)
{
	s64 ret[4] = { 1, 1, 1, 1 };
	const struct step steps[] = {
		{ CO_OP_NOTIFY, 3, .ret = &ret[0] },
		{ CO_OP_NOTIFY, 3, .ret = &ret[1] },
		{ CO_OP_NOTIFY, 2, .ret = &ret[2] },
		{ CO_OP_NOTIFY, 4, .ret = &ret[3] },
	};
	struct co_cvm *cvm = co_cvm_new();
	int a = sim_event(), b = sim_event();
	struct co_ioc_run run;
	struct script s;

	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_doorbell(cvm, 2, a), 0);
	assert_int_equal(cvm_doorbell(cvm, 3, b), 0);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	GUEST(&s, steps);
	assert_int_equal(cvm_exitbell(cvm, 3, 1), 0);
	assert_int_equal(cvm_exitbell(cvm, 4, 1), 0);	/* without an event */
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_NOTIFY);
	assert_int_equal(run.arg[0], 3);
	assert_int_equal(sim_event_read(b), 0);
	assert_int_equal(cvm_exitbell(cvm, 3, 0), 0);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	assert_int_equal(sim_event_read(b), 1);
	assert_int_equal(sim_event_read(a), 1);
	assert_int_equal(ret[0], 0);
	assert_int_equal(ret[1], 0);
	assert_int_equal(ret[2], 0);
	assert_int_equal(ret[3], -ENOENT);
	assert_int_equal(cvm_stats(cvm).notifies, 3);
	co_cvm_destroy(cvm);
	sim_event_close(a);
	sim_event_close(b);
}

static void exitbell_errors(void **state)
{
	struct co_cvm *cvm = cvm_ready();

	assert_int_equal(cvm_exitbell(cvm, CO_MAX_DOORBELLS, 1), -EINVAL);
	assert_int_equal(cvm_exitbell(cvm, ~0U, 0), -EINVAL);
	assert_int_equal(cvm_exitbell(cvm, 0, 2), -EINVAL);
	assert_int_equal(cvm_exitbell(cvm, CO_MAX_DOORBELLS - 1, 1), 0);
	co_cvm_destroy(cvm);
}

/* --- events ----------------------------------------------------------------- */

static void an_event_ends_one_run(void **state)
{
	static const struct step steps[] = {
		{ CO_OP_NONE }, { CO_OP_DEVICE, 1 }, { CO_OP_DEVICE, 2 },
	};
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	int fd = sim_event();
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_exitfd(cvm, 0, fd), 0);
	sim_event_write(fd);
	sim_event_write(fd);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_NONE);
	assert_int_equal(s.at, 0);		/* the guest was not entered */
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_int_equal(cvm_exitfd(cvm, 0, -1), 0);
	sim_event_write(fd);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_int_equal(run.arg[0], 2);
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

/* Signalled while the guest runs, which is idle then. */
static enum co_arch_exit signals(struct co_vcpu *vcpu,
				 struct co_arch_fault *fault, void *arg)
{
	sim_event_write(*(int *)arg);
	vcpu->page->op = CO_OP_IDLE;
	return CO_ARCH_OP;
}

static void an_event_ends_idling(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	int fd = sim_event();

	sim.guest = signals;
	sim.guest_arg = &fd;
	assert_int_equal(cvm_exitfd(cvm, 0, fd), 0);
	for (int i = 1; i < 10; i++) {
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(run.reason, CO_EXIT_NONE);
		assert_int_equal(sim.entries, i);
	}
	co_cvm_destroy(cvm);
	sim_event_close(fd);
}

static void exitfd_errors(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	int a = sim_event(), b = sim_event();

	assert_int_equal(cvm_exitfd(cvm, 0, a), -ENXIO);
	assert_int_equal(cvm_exitbell(cvm, 0, 1), -ENXIO);
	assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
	assert_int_equal(cvm_exitfd(cvm, 2, a), -EINVAL);
	assert_int_equal(cvm_exitfd(cvm, 0, 12345), -EBADF);
	assert_int_equal(cvm_exitfd(cvm, 0, -1), 0);
	assert_int_equal(cvm_exitfd(cvm, 1, a), 0);
	assert_int_equal(cvm_exitfd(cvm, 1, b), 0);	/* replaces it */
	assert_int_equal(sim.watches, 1);
	co_cvm_destroy(cvm);
	sim_event_close(a);
	sim_event_close(b);
}

/* --- threads ------------------------------------------------------------------ */

#define SIGNALS	2000

static enum co_arch_exit idles(struct co_vcpu *vcpu,
			       struct co_arch_fault *fault, void *arg)
{
	vcpu->page->op = CO_OP_IDLE;
	return CO_ARCH_OP;
}

struct signaller {
	int fd;
	u32 posted;			/* what the daemon would look at */
};

static void *signal_thread(void *arg)
{
	struct signaller *s = arg;

	for (u32 i = 1; i <= SIGNALS; i++) {
		__atomic_store_n(&s->posted, i, __ATOMIC_RELEASE);
		sim_event_write(s->fd);
	}
	return NULL;
}

/* However run and signal race, the last one is not slept over. */
static void no_exit_is_lost(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct signaller s = { .fd = sim_event() };
	struct co_ioc_run run;
	pthread_t other;

	sim.block = true;
	sim.guest = idles;
	assert_int_equal(cvm_exitfd(cvm, 0, s.fd), 0);
	assert_int_equal(pthread_create(&other, NULL, signal_thread, &s), 0);
	while (__atomic_load_n(&s.posted, __ATOMIC_ACQUIRE) < SIGNALS) {
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(run.reason, CO_EXIT_NONE);
	}
	pthread_join(other, NULL);
	co_cvm_destroy(cvm);
	sim_event_close(s.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_doorbell_ends_the_run_while_it_is_told_to),
		TEST(exitbell_errors),
		TEST(an_event_ends_one_run),
		TEST(an_event_ends_idling),
		TEST(exitfd_errors),
		TEST(no_exit_is_lost),
	};

	return cmocka_run_group_tests_name("exit", tests, NULL, NULL);
}

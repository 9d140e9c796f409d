// SPDX-License-Identifier: GPL-2.0
/* CO_IOC_RUN: every operation, ends, signals, and the order of things. */
#include "cvm.h"

static void run_before_boot_is_enxio(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	struct co_ioc_run run;

	assert_int_equal(cvm_run(cvm, 0, &run), -ENXIO);
	assert_int_equal(cvm_create(cvm, 2, CO_MEM_MIN), 0);
	assert_int_equal(cvm_run(cvm, 0, &run), -ENXIO);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	assert_int_equal(cvm_run(cvm, 1, &run), -ENXIO);
	assert_int_equal(cvm_run(cvm, 2, &run), -ENXIO);
	assert_int_equal(cvm_run(cvm, ~0U, &run), -ENXIO);
	assert_int_equal(sim.entries, 0);
	co_cvm_destroy(cvm);
}

static void check_final(u32 op, u32 reason)
{
	struct co_cvm *cvm = cvm_ready();
	const struct step steps[] = { { op } };
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	sim.in_service = 2;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, reason);
	assert_int_equal(run.text_len, 0);
	assert_int_equal(run.reserved, 0);
	assert_int_equal(cvm_stats(cvm).drained, 2);
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	assert_int_equal(sim.entries, 1);
	co_cvm_destroy(cvm);
}

static void poweroff_is_final(void **state)
{
	check_final(CO_OP_POWEROFF, CO_EXIT_POWEROFF);
}

static void reboot_is_final(void **state)
{
	check_final(CO_OP_REBOOT, CO_EXIT_REBOOT);
}

static void text_of(struct co_cvm *cvm, const char *text)
{
	memcpy(cvm->vcpu[0].page->text, text, strlen(text));
}

static void panic_tells_why(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	static const struct step steps[] = { { CO_OP_PANIC, 4 } };
	struct co_ioc_run run;
	struct script s;

	text_of(cvm, "oops and more");
	GUEST(&s, steps);
	sim.in_service = 1;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_PANIC);
	assert_int_equal(run.text_len, 4);
	assert_memory_equal(run.text, "oops", 4);
	assert_int_equal(cvm_stats(cvm).drained, 1);
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	co_cvm_destroy(cvm);
}

static void panic_with_wild_length(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	static const struct step steps[] = { { CO_OP_PANIC, ~0ULL } };
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_PANIC);
	assert_int_equal(run.text_len, CO_TEXT_MAX);
	co_cvm_destroy(cvm);
}

static void console_text_arrives(void **state)
{
	static const u64 length[] = {
		0, 1, CO_TEXT_MAX, CO_TEXT_MAX + 1, 1ULL << 32, ~0ULL,
	};
	struct co_ioc_run run;
	struct script s;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(length); i++) {
		u64 want = length[i] < CO_TEXT_MAX ? length[i] : CO_TEXT_MAX;
		struct co_cvm *cvm = cvm_ready();
		s64 ret = -1;
		const struct step steps[] = {
			{ CO_OP_CONSOLE, length[i], 0, &ret },
		};

		memset(cvm->vcpu[0].page->text, 'x', CO_TEXT_MAX);
		GUEST(&s, steps);
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(run.reason, CO_EXIT_CONSOLE);
		assert_int_equal(run.text_len, want);
		assert_memory_equal(run.text, cvm->vcpu[0].page->text, want);
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(run.reason, CO_EXIT_POWEROFF);
		assert_int_equal(run.text_len, 0);
		assert_int_equal(ret, want);
		co_cvm_destroy(cvm);
	}
}

static void device_goes_to_the_daemon(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	s64 good = -1, bad = 0, wild = 0;
	const struct step steps[] = {
		{ CO_OP_DEVICE, CO_MAX_DEVICES, 0, &bad },
		{ CO_OP_DEVICE, ~0ULL, 0, &wild },
		{ CO_OP_DEVICE, CO_MAX_DEVICES - 1, 0, &good },
	};
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_int_equal(run.arg[0], CO_MAX_DEVICES - 1);
	assert_int_equal(run.arg[1], 0);
	assert_int_equal(run.arg[2], 0);
	assert_int_equal(bad, -EINVAL);
	assert_int_equal(wild, -EINVAL);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	assert_int_equal(good, 0);
	co_cvm_destroy(cvm);
}

/* What the driver finds wrong ends the CVM, with a sentence. */
static void check_crash(const struct step *step, u64 arg0, const char *text)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;

	guest_script(&s, step, 1);
	sim.in_service = 3;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_CRASH);
	assert_true(run.arg[0] == arg0);
	assert_in_range(run.text_len, 1, CO_TEXT_MAX);
	run.text[run.text_len] = 0;
	if (!strstr((char *)run.text, text))
		fail_msg("'%s' not in '%s'", text, run.text);
	assert_int_equal(cvm_stats(cvm).drained, 3);
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	co_cvm_destroy(cvm);
}

static void unknown_operations_crash(void **state)
{
	static const u32 ops[] = { CO_OP_MAX + 1, 0x80000000, ~0U };
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		check_crash(&(struct step){ ops[i] }, ~0ULL, "operation");
}

static void bad_vectors_crash(void **state)
{
	static const u64 vectors[] = {
		0, 2, 31, 0x80, 256, 0x1000000ff, ~0ULL
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		check_crash(&(struct step){ CO_OP_FORWARD, vectors[i] }, ~0ULL,
			    "interrupt");
		assert_int_equal(sim.forwarded[vectors[i] & 255], 0);
	}
}

static void interrupts_are_forwarded(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct step steps[255 - 32 + 1];
	struct co_ioc_run run;
	struct script s;
	u32 v, n = 0;

	for (v = 32; v < 256; v++)
		if (v != 0x80)
			steps[n++] = (struct step){ CO_OP_FORWARD, v };
	guest_script(&s, steps, n);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	for (v = 0; v < 256; v++)
		assert_int_equal(sim.forwarded[v], v >= 32 && v != 0x80);
	assert_int_equal(cvm_stats(cvm).forwards, n);
	assert_int_equal(cvm_stats(cvm).switches, n + 1);
	co_cvm_destroy(cvm);
}

static void faults_crash(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	static const struct step steps[] = { { 0, 14, CO_ARCH_FAULT } };
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_CRASH);
	assert_true(run.arg[0] == 14);
	assert_true(run.arg[1] == ENTRY + 0x123);
	assert_true(run.arg[2] == 0xdead000);
	co_cvm_destroy(cvm);
}

/* ioctl.h: arg0 is the vector or ~0. */
static void fault_without_vector(void **state)
{
	check_crash(&(struct step){ 0, ~0ULL, CO_ARCH_FAULT }, ~0ULL, "");
}

/* After an NMI it goes on at once; the CPU is not given up. */
static void nmis_reenter(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	static const struct step steps[] = {
		{ 0, 0, CO_ARCH_NMI }, { 0, 0, CO_ARCH_NMI },
		{ CO_OP_DEVICE, 1 },
	};
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_DEVICE);
	assert_int_equal(sim.entries, 3);
	assert_int_equal(sim.yields, 1);
	assert_int_equal(cvm_stats(cvm).switches, 3);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit only_nmis(struct co_vcpu *vcpu,
				   struct co_arch_fault *fault, void *arg)
{
	sim.now_ns += 100000000;
	return CO_ARCH_NMI;
}

static void a_guest_that_hangs_is_abandoned(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;

	sim.guest = only_nmis;
	sim.in_service = 1;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_CRASH);
	assert_in_range(sim.entries, 20, 200);
	assert_int_equal(cvm_stats(cvm).drained, 1);
	/* The watchdog must leave the CPU alone that ran it. */
	assert_false(co_vcpu_overdue(&cvm->vcpu[0], sim.now_ns + (1ULL << 40),
				     2000000000));
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit is_watched(struct co_vcpu *vcpu,
				    struct co_arch_fault *fault, void *arg)
{
	u64 now = sim.now_ns;

	assert_false(co_vcpu_overdue(vcpu, now, 2000000000));
	assert_false(co_vcpu_overdue(vcpu, now - 1000000, 2000000000));
	assert_true(co_vcpu_overdue(vcpu, now + 2000001000, 2000000000));
	vcpu->page->op = CO_OP_DEVICE;
	return CO_ARCH_OP;
}

static void only_a_vcpu_in_its_guest_is_overdue(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;

	assert_false(co_vcpu_overdue(&cvm->vcpu[0], ~0ULL, 1));
	sim.guest = is_watched;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_false(co_vcpu_overdue(&cvm->vcpu[0], ~0ULL, 1));
	co_cvm_destroy(cvm);
}

/* --- giving up the CPU -------------------------------------------------------- */

static void signal_is_eintr_and_nothing_happened(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	struct script s;

	guest_script(&s, NULL, 0);
	sim.signal = true;
	assert_int_equal(cvm_run(cvm, 0, &run), -EINTR);
	assert_int_equal(cvm_run(cvm, 0, &run), -EINTR);
	assert_int_equal(sim.entries, 0);
	sim.signal = false;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit spins(struct co_vcpu *vcpu,
			       struct co_arch_fault *fault, void *arg)
{
	vcpu->page->op = CO_OP_NONE;
	return CO_ARCH_OP;
}

static void signal_during_a_burst_is_eintr(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	unsigned long n;

	sim.guest = spins;
	for (n = 1; n < 20; n++) {
		sim.signal = false;
		sim.signal_after = n;
		assert_int_equal(cvm_run(cvm, 0, &run), -EINTR);
	}
	co_cvm_destroy(cvm);
}

static enum co_arch_exit spins_in_ms(struct co_vcpu *vcpu,
				     struct co_arch_fault *fault, void *arg)
{
	sim.now_ns += 1000000;
	return spins(vcpu, fault, arg);
}

static void a_spinning_guest_shares_the_cpu(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;

	sim.guest = spins_in_ms;
	sim.signal_after = 100;
	assert_int_equal(cvm_run(cvm, 0, &run), -EINTR);
	/* It ran for 80 ms or so and let others run each few of them. */
	assert_true(sim.yields > sim.entries / 10);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit wants_resched(struct co_vcpu *vcpu,
				       struct co_arch_fault *fault, void *arg)
{
	unsigned int *left = arg;

	vcpu->page->op = (*left)-- ? CO_OP_NONE : CO_OP_POWEROFF;
	sim.resched = true;
	return CO_ARCH_OP;
}

static void the_host_gets_the_cpu_when_it_wants(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	unsigned int left = 10;
	struct co_ioc_run run;

	sim.guest = wants_resched;
	sim.guest_arg = &left;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(sim.entries, 11);
	assert_in_range(sim.yields, 11, 12);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit runs_itself(struct co_vcpu *vcpu,
				     struct co_arch_fault *fault, void *arg)
{
	struct co_ioc_run run;

	assert_int_equal(cvm_run(vcpu->cvm, 0, &run), -EBUSY);
	vcpu->page->op = CO_OP_POWEROFF;
	return CO_ARCH_OP;
}

static void running_twice_is_ebusy(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;

	sim.guest = runs_itself;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	assert_int_equal(cvm_run(cvm, 0, &run), -ESHUTDOWN);
	co_cvm_destroy(cvm);
}

static void operations_return_zero(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	s64 ret[3] = { -1, -1, -1 };
	const struct step steps[] = {
		{ CO_OP_NONE, 0, 0, &ret[0] },
		{ CO_OP_TIMER, 5, 0, &ret[1] },
		{ CO_OP_TIMER, CO_TIMER_OFF, 0, &ret[2] },
	};
	struct co_ioc_run run;
	struct script s;

	GUEST(&s, steps);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	assert_int_equal(ret[0], 0);
	assert_int_equal(ret[1], 0);
	assert_int_equal(ret[2], 0);
	co_cvm_destroy(cvm);
}

/* The guest may write anything into its page; only op and arg[0] matter. */
static enum co_arch_exit writes_all(struct co_vcpu *vcpu,
				    struct co_arch_fault *fault, void *arg)
{
	u8 *fill = arg;

	memset(vcpu->page, *fill, sizeof(*vcpu->page));
	vcpu->page->op = (*fill)++ ? CO_OP_NONE : CO_OP_POWEROFF;
	return CO_ARCH_OP;
}

static void a_page_full_of_anything(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	u8 fill = 1;

	sim.guest = writes_all;
	sim.guest_arg = &fill;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_int_equal(run.reason, CO_EXIT_POWEROFF);
	co_cvm_destroy(cvm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(run_before_boot_is_enxio),
		TEST(poweroff_is_final),
		TEST(reboot_is_final),
		TEST(panic_tells_why),
		TEST(panic_with_wild_length),
		TEST(console_text_arrives),
		TEST(device_goes_to_the_daemon),
		TEST(unknown_operations_crash),
		TEST(bad_vectors_crash),
		TEST(interrupts_are_forwarded),
		TEST(faults_crash),
		TEST(fault_without_vector),
		TEST(nmis_reenter),
		TEST(a_guest_that_hangs_is_abandoned),
		TEST(only_a_vcpu_in_its_guest_is_overdue),
		TEST(signal_is_eintr_and_nothing_happened),
		TEST(signal_during_a_burst_is_eintr),
		TEST(a_spinning_guest_shares_the_cpu),
		TEST(the_host_gets_the_cpu_when_it_wants),
		TEST(running_twice_is_ebusy),
		TEST(operations_return_zero),
		TEST(a_page_full_of_anything),
	};

	return cmocka_run_group_tests_name("run", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* The pvclock lines and the wall clock, against 128-bit arithmetic. */
#include "cvm.h"

typedef unsigned __int128 u128;

/* What a guest computes, as Linux' pvclock does it. */
static u64 guest_ns(const struct co_clock *c, u64 tsc)
{
	u64 delta = tsc - c->tsc_timestamp;

	if (c->tsc_shift >= 0)
		delta <<= c->tsc_shift;
	else
		delta >>= -c->tsc_shift;
	return c->system_time + (u64)((u128)delta * c->tsc_to_system_mul >> 32);
}

/* The clock of a new CVM whose host has this TSC. */
static struct co_clock clock_for(u32 khz)
{
	struct co_cvm *cvm;
	struct co_clock clock;

	sim.tsc_khz = khz;
	cvm = cvm_ready();
	clock = cvm->vcpu[0].page->clock;
	co_cvm_destroy(cvm);
	return clock;
}

/* After this many seconds the guest's clock is within 5 parts in 10^9. */
static void check_rate(const struct co_clock *c, u32 khz, u64 seconds)
{
	u64 ticks = seconds * 1000 * khz;
	u64 want = c->system_time + seconds * 1000000000;
	u64 got = guest_ns(c, c->tsc_timestamp + ticks);
	u64 off = got > want ? got - want : want - got;

	if (off > seconds * 5 + 1000000 / khz + 2)
		fail_msg("%u kHz: after %llu s off by %llu ns (mul %u, shift %d)",
			 khz, seconds, off, c->tsc_to_system_mul, c->tsc_shift);
}

static void check_khz(u32 khz)
{
	struct co_clock c = clock_for(khz);

	assert_int_equal(c.version & 1, 0);
	assert_true(c.tsc_to_system_mul >= 0x80000000);	/* all bits used */
	check_rate(&c, khz, 1);
	check_rate(&c, khz, 3600);
}

static void rates_of_real_machines(void **state)
{
	static const u32 khz[] = {
		1000000, 999999, 1000001, 2000000, 1999999, 2000001, 2394230,
		2400000, 2496000, 2893202, 3000000, 3312000, 3693059, 4000000,
		4200000, 5000000, 5700000, 800000, 500000, 24000, 38400,
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(khz); i++)
		check_khz(khz[i]);
}

/*
 * The full range of u32: each power of two and its neighbours, and a walk.
 * Below 1 MHz there is no TSC.
 */
static void rates_of_any_machine(void **state)
{
	u64 khz;
	int bit;

	for (bit = 10; bit <= 32; bit++) {
		check_khz((u32)((1ULL << bit) - 1));
		if (bit < 32) {
			check_khz(1U << bit);
			check_khz((1U << bit) + 1);
		}
	}
	for (khz = 1000; khz < 1ULL << 32; khz += khz / 40 + 7)
		check_khz((u32)khz);
}

static void an_unknown_rate_does_not_divide_by_zero(void **state)
{
	struct co_clock c = clock_for(0);

	assert_true(c.tsc_to_system_mul >= 0x80000000);
}

static void guest_time_starts_at_creation(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	struct co_clock *c;

	sim.step_ns = 0;
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	sim_advance(5000000000);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	c = &cvm->vcpu[0].page->clock;
	assert_true(c->system_time == 5000000000);
	co_cvm_destroy(cvm);
}

static void wall_clock_is_the_hosts_at_guest_time_zero(void **state)
{
	struct co_cvm *cvm = co_cvm_new();
	struct co_boot *boot;
	u64 at_creation;

	sim.step_ns = 0;
	sim.wall_ns = 1700000000987654321ULL - sim.now_ns;
	at_creation = sim.wall_ns + sim.now_ns;
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	sim_advance(123456789);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	boot = co_memory_hva(cvm, CO_BOOT_GPA, sizeof(*boot));
	assert_true((u64)boot->wall_sec * 1000000000 + boot->wall_nsec ==
		    at_creation);
	assert_true(boot->wall_nsec < 1000000000);
	assert_int_equal(boot->wall_version & 1, 0);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit sleeps(struct co_vcpu *vcpu,
				struct co_arch_fault *fault, void *arg)
{
	struct co_clock *kept = arg;

	*kept = vcpu->page->clock;
	vcpu->page->op = CO_OP_DEVICE;
	vcpu->page->arg[0] = 0;
	return CO_ARCH_OP;
}

static void a_stable_line_never_moves(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_clock first = cvm->vcpu[0].page->clock, seen;
	struct co_ioc_run run;
	int i;

	assert_int_equal(first.flags, CO_CLOCK_STABLE);
	sim.guest = sleeps;
	sim.guest_arg = &seen;
	for (i = 0; i < 10; i++) {
		sim_advance(1000000000);
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_memory_equal(&seen, &first, sizeof(seen));
	}
	co_cvm_destroy(cvm);
}

/* Where the TSC jumps, the line is right at each entry after a while. */
static void an_unstable_line_is_drawn_anew(void **state)
{
	struct co_clock seen;
	struct co_ioc_run run;
	struct co_cvm *cvm;
	u32 version = 0;
	int i;

	sim.tsc_stable = false;
	cvm = cvm_ready();
	sim.guest = sleeps;
	sim.guest_arg = &seen;
	for (i = 0; i < 10; i++) {
		sim_advance(100000000);
		sim.tsc_khz += 10000;	/* the TSC goes astray */
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		assert_int_equal(seen.flags, 0);
		assert_int_equal(seen.version & 1, 0);
		assert_true(seen.version > version);
		version = seen.version;
		assert_in_range(sim.now_ns - cvm->origin_ns -
				seen.system_time, 0, 2000);
	}
	co_cvm_destroy(cvm);
}

static enum co_arch_exit spoils(struct co_vcpu *vcpu,
				struct co_arch_fault *fault, void *arg)
{
	vcpu->page->clock.version = *(u32 *)arg;
	vcpu->page->op = CO_OP_DEVICE;
	vcpu->page->arg[0] = 0;
	return CO_ARCH_OP;
}

/* Its version is the guest's to spoil; the driver still leaves it even. */
static void a_spoilt_version_ends_even(void **state)
{
	static u32 versions[] = { 1, 2, 0x7fffffff, 0xffffffff, 0xfffffffe };
	struct co_ioc_run run;
	struct co_cvm *cvm;
	u32 i;

	sim.tsc_stable = false;
	cvm = cvm_ready();
	sim.guest = spoils;
	for (i = 0; i < ARRAY_SIZE(versions); i++) {
		sim.guest_arg = &versions[i];
		assert_int_equal(cvm_run(cvm, 0, &run), 0);
		sim_advance(100000000);
		co_clock_update(&cvm->vcpu[0]);
		assert_int_equal(cvm->vcpu[0].page->clock.version & 1, 0);
	}
	co_cvm_destroy(cvm);
}

/* --- steps of the host's clocks ------------------------------------------------ */

#define HOUR_NS		3600000000000LL
#define CONTROL		(1 << CO_VIRQ_CONTROL)

static struct co_boot *boot_of(struct co_cvm *cvm)
{
	return co_memory_hva(cvm, CO_BOOT_GPA, sizeof(struct co_boot));
}

static u64 wall_of(struct co_cvm *cvm)
{
	struct co_boot *boot = boot_of(cvm);

	assert_int_equal(boot->wall_version & 1, 0);
	assert_true(boot->wall_nsec < 1000000000);
	return (u64)boot->wall_sec * 1000000000 + boot->wall_nsec;
}

/* The guest is entered after some time; what was told it then. */
static u64 told(struct co_cvm *cvm, u64 after_ns)
{
	static struct co_clock seen;
	struct co_ioc_run run;

	sim.guest = sleeps;
	sim.guest_arg = &seen;
	sim_advance(after_ns);
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	return guest_take(&cvm->vcpu[0], 0);
}

static u64 guest_time(struct co_cvm *cvm)
{
	struct co_os_clock now;

	co_os_clock(&now);
	return guest_ns(&cvm->vcpu[0].page->clock, now.tsc);
}

static void check_wall_step(struct co_cvm *cvm, s64 step)
{
	u64 before = wall_of(cvm);
	u32 version = boot_of(cvm)->wall_version;

	sim.wall_ns += (u64)step;
	assert_true(told(cvm, 1100000000) == CONTROL);
	assert_true(wall_of(cvm) - before == (u64)step);
	assert_true(boot_of(cvm)->wall_version != version);
	assert_true(told(cvm, 1100000000) == 0);	/* once */
}

static void steps_of_the_wall_clock_are_told(void **state)
{
	struct co_cvm *cvm;
	int stable;

	for (stable = 0; stable <= 1; stable++) {
		sim.tsc_stable = stable;
		cvm = cvm_ready();
		assert_true(told(cvm, 1100000000) == 0);
		check_wall_step(cvm, HOUR_NS);
		check_wall_step(cvm, -2 * HOUR_NS);
		check_wall_step(cvm, 1000001);
		check_wall_step(cvm, -1000001);
		co_cvm_destroy(cvm);
	}
}

static void a_steady_wall_clock_is_left_alone(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_boot before = *boot_of(cvm);
	int i;

	for (i = 0; i < 20; i++) {
		sim.wall_ns += i & 1 ? 900000 : -900000;
		assert_true(told(cvm, 1100000000) == 0);
	}
	assert_memory_equal(boot_of(cvm), &before, sizeof(before));
	co_cvm_destroy(cvm);
}

/* The guest's to spoil, too. */
static void a_spoilt_wall_version_ends_even(void **state)
{
	struct co_cvm *cvm = cvm_ready();

	boot_of(cvm)->wall_version = 0xffffffff;
	boot_of(cvm)->wall_sec = 0;
	sim.wall_ns += HOUR_NS;
	assert_true(told(cvm, 1100000000) == CONTROL);
	assert_int_equal(boot_of(cvm)->wall_version, 0);
	assert_true(boot_of(cvm)->wall_sec > 1000000000);
	co_cvm_destroy(cvm);
}

/* The TSC went on, and with it the guest's clock, which must not go back. */
static void a_sleep_with_the_tsc_going_on(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	u64 wall = wall_of(cvm), before;

	sim.step_ns = 0;
	sim.tsc_ahead_ns = HOUR_NS;
	sim.wall_ns += HOUR_NS;
	before = guest_time(cvm);
	assert_true(before > HOUR_NS - 10000);
	assert_true(told(cvm, 1100000000) == CONTROL);	/* the line moved */
	assert_in_range(guest_time(cvm) - before, 1099999990, 1100000010);
	/* What the guest computes of it is right as it was. */
	assert_true(wall_of(cvm) + 10000 - wall < 20000);
	assert_int_equal(cvm->vcpu[0].page->clock.flags, CO_CLOCK_STABLE);
	assert_true(told(cvm, 1100000000) == 0);
	co_cvm_destroy(cvm);
}

/* It started from 0: the guest's clock stands where it was, the wall's is on. */
static void a_sleep_that_resets_the_tsc(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	u64 wall = wall_of(cvm), before;

	sim.step_ns = 0;
	sim_advance(7000000000);
	assert_true(told(cvm, 0) == 0);
	before = guest_time(cvm);
	sim.tsc_ahead_ns = -(s64)sim.now_ns;
	sim.wall_ns += HOUR_NS;
	assert_true(told(cvm, 1100000000) == CONTROL);
	assert_in_range(guest_time(cvm) - before, 1099990000, 1100010000);
	assert_true(wall_of(cvm) - wall == HOUR_NS);
	co_cvm_destroy(cvm);
}

static void a_tsc_that_loses_its_trust_is_told_once(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	u32 version = cvm->vcpu[0].page->clock.version;

	sim.tsc_stable = false;
	assert_true(told(cvm, 1100000000) == CONTROL);
	assert_int_equal(cvm->vcpu[0].page->clock.flags, 0);
	assert_true(cvm->vcpu[0].page->clock.version != version);
	assert_true(told(cvm, 1100000000) == 0);
	co_cvm_destroy(cvm);
}

static enum co_arch_exit resched_once(struct co_vcpu *vcpu,
				      struct co_arch_fault *fault, void *arg)
{
	unsigned int *left = arg;

	sim.resched = true;
	sim.now_ns += 1000;
	vcpu->page->op = --*left ? CO_OP_NONE : CO_OP_DEVICE;
	vcpu->page->arg[0] = 0;
	return CO_ARCH_OP;
}

/* Steal time is what others ran for, not what the guest ran or slept. */
static void steal_is_what_others_ran(void **state)
{
	struct co_cvm *cvm = cvm_ready();
	struct co_ioc_run run;
	unsigned int left = 5;

	sim.guest = resched_once;
	sim.guest_arg = &left;
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	/* Only the sim's own steps: nobody else ran. */
	assert_true(cvm->vcpu[0].page->steal_ns < 1000);
	left = 5;
	sim_advance(7000000000);	/* the daemon was busy */
	assert_int_equal(cvm_run(cvm, 0, &run), 0);
	assert_true(cvm->vcpu[0].page->steal_ns < 2000);
	co_cvm_destroy(cvm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rates_of_real_machines),
		TEST(rates_of_any_machine),
		TEST(an_unknown_rate_does_not_divide_by_zero),
		TEST(guest_time_starts_at_creation),
		TEST(wall_clock_is_the_hosts_at_guest_time_zero),
		TEST(a_stable_line_never_moves),
		TEST(an_unstable_line_is_drawn_anew),
		TEST(a_spoilt_version_ends_even),
		TEST(steps_of_the_wall_clock_are_told),
		TEST(a_steady_wall_clock_is_left_alone),
		TEST(a_spoilt_wall_version_ends_even),
		TEST(a_sleep_with_the_tsc_going_on),
		TEST(a_sleep_that_resets_the_tsc),
		TEST(a_tsc_that_loses_its_trust_is_told_once),
		TEST(steal_is_what_others_ran),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}

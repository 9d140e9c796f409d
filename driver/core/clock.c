// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's clock: a line through the TSC in each vCPU page, and the wall
 * clock at guest time 0. Where the host does not trust its TSC the line is
 * drawn anew whenever the guest is entered after a while, and the guest keeps
 * it monotonic itself (CO_CLOCK_STABLE is not set). Elsewhere it stays as it
 * is, unless it is found to be wrong: the host slept, or lost its trust.
 */
#include "core.h"

#define REDRAW_NS	1000000		/* of a line that is not stable */
#define CHECK_NS	1000000000	/* of one that is */
#define BEHIND_NS	5000000		/* more than slewing does in a second */
#define AHEAD_NS	1000000000	/* time must not go back for less */

/*
 * ns = ((tsc << shift) * mul) >> 32, for shift >= 0, else tsc >> -shift; mul
 * between 2^31 and 2^32 uses all its bits.
 */
static void clock_scale(u32 khz, u32 *mul, s8 *shift)
{
	u64 ns_per_tick;	/* 32.32 */
	int s = 0;

	if (!khz)
		khz = 1000000;
	ns_per_tick = (1000000ULL << 32) / khz;
	while (ns_per_tick >> 32) {
		ns_per_tick >>= 1;
		s++;
	}
	while (!(ns_per_tick >> 31)) {
		ns_per_tick <<= 1;
		s--;
	}
	/* The bits lost by shifting a quotient are got back by dividing anew. */
	if (s < 0)
		ns_per_tick = s >= -12 ? (1000000ULL << (32 - s)) / khz :
					 ns_per_tick;
	*mul = (u32)ns_per_tick;
	*shift = (s8)s;
}

static void wall_write(struct co_cvm *cvm, struct co_boot *boot,
		       const struct co_os_clock *now)
{
	u64 origin = now->wall_ns - (now->now_ns - cvm->origin_ns);

	boot->wall_sec = (s64)(origin / 1000000000);
	boot->wall_nsec = (u32)(origin % 1000000000);
}

static void clock_write(struct co_cvm *cvm, struct co_clock *clock,
			const struct co_os_clock *now)
{
	u32 version = READ_ONCE(clock->version) | 1;
	u32 mul;
	s8 shift;

	clock_scale(now->tsc_khz, &mul, &shift);
	WRITE_ONCE(clock->version, version);
	co_store_barrier();	/* odd version before the fields, see the guest */
	clock->tsc_timestamp = now->tsc;
	clock->system_time = now->now_ns - cvm->origin_ns;
	clock->tsc_to_system_mul = mul;
	clock->tsc_shift = shift;
	clock->flags = now->stable ? CO_CLOCK_STABLE : 0;
	co_store_barrier();	/* fields before the even version */
	WRITE_ONCE(clock->version, version + 1);
}

void co_clock_init(struct co_cvm *cvm, struct co_boot *boot)
{
	struct co_os_clock now;
	u32 i;

	co_os_clock(&now);
	boot->tsc_khz = now.tsc_khz;
	wall_write(cvm, boot, &now);
	for (i = 0; i < cvm->vcpus; i++) {
		clock_write(cvm, &cvm->vcpu[i].page->clock, &now);
		cvm->vcpu[i].clock_ns = now.now_ns;
		cvm->vcpu[i].clock_stable = now.stable;
		cvm->vcpu[i].clock_tsc = now.tsc;
	}
}

/* Does the line drawn at clock_tsc, clock_ns still tell the host's time? */
static bool line_holds(const struct co_vcpu *vcpu,
		       const struct co_os_clock *now)
{
	u64 ticks = now->tsc - vcpu->clock_tsc;
	u64 elapsed = now->now_ns - vcpu->clock_ns;
	u64 ms, line;

	if (!now->stable || now->tsc < vcpu->clock_tsc || !now->tsc_khz)
		return false;
	ms = ticks / now->tsc_khz;
	line = ms * 1000000 + ticks % now->tsc_khz * 1000000 / now->tsc_khz;
	return line < elapsed + AHEAD_NS && elapsed < line + BEHIND_NS;
}

/* At the start of a burst, by the thread that runs the vCPU. */
void co_clock_update(struct co_vcpu *vcpu)
{
	u64 age = vcpu->clock_stable ? CHECK_NS : REDRAW_NS;
	struct co_os_clock now;

	if (co_os_now_ns() - vcpu->clock_ns < age)
		return;
	co_os_clock(&now);
	if (!vcpu->clock_stable || !line_holds(vcpu, &now)) {
		clock_write(vcpu->cvm, &vcpu->page->clock, &now);
		vcpu->clock_stable = now.stable;
	}
	/* Check the next second against this reading: slewing adds up. */
	vcpu->clock_ns = now.now_ns;
	vcpu->clock_tsc = now.tsc;
}

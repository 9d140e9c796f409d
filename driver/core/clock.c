// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's clock: a line through the TSC in each vCPU page, and the wall
 * clock at guest time 0. Where the host does not trust its TSC the line is
 * drawn anew whenever the guest is entered after a while, and the guest keeps
 * it monotonic itself (CO_CLOCK_STABLE is not set). Elsewhere it stays as it
 * is, unless it is found to be wrong: the host slept, or lost its trust.
 *
 * All of this is looked at when the guest is entered, never by a timer: a guest
 * that sleeps does not read its clock.
 */
#include "core.h"

#define REDRAW_NS	1000000		/* of a line that is not stable */
#define CHECK_NS	1000000000	/* of one that is */
#define BEHIND_NS	5000000		/* more than slewing does in a second */
#define AHEAD_NS	1000000000
#define WALL_STEP_NS	1000000		/* of the host's wall clock */

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

/* The wall clock at guest time 0, as the host sees it now. */
static u64 wall_origin(const struct co_cvm *cvm, const struct co_os_clock *now)
{
	return now->wall_ns - (now->now_ns - cvm->origin_ns);
}

static void wall_write(struct co_cvm *cvm, struct co_boot *boot, u64 origin)
{
	u32 version = READ_ONCE(boot->wall_version) | 1;

	WRITE_ONCE(boot->wall_version, version);
	co_store_barrier();	/* odd version before the fields, see the guest */
	boot->wall_sec = (s64)(origin / 1000000000);
	boot->wall_nsec = (u32)(origin % 1000000000);
	co_store_barrier();	/* fields before the even version */
	WRITE_ONCE(boot->wall_version, version + 1);
	cvm->wall_origin_ns = origin;
}

static void line_draw(struct co_vcpu *vcpu, const struct co_os_clock *now)
{
	struct co_clock *line = &vcpu->line;

	line->tsc_timestamp = now->tsc;
	line->system_time = now->now_ns - vcpu->cvm->origin_ns;
	clock_scale(now->tsc_khz, &line->tsc_to_system_mul, &line->tsc_shift);
	line->flags = now->stable ? CO_CLOCK_STABLE : 0;
}

static void line_write(struct co_vcpu *vcpu)
{
	struct co_clock *clock = &vcpu->page->clock;
	u32 version = READ_ONCE(clock->version) | 1;

	WRITE_ONCE(clock->version, version);
	co_store_barrier();	/* odd version before the fields, see the guest */
	clock->tsc_timestamp = vcpu->line.tsc_timestamp;
	clock->system_time = vcpu->line.system_time;
	clock->tsc_to_system_mul = vcpu->line.tsc_to_system_mul;
	clock->tsc_shift = vcpu->line.tsc_shift;
	clock->flags = vcpu->line.flags;
	co_store_barrier();	/* fields before the even version */
	WRITE_ONCE(clock->version, version + 1);
}

void co_clock_init(struct co_cvm *cvm, struct co_boot *boot)
{
	struct co_os_clock now;
	struct co_vcpu *vcpu;
	u32 i;

	co_os_clock(&now);
	boot->tsc_khz = now.tsc_khz;
	wall_write(cvm, boot, wall_origin(cvm, &now));
	for (i = 0; i < cvm->vcpus; i++) {
		vcpu = &cvm->vcpu[i];
		line_draw(vcpu, &now);
		line_write(vcpu);
		vcpu->clock_ns = now.now_ns;
		vcpu->clock_tsc = now.tsc;
	}
}

/* Does the line drawn at clock_tsc, clock_ns still tell the host's time? */
static bool line_holds(const struct co_vcpu *vcpu,
		       const struct co_os_clock *now)
{
	u64 elapsed = now->now_ns - vcpu->clock_ns;
	u64 ticks = now->tsc - vcpu->clock_tsc;
	u64 ms, line;

	if (!now->stable || now->tsc < vcpu->clock_tsc || !now->tsc_khz)
		return false;
	ms = ticks / now->tsc_khz;
	line = ms * 1000000 + ticks % now->tsc_khz * 1000000 / now->tsc_khz;
	return line < elapsed + AHEAD_NS && elapsed < line + BEHIND_NS;
}

/* What the guest reads at tsc, computed as it does. */
static u64 line_at(const struct co_clock *line, u64 tsc)
{
	u64 mul = line->tsc_to_system_mul;
	u64 delta = tsc - line->tsc_timestamp;

	if (line->tsc_shift >= 0)
		delta <<= line->tsc_shift;
	else
		delta >>= -line->tsc_shift;
	return line->system_time + (delta >> 32) * mul +
	       ((delta & 0xffffffff) * mul >> 32);
}

/*
 * The guest has seen the line and its time must not go back: where the line is
 * ahead of the host's clock (the TSC went on while the host slept) guest time
 * goes on from there.
 */
static void keep_ahead(struct co_vcpu *vcpu, const struct co_os_clock *now)
{
	const struct co_clock *line = &vcpu->line;
	u64 guest = now->now_ns - vcpu->cvm->origin_ns;
	u64 shown;

	if (!(line->flags & CO_CLOCK_STABLE) || vcpu->index ||
	    now->tsc < line->tsc_timestamp)
		return;
	shown = line_at(line, now->tsc);
	if (shown > guest)
		vcpu->cvm->origin_ns -= shown - guest;
}

/*
 * The host's wall clock was set, or the host slept. vCPU 0 tells the guest, so
 * that there is one writer.
 */
static void wall_update(struct co_vcpu *vcpu, const struct co_os_clock *now)
{
	struct co_cvm *cvm = vcpu->cvm;
	u64 origin = wall_origin(cvm, now);
	u64 step = origin - cvm->wall_origin_ns;

	if (vcpu->index ||
	    (step < WALL_STEP_NS || step > ~0ULL - WALL_STEP_NS))
		return;
	wall_write(cvm, co_memory_hva(cvm, CO_BOOT_GPA, sizeof(struct co_boot)),
		   origin);
	co_virq_raise(vcpu, CO_VIRQ_CONTROL);
}

/* At the start of a burst, by the thread that runs the vCPU. */
void co_clock_update(struct co_vcpu *vcpu)
{
	bool stable = vcpu->line.flags & CO_CLOCK_STABLE;
	struct co_os_clock now;

	if (co_os_now_ns() - vcpu->clock_ns < (stable ? CHECK_NS : REDRAW_NS))
		return;
	co_os_clock(&now);
	if (!stable || !line_holds(vcpu, &now)) {
		keep_ahead(vcpu, &now);
		line_draw(vcpu, &now);
		line_write(vcpu);
		if (stable)	/* the guest relies on it: look at once */
			co_virq_raise(vcpu, CO_VIRQ_CONTROL);
	}
	wall_update(vcpu, &now);
	/* Check the next second against this reading: slewing adds up. */
	vcpu->clock_ns = now.now_ns;
	vcpu->clock_tsc = now.tsc;
}

// SPDX-License-Identifier: GPL-2.0
/* The simulated processor: entering the guest is calling sim.guest. */
#include "sim.h"

int co_arch_check(char *why, size_t size)
{
	snprintf(why, size, "%s", "");
	return 0;
}

void co_arch_load(struct co_vcpu *vcpu)
{
	sim_require(sim_thread.fpu && !sim_thread.loaded,
		    "co_arch_load outside of a burst, or twice");
	sim_thread.loaded = vcpu;
}

void co_arch_save(struct co_vcpu *vcpu)
{
	sim_require(sim_thread.fpu && sim_thread.loaded == vcpu,
		    "co_arch_save of what is not loaded");
	sim_require(!sim_thread.irq_off, "co_arch_save with interrupts off");
	sim_thread.loaded = NULL;
}

enum co_arch_exit co_arch_enter(struct co_vcpu *vcpu,
				struct co_arch_fault *fault)
{
	sim_require(sim_thread.irq_off, "co_arch_enter with interrupts on");
	sim_require(sim_thread.loaded == vcpu, "co_arch_enter: not loaded");
	sim_require(!READ_ONCE(vcpu->cvm->ended),
		    "co_arch_enter of a CVM that has ended");
	co_atomic_inc((__u64 *)&sim.entries);
	return sim.guest(vcpu, fault, sim.guest_arg);
}

void co_arch_forward(unsigned int vector)
{
	sim_require(sim_thread.irq_off, "co_arch_forward with interrupts on");
	sim_require(vector >= 32 && vector < 256 && vector != 0x80,
		    "co_arch_forward: vector");
	sim.forwarded[vector]++;
}

unsigned int co_arch_drain(void)
{
	unsigned int n = sim.in_service;

	sim_require(sim_thread.irq_off, "co_arch_drain with interrupts on");
	sim.in_service = 0;
	return n;
}

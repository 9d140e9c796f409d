// SPDX-License-Identifier: GPL-2.0
/* A CVM on the simulated host, see cvm.h. */
#include "cvm.h"

int test_setup(void **state)
{
	(void)state;
	sim_reset();
	return 0;
}

/* A leak fails the test that made it. */
int test_teardown(void **state)
{
	long live = sim_live();

	(void)state;
	if (live)
		print_error("not given back: %ld allocations, %ld pages, %ld chunks, %ld events, %ld watches, %ld timers\n",
			    sim.allocs, sim.pages, sim.chunks, sim.events,
			    sim.watches, sim.timers);
	sim_forget();
	return live ? -1 : 0;
}

long cvm_create(struct co_cvm *cvm, u32 vcpus, u64 mem_bytes)
{
	struct co_ioc_create args = {
		.revision = CO_ABI_REVISION,
		.vcpus = vcpus,
		.mem_bytes = mem_bytes,
	};

	return co_cvm_ioctl(cvm, CO_IOC_CREATE, &args);
}

long cvm_boot(struct co_cvm *cvm, u64 entry_gva, u64 boot_params_gpa)
{
	struct co_ioc_boot args = {
		.entry_gva = entry_gva,
		.boot_params_gpa = boot_params_gpa,
	};

	return co_cvm_ioctl(cvm, CO_IOC_BOOT, &args);
}

long cvm_run(struct co_cvm *cvm, u32 vcpu, struct co_ioc_run *run)
{
	memset(run, 0xa5, sizeof(*run));
	run->vcpu = vcpu;
	return co_cvm_ioctl(cvm, CO_IOC_RUN, run);
}

long cvm_doorbell(struct co_cvm *cvm, u32 doorbell, s32 fd)
{
	struct co_ioc_doorbell args = { .doorbell = doorbell, .fd = fd };

	return co_cvm_ioctl(cvm, CO_IOC_DOORBELL, &args);
}

long cvm_virqfd(struct co_cvm *cvm, u32 vcpu, u32 virq, s32 fd)
{
	struct co_ioc_virqfd args = { .vcpu = vcpu, .virq = virq, .fd = fd };

	return co_cvm_ioctl(cvm, CO_IOC_VIRQFD, &args);
}

long cvm_raise(struct co_cvm *cvm, u32 vcpu, u32 virq)
{
	struct co_ioc_virqfd args = { .vcpu = vcpu, .virq = virq };

	return co_cvm_ioctl(cvm, CO_IOC_RAISE, &args);
}

struct co_ioc_stats cvm_stats(struct co_cvm *cvm)
{
	struct co_ioc_stats stats;

	assert_int_equal(co_cvm_ioctl(cvm, CO_IOC_STATS, &stats), 0);
	return stats;
}

struct co_cvm *cvm_ready(void)
{
	struct co_cvm *cvm = co_cvm_new();

	assert_non_null(cvm);
	assert_int_equal(cvm_create(cvm, 1, CO_MEM_MIN), 0);
	assert_int_equal(cvm_boot(cvm, ENTRY, CO_ZERO_PAGE_GPA), 0);
	return cvm;
}

static enum co_arch_exit follow(struct co_vcpu *vcpu,
				struct co_arch_fault *fault, void *arg)
{
	static const struct step end = { .op = CO_OP_POWEROFF };
	struct script *s = arg;
	const struct step *step = s->at < s->steps ? &s->step[s->at] : &end;

	if (s->at && s->at <= s->steps && s->step[s->at - 1].ret)
		*s->step[s->at - 1].ret = vcpu->page->ret;
	s->at++;
	if (step->why == CO_ARCH_OP) {
		vcpu->page->ret = 0x5a5a5a5a;
		vcpu->page->op = step->op;
		vcpu->page->arg[0] = step->arg;
	}
	if (step->why == CO_ARCH_FAULT)
		*fault = (struct co_arch_fault) {
			.vector = (u32)step->arg, .error = 2,
			.rip = ENTRY + 0x123, .cr2 = 0xdead000,
		};
	return step->why;
}

void guest_script(struct script *s, const struct step *step,
		  unsigned int steps)
{
	s->step = step;
	s->steps = steps;
	s->at = 0;
	sim.guest = follow;
	sim.guest_arg = s;
}

u64 guest_take(struct co_vcpu *vcpu, u32 word)
{
	return __atomic_exchange_n(&vcpu->page->virq_pending[word], 0,
				   __ATOMIC_SEQ_CST);
}

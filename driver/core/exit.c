// SPDX-License-Identifier: GPL-2.0
/*
 * What ends CO_IOC_RUN for the daemon's sake: an event of its own, and
 * notifications that it wants to serve in the thread that runs the vCPU.
 */
#include "core.h"

static void exit_signalled(void *arg)
{
	struct co_vcpu *vcpu = arg;

	co_atomic_release(&vcpu->calm);
	co_os_kick(&vcpu->waiter);
}

bool co_exit_wanted(const struct co_vcpu *vcpu)
{
	return !READ_ONCE(vcpu->calm);
}

/*
 * The thread goes back to the daemon if so. Taken with a full barrier: what
 * the signaller stored before its signal is seen by what follows.
 */
bool co_exit_take(struct co_vcpu *vcpu)
{
	return co_exit_wanted(vcpu) && co_atomic_claim(&vcpu->calm);
}

static void exit_unwatch(struct co_vcpu *vcpu)
{
	if (vcpu->exit_watch)
		co_os_event_unwatch(vcpu->exit_watch);
	vcpu->exit_watch = NULL;
}

int co_exit_watch(struct co_cvm *cvm, const struct co_ioc_exitfd *args)
{
	struct co_vcpu *vcpu;
	void *watch = NULL;
	int err;

	if (args->vcpu >= cvm->vcpus)
		return -EINVAL;
	vcpu = &cvm->vcpu[co_index(args->vcpu, cvm->vcpus)];
	if (args->fd >= 0) {
		watch = co_os_event_watch(args->fd, exit_signalled, vcpu, &err);
		if (!watch)
			return err;
	}
	exit_unwatch(vcpu);
	vcpu->exit_watch = watch;
	return 0;
}

void co_exit_unwatch_all(struct co_cvm *cvm)
{
	u32 i;

	for (i = 0; i < cvm->vcpus; i++)
		exit_unwatch(&cvm->vcpu[i]);
	memset(cvm->exitbell, 0, sizeof(cvm->exitbell));
}

int co_exitbell_set(struct co_cvm *cvm, const struct co_ioc_exitbell *args)
{
	if (args->doorbell >= CO_MAX_DOORBELLS || args->on > 1)
		return -EINVAL;
	if (!READ_ONCE(cvm->created))
		return -ENXIO;
	WRITE_ONCE(cvm->exitbell[co_index(args->doorbell, CO_MAX_DOORBELLS)],
		   (u8)args->on);
	return 0;
}

/* doorbell came from the guest. */
bool co_exitbell_on(const struct co_cvm *cvm, u64 doorbell)
{
	if (doorbell >= CO_MAX_DOORBELLS)
		return false;
	doorbell = co_index(doorbell, CO_MAX_DOORBELLS);
	return READ_ONCE(cvm->exitbell[doorbell]) && cvm->doorbell[doorbell];
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts to the guest (virqs) and notifications from it (doorbells).
 */
#include "core.h"

/* Any context. The bit is visible before the kick (co_os_kick orders). */
void co_virq_raise(struct co_vcpu *vcpu, u32 virq)
{
	co_atomic_or(&vcpu->page->virq_pending[virq / 64], 1ULL << (virq % 64));
	co_count(vcpu->cvm, virqs);
	co_os_kick(&vcpu->waiter);
}

bool co_virq_pending(struct co_vcpu *vcpu)
{
	u32 i;

	for (i = 0; i < CO_MAX_VIRQS / 64; i++)
		if (READ_ONCE(vcpu->page->virq_pending[i]))
			return true;
	return false;
}

static void virqfd_signalled(void *arg)
{
	struct co_virqfd *v = arg;

	co_virq_raise(v->vcpu, v->virq);
}

static int virq_unwatch(struct co_cvm *cvm, struct co_vcpu *vcpu, u32 virq)
{
	struct co_virqfd **p, *v;

	for (p = &cvm->virqfds; (v = *p); p = &v->next) {
		if (v->vcpu != vcpu || v->virq != virq)
			continue;
		*p = v->next;
		co_os_event_unwatch(v->watch);
		co_os_free(v);
		return 0;
	}
	return -ENOENT;
}

int co_virq_watch(struct co_cvm *cvm, const struct co_ioc_virqfd *args)
{
	struct co_vcpu *vcpu;
	struct co_virqfd *v;
	int err;

	if (args->vcpu >= cvm->vcpus || args->virq >= CO_MAX_VIRQS ||
	    args->reserved)
		return -EINVAL;
	vcpu = &cvm->vcpu[co_index(args->vcpu, cvm->vcpus)];
	if (args->fd < 0)
		return virq_unwatch(cvm, vcpu, args->virq);
	v = co_os_alloc(sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->vcpu = vcpu;
	v->virq = co_index(args->virq, CO_MAX_VIRQS);
	v->watch = co_os_event_watch(args->fd, virqfd_signalled, v, &err);
	if (!v->watch) {
		co_os_free(v);
		return err;
	}
	virq_unwatch(cvm, v->vcpu, v->virq);
	v->next = cvm->virqfds;
	cvm->virqfds = v;
	return 0;
}

void co_virq_unwatch_all(struct co_cvm *cvm)
{
	struct co_virqfd *v;

	while ((v = cvm->virqfds)) {
		cvm->virqfds = v->next;
		co_os_event_unwatch(v->watch);
		co_os_free(v);
	}
}

/*
 * Doorbells are rung without a lock, so they are fixed before the guest runs.
 */
int co_doorbell_set(struct co_cvm *cvm, const struct co_ioc_doorbell *args)
{
	void *event = NULL, **slot;
	int err;

	if (args->doorbell >= CO_MAX_DOORBELLS)
		return -EINVAL;
	if (cvm->booted)
		return -EBUSY;
	if (args->fd >= 0) {
		event = co_os_event_get(args->fd, &err);
		if (!event)
			return err;
	}
	slot = &cvm->doorbell[co_index(args->doorbell, CO_MAX_DOORBELLS)];
	if (*slot)
		co_os_event_put(*slot);
	*slot = event;
	return 0;
}

/* doorbell came from the guest. */
int co_doorbell_ring(struct co_cvm *cvm, u64 doorbell)
{
	void *event;

	if (doorbell >= CO_MAX_DOORBELLS)
		return -ENOENT;
	event = cvm->doorbell[co_index(doorbell, CO_MAX_DOORBELLS)];
	if (!event)
		return -ENOENT;
	co_count(cvm, notifies);
	co_os_event_signal(event);
	return 0;
}

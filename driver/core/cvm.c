// SPDX-License-Identifier: GPL-2.0
/*
 * A CVM's life and the ioctls that drive it. All but CO_IOC_RUN, CO_IOC_RAISE
 * and CO_IOC_STATS are serialised by cvm->mutex; the host's port guarantees
 * that no ioctl is under way when co_cvm_destroy is called.
 */
#include "core.h"

struct co_cvm *co_cvm_new(void)
{
	struct co_cvm *cvm = co_os_alloc(sizeof(*cvm));

	if (cvm)
		co_os_mutex_init(&cvm->mutex);
	return cvm;
}

static void cvm_teardown(struct co_cvm *cvm)
{
	u32 i;

	co_virq_unwatch_all(cvm);
	co_exit_unwatch_all(cvm);
	for (i = 0; i < CO_MAX_DOORBELLS; i++) {
		if (cvm->doorbell[i])
			co_os_event_put(cvm->doorbell[i]);
		cvm->doorbell[i] = NULL;
	}
	for (i = 0; cvm->vcpu && i < cvm->vcpus; i++)
		co_vcpu_destroy(&cvm->vcpu[i]);
	co_arch_cvm_destroy(cvm);
	co_os_free(cvm->vcpu);
	cvm->vcpu = NULL;
	cvm->vcpus = 0;
	co_memory_destroy(cvm);
}

void co_cvm_destroy(struct co_cvm *cvm)
{
	cvm_teardown(cvm);
	co_os_free(cvm);
}

static int cvm_create(struct co_cvm *cvm, struct co_ioc_create *args)
{
	u32 i;
	int err;

	if (args->revision != CO_ABI_REVISION) {
		args->revision = CO_ABI_REVISION;
		return -EPROTO;
	}
	args->got_bytes = 0;
	if (cvm->created)
		return -EBUSY;
	if (!args->vcpus || args->vcpus > CO_MAX_VCPUS ||
	    args->mem_bytes < CO_MEM_MIN || args->mem_bytes > CO_MEM_MAX ||
	    args->mem_bytes % CO_CHUNK_SIZE)
		return -EINVAL;
	if (args->mem_bytes > co_os_max_hpa()) {
		args->got_bytes = co_os_max_hpa() & ~(CO_CHUNK_SIZE - 1);
		return -E2BIG;
	}
	err = co_memory_create(cvm, args->mem_bytes, &args->got_bytes);
	if (err)
		return err;
	cvm->vcpu = co_os_alloc(args->vcpus * sizeof(*cvm->vcpu));
	if (!cvm->vcpu) {
		err = -ENOMEM;
		goto teardown;
	}
	for (i = 0; i < args->vcpus; i++) {
		err = co_vcpu_create(cvm, i);
		if (err)
			goto teardown;
		cvm->vcpus++;
	}
	err = co_arch_cvm_create(cvm);
	if (err)
		goto teardown;
	cvm->origin_ns = co_os_now_ns();
	/* Whoever sees this, without the mutex, sees all of the above. */
	co_store_release(&cvm->created, 1);
	return 0;

teardown:
	cvm_teardown(cvm);
	return err;
}

static int cvm_boot(struct co_cvm *cvm, const struct co_ioc_boot *args)
{
	struct co_boot *boot;
	int err;

	if (!cvm->created)
		return -ENXIO;
	if (cvm->booted)
		return -EBUSY;
	if (args->boot_params_gpa >= cvm->mem_bytes)
		return -EINVAL;
	boot = co_memory_hva(cvm, CO_BOOT_GPA, sizeof(*boot));
	memset(boot, 0, sizeof(*boot));
	boot->magic = CO_ABI_MAGIC;
	boot->revision = CO_ABI_REVISION;
	boot->mem_bytes = cvm->mem_bytes;
	boot->m2p_entries = (u64)cvm->m2p_pages * (4096 / sizeof(u32));
	boot->vcpus = cvm->vcpus;
	co_clock_init(cvm, boot);
	err = co_arch_boot(cvm, args->entry_gva, args->boot_params_gpa, boot);
	if (err)
		return err;
	co_store_release(&cvm->booted, 1);	/* as above */
	return 0;
}

static int cvm_run(struct co_cvm *cvm, struct co_ioc_run *run)
{
	struct co_vcpu *vcpu;
	int err;

	/* Only vCPU 0 has been given a place to start from. */
	if (!co_load_acquire(&cvm->booted) || run->vcpu)
		return -ENXIO;
	vcpu = &cvm->vcpu[0];
	if (!co_atomic_claim(&vcpu->running))
		return -EBUSY;
	err = co_vcpu_run(vcpu, run);
	co_atomic_release(&vcpu->running);
	return err;
}

static int cvm_raise(struct co_cvm *cvm, const struct co_ioc_virqfd *args)
{
	if (!co_load_acquire(&cvm->booted))
		return -ENXIO;
	if (args->vcpu >= cvm->vcpus || args->virq >= CO_MAX_VIRQS)
		return -EINVAL;
	co_virq_raise(&cvm->vcpu[co_index(args->vcpu, cvm->vcpus)],
		      co_index(args->virq, CO_MAX_VIRQS));
	return 0;
}

static long cvm_setup(struct co_cvm *cvm, unsigned int cmd, void *data)
{
	switch (cmd) {
	case CO_IOC_CREATE:
		return cvm_create(cvm, data);
	case CO_IOC_BOOT:
		return cvm_boot(cvm, data);
	case CO_IOC_DOORBELL:
		return cvm->created ? co_doorbell_set(cvm, data) : -ENXIO;
	case CO_IOC_VIRQFD:
		return cvm->created ? co_virq_watch(cvm, data) : -ENXIO;
	case CO_IOC_EXITFD:
		return cvm->created ? co_exit_watch(cvm, data) : -ENXIO;
	}
	return -ENOTTY;
}

long co_cvm_ioctl(struct co_cvm *cvm, unsigned int cmd, void *data)
{
	long ret;

	switch (cmd) {
	case CO_IOC_VERSION:
		return CO_ABI_REVISION;
	case CO_IOC_RUN:
		return cvm_run(cvm, data);
	case CO_IOC_RAISE:
		return cvm_raise(cvm, data);
	case CO_IOC_EXITBELL:
		return co_exitbell_set(cvm, data);
	case CO_IOC_STATS:
		memcpy(data, &cvm->stats, sizeof(cvm->stats));
		return 0;
	}
	co_os_lock(&cvm->mutex);
	ret = cvm_setup(cvm, cmd, data);
	co_os_unlock(&cvm->mutex);
	return ret;
}

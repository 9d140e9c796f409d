// SPDX-License-Identifier: GPL-2.0
/*
 * What an architecture adds to a CVM, reduced to allocations that can fail.
 * Tests of driver/x86/cvm.c link that instead.
 */
#include "sim.h"

struct co_arch_vcpu {
	u64 hpa;
	void *state;
};

struct co_arch_cvm {
	u64 hpa;
	void *table;
};

static int vcpu_create(struct co_vcpu *vcpu)
{
	vcpu->arch = co_os_alloc(sizeof(*vcpu->arch));
	if (!vcpu->arch)
		return -ENOMEM;
	vcpu->arch->state = co_os_page_alloc(1, &vcpu->arch->hpa);
	return vcpu->arch->state ? 0 : -ENOMEM;
}

int co_arch_cvm_create(struct co_cvm *cvm)
{
	u32 i;
	int err = 0;

	cvm->arch = co_os_alloc(sizeof(*cvm->arch));
	if (!cvm->arch)
		return -ENOMEM;
	cvm->arch->table = co_os_page_alloc(0, &cvm->arch->hpa);
	if (!cvm->arch->table)
		return -ENOMEM;
	for (i = 0; i < cvm->vcpus && !err; i++)
		err = vcpu_create(&cvm->vcpu[i]);
	return err;		/* the caller destroys */
}

static void vcpu_destroy(struct co_vcpu *vcpu)
{
	if (!vcpu->arch)
		return;
	if (vcpu->arch->state)
		co_os_page_free(vcpu->arch->state, 1);
	co_os_free(vcpu->arch);
	vcpu->arch = NULL;
}

void co_arch_cvm_destroy(struct co_cvm *cvm)
{
	u32 i;

	for (i = 0; cvm->vcpu && i < cvm->vcpus; i++)
		vcpu_destroy(&cvm->vcpu[i]);
	if (!cvm->arch)
		return;
	if (cvm->arch->table)
		co_os_page_free(cvm->arch->table, 0);
	co_os_free(cvm->arch);
	cvm->arch = NULL;
}

int co_arch_boot(struct co_cvm *cvm, u64 entry_gva, u64 boot_params_gpa,
		 struct co_boot *boot)
{
	u64 end = cvm->mem_bytes < CO_KERNEL_MAP_SIZE ? cvm->mem_bytes :
							CO_KERNEL_MAP_SIZE;

	(void)boot_params_gpa;
	if (entry_gva < CO_KERNEL_MAP_GVA + CO_LOW_SIZE ||
	    entry_gva >= CO_KERNEL_MAP_GVA + end)
		return -EINVAL;
	boot->area_entry = cvm->arch->hpa | 7;
	boot->passage_call = CO_AREA_CODE_GVA;
	return 0;
}

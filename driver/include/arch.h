/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam to the processor: what driver/core asks of driver/x86 (driver/sim
 * brings a pretended one). Context letters as in os.h.
 */
#ifndef CO_ARCH_H
#define CO_ARCH_H

#include <os.h>

struct co_cvm;
struct co_vcpu;
struct co_boot;

/* Why co_arch_enter came back. */
enum co_arch_exit {
	CO_ARCH_OP,	/* the guest performed an operation */
	CO_ARCH_NMI,	/* only an NMI or #MC, replayed already: enter again */
	CO_ARCH_FAULT,	/* the guest cannot go on, see co_arch_fault */
};

struct co_arch_fault {
	u32 vector;	/* exception, or ~0: none */
	u64 error;
	u64 rip;
	u64 cr2;
};

/* [T] Can this host, as it is set up now, run guests? 0 or -ENODEV with a
 * sentence in why. Called once at load. */
int co_arch_check(char *why, size_t size);

/* [T] What a CVM needs beside its memory: passage, area, first page tables. */
int co_arch_cvm_create(struct co_cvm *cvm);
void co_arch_cvm_destroy(struct co_cvm *cvm);

/*
 * [T] Make vCPU 0 start at entry and fill the architecture's fields of boot.
 * -EINVAL: entry is outside the kernel mapping.
 */
int co_arch_boot(struct co_cvm *cvm, u64 entry_gva, u64 boot_params_gpa,
		 struct co_boot *boot);

/* [F] Load/save what stays in the CPU over short exits: FPU, system-call MSRs. */
void co_arch_load(struct co_vcpu *vcpu);
void co_arch_save(struct co_vcpu *vcpu);

/* [F][I] One round trip into the guest. NMIs and #MCs are replayed inside. */
enum co_arch_exit co_arch_enter(struct co_vcpu *vcpu,
				struct co_arch_fault *fault);

/* [F][I] Run the host's handler of an interrupt that the guest forwarded. */
void co_arch_forward(unsigned int vector);

/*
 * [F][I] The guest will not run again on this CPU: run the host's handlers of
 * all interrupts it accepted and did not forward. Returns how many.
 */
unsigned int co_arch_drain(void);

#endif /* CO_ARCH_H */

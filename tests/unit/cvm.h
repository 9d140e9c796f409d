/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of driver/core share: a CVM on the simulated host. */
#ifndef TEST_CVM_H
#define TEST_CVM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../driver/sim/sim.h"

#define ENTRY	(CO_KERNEL_MAP_GVA + 0x200000)
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* What the guest does each time it is entered. */
struct step {
	u32 op;
	u64 arg;
	enum co_arch_exit why;		/* CO_ARCH_OP: perform op */
	s64 *ret;			/* where the last operation's ret goes */
};

struct script {
	const struct step *step;
	unsigned int steps;
	unsigned int at;
};

/* cmocka's setup and teardown: sim_reset; nothing may be left alive. */
int test_setup(void **state);
int test_teardown(void **state);
#define TEST(f)	cmocka_unit_test_setup_teardown(f, test_setup, test_teardown)

/* co_cvm_ioctl with the structures made here. */
long cvm_create(struct co_cvm *cvm, u32 vcpus, u64 mem_bytes);
long cvm_boot(struct co_cvm *cvm, u64 entry_gva, u64 boot_params_gpa);
long cvm_run(struct co_cvm *cvm, u32 vcpu, struct co_ioc_run *run);
long cvm_doorbell(struct co_cvm *cvm, u32 doorbell, s32 fd);
long cvm_virqfd(struct co_cvm *cvm, u32 vcpu, u32 virq, s32 fd);
long cvm_raise(struct co_cvm *cvm, u32 vcpu, u32 virq);
struct co_ioc_stats cvm_stats(struct co_cvm *cvm);

/* A CVM that can run. */
struct co_cvm *cvm_ready(void);

/* A guest that follows a script; at its end it powers off. */
void guest_script(struct script *s, const struct step *step,
		  unsigned int steps);
#define GUEST(s, steps)	guest_script(s, steps, ARRAY_SIZE(steps))

/* Take all pending virqs of a word, as a guest does. */
u64 guest_take(struct co_vcpu *vcpu, u32 word);

#endif /* TEST_CVM_H */

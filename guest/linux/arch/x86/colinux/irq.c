// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts, both ways.
 *
 * Every hardware interrupt belongs to the host: the gates lead to stubs that
 * hand the vector over. What is for the guest are virqs: bits in the vCPU's
 * page, taken after each such exit and when COLINUX_VECTOR is raised.
 *
 * NMI and machine check belong to the passage and never pass through here.
 */
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/reboot.h>
#include <linux/unaligned.h>

#include <asm/desc.h>
#include <asm/idtentry.h>
#include <asm/irq_regs.h>
#include <asm/irq_vectors.h>
#include <asm/trapnr.h>

#include "colinux.h"

static struct irq_domain *virq_domain __ro_after_init;

static void take_virqs(void)
{
	struct co_vcpu_page *page = colinux_vcpu_page(smp_processor_id());
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(page->virq_pending); i++) {
		unsigned long word, bit;

		if (!READ_ONCE(page->virq_pending[i]))
			continue;
		word = xchg(&page->virq_pending[i], 0);
		for_each_set_bit(bit, &word, 64)
			generic_handle_domain_irq(virq_domain, i * 64 + bit);
	}
}

DEFINE_IDTENTRY_IRQ(colinux_interrupt)
{
	struct pt_regs *old_regs = set_irq_regs(regs);

	if (vector != COLINUX_VECTOR)
		colinux_call(CO_OP_FORWARD, vector);
	colinux_timer_flush();	/* not before the vector is forwarded */
	take_virqs();
	set_irq_regs(old_regs);
}

/* A virq is an event; there is nothing to acknowledge or to mask. */
static void chip_noop(struct irq_data *data)
{
}

static struct irq_chip virq_chip = {
	.name		= "colinux",
	.irq_ack	= chip_noop,
	.irq_mask	= chip_noop,
	.irq_unmask	= chip_noop,
	.flags		= IRQCHIP_SKIP_SET_WAKE,
};

static int virq_map(struct irq_domain *domain, unsigned int irq,
		    irq_hw_number_t virq)
{
	if (virq < CO_VIRQ_CONTROL) {
		irq_set_percpu_devid(irq);
		irq_set_chip_and_handler(irq, &virq_chip,
					 handle_percpu_devid_irq);
	} else {
		irq_set_chip_and_handler_name(irq, &virq_chip, handle_edge_irq,
					      "edge");
	}
	irq_set_noprobe(irq);
	return 0;
}

static const struct irq_domain_ops virq_domain_ops = {
	.map = virq_map,
};

/* The Linux interrupt number of a virq, 0 if there is none. */
unsigned int colinux_virq_to_irq(unsigned int virq)
{
	if (virq >= CO_MAX_VIRQS)
		return 0;
	return irq_create_mapping(virq_domain, virq);
}

/*
 * Called for each gate written to the IDT; gate holds what would be written
 * natively. Gates 2 and 18 always use their interrupt stacks, which tell the
 * passage where its state is: until our TSS is live TR is the passage's, which
 * has them at the same places as colinux_fix_ist() puts them.
 */
void __init colinux_fix_gate(unsigned int vector, struct gate_struct *gate)
{
	unsigned long entry;

	if (vector == X86_TRAP_NMI) {
		entry = colinux_boot->passage_nmi;
		gate->bits.ist = IST_INDEX_NMI + 1;
	} else if (vector == X86_TRAP_MC) {
		entry = colinux_boot->passage_mce;
		gate->bits.ist = IST_INDEX_MCE + 1;
	} else if (vector >= FIRST_EXTERNAL_VECTOR &&
		   vector != IA32_SYSCALL_VECTOR) {
		entry = (unsigned long)colinux_stubs +
			(vector - FIRST_EXTERNAL_VECTOR) * COLINUX_STUB_SIZE;
	} else {
		return;
	}

	gate->offset_low = (u16)entry;
	gate->offset_middle = (u16)(entry >> 16);
	gate->offset_high = (u32)(entry >> 32);
}

void colinux_fix_ist(void *array)
{
	u64 state = colinux_vcpu_state(raw_smp_processor_id());
	u64 *ist = array;

	/* tss.ist is packed at an odd multiple of 4 */
	put_unaligned(state + CO_VCPU_NMI_STACK, &ist[IST_INDEX_NMI]);
	put_unaligned(state + CO_VCPU_MCE_STACK, &ist[IST_INDEX_MCE]);
}

/* x86_init.irqs.pre_vector_init: the gates are written right after. */
void __init colinux_irq_init(void)
{
	virq_domain = irq_domain_add_linear(NULL, CO_MAX_VIRQS,
					    &virq_domain_ops, NULL);
	if (!virq_domain)
		panic("colinux: no memory for virqs");
}

static irqreturn_t control_interrupt(int irq, void *cookie)
{
	if (READ_ONCE(colinux_boot->control) == CO_CONTROL_POWEROFF)
		orderly_poweroff(false);
	colinux_clock_check();
	colinux_wall_check();
	return IRQ_HANDLED;
}

static int __init control_init(void)
{
	return request_irq(colinux_virq_to_irq(CO_VIRQ_CONTROL),
			   control_interrupt, 0, "colinux-control", NULL);
}
late_initcall(control_init);

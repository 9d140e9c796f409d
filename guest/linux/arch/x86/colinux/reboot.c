// SPDX-License-Identifier: GPL-2.0
/* The ways a guest ends: each is an operation that does not return. */
#include <linux/console.h>
#include <linux/init.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/pm.h>
#include <linux/reboot.h>

#include <asm/reboot.h>

#include "colinux.h"

static void colinux_power_off(void)
{
	colinux_call(CO_OP_POWEROFF, 0);
}

static void colinux_emergency_restart(void)
{
	colinux_call(CO_OP_REBOOT, 0);
}

static void colinux_restart(char *command)
{
	colinux_emergency_restart();
}

static void colinux_shutdown(void)
{
}

static void colinux_crash_shutdown(struct pt_regs *regs)
{
}

/*
 * Always at once, whatever panic= says: nothing that could be done here would
 * help, and the host tells its user why.
 */
static int panic_event(struct notifier_block *nb, unsigned long event,
		       void *reason)
{
	console_flush_on_panic(CONSOLE_FLUSH_PENDING);
	colinux_call_text(CO_OP_PANIC, reason, strlen(reason));
	return NOTIFY_DONE;
}

static struct notifier_block panic_block = {
	.notifier_call	= panic_event,
	.priority	= INT_MAX,
};

void __init colinux_reboot_init(void)
{
	machine_ops.restart = colinux_restart;
	machine_ops.halt = colinux_power_off;
	machine_ops.power_off = colinux_power_off;
	machine_ops.shutdown = colinux_shutdown;
	machine_ops.crash_shutdown = colinux_crash_shutdown;
	machine_ops.emergency_restart = colinux_emergency_restart;
	pm_power_off = colinux_power_off;
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
}

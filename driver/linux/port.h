/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of driver/linux share. */
#ifndef CO_PORT_H
#define CO_PORT_H

#include <linux/list.h>
#include "../core/core.h"

/* An open file. */
struct co_file {
	struct co_cvm *cvm;
	struct list_head list;		/* of the watchdog */
};

void co_port_detach(struct co_os_waiter *w);
void co_port_os_init(void);
void co_port_os_exit(void);

/* watchdog.c: looks after vCPUs that do not come back */
int co_watchdog_init(void);
void co_watchdog_exit(void);
void co_watchdog_add(struct co_file *file);
void co_watchdog_remove(struct co_file *file);
void co_watchdog_send_nmi(unsigned int cpu);
u64 co_watchdog_nmis_handled(void);
/* The CPU that vCPU 0 of the newest CVM runs on, -1: there is none. */
int co_watchdog_find_cpu(void);

/* debug.c, in the debug build only */
#ifdef CO_DEBUG
void co_debug_init(void);
void co_debug_exit(void);
/* Tests say that the TSC cannot be trusted any more. */
bool co_port_distrust_tsc(void);
#else
static inline void co_debug_init(void)
{
}

static inline void co_debug_exit(void)
{
}

static inline bool co_port_distrust_tsc(void)
{
	return false;
}
#endif

#endif

// SPDX-License-Identifier: GPL-2.0
/* The driver's part of os/os.h for tests: remembers what it was told. */
#include <string.h>
#include "driver.h"

struct fake_driver fake_driver;

int os_driver_doorbell(int driver, uint32_t doorbell, int event)
{
	(void)driver;
	if (doorbell >= CO_MAX_DOORBELLS)
		return -EINVAL;
	if (fake_driver.fail_after && !--fake_driver.fail_after)
		return -EBADF;
	fake_driver.doorbell[doorbell] = event + 1;
	return 0;
}

int os_driver_virqfd(int driver, uint32_t vcpu, uint32_t virq, int event)
{
	(void)driver;
	if (vcpu || virq >= CO_MAX_VIRQS)
		return -EINVAL;
	if (fake_driver.fail_after && !--fake_driver.fail_after)
		return -EBADF;
	fake_driver.virqfd[virq] = event + 1;
	return 0;
}

int os_driver_raise(int driver, uint32_t vcpu, uint32_t virq)
{
	(void)driver;
	if (vcpu || virq >= CO_MAX_VIRQS)
		return -EINVAL;
	fake_driver.raised[virq]++;
	return 0;
}

int os_driver_stats(int driver, struct co_ioc_stats *stats)
{
	(void)driver;
	memset(stats, 0, sizeof(*stats));
	stats->switches = fake_driver.switches;
	return 0;
}

/* --- no terminal -------------------------------------------------------------- */

void os_terminal_again(void)
{
}

int os_terminal_size(unsigned int *columns, unsigned int *rows)
{
	(void)columns;
	(void)rows;
	return -ENOTTY;
}

int os_driver_exitfd(int driver, uint32_t vcpu, int event)
{
	(void)driver;
	if (vcpu)
		return -EINVAL;
	fake_driver.exitfd = event + 1;
	return 0;
}

/* From a queue's thread, too. */
int os_driver_exitbell(int driver, uint32_t doorbell, bool on)
{
	(void)driver;
	if (doorbell >= CO_MAX_DOORBELLS)
		return -EINVAL;
	__atomic_store_n(&fake_driver.exitbell[doorbell], on, __ATOMIC_RELAXED);
	return 0;
}

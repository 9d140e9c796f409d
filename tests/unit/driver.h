/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon told the driver. */
#ifndef TEST_DRIVER_H
#define TEST_DRIVER_H

#include <errno.h>
#include "os/os.h"

struct fake_driver {
	int doorbell[CO_MAX_DOORBELLS];	/* event + 1, 0: none */
	int virqfd[CO_MAX_VIRQS];	/* event + 1 */
	bool exitbell[CO_MAX_DOORBELLS];
	int exitfd;			/* event + 1 */
	unsigned int raised[CO_MAX_VIRQS];
	uint64_t switches;
	unsigned int fail_after;	/* this call fails; 0: none */
};
extern struct fake_driver fake_driver;

#endif /* TEST_DRIVER_H */

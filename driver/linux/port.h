/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of driver/linux share. */
#ifndef CO_PORT_H
#define CO_PORT_H

struct co_os_waiter;

void co_port_detach(struct co_os_waiter *w);
void co_port_os_exit(void);

#endif

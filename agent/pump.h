/* SPDX-License-Identifier: GPL-2.0 */
/* Joins two stream sockets. */
#ifndef COLINUX_AGENT_PUMP_H
#define COLINUX_AGENT_PUMP_H

/* Carries bytes between them, both ways, until both have ended. */
void pump(int a, int b);

#endif /* COLINUX_AGENT_PUMP_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's end of the agent (docs/agent.md): connections to it through the
 * vsock socket of a running CVM.
 */
#ifndef COLINUX_AGENT_CLIENT_H
#define COLINUX_AGENT_CLIENT_H

#include "agent/wire.h"

#define AGENT_WAIT_SECONDS	30

struct agent {
	int fd;
	struct wire_in in;
	const char *name;	/* of the CVM */
	const char *what;	/* of the command, for messages */
};

/*
 * Connects, greets, and sends one more frame if there is one (type != 0).
 * Waits at most so long for a guest that is not up yet. Complains; -errno.
 */
int agent_connect(struct agent *a, const char *what, const char *name,
		  unsigned int seconds, enum wire_type type,
		  const void *payload, size_t len);
void agent_close(struct agent *a);

/* -errno, -EINTR if a signal came before the first byte. */
int agent_send(struct agent *a, enum wire_type type, const void *data,
	       size_t len);

/*
 * Is the guest up, so far that its agent answers? 0 or -errno; complains
 * unless what is NULL.
 */
int agent_ping(const char *what, const char *name, unsigned int seconds);

/* Asks the guest's agent to power off or reboot the guest. Complains. */
int agent_shutdown(const char *what, const char *name, bool reboot);

#endif /* COLINUX_AGENT_CLIENT_H */

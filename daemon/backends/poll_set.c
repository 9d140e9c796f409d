// SPDX-License-Identifier: GPL-2.0
/* A growing array of what a thread waits for, see net.h. */
#include <stdlib.h>

#include "backends/net.h"

#define GROW	32

int poll_set_add(struct poll_set *set, int fd, short events)
{
	if (set->count == set->max) {
		struct pollfd *more = realloc(set->fd, (set->max + GROW) *
						       sizeof(*more));

		if (!more)
			return -1;
		set->fd = more;
		set->max += GROW;
	}
	set->fd[set->count] = (struct pollfd) { .fd = fd, .events = events };
	return set->count++;
}

void poll_set_free(struct poll_set *set)
{
	free(set->fd);
	set->fd = NULL;
	set->count = 0;
	set->max = 0;
}

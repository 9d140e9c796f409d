/* SPDX-License-Identifier: GPL-2.0 */
/* Requests of a guest's virtio-fs driver: FUSE messages in a queue's chains. */
#ifndef COLINUX_COFS_REQUEST_H
#define COLINUX_COFS_REQUEST_H

#include "core/queue.h"

/*
 * Answers a request with an error (-errno of Linux), if it has room for an
 * answer. How many bytes were written into its `in` part.
 */
uint32_t cofs_refuse(const struct chain *chain, int error);

/*
 * Another process served this ring in the order of its avail ring and is gone:
 * queue_pop() finds first what it had taken and not given back.
 */
void cofs_take_over(struct queue *ring);

#endif /* COLINUX_COFS_REQUEST_H */

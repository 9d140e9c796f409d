/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The socket that a program of ours listens on, with our connections waiting
 * in it before the program starts: there is no waiting for it to be ready, and
 * nobody else can connect.
 */
#ifndef COLINUX_LISTENER_H
#define COLINUX_LISTENER_H

/*
 * The listening socket, or -errno; sockets[] are our ends, -1 where there is
 * none (also if it fails: the caller closes them).
 */
int listener_make(int *sockets, unsigned int count);

#endif /* COLINUX_LISTENER_H */

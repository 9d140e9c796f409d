/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Images that another process serves over NBD: a helper of ours (qemu-nbd) on
 * a private socket, or whatever server the user names. libnbd is loaded only
 * if it is needed: it takes many megabytes with it.
 */
#ifndef COLINUX_NBD_H
#define COLINUX_NBD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include <libnbd.h>

#include "backends/blk.h"

#define BLK_NBD_MAX_THREADS	8

/* libnbd's functions that we use; nbd_NAME is here NAME. */
struct libnbd {
	__typeof__(nbd_create) *create;
	__typeof__(nbd_close) *close;
	__typeof__(nbd_get_error) *get_error;
	__typeof__(nbd_connect_socket) *connect_socket;
	__typeof__(nbd_connect_uri) *connect_uri;
	__typeof__(nbd_get_size) *get_size;
	__typeof__(nbd_get_block_size) *get_block_size;
	__typeof__(nbd_is_read_only) *is_read_only;
	__typeof__(nbd_can_flush) *can_flush;
	__typeof__(nbd_can_fua) *can_fua;
	__typeof__(nbd_can_trim) *can_trim;
	__typeof__(nbd_can_zero) *can_zero;
	__typeof__(nbd_can_multi_conn) *can_multi_conn;
	__typeof__(nbd_poll) *poll;
	__typeof__(nbd_aio_pread) *aio_pread;
	__typeof__(nbd_aio_pwrite) *aio_pwrite;
	__typeof__(nbd_aio_flush) *aio_flush;
	__typeof__(nbd_aio_trim) *aio_trim;
	__typeof__(nbd_aio_zero) *aio_zero;
	__typeof__(nbd_aio_get_fd) *aio_get_fd;
	__typeof__(nbd_aio_get_direction) *aio_get_direction;
	__typeof__(nbd_aio_is_dead) *aio_is_dead;
	__typeof__(nbd_aio_is_closed) *aio_is_closed;
	__typeof__(nbd_aio_disconnect) *aio_disconnect;
};

/* An image's server and our connections to it, one for each thread. */
struct blk_nbd {
	const struct libnbd *lib;
	struct nbd_handle *handle[BLK_NBD_MAX_THREADS];
	unsigned int handles;
	atomic_uint taken;	/* of them, by rings */
	pid_t helper;		/* 0: the user's server */
	bool flush, fua, trim, zero;	/* what it can do */
	atomic_bool gone;	/* and we have said so */
	char what[24];		/* "cobd0" */
};

bool blk_nbd_is_uri(const char *path);

/* Both set image->nbd and complain. -errno. */
int blk_nbd_connect(struct blk_image *image, const struct blk_spec *spec,
		    const char *what);
int blk_nbd_serve(struct blk_image *image, const struct blk_spec *spec,
		  const char *what);

/* nbd may be NULL. Waits until our helper has written all and ended. */
void blk_nbd_close(struct blk_nbd *nbd);

/*
 * helper.c: starts qemu-nbd for a file and connects `count` sockets to it;
 * what it says goes to errors, a memfd. -errno; complains.
 */
int blk_helper_start(const struct blk_image *image, const struct blk_spec *spec,
		     const char *what, int *sockets, unsigned int count,
		     int errors, pid_t *pid);
void blk_helper_end(pid_t pid);

#endif /* COLINUX_NBD_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The console's output for those who look at it through the control socket.
 *
 * One ring keeps the last bytes; each viewer has a place in it. Nothing that a
 * viewer reads is lost: if it is a whole ring behind, the guest's console
 * waits for it. If it takes nothing for HUB_PATIENCE_MS meanwhile, the viewer
 * is dropped and the guest goes on, so nobody can stop a guest by not reading.
 * What was printed before a viewer came is replayed, up to HUB_REPLAY bytes.
 *
 * Writers are the threads of the console; the main thread does all the rest.
 */
#ifndef COLINUX_HUB_H
#define COLINUX_HUB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUB_BYTES	(128 << 10)
#define HUB_REPLAY	(64 << 10)
#define HUB_VIEWERS	16
#define HUB_PATIENCE_MS	10000

struct hub_viewer {
	bool on;
	bool dropped;
	uint64_t at;		/* the next byte it gets */
	uint64_t since_ms;	/* when it last took some, or had got all */
};

struct hub {
	pthread_mutex_t lock;	/* of all below but wake and patience_ms */
	pthread_cond_t taken;	/* a viewer took some, or is gone */
	char *ring;
	uint64_t head;		/* bytes ever written */
	struct hub_viewer viewer[HUB_VIEWERS];
	int wake;		/* eventfd: a viewer has something to read */
	unsigned int patience_ms;
};

/* -errno. */
int hub_init(struct hub *h);
void hub_free(struct hub *h);

/* Waits for slow viewers, unless *abort. */
void hub_write(struct hub *h, const char *data, size_t len,
	       const atomic_bool *abort);

/* A new viewer that first gets up to `replay` old bytes; -EAGAIN: too many. */
int hub_attach(struct hub *h, size_t replay);
void hub_detach(struct hub *h, int viewer);

/*
 * Copies what a viewer gets next; 0: nothing yet, -EPIPE: it was dropped.
 * hub_taken() says how much of it has gone.
 */
int hub_peek(struct hub *h, int viewer, char *buf, size_t size);
void hub_taken(struct hub *h, int viewer, size_t len);

/* Bytes ever written. */
uint64_t hub_head(struct hub *h);

#endif /* COLINUX_HUB_H */

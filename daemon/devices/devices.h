/* SPDX-License-Identifier: GPL-2.0 */
/* The devices a CVM can have; each is one file here. */
#ifndef COLINUX_DEVICES_H
#define COLINUX_DEVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "backends/blk.h"
#include "backends/virtiofsd.h"
#include "core/sink.h"
#include "core/virtio.h"

/*
 * cobd: a disk. Takes over *image, also if it fails. Complains.
 */
int cobd_create(struct virtio_bus *bus, struct blk_image *image,
		unsigned int number, unsigned int queues);

/*
 * cofs: a folder of the host, with the tag cofsN. Takes over *server, which
 * was started, also if it fails; folder is its path, for messages. Complains.
 */
int cofs_create(struct virtio_bus *bus, struct virtiofsd *server,
		unsigned int number, const char *folder);

/* corng: randomness from the host. Complains. */
int corng_create(struct virtio_bus *bus);

/*
 * conet: a network card. Takes over the backend, also if it fails. Complains.
 */
struct net_backend;

int conet_create(struct virtio_bus *bus, struct net_backend *backend,
		 unsigned int number, const uint8_t mac[6]);

/*
 * cocon: the console. columns = 0: its size is not known. Complains.
 */
struct cocon;

int cocon_create(struct virtio_bus *bus, struct sink *sink,
		 unsigned int columns, unsigned int rows, struct cocon **cocon);

/*
 * A port without a size, hvc<number> of the guest. write: takes the guest's
 * output, called by one thread at a time; it may wait.
 */
int cocon_create_port(struct virtio_bus *bus, unsigned int number,
		      void (*write)(void *arg, const void *data, size_t len),
		      void *arg, struct cocon **cocon);

/* The functions below are for one thread: the main one, or the port's. */

/* How many bytes cocon_input() takes now. */
size_t cocon_room(struct cocon *cocon);
void cocon_input(struct cocon *cocon, const char *data, size_t len);

/* Becomes readable when the guest can take more; then cocon_serve_input(). */
int cocon_input_doorbell(const struct cocon *cocon);
void cocon_serve_input(struct cocon *cocon);

/* Its size now; 0: not known. */
void cocon_size(const struct cocon *cocon, unsigned int *columns,
		unsigned int *rows);
void cocon_resize(struct cocon *cocon, unsigned int columns, unsigned int rows);

/*
 * ttys: a serial port joined with something of the host (backends/serial.h).
 * Opened with privileges; stopped before the bus is destroyed, freed after.
 * Complain.
 */
struct ttys;

struct ttys *ttys_open(unsigned int number, const char *spec, const char *dir);
int ttys_create(struct virtio_bus *bus, struct ttys *ttys, unsigned int hvc);
void ttys_stop(struct ttys *ttys);
void ttys_free(struct ttys *ttys);

/*
 * covsock: stream sockets between host and guest (AF_VSOCK there, the host is
 * CID 2). The functions below may be called from any thread but not from its
 * own. Complains only where it says so.
 */
struct covsock;

#define COVSOCK_GUEST_CID	3

/* How the host's program is told that it is connected, or why not. */
enum covsock_reply {
	COVSOCK_TEXT,		/* "OK\n" or "ERROR why\n" */
	COVSOCK_JSON,		/* {"ok":true}, {"ok":false,"error":"why"} */
	COVSOCK_SILENT,		/* by the end of its stream */
};

/* Complains. */
int covsock_create(struct virtio_bus *bus, struct covsock **covsock);

/*
 * Listens on a Unix socket: who connects and says "CONNECT port\n" is
 * connected to that port of the guest. Once. Complains.
 */
int covsock_listen(struct covsock *covsock, const char *path);

/*
 * Connects a stream socket to a port of the guest: takes over fd unless it
 * fails (-EMFILE: too many), answers on it, and then what is read from it goes
 * to the guest and back. What the other end has sent already goes to the guest.
 */
int covsock_connect(struct covsock *covsock, int fd, uint32_t port,
		    enum covsock_reply reply);

/*
 * The guest may connect to this port of the host, and reaches the Unix socket
 * at path. All other ports are closed to it. Before the guest runs.
 */
int covsock_offer(struct covsock *covsock, uint32_t port, const char *path);

/* The guest's driver is there. */
bool covsock_up(struct covsock *covsock);

#endif /* COLINUX_DEVICES_H */

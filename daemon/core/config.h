/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the user asked for: filled by the command line (cli/args.c) and by
 * classic configuration files (conf_file.c) through the same setters, so that
 * both say the same about a bad value. Parsers complain themselves, with one
 * line, and return -EINVAL (-ENOMEM).
 */
#ifndef COLINUX_CONFIG_H
#define COLINUX_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/blk_spec.h"
#include "backends/virtiofsd.h"

#define CONFIG_MAX_COBD		28	/* of 32 places for devices */
#define CONFIG_NAME_MAX		63
#define CONFIG_MAX_COFS		16
#define CONFIG_MAX_TTYS		8	/* serial ports */
#define CONFIG_MAX_EXEC		16	/* programs of the host */
#define CONFIG_MEM_DEFAULT	(512ULL << 20)
#define CONFIG_MAX_NET		8	/* network cards */
#define CONFIG_MAX_FORWARDS	1024	/* of one of them */
#define CONFIG_MAX_NET_QUEUES	7	/* pairs; the device has 16 queues */

struct cobd_config {
	unsigned int number;	/* N of cobdN */
	struct blk_spec spec;
};

enum net_mode { NET_NAT, NET_TAP };

struct net_forward {
	bool udp;
	char host[46];		/* address to listen on; "": loopback, IPv4 and 6 */
	uint16_t host_port;
	uint16_t guest_port;
};

/* A network card. Names of interfaces are "" if not given. */
struct net_config {
	unsigned int number;	/* N of ethN */
	enum net_mode mode;
	bool has_mac;
	bool no_vhost;
	uint8_t mac[6];
	char ifname[16];	/* tap: the host's interface */
	char bridge[16];	/* tap: that it shall be in */
	unsigned int queues;	/* tap: pairs of them, 0: as many as CPUs */
	struct net_forward *forward;	/* nat */
	unsigned int forwards;
};

struct cofs_config {
	unsigned int number;	/* N of cofsN, the tag in the guest */
	char *path;		/* on the host */
	const char *mount;	/* in the guest, or NULL; within path's string */
	bool read_only;
	enum virtiofsd_cache cache;
};

struct ttys_config {
	unsigned int number;	/* N of ttysN */
	char *spec;		/* as backends/serial.h wants it */
};

struct exec_config {
	unsigned int number;	/* N of execN */
	char *command;
};

struct config {
	char *kernel;
	char *initrd;		/* or NULL */
	char *root;		/* as given, or NULL */
	char *append;		/* more kernel parameters, or NULL */
	char *file;		/* where it was read from, or NULL */
	char *name;		/* or NULL */
	char *log;		/* or NULL */
	uint64_t mem_bytes;
	unsigned int vcpus;
	unsigned int columns;	/* of the console, 0: as the terminal */
	unsigned int rows;
	bool no_console;
	int ready_fd;		/* start: gets the name when it is up; or -1 */
	struct cobd_config cobd[CONFIG_MAX_COBD];	/* ordered by number */
	unsigned int cobds;
	bool snapshot;		/* all that are not read-only */
	struct net_config net[CONFIG_MAX_NET];		/* ordered by number */
	unsigned int nets;
	struct ttys_config ttys[CONFIG_MAX_TTYS];	/* ordered by number */
	unsigned int serials;
	struct exec_config exec[CONFIG_MAX_EXEC];	/* as they were given */
	unsigned int execs;
	bool no_net;		/* --net none */
	bool has_file;		/* classic: it alone says which cards there are */
	struct cofs_config cofs[CONFIG_MAX_COFS];	/* ordered by number */
	unsigned int cofses;
};

void config_init(struct config *c);
void config_free(struct config *c);

/* `what` names the place in messages: "--mem" or "some.conf:3: mem". */
int config_set_string(char **field, const char *value, const char *what);
int config_set_mem(struct config *c, const char *value, const char *what);
int config_set_cpus(struct config *c, const char *value, const char *what);
int config_set_name(struct config *c, const char *value, const char *what);
int config_set_cocon(struct config *c, const char *value, const char *what);
/*
 * value: PATH and any of ",ro" ",rw" ",snapshot" ",format=NAME" behind it.
 * number < 0: one above the highest.
 */
int config_add_cobd(struct config *c, int number, const char *value,
		    const char *what);
/* config_net.c. value: nat[,...], tap[,...] or none, as in colinux(1). */
int config_add_net(struct config *c, const char *value, const char *what);
/* The same for ethN=, which knows slirp and tuntap of classic coLinux, too. */
int config_add_eth(struct config *c, unsigned int number, const char *value,
		   const char *what);
/* A card, if nothing was said about any. */
int config_default_net(struct config *c);
/* The one given, or one made of the CVM's name that is always the same. */
void config_net_mac(const struct config *c, const struct net_config *net,
		    uint8_t mac[6]);
void config_net_free(struct net_config *net);
/* value: HOSTDIR[:GUESTDIR][,ro][,cache=auto|always|never]. As above. */
int config_add_cofs(struct config *c, int number, const char *value,
		    const char *what);
/* config_host.c. number < 0: one above the last. */
int config_add_ttys(struct config *c, int number, const char *value,
		    const char *what);
int config_add_exec(struct config *c, int number, const char *value,
		    const char *what);
void config_host_free(struct config *c);
/* Adds words to the kernel's command line. */
int config_append(struct config *c, const char *words, const char *what);

/* Reads a classic configuration file. */
int config_read_file(struct config *c, const char *path);
/* The same for a text in memory; `name` is for messages. */
int config_parse_text(struct config *c, const char *name, const char *text,
		      size_t len);

/* Is it complete? Complains if not. All options are there now. */
int config_check(struct config *c);

/*
 * The guest's command line, NUL-terminated, into buf. /dev/cobdN names become
 * the names that virtio-blk gives: cobds are vda, vdb, ... in their order.
 */
int cmdline_build(const struct config *c, char *buf, size_t size);

#endif /* COLINUX_CONFIG_H */

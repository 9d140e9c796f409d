/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One CVM: everything this process runs. main.c brings it up and down,
 * vcpu.c runs the guest, loop.c listens to the user.
 */
#ifndef COLINUX_MACHINE_H
#define COLINUX_MACHINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include <colinux/abi.h>

#include "core/config.h"
#include "core/exec.h"
#include "core/exit.h"
#include "core/guest_mem.h"
#include "core/loader.h"
#include "core/log_file.h"
#include "core/rundir.h"
#include "core/sink.h"
#include "core/thread.h"
#include "core/virtio.h"
#include "devices/devices.h"

struct control;

struct machine {
	const struct config *config;
	struct kernel_file kernel;
	struct initrd_file initrd;
	char cmdline[CO_CMDLINE_MAX];
	struct blk_image image[CONFIG_MAX_COBD];	/* until a cobd has it */
	unsigned int images;
	struct net_backend *net[CONFIG_MAX_NET];	/* until a conet has it */
	unsigned int nets;
	struct ttys *ttys[CONFIG_MAX_TTYS];
	unsigned int serials;
	struct execs execs;
	struct rundir rundir;	/* its name */
	const char *log_path;	/* or NULL */
	char log_buf[LOG_PATH_MAX];
	struct virtiofsd server[CONFIG_MAX_COFS];	/* until a cofs has it */
	unsigned int servers;
	struct sink sink;
	int driver;
	struct guest_mem mem;
	struct virtio_bus bus;
	struct cocon *cocon;
	struct covsock *covsock;
	bool terminal;		/* standard input is one, and raw */
	struct control *control;	/* while the loop runs, or NULL */
	struct timespec began;	/* CLOCK_BOOTTIME */
	bool up;		/* the guest's kernel has its console */
	bool asked;		/* it was asked to power off */
	struct thread vcpu;
	atomic_bool kill;	/* the vCPU thread shall end the guest now */
	int end_event;		/* eventfd: the guest has ended */
	enum exit_code end;	/* how; valid once end_event was signalled */
};

/* vcpu.c: starts the thread that runs vCPU 0. -errno. */
int vcpu_start(struct machine *m);

/* loop.c: serves the user until the guest has ended. -errno if it cannot. */
int loop_run(struct machine *m);

/* loop.c: ask it to power off (-errno); end it now. Main thread. */
int machine_stop(struct machine *m);
void machine_kill(struct machine *m);

/* loop.c: signals that loop_run() takes; once, before there are threads. */
void loop_block_signals(void);

/* ready.c: tells who waits (`colinux start`, systemd) that the guest is up. */
int machine_ready(struct machine *m);

/*
 * folders.c: host folders. Their servers are started with the files, and become
 * devices in folders_create(). All complain.
 */
int folders_start(struct machine *m);
int folders_create(struct machine *m);
void folders_end(struct machine *m);

/* run.c: the whole life of a CVM; the exit code. Complains. */
enum exit_code machine_run(const struct config *config);

#endif /* COLINUX_MACHINE_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a CVM: all checks that need no driver, then the driver, memory,
 * devices, the guest, and everything back in reverse.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "backends/net.h"
#include "core/log.h"
#include "core/machine.h"
#include "os/os.h"

#define MAX_COBD_QUEUES	4

/* --- disk images ---------------------------------------------------------- */

static unsigned int cobd_queues(const struct machine *m)
{
	unsigned int vcpus = m->config->vcpus;

	return vcpus < MAX_COBD_QUEUES ? vcpus : MAX_COBD_QUEUES;
}

static int check_double(const struct machine *m, unsigned int new)
{
	const struct cobd_config *c = m->config->cobd;

	for (unsigned int i = 0; i < new; i++) {
		if (!blk_same(&m->image[i], &m->image[new]) ||
		    (m->image[i].read_only && m->image[new].read_only))
			continue;
		say("cobd%u: %s: is cobd%u already: use two images, or both with ',ro'",
		    c[new].number, c[new].spec.path, c[i].number);
		return -EBUSY;
	}
	return 0;
}

static void close_images(struct machine *m)
{
	while (m->images > 0)
		blk_close(&m->image[--m->images]);
}

static int open_images(struct machine *m)
{
	for (unsigned int i = 0; i < m->config->cobds; i++) {
		const struct cobd_config *c = &m->config->cobd[i];
		struct blk_spec spec = c->spec;
		char what[24];
		int err;

		snprintf(what, sizeof(what), "cobd%u", c->number);
		spec.threads = cobd_queues(m);
		err = blk_open(&m->image[i], &spec, what);
		if (err)
			goto close;
		m->images++;
		err = check_double(m, i);
		if (!err)
			err = blk_claim(&m->image[i], &spec, what);
		if (err)
			goto close;
	}
	return 0;
close:
	close_images(m);
	return -EINVAL;
}

/* --- network cards -------------------------------------------------------- */

static void close_nets(struct machine *m)
{
	while (m->nets > 0) {
		struct net_backend *b = m->net[--m->nets];

		if (b)
			b->ops->close(b);
	}
}

/* Interfaces and ports below 1024 need privileges that we give up later. */
static int open_nets(struct machine *m)
{
	unsigned int nats = 0;

	for (unsigned int i = 0; i < m->config->nets; i++) {
		const struct net_config *n = &m->config->net[i];
		unsigned int pairs = n->queues ? n->queues : m->config->vcpus;
		char what[16];

		if (pairs > CONFIG_MAX_NET_QUEUES)
			pairs = CONFIG_MAX_NET_QUEUES;
		snprintf(what, sizeof(what), "eth%u", n->number);
		m->net[i] = n->mode == NET_NAT ?
				    net_slirp_open(n, nats++, what) :
				    net_tap_open(n, pairs, what);
		if (!m->net[i]) {
			close_nets(m);
			return -EINVAL;
		}
		m->nets++;
	}
	return 0;
}

static int create_nets(struct machine *m)
{
	int err = 0;

	for (unsigned int i = 0; i < m->nets && !err; i++) {
		const struct net_config *n = &m->config->net[i];
		struct net_backend *backend = m->net[i];
		uint8_t mac[6];

		m->net[i] = NULL;		/* the conet's from now on */
		config_net_mac(m->config, n, mac);
		err = conet_create(&m->bus, backend, n->number, mac);
	}
	return err;
}

/* --- serial ports --------------------------------------------------------- */

static void close_serials(struct machine *m)
{
	while (m->serials > 0)
		ttys_free(m->ttys[--m->serials]);
}

static int open_serials(struct machine *m)
{
	for (unsigned int i = 0; i < m->config->serials; i++) {
		const struct ttys_config *c = &m->config->ttys[i];

		m->ttys[i] = ttys_open(c->number, c->spec, m->rundir.path);
		if (!m->ttys[i]) {
			close_serials(m);
			return -EINVAL;
		}
		m->serials++;
	}
	return 0;
}

static int create_serials(struct machine *m)
{
	int err = 0;

	/* hvc0 is the console. */
	for (unsigned int i = 0; i < m->serials && !err; i++)
		err = ttys_create(&m->bus, m->ttys[i], i + 1);
	return err;
}

/* Before the devices go, whose threads may still write to them. */
static void stop_serials(struct machine *m)
{
	for (unsigned int i = 0; i < m->serials; i++)
		ttys_stop(m->ttys[i]);
}

/* --- files ---------------------------------------------------------------- */

/* In the background messages go to the log, too, so there must be one. */
static int choose_log(struct machine *m)
{
	m->log_path = m->config->log;
	if (m->log_path || m->config->ready_fd < 0)
		return 0;
	m->log_path = m->log_buf;
	return log_file_prepare(m->log_buf, sizeof(m->log_buf), m->rundir.name);
}

/* Everything that can be wrong without a driver. */
static int open_files(struct machine *m)
{
	const struct config *c = m->config;
	int err;

	err = kernel_open(&m->kernel, c->kernel, c->mem_bytes);
	if (err)
		return err;
	err = initrd_open(&m->initrd, c->initrd, &m->kernel, c->mem_bytes);
	if (err)
		goto close_kernel;
	err = open_images(m);
	if (err)
		goto close_initrd;
	err = open_nets(m);
	if (err)
		goto close_images;
	err = choose_log(m);
	if (!err)
		err = sink_open(&m->sink, !c->no_console, m->log_path);
	if (err)
		goto close_nets;
	err = open_serials(m);
	if (err)
		goto close_sink;
	err = folders_start(m);
	if (err)
		goto close_serials;
	return 0;
close_serials:
	close_serials(m);
close_sink:
	sink_close(&m->sink);
close_nets:
	close_nets(m);
close_images:
	close_images(m);
close_initrd:
	initrd_close(&m->initrd);
close_kernel:
	kernel_close(&m->kernel);
	return err;
}

static void close_files(struct machine *m)
{
	folders_end(m);
	close_serials(m);
	sink_close(&m->sink);
	close_nets(m);
	close_images(m);
	initrd_close(&m->initrd);
	kernel_close(&m->kernel);
}

/* --- memory --------------------------------------------------------------- */

static void create_failed(const struct machine *m, int err, uint64_t got)
{
	uint64_t want = m->config->mem_bytes >> 20;

	if (err == -ENOMEM)
		say("memory: the host has only %" PRIu64 " of %" PRIu64
		    " MiB in unfragmented pieces of 2 MiB: use a smaller --mem, or free host memory",
		    got >> 20, want);
	else if (err == -E2BIG)
		say("memory: the host has only %" PRIu64 " of %" PRIu64
		    " MiB: use a smaller --mem", got >> 20, want);
	else
		say("memory: the driver refuses %" PRIu64 " MiB: %s", want,
		    strerror(-err));
}

static int create_memory(struct machine *m)
{
	const struct config *c = m->config;
	uint64_t got;
	int err;

	err = os_driver_open(&m->driver);
	if (err)
		return err;
	err = os_driver_create(m->driver, c->vcpus, c->mem_bytes, &got);
	if (err) {
		create_failed(m, err, got);
		goto close;
	}
	m->mem.size = c->mem_bytes;
	err = os_driver_map(m->driver, m->mem.size, &m->mem.hva);
	if (err) {
		say("memory: cannot map the guest's: %s", strerror(-err));
		goto close;
	}
	return 0;
close:
	os_driver_close(m->driver);
	return err;
}

static void destroy_memory(struct machine *m)
{
	os_driver_unmap(m->mem.hva, m->mem.size);
	os_driver_close(m->driver);
}

static int load(struct machine *m)
{
	int err = kernel_load(&m->kernel, &m->mem);

	if (!err)
		err = initrd_load(&m->initrd, &m->mem);
	if (err)
		return err;
	boot_params_fill(&m->mem, &m->initrd, m->cmdline);
	/* Not needed any more, and the files may be replaced meanwhile. */
	kernel_close(&m->kernel);
	initrd_close(&m->initrd);
	return 0;
}

/* --- devices -------------------------------------------------------------- */

static int create_covsock(struct machine *m)
{
	char path[RUNDIR_PATH_MAX + 8];
	int err = covsock_create(&m->bus, &m->covsock);

	if (err)
		return err;
	snprintf(path, sizeof(path), "%s/vsock", m->rundir.path);
	return covsock_listen(m->covsock, path);
}

static void destroy_devices(struct machine *m)
{
	stop_serials(m);
	virtio_destroy(&m->bus);
}

static int create_devices(struct machine *m)
{
	const struct config *c = m->config;
	unsigned int columns = c->columns, rows = c->rows;
	int err;

	virtio_init(&m->bus, m->driver, &m->mem);
	if (columns == 0 && os_terminal_size(&columns, &rows))
		columns = 0;
	err = cocon_create(&m->bus, &m->sink, columns, rows, &m->cocon);
	/* In this order, as the guest names them by it. */
	for (unsigned int i = 0; i < c->cobds && !err; i++) {
		struct blk_image image;

		blk_move(&image, &m->image[i]);	/* the cobd's from now on */
		err = cobd_create(&m->bus, &image, c->cobd[i].number,
				  cobd_queues(m));
	}
	if (!err)
		err = folders_create(m);
	if (!err)
		err = create_nets(m);
	if (!err)
		err = corng_create(&m->bus);
	if (!err)
		err = create_serials(m);
	if (!err)
		err = create_covsock(m);
	if (err)
		destroy_devices(m);
	return err;
}

/* --- running -------------------------------------------------------------- */

static int boot(struct machine *m)
{
	int err = os_driver_boot(m->driver, m->kernel.entry_gva,
				 CO_ZERO_PAGE_GPA);

	if (err)
		say("the driver cannot boot the guest: %s", strerror(-err));
	return err;
}

/* The guest runs from here to the end; m->end says how it went. */
static int run(struct machine *m)
{
	int err;

	clock_gettime(CLOCK_BOOTTIME, &m->began);
	m->end_event = eventfd(0, EFD_CLOEXEC);
	if (m->end_event < 0) {
		say("cannot make an eventfd: %s", strerror(errno));
		return -errno;
	}
	m->terminal = !m->config->no_console && os_terminal_enter();
	m->sink.raw = m->terminal && isatty(STDOUT_FILENO);
	err = vcpu_start(m);
	if (err)
		say("cannot start the vCPU's thread: %s", strerror(-err));
	else
		err = loop_run(m);
	if (err && m->vcpu.started) {
		atomic_store(&m->kill, true);
		sink_abort(&m->sink);
	}
	thread_join(&m->vcpu);
	os_terminal_leave();
	close(m->end_event);
	return err;
}

static enum exit_code with_files(struct machine *m)
{
	int err = create_memory(m);

	if (err)
		return EXIT_STARTUP;
	err = load(m);
	if (err)
		goto destroy_memory;
	err = execs_start(&m->execs, m->config, m->rundir.name,
			  m->config->ready_fd < 0 ? STDERR_FILENO :
						    m->sink.log);
	if (err)
		goto destroy_memory;
	err = os_drop_privileges();
	if (err) {
		say("cannot give up privileges: %s", strerror(-err));
		goto stop_execs;
	}
	err = create_devices(m);
	if (err)
		goto stop_execs;
	err = boot(m);
	if (!err)
		err = execs_watch(&m->execs);
	if (!err)
		err = run(m);
	destroy_devices(m);
stop_execs:
	execs_stop(&m->execs);
destroy_memory:
	destroy_memory(m);
	return err ? EXIT_STARTUP : m->end;
}

enum exit_code machine_run(const struct config *config)
{
	struct machine *m = calloc(1, sizeof(*m));
	enum exit_code code = EXIT_USAGE;

	if (!m) {
		say("out of memory");
		return EXIT_STARTUP;
	}
	m->config = config;
	if (cmdline_build(config, m->cmdline, sizeof(m->cmdline)))
		goto free;
	code = EXIT_STARTUP;
	if (threads_init() || rundir_claim(&m->rundir, config))
		goto free;
	say_set_name(m->rundir.name);
	if (open_files(m))
		goto release;
	loop_block_signals();
	code = with_files(m);
	close_files(m);
release:
	rundir_release(&m->rundir);
	say_set_name(NULL);
free:
	free(m);
	return code;
}

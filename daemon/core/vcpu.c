// SPDX-License-Identifier: GPL-2.0
/*
 * The thread of vCPU 0: runs the guest, does what it asks the daemon for, and
 * says how it ended.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <colinux/ioctl.h>

#include "core/log.h"
#include "core/machine.h"
#include "os/os.h"

/* What the guest or driver says, as one printable line. */
static void printable(const struct co_ioc_run *run, char *line)
{
	size_t len = run->text_len < CO_TEXT_MAX ? run->text_len : CO_TEXT_MAX;
	size_t to = 0;

	for (size_t i = 0; i < len && run->text[i]; i++) {
		unsigned char c = run->text[i];

		line[to++] = isprint(c) ? c : ' ';
	}
	while (to > 0 && line[to - 1] == ' ')
		to--;
	line[to] = '\0';
}

static void report_crash(const struct co_ioc_run *run, const char *text)
{
	if (run->arg[0] == ~0ULL)
		say("guest crashed: %s", text);
	else
		say("guest crashed: %s (exception %" PRIu64 ", RIP %#" PRIx64
		    ", CR2 %#" PRIx64 ")", text, (uint64_t)run->arg[0],
		    (uint64_t)run->arg[1], (uint64_t)run->arg[2]);
}

/* A final reason: finish the guest's output, then report. */
static enum exit_code ended(struct machine *m, const struct co_ioc_run *run)
{
	char text[CO_TEXT_MAX + 1];

	virtio_finish(&m->bus);
	sink_end_line(&m->sink);
	printable(run, text);
	switch (run->reason) {
	case CO_EXIT_POWEROFF:
		say("guest powered off");
		return EXIT_POWEROFF;
	case CO_EXIT_REBOOT:
		say("guest asked for a reboot: run it again");
		return EXIT_REBOOT;
	case CO_EXIT_PANIC:
		say("guest panicked: %s", text);
		return EXIT_PANIC;
	case CO_EXIT_CRASH:
		report_crash(run, text);
		return EXIT_CRASH;
	}
	say("internal error: the driver gave unknown reason %u", run->reason);
	return EXIT_INTERNAL;
}

/* Runs the guest to its end. */
static enum exit_code run_guest(struct machine *m)
{
	struct co_ioc_run run;

	while (!atomic_load(&m->kill)) {
		int err;

		memset(&run, 0, offsetof(struct co_ioc_run, text));
		err = os_driver_run(m->driver, &run);
		virtio_poll(&m->bus);
		if (err == -EINTR)
			continue;
		if (err) {
			sink_end_line(&m->sink);
			say("internal error: cannot run the guest: %s",
			    strerror(-err));
			return EXIT_INTERNAL;
		}
		switch (run.reason) {
		case CO_EXIT_NONE:
			break;
		case CO_EXIT_DEVICE:
			virtio_update(&m->bus, run.arg[0]);
			break;
		case CO_EXIT_NOTIFY:
			virtio_notified(&m->bus, run.arg[0]);
			break;
		case CO_EXIT_CONSOLE:
			if (run.text_len > CO_TEXT_MAX)
				run.text_len = CO_TEXT_MAX;
			sink_write_text(&m->sink, (char *)run.text,
					run.text_len);
			break;
		default:
			return ended(m, &run);
		}
	}
	sink_end_line(&m->sink);
	say("guest ended by the user while it was running");
	return EXIT_KILLED;
}

static void *vcpu_thread(void *arg)
{
	struct machine *m = arg;
	const uint64_t one = 1;

	m->end = run_guest(m);
	virtio_leave(&m->bus);
	if (write(m->end_event, &one, sizeof(one)) < 0)
		say("internal error: cannot tell the main thread: %s",
		    strerror(errno));
	return NULL;
}

int vcpu_start(struct machine *m)
{
	return thread_start(&m->vcpu, "vcpu0", vcpu_thread, m);
}

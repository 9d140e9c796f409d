// SPDX-License-Identifier: GPL-2.0
/*
 * Can this Linux host run guests, see os.h. What the driver checks when it is
 * loaded (driver/x86/check.c) is looked at here from outside, so that one can
 * know before; what it said counts more.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/capability.h>

#include <colinux/abi.h>

#include "os/os.h"

#define MAX_FILE	(256 << 10)
#define MIN_MIB		64
#define GOOD_MIB	512

struct host {
	const char *root;	/* "", or where a test has its files */
	char release[66];	/* of the kernel */
	char *flags;		/* of the CPU, " fpu vme ... ", or NULL */
	char *cmdline;		/* of the kernel, " quiet ... ", or NULL */
	char *config;		/* its configuration, or NULL */
	bool loaded;		/* the driver is */
	os_check_report *report;
	void *arg;
};

/* --- looking at files ---------------------------------------------------------- */

/* The text of a file, framed by blanks; NULL if there is none. */
static char *read_text(const struct host *h, const char *path)
{
	char name[PATH_MAX], *text;
	ssize_t n, len = 1;
	int fd;

	snprintf(name, sizeof(name), "%s%s", h->root, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = malloc(MAX_FILE);
	while (text && len < MAX_FILE - 2 &&
	       (n = read(fd, text + len, MAX_FILE - 2 - len)) > 0)
		len += n;
	close(fd);
	if (!text)
		return NULL;
	text[0] = ' ';
	if (len > 1 && text[len - 1] == '\n')
		len--;
	text[len++] = ' ';
	text[len] = '\0';
	return text;
}

static bool file_has(const struct host *h, const char *path, const char *what)
{
	char *text = read_text(h, path);
	bool has = text && strstr(text, what);

	free(text);
	return has;
}

static bool exists(const struct host *h, const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s%s", h->root, path);
	return access(name, F_OK) == 0;
}

static bool has_word(const char *text, const char *word)
{
	char framed[64];

	snprintf(framed, sizeof(framed), " %s ", word);
	return text && strstr(text, framed);
}

/* --- reporting ----------------------------------------------------------------- */

__attribute__((format(printf, 5, 6)))
static void tell(const struct host *h, const char *name,
		 enum os_check_verdict verdict, const char *todo,
		 const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	h->report(h->arg, name, verdict, text, verdict == OS_OK ? NULL : todo);
}

/* --- the kernel and the CPU ------------------------------------------------------ */

static void check_kernel(const struct host *h)
{
	char *rest;
	unsigned long major = strtoul(h->release, &rest, 10);
	unsigned long minor = *rest ? strtoul(rest + 1, NULL, 10) : 0;

	if (major < 6 || (major == 6 && minor < 1))
		tell(h, "kernel", OS_PROBLEM, "use Linux 6.1 or newer",
		     "Linux %s is too old", h->release);
	else if (major == 6 && (minor == 1 || minor == 12))
		tell(h, "kernel", OS_OK, NULL, "Linux %s", h->release);
	else
		tell(h, "kernel", OS_WARNING,
		     "Linux 6.1 and 6.12 are the tested ones",
		     "Linux %s", h->release);
}

static void check_config(const struct host *h)
{
	static const char * const needed[] = {
		"CONFIG_MODULES", "CONFIG_EVENTFD", "CONFIG_IO_URING",
		"CONFIG_HIGH_RES_TIMERS", "CONFIG_COMPACTION",
	};
	char missing[160] = "", line[64];

	if (!h->config) {
		tell(h, "config", OS_WARNING,
		     "not a problem by itself: it could only not be checked",
		     "no /boot/config-%s", h->release);
		return;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		snprintf(line, sizeof(line), "\n%s=", needed[i]);
		if (strstr(h->config, line))
			continue;
		strcat(missing, " ");
		strcat(missing, needed[i]);
	}
	if (*missing)
		tell(h, "config", OS_PROBLEM, "use another kernel",
		     "the kernel is built without%s", missing);
	else if (strstr(h->config, "\nCONFIG_PREEMPT_RT=y"))
		tell(h, "config", OS_WARNING, "use a kernel without it",
		     "PREEMPT_RT kernels are not tested");
	else
		tell(h, "config", OS_OK, NULL, "has all that is needed");
}

static void check_io_uring(const struct host *h)
{
	if (file_has(h, "/proc/sys/kernel/io_uring_disabled", " 2 "))
		tell(h, "io_uring", OS_PROBLEM,
		     "set the sysctl kernel.io_uring_disabled to 1 or 0",
		     "switched off for all: disks need it");
	else
		tell(h, "io_uring", OS_OK, NULL, "not switched off");
}

static void check_cpu(const struct host *h)
{
	if (!h->flags)
		tell(h, "cpu", OS_WARNING, "mount /proc",
		     "its features could not be looked up");
	else if (!has_word(h->flags, "lm") || !has_word(h->flags, "nx") ||
		 !has_word(h->flags, "cx16"))
		tell(h, "cpu", OS_PROBLEM, "use another machine",
		     "no x86-64 CPU with NX and CMPXCHG16B");
	else if (has_word(h->flags, "fred") &&
		 !has_word(h->cmdline, "fred=off"))
		tell(h, "cpu", OS_PROBLEM,
		     "boot the host with fred=off on its command line",
		     "the kernel may use FRED event delivery");
	else
		tell(h, "cpu", OS_OK, NULL,
		     "x86-64, no FRED%s; Linux has no shadow stacks of its own",
		     has_word(h->flags, "la57") ? ", 5-level paging possible" :
						  "");
}

static const char *encryption(const struct host *h)
{
	bool guest = has_word(h->flags, "hypervisor");

	if (has_word(h->flags, "tdx_guest"))
		return "this is a TDX guest";
	if (exists(h, "/dev/sev-guest") ||
	    (guest && (has_word(h->flags, "sev") ||
		       has_word(h->flags, "sev_es") ||
		       has_word(h->flags, "sev_snp"))))
		return "this is a SEV guest";
	if (has_word(h->cmdline, "mem_encrypt=on") ||
	    (h->config && has_word(h->flags, "sme") &&
	     strstr(h->config, "_MEM_ENCRYPT_ACTIVE_BY_DEFAULT=y") &&
	     !has_word(h->cmdline, "mem_encrypt=off")))
		return "the host's memory is encrypted (SME)";
	return NULL;
}

static void check_hypervisor(const struct host *h)
{
	const char *encrypted = encryption(h);

	if (file_has(h, "/sys/hypervisor/type", "xen") &&
	    file_has(h, "/sys/hypervisor/guest_type", "PV "))
		tell(h, "hypervisor", OS_PROBLEM,
		     "use a machine that is no Xen PV domain (dom0 is one, too)",
		     "this is a Xen PV domain");
	else if (encrypted)
		tell(h, "hypervisor", OS_PROBLEM,
		     "switch it off (mem_encrypt=off), or use another machine",
		     "%s", encrypted);
	else if (!has_word(h->flags, "hypervisor"))
		tell(h, "hypervisor", OS_OK, NULL, "none");
	else if (h->loaded || has_word(h->cmdline, "no-kvmapf"))
		tell(h, "hypervisor", OS_OK, NULL,
		     "a virtual machine, but one that will do");
	else
		tell(h, "hypervisor", OS_WARNING,
		     "if it is KVM, boot the host with no-kvmapf",
		     "this is a virtual machine");
}

/* --- the driver ------------------------------------------------------------------ */

static bool secure_boot(const struct host *h)
{
	char path[PATH_MAX], bytes[5] = "";
	int fd;

	snprintf(path, sizeof(path),
		 "%s/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
		 h->root);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		bytes[4] = 0;
	close(fd);
	return bytes[4] == 1;
}

/* Root in a container is not. */
static bool may_load(const struct host *h)
{
	char *status = read_text(h, "/proc/self/status");
	const char *at = status ? strstr(status, "\nCapEff:") : NULL;
	uint64_t caps = at ? strtoull(at + 8, NULL, 16) : ~0ULL;

	free(status);
	return geteuid() || caps >> CAP_SYS_MODULE & 1;
}

static void check_lockdown(const struct host *h)
{
	static const char lockdown[] = "/sys/kernel/security/lockdown";
	bool locked = file_has(h, lockdown, "[integrity]") ||
		      file_has(h, lockdown, "[confidentiality]");

	if (h->loaded)
		tell(h, "lockdown", OS_OK, NULL, "the driver was let in");
	else if (!exists(h, "/proc/modules"))
		tell(h, "lockdown", OS_PROBLEM, "use another kernel",
		     "the kernel cannot load modules at all");
	else if (file_has(h, "/proc/sys/kernel/modules_disabled", " 1 "))
		tell(h, "lockdown", OS_PROBLEM,
		     "reboot, and load the driver before that is set",
		     "no more modules can be loaded (kernel.modules_disabled)");
	else if (!may_load(h))
		tell(h, "lockdown", OS_PROBLEM,
		     "run it on the host itself",
		     "no right to load modules: is this a container?");
	else if (locked || file_has(h, "/sys/module/module/parameters/sig_enforce",
				    "Y"))
		tell(h, "lockdown", OS_WARNING,
		     "sign the driver with a key of yours (DKMS does; mokutil --import), or switch Secure Boot off",
		     "%s", secure_boot(h) ?
		     "Secure Boot: only signed modules can be loaded" :
		     "only signed modules can be loaded");
	else
		tell(h, "lockdown", OS_OK, NULL, "modules can be loaded");
}

/* Is a module for this kernel installed? */
static bool installed(const struct host *h)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", h->release);
	return file_has(h, path, "/colinux.ko");
}

static void check_module(const struct host *h)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/lib/modules/%s/build", h->release);
	if (h->loaded)
		tell(h, "module", OS_OK, NULL, "colinux is loaded");
	else if (installed(h))
		tell(h, "module", OS_PROBLEM,
		     "run 'modprobe colinux' as root; if that fails, the kernel log says why",
		     "colinux is installed, but not loaded");
	else if (exists(h, path))
		tell(h, "module", OS_PROBLEM,
		     "install it: 'make install', or 'dkms autoinstall'",
		     "there is no colinux module for this kernel");
	else
		tell(h, "module", OS_PROBLEM,
		     "install the kernel's headers (linux-headers-...), then 'dkms autoinstall'",
		     "there is neither a colinux module nor what it is built with");
}

static void check_device(const struct host *h)
{
	char path[PATH_MAX];
	int fd, revision;

	snprintf(path, sizeof(path), "%s" OS_DRIVER_PATH, h->root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		tell(h, "device", OS_PROBLEM,
		     geteuid() ? "run this as root" : "load the driver",
		     OS_DRIVER_PATH " cannot be opened");
		return;
	}
	revision = ioctl(fd, CO_IOC_VERSION);
	close(fd);
	if (revision == CO_ABI_REVISION)
		tell(h, "device", OS_OK, NULL,
		     OS_DRIVER_PATH ", revision %d of the interface", revision);
	else
		tell(h, "device", OS_PROBLEM,
		     "install matching versions of the driver and this program",
		     "the driver has revision %d of the interface, this program %d",
		     revision, CO_ABI_REVISION);
}

/* --- memory ----------------------------------------------------------------------- */

static uint64_t available_mib(const struct host *h)
{
	char *text = read_text(h, "/proc/meminfo");
	const char *at = text ? strstr(text, "\nMemAvailable:") : NULL;
	uint64_t kib = at ? strtoull(at + 14, NULL, 10) : 0;

	free(text);
	return kib >> 10;
}

/* In free pieces of 2 MiB and more: orders 9 and 10 of each zone. */
static uint64_t chunk_mib(const struct host *h)
{
	char *text = read_text(h, "/proc/buddyinfo"), *line, *rest;
	uint64_t mib = 0;

	for (line = text ? strtok_r(text, "\n", &rest) : NULL; line;
	     line = strtok_r(NULL, "\n", &rest)) {
		unsigned long long n[11] = { 0 };
		char *at = strstr(line, "zone ");

		if (!at)
			continue;
		at += 5;
		at += strspn(at, " ");
		at += strcspn(at, " ");		/* its name */
		for (int order = 0; order < 11; order++)
			n[order] = strtoull(at, &at, 10);
		mib += 2 * n[9] + 4 * n[10];
	}
	free(text);
	return mib;
}

static void check_memory(const struct host *h)
{
	uint64_t chunks = chunk_mib(h), available = available_mib(h);

	if (available < MIN_MIB)
		tell(h, "memory", OS_PROBLEM, "end programs",
		     "only %" PRIu64 " MiB are available, a guest needs %d",
		     available, MIN_MIB);
	else if (chunks < GOOD_MIB && chunks < available / 2)
		tell(h, "memory", OS_WARNING,
		     "guests get what can be compacted; run 'echo 1 > /proc/sys/vm/compact_memory'",
		     "%" PRIu64 " MiB in free pieces of 2 MiB, of %" PRIu64
		     " MiB available", chunks, available);
	else
		tell(h, "memory", OS_OK, NULL,
		     "%" PRIu64 " MiB in free pieces of 2 MiB, of %" PRIu64
		     " MiB available", chunks, available);
}

/* --- programs ---------------------------------------------------------------------- */

static const struct tool {
	const char *name;
	const char *also;	/* where it can be as well, or NULL */
	const char *todo;
} tools[] = {
	{ "virtiofsd", "/usr/libexec/virtiofsd",
	  "for host folders: install the package virtiofsd or qemu-system-common" },
	{ "qemu-nbd", NULL,
	  "for snapshots and qcow2: install the package qemu-utils" },
	{ "qemu-img", NULL,
	  "for 'colinux image': install the package qemu-utils" },
	{ "mke2fs", "/sbin/mke2fs",
	  "for 'colinux image': install the package e2fsprogs" },
	{ "mmdebstrap", NULL,
	  "for 'colinux image create': install the package mmdebstrap" },
};

static bool find_tool(const struct host *h, const struct tool *t)
{
	static const char * const dirs[] = {
		"/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/usr/sbin",
		"/bin", "/sbin", "/usr/lib/qemu",
	};
	char path[PATH_MAX];

	if (t->also && exists(h, t->also))
		return true;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], t->name);
		if (exists(h, path))
			return true;
	}
	return false;
}

static void check_tools(const struct host *h)
{
	void *so;

	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		bool found = find_tool(h, &tools[i]);

		tell(h, tools[i].name, found ? OS_OK : OS_WARNING,
		     tools[i].todo, found ? "there" : "missing");
	}
	so = dlopen("libnbd.so.0", RTLD_LAZY | RTLD_LOCAL);
	tell(h, "libnbd", so ? OS_OK : OS_WARNING,
	     "for snapshots, qcow2 and nbd: install the package libnbd0",
	     so ? "there" : "missing");
	if (so)
		dlclose(so);
	tell(h, "tun", exists(h, "/dev/net/tun") ? OS_OK : OS_WARNING,
	     "for tap network cards: run 'modprobe tun'",
	     exists(h, "/dev/net/tun") ? "there" : "missing");
}

void os_check_host(const char *root, os_check_report *report, void *arg)
{
	struct host h = { .root = root, .report = report, .arg = arg };
	char path[PATH_MAX], *cpuinfo, *flags, *end;
	struct utsname name;

	uname(&name);
	snprintf(h.release, sizeof(h.release), "%s", name.release);
	cpuinfo = read_text(&h, "/proc/cpuinfo");
	flags = cpuinfo ? strstr(cpuinfo, "\nflags\t") : NULL;
	if (flags) {
		/* There is a blank behind the last line. */
		end = flags + 1 + strcspn(flags + 1, "\n");
		if (*end)
			memcpy(end, " ", 2);
		h.flags = flags;
	}
	h.cmdline = read_text(&h, "/proc/cmdline");
	snprintf(path, sizeof(path), "/boot/config-%s", h.release);
	h.config = read_text(&h, path);
	h.loaded = exists(&h, "/sys/module/colinux");
	check_kernel(&h);
	check_config(&h);
	check_io_uring(&h);
	check_cpu(&h);
	check_hypervisor(&h);
	check_lockdown(&h);
	check_module(&h);
	check_device(&h);
	check_memory(&h);
	check_tools(&h);
	free(cpuinfo);
	free(h.cmdline);
	free(h.config);
}

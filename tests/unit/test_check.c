// SPDX-License-Identifier: GPL-2.0
/* `colinux check` on hosts that are made of a few files. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "say.h"
#include "os/os.h"

static char root[64];
static struct utsname host;

struct line {
	char name[32];
	enum os_check_verdict verdict;
	char text[256];
	bool todo;
};

static struct line lines[32];
static unsigned int count;

static void put(const char *path, const char *text)
{
	char name[256];
	char *slash;
	FILE *f;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (slash = name + strlen(root) + 1; (slash = strchr(slash, '/'));
	     slash++) {
		*slash = '\0';
		mkdir(name, 0700);
		*slash = '/';
	}
	f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void put_release(const char *format, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), format, host.release);
	put(path, text);
}

/* A host that has nothing against it but that the driver is not loaded. */
static int setup(void **state)
{
	snprintf(root, sizeof(root), "/tmp/colinux-check-XXXXXX");
	if (!mkdtemp(root) || uname(&host))
		return -1;
	put("/proc/cpuinfo", "processor\t: 0\nmodel name\t: x\n"
	    "flags\t\t: fpu lm nx cx16 la57\nbugs\t\t: none\n");
	put("/proc/cmdline", "root=/dev/sda1 quiet\n");
	put("/proc/modules", "");
	put("/proc/meminfo", "MemTotal: 8000000 kB\nMemFree: 1 kB\n"
	    "MemAvailable:    4096000 kB\n");
	put("/proc/buddyinfo",
	    "Node 0, zone      DMA      0      0      0      0      0      0      0      0      1      1      3\n"
	    "Node 0, zone   Normal   4381   1093    185   1530    567    102      4      0      0     10    300\n");
	put_release("/boot/config-%s", "#\nCONFIG_MODULES=y\nCONFIG_EVENTFD=y\n"
		    "CONFIG_IO_URING=y\nCONFIG_HIGH_RES_TIMERS=y\n"
		    "CONFIG_COMPACTION=y\n");
	put_release("/lib/modules/%s/modules.dep",
		    "updates/dkms/colinux.ko.xz:\n");
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void take(void *arg, const char *name, enum os_check_verdict verdict,
		 const char *text, const char *todo)
{
	struct line *l = &lines[count++];

	assert_true(count < ARRAY_SIZE(lines));
	snprintf(l->name, sizeof(l->name), "%s", name);
	snprintf(l->text, sizeof(l->text), "%s", text);
	l->verdict = verdict;
	assert_int_equal(!todo, verdict == OS_OK);
}

static void expect(const char *name, enum os_check_verdict verdict,
		   const char *text)
{
	count = 0;
	os_check_host(root, take, NULL);
	for (unsigned int i = 0; i < count; i++) {
		if (strcmp(lines[i].name, name))
			continue;
		if (lines[i].verdict != verdict || !strstr(lines[i].text, text))
			fail_msg("%s: %d, %s", name, lines[i].verdict,
				 lines[i].text);
		return;
	}
	fail_msg("nothing was said of %s", name);
}

static void a_good_host(void **state)
{
	expect("config", OS_OK, "all");
	expect("cpu", OS_OK, "5-level");
	expect("hypervisor", OS_OK, "none");
	expect("lockdown", OS_OK, "can be loaded");
	expect("module", OS_PROBLEM, "not loaded");
	expect("device", OS_PROBLEM, "cannot be opened");
	/* 10 x 2 MiB and 303 x 4 MiB and one of 2 MiB in DMA. */
	expect("memory", OS_OK, "1234 MiB in free pieces of 2 MiB, of 4000 MiB");
	expect("qemu-nbd", OS_WARNING, "missing");
	put("/usr/bin/qemu-nbd", "");
	expect("qemu-nbd", OS_OK, "there");
	put("/sys/module/colinux/refcnt", "0\n");
	expect("module", OS_OK, "loaded");
}

static void kernels(void **state)
{
	put_release("/boot/config-%s", "#\nCONFIG_MODULES=y\n");
	expect("config", OS_PROBLEM, "CONFIG_IO_URING");
	put("/proc/sys/kernel/io_uring_disabled", "2\n");
	expect("io_uring", OS_PROBLEM, "off");
	put("/proc/sys/kernel/io_uring_disabled", "1\n");
	expect("io_uring", OS_OK, "");
	put_release("/lib/modules/%s/modules.dep", "kernel/a.ko:\n");
	expect("module", OS_PROBLEM, "neither");
	put_release("/lib/modules/%s/build", "");
	expect("module", OS_PROBLEM, "no colinux module");
}

static void cpus(void **state)
{
	put("/proc/cpuinfo", "x\nflags\t\t: fpu lm cx16\nbugs\t: nx\n");
	expect("cpu", OS_PROBLEM, "NX");
	put("/proc/cpuinfo", "x\nflags\t\t: fpu lm nx cx16 fred\n");
	expect("cpu", OS_PROBLEM, "FRED");
	put("/proc/cmdline", "quiet fred=off\n");
	expect("cpu", OS_OK, "no FRED");
}

static void hypervisors(void **state)
{
	static const char flags[] = "x\nflags\t\t: lm nx cx16 %s\n";
	char text[128];

	snprintf(text, sizeof(text), flags, "hypervisor");
	put("/proc/cpuinfo", text);
	expect("hypervisor", OS_WARNING, "virtual machine");
	put("/proc/cmdline", "no-kvmapf\n");
	expect("hypervisor", OS_OK, "");
	snprintf(text, sizeof(text), flags, "hypervisor sev");
	put("/proc/cpuinfo", text);
	expect("hypervisor", OS_PROBLEM, "SEV");
	snprintf(text, sizeof(text), flags, "hypervisor tdx_guest");
	put("/proc/cpuinfo", text);
	expect("hypervisor", OS_PROBLEM, "TDX");
	put("/sys/hypervisor/type", "xen\n");
	put("/sys/hypervisor/guest_type", "PVH\n");
	put("/proc/cpuinfo", "x\nflags\t\t: lm nx cx16 sev sme\n");
	expect("hypervisor", OS_OK, "none");
	put("/proc/cmdline", "mem_encrypt=on\n");
	expect("hypervisor", OS_PROBLEM, "SME");
	put("/sys/hypervisor/guest_type", "PV\n");
	expect("hypervisor", OS_PROBLEM, "Xen PV");
}

static void lockdown(void **state)
{
	put("/proc/sys/kernel/modules_disabled", "1\n");
	expect("lockdown", OS_PROBLEM, "no more modules");
	put("/proc/sys/kernel/modules_disabled", "0\n");
	put("/sys/kernel/security/lockdown",
	    "none [integrity] confidentiality\n");
	expect("lockdown", OS_WARNING, "only signed");
	put("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
	    "\x06\x01\x01\x01\x01");
	expect("lockdown", OS_WARNING, "Secure Boot");
	put("/sys/kernel/security/lockdown",
	    "[none] integrity confidentiality\n");
	expect("lockdown", OS_OK, "");
	put("/sys/module/module/parameters/sig_enforce", "Y\n");
	expect("lockdown", OS_WARNING, "signed");
}

static void memory(void **state)
{
	put("/proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 30000 kB\n");
	expect("memory", OS_PROBLEM, "only 29 MiB");
	put("/proc/meminfo", "MemTotal: 1 kB\nMemAvailable: 4096000 kB\n");
	put("/proc/buddyinfo", "Node 0, zone Normal 1 1 1 1 1 1 1 1 1 5 0\n"
	    "rubbish\nNode 0, zone\n");
	expect("memory", OS_WARNING, "10 MiB");
}

/* A file system without any of it. */
static void nothing_there(void **state)
{
	strcat(root, "/none");
	expect("cpu", OS_WARNING, "");
	expect("lockdown", OS_PROBLEM, "cannot load modules");
	*strrchr(root, '/') = '\0';
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_good_host),
		TEST(kernels),
		TEST(cpus),
		TEST(hypervisors),
		TEST(lockdown),
		TEST(memory),
		TEST(nothing_there),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}

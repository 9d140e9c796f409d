// SPDX-License-Identifier: GPL-2.0
/* The driver's ioctls on Linux, see os.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/log.h"
#include "os/os.h"

static int call(int driver, unsigned long request, void *arg)
{
	return ioctl(driver, request, arg) < 0 ? -errno : 0;
}

static int open_failed(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		say("%s: the driver is not loaded: run 'modprobe colinux' as root",
		    OS_DRIVER_PATH);
		break;
	case EACCES:
	case EPERM:
		say("%s: permission denied: run colinux as root",
		    OS_DRIVER_PATH);
		break;
	default:
		say("%s: cannot open: %s", OS_DRIVER_PATH, strerror(err));
	}
	return -err;
}

int os_driver_open(int *driver)
{
	int fd = open(OS_DRIVER_PATH, O_RDWR | O_CLOEXEC);
	int revision;

	if (fd < 0)
		return open_failed(errno);
	revision = ioctl(fd, CO_IOC_VERSION);
	if (revision < 0) {
		int err = -errno;

		say("%s: not the colinux driver (%s): remove it and run 'modprobe colinux'",
		    OS_DRIVER_PATH, strerror(-err));
		close(fd);
		return err;
	}
	if (revision != CO_ABI_REVISION) {
		say("%s: the driver has revision %d of the interface, this program %d: install matching versions",
		    OS_DRIVER_PATH, revision, CO_ABI_REVISION);
		close(fd);
		return -EPROTO;
	}
	*driver = fd;
	return 0;
}

void os_driver_close(int driver)
{
	close(driver);
}

int os_driver_create(int driver, uint32_t vcpus, uint64_t bytes, uint64_t *got)
{
	struct co_ioc_create arg = {
		.revision = CO_ABI_REVISION,
		.vcpus = vcpus,
		.mem_bytes = bytes,
	};
	int err = call(driver, CO_IOC_CREATE, &arg);

	*got = arg.got_bytes;
	return err;
}

int os_driver_map(int driver, uint64_t bytes, void **hva)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, driver,
			0);

	if (at == MAP_FAILED)
		return -errno;
	/* Neither for core dumps nor for children. Best effort. */
	madvise(at, bytes, MADV_DONTDUMP);
	madvise(at, bytes, MADV_DONTFORK);
	*hva = at;
	return 0;
}

void os_driver_unmap(void *hva, uint64_t bytes)
{
	munmap(hva, bytes);
}

int os_driver_boot(int driver, uint64_t entry_gva, uint64_t boot_params_gpa)
{
	struct co_ioc_boot arg = {
		.entry_gva = entry_gva,
		.boot_params_gpa = boot_params_gpa,
	};

	return call(driver, CO_IOC_BOOT, &arg);
}

int os_driver_run(int driver, struct co_ioc_run *run)
{
	return call(driver, CO_IOC_RUN, run);
}

int os_driver_doorbell(int driver, uint32_t doorbell, int event)
{
	struct co_ioc_doorbell arg = { .doorbell = doorbell, .fd = event };

	return call(driver, CO_IOC_DOORBELL, &arg);
}

int os_driver_virqfd(int driver, uint32_t vcpu, uint32_t virq, int event)
{
	struct co_ioc_virqfd arg = { .vcpu = vcpu, .virq = virq, .fd = event };

	return call(driver, CO_IOC_VIRQFD, &arg);
}

int os_driver_exitfd(int driver, uint32_t vcpu, int event)
{
	struct co_ioc_exitfd arg = { .vcpu = vcpu, .fd = event };

	return call(driver, CO_IOC_EXITFD, &arg);
}

int os_driver_exitbell(int driver, uint32_t doorbell, bool on)
{
	struct co_ioc_exitbell arg = { .doorbell = doorbell, .on = on };

	return call(driver, CO_IOC_EXITBELL, &arg);
}

int os_driver_raise(int driver, uint32_t vcpu, uint32_t virq)
{
	struct co_ioc_virqfd arg = { .vcpu = vcpu, .virq = virq, .fd = -1 };

	return call(driver, CO_IOC_RAISE, &arg);
}

int os_driver_stats(int driver, struct co_ioc_stats *stats)
{
	return call(driver, CO_IOC_STATS, stats);
}

/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract between the daemon and the driver: ioctls on /dev/colinux.
 * Each open file is one CVM; closing the last reference to it ends the CVM
 * and gives everything back. Guest memory is mmap(fd, offset = gpa).
 *
 * Order: CO_IOC_VERSION, CO_IOC_CREATE, mmap and fill the memory,
 * CO_IOC_DOORBELL / CO_IOC_VIRQFD, CO_IOC_BOOT, then CO_IOC_RUN in one
 * thread for each vCPU.
 */
#ifndef COLINUX_IOCTL_H
#define COLINUX_IOCTL_H

#include <colinux/abi.h>
#include <linux/ioctl.h>

/*
 * CO_IOC_CREATE: allocate guest memory and vCPUs. Once.
 *   EINVAL  a size or count out of range, EBUSY created already,
 *   EPROTO  revision is not the driver's (revision is set to that),
 *   E2BIG   more than the host's memory, which got_bytes tells,
 *   ENOMEM  got_bytes tells how much 2 MiB-contiguous memory could be had,
 *   ERANGE  the host has memory where there was none when it was looked for,
 *   EEXIST  an address of the host collides with the guest's area.
 * After a failure nothing is left and it may be tried again.
 */
struct co_ioc_create {
	__u32 revision;		/* in/out: CO_ABI_REVISION */
	__u32 vcpus;		/* in: 1..CO_MAX_VCPUS */
	__u64 mem_bytes;	/* in: multiple of CO_CHUNK_SIZE,
				 * CO_MEM_MIN..CO_MEM_MAX */
	__u64 got_bytes;	/* out, also on ENOMEM and E2BIG */
};

/*
 * CO_IOC_BOOT: build the first page tables, fill struct co_boot and make
 * vCPU 0 ready. EINVAL: entry is not in the kernel mapping. EBUSY: done
 * already. ENXIO: not created.
 */
struct co_ioc_boot {
	__u64 entry_gva;	/* in: from the ELF note */
	__u64 boot_params_gpa;	/* in */
};

/*
 * CO_IOC_RUN: run a vCPU until something is for the daemon. The daemon acts on
 * reason and calls again. EINTR: a signal is pending, nothing happened.
 * ENXIO: not booted or no such vCPU. EBUSY: another thread runs it.
 * ESHUTDOWN: the CVM has ended (the final reason was reported before).
 */
enum co_exit {
	CO_EXIT_NONE	 = 0,	/* the vCPU's exit event was signalled */
	CO_EXIT_DEVICE	 = 1,	/* arg0: device index (< CO_MAX_DEVICES) */
	CO_EXIT_CONSOLE	 = 2,	/* text */
	CO_EXIT_POWEROFF = 3,	/* final */
	CO_EXIT_REBOOT	 = 4,	/* final */
	CO_EXIT_PANIC	 = 5,	/* final; text: the guest's reason */
	CO_EXIT_CRASH	 = 6,	/* final; text: what the driver found, arg0:
				 * exception vector or ~0, arg1: RIP, arg2: CR2 */
	CO_EXIT_NOTIFY	 = 7,	/* arg0: doorbell, see CO_IOC_EXITBELL */
};

struct co_ioc_run {
	__u32 vcpu;		/* in */
	__u32 reason;		/* out: enum co_exit */
	__u64 arg[3];		/* out */
	__u32 text_len;		/* out: bytes in text, 0..CO_TEXT_MAX */
	__u32 reserved;
	__u8  text[CO_TEXT_MAX];	/* out: not NUL-terminated */
};

/*
 * CO_IOC_DOORBELL: signal an eventfd at each CO_OP_NOTIFY of this doorbell.
 * CO_IOC_VIRQFD: raise a virq of a vCPU each time the eventfd is signalled.
 * fd = -1 removes. EINVAL: index out of range. EBADF: not an eventfd. ENXIO:
 * not created. DOORBELL: EBUSY: booted already, they are fixed then. VIRQFD:
 * ENOENT: there is none to remove.
 */
struct co_ioc_doorbell {
	__u32 doorbell;		/* in: < CO_MAX_DOORBELLS */
	__s32 fd;		/* in */
};

struct co_ioc_virqfd {
	__u32 vcpu;		/* in */
	__u32 virq;		/* in: < CO_MAX_VIRQS */
	__s32 fd;		/* in */
	__u32 reserved;
};

/*
 * CO_IOC_EXITFD: each time the eventfd is signalled CO_IOC_RUN of the vCPU
 * returns (CO_EXIT_NONE), now or when it is called next. fd = -1 removes.
 * EINVAL: no such vCPU. EBADF: not an eventfd. ENXIO: not created.
 * CO_IOC_EXITBELL: while on is 1, CO_OP_NOTIFY of the doorbell, which must have
 * an eventfd, returns from CO_IOC_RUN with CO_EXIT_NOTIFY instead of signalling
 * that. It may be changed while the guest runs. EINVAL: out of range. ENXIO: not
 * created.
 */
struct co_ioc_exitfd {
	__u32 vcpu;		/* in */
	__s32 fd;		/* in */
};

struct co_ioc_exitbell {
	__u32 doorbell;		/* in: < CO_MAX_DOORBELLS */
	__u32 on;		/* in: 0 or 1 */
};

/* CO_IOC_STATS: counters since creation, of all vCPUs. */
struct co_ioc_stats {
	__u64 switches;		/* round trips into the guest */
	__u64 forwards;		/* host interrupts forwarded */
	__u64 nmis_taken;	/* NMIs that arrived off-host */
	__u64 nmis_replayed;	/* ... and were delivered to the host */
	__u64 mces_taken;
	__u64 mces_replayed;
	__u64 idles;		/* times a vCPU slept */
	__u64 virqs;		/* virqs raised */
	__u64 notifies;		/* doorbells rung */
	__u64 self_kicks;	/* see co_vcpu_page.virq_pending */
	__u64 drained;		/* in-service interrupts run when abandoned */
	__u64 reserved[5];
};

#define CO_IOC_VERSION	_IO(0xC0, 0x10)		/* returns CO_ABI_REVISION */
#define CO_IOC_CREATE	_IOWR(0xC0, 0x11, struct co_ioc_create)
#define CO_IOC_BOOT	_IOW(0xC0, 0x12, struct co_ioc_boot)
#define CO_IOC_RUN	_IOWR(0xC0, 0x13, struct co_ioc_run)
#define CO_IOC_DOORBELL	_IOW(0xC0, 0x14, struct co_ioc_doorbell)
#define CO_IOC_VIRQFD	_IOW(0xC0, 0x15, struct co_ioc_virqfd)
#define CO_IOC_STATS	_IOR(0xC0, 0x16, struct co_ioc_stats)
/*
 * CO_IOC_RAISE: raise a virq now; fd is not used. EINVAL: out of range. ENXIO:
 * not booted.
 */
#define CO_IOC_RAISE	_IOW(0xC0, 0x17, struct co_ioc_virqfd)
#define CO_IOC_EXITFD	_IOW(0xC0, 0x18, struct co_ioc_exitfd)
#define CO_IOC_EXITBELL	_IOW(0xC0, 0x19, struct co_ioc_exitbell)

CO_ASSERT_SIZE(co_ioc_create, 24);
CO_ASSERT_SIZE(co_ioc_boot, 16);
CO_ASSERT_SIZE(co_ioc_run, 40 + CO_TEXT_MAX);
CO_ASSERT_SIZE(co_ioc_doorbell, 8);
CO_ASSERT_SIZE(co_ioc_virqfd, 16);
CO_ASSERT_SIZE(co_ioc_stats, 128);
CO_ASSERT_SIZE(co_ioc_exitfd, 8);
CO_ASSERT_SIZE(co_ioc_exitbell, 8);

#endif /* COLINUX_IOCTL_H */

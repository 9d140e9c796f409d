/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The contract between the driver (host kernel), the guest kernel and the
 * daemon: everything that lies in memory two of them can see, and the values
 * that cross a world switch.
 *
 * Any change of layout or meaning bumps CO_ABI_REVISION, docs/abi.md and the
 * size assertions at the end of this file.
 *
 * Words: gpa = guest pseudo-physical address, hpa = host machine-physical
 * address, gva/hva = virtual address of the guest/host. A chunk is 2 MiB,
 * naturally aligned, of either physical space.
 *
 * Who writes what is said field by field: [D] driver, [G] guest, [M] daemon
 * (the "machine" process). All of it except [D] is untrusted input to the
 * driver and to the daemon.
 */
#ifndef COLINUX_ABI_H
#define COLINUX_ABI_H

#define CO_ABI_REVISION		2
#define CO_ABI_MAGIC		0x34367875	/* "ux64" */

/* --- memory -------------------------------------------------------------- */

#define CO_CHUNK_SHIFT		21
#define CO_CHUNK_SIZE		(1UL << CO_CHUNK_SHIFT)
#define CO_CHUNK_NONE		0xffffffff	/* no chunk: p2m and m2p */

#define CO_MAX_VCPUS		64
#define CO_MAX_DEVICES		32
#define CO_MAX_QUEUES		16		/* of one device */
#define CO_MAX_DOORBELLS	(CO_MAX_DEVICES * CO_MAX_QUEUES)
#define CO_MAX_VIRQS		256		/* of one vCPU */
#define CO_MEM_MIN		(64UL << 20)	/* bytes of guest memory */
#define CO_MEM_MAX		(256UL << 30)

/*
 * The area: guest virtual memory that the driver maps and the guest keeps
 * in every page table it makes. With 4-level paging it is PGD slot 256, with
 * 5-level paging P4D slot 256 below PGD slot 511: the same address in both,
 * and a hole in Linux' memory map (no KASAN). The guest installs the one entry
 * in co_boot.area_entry there, unchanged (it holds a host address).
 */
#define CO_AREA_GVA		0xffff800000000000
#define CO_AREA_CODE_GVA	(CO_AREA_GVA)			/* passage code */
#define CO_AREA_VCPU_GVA	(CO_AREA_GVA + 0x100000)	/* passage state */
#define CO_AREA_P2M_GVA		(CO_AREA_GVA + 0x40000000)	/* read-only */
#define CO_AREA_M2P_GVA		(CO_AREA_GVA + 0x100000000)	/* read-only */
#define CO_AREA_SLOT		256	/* index in the PGD or P4D */

/*
 * p2m: __u32[guest chunks], guest chunk -> host chunk. Never CO_CHUNK_NONE
 *      below co_boot.mem_bytes; must not be read beyond it.
 * m2p: __u32[co_boot.m2p_entries], host chunk -> guest chunk, CO_CHUNK_NONE
 *      where the chunk is not this guest's.
 */

/* State region of one vCPU in the area: CO_AREA_VCPU_GVA + vcpu * size. */
#define CO_VCPU_STATE_SIZE	0x2000
#define CO_VCPU_MCE_STACK	0x1400	/* top of the IST stack for #MC */
#define CO_VCPU_NMI_STACK	0x1800	/* top of the IST stack for NMI */

/*
 * The first MiB of guest memory is not RAM for the guest's allocator (the
 * memory map reports it reserved); it holds what is shared. The guest's kernel
 * image is loaded above.
 */
#define CO_BOOT_GPA		0x00001000	/* struct co_boot */
#define CO_ZERO_PAGE_GPA	0x00002000	/* struct boot_params of Linux */
#define CO_CMDLINE_GPA		0x00003000	/* NUL-terminated */
#define CO_CMDLINE_MAX		4096		/* bytes with the NUL */
#define CO_DEVICES_GPA		0x00008000	/* struct co_device[] */
#define CO_VCPU_PAGES_GPA	0x00010000	/* struct co_vcpu_page[] */
#define CO_LOW_SIZE		0x00100000

/*
 * At entry the driver's first page tables map gpa 0..CO_KERNEL_MAP_SIZE (or
 * the end of memory) at CO_KERNEL_MAP_GVA, 2 MiB pages, executable, plus the
 * area. Nothing else.
 *
 * Registers at entry: RDI = gva of struct co_boot, RSI = gpa of boot_params,
 * RSP = 0 (no stack), RFLAGS.IF = 0, GDT = the passage's (CS = 0x10,
 * DS = SS = 0x18), IDT = the passage's: any exception before the guest loads
 * an IDT of its own ends the CVM with a report of vector and RIP. TR selects
 * the passage's TSS at 0x40, whose descriptor the guest copies from the
 * passage GDT (sgdt) into slot 8 of its own GDT before it loads that.
 */
#define CO_KERNEL_MAP_GVA	0xffffffff80000000
#define CO_KERNEL_MAP_SIZE	0x20000000
#define CO_CS			0x10	/* of both kernels */
#define CO_SS			0x18
#define CO_TSS			0x40

/* ELF note that marks a colinux kernel; the descriptor is co_elf_note. */
#define CO_ELF_NOTE_NAME	"colinux"
#define CO_ELF_NOTE_TYPE	1

#ifndef __ASSEMBLY__

#include <linux/types.h>

struct co_elf_note {
	__u32 revision;		/* CO_ABI_REVISION of the kernel */
	__u32 reserved;		/* 0 */
	__u64 entry_gva;	/* first instruction */
};

/* --- time ---------------------------------------------------------------- */

/*
 * [D] Guest time as a line through the TSC, layout of Linux' pvclock: in ns,
 * system_time + (((tsc - tsc_timestamp) shifted by tsc_shift) * mul >> 32).
 * version is odd while the driver writes. CO_CLOCK_STABLE: the line is the
 * same on all vCPUs and the driver means never to move it. If the version
 * changes all the same the TSC was not what it seemed to be: what relied on
 * the bare TSC must use the line from then on. Guest time 0 is the CVM's
 * creation.
 */
struct co_clock {
	__u32 version;
	__u32 reserved0;
	__u64 tsc_timestamp;
	__u64 system_time;
	__u32 tsc_to_system_mul;
	__s8  tsc_shift;
	__u8  flags;
	__u8  reserved1[2];
};
#define CO_CLOCK_STABLE		0x01

/* --- operations: why the guest switched back ------------------------------ */

/*
 * The guest calls co_boot.passage_call with interrupts off, after filling op
 * and arg[] of its vCPU page: RDI = gva of its state region. It is a C function
 * to the caller (callee-saved registers survive), returning nothing; results
 * are in co_vcpu_page.ret (0 or -errno of Linux).
 */
enum co_op {
	CO_OP_NONE	= 0,	/* only let the host run what it has to */
	CO_OP_FORWARD	= 1,	/* arg0: interrupt vector (32..255) for the host */
	CO_OP_IDLE	= 2,	/* arg0: as for TIMER, or CO_TIMER_KEEP: leave
				 * the timer as it is. Set it, then sleep
				 * until a virq is pending */
	CO_OP_TIMER	= 3,	/* arg0: ns from now, CO_TIMER_OFF: cancel */
	CO_OP_NOTIFY	= 4,	/* arg0: doorbell = device * CO_MAX_QUEUES + queue */
	CO_OP_DEVICE	= 5,	/* arg0: device; its status or a queue changed;
				 * returns after the daemon has acted on it */
	CO_OP_CONSOLE	= 6,	/* arg0: bytes in text[], early console output */
	CO_OP_POWEROFF	= 7,	/* does not return */
	CO_OP_REBOOT	= 8,	/* does not return */
	CO_OP_PANIC	= 9,	/* arg0: bytes in text[] (reason); no return */
	CO_OP_MAX	= 9,
};
#define CO_TIMER_OFF		(~0ULL)
#define CO_TIMER_KEEP		(~0ULL - 1)
#define CO_TEXT_MAX		1024

/* virqs of a vCPU; devices use CO_VIRQ_DEVICE and up. */
#define CO_VIRQ_TIMER		0	/* the one-shot timer fired */
#define CO_VIRQ_RESCHEDULE	1	/* reserved for SMP */
#define CO_VIRQ_CALL		2	/* reserved for SMP */
#define CO_VIRQ_CONTROL		3	/* look at co_boot's control and wall_* */
#define CO_VIRQ_DEVICE		16

/*
 * Page of one vCPU at CO_VCPU_PAGES_GPA + vcpu * 4096.
 *
 * virq_pending: the driver sets bits atomically; the guest takes them with an
 * atomic exchange each time it comes back from a passage call or in its
 * interrupt handler. If the guest is entered with RFLAGS.IF = 0 while bits are
 * set, the driver makes a hardware interrupt pending on this CPU, so that one
 * arrives (and is forwarded) as soon as the guest enables interrupts.
 */
struct co_vcpu_page {
	__u32 op;		/* [G] enum co_op */
	__u32 reserved0;
	__u64 arg[4];		/* [G] */
	__s64 ret;		/* [D] */
	__u64 reserved1[2];
	__u64 virq_pending[CO_MAX_VIRQS / 64];	/* [D] sets, [G] clears */
	struct co_clock clock;	/* [D] */
	__u64 steal_ns;		/* [D] host ran others while this was runnable */
	__u64 reserved2[15];
	__u8  text[CO_TEXT_MAX];	/* [G] console text, panic reason */
	__u8  reserved3[2816];
};

/* --- boot ---------------------------------------------------------------- */

struct co_boot {
	__u32 magic;		/* [D] CO_ABI_MAGIC */
	__u32 revision;		/* [D] CO_ABI_REVISION */
	__u64 mem_bytes;	/* [D] guest memory, a multiple of chunks */
	__u64 area_entry;	/* [D] page-table entry for CO_AREA_SLOT */
	__u64 m2p_entries;	/* [D] */
	__u64 passage_call;	/* [D] gva of the function, see enum co_op */
	__u64 passage_nmi;	/* [D] gva for gate 2, always with IST 2: the
				 * stack at CO_VCPU_NMI_STACK. The passage's
				 * TSS has it, the guest's own must too */
	__u64 passage_mce;	/* [D] gva for gate 18, always with IST 4:
				 * CO_VCPU_MCE_STACK */
	__u32 vcpus;		/* [D] */
	__u32 tsc_khz;		/* [D] */
	__u64 features;		/* [D] CO_FEATURE_* */
	/*
	 * Wall clock: CLOCK_REALTIME of the host at guest time 0, as the host
	 * sees it now: it changes when the host's clock is set, or when the
	 * host slept; CO_VIRQ_CONTROL follows. wall_version is odd while the
	 * driver writes. [D]
	 */
	__u32 wall_version;
	__u32 wall_nsec;
	__s64 wall_sec;
	__u32 control;		/* [M] CO_CONTROL_*, followed by CO_VIRQ_CONTROL */
	__u32 reserved[41];
};
#define CO_CONTROL_NONE		0
#define CO_CONTROL_POWEROFF	1	/* please power off in an orderly way */

#define CO_FEATURE_PKU		(1ULL << 0)	/* PKRU is switched */

/* --- devices ------------------------------------------------------------- */

/*
 * Virtio devices. The daemon fills the table before the guest starts. To
 * change status, guest_features or a queue, the guest writes the fields and
 * performs CO_OP_DEVICE; when that returns the daemon has acted: it has
 * stopped using the queues if status is 0, and it may have changed status
 * (FEATURES_OK cleared, DEVICE_NEEDS_RESET set).
 * All ring addresses and all addresses in descriptors are gpa.
 */
struct co_queue {
	__u64 desc_gpa;		/* [G] */
	__u64 avail_gpa;	/* [G] */
	__u64 used_gpa;		/* [G] */
	__u16 max_size;		/* [M] 0: queue does not exist; power of 2 */
	__u16 size;		/* [G] power of 2, <= max_size */
	__u16 ready;		/* [G] 0 or 1 */
	__u16 virq;		/* [M] raised on vCPU 0 when buffers were used */
};

struct co_device {
	__u32 device_id;	/* [M] virtio device id, 0: no device here */
	__u32 vendor_id;	/* [M] */
	__u64 host_features;	/* [M] virtio feature bits offered */
	__u64 guest_features;	/* [G] bits accepted */
	__u32 status;		/* [G], [M] virtio status */
	__u32 config_generation;/* [M] odd while config[] changes */
	__u16 config_len;	/* [M] bytes used in config[] */
	__u16 config_virq;	/* [M] raised after config[] or status changed */
	__u16 queues;		/* [M] */
	__u16 index;		/* [M] N of cobdN, conetN, coconN */
	__u8  reserved[88];
	struct co_queue queue[CO_MAX_QUEUES];
	__u8  config[256];	/* [M], some fields [G] as virtio says */
	__u8  reserved2[128];
};

#define CO_ASSERT_SIZE(type, bytes) \
	_Static_assert(sizeof(struct type) == (bytes), "size of " #type)
#define CO_ASSERT_OFFSET(type, field, bytes) \
	_Static_assert(__builtin_offsetof(struct type, field) == (bytes), \
		       "offset of " #type "." #field)

CO_ASSERT_SIZE(co_elf_note, 16);
CO_ASSERT_SIZE(co_clock, 32);
CO_ASSERT_SIZE(co_vcpu_page, 4096);
CO_ASSERT_OFFSET(co_vcpu_page, virq_pending, 64);
CO_ASSERT_OFFSET(co_vcpu_page, clock, 96);
CO_ASSERT_OFFSET(co_vcpu_page, text, 256);
CO_ASSERT_SIZE(co_boot, 256);
CO_ASSERT_OFFSET(co_boot, passage_call, 32);
CO_ASSERT_OFFSET(co_boot, features, 64);
CO_ASSERT_OFFSET(co_boot, control, 88);
CO_ASSERT_SIZE(co_queue, 32);
CO_ASSERT_SIZE(co_device, 1024);
CO_ASSERT_OFFSET(co_device, queue, 128);
CO_ASSERT_OFFSET(co_device, config, 640);

#endif /* !__ASSEMBLY__ */
#endif /* COLINUX_ABI_H */

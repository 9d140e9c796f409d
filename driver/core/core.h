/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The portable core's objects. A CVM is one open file of the device; it owns
 * its chunks, tables and vCPUs and lives until that file's last close.
 *
 * Locks, as letters behind the fields:
 *   [c] constant after creation      [m] cvm->mutex
 *   [r] the thread inside co_vcpu_run [a] atomic accesses
 *   [g] shared with the guest: untrusted, read once
 */
#ifndef CO_CORE_H
#define CO_CORE_H

#include <os.h>
#include <arch.h>
#include <colinux/abi.h>
#include <colinux/ioctl.h>

struct co_arch_vcpu;
struct co_arch_cvm;

struct co_vcpu {
	struct co_cvm *cvm;		/* [c] */
	u32 index;			/* [c] */
	struct co_vcpu_page *page;	/* [c] contents [g] */
	struct co_arch_vcpu *arch;	/* [c] contents [r] */
	struct co_os_waiter waiter;
	struct co_os_timer timer;
	u32 running;			/* [a] a thread is in co_vcpu_run */
	u32 last_op;			/* [r] enum co_op of the last exit */
	u64 entered_ns;			/* [a] entered the guest, 0: outside */
	u64 runnable_ns;		/* [r] left the CPU while runnable */
	u32 calm;			/* [a] 0: the daemon wants its thread */
	void *exit_watch;		/* [m] */
	struct co_clock line;		/* [r] what page->clock was set to */
	u64 clock_ns, clock_tsc;	/* [r] the last look at it */
};

struct co_virqfd {
	struct co_virqfd *next;		/* [m] */
	struct co_vcpu *vcpu;		/* [c] */
	u32 virq;			/* [c] */
	void *watch;			/* [c] */
};

struct co_cvm {
	struct co_os_mutex mutex;
	u32 created;			/* [m] written, [a] read */
	u32 booted;			/* [m] written, [a] read */
	u32 ended;			/* [a] a final reason was reported */
	u32 vcpus;			/* [c] */
	u64 mem_bytes;			/* [c] */
	u32 chunks;			/* [c] */
	struct co_page *chunk;		/* [c] */
	u32 p2m_pages;			/* [c] */
	struct co_page *p2m;		/* [c] */
	u32 m2p_pages;			/* [c] */
	struct co_page *m2p;		/* [c] */
	struct co_page m2p_none;	/* [c] shared by untouched m2p pages */
	u64 origin_ns;			/* [r] of vCPU 0: host time of guest
					 * time 0 */
	u64 wall_origin_ns;		/* [r] of vCPU 0: co_boot.wall_* */
	struct co_vcpu *vcpu;		/* [c] */
	struct co_arch_cvm *arch;	/* [c] */
	void *doorbell[CO_MAX_DOORBELLS];	/* [m], [c] once booted */
	u8 exitbell[CO_MAX_DOORBELLS];	/* [a] NOTIFY ends CO_IOC_RUN */
	struct co_virqfd *virqfds;	/* [m] */
	struct co_ioc_stats stats;	/* [a] relaxed */
};

#define co_count(cvm, field)	co_atomic_inc(&(cvm)->stats.field)

/* cvm.c */
struct co_cvm *co_cvm_new(void);
void co_cvm_destroy(struct co_cvm *cvm);
/*
 * One ioctl; data is a kernel copy of its structure (in and out). Returns
 * 0 or positive result, or -errno as ioctl.h says, -ENOTTY for unknown ones.
 */
long co_cvm_ioctl(struct co_cvm *cvm, unsigned int cmd, void *data);

/* memory.c */
int co_memory_create(struct co_cvm *cvm, u64 bytes, u64 *got_bytes);
void co_memory_destroy(struct co_cvm *cvm);
/* hva of guest memory [gpa, gpa + bytes), within one chunk; NULL otherwise. */
void *co_memory_hva(struct co_cvm *cvm, u64 gpa, u64 bytes);
/* hpa behind a page-aligned gpa; gpa < mem_bytes. */
u64 co_memory_hpa(struct co_cvm *cvm, u64 gpa);

/* vcpu.c */
int co_vcpu_create(struct co_cvm *cvm, u32 index);
void co_vcpu_destroy(struct co_vcpu *vcpu);
int co_vcpu_run(struct co_vcpu *vcpu, struct co_ioc_run *run);
bool co_vcpu_overdue(struct co_vcpu *vcpu, u64 now_ns, u64 limit_ns);

/* clock.c */
void co_clock_init(struct co_cvm *cvm, struct co_boot *boot);
void co_clock_update(struct co_vcpu *vcpu);

/* virq.c */
void co_virq_raise(struct co_vcpu *vcpu, u32 virq);
bool co_virq_pending(struct co_vcpu *vcpu);
int co_virq_watch(struct co_cvm *cvm, const struct co_ioc_virqfd *args);
void co_virq_unwatch_all(struct co_cvm *cvm);
int co_doorbell_set(struct co_cvm *cvm, const struct co_ioc_doorbell *args);
int co_doorbell_ring(struct co_cvm *cvm, u64 doorbell);

/* exit.c */
bool co_exit_wanted(const struct co_vcpu *vcpu);
bool co_exit_take(struct co_vcpu *vcpu);
int co_exit_watch(struct co_cvm *cvm, const struct co_ioc_exitfd *args);
void co_exit_unwatch_all(struct co_cvm *cvm);
int co_exitbell_set(struct co_cvm *cvm, const struct co_ioc_exitbell *args);
bool co_exitbell_on(const struct co_cvm *cvm, u64 doorbell);

#endif /* CO_CORE_H */

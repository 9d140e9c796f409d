/* SPDX-License-Identifier: GPL-2.0 */
/* Linux' side of os.h: basic types and the contents of opaque ones. */
#ifndef CO_OS_TYPES_H
#define CO_OS_TYPES_H

#include <linux/types.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/hrtimer.h>
#include <linux/nospec.h>
#include <linux/wait.h>

struct task_struct;

struct co_os_mutex {
	struct mutex mutex;
};

struct co_os_waiter {
	wait_queue_head_t queue;
	struct task_struct *task;	/* the last to wait; a reference */
	spinlock_t lock;		/* protects task */
};

struct co_os_timer {
	struct hrtimer timer;
	void (*fn)(void *arg);
	void *arg;
};

/* Shared with the guest or counted by several threads. */
static inline void co_atomic_or(__u64 *p, u64 bits)
{
	atomic64_or((s64)bits, (atomic64_t *)p);
}

static inline void co_atomic_add(__u64 *p, u64 n)
{
	atomic64_add((s64)n, (atomic64_t *)p);
}

static inline void co_atomic_inc(__u64 *p)
{
	atomic64_inc((atomic64_t *)p);
}

static inline bool co_atomic_claim(u32 *p)
{
	return cmpxchg(p, 0, 1) == 0;
}

static inline void co_atomic_release(u32 *p)
{
	/* All that the claimer did comes before; see co_atomic_claim. */
	smp_store_release(p, 0);
}

/* Who sees the value sees what was stored before it. */
static inline u32 co_load_acquire(const u32 *p)
{
	return smp_load_acquire(p);	/* see co_store_release */
}

static inline void co_store_release(u32 *p, u32 value)
{
	smp_store_release(p, value);	/* see co_load_acquire */
}

/* index, which has been checked, also where the CPU speculates past that. */
#define co_index(index, size)	array_index_nospec(index, size)

/* Stores in order for the guest, which reads them in the opposite one. */
#define co_store_barrier()	smp_wmb()

#endif /* CO_OS_TYPES_H */

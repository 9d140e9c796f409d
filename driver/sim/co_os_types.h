/* SPDX-License-Identifier: GPL-2.0 */
/* User space's side of os.h: basic types and the contents of opaque ones. */
#ifndef CO_OS_TYPES_H
#define CO_OS_TYPES_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, value)	__atomic_store_n(&(x), (value), __ATOMIC_RELAXED)

struct co_os_mutex {
	pthread_mutex_t mutex;
};

struct co_os_waiter {
	pthread_mutex_t lock;
	pthread_cond_t kicked;
	bool attached;		/* a thread has made itself the waiter's */
};

struct co_os_timer {
	struct co_os_timer *next;	/* while armed */
	void (*fn)(void *arg);
	void *arg;
	u64 expires_ns;
	bool armed;
	bool firing;
};

static inline void co_atomic_or(__u64 *p, u64 bits)
{
	__atomic_fetch_or(p, bits, __ATOMIC_SEQ_CST);
}

static inline void co_atomic_add(__u64 *p, u64 n)
{
	__atomic_fetch_add(p, n, __ATOMIC_RELAXED);
}

static inline void co_atomic_inc(__u64 *p)
{
	co_atomic_add(p, 1);
}

static inline bool co_atomic_claim(u32 *p)
{
	u32 none = 0;

	return __atomic_compare_exchange_n(p, &none, 1, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

static inline void co_atomic_release(u32 *p)
{
	__atomic_store_n(p, 0, __ATOMIC_RELEASE);
}

static inline u32 co_load_acquire(const u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void co_store_release(u32 *p, u32 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

#define co_index(index, size)	((size) > (index) ? (index) : 0)

#define co_store_barrier()	__atomic_thread_fence(__ATOMIC_RELEASE)

#endif /* CO_OS_TYPES_H */

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam to the host's kernel: all that driver/core and driver/x86 may ask
 * of it. Each host (driver/linux, driver/nt, driver/sim) implements these 30
 * functions and brings co_os_types.h: fixed-width types, errno values,
 * memset/memcpy, snprintf, READ_ONCE/WRITE_ONCE, atomic helpers, co_index
 * (an index that was checked, safe from speculation as well), and the
 * types struct co_os_mutex, struct co_os_waiter and struct co_os_timer.
 *
 * Context letters: [T] thread that may sleep, [F] between co_os_fpu_begin and
 * co_os_fpu_end (no sleep), [I] interrupts off, [A] any, also interrupts.
 * Errors are 0 or -errno.
 */
#ifndef CO_OS_H
#define CO_OS_H

#include <co_os_types.h>

/* A page or chunk of host memory at its two addresses. */
struct co_page {
	void *hva;
	u64 hpa;
};

/* One reading of the host's clocks, taken together. */
struct co_os_clock {
	u64 tsc;
	u64 now_ns;		/* monotonic, the clock of co_os_now_ns */
	u64 wall_ns;		/* since 1970, UTC */
	u32 tsc_khz;
	bool stable;		/* the host trusts the TSC on all CPUs */
};

/* --- memory [T] --- */
void *co_os_alloc(size_t bytes);			/* zeroed; NULL */
void co_os_free(void *p);
/*
 * 2^order pages, contiguous, aligned to their size in both spaces, zeroed;
 * NULL. Order CO_CHUNK_ORDER is guest memory: it may be mapped by the daemon
 * and lives on until it is unmapped there too.
 */
#define CO_CHUNK_ORDER	9
void *co_os_page_alloc(unsigned int order, u64 *hpa);
void co_os_page_free(void *hva, unsigned int order);
u64 co_os_max_hpa(void);				/* end of host RAM */
u64 co_os_code_hpa(const void *hva);			/* of driver text */

/* --- locks and sleep --- */
void co_os_mutex_init(struct co_os_mutex *m);
void co_os_lock(struct co_os_mutex *m);			/* [T] */
void co_os_unlock(struct co_os_mutex *m);		/* [T] */
void co_os_waiter_init(struct co_os_waiter *w);
/*
 * [T] Make the calling thread the waiter's (kicks go to it from now on) and
 * sleep until done(arg) or a signal is pending; done may be NULL: only attach.
 */
void co_os_wait(struct co_os_waiter *w, bool (*done)(void *arg), void *arg);
/*
 * [A] Wake the waiter's thread; if it runs on another CPU make an interrupt
 * arrive there. Orders all earlier stores before the wake-up.
 */
void co_os_kick(struct co_os_waiter *w);

/* --- timers: one-shot; fn runs in [A], on any CPU --- */
void co_os_timer_init(struct co_os_timer *t, void (*fn)(void *arg), void *arg);
/* [F] Fire once, ns from now; CO_TIMER_OFF cancels without waiting. */
void co_os_timer_set(struct co_os_timer *t, u64 ns);
/* [T] Cancel, wait for a running fn, give back what init took. */
void co_os_timer_stop(struct co_os_timer *t);
u64 co_os_now_ns(void);					/* [A] */
void co_os_clock(struct co_os_clock *clock);		/* [A] */

/* --- the CPU --- */
void co_os_fpu_begin(void);	/* [T] FPU is ours, no preemption from here */
void co_os_fpu_end(void);
void co_os_irq_disable(void);				/* [F] */
void co_os_irq_enable(void);				/* [F] */
/* [F] The host wants the CPU, or a signal is pending for this thread. */
bool co_os_must_leave(void);
/* [T] Let the host run others; true if a signal is pending. */
bool co_os_yield(void);
/* [I] Make a hardware interrupt pending on this CPU. */
void co_os_self_kick(void);
/* [A] Registers of this CPU's local APIC where they are memory; NULL. */
volatile u32 *co_os_apic(void);

/* --- events: eventfds on Linux --- */
void *co_os_event_get(int fd, int *err);		/* [T] */
void co_os_event_put(void *event);			/* [T] */
void co_os_event_signal(void *event);			/* [A] */
/* [T] Call fn(arg) in [A] whenever the event is signalled by others. */
void *co_os_event_watch(int fd, void (*fn)(void *arg), void *arg, int *err);
void co_os_event_unwatch(void *watch);			/* [T] waits for fn */

#endif /* CO_OS_H */

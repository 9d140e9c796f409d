/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The simulated host: driver/core in user space, for unit tests, sanitizers
 * and fuzzers.
 *
 *   memory.c	heap, and a physical address space with chunks in scattered order
 *   os.c	locks, sleep, virtual time, timers, the CPU's modes
 *   event.c	events, numbered like file descriptors
 *   arch.c	what a CVM needs of an architecture: next to nothing
 *   cpu.c	the processor: a guest is a C function
 *
 * Time stands still but for step_ns each time it is read and what a test adds,
 * so everything repeats exactly. A vCPU that sleeps makes time jump to the
 * next timer; if there is none it gets a signal (or really sleeps, if a test
 * with threads sets `block`).
 *
 * Every function checks that it is called in a context os.h and arch.h allow
 * and aborts otherwise. Whatever was taken and not given back is counted.
 */
#ifndef CO_SIM_H
#define CO_SIM_H

#include "../core/core.h"

#define SIM_HOST_BYTES	(5ULL << 30)	/* the default */
#define SIM_CODE_HPA	0x5000ULL	/* of all driver text */
#define SIM_EVENTS	16

typedef enum co_arch_exit (*sim_guest_fn)(struct co_vcpu *vcpu,
					  struct co_arch_fault *fault,
					  void *arg);

struct sim {
	/* memory */
	u64 max_hpa;			/* end of host memory */
	u64 told_hpa;			/* co_os_max_hpa says this; 0: max_hpa */
	unsigned long chunks_free;	/* the host has no more than these */
	unsigned long allocations;	/* attempts since sim_reset() */
	unsigned long fail_at;		/* this attempt fails; 0: none */
	bool fail_on;			/* ... and all later ones */
	/* time */
	u64 now_ns, step_ns;
	u64 wall_ns;			/* at time 0 */
	u32 tsc_khz;
	s64 tsc_ahead_ns;		/* of now_ns: it went on in a sleep */
	bool tsc_stable;
	/* the host */
	bool signal;			/* one is pending for every thread */
	unsigned long signal_after;	/* looks until it is; 0: never */
	bool resched;			/* the host wants the CPU, once */
	bool block;			/* really sleep */
	/* the guest, and what the processor has seen */
	sim_guest_fn guest;
	void *guest_arg;
	bool self_kicked;		/* cleared by the test */
	unsigned int in_service;	/* accepted, not forwarded interrupts */
	unsigned long entries, self_kicks, kicks, yields, waits;
	unsigned long forwarded[256];
	/* what has not been given back */
	long allocs, pages, chunks, events, watches, timers;
};
extern struct sim sim;

/* Back to the defaults; nothing must be alive. */
void sim_reset(void);

/* A failed test left things behind: count from zero, forget the timers. */
void sim_forget(void);

/* How many things have not been given back. */
long sim_live(void);

/* Let time pass; timers fire. */
void sim_advance(u64 ns);

/* hva of host memory that is allocated now, NULL. */
void *sim_hva(u64 hpa);

/* A new event's number, like eventfd(2). */
int sim_event(void);
void sim_event_close(int fd);
void sim_event_write(int fd);		/* as another process would */
u64 sim_event_read(int fd);		/* its count, reset by that */

/* Aborts, with the text, unless it holds. */
void sim_require(bool holds, const char *text);

/* The calling thread's modes, for the files of driver/sim. */
struct sim_thread {
	unsigned int locks;
	bool fpu;			/* inside co_os_fpu_begin/end */
	bool irq_off;
	unsigned int interrupt;		/* in a timer's or event's function */
	struct co_vcpu *loaded;
};
extern __thread struct sim_thread sim_thread;

bool sim_may_sleep(void);

#endif /* CO_SIM_H */

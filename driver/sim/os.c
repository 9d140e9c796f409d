// SPDX-License-Identifier: GPL-2.0
/* The simulated host's locks, sleep, time, timers and CPU modes, see sim.h. */
#include <stdlib.h>
#include <time.h>
#include "sim.h"

#define MAX_SLEEP_S	30	/* a test that hangs fails */

struct sim sim;
__thread struct sim_thread sim_thread;

/* Protects the timers. Functions are called without it. */
static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static struct co_os_timer *armed;	/* soonest first */

void sim_require(bool holds, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "sim: %s\n", text);
	abort();
}

long sim_live(void)
{
	return sim.allocs + sim.pages + sim.chunks + sim.events + sim.watches +
	       sim.timers;
}

void sim_forget(void)
{
	memset(&sim, 0, sizeof(sim));
	memset(&sim_thread, 0, sizeof(sim_thread));
	armed = NULL;
}

void sim_reset(void)
{
	sim_require(!sim_live(), "sim_reset with things alive");
	memset(&sim, 0, sizeof(sim));
	sim.max_hpa = SIM_HOST_BYTES;
	sim.chunks_free = ~0UL >> 1;
	sim.now_ns = 1000000000;
	sim.step_ns = 10;
	sim.wall_ns = 1700000000000000000ULL;
	sim.tsc_khz = 2400000;
	sim.tsc_stable = true;
}

bool sim_may_sleep(void)
{
	return !sim_thread.fpu && !sim_thread.irq_off && !sim_thread.interrupt;
}

/* --- locks and sleep -------------------------------------------------------- */

void co_os_mutex_init(struct co_os_mutex *m)
{
	pthread_mutex_init(&m->mutex, NULL);
}

void co_os_lock(struct co_os_mutex *m)
{
	sim_require(sim_may_sleep(), "co_os_lock where one may not sleep");
	pthread_mutex_lock(&m->mutex);
	sim_thread.locks++;
}

void co_os_unlock(struct co_os_mutex *m)
{
	sim_require(sim_thread.locks, "co_os_unlock without co_os_lock");
	sim_thread.locks--;
	pthread_mutex_unlock(&m->mutex);
}

void co_os_waiter_init(struct co_os_waiter *w)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->kicked, NULL);
	w->attached = false;
}

static bool signal_pending(void)
{
	unsigned long left = READ_ONCE(sim.signal_after);

	if (left) {
		WRITE_ONCE(sim.signal_after, left - 1);
		if (left == 1)
			WRITE_ONCE(sim.signal, true);
	}
	return READ_ONCE(sim.signal);
}

static bool fire_next(void);

static void sleep_really(struct co_os_waiter *w)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += MAX_SLEEP_S;
	sim_require(!pthread_cond_timedwait(&w->kicked, &w->lock, &until),
		    "a vCPU was not woken");
}

/* Without threads, nothing but a timer can wake it. */
static void sleep_virtually(struct co_os_waiter *w)
{
	pthread_mutex_unlock(&w->lock);
	if (!fire_next())
		WRITE_ONCE(sim.signal, true);
	pthread_mutex_lock(&w->lock);
}

void co_os_wait(struct co_os_waiter *w, bool (*done)(void *arg), void *arg)
{
	sim_require(sim_may_sleep(), "co_os_wait where one may not sleep");
	sim_require(!sim_thread.locks, "co_os_wait with a lock held");
	pthread_mutex_lock(&w->lock);
	w->attached = true;
	while (done && !done(arg) && !signal_pending()) {
		co_atomic_inc((__u64 *)&sim.waits);
		if (sim.block)
			sleep_really(w);
		else
			sleep_virtually(w);
	}
	pthread_mutex_unlock(&w->lock);
}

void co_os_kick(struct co_os_waiter *w)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(&w->lock);
	sim.kicks++;
	pthread_cond_broadcast(&w->kicked);
	pthread_mutex_unlock(&w->lock);
}

/* --- timers ----------------------------------------------------------------- */

void co_os_timer_init(struct co_os_timer *t, void (*fn)(void *arg), void *arg)
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	sim.timers++;
}

/* timer_lock is held. */
static void disarm(struct co_os_timer *t)
{
	struct co_os_timer **p = &armed;

	if (!t->armed)
		return;
	while (*p != t)
		p = &(*p)->next;
	*p = t->next;
	t->armed = false;
}

static void arm(struct co_os_timer *t, u64 ns)
{
	struct co_os_timer **p = &armed;

	t->expires_ns = ns > ~0ULL - sim.now_ns ? ~0ULL : sim.now_ns + ns;
	while (*p && (*p)->expires_ns <= t->expires_ns)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	t->armed = true;
}

void co_os_timer_set(struct co_os_timer *t, u64 ns)
{
	sim_require(!sim_thread.interrupt, "co_os_timer_set in an interrupt");
	pthread_mutex_lock(&timer_lock);
	disarm(t);
	if (ns != CO_TIMER_OFF)
		arm(t, ns);
	pthread_mutex_unlock(&timer_lock);
}

void co_os_timer_stop(struct co_os_timer *t)
{
	sim_require(sim_may_sleep(), "co_os_timer_stop where one may not sleep");
	pthread_mutex_lock(&timer_lock);
	disarm(t);
	while (t->firing) {
		pthread_mutex_unlock(&timer_lock);
		sched_yield();
		pthread_mutex_lock(&timer_lock);
	}
	sim.timers -= !!t->fn;
	t->fn = NULL;
	pthread_mutex_unlock(&timer_lock);
}

/* The soonest timer, if it is due by then; time goes on to it. */
static bool fire_one(u64 by_ns)
{
	struct co_os_timer *t;

	pthread_mutex_lock(&timer_lock);
	t = armed;
	if (!t || t->expires_ns > by_ns) {
		pthread_mutex_unlock(&timer_lock);
		return false;
	}
	if (t->expires_ns > sim.now_ns)
		sim.now_ns = t->expires_ns;
	disarm(t);
	t->firing = true;
	pthread_mutex_unlock(&timer_lock);
	sim_thread.interrupt++;
	t->fn(t->arg);
	sim_thread.interrupt--;
	pthread_mutex_lock(&timer_lock);
	t->firing = false;
	pthread_mutex_unlock(&timer_lock);
	return true;
}

static bool fire_next(void)
{
	return fire_one(~0ULL);
}

void sim_advance(u64 ns)
{
	u64 until = sim.now_ns + ns;

	while (fire_one(until))
		;
	sim.now_ns = until;
}

u64 co_os_now_ns(void)
{
	return __atomic_add_fetch(&sim.now_ns, sim.step_ns, __ATOMIC_RELAXED);
}

void co_os_clock(struct co_os_clock *clock)
{
	clock->now_ns = co_os_now_ns();
	clock->tsc = (u64)((__uint128_t)(clock->now_ns + sim.tsc_ahead_ns) *
			   sim.tsc_khz / 1000000);
	clock->wall_ns = sim.wall_ns + clock->now_ns;
	clock->tsc_khz = sim.tsc_khz;
	clock->stable = sim.tsc_stable;
}

/* --- the CPU ---------------------------------------------------------------- */

void co_os_fpu_begin(void)
{
	sim_require(sim_may_sleep(), "co_os_fpu_begin twice or in an interrupt");
	sim_thread.fpu = true;
}

void co_os_fpu_end(void)
{
	sim_require(sim_thread.fpu, "co_os_fpu_end without begin");
	sim_require(!sim_thread.irq_off, "co_os_fpu_end with interrupts off");
	sim_require(!sim_thread.loaded, "co_os_fpu_end with a guest loaded");
	sim_thread.fpu = false;
}

void co_os_irq_disable(void)
{
	sim_require(sim_thread.fpu, "co_os_irq_disable outside of a burst");
	sim_require(!sim_thread.irq_off, "co_os_irq_disable twice");
	sim_thread.irq_off = true;
}

/* Whatever is due now interrupts. */
void co_os_irq_enable(void)
{
	sim_require(sim_thread.irq_off, "co_os_irq_enable without disable");
	sim_thread.irq_off = false;
	while (fire_one(sim.now_ns))
		;
}

bool co_os_must_leave(void)
{
	sim_require(sim_thread.fpu, "co_os_must_leave outside of a burst");
	return READ_ONCE(sim.resched) || signal_pending();
}

bool co_os_yield(void)
{
	sim_require(sim_may_sleep(), "co_os_yield where one may not sleep");
	sim_require(!sim_thread.locks, "co_os_yield with a lock held");
	WRITE_ONCE(sim.resched, false);
	co_atomic_inc((__u64 *)&sim.yields);
	return signal_pending();
}

void co_os_self_kick(void)
{
	sim_require(sim_thread.irq_off, "co_os_self_kick with interrupts on");
	sim.self_kicked = true;
	sim.self_kicks++;
}

volatile u32 *co_os_apic(void)
{
	return NULL;
}

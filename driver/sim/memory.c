// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of the simulated host. Small things come from the heap, where the
 * address sanitizer watches their borders. Chunks lie in one reserved range of
 * addresses, hva = pool + hpa - CHUNKS_HPA, accessible only while allocated
 * and handed out in scattered order, as a host's memory is after a while.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include "sim.h"

#define SMALL_HPA	0x100000ULL
#define CHUNKS_HPA	0x40000000ULL	/* small pages are below */
#define MAX_CHUNKS	(1UL << 18)
#define STRIDE		5
/* A chunk that can be protected costs a mapping of its own. */
#define GUARDED_CHUNKS	16384

struct small {
	void *hva;
	u64 hpa;
	unsigned int order;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u8 *pool;
static u8 used[MAX_CHUNKS];
static unsigned long last_chunk;
static struct small *small;		/* the allocated ones */
static unsigned long smalls, small_room;
static u64 next_hpa = SMALL_HPA;

static bool may_allocate(void)
{
	unsigned long n = ++sim.allocations;

	return !sim.fail_at || (sim.fail_on ? n < sim.fail_at : n != sim.fail_at);
}

void *co_os_alloc(size_t bytes)
{
	void *p = NULL;

	sim_require(sim_may_sleep(), "co_os_alloc where one may not sleep");
	pthread_mutex_lock(&lock);
	if (may_allocate())
		p = calloc(1, bytes);
	sim.allocs += !!p;
	pthread_mutex_unlock(&lock);
	return p;
}

void co_os_free(void *p)
{
	sim_require(sim_may_sleep(), "co_os_free where one may not sleep");
	pthread_mutex_lock(&lock);
	sim.allocs -= !!p;
	free(p);
	pthread_mutex_unlock(&lock);
}

/* --- pages ----------------------------------------------------------------- */

static void *small_alloc(unsigned int order, u64 *hpa)
{
	u64 bytes = 4096ULL << order;
	void *hva;

	if (smalls == small_room) {
		small_room = small_room ? 2 * small_room : 64;
		small = realloc(small, small_room * sizeof(*small));
		sim_require(small, "out of memory");
	}
	if (posix_memalign(&hva, bytes, bytes))
		return NULL;
	memset(hva, 0, bytes);
	next_hpa = (next_hpa + bytes - 1) & ~(bytes - 1);
	*hpa = next_hpa;
	next_hpa += bytes;
	sim_require(next_hpa <= CHUNKS_HPA, "too many pages for the simulation");
	small[smalls++] = (struct small) { hva, *hpa, order };
	sim.pages++;
	return hva;
}

static void small_free(void *hva, unsigned int order)
{
	unsigned long i = smalls;

	while (i-- > 0 && small[i].hva != hva)
		;
	sim_require(i < smalls, "co_os_page_free of what is no page");
	sim_require(small[i].order == order, "co_os_page_free: wrong order");
	small[i] = small[--smalls];
	sim.pages--;
	free(hva);
}

static unsigned long host_chunks(void)
{
	unsigned long n;

	n = (sim.max_hpa - CHUNKS_HPA) >> CO_CHUNK_SHIFT;
	return n < MAX_CHUNKS ? n : MAX_CHUNKS;
}

static void pool_create(void)
{
	const unsigned long bytes = (MAX_CHUNKS + 1) << CO_CHUNK_SHIFT;
	u8 *p = mmap(NULL, bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	sim_require(p != MAP_FAILED, "no room for the simulated memory");
	pool = (u8 *)(((unsigned long)p + CO_CHUNK_SIZE - 1) &
		      ~(CO_CHUNK_SIZE - 1));
}

static unsigned long find_free_chunk(void)
{
	unsigned long n = host_chunks(), i, at = last_chunk + STRIDE;

	for (i = 0; i < n; i++, at++)
		if (!used[at % n])
			return at % n;
	return n;
}

static void *chunk_alloc(u64 *hpa)
{
	unsigned long i;
	void *hva;

	if (!pool)
		pool_create();
	i = find_free_chunk();
	if (i == host_chunks() || !sim.chunks_free)
		return NULL;
	sim.chunks_free--;
	hva = pool + (i << CO_CHUNK_SHIFT);
	if (host_chunks() <= GUARDED_CHUNKS || !sim.chunks)
		sim_require(!mprotect(host_chunks() <= GUARDED_CHUNKS ? hva : pool,
				      host_chunks() <= GUARDED_CHUNKS ?
				      CO_CHUNK_SIZE :
				      host_chunks() << CO_CHUNK_SHIFT,
				      PROT_READ | PROT_WRITE), "mprotect");
	used[i] = 1;
	last_chunk = i;
	*hpa = CHUNKS_HPA + (i << CO_CHUNK_SHIFT);
	sim.chunks++;
	return hva;
}

static void chunk_free(void *hva)
{
	unsigned long i = (unsigned long)((u8 *)hva - pool) >> CO_CHUNK_SHIFT;

	sim_require((u8 *)hva >= pool && i < MAX_CHUNKS && used[i],
		    "co_os_page_free of what is no chunk");
	used[i] = 0;
	sim.chunks--;
	sim.chunks_free++;
	sim_require(!madvise(hva, CO_CHUNK_SIZE, MADV_DONTNEED), "madvise");
	if (!sim.chunks)
		sim_require(!mprotect(pool, MAX_CHUNKS << CO_CHUNK_SHIFT,
				      PROT_NONE), "mprotect");
	else if (host_chunks() <= GUARDED_CHUNKS)
		sim_require(!mprotect(hva, CO_CHUNK_SIZE, PROT_NONE),
			    "mprotect");
}

void *co_os_page_alloc(unsigned int order, u64 *hpa)
{
	void *hva = NULL;

	sim_require(sim_may_sleep(), "co_os_page_alloc where one may not sleep");
	sim_require(order <= CO_CHUNK_ORDER, "co_os_page_alloc: order");
	pthread_mutex_lock(&lock);
	if (may_allocate())
		hva = order == CO_CHUNK_ORDER ? chunk_alloc(hpa) :
						small_alloc(order, hpa);
	pthread_mutex_unlock(&lock);
	return hva;
}

void co_os_page_free(void *hva, unsigned int order)
{
	sim_require(sim_may_sleep(), "co_os_page_free where one may not sleep");
	pthread_mutex_lock(&lock);
	if (order == CO_CHUNK_ORDER)
		chunk_free(hva);
	else
		small_free(hva, order);
	if (!smalls)
		next_hpa = SMALL_HPA;
	pthread_mutex_unlock(&lock);
}

u64 co_os_max_hpa(void)
{
	return sim.told_hpa ? sim.told_hpa : sim.max_hpa;
}

u64 co_os_code_hpa(const void *hva)
{
	(void)hva;
	return SIM_CODE_HPA;
}

void *sim_hva(u64 hpa)
{
	unsigned long i = (hpa - CHUNKS_HPA) >> CO_CHUNK_SHIFT;

	if (hpa >= CHUNKS_HPA)
		return i < MAX_CHUNKS && used[i] ? pool + (hpa - CHUNKS_HPA) :
						   NULL;
	for (i = 0; i < smalls; i++)
		if (hpa >= small[i].hpa &&
		    hpa - small[i].hpa < 4096ULL << small[i].order)
			return (u8 *)small[i].hva + (hpa - small[i].hpa);
	return NULL;
}

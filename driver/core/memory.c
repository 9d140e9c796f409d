// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: chunks of 2 MiB and the two tables that translate between
 * guest and host chunk numbers. Both tables are made of single pages; the
 * guest sees them contiguous and read-only in its area.
 */
#include "core.h"

#define ENTRIES_PER_PAGE	(4096 / sizeof(u32))

static int get_pages(struct co_page *page, unsigned int order)
{
	page->hva = co_os_page_alloc(order, &page->hpa);
	return page->hva ? 0 : -ENOMEM;
}

static void put_pages(struct co_page *pages, u32 n, const void *except)
{
	u32 i;

	for (i = 0; pages && i < n; i++)
		if (pages[i].hva && pages[i].hva != except)
			co_os_page_free(pages[i].hva, 0);
	co_os_free(pages);
}

static void set_entry(struct co_page *table, u32 index, u32 value)
{
	u32 *page = table[index / ENTRIES_PER_PAGE].hva;

	page[index % ENTRIES_PER_PAGE] = value;
}

static int p2m_create(struct co_cvm *cvm)
{
	u32 i;

	cvm->p2m_pages = (cvm->chunks + ENTRIES_PER_PAGE - 1) /
			 ENTRIES_PER_PAGE;
	cvm->p2m = co_os_alloc(cvm->p2m_pages * sizeof(*cvm->p2m));
	if (!cvm->p2m)
		return -ENOMEM;
	for (i = 0; i < cvm->p2m_pages; i++) {
		if (get_pages(&cvm->p2m[i], 0))
			return -ENOMEM;
		memset(cvm->p2m[i].hva, 0xff, 4096);
	}
	for (i = 0; i < cvm->chunks; i++)
		set_entry(cvm->p2m, i, cvm->chunk[i].hpa >> CO_CHUNK_SHIFT);
	return 0;
}

/* Make the page of m2p that covers this host chunk private to be written. */
static int m2p_own(struct co_cvm *cvm, u32 page)
{
	if (cvm->m2p[page].hva != cvm->m2p_none.hva)
		return 0;
	if (get_pages(&cvm->m2p[page], 0)) {
		cvm->m2p[page] = cvm->m2p_none;
		return -ENOMEM;
	}
	memset(cvm->m2p[page].hva, 0xff, 4096);
	return 0;
}

static int m2p_create(struct co_cvm *cvm)
{
	u64 host_chunks = (co_os_max_hpa() + CO_CHUNK_SIZE - 1) >>
			  CO_CHUNK_SHIFT;
	u32 i, host;

	cvm->m2p_pages = (host_chunks + ENTRIES_PER_PAGE - 1) /
			 ENTRIES_PER_PAGE;
	cvm->m2p = co_os_alloc(cvm->m2p_pages * sizeof(*cvm->m2p));
	if (!cvm->m2p || get_pages(&cvm->m2p_none, 0))
		return -ENOMEM;
	memset(cvm->m2p_none.hva, 0xff, 4096);
	for (i = 0; i < cvm->m2p_pages; i++)
		cvm->m2p[i] = cvm->m2p_none;
	for (i = 0; i < cvm->chunks; i++) {
		host = cvm->chunk[i].hpa >> CO_CHUNK_SHIFT;
		if (host >= host_chunks)
			return -ERANGE;
		if (m2p_own(cvm, host / ENTRIES_PER_PAGE))
			return -ENOMEM;
		set_entry(cvm->m2p, host, i);
	}
	return 0;
}

int co_memory_create(struct co_cvm *cvm, u64 bytes, u64 *got_bytes)
{
	u32 i, n = bytes >> CO_CHUNK_SHIFT;
	int err;

	*got_bytes = 0;
	cvm->chunk = co_os_alloc(n * sizeof(*cvm->chunk));
	if (!cvm->chunk)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		err = get_pages(&cvm->chunk[i], CO_CHUNK_ORDER);
		if (err)
			goto free;
		cvm->chunks++;
		*got_bytes += CO_CHUNK_SIZE;
	}
	cvm->mem_bytes = bytes;
	err = p2m_create(cvm);
	if (!err)
		err = m2p_create(cvm);
	if (!err)
		return 0;
free:
	co_memory_destroy(cvm);
	return err;
}

void co_memory_destroy(struct co_cvm *cvm)
{
	u32 i;

	put_pages(cvm->m2p, cvm->m2p_pages, cvm->m2p_none.hva);
	if (cvm->m2p_none.hva)
		co_os_page_free(cvm->m2p_none.hva, 0);
	put_pages(cvm->p2m, cvm->p2m_pages, NULL);
	for (i = 0; i < cvm->chunks; i++)
		co_os_page_free(cvm->chunk[i].hva, CO_CHUNK_ORDER);
	co_os_free(cvm->chunk);
	cvm->m2p = NULL;
	cvm->p2m = NULL;
	cvm->m2p_none.hva = NULL;
	cvm->chunk = NULL;
	cvm->chunks = 0;
	cvm->mem_bytes = 0;
}

void *co_memory_hva(struct co_cvm *cvm, u64 gpa, u64 bytes)
{
	u64 offset = gpa & (CO_CHUNK_SIZE - 1);

	if (gpa >= cvm->mem_bytes || bytes > CO_CHUNK_SIZE - offset)
		return NULL;
	return (u8 *)cvm->chunk[co_index(gpa >> CO_CHUNK_SHIFT,
					 cvm->chunks)].hva + offset;
}

u64 co_memory_hpa(struct co_cvm *cvm, u64 gpa)
{
	return cvm->chunk[gpa >> CO_CHUNK_SHIFT].hpa +
	       (gpa & (CO_CHUNK_SIZE - 1));
}

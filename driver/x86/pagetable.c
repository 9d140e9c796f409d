// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables that the driver makes: the transition tables and the guest's
 * first ones. Levels count from 1 (4 KiB pages) to 4 or 5; entries hold host
 * addresses. The tables' own pages are found again by a list.
 */
#include "x86.h"

#define ENTRY(va, level)	(((va) >> (12 + 9 * ((level) - 1))) & 511)

static u32 levels(void)
{
	return co_x86.la57 ? 5 : 4;
}

static int grow(struct co_tables *t)
{
	u32 capacity = t->capacity ? 2 * t->capacity : 32;
	struct co_page *page = co_os_alloc(capacity * sizeof(*page));

	if (!page)
		return -ENOMEM;
	if (t->pages)
		memcpy(page, t->page, t->pages * sizeof(*page));
	co_os_free(t->page);
	t->page = page;
	t->capacity = capacity;
	return 0;
}

static u64 *new_table(struct co_tables *t, u64 *hpa)
{
	struct co_page page;

	if (t->pages == t->capacity && grow(t))
		return NULL;
	page.hva = co_os_page_alloc(0, &page.hpa);
	if (!page.hva)
		return NULL;
	t->page[t->pages++] = page;
	*hpa = page.hpa;
	return page.hva;
}

static u64 *find_table(struct co_tables *t, u64 entry)
{
	u32 i;

	for (i = t->pages; i-- > 0;)
		if (t->page[i].hpa == (entry & PT_ADDRESS))
			return t->page[i].hva;
	return NULL;
}

int co_tables_create(struct co_tables *t)
{
	u64 hpa;

	return new_table(t, &hpa) ? 0 : -ENOMEM;
}

void co_tables_destroy(struct co_tables *t)
{
	u32 i;

	for (i = 0; i < t->pages; i++)
		co_os_page_free(t->page[i].hva, 0);
	co_os_free(t->page);
	memset(t, 0, sizeof(*t));
}

/* The table one level below entry, made if it is not there. */
static u64 *descend(struct co_tables *t, u64 *entry)
{
	u64 *table, hpa;

	if (*entry & PT_PRESENT)
		return find_table(t, *entry);
	table = new_table(t, &hpa);
	if (table)
		*entry = hpa | PT_PRESENT | PT_WRITE | PT_ACCESSED;
	return table;
}

/*
 * Map one page of level 1 or 2. -EEXIST: something else is mapped there
 * already (h and g collide), -ENOMEM.
 */
int co_tables_map(struct co_tables *t, u64 va, u64 hpa, u64 flags, u32 level)
{
	u64 *table = t->page[0].hva, *entry, value;
	u32 l;

	for (l = levels(); l > level; l--) {
		table = descend(t, &table[ENTRY(va, l)]);
		if (!table)
			return -ENOMEM;
	}
	value = hpa | flags | (level == 2 ? PT_LARGE : 0);
	entry = &table[ENTRY(va, level)];
	if (*entry && *entry != value)
		return -EEXIST;
	*entry = value;
	return 0;
}

/* The table that holds the area's one entry, see CO_AREA_GVA. */
static u64 *area_table(struct co_tables *t)
{
	u64 *root = t->page[0].hva;

	return co_x86.la57 ? descend(t, &root[511]) : root;
}

u64 co_tables_area_entry(struct co_tables *t)
{
	u64 *table = area_table(t);

	return table ? table[CO_AREA_SLOT] : 0;
}

int co_tables_share_area(struct co_tables *t, u64 entry)
{
	u64 *table = area_table(t);

	if (!table)
		return -ENOMEM;
	table[CO_AREA_SLOT] = entry;
	return 0;
}

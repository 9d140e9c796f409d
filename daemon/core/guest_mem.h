/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory as the daemon sees it: one contiguous mapping. Everything in
 * it can change under our feet at any time and is untrusted.
 */
#ifndef COLINUX_GUEST_MEM_H
#define COLINUX_GUEST_MEM_H

#include <stddef.h>
#include <stdint.h>

struct guest_mem {
	void *hva;		/* of gpa 0 */
	uint64_t size;
};

/* The only way from gpa to hva: NULL unless all of [gpa, gpa + len) is there. */
static inline void *guest_mem_at(const struct guest_mem *mem, uint64_t gpa,
				 uint64_t len)
{
	if (gpa > mem->size || len > mem->size - gpa)
		return NULL;
	return (uint8_t *)mem->hva + gpa;
}

#endif /* COLINUX_GUEST_MEM_H */

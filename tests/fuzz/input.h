/* SPDX-License-Identifier: GPL-2.0 */
/* The bytes a fuzzer is given, taken one after the other; zeroes at the end. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* The fuzzer's entry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void take(struct input *in, void *to, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(to, 0, len);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

static inline uint8_t take8(struct input *in)
{
	uint8_t byte;

	take(in, &byte, 1);
	return byte;
}

static inline uint16_t take16(struct input *in)
{
	uint16_t word;

	take(in, &word, 2);
	return word;
}

static inline uint32_t take32(struct input *in)
{
	uint32_t word;

	take(in, &word, 4);
	return word;
}

static inline uint64_t take64(struct input *in)
{
	uint64_t word;

	take(in, &word, 8);
	return word;
}

/* A number of few bytes that is often small, often at a border, or anything. */
static inline uint64_t take_number(struct input *in)
{
	uint8_t kind = take8(in);

	if (kind < 0x80)
		return kind;
	if (kind < 0xa0)
		return take16(in);
	if (kind < 0xc0)
		return take32(in);
	if (kind < 0xd0)
		return take64(in);
	if (kind < 0xe0)
		return (1ULL << (take8(in) & 63)) - 1;
	if (kind < 0xf0)
		return 1ULL << (take8(in) & 63);
	return -(uint64_t)(kind & 15) - 1;
}

/* What must hold whatever the input is. */
#define must(holds) \
	do { \
		if (!(holds)) { \
			fprintf(stderr, "%s:%d: must: %s\n", __FILE__, \
				__LINE__, #holds); \
			abort(); \
		} \
	} while (0)

#endif /* FUZZ_INPUT_H */

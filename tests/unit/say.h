/* SPDX-License-Identifier: GPL-2.0 */
/* What the daemon said, kept instead of printed. */
#ifndef TEST_SAY_H
#define TEST_SAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "core/log.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

extern char said[4096];		/* the last line */
extern unsigned int said_lines;

/* Exactly one line was said and it has this text in it; forgets it. */
#define assert_said(text)	check_said(text, __FILE__, __LINE__)
void check_said(const char *text, const char *file, int line);

/* Nothing was said. */
#define assert_silent()	assert_int_equal(said_lines, 0)

int forget_said(void **state);	/* cmocka's setup */
#define TEST(f)	cmocka_unit_test_setup(f, forget_said)

#endif /* TEST_SAY_H */

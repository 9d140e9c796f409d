/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the daemon has to say to its user: single lines on stderr, always
 * "colinux: what: where: what to do".
 */
#ifndef COLINUX_LOG_H
#define COLINUX_LOG_H

#include <stdbool.h>

/* One line on stderr, without the newline; may be called from any thread. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Lines start with "colinux: NAME: " from now on (NULL: "colinux: "). */
void say_set_name(const char *name);

/*
 * Lines go to listener, too, without what they start with; NULL: to nobody any
 * more, and none is under way. It must not call say().
 */
void say_set_listener(void (*listener)(const char *line, void *arg), void *arg);

/* The terminal is raw: lines end in CR LF. */
void say_set_raw(bool raw);

#endif /* COLINUX_LOG_H */

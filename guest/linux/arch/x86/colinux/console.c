// SPDX-License-Identifier: GPL-2.0
/*
 * The early console: text goes to the host in a synchronous operation, so it
 * works from the first line of C on. It hands over to hvc0.
 */
#include <linux/console.h>
#include <linux/init.h>
#include <linux/printk.h>

#include "colinux.h"

static void console_write(struct console *con, const char *text,
			  unsigned int len)
{
	while (len) {
		unsigned int n = min_t(unsigned int, len, CO_TEXT_MAX);

		colinux_call_text(CO_OP_CONSOLE, text, n);
		text += n;
		len -= n;
	}
}

static struct console colinux_console = {
	.name	= "colinux",
	.write	= console_write,
	.flags	= CON_BOOT | CON_PRINTBUFFER | CON_ANYTIME,
	.index	= -1,
};

void __init colinux_console_init(void)
{
#ifdef CONFIG_EARLY_PRINTK
	early_console = &colinux_console;
#endif
	register_console(&colinux_console);
	add_preferred_console("hvc", 0, NULL);
}

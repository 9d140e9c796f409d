// SPDX-License-Identifier: GPL-2.0
/* ttysN= and execN=, see config.h: things of the host beside the guest's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backends/serial.h"
#include "core/config.h"
#include "core/log.h"

int config_add_ttys(struct config *c, int number, const char *value,
		    const char *what)
{
	struct ttys_config new = { 0 };
	unsigned int at = 0;
	int err;

	if (number < 0)
		number = c->serials ? c->ttys[c->serials - 1].number + 1 : 0;
	while (at < c->serials && c->ttys[at].number < (unsigned int)number)
		at++;
	if (at < c->serials && c->ttys[at].number == (unsigned int)number) {
		say("%s: ttys%d is given twice: remove one", what, number);
		return -EINVAL;
	}
	if (number > 31 || c->serials == CONFIG_MAX_TTYS) {
		say("%s: too many: use at most %d serial ports, numbers 0 to 31",
		    what, CONFIG_MAX_TTYS);
		return -EINVAL;
	}
	new.number = number;
	err = config_set_string(&new.spec, value, what);
	if (!err)
		err = serial_check(new.spec, what);
	if (err) {
		free(new.spec);
		return err;
	}
	memmove(&c->ttys[at + 1], &c->ttys[at],
		(c->serials - at) * sizeof(c->ttys[0]));
	c->ttys[at] = new;
	c->serials++;
	return 0;
}

int config_add_exec(struct config *c, int number, const char *value,
		    const char *what)
{
	struct exec_config *new = &c->exec[c->execs];

	if (number < 0)
		number = c->execs ? c->exec[c->execs - 1].number + 1 : 0;
	if (number > 99 || c->execs == CONFIG_MAX_EXEC) {
		say("%s: too many: use at most %d programs, numbers 0 to 99",
		    what, CONFIG_MAX_EXEC);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < c->execs; i++) {
		if (c->exec[i].number != (unsigned int)number)
			continue;
		say("%s: exec%d is given twice: remove one", what, number);
		return -EINVAL;
	}
	new->number = number;
	new->command = NULL;
	if (config_set_string(&new->command, value, what))
		return -EINVAL;
	c->execs++;
	return 0;
}

void config_host_free(struct config *c)
{
	for (unsigned int i = 0; i < c->serials; i++)
		free(c->ttys[i].spec);
	for (unsigned int i = 0; i < c->execs; i++)
		free(c->exec[i].command);
}

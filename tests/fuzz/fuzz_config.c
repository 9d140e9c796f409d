// SPDX-License-Identifier: GPL-2.0
/* Configuration files of any bytes, and the command line they lead to. */
#include "input.h"
#include <colinux/abi.h>
#include "core/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1), *line = malloc(CO_CMDLINE_MAX);
	struct config c;

	/* No NUL behind it: it is not a string. */
	memcpy(text, bytes, size);
	config_init(&c);
	if (!config_parse_text(&c, "some.conf", text, size)) {
		must(c.mem_bytes >= CO_MEM_MIN && c.mem_bytes <= CO_MEM_MAX);
		must(c.mem_bytes % CO_CHUNK_SIZE == 0);
		must(c.vcpus >= 1 && c.vcpus <= CO_MAX_VCPUS);
		must(c.cobds <= CONFIG_MAX_COBD);
		for (unsigned int i = 0; i < c.cobds; i++)
			must(*c.cobd[i].spec.path && (!i || c.cobd[i].number >
						 c.cobd[i - 1].number));
		if (!cmdline_build(&c, line, CO_CMDLINE_MAX)) {
			must(strlen(line) < CO_CMDLINE_MAX);
			must(!strpbrk(line, "\r\n"));
		}
	}
	config_free(&c);
	free(line);
	free(text);
	return 0;
}

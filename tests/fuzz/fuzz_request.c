// SPDX-License-Identifier: GPL-2.0
/* Lines of any bytes as requests of the control socket. */
#include <ctype.h>
#include "input.h"
#include "core/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *line = malloc(size + 1), error[200] = "";
	struct request r;
	json_t *text;

	/* No NUL behind it: it is not a string. */
	memcpy(line, bytes, size);
	if (request_parse(line, size, &r, error, sizeof(error))) {
		must(*error);
		for (const char *c = error; *c; c++)
			must(isprint((unsigned char)*c));
	} else {
		must(r.type <= REQUEST_VSOCK);
		must(r.type != REQUEST_RESIZE ||
		     (r.columns >= 1 && r.columns <= 1000 && r.rows >= 1 &&
		      r.rows <= 1000));
	}
	line[size] = '\0';
	text = proto_text(line);
	must(text && strlen(json_string_value(text)) == strlen(line));
	json_decref(text);
	free(line);
	return 0;
}

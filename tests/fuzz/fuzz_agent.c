// SPDX-License-Identifier: GPL-2.0
/*
 * Frames and requests of the agent's protocol from any bytes, in any pieces:
 * what is taken lies within what came, and a request that was understood is
 * the same when it is written and read again.
 */
#include <unistd.h>
#include "input.h"
#include "agent/wire.h"

static struct wire_request a, b;
static uint8_t out[WIRE_MAX];

static void check_same(const char *x, const char *y)
{
	must(!x == !y);
	must(!x || !strcmp(x, y));
}

static void request(const uint8_t *data, size_t len)
{
	size_t n;

	if (wire_request_parse(&a, data, len))
		return;
	must(a.args <= WIRE_ARGS && a.vars <= WIRE_ARGS);
	must(a.args || a.login);
	must(!a.arg[a.args]);
	n = wire_request_write(&a, out, sizeof(out));
	if (!n)
		return;		/* double words were written once: shorter */
	must(!wire_request_parse(&b, out, n));
	check_same(a.user, b.user);
	check_same(a.dir, b.dir);
	check_same(a.cookie, b.cookie);
	must(a.tty == b.tty && a.rows == b.rows && a.columns == b.columns);
	must(a.args == b.args && a.vars == b.vars && a.login == b.login);
	for (unsigned int i = 0; i < a.args; i++)
		check_same(a.arg[i], b.arg[i]);
	for (unsigned int i = 0; i < a.vars; i++)
		check_same(a.var[i], b.var[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct wire_in wire;
	struct frame f;
	int fd[2], got = 0;

	if (size > 1 && (*data & 1)) {
		request(data + 1, size - 1);
		return 0;
	}
	must(!pipe(fd));
	must(!wire_in_init(&wire));
	while (in.left && got >= 0) {
		size_t n = 1 + take8(&in);

		if (n > in.left)
			n = in.left;
		if (!n)
			break;
		must(write(fd[1], in.at, n) == (ssize_t)n);
		in.at += n;
		in.left -= n;
		must(wire_read(&wire, fd[0]) > 0);
		while ((got = wire_take(&wire, &f)) == 1) {
			must(f.len <= WIRE_MAX && f.data >= wire.buf);
			must(f.data + f.len <= wire.buf + wire.len);
			if (f.type == WIRE_EXEC)
				request(f.data, f.len);
		}
	}
	close(fd[0]);
	close(fd[1]);
	wire_in_free(&wire);
	return 0;
}

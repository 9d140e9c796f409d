// SPDX-License-Identifier: GPL-2.0
/* Requests of the control socket: what is understood, and what is said else. */
#include <ctype.h>
#include <limits.h>
#include "say.h"
#include "core/proto.h"

static struct request r;
static char error[200];

static int parse(const char *line)
{
	return request_parse(line, strlen(line), &r, error, sizeof(error));
}

static void assert_refused(const char *line, const char *why)
{
	assert_int_equal(parse(line), -EINVAL);
	if (!strstr(error, why))
		fail_msg("%s: '%s' is not in '%s'", line, why, error);
	for (const char *c = error; *c; c++)
		assert_true(isprint((unsigned char)*c));
}

static void simple_requests(void **state)
{
	assert_int_equal(parse("{\"request\":\"status\"}"), 0);
	assert_int_equal(r.type, REQUEST_STATUS);
	assert_int_equal(parse(" { \"request\" : \"stop\" } "), 0);
	assert_int_equal(r.type, REQUEST_STOP);
	assert_int_equal(parse("{\"request\":\"kill\"}"), 0);
	assert_int_equal(r.type, REQUEST_KILL);
	assert_int_equal(parse("{\"request\":\"events\"}"), 0);
	assert_int_equal(r.type, REQUEST_EVENTS);
}

static void console_requests(void **state)
{
	assert_int_equal(parse("{\"request\":\"console\"}"), 0);
	assert_int_equal(r.type, REQUEST_CONSOLE);
	assert_false(r.read_only);
	assert_true(r.follow);
	assert_int_equal(r.replay, UINT_MAX);
	assert_int_equal(parse("{\"replay\":0,\"request\":\"console\","
			       "\"read_only\":true,\"follow\":false}"), 0);
	assert_true(r.read_only);
	assert_false(r.follow);
	assert_int_equal(r.replay, 0);
	assert_refused("{\"request\":\"console\",\"read_only\":1}",
		       "\"read_only\" must be true or false");
	assert_refused("{\"request\":\"console\",\"replay\":-1}",
		       "\"replay\" must be a number from 0");
	assert_refused("{\"request\":\"console\",\"replay\":4294967296}",
		       "\"replay\" must be");
	assert_refused("{\"request\":\"console\",\"replay\":1.5}", "\"replay\"");
}

static void resize_requests(void **state)
{
	assert_int_equal(parse("{\"request\":\"resize\",\"columns\":80,"
			       "\"rows\":25,\"viewer\":7}"), 0);
	assert_int_equal(r.columns, 80);
	assert_int_equal(r.rows, 25);
	assert_int_equal(r.viewer, 7);
	assert_refused("{\"request\":\"resize\",\"columns\":80}",
		       "needs \"rows\"");
	assert_refused("{\"request\":\"resize\",\"columns\":0,\"rows\":1}",
		       "\"columns\" must be a number from 1 to 1000");
	assert_refused("{\"request\":\"resize\",\"columns\":1,\"rows\":\"1\"}",
		       "\"rows\" must be a number");
}

static void vsock_requests(void **state)
{
	assert_int_equal(parse("{\"request\":\"vsock\",\"port\":4294967295}"), 0);
	assert_int_equal(r.port, UINT_MAX);
	assert_refused("{\"request\":\"vsock\"}", "needs \"port\"");
}

static void what_is_no_request(void **state)
{
	static const char nul[] = "{\"request\":\"sta\\u0000tus\"}";

	assert_refused("", "not JSON");
	assert_refused("status", "not JSON");
	assert_refused("{\"request\":\"status\"", "not JSON");
	assert_refused("{\"request\":\"status\"}x", "not JSON");
	assert_refused("{\"request\":\"status\",\"request\":\"kill\"}",
		       "not JSON");
	assert_refused("\xff\xfe{}", "not JSON");
	assert_refused(nul, "not JSON");
	assert_refused("[]", "not a JSON object");
	assert_refused("{}", "no \"request\"");
	assert_refused("{\"request\":7}", "no \"request\"");
	assert_refused("{\"request\":\"frobnicate\"}",
		       "unknown request \"frobnicate\"");
	assert_refused("{\"request\":\"stat\\u001b\\nus\"}", "unknown request");
	assert_refused("{\"request\":\"status\",\"rows\":1}",
		       "\"status\" does not know \"rows\"");
	assert_refused("{\"request\":\"stop\",\"\xc3\xa4\":1}", "does not know");
}

static void deep_nesting(void **state)
{
	static char line[PROTO_LINE_MAX];

	memset(line, '[', sizeof(line));
	assert_int_equal(request_parse(line, sizeof(line), &r, error,
				       sizeof(error)), -EINVAL);
}

static void assert_text(const char *text, const char *want)
{
	json_t *json = proto_text(text);

	assert_string_equal(json_string_value(json), want);
	json_decref(json);
}

static void any_text_is_json(void **state)
{
	assert_text("plain", "plain");
	assert_text("\xc3\xa4", "\xc3\xa4");
	assert_text("a\xffz", "a?z");
	assert_true(json_is_null(proto_text(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(simple_requests), TEST(console_requests),
		TEST(resize_requests), TEST(vsock_requests),
		TEST(what_is_no_request), TEST(deep_nesting),
		TEST(any_text_is_json),
	};

	return cmocka_run_group_tests_name("proto", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-2.0
/* Host folders as options and in files, and what the guest is told of them. */
#include <stdio.h>
#include "say.h"
#include "core/config.h"

static struct config c;

static int setup(void **state)
{
	config_init(&c);
	return forget_said(state);
}

static int teardown(void **state)
{
	config_free(&c);
	return 0;
}

static void option(const char *value)
{
	assert_int_equal(config_add_cofs(&c, -1, value, "--cofs"), 0);
	assert_silent();
}

static void refused(const char *value, const char *why)
{
	unsigned int before = c.cofses;

	forget_said(NULL);
	assert_true(config_add_cofs(&c, -1, value, "--cofs") < 0);
	assert_int_equal(c.cofses, before);
	assert_true(strstr(said, "--cofs: ") == said);
	assert_said(why);
}

static void check(unsigned int at, const char *path, const char *mount,
		  bool read_only, enum virtiofsd_cache cache)
{
	const struct cofs_config *f = &c.cofs[at];

	assert_true(at < c.cofses);
	assert_string_equal(f->path, path);
	if (mount)
		assert_string_equal(f->mount, mount);
	else
		assert_null(f->mount);
	assert_int_equal(f->read_only, read_only);
	assert_int_equal(f->cache, cache);
}

static void options(void **state)
{
	option("/srv:/mnt");
	option("src:/mnt/src,ro");
	option("/a b:/mnt/x,rw,cache=always");
	option("/a,b,c:/mnt/y,cache=never,ro");
	option("/srv");
	option("/a,b,ro");
	option("/a:b:/mnt/z");
	check(0, "/srv", "/mnt", false, VIRTIOFSD_AUTO);
	check(1, "src", "/mnt/src", true, VIRTIOFSD_AUTO);
	check(2, "/a b", "/mnt/x", false, VIRTIOFSD_ALWAYS);
	check(3, "/a,b,c", "/mnt/y", true, VIRTIOFSD_NEVER);
	check(4, "/srv", NULL, false, VIRTIOFSD_AUTO);
	check(5, "/a,b", NULL, true, VIRTIOFSD_AUTO);
	check(6, "/a:b", "/mnt/z", false, VIRTIOFSD_AUTO);
	for (unsigned int i = 0; i < c.cofses; i++)
		assert_int_equal(c.cofs[i].number, i);
}

static void bad_options(void **state)
{
	refused("", "empty");
	refused(":/mnt", "no host folder");
	refused(",ro", "no host folder");
	refused("/srv:", "begin with '/'");
	refused("/srv:mnt", "begin with '/'");
	refused("/srv:/", "begin with '/'");
	refused("/srv:///", "begin with '/'");
	refused("/srv:/m nt", "plain");
	refused("/srv:/m%n", "plain");
	refused("/srv:/m\"n", "plain");
	refused("/srv:/m\xc3\xbcn", "plain");
	refused("/srv:/a/../b", "'..'");
	refused("/srv:/a/..", "'..'");
	refused("/srv:/mnt,rx", "'rx' is no option");
	refused("/srv:/mnt,rx,ro", "'rx' is no option");
	refused("/srv:/mnt,cache", "'cache' is no option");
	refused("/srv:/mnt,cache=", "auto, always or never");
	refused("/srv:/mnt,cache=none", "auto, always or never");
	refused("/srv\n:/mnt", "one line");
	option("/srv:/mnt");
	option("/srv:/mnt/..b");
	refused("/other:/mnt", "is cofs0 already");
	option("/srv:/mnt2");
}

static void too_many(void **state)
{
	char value[32];

	for (int i = 0; i < CONFIG_MAX_COFS; i++) {
		snprintf(value, sizeof(value), "/srv:/mnt%d", i);
		option(value);
	}
	refused("/srv", "at most 16");
}

static void in_a_file(void **state)
{
	static const char text[] =
		"kernel=vmlinux\n"
		"cofs3=/srv/three,ro\n"
		"cofs0=\"/srv/my files\"\n"
		"cofs1=/srv/one:/mnt/one\n";

	assert_int_equal(config_parse_text(&c, "f", text, strlen(text)), 0);
	assert_int_equal(c.cofses, 3);
	check(0, "/srv/my files", NULL, false, VIRTIOFSD_AUTO);
	check(1, "/srv/one", "/mnt/one", false, VIRTIOFSD_AUTO);
	check(2, "/srv/three", NULL, true, VIRTIOFSD_AUTO);
	assert_int_equal(c.cofs[2].number, 3);
	option("/more");
	assert_int_equal(c.cofs[3].number, 4);
}

static void bad_files(void **state)
{
	static const char * const texts[][2] = {
		{ "cofs0=/a cofs0=/b", "cofs0 is given twice" },
		{ "cofs256=/a", "numbers 0 to 255" },
		{ "cofs99999999999=/a", "numbers from 0 to 255" },
		{ "cofs0=", "empty" },
		{ "cofs=/a", "unknown key" },
		{ "cofs0=/a:/m cofs1=/b:/m", "is cofs0 already" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		config_free(&c);
		config_init(&c);
		assert_true(config_parse_text(&c, "f", texts[i][0],
					      strlen(texts[i][0])) < 0);
		assert_true(strstr(said, "f:1") == said);
		assert_said(texts[i][1]);
	}
}

static void what_the_guest_is_told(void **state)
{
	char line[512];

	option("/srv:/mnt/a");
	option("/srv,ro");
	option("/srv:/mnt/b,ro,cache=never");
	assert_int_equal(config_append(&c, "quiet", "--append"), 0);
	assert_int_equal(cmdline_build(&c, line, sizeof(line)), 0);
	assert_non_null(strstr(line, " colinux.cofs=cofs0:/mnt/a "
			       "colinux.cofs=cofs2:/mnt/b:ro"));
	assert_null(strstr(line, "cofs1"));
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options),
		TEST(bad_options),
		TEST(too_many),
		TEST(in_a_file),
		TEST(bad_files),
		TEST(what_the_guest_is_told),
	};

	return cmocka_run_group_tests_name("folders", tests, NULL, NULL);
}

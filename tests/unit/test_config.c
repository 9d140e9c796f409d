// SPDX-License-Identifier: GPL-2.0
/* Options, classic configuration files, and the command line they make. */
#include <stdio.h>
#include <colinux/abi.h>
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

static int parse(const char *text)
{
	return config_parse_text(&c, "some.conf", text, strlen(text));
}

/* Refused with one line that has both texts in it. */
static void refused(const char *text, const char *where, const char *why)
{
	config_free(&c);
	config_init(&c);
	if (!parse(text))
		fail_msg("accepted: %s", text);
	if (!strstr(said, where))
		fail_msg("'%s' not in '%s'", where, said);
	assert_said(why);
}

/* --- files --------------------------------------------------------------------- */

static void a_classic_file(void **state)
{
	assert_int_equal(parse(
		"# coLinux example\r\n"
		"kernel=vmlinux\r\n"
		"\r\n"
		"cobd0=\"/images/Debian root.img\"\r\n"
		"cobd1=swap.img,rw\r\n"
		"cobd7=cdrom.iso,ro   # read-only\r\n"
		"root=/dev/cobd0 ro\r\n"
		"initrd=initrd.gz\r\n"
		"mem=256\r\n"
		"cocon=120x40\r\n"), 0);
	assert_string_equal(c.kernel, "vmlinux");
	assert_int_equal(c.cobds, 3);
	assert_string_equal(c.cobd[0].spec.path, "/images/Debian root.img");
	assert_false(c.cobd[0].spec.read_only);
	assert_string_equal(c.cobd[1].spec.path, "swap.img");
	assert_false(c.cobd[1].spec.read_only);
	assert_int_equal(c.cobd[2].number, 7);
	assert_string_equal(c.cobd[2].spec.path, "cdrom.iso");
	assert_true(c.cobd[2].spec.read_only);
	assert_string_equal(c.root, "/dev/cobd0");
	assert_string_equal(c.append, "ro");
	assert_string_equal(c.initrd, "initrd.gz");
	assert_int_equal(c.mem_bytes, 256 << 20);
	assert_int_equal(c.columns, 120);
	assert_int_equal(c.rows, 40);
	assert_int_equal(config_check(&c), 0);
	assert_silent();
}

static void all_on_one_line_without_newline(void **state)
{
	assert_int_equal(parse("kernel=k mem=64 cobd0=a cobd2=b quiet"), 0);
	assert_string_equal(c.kernel, "k");
	assert_int_equal(c.cobds, 2);
	assert_string_equal(c.append, "quiet");
}

static void an_empty_file_has_no_kernel(void **state)
{
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("# nothing\n\n   \t\n"), 0);
	assert_int_equal(c.mem_bytes, CONFIG_MEM_DEFAULT);
	assert_int_equal(c.vcpus, 1);
	assert_int_equal(config_check(&c), -EINVAL);
	assert_said("kernel");
}

static void kernel_parameters_are_passed_on(void **state)
{
	assert_int_equal(parse("ro quiet init=/bin/sh panic=10 "
			       "systemd.unit=rescue.target "
			       "append=\"my=value two\" append=three"), 0);
	assert_non_null(strstr(c.append, "init=/bin/sh"));
	assert_non_null(strstr(c.append, "systemd.unit=rescue.target"));
	assert_non_null(strstr(c.append, "my=value two"));
	assert_non_null(strstr(c.append, "three"));
}

/* What we cannot honour is refused by name, with its line. */
static void refused_keys(void **state)
{
	static const char * const keys[] = {
		"eth100", "eth999", "scsi0", "audio0",
		"video0", "pci0", "setcobd", "color", "cursor",
		"initramfs", "bootparams", "hda1", "sda2", "hdc",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char text[100];

		snprintf(text, sizeof(text), "kernel=k\n\n%s=value\n", keys[i]);
		refused(text, "some.conf:3:", keys[i]);
	}
}

static void misspelt_keys_are_refused(void **state)
{
	refused("kernle=x", "some.conf:1:", "kernle");
	refused("\nMEM=64", "some.conf:2:", "MEM");
	refused("cobd=x", "some.conf:1:", "cobd");
	refused("cobdx=x", "some.conf:1:", "cobdx");
	refused("cobd0x=x", "some.conf:1:", "cobd0x");
	refused("=x", "some.conf:1:", "=");
	refused("-t nt", "some.conf:1:", "-t");
	refused("@other.conf", "some.conf:1:", "@other.conf");
}

static void twice_is_refused(void **state)
{
	refused("kernel=a\nkernel=b", "some.conf:2:", "twice");
	refused("mem=64 mem=64", "some.conf:1:", "twice");
	refused("cobd0=a\ncobd0=b", "some.conf:2:", "cobd0 is given twice");
}

static void quoting(void **state)
{
	refused("kernel=\"k\nmem=64", "some.conf:1:", "closing");
	config_free(&c);
	config_init(&c);
	assert_int_equal(parse("name=\"a\"b append=\"x  y\""), 0);
	assert_string_equal(c.name, "ab");
	assert_string_equal(c.append, "x  y");
}

static void not_a_text_file(void **state)
{
	static const char text[] = "kernel=a\nme\0m=64\n";

	assert_int_equal(config_parse_text(&c, "some.conf", text, sizeof(text)),
			 -EINVAL);
	assert_said("some.conf:2:");
}

static void very_long_words(void **state)
{
	static char text[20000];

	memset(text, 'x', sizeof(text) - 1);
	refused(text, "some.conf:1:", "too long");
	memcpy(text, "kernel=", 7);
	refused(text, "some.conf:1:", "too long");
}

static void files_that_are_not_there(void **state)
{
	assert_true(config_read_file(&c, "/nonexistent/x.conf") < 0);
	assert_said("/nonexistent/x.conf");
	assert_true(config_read_file(&c, "/tmp") < 0);
	assert_said("/tmp");
	assert_true(config_read_file(&c, "/dev/zero") < 0);
	assert_said("/dev/zero");
}

/* --- values ---------------------------------------------------------------------- */

static void sizes_of_memory(void **state)
{
	static const struct { const char *text; uint64_t bytes; } good[] = {
		{ "64", 64ULL << 20 }, { "64M", 64ULL << 20 },
		{ "1G", 1ULL << 30 }, { "1g", 1ULL << 30 },
		{ "65536K", 64ULL << 20 }, { "256G", 256ULL << 30 },
		{ "0512m", 512ULL << 20 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(config_set_mem(&c, good[i].text, "--mem"), 0);
		assert_true(c.mem_bytes == good[i].bytes);
	}
	assert_silent();
}

static void bad_sizes_of_memory(void **state)
{
	static const struct { const char *text, *why; } bad[] = {
		{ "", "not a size" }, { "lots", "not a size" },
		{ "-64", "not a size" }, { "+64", "not a size" },
		{ " 64", "not a size" }, { "64MB", "not a size" },
		{ "64 M", "not a size" }, { "0x40", "not a size" },
		{ "1.5G", "not a size" }, { "M", "not a size" },
		{ "63", "too small" }, { "0", "too small" },
		{ "64K", "too small" }, { "257G", "too big" },
		{ "1T", "too big" }, { "99999999999999999999", "too big" },
		{ "18446744073709551615", "too big" },
		{ "18014398509481984K", "too big" },
		{ "65", "multiple" }, { "66000K", "multiple" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(config_set_mem(&c, bad[i].text, "--mem"),
				 -EINVAL);
		if (!strstr(said, "--mem"))
			fail_msg("no --mem in '%s'", said);
		assert_said(bad[i].why);
	}
	assert_true(c.mem_bytes == CONFIG_MEM_DEFAULT);
}

static void numbers_of_cpus(void **state)
{
	static const char * const bad[] = {
		"", "0", "-1", "x", "1x", "2", "65", "99999999999999999999",
	};

	assert_int_equal(config_set_cpus(&c, "1", "--cpus"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(config_set_cpus(&c, bad[i], "--cpus"), -EINVAL);
		assert_said("--cpus");
	}
	assert_int_equal(c.vcpus, 1);
}

static void names(void **state)
{
	static const char * const bad[] = {
		"", "a b", "a/b", "../x", "n\xc3\xa4me", "a\nb",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};

	assert_int_equal(config_set_name(&c, "my-vm_1.x", "--name"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(config_set_name(&c, bad[i], "--name"), -EINVAL);
		assert_int_not_equal(said_lines, 0);
		forget_said(NULL);
	}
	assert_string_equal(c.name, "my-vm_1.x");
}

static void console_sizes(void **state)
{
	static const char * const bad[] = {
		"", "80", "80x", "x25", "80x25x", "0x25", "80x0", "1001x25",
		"80x1001", "-80x25", "80x-25", "80 x25", "80x 25",
		"99999999999999999999x1",
	};

	assert_int_equal(config_set_cocon(&c, "1000x1", "cocon"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(config_set_cocon(&c, bad[i], "cocon"), -EINVAL);
		assert_said("cocon");
	}
	assert_int_equal(c.columns, 1000);
}

static void disks(void **state)
{
	assert_int_equal(config_add_cobd(&c, -1, "a", "--cobd"), 0);
	assert_int_equal(config_add_cobd(&c, -1, "b,ro", "--cobd"), 0);
	assert_int_equal(config_add_cobd(&c, 255, "c,x", "--cobd"), 0);
	assert_int_equal(config_add_cobd(&c, 9, "d,ro,format=qcow2",
					 "--cobd"), 0);
	assert_int_equal(c.cobds, 4);
	assert_int_equal(c.cobd[1].number, 1);
	assert_true(c.cobd[1].spec.read_only);
	assert_int_equal(c.cobd[2].number, 9);
	assert_string_equal(c.cobd[2].spec.path, "d");
	assert_true(c.cobd[2].spec.read_only);
	assert_int_equal(c.cobd[2].spec.format, BLK_FORMAT_QCOW2);
	assert_string_equal(c.cobd[3].spec.path, "c,x");
	assert_silent();
	assert_true(config_add_cobd(&c, -1, "e", "--cobd") < 0);
	assert_said("--cobd");
	assert_true(config_add_cobd(&c, 256, "e", "--cobd") < 0);
	assert_said("--cobd");
	assert_true(config_add_cobd(&c, 2, "", "--cobd") < 0);
	assert_said("--cobd");
	assert_true(config_add_cobd(&c, 2, ",ro", "--cobd") < 0);
	assert_said("--cobd");
	assert_true(config_add_cobd(&c, 9, "f", "--cobd") < 0);
	assert_said("twice");
	assert_int_equal(c.cobds, 4);
}

static void options_of_disks(void **state)
{
	assert_int_equal(config_add_cobd(&c, 0, "a,snapshot", "--cobd"), 0);
	assert_true(c.cobd[0].spec.snapshot);
	assert_false(c.cobd[0].spec.read_only);
	assert_int_equal(c.cobd[0].spec.format, BLK_FORMAT_AUTO);
	assert_int_equal(config_add_cobd(&c, 1, "b,x,format=raw,rw", "--cobd"), 0);
	assert_string_equal(c.cobd[1].spec.path, "b,x");
	assert_int_equal(c.cobd[1].spec.format, BLK_FORMAT_RAW);
	assert_int_equal(config_add_cobd(&c, 2, "c,ro", "--cobd"), 0);
	assert_silent();
	assert_true(config_add_cobd(&c, 3, "d,ro,snapshot", "--cobd") < 0);
	assert_said("exclude");
	assert_true(config_add_cobd(&c, 3, "d,rw,ro", "--cobd") < 0);
	assert_said("exclude");
	assert_true(config_add_cobd(&c, 3, "d,format=qcow3", "--cobd") < 0);
	assert_said("qcow3");
	assert_true(config_add_cobd(&c, 3, ",format=raw,ro", "--cobd") < 0);
	assert_said("no file name");
	/* --snapshot is for all that can be written. */
	c.snapshot = true;
	assert_int_equal(config_set_string(&c.kernel, "k", "--kernel"), 0);
	assert_int_equal(config_check(&c), 0);
	assert_true(c.cobd[1].spec.snapshot);
	assert_false(c.cobd[2].spec.snapshot);
}

static void too_many_disks(void **state)
{
	for (int i = 0; i < CONFIG_MAX_COBD; i++)
		assert_int_equal(config_add_cobd(&c, -1, "x", "--cobd"), 0);
	assert_true(config_add_cobd(&c, -1, "x", "--cobd") < 0);
	assert_said("too many");
}

/* --- the guest's command line -------------------------------------------------------- */

static char line[CO_CMDLINE_MAX];

static void check_line(const char *text)
{
	assert_int_equal(cmdline_build(&c, line, sizeof(line)), 0);
	if (!strstr(line, text))
		fail_msg("'%s' not in '%s'", text, line);
	assert_silent();
}

static void root_becomes_virtio_names(void **state)
{
	static const struct { const char *root, *text; } roots[] = {
		{ "/dev/cobd0", "root=/dev/vda" },
		{ "/dev/cobd3", "root=/dev/vdb" },
		{ "/dev/cobd3p2", "root=/dev/vdb2" },
		{ "/dev/cobd/3", "root=/dev/vdb" },
		{ "/dev/vdb1", "root=/dev/vdb1" },
		{ "UUID=1234", "root=UUID=1234" },
		{ "LABEL=x", "root=LABEL=x" },
	};

	assert_int_equal(parse("cobd0=a cobd3=b"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		assert_int_equal(config_set_string(&c.root, roots[i].root, "x"),
				 0);
		check_line(roots[i].text);
		assert_int_equal(strlen(strstr(line, "root=")),
				 strlen(roots[i].text));
	}
}

static void the_first_disk_is_root(void **state)
{
	assert_int_equal(parse("cobd5=a cobd9=b"), 0);
	check_line("root=/dev/vda");
}

static void no_disk_no_root(void **state)
{
	assert_int_equal(cmdline_build(&c, line, sizeof(line)), 0);
	assert_null(strstr(line, "root="));
}

static void root_of_append_is_kept(void **state)
{
	assert_int_equal(parse("cobd5=a append=\"quiet root=/dev/cobd5\""), 0);
	check_line("root=/dev/vda");
	assert_null(strstr(strstr(line, "root=") + 1, "root="));
}

static void devices_in_parameters(void **state)
{
	assert_int_equal(parse("cobd0=a cobd1=b resume=/dev/cobd1"), 0);
	check_line("resume=/dev/vdb");
	assert_int_equal(config_append(&c, "x=\"/dev/cobd0 y\" z=/dev/cobd0p1",
				       "x"), 0);
	check_line("x=\"/dev/cobd0 y\"");
	check_line("z=/dev/vda1");
}

static void disks_that_are_not_there(void **state)
{
	assert_int_equal(parse("cobd0=a root=/dev/cobd1"), 0);
	assert_true(cmdline_build(&c, line, sizeof(line)) < 0);
	assert_said("cobd1");
	assert_int_equal(config_set_string(&c.root, "/dev/cobd0", "x"), 0);
	assert_int_equal(config_append(&c, "resume=/dev/cobd99999999999999999999",
				       "x"), 0);
	assert_true(cmdline_build(&c, line, sizeof(line)) < 0);
	assert_said("cobd");
}

static void names_of_many_disks(void **state)
{
	for (int i = 0; i < 28; i++)
		assert_int_equal(config_add_cobd(&c, i, "x", "x"), 0);
	assert_int_equal(config_set_string(&c.root, "/dev/cobd25", "x"), 0);
	check_line("root=/dev/vdz");
	assert_int_equal(config_set_string(&c.root, "/dev/cobd26", "x"), 0);
	check_line("root=/dev/vdaa");
	assert_int_equal(config_set_string(&c.root, "/dev/cobd27", "x"), 0);
	check_line("root=/dev/vdab");
}

static void too_long_a_line(void **state)
{
	static char word[3000];

	memset(word, 'x', sizeof(word) - 1);
	assert_int_equal(config_append(&c, word, "x"), 0);
	assert_int_equal(cmdline_build(&c, line, sizeof(line)), 0);
	assert_int_equal(config_append(&c, word, "x"), 0);
	assert_true(cmdline_build(&c, line, sizeof(line)) < 0);
	assert_said("longer");
}

static void no_newlines_in_it(void **state)
{
	assert_true(config_append(&c, "a\nb", "--append") < 0);
	assert_said("--append");
	assert_true(config_set_string(&c.root, "a\rb", "--root") < 0);
	assert_said("--root");
	refused("root=\"\r*\"", "some.conf:1:", "root");
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_classic_file),
		TEST(all_on_one_line_without_newline),
		TEST(an_empty_file_has_no_kernel),
		TEST(kernel_parameters_are_passed_on),
		TEST(refused_keys),
		TEST(misspelt_keys_are_refused),
		TEST(twice_is_refused),
		TEST(quoting),
		TEST(not_a_text_file),
		TEST(very_long_words),
		TEST(files_that_are_not_there),
		TEST(sizes_of_memory),
		TEST(bad_sizes_of_memory),
		TEST(numbers_of_cpus),
		TEST(names),
		TEST(console_sizes),
		TEST(disks),
		TEST(options_of_disks),
		TEST(too_many_disks),
		TEST(root_becomes_virtio_names),
		TEST(the_first_disk_is_root),
		TEST(no_disk_no_root),
		TEST(root_of_append_is_kept),
		TEST(devices_in_parameters),
		TEST(disks_that_are_not_there),
		TEST(names_of_many_disks),
		TEST(too_long_a_line),
		TEST(no_newlines_in_it),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

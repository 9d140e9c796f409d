// SPDX-License-Identifier: GPL-2.0
/*
 * Things of the host that a guest has: programs (execN=) and what its serial
 * ports (ttysN=) are joined with, without a guest's driver at the other end.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "say.h"
#include "driver.h"
#include "core/exec.h"
#include "core/rundir.h"
#include "backends/serial.h"
#include "devices/devices.h"

static char dir[64], path[128], spec[200];

static int setup(void **state)
{
	forget_said(state);
	snprintf(dir, sizeof(dir), "/tmp/colinux-host-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* What the file holds, once it holds something of this length. */
static const char *contents(size_t want)
{
	static char text[200];
	ssize_t n = 0;

	for (int ms = 0; ms < 20000; ms += 10) {
		int fd = open(path, O_RDONLY);

		n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
		if (fd >= 0)
			close(fd);
		if (n >= (ssize_t)want)
			break;
		usleep(10000);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* --- configuration -------------------------------------------------------------- */

static void what_is_refused(void **state)
{
	struct config c;

	config_init(&c);
	config_add_ttys(&c, 0, "COM1", "ttys0");
	assert_said("'COM1' is no serial port");
	config_add_ttys(&c, 0, "unix:", "ttys0");
	assert_said("has no path");
	config_add_ttys(&c, 0, "/dev/ttyS0,12345", "ttys0");
	assert_said("is not a speed");
	assert_int_equal(config_add_ttys(&c, 1, "pty", "ttys1"), 0);
	config_add_ttys(&c, 1, "pty", "ttys1");
	assert_said("ttys1 is given twice");
	config_add_ttys(&c, 32, "pty", "ttys32");
	assert_said("too many");
	config_add_exec(&c, 0, "", "exec0");
	assert_said("empty");
	assert_int_equal(config_add_exec(&c, 3, "true", "exec3"), 0);
	config_add_exec(&c, 3, "true", "exec3");
	assert_said("exec3 is given twice");
	assert_int_equal(config_add_ttys(&c, 0, "/dev/ttyS0,9600", "ttys0"), 0);
	assert_int_equal(c.ttys[0].number, 0);
	assert_int_equal(c.ttys[1].number, 1);
	config_free(&c);
	assert_silent();
}

static void classic_words(void **state)
{
	static const char text[] =
		"kernel=vmlinux ttys1=pty exec0=\"xming, :0 -clipboard\"";
	char line[1000];
	struct config c;

	config_init(&c);
	assert_int_equal(config_parse_text(&c, "some.conf", text, strlen(text)),
			 0);
	assert_string_equal(c.exec[0].command, "xming, :0 -clipboard");
	assert_int_equal(cmdline_build(&c, line, sizeof(line)), 0);
	assert_non_null(strstr(line, " colinux.hvc1=ttyS1"));
	config_free(&c);
}

/* --- programs ------------------------------------------------------------------- */

static struct execs execs;

static int run(const char *command)
{
	struct config c;
	int err;

	memset(&execs, 0, sizeof(execs));
	config_init(&c);
	assert_int_equal(config_add_exec(&c, 7, command, "exec7"), 0);
	err = execs_start(&execs, &c, "tux", STDERR_FILENO);
	config_free(&c);
	return err;
}

static void programs_have_words(void **state)
{
	char command[300];

	snprintf(command, sizeof(command),
		 "sh, -c 'echo $COLINUX_NAME,  $1, $2 > %s' x  '1 2'  3 ", path);
	assert_int_equal(run(command), 0);
	assert_string_equal(contents(10), "tux, 1 2, 3\n");
	execs_stop(&execs);
	assert_silent();
}

static void deaths_are_reported(void **state)
{
	assert_int_equal(run("sh -c 'exit 9'"), 0);
	assert_int_equal(execs_watch(&execs), 0);
	for (int ms = 0; ms < 20000 && !said_lines; ms += 10)
		usleep(10000);
	execs_stop(&execs);
	assert_said("exec7: sh has ended with status 9");
}

/* It and its children are ended, also if it does not listen to SIGTERM. */
static void programs_end_with_the_guest(void **state)
{
	char command[300];
	pid_t child;

	snprintf(command, sizeof(command),
		 "sh -c 'trap : TERM; sleep 1000 & echo $! > %s; while :; do wait; done'",
		 path);
	assert_int_equal(run(command), 0);
	child = atoi(contents(2));
	assert_int_equal(kill(child, 0), 0);
	execs_stop(&execs);
	for (int ms = 0; ms < 20000 && !kill(child, 0); ms += 10)
		usleep(10000);
	assert_int_equal(kill(child, 0), -1);
	assert_silent();
}

static void programs_that_are_none(void **state)
{
	assert_int_equal(run("/nope/nothing"), -ENOENT);
	assert_said("exec7: /nope/nothing: cannot run");
	assert_int_equal(run("sh 'x"), -EINVAL);
	assert_said("is no command");
	assert_int_equal(run("  "), -EINVAL);
	assert_said("is no command");
	assert_int_equal(run("''"), -EINVAL);
	assert_said("is no command");
}

/* --- serial ports ------------------------------------------------------------------ */

#define MEM	(1UL << 20)

static struct guest_mem mem;
static struct virtio_bus bus;
static struct ttys *ttys;

static void start_port(const char *what)
{
	memset(&fake_driver, 0, sizeof(fake_driver));
	mem.size = MEM;
	mem.hva = aligned_alloc(4096, MEM);
	memset(mem.hva, 0, MEM);
	ttys = ttys_open(2, what, dir);
	assert_non_null(ttys);
	virtio_init(&bus, 3, &mem);
	assert_int_equal(ttys_create(&bus, ttys, 1), 0);
}

static void end_port(void)
{
	ttys_stop(ttys);
	virtio_destroy(&bus);
	ttys_free(ttys);
	free(mem.hva);
}

static void a_pty(void **state)
{
	struct serial s;
	char buf[10];
	int fd;

	assert_int_equal(serial_open(&s, 2, "pty", dir), 0);
	assert_said("ttys2");
	snprintf(spec, sizeof(spec), "%s/ttys2", dir);
	fd = open(spec, O_RDWR | O_NOCTTY);
	assert_true(fd >= 0);
	/* Raw both ways: no echo, no translation. */
	assert_int_equal(write(fd, "a\n\003", 3), 3);
	assert_int_equal(read(s.fd, buf, 10), 3);
	assert_memory_equal(buf, "a\n\003", 3);
	assert_int_equal(read(s.fd, buf, 10), -1);
	assert_int_equal(write(s.fd, "b\n", 2), 2);
	assert_int_equal(read(fd, buf, 10), 2);
	close(fd);
	serial_close(&s);
	assert_int_equal(access(spec, F_OK), -1);
}

static void a_file(void **state)
{
	struct serial s;

	snprintf(spec, sizeof(spec), "%s,9600", path);
	assert_int_not_equal(serial_open(&s, 1, spec, dir), 0);
	assert_said("is no tty");
	assert_int_equal(serial_open(&s, 1, path, dir), 0);
	assert_false(s.reads);
	assert_int_equal(write(s.fd, "abc", 3), 3);
	serial_close(&s);
	assert_string_equal(contents(3), "abc");
}

static void a_port_with_a_pty(void **state)
{
	start_port("pty");
	forget_said(NULL);
	end_port();
	assert_silent();
}

static int connect_to(const char *where)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(at.sun_path, where);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* One peer after the other; what was typed waits for the guest. */
static void a_port_with_a_socket(void **state)
{
	size_t room = 65536;
	struct cocon *cocon;
	int fd;

	snprintf(spec, sizeof(spec), "unix:%s", path);
	start_port(spec);
	cocon = (struct cocon *)bus.device[0];
	for (int peer = 0; peer < 3; peer++) {
		fd = connect_to(path);
		assert_int_equal(write(fd, "hello", 5), 5);
		room -= 5;
		for (int ms = 0; ms < 20000 && cocon_room(cocon) != room;
		     ms += 10)
			usleep(10000);
		assert_int_equal(cocon_room(cocon), room);
		close(fd);
	}
	end_port();
	assert_silent();
	assert_int_equal(access(path, F_OK), -1);
}

static void a_socket_that_was_left(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct serial s, other;

	strcpy(at.sun_path, path);
	bind(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	snprintf(spec, sizeof(spec), "unix:%s", path);
	assert_int_equal(serial_open(&s, 1, spec, dir), 0);
	assert_silent();
	assert_int_not_equal(serial_open(&other, 2, spec, dir), 0);
	assert_said("cannot listen there");
	serial_close(&s);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_refused), TEST(classic_words),
		TEST(programs_have_words), TEST(deaths_are_reported),
		TEST(programs_end_with_the_guest), TEST(programs_that_are_none),
		TEST(a_pty), TEST(a_file), TEST(a_port_with_a_pty),
		TEST(a_port_with_a_socket), TEST(a_socket_that_was_left),
	};

	threads_init();
	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}

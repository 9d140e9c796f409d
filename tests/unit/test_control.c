// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket of a machine whose guest does nothing: requests, viewers,
 * who may type, clients that misbehave, names.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "say.h"
#include "driver.h"
#include "core/control.h"
#include "core/machine.h"

#define MEM	(1UL << 20)

static struct machine *m;
static struct config config;
static char dir[64];

static int setup(void **state)
{
	forget_said(state);
	memset(&fake_driver, 0, sizeof(fake_driver));
	snprintf(dir, sizeof(dir), "/tmp/colinux-control-XXXXXX");
	assert_non_null(mkdtemp(dir));
	setenv("COLINUX_RUN_DIR", dir, 1);
	config_init(&config);
	config.kernel = strdup("/boot/vm\xfflinux");
	config.name = strdup("test");
	m = calloc(1, sizeof(*m));
	m->config = &config;
	m->mem.size = MEM;
	m->mem.hva = aligned_alloc(4096, MEM);
	memset(m->mem.hva, 0, MEM);
	assert_int_equal(rundir_claim(&m->rundir, &config), 0);
	assert_int_equal(sink_open(&m->sink, false, NULL), 0);
	virtio_init(&m->bus, 3, &m->mem);
	assert_int_equal(cocon_create(&m->bus, &m->sink, 80, 25, &m->cocon), 0);
	assert_int_equal(control_open(m, &m->control), 0);
	return 0;
}

static int teardown(void **state)
{
	if (m->control)
		control_close(m->control);
	virtio_destroy(&m->bus);
	sink_close(&m->sink);
	rundir_release(&m->rundir);
	free(m->mem.hva);
	free(m);
	config_free(&config);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* --- clients ------------------------------------------------------------------ */

/* As often as there is something to do. */
static void turns(void)
{
	struct pollfd p[CONTROL_POLLS];
	unsigned int n;

	do {
		n = control_poll(m->control, p);
		n = poll(p, n, 0);
		control_serve(m->control, p);
	} while (n > 0);
}

static int client(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(rundir_socket(at.sun_path, sizeof(at.sun_path),
				       "test"), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	turns();
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	turns();
}

/* Up to and with the first newline. */
static const char *get_line(int fd)
{
	static char line[20000];
	size_t len = 0;

	turns();
	while (len < sizeof(line) - 1 &&
	       recv(fd, line + len, 1, MSG_DONTWAIT) == 1 &&
	       line[len++] != '\n')
		;
	line[len] = '\0';
	return line;
}

#define assert_line(fd, text)	check_line(fd, text, __LINE__)
static void check_line(int fd, const char *text, int line)
{
	const char *got = get_line(fd);

	if (!strstr(got, text) || !strchr(got, '\n')) {
		print_error("'%s' is not in '%s'\n", text, got);
		_fail(__FILE__, line);
	}
}

static void assert_nothing(int fd)
{
	char c;

	turns();
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), -1);
}

static void assert_closed(int fd)
{
	char c;

	turns();
	assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static int viewer(const char *more, const char *answer)
{
	int fd = client();
	char line[100];

	snprintf(line, sizeof(line), "{\"request\":\"console\"%s}\n", more);
	put(fd, line);
	assert_line(fd, answer);
	return fd;
}

/* What the guest would have been given to read. */
static size_t typed;
static size_t newly_typed(void)
{
	size_t before = typed;

	turns();
	typed = 65536 - cocon_room(m->cocon);
	return typed - before;
}

/* --- requests ------------------------------------------------------------------- */

static void the_status(void **state)
{
	json_t *json, *devices;
	int fd = client();

	fake_driver.switches = 123456789012;
	put(fd, "{\"request\":\"status\"}\n");
	json = json_loads(get_line(fd), 0, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "name")),
			    "test");
	assert_string_equal(json_string_value(json_object_get(json, "state")),
			    "booting");
	assert_string_equal(json_string_value(json_object_get(json, "kernel")),
			    "/boot/vm?linux");
	assert_true(json_is_null(json_object_get(json, "log")));
	assert_int_equal(json_integer_value(json_object_get(json, "memory")),
			 MEM);
	assert_int_equal(json_integer_value(json_object_get(
			 json_object_get(json, "driver"), "switches")),
			 123456789012);
	devices = json_object_get(json, "devices");
	assert_int_equal(json_array_size(devices), 1);
	json = (json_decref(json), NULL);
	close(fd);
}

static void requests_in_pieces(void **state)
{
	int fd = client();

	put(fd, "{\"reque");
	assert_nothing(fd);
	put(fd, "st\":\"status\"}\n{\"request\":\"events\"}\n{");
	assert_line(fd, "\"name\":\"test\"");
	assert_line(fd, "{\"ok\":true}");
	put(fd, "}\n");
	assert_line(fd, "{\"ok\":false,\"error\":\"there is no");
	close(fd);
}

static void end_of_requests(void **state)
{
	int fd = client();

	put(fd, "{\"request\":\"status\"}\n{\"requ");
	shutdown(fd, SHUT_WR);
	assert_line(fd, "\"ok\":true");
	assert_closed(fd);
}

static void too_long(void **state)
{
	char line[PROTO_LINE_MAX + 1];
	int fd = client();

	memset(line, ' ', sizeof(line));
	line[PROTO_LINE_MAX] = '\0';
	put(fd, line);
	assert_line(fd, "longer than 4096 bytes");
	assert_closed(fd);
}

static void too_many(void **state)
{
	int fd[CONTROL_CONNS + 1];

	for (int i = 0; i <= CONTROL_CONNS; i++)
		fd[i] = client();
	assert_line(fd[CONTROL_CONNS], "too many connections");
	assert_closed(fd[CONTROL_CONNS]);
	put(fd[CONTROL_CONNS - 1], "{\"request\":\"status\"}\n");
	assert_line(fd[CONTROL_CONNS - 1], "\"ok\":true");
	for (int i = 0; i < CONTROL_CONNS; i++)
		close(fd[i]);
	turns();
	assert_int_equal(m->control->conns, 0);
}

/* Asks and asks, and never reads: it is stopped, others are served. */
static void never_reads(void **state)
{
	static const char line[] = "{\"request\":\"status\"}\n";
	int fd = client(), good;
	unsigned int sent = 0;

	while (send(fd, line, sizeof(line) - 1, MSG_DONTWAIT) > 0 &&
	       sent++ < 100000)
		turns();
	assert_true(sent < 100000);
	assert_true(m->control->conn[0]->out_len < 2 * CONTROL_OUT_HIGH);
	good = client();
	put(good, line);
	assert_line(good, "\"ok\":true");
	close(good);
	close(fd);
}

/* A subscriber that does not read: it is thrown out when that gets too much. */
static void events_pile_up(void **state)
{
	int fd = client();

	put(fd, "{\"request\":\"events\"}\n");
	for (unsigned int i = 0; i < 100000 && m->control->conns; i++) {
		control_event(m->control, json_pack("{s:s}", "event", "test"));
		turns();
	}
	assert_int_equal(m->control->conns, 0);
	close(fd);
}

static void stop_and_kill(void **state)
{
	struct co_boot *boot = guest_mem_at(&m->mem, CO_BOOT_GPA, 1);
	int fd = client();

	put(fd, "{\"request\":\"events\"}\n{\"request\":\"stop\"}\n");
	assert_line(fd, "{\"ok\":true}");
	assert_line(fd, "{\"event\":\"stopping\"}");
	assert_line(fd, "{\"ok\":true}");
	assert_int_equal(boot->control, CO_CONTROL_POWEROFF);
	assert_int_equal(fake_driver.raised[CO_VIRQ_CONTROL], 1);
	put(fd, "{\"request\":\"stop\"}\n");
	assert_line(fd, "{\"ok\":true}");
	assert_false(atomic_load(&m->kill));
	put(fd, "{\"request\":\"kill\"}\n");
	assert_line(fd, "{\"ok\":true}");
	assert_true(atomic_load(&m->kill));
	close(fd);
}

static void the_end(void **state)
{
	int fd = client(), v = viewer(",\"read_only\":true", "\"ok\":true");

	put(fd, "{\"request\":\"events\"}\n");
	assert_line(fd, "{\"ok\":true}");
	say("cobd0: \xff something");
	sink_write(&m->sink, "last words\n", 11);
	m->end = EXIT_PANIC;
	control_close(m->control);
	m->control = NULL;
	assert_int_equal(m->rundir.fd >= 0, 1);
	m->control = NULL;
	/* Without turns: all was sent before it closed. */
	char buf[500] = "";

	assert_true(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(buf, "{\"event\":\"message\",\"text\":\"cobd0: ? something\"}\n"));
	assert_non_null(strstr(buf, "{\"event\":\"ended\",\"code\":4,"));
	assert_int_equal(recv(v, buf, sizeof(buf), MSG_DONTWAIT), 11);
	assert_memory_equal(buf, "last words\n", 11);
	assert_int_equal(recv(v, buf, sizeof(buf), MSG_DONTWAIT), 0);
	close(fd);
	close(v);
}

/* --- the console ---------------------------------------------------------------- */

static void two_viewers_one_writer(void **state)
{
	int a, b, c, events = client();

	typed = 0;
	put(events, "{\"request\":\"events\"}\n");
	assert_line(events, "{\"ok\":true}");
	sink_write(&m->sink, "before\n", 7);
	c = viewer(",\"read_only\":true", "\"viewer\":1,\"writer\":false");
	a = viewer("", "\"viewer\":2,\"writer\":true");
	b = viewer(",\"replay\":3", "\"viewer\":3,\"writer\":false");
	sink_write(&m->sink, "after\n", 6);
	assert_line(a, "before\n");
	assert_line(a, "after\n");
	assert_string_equal(get_line(b), "re\n");
	assert_line(b, "after\n");
	put(a, "12345");
	assert_int_equal(newly_typed(), 5);
	put(b, "123");
	put(c, "123");
	assert_int_equal(newly_typed(), 0);
	close(a);
	assert_line(events, "{\"event\":\"writer\",\"viewer\":3}");
	put(b, "123");
	put(c, "123");
	assert_int_equal(newly_typed(), 3);
	/* It has said all, and still looks on. */
	shutdown(b, SHUT_WR);
	assert_line(events, "{\"event\":\"writer\",\"viewer\":0}");
	sink_write(&m->sink, "more\n", 5);
	assert_line(b, "more\n");
	close(b);
	close(c);
	close(events);
}

static void input_behind_the_request(void **state)
{
	int fd = client();

	typed = 0;
	put(fd, "{\"request\":\"console\"}\nroot\n");
	assert_line(fd, "\"writer\":true");
	assert_int_equal(newly_typed(), 5);
	close(fd);
}

static void input_waits_for_room(void **state)
{
	int fd = viewer("", "\"writer\":true");
	char text[1000];
	size_t sent = 0;

	typed = 0;
	memset(text, 'x', sizeof(text));
	while (send(fd, text, sizeof(text), MSG_DONTWAIT) > 0 && ++sent < 9999)
		turns();
	assert_true(sent < 9999);
	assert_int_equal(cocon_room(m->cocon), 0);
	close(fd);
}

static void what_there_is(void **state)
{
	int fd;

	sink_write(&m->sink, "so far\n", 7);
	fd = viewer(",\"follow\":false", "\"writer\":false");
	assert_line(fd, "so far\n");
	assert_closed(fd);
}

static void resizing(void **state)
{
	int fd = client(), v = viewer("", "\"viewer\":1,\"writer\":true");
	unsigned int columns, rows;

	put(fd, "{\"request\":\"resize\",\"columns\":100,\"rows\":40,\"viewer\":1}\n");
	assert_line(fd, "{\"ok\":true}");
	cocon_size(m->cocon, &columns, &rows);
	assert_int_equal(columns, 100);
	assert_int_equal(rows, 40);
	put(fd, "{\"request\":\"resize\",\"columns\":1,\"rows\":1,\"viewer\":2}\n");
	assert_line(fd, "not the writer");
	config.columns = 80;
	put(fd, "{\"request\":\"resize\",\"columns\":1,\"rows\":1}\n");
	assert_line(fd, "cocon= fixes");
	cocon_size(m->cocon, &columns, &rows);
	assert_int_equal(columns, 100);
	close(v);
	close(fd);
}

/* The connection is the device's, which answers by itself. */
static void streams_to_the_guest(void **state)
{
	static const char request[] = "{\"request\":\"vsock\",\"port\":5}\n";
	int fd = client();

	put(fd, request);
	assert_line(fd, "no vsock device");
	assert_int_equal(covsock_create(&m->bus, &m->covsock), 0);
	put(fd, "{\"request\":\"vsock\",\"port\":5}\nx");
	assert_line(fd, "behind a vsock request");
	close(fd);
	fd = client();
	put(fd, request);
	assert_line(fd, "\"ok\":false,\"error\":\"the guest is not up\"");
	assert_closed(fd);
}

static void stuck_viewer(void **state)
{
	int events = client(), v = viewer("", "\"viewer\":1");
	char text[4096];

	put(events, "{\"request\":\"events\"}\n");
	assert_line(events, "{\"ok\":true}");
	m->sink.hub.patience_ms = 100;
	memset(text, 'x', sizeof(text));
	/* More than the ring and any socket's buffer. */
	for (int i = 0; i < 1000 && m->control->conns == 2 &&
	     !m->sink.hub.viewer[0].dropped; i++) {
		sink_write(&m->sink, text, sizeof(text));
		turns();
	}
	assert_line(events, "{\"event\":\"viewer-dropped\",\"viewer\":1}");
	assert_line(events, "{\"event\":\"writer\",\"viewer\":0}");
	close(v);
	close(events);
	turns();
	assert_int_equal(m->control->conns, 0);
}

/* --- names ------------------------------------------------------------------------ */

static void names_are_unique(void **state)
{
	struct rundir other;

	assert_int_equal(rundir_claim(&other, &config), -EBUSY);
	assert_said("'test' is running already");
}

static void names_are_made(void **state)
{
	struct config c;
	struct rundir a, b;

	config_init(&c);
	config_add_cobd(&c, -1, "/images/Debian 12.raw", "--cobd");
	assert_int_equal(rundir_claim(&a, &c), 0);
	assert_string_equal(a.name, "Debian_12");
	assert_int_equal(rundir_claim(&b, &c), 0);
	assert_string_equal(b.name, "Debian_12-2");
	rundir_release(&a);
	rundir_release(&b);
	c.file = strdup("../test.conf");
	assert_int_equal(rundir_claim(&a, &c), 0);
	assert_string_equal(a.name, "test-2");
	rundir_release(&a);
	config_free(&c);
	assert_silent();
}

/* Its process was killed: a directory and a socket, and no lock. */
static void stale_directory(void **state)
{
	struct config c;
	struct rundir d;
	char path[100];

	config_init(&c);
	config_set_name(&c, "stale", "--name");
	snprintf(path, sizeof(path), "%s/stale", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/stale/control", dir);
	close(open(path, O_CREAT, 0600));
	assert_int_equal(rundir_claim(&d, &c), 0);
	assert_int_equal(access(path, F_OK), -1);
	rundir_release(&d);
	snprintf(path, sizeof(path), "%s/stale", dir);
	assert_int_equal(access(path, F_OK), -1);
	config_free(&c);
}

static void somebody_elses_directory(void **state)
{
	struct config c;
	struct rundir d;

	config_init(&c);
	config_set_name(&c, "other", "--name");
	chmod(dir, 0777);
	assert_int_equal(rundir_claim(&d, &c), -EPERM);
	assert_said("control socket");
	config_free(&c);
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_status), TEST(requests_in_pieces),
		TEST(end_of_requests), TEST(too_long), TEST(too_many),
		TEST(never_reads), TEST(events_pile_up), TEST(stop_and_kill),
		TEST(the_end), TEST(two_viewers_one_writer),
		TEST(input_behind_the_request), TEST(input_waits_for_room),
		TEST(what_there_is), TEST(resizing), TEST(streams_to_the_guest), TEST(stuck_viewer),
		TEST(names_are_unique), TEST(names_are_made),
		TEST(stale_directory), TEST(somebody_elses_directory),
	};

	threads_init();
	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

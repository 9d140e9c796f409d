// SPDX-License-Identifier: GPL-2.0
/*
 * Images that are not simply raw: formats, snapshots, servers that go away.
 * Real helpers (qemu-nbd) serve them; the rings are used as a cobd does, and
 * compared with what a disk must hold.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "say.h"
#include "backends/nbd.h"

#define DISK_BYTES	(6U << 20)
#define MAX_BYTES	(400U << 10)	/* of a request: more than a piece */
#define SLOTS		8
#define SLOT_RANGE	(DISK_BYTES / SLOTS)

struct slot {
	struct blk_io io;	/* first */
	struct iovec iov[4];
	uint8_t *data;
	uint64_t offset, bytes;
	enum blk_op op;
	bool busy;
};

static char dir[64], path[96], other[96];
static uint8_t disk[DISK_BYTES];	/* what it must hold */
static struct slot slots[SLOTS];
static struct blk_image image;
static struct blk_ring ring;
static unsigned int seed;

static unsigned int any(unsigned int n)
{
	return rand_r(&seed) % n;
}

static int run(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	return system(command);
}

static void put_file(const char *file, const void *bytes, size_t len)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void check_file(const char *file)
{
	uint8_t *now = malloc(DISK_BYTES);
	int fd = open(file, O_RDONLY);

	assert_int_equal(read(fd, now, DISK_BYTES), DISK_BYTES);
	if (memcmp(now, disk, DISK_BYTES))
		fail_msg("%s does not hold what it must", file);
	close(fd);
	free(now);
}

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static bool has_children(void)
{
	return waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
}

static int setup(void **state)
{
	forget_said(state);
	seed = 4711;
	snprintf(dir, sizeof(dir), "/var/tmp/colinux-image-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	setenv("TMPDIR", dir, 1);
	snprintf(path, sizeof(path), "%s/a,disk", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	for (unsigned int i = 0; i < DISK_BYTES; i++)
		disk[i] = any(256);
	put_file(path, disk, DISK_BYTES);
	memset(slots, 0, sizeof(slots));
	for (unsigned int i = 0; i < SLOTS; i++)
		slots[i].data = malloc(MAX_BYTES + 4096);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		free(slots[i].data);
	return run("rm -rf %s", dir);
}

/* --- a disk in use ------------------------------------------------------------- */

static void open_disk(struct blk_spec spec)
{
	assert_int_equal(blk_open(&image, &spec, "cobd0"), 0);
	assert_int_equal(blk_claim(&image, &spec, "cobd0"), 0);
	assert_int_equal(blk_ring_init(&ring, &image, eventfd(0, EFD_CLOEXEC),
				       SLOTS), 0);
	assert_silent();
	assert_int_equal(image.bytes, DISK_BYTES);
}

static void close_disk(void)
{
	blk_ring_exit(&ring);
	close(ring.doorbell);
	blk_close(&image);
	assert_false(has_children());
}

static void request(struct slot *s, enum blk_op op)
{
	uint64_t left, at = 0;
	unsigned int n = 0;

	s->op = op;
	s->bytes = 512 * (1 + any(any(4) ? 64 : MAX_BYTES / 512));
	s->offset = (s - slots) * SLOT_RANGE +
		    512 * any((SLOT_RANGE - s->bytes) / 512);
	s->io = (struct blk_io){ .op = op, .offset = s->offset,
		.bytes = op == BLK_FLUSH ? 0 : s->bytes, .durable = !any(3),
		.iov = s->iov };
	for (left = s->bytes; left; left -= s->iov[n++].iov_len) {
		uint64_t part = n == 3 ? left : 1 + any(left);

		if (!any(3))
			part = left;
		s->iov[n] = (struct iovec){ s->data + at, part };
		at += part;
	}
	s->io.iovs = n;
	for (unsigned int b = 0; b < s->bytes; b++)
		s->data[b] = op == BLK_WRITE ? any(256) : 0xdd;
	s->busy = true;
	blk_ring_add(&ring, &s->io);
}

static void check_done(struct slot *s)
{
	assert_int_equal(s->io.result, 0);
	if (s->op == BLK_WRITE)
		memcpy(disk + s->offset, s->data, s->bytes);
	else if (s->op == BLK_READ)
		assert_memory_equal(disk + s->offset, s->data, s->bytes);
	else if (s->op == BLK_ZERO || s->op == BLK_ZERO_UNMAP)
		memset(disk + s->offset, 0, s->bytes);
}

static void finish_one(bool good)
{
	struct blk_io *io;

	blk_ring_submit(&ring);
	while (!(io = blk_ring_reap(&ring)))
		blk_ring_wait(&ring);
	((struct slot *)io)->busy = false;
	if (good)
		check_done((struct slot *)io);
}

static void finish_all(bool good)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		while (slots[i].busy)
			finish_one(good);
}

static void use_disk(unsigned int count)
{
	static const enum blk_op ops[] = {
		BLK_READ, BLK_READ, BLK_WRITE, BLK_WRITE, BLK_WRITE,
		BLK_FLUSH, BLK_ZERO, BLK_ZERO_UNMAP,
	};

	while (count--) {
		struct slot *s = &slots[any(SLOTS)];

		while (s->busy)
			finish_one(true);
		request(s, ops[any(ARRAY_SIZE(ops))]);
	}
	finish_all(true);
}

/* What is discarded may read as anything, but only that. */
static void discard_some(void)
{
	struct slot *s = &slots[3];

	request(s, BLK_DISCARD);
	finish_all(true);
	s->op = BLK_READ;
	s->io = (struct blk_io){ .op = BLK_READ, .offset = s->offset,
		.bytes = s->bytes, .iov = s->iov, .iovs = 1 };
	s->iov[0] = (struct iovec){ disk + s->offset, s->bytes };
	s->busy = true;
	blk_ring_add(&ring, &s->io);
	finish_all(false);
	assert_int_equal(s->io.result, 0);
	use_disk(50);
}

/* --- formats -------------------------------------------------------------------- */

static void each_format(void **state)
{
	static const char * const formats[][2] = {
		{ "qcow2", "qcow2" }, { "vmdk", "vmdk" }, { "vdi", "vdi" },
		{ "vhdx", "vhdx" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		unsigned int fds = count_fds();

		put_file(path, disk, DISK_BYTES);
		assert_int_equal(run("qemu-img convert -f raw -O %s %s %s",
				     formats[i][1], path, other), 0);
		open_disk((struct blk_spec){ .path = other });
		assert_string_equal(blk_format_name(image.format),
				    formats[i][0]);
		if (i)
			fds++;	/* libnbd is not loaded twice */
		use_disk(250);
		discard_some();
		close_disk();
		assert_int_equal(run("qemu-img convert -f %s -O raw %s %s",
				     formats[i][1], other, path), 0);
		check_file(path);
		assert_true(count_fds() <= fds);
		unlink(other);
	}
}

static void read_only_stays(void **state)
{
	assert_int_equal(run("qemu-img convert -f raw -O qcow2 %s %s", path,
			     other), 0);
	open_disk((struct blk_spec){ .path = other, .read_only = true });
	assert_true(image.read_only);
	request(&slots[0], BLK_READ);
	finish_all(true);
	request(&slots[0], BLK_WRITE);
	finish_all(false);
	assert_true(slots[0].io.result < 0);
	close_disk();
}

static void refused(struct blk_spec spec, const char *why)
{
	int err = blk_open(&image, &spec, "cobd0");

	if (!err) {
		err = blk_claim(&image, &spec, "cobd0");
		blk_close(&image);
	}
	assert_true(err < 0);
	assert_said(why);
	forget_said(NULL);
	assert_false(has_children());
}

static void bad_files(void **state)
{
	char *old = strdup(getenv("PATH"));
	unsigned int fds;

	put_file(other, "QFI\xfb garbage that is no image, but long enough", 40);
	refused((struct blk_spec){ .path = other }, "other");
	fds = count_fds();
	refused((struct blk_spec){ .path = other }, "other");
	refused((struct blk_spec){ .path = path, .format = BLK_FORMAT_VHDX },
		"a,disk");
	setenv("PATH", "/nowhere", 1);
	refused((struct blk_spec){ .path = path, .snapshot = true },
		"qemu-utils");
	setenv("PATH", old, 1);
	refused((struct blk_spec){ .path = "nbd+unix:///?socket=/nowhere" },
		"cannot connect");
	refused((struct blk_spec){ .path = "nbd://localhost/x", .snapshot = true },
		"snapshot");
	assert_int_equal(count_fds(), fds);
	free(old);
}

/* A guest must not turn its raw disk into something that names other files. */
static void raw_stays_raw(void **state)
{
	struct slot *s = &slots[0];

	for (unsigned int forced = 0; forced < 2; forced++) {
		open_disk((struct blk_spec){ .path = path,
			.format = forced ? BLK_FORMAT_RAW : BLK_FORMAT_AUTO });
		memcpy(s->data, "QFI\xfb", 4);
		s->io = (struct blk_io){ .op = BLK_WRITE, .bytes = 1024,
			.iov = s->iov, .iovs = 2 };
		s->iov[0] = (struct iovec){ s->data, 2 };
		s->iov[1] = (struct iovec){ s->data + 2, 1022 };
		s->busy = true;
		blk_ring_add(&ring, &s->io);
		finish_all(false);
		assert_int_equal(s->io.result, forced ? 0 : -EPERM);
		close_disk();
	}
}

/* --- snapshots ------------------------------------------------------------------- */

static void a_snapshot_is_thrown_away(void **state)
{
	uint8_t *before = malloc(DISK_BYTES);

	memcpy(before, disk, DISK_BYTES);
	open_disk((struct blk_spec){ .path = path, .snapshot = true });
	assert_false(image.read_only);
	use_disk(400);
	discard_some();
	use_disk(100);
	close_disk();
	memcpy(disk, before, DISK_BYTES);
	check_file(path);
	free(before);
	/* Its overlay had no name any more while it was in use. */
	assert_int_equal(run("test -z \"$(ls %s | grep -v disk)\"", dir), 0);
}

static void snapshots_share_their_base(void **state)
{
	struct blk_spec spec = { .path = path, .snapshot = true };
	struct blk_image second;

	open_disk(spec);
	assert_int_equal(blk_open(&second, &spec, "cobd1"), 0);
	assert_int_equal(blk_claim(&second, &spec, "cobd1"), 0);
	use_disk(50);
	blk_close(&second);
	use_disk(50);
	spec.snapshot = false;
	assert_int_equal(blk_open(&second, &spec, "cobd1"), 0);
	assert_true(blk_claim(&second, &spec, "cobd1") < 0);
	assert_said("locked");
	blk_close(&second);
	close_disk();
}

/* Two queues have a connection each, to the same disk. */
static void two_threads_see_the_same(void **state)
{
	struct blk_ring first, second;

	open_disk((struct blk_spec){ .path = path, .snapshot = true,
		.threads = 2 });
	assert_int_equal(image.max_threads, 2);
	assert_int_equal(blk_ring_init(&second, &image, ring.doorbell, SLOTS),
			 0);
	first = ring;
	for (unsigned int i = 0; i < 20; i++) {
		ring = i % 2 ? second : first;
		use_disk(20);
		if (i % 2)
			second = ring;
		else
			first = ring;
	}
	assert_true(blk_ring_init(&ring, &image, ring.doorbell, SLOTS) < 0);
	ring = first;
	blk_ring_exit(&second);
	close_disk();
}

/* --- servers --------------------------------------------------------------------- */

static void a_dead_helper_gives_errors(void **state)
{
	open_disk((struct blk_spec){ .path = path, .snapshot = true });
	use_disk(20);
	for (unsigned int i = 0; i < SLOTS; i++)
		request(&slots[i], BLK_READ);
	kill(image.nbd->helper, SIGKILL);
	finish_all(false);
	for (unsigned int n = 0; n < 3; n++) {
		request(&slots[n], n == 2 ? BLK_FLUSH : BLK_WRITE);
		finish_all(false);
		assert_int_equal(slots[n].io.result, -EIO);
	}
	assert_said("gone");
	close_disk();
}

/* The name of a socket is there a moment before it can be used. */
static bool listens(const char *sock)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), err;

	strcpy(name.sun_path, sock);
	err = connect(fd, (struct sockaddr *)&name, sizeof(name));
	close(fd);
	return !err;
}

/* One that does not answer: only those that nobody waits for any more end. */
static void a_silent_server_can_be_left(void **state)
{
	char uri[160], sock[96];
	pid_t pid;

	snprintf(sock, sizeof(sock), "%s/sock", dir);
	snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", sock);
	pid = fork();
	if (pid == 0) {
		execlp("qemu-nbd", "qemu-nbd", "-t", "-f", "raw", "-k", sock,
		       path, NULL);
		_exit(127);
	}
	while (!listens(sock))
		usleep(1000);
	assert_int_equal(blk_open(&image, &(struct blk_spec){ .path = uri },
				  "cobd0"), 0);
	assert_int_equal(blk_claim(&image, &(struct blk_spec){ .path = uri },
				   "cobd0"), 0);
	assert_int_equal(blk_ring_init(&ring, &image, eventfd(0, 0), SLOTS), 0);
	use_disk(100);
	kill(pid, SIGSTOP);
	request(&slots[1], BLK_READ);
	assert_null(blk_ring_reap(&ring));
	blk_ring_cancel(&ring);
	finish_all(false);
	assert_int_equal(slots[1].io.result, -EIO);
	kill(pid, SIGKILL);
	kill(pid, SIGCONT);
	waitpid(pid, NULL, 0);
	close_disk();
	check_file(path);
}

/* The doorbell ends a wait, with and without requests. */
static void the_doorbell_wakes(void **state)
{
	const uint64_t one = 1;

	open_disk((struct blk_spec){ .path = path, .snapshot = true });
	assert_int_equal(write(ring.doorbell, &one, 8), 8);
	blk_ring_wait(&ring);
	kill(image.nbd->helper, SIGSTOP);
	request(&slots[0], BLK_READ);
	assert_int_equal(write(ring.doorbell, &one, 8), 8);
	blk_ring_wait(&ring);
	assert_null(blk_ring_reap(&ring));
	kill(image.nbd->helper, SIGCONT);
	finish_all(true);
	close_disk();
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_format),
		TEST(read_only_stays),
		TEST(bad_files),
		TEST(raw_stays_raw),
		TEST(a_snapshot_is_thrown_away),
		TEST(snapshots_share_their_base),
		TEST(two_threads_see_the_same),
		TEST(a_dead_helper_gives_errors),
		TEST(a_silent_server_can_be_left),
		TEST(the_doorbell_wakes),
	};

	return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}

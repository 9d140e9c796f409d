// SPDX-License-Identifier: GPL-2.0
/*
 * Opening a disk image: what it is, whether it is ours alone, how it wants to
 * be accessed.
 *
 * The lock is an open-file-description lock: it belongs to `buffered`, goes
 * with it however the process ends, and holds between CVMs of one process as
 * well. Writers exclude everybody; readers only writers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "backends/blk.h"
#include "backends/nbd.h"
#include "core/log.h"

#define SECTOR	512
#define PAGE	4096

struct opening {
	struct blk_image *image;
	const struct blk_spec *spec;
	const char *what;
	const char *path;
};

static int fail(const struct opening *o, int err, const char *why)
{
	say("%s: %s: %s", o->what, o->path, why);
	return -err;
}

static int open_failed(const struct opening *o, int err)
{
	switch (err) {
	case ENOENT:
		return fail(o, err, "no such image: create it or correct the path");
	case EROFS:
	case EACCES:
	case EPERM:
		if (o->image->read_only)
			return fail(o, err, "not readable: change its permissions");
		return fail(o, err, "not writable: make it so, or use it with ',ro'");
	case ETXTBSY:
	case EBUSY:
		return fail(o, err, "in use by the host: unmount it or the partitions on it, or take it out of swap, LVM or RAID");
	case EISDIR:
		return fail(o, err, "is a directory: use an image file or a block device");
	}
	say("%s: %s: cannot open: %s", o->what, o->path, strerror(err));
	return -err;
}

static int lock(const struct opening *o)
{
	struct flock l = {
		.l_type = o->image->read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};

	if (fcntl(o->image->buffered, F_OFD_SETLK, &l) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return fail(o, EBUSY, "locked, another CVM uses it: stop that one, or use both with ',ro'");
	say("%s: %s: cannot lock: %s", o->what, o->path, strerror(errno));
	return -errno;
}

static int measure_device(const struct opening *o)
{
	struct blk_image *i = o->image;
	int logical = SECTOR, read_only = 0;
	unsigned int physical = SECTOR;

	if (ioctl(i->buffered, BLKGETSIZE64, &i->bytes) < 0 ||
	    ioctl(i->buffered, BLKSSZGET, &logical) < 0)
		return fail(o, errno, "cannot find its size");
	ioctl(i->buffered, BLKPBSZGET, &physical);
	if (!i->read_only && ioctl(i->buffered, BLKROGET, &read_only) == 0 &&
	    read_only)
		return open_failed(o, EROFS);
	i->block_device = true;
	i->block_bytes = logical;
	i->physical_bytes = physical < (unsigned int)logical ?
			    (unsigned int)logical : physical;
	return 0;
}

static int measure_file(const struct opening *o, const struct stat *st)
{
	struct blk_image *i = o->image;

	/* root may write it all the same; its owner said not to. */
	if (!i->read_only && !(st->st_mode & 0222))
		return open_failed(o, EACCES);
	i->bytes = st->st_size;
	i->block_bytes = SECTOR;
	i->physical_bytes = 4096;
	return 0;
}

static void find_format(const struct opening *o)
{
	struct blk_image *i = o->image;

	i->format = o->spec->format;
	if (i->format != BLK_FORMAT_AUTO)
		return;
	i->format = i->block_device ? BLK_FORMAT_RAW :
				      blk_format_probe(i->buffered);
	i->guessed_raw = i->format == BLK_FORMAT_RAW && !i->block_device;
}

static int measure(const struct opening *o)
{
	struct blk_image *i = o->image;
	struct stat st;
	int err;

	if (fstat(i->buffered, &st) < 0)
		return open_failed(o, errno);
	if (S_ISBLK(st.st_mode))
		err = measure_device(o);
	else if (S_ISREG(st.st_mode))
		err = measure_file(o, &st);
	else
		return fail(o, EINVAL, "neither a file nor a block device: use one of these");
	if (err)
		return err;
	find_format(o);
	if (i->bytes == 0)
		return fail(o, EINVAL, "is empty: create an image, see 'colinux image'");
	if (i->format == BLK_FORMAT_RAW && i->bytes % SECTOR)
		return fail(o, EINVAL, "its size is not a multiple of 512 bytes: truncated or no disk image");
	/* A device may have several names; its number is what counts. */
	i->device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	i->inode = S_ISBLK(st.st_mode) ? 0 : st.st_ino;
	return 0;
}

/*
 * The alignment that direct I/O wants, found by trying: not every filesystem
 * can be asked. Either a sector, or a page at least: a direct write of part
 * of a page beside a buffered one of the rest of it would lose one of them.
 */
static bool find_alignment(struct blk_image *i)
{
	void *page;

	if (posix_memalign(&page, PAGE, 2 * PAGE))
		return false;
	i->align = 0;
	if (pread(i->direct, (uint8_t *)page + SECTOR, SECTOR, 0) > 0)
		i->align = SECTOR;
	else if (pread(i->direct, (uint8_t *)page + PAGE, PAGE, 0) > 0)
		i->align = PAGE;
	free(page);
	return i->align != 0;
}

/*
 * What the host uses must not change below it, nor what we read: O_EXCL fails
 * if the device, or a partition of it, is mounted or taken by swap, dm or md.
 * It is held while we write; readers only look, they may be several.
 */
static int check_unused(const struct opening *o)
{
	int fd = open(o->path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return open_failed(o, errno);
	close(fd);
	return 0;
}

/* The same file once more, with O_DIRECT. Best effort for files: tmpfs. */
static int open_direct(const struct opening *o)
{
	struct blk_image *i = o->image;
	int flags = (i->read_only ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC;
	struct stat a, b;

	if (i->block_device && !i->read_only)
		flags |= O_EXCL;
	i->direct = open(o->path, flags);
	if (i->direct < 0)
		return i->block_device ? open_failed(o, errno) : 0;
	if (fstat(i->buffered, &a) == 0 && fstat(i->direct, &b) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino && find_alignment(i))
		return 0;
	close(i->direct);
	i->direct = -1;
	return 0;
}

int blk_open(struct blk_image *image, const struct blk_spec *spec,
	     const char *what)
{
	const struct opening o = { image, spec, what, spec->path };
	int flags, err;

	memset(image, 0, sizeof(*image));
	image->ops = &blk_uring_ops;
	image->buffered = -1;
	image->direct = -1;
	/* As far as the file is concerned. */
	image->read_only = spec->read_only || spec->snapshot;
	if (blk_nbd_is_uri(spec->path))
		return 0;
	/* O_NONBLOCK: not to hang if it is a FIFO. */
	flags = image->read_only ? O_RDONLY : O_RDWR;
	image->buffered = open(spec->path, flags | O_CLOEXEC | O_NONBLOCK);
	if (image->buffered < 0)
		return open_failed(&o, errno);
	fcntl(image->buffered, F_SETFL, 0);
	err = measure(&o);
	if (err)
		blk_close(image);
	return err;
}

int blk_claim(struct blk_image *image, const struct blk_spec *spec,
	      const char *what)
{
	const struct opening o = { image, spec, what, spec->path };
	int err;

	if (image->buffered < 0)
		return blk_nbd_connect(image, spec, what);
	err = lock(&o);
	if (!err && image->block_device && image->read_only)
		err = check_unused(&o);
	if (err)
		return err;
	if (spec->snapshot || image->format != BLK_FORMAT_RAW)
		return blk_nbd_serve(image, spec, what);
	return open_direct(&o);
}

void blk_close(struct blk_image *image)
{
	blk_nbd_close(image->nbd);
	image->nbd = NULL;
	if (image->direct >= 0)
		close(image->direct);
	if (image->buffered >= 0)
		close(image->buffered);
	image->direct = -1;
	image->buffered = -1;
}

void blk_move(struct blk_image *to, struct blk_image *from)
{
	*to = *from;
	from->buffered = -1;
	from->direct = -1;
	from->nbd = NULL;
}

bool blk_same(const struct blk_image *a, const struct blk_image *b)
{
	return a->buffered >= 0 && b->buffered >= 0 &&
	       a->block_device == b->block_device && a->device == b->device &&
	       a->inode == b->inode;
}

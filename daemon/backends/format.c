// SPDX-License-Identifier: GPL-2.0
/*
 * The formats of disk images, known by what they begin with.
 *
 * Guessing is a risk: who writes the disk of a raw image decides what it
 * begins with, and a header of another format may name other files of the
 * host. So a block device is never guessed to be anything but raw, and a file
 * that was guessed to be raw never becomes something else: blk_ring_add()
 * refuses to write such a beginning to it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backends/blk.h"

/* Longer than any of them. */
#define HEAD_BYTES	512

static const struct {
	const char *name;	/* ours */
	const char *qemu;	/* for the tools of QEMU */
	enum blk_format format;
} names[] = {
	{ "raw",   "raw",   BLK_FORMAT_RAW },
	{ "qcow2", "qcow2", BLK_FORMAT_QCOW2 },
	{ "vmdk",  "vmdk",  BLK_FORMAT_VMDK },
	{ "vhdx",  "vhdx",  BLK_FORMAT_VHDX },
	{ "vdi",   "vdi",   BLK_FORMAT_VDI },
	{ "vhd",   "vpc",   BLK_FORMAT_VHD },
};

static const struct {
	enum blk_format format;
	unsigned int at;
	unsigned int len;
	const char *magic;
} magics[] = {
	{ BLK_FORMAT_QCOW2, 0, 4, "QFI\xfb" },
	{ BLK_FORMAT_VMDK,  0, 4, "KDMV" },
	{ BLK_FORMAT_VMDK,  0, 4, "COWD" },
	{ BLK_FORMAT_VMDK,  0, 21, "# Disk DescriptorFile" },
	{ BLK_FORMAT_VHDX,  0, 8, "vhdxfile" },
	{ BLK_FORMAT_VDI,  64, 4, "\x7f\x10\xda\xbe" },
	{ BLK_FORMAT_VHD,   0, 8, "conectix" },
};

static enum blk_format format_of(const uint8_t *head, size_t len)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (magics[i].at + magics[i].len <= len &&
		    !memcmp(head + magics[i].at, magics[i].magic,
			    magics[i].len))
			return magics[i].format;
	return BLK_FORMAT_RAW;
}

enum blk_format blk_format_probe(int fd)
{
	uint8_t head[HEAD_BYTES];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	return format_of(head, n > 0 ? n : 0);
}

bool blk_format_forged(const struct blk_io *io)
{
	uint8_t head[HEAD_BYTES];
	size_t len = 0;

	if (io->op != BLK_WRITE || io->offset != 0)
		return false;
	for (unsigned int i = 0; i < io->iovs && len < sizeof(head); i++) {
		size_t part = io->iov[i].iov_len;

		if (part > sizeof(head) - len)
			part = sizeof(head) - len;
		memcpy(head + len, io->iov[i].iov_base, part);
		len += part;
	}
	return format_of(head, len) != BLK_FORMAT_RAW;
}

int blk_format_parse(const char *name, enum blk_format *format)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i].name))
			continue;
		*format = names[i].format;
		return 0;
	}
	return -EINVAL;
}

const char *blk_format_name(enum blk_format format)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].format == format)
			return names[i].name;
	return "?";
}

const char *blk_format_qemu(enum blk_format format)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].format == format)
			return names[i].qemu;
	return "?";
}

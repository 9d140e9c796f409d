/* SPDX-License-Identifier: GPL-2.0 */
/* What a user can say of a disk image: format.c knows the formats. */
#ifndef COLINUX_BLK_SPEC_H
#define COLINUX_BLK_SPEC_H

#include <stdbool.h>

enum blk_format {
	BLK_FORMAT_AUTO,	/* look at it */
	BLK_FORMAT_RAW,
	BLK_FORMAT_QCOW2,
	BLK_FORMAT_VMDK,
	BLK_FORMAT_VHDX,
	BLK_FORMAT_VDI,
	BLK_FORMAT_VHD,
};

/* What the user wants. */
struct blk_spec {
	char *path;		/* or the URI of an NBD server */
	bool read_only;
	bool snapshot;		/* what is written goes when the CVM ends */
	enum blk_format format;
	unsigned int threads;	/* that will use it; 0: one */
};

/* What the file begins with says; never BLK_FORMAT_AUTO. */
enum blk_format blk_format_probe(int fd);

/* -EINVAL: there is no such format. */
int blk_format_parse(const char *name, enum blk_format *format);
const char *blk_format_name(enum blk_format format);
const char *blk_format_qemu(enum blk_format format);

#endif /* COLINUX_BLK_SPEC_H */

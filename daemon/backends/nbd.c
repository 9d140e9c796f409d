// SPDX-License-Identifier: GPL-2.0
/* Connecting to a server of an image, see nbd.h; blk_nbd.c does the I/O. */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/nbd.h"
#include "core/log.h"

#define SECTOR	512
#define LIBRARY	"libnbd.so.0"

/* --- the library ----------------------------------------------------------- */

static struct libnbd lib;

static const struct {
	const char *name;
	size_t offset;
} symbols[] = {
#define SYMBOL(n)	{ "nbd_" #n, offsetof(struct libnbd, n) }
	SYMBOL(create), SYMBOL(close), SYMBOL(get_error),
	SYMBOL(connect_socket), SYMBOL(connect_uri), SYMBOL(get_size),
	SYMBOL(get_block_size), SYMBOL(is_read_only), SYMBOL(can_flush),
	SYMBOL(can_fua), SYMBOL(can_trim), SYMBOL(can_zero),
	SYMBOL(can_multi_conn), SYMBOL(poll), SYMBOL(aio_pread),
	SYMBOL(aio_pwrite), SYMBOL(aio_flush), SYMBOL(aio_trim),
	SYMBOL(aio_zero), SYMBOL(aio_get_fd), SYMBOL(aio_get_direction),
	SYMBOL(aio_is_dead), SYMBOL(aio_is_closed), SYMBOL(aio_disconnect),
#undef SYMBOL
};

static int load(const char *what, const char *path)
{
	void *so;

	if (lib.create)
		return 0;
	so = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		say("%s: %s: this needs " LIBRARY ": install the package libnbd0",
		    what, path);
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *at = dlsym(so, symbols[i].name);

		if (!at) {
			say("%s: %s: " LIBRARY " is too old: it has no %s", what,
			    path, symbols[i].name);
			lib.create = NULL;
			dlclose(so);
			return -ENOENT;
		}
		memcpy((uint8_t *)&lib + symbols[i].offset, &at, sizeof(at));
	}
	return 0;
}

/* --- connecting ------------------------------------------------------------ */

bool blk_nbd_is_uri(const char *path)
{
	static const char * const schemes[] = {
		"nbd://", "nbds://", "nbd+unix://", "nbds+unix://",
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strncmp(path, schemes[i], strlen(schemes[i])))
			return true;
	return false;
}

static int create(const char *what, const char *path, struct blk_nbd **nbd)
{
	int err = load(what, path);

	if (err)
		return err;
	*nbd = calloc(1, sizeof(**nbd));
	if (!*nbd) {
		say("%s: out of memory", what);
		return -ENOMEM;
	}
	(*nbd)->lib = &lib;
	snprintf((*nbd)->what, sizeof((*nbd)->what), "%s", what);
	return 0;
}

/* A new handle, not connected. */
static struct nbd_handle *add_handle(struct blk_nbd *nbd)
{
	struct nbd_handle *h = lib.create();

	if (h)
		nbd->handle[nbd->handles++] = h;
	else
		say("%s: libnbd: %s", nbd->what, lib.get_error());
	return h;
}

/* What the server has said of the image. */
static int measure(struct blk_image *image, const char *path)
{
	struct blk_nbd *nbd = image->nbd;
	struct nbd_handle *h = nbd->handle[0];
	int64_t bytes = lib.get_size(h), block, best;

	if (bytes < SECTOR) {
		say("%s: %s: is empty", nbd->what, path);
		return -EINVAL;
	}
	if (!image->read_only && lib.is_read_only(h) == 1) {
		say("%s: %s: the server does not let us write: use it with ',ro'",
		    nbd->what, path);
		return -EROFS;
	}
	/* A last half of a sector is nobody's. */
	image->bytes = bytes - bytes % SECTOR;
	block = lib.get_block_size(h, LIBNBD_SIZE_MINIMUM);
	best = lib.get_block_size(h, LIBNBD_SIZE_PREFERRED);
	image->block_bytes = block == 4096 ? 4096 : SECTOR;
	image->physical_bytes = best > 4096 && best <= 65536 &&
				!(best & (best - 1)) ? best : 4096;
	nbd->flush = lib.can_flush(h) == 1;
	nbd->fua = lib.can_fua(h) == 1;
	nbd->trim = lib.can_trim(h) == 1;
	nbd->zero = lib.can_zero(h) == 1;
	image->max_threads = nbd->handles;
	image->ops = &blk_nbd_ops;
	image->guessed_raw = false;
	return 0;
}

static unsigned int wanted(const struct blk_spec *spec)
{
	unsigned int n = spec->threads ? spec->threads : 1;

	return n < BLK_NBD_MAX_THREADS ? n : BLK_NBD_MAX_THREADS;
}

/* More than one connection only if the server keeps them coherent. */
static int connect_all(struct blk_nbd *nbd, const struct blk_spec *spec)
{
	for (unsigned int i = 0; i < wanted(spec); i++) {
		struct nbd_handle *h = add_handle(nbd);

		if (!h)
			return -ENOMEM;
		if (lib.connect_uri(h, spec->path)) {
			say("%s: %s: cannot connect: %s", nbd->what, spec->path,
			    lib.get_error());
			return -ECONNREFUSED;
		}
		if (lib.can_multi_conn(h) != 1)
			break;
	}
	return 0;
}

int blk_nbd_connect(struct blk_image *image, const struct blk_spec *spec,
		    const char *what)
{
	int err;

	if (spec->snapshot || spec->format > BLK_FORMAT_RAW) {
		say("%s: %s: no snapshot or format is possible with a server: let it do that",
		    what, spec->path);
		return -EINVAL;
	}
	err = create(what, spec->path, &image->nbd);
	if (!err)
		err = connect_all(image->nbd, spec);
	if (!err)
		err = measure(image, spec->path);
	return err;	/* blk_close() does the rest */
}

/* --- our own server -------------------------------------------------------- */

/*
 * The last line that the helper said, without its name and without the options
 * that we gave it; "" if there is none.
 */
static void last_words(int errors, char *text, size_t size)
{
	static const char opening[] = "Failed to blk_new_open '";
	ssize_t n = pread(errors, text, size - 1, 0);
	char *line;

	text[n > 0 ? n : 0] = '\0';
	while (*text && text[strlen(text) - 1] == '\n')
		text[strlen(text) - 1] = '\0';
	line = strrchr(text, '\n');
	if (line)
		memmove(text, line + 1, strlen(line + 1) + 1);
	if (!strncmp(text, "qemu-nbd: ", 10))
		memmove(text, text + 10, strlen(text + 10) + 1);
	line = strstr(text, "': ");
	if (line && !strncmp(text, opening, sizeof(opening) - 1))
		memmove(text, line + 3, strlen(line + 3) + 1);
}

static int handshake(struct blk_nbd *nbd, int *sockets, unsigned int count,
		     const struct blk_spec *spec, int errors)
{
	char said[512];

	for (unsigned int i = 0; i < count; i++) {
		struct nbd_handle *h = add_handle(nbd);
		int fd = sockets[i];

		if (!h)
			return -ENOMEM;
		sockets[i] = -1;	/* libnbd's, also if it fails */
		if (lib.connect_socket(h, fd) == 0)
			continue;
		last_words(errors, said, sizeof(said));
		say("%s: %s: %s", nbd->what, spec->path,
		    *said ? said : lib.get_error());
		return -EIO;
	}
	return 0;
}

int blk_nbd_serve(struct blk_image *image, const struct blk_spec *spec,
		  const char *what)
{
	int sockets[BLK_NBD_MAX_THREADS], errors;
	unsigned int count = wanted(spec);
	int err = create(what, spec->path, &image->nbd);

	if (err)
		return err;
	/* The guest may write, if only into the snapshot. */
	image->read_only = spec->read_only;
	errors = memfd_create("qemu-nbd", MFD_CLOEXEC);
	if (errors < 0) {
		say("%s: out of memory", what);
		return -ENOMEM;
	}
	err = blk_helper_start(image, spec, what, sockets, count, errors,
			       &image->nbd->helper);
	if (err)
		goto close;
	err = handshake(image->nbd, sockets, count, spec, errors);
	for (unsigned int i = 0; i < count; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
	if (!err)
		err = measure(image, spec->path);
close:
	close(errors);
	return err;
}

void blk_nbd_close(struct blk_nbd *nbd)
{
	if (!nbd)
		return;
	for (unsigned int i = 0; i < nbd->handles; i++) {
		/* In good order, so that the server does not complain. */
		if (!nbd->lib->aio_is_dead(nbd->handle[i]))
			nbd->lib->aio_disconnect(nbd->handle[i], 0);
		nbd->lib->close(nbd->handle[i]);
	}
	if (nbd->helper)
		blk_helper_end(nbd->helper);
	free(nbd);
}

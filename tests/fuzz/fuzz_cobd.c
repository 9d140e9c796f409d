// SPDX-License-Identifier: GPL-2.0
/*
 * Requests for a disk from a virtqueue full of anything: whatever is submitted
 * stays within the disk and within guest memory, reads write only where the
 * guest allowed it, and a read-only disk is never written.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include "ring.h"
#include "devices/cobd_request.h"

#define MAX_TURNS	100

static void put_header(struct input *in, const struct guest_mem *mem,
		       uint64_t gpa)
{
	struct virtio_blk_outhdr h = {
		.type = take8(in) & 15,
		.sector = take_number(in),
	};

	memcpy(guest_mem_at(mem, gpa, sizeof(h)), &h, sizeof(h));
}

static bool in_memory(const struct guest_mem *mem, const uint8_t *base,
		      size_t len)
{
	const uint8_t *start = mem->hva;

	return base >= start && len <= mem->size &&
	       (size_t)(base - start) <= mem->size - len;
}

static void check_io(const struct guest_mem *mem, const struct cobd_disk *disk,
		     const struct cobd_request *r)
{
	const struct blk_io *io = &r->io;
	uint64_t disk_bytes = disk->sectors << COBD_SECTOR_SHIFT, sum = 0;

	must(io->op == BLK_READ || io->op == BLK_FLUSH || !disk->read_only);
	if (io->op == BLK_FLUSH)
		return;
	must(io->bytes > 0 && io->bytes <= disk_bytes);
	must(io->offset <= disk_bytes - io->bytes);
	must(io->bytes % 512 == 0 && io->offset % 512 == 0);
	if (io->op != BLK_READ && io->op != BLK_WRITE)
		return;
	must(io->iov >= r->iov && io->iov + io->iovs <= r->iov + COBD_QUEUE_SIZE);
	for (unsigned int i = 0; i < io->iovs; i++) {
		must(in_memory(mem, io->iov[i].iov_base, io->iov[i].iov_len));
		sum += io->iov[i].iov_len;
		if (io->op == BLK_READ)
			memset(io->iov[i].iov_base, 0x42, io->iov[i].iov_len);
	}
	must(sum == io->bytes);
}

/* False: the queue is of no more use. */
static bool one_request(const struct guest_mem *mem, struct queue *q,
			const struct cobd_disk *disk, struct cobd_request *r)
{
	struct chain chain = { .iov = r->iov, .max = COBD_QUEUE_SIZE };
	int got = queue_pop(q, &chain), todo;

	if (got != 1)
		return false;
	ring_check(mem, q, &chain);
	todo = cobd_parse(r, &chain, disk);
	must(todo == -EPROTO || (todo >= 0 && todo <= VIRTIO_BLK_S_UNSUPP + 1));
	if (todo < 0)
		return false;
	must(chain.in && in_memory(mem, r->status, 1));
	must(r->head == chain.head);
	must(r->written < chain.in_bytes);
	if (!todo)
		check_io(mem, disk, r);
	*r->status = todo ? todo - 1 : 0;
	queue_push(q, r->head, r->written + 1);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct cobd_request *r = malloc(sizeof(*r));
	struct cobd_disk disk = { .number = 12 };
	struct guest_mem mem;
	struct queue q;
	uint8_t flags = take8(&in);

	disk.read_only = flags & 1;
	disk.durable = flags & 2;
	disk.sectors = flags & 4 ? take_number(&in) >> 9 : 4096;
	memset(r, 0x5a, sizeof(*r));
	ring_create(&in, &mem, &q);
	for (unsigned int i = 0; i < 8; i++)
		put_header(&in, &mem, RING_DATA + i * 64);
	for (unsigned int i = 0; i < MAX_TURNS; i++) {
		if (!one_request(&mem, &q, &disk, r) || !in.left)
			break;
		ring_disturb(&in, &mem, &q);
	}
	ring_destroy(&mem);
	free(r);
	return 0;
}

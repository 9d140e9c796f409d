// SPDX-License-Identifier: GPL-2.0
/*
 * Any sequence of ioctls with any structures, with allocations that fail, and a
 * guest that performs any operations. Nothing may leak, results are as ioctl.h
 * says, and what has ended stays so.
 */
#include "input.h"
#include "../../driver/sim/sim.h"

#define MAX_CALLS	40
#define MAX_ENTRIES	60		/* into the guest, in one run */
#define HOST_CHUNKS	70

static bool ended;

static enum co_arch_exit guest(struct co_vcpu *vcpu,
			       struct co_arch_fault *fault, void *arg)
{
	struct input *in = arg;
	u8 kind = take8(in);

	if (kind >= 0xfc) {
		memset(fault, kind, sizeof(*fault));
		return kind == 0xff ? CO_ARCH_FAULT : CO_ARCH_NMI;
	}
	vcpu->page->op = kind < 0xf0 ? kind % (CO_OP_MAX + 2) : take32(in);
	vcpu->page->arg[0] = take_number(in);
	if (kind & 0x80)
		memset(vcpu->page->virq_pending, 0,
		       sizeof(vcpu->page->virq_pending));
	sim.now_ns += (u64)kind << 12;
	return CO_ARCH_OP;
}

static void fill_create(struct input *in, struct co_ioc_create *c)
{
	c->revision = CO_ABI_REVISION + (take8(in) == 0xff);
	c->vcpus = (u32)take_number(in);
	c->mem_bytes = take_number(in) << CO_CHUNK_SHIFT;
	if (take8(in) & 1)
		c->mem_bytes = CO_MEM_MIN;
}

static void fill_boot(struct input *in, struct co_ioc_boot *b)
{
	b->entry_gva = take_number(in);
	if (take8(in) & 1)
		b->entry_gva += CO_KERNEL_MAP_GVA + 0x200000;
	b->boot_params_gpa = take_number(in);
}

static void fill_event(struct input *in, u32 cmd, void *data)
{
	struct co_ioc_doorbell *d = data;
	struct co_ioc_virqfd *v = data;
	struct co_ioc_exitfd *e = data;
	struct co_ioc_exitbell *b = data;

	if (cmd == CO_IOC_EXITFD) {
		e->vcpu = take8(in) >> 6;
		e->fd = (s8)take8(in) % 8;
		return;
	}
	if (cmd == CO_IOC_EXITBELL) {
		b->doorbell = (u32)take_number(in);
		b->on = take8(in) >> 6;
		return;
	}
	if (cmd == CO_IOC_DOORBELL) {
		d->doorbell = (u32)take_number(in);
		d->fd = (s8)take8(in) % 8;
		return;
	}
	v->vcpu = (u32)take_number(in);
	v->virq = (u32)take_number(in);
	v->fd = (s8)take8(in) % 8;
	v->reserved = take8(in) == 0xff;
}

static u32 choose(struct input *in)
{
	static const u32 cmds[] = {
		CO_IOC_VERSION, CO_IOC_CREATE, CO_IOC_BOOT, CO_IOC_RUN,
		CO_IOC_DOORBELL, CO_IOC_VIRQFD, CO_IOC_STATS, CO_IOC_RAISE,
		CO_IOC_RUN, CO_IOC_RUN, CO_IOC_EXITFD, CO_IOC_EXITBELL,
	};
	u8 n = take8(in);

	return n < 250 ? cmds[n % (sizeof(cmds) / sizeof(*cmds))] : take32(in);
}

static void fill(struct input *in, u32 cmd, void *data, size_t size)
{
	if (take8(in) >= 0xf0) {
		take(in, data, size);
		return;
	}
	switch (cmd) {
	case CO_IOC_CREATE:
		fill_create(in, data);
		break;
	case CO_IOC_BOOT:
		fill_boot(in, data);
		break;
	case CO_IOC_RUN:
		((struct co_ioc_run *)data)->vcpu = take8(in) >> 6;
		break;
	case CO_IOC_DOORBELL:
	case CO_IOC_VIRQFD:
	case CO_IOC_RAISE:
	case CO_IOC_EXITFD:
	case CO_IOC_EXITBELL:
		fill_event(in, cmd, data);
		break;
	default:
		take(in, data, size);
	}
}

static void check_run(const struct co_ioc_run *run, long ret)
{
	must(!ret || ret == -EINTR || ret == -ENXIO || ret == -ESHUTDOWN);
	if (ended)
		must(ret == -ESHUTDOWN || ret == -ENXIO);
	if (ret)
		return;
	must(run->reason <= CO_EXIT_NOTIFY);
	must(run->text_len <= CO_TEXT_MAX);
	must(run->reason != CO_EXIT_DEVICE || run->arg[0] < CO_MAX_DEVICES);
	must(run->reason != CO_EXIT_NOTIFY || run->arg[0] < CO_MAX_DOORBELLS);
	ended |= run->reason >= CO_EXIT_POWEROFF && run->reason <= CO_EXIT_CRASH;
}

static void call(struct input *in, struct co_cvm *cvm)
{
	u32 cmd = choose(in);
	size_t size = _IOC_SIZE(cmd);
	void *data = calloc(1, size ? size : 1);	/* its end is watched */
	u8 fail = take8(in);
	long ret;

	fill(in, cmd, data, size);
	sim.signal = false;
	sim.signal_after = MAX_ENTRIES;
	sim.allocations = 0;
	sim.fail_at = fail & 0x80 ? 1 + (fail & 0x7f) : 0;
	ret = co_cvm_ioctl(cvm, cmd, data);
	sim.fail_at = 0;
	must(ret >= -200 && ret <= CO_ABI_REVISION);
	if (cmd == CO_IOC_RUN)
		check_run(data, ret);
	free(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct input in = { bytes, size };
	struct co_cvm *cvm;
	int i, fd[4];

	sim_reset();
	sim.chunks_free = HOST_CHUNKS;
	sim.guest = guest;
	sim.guest_arg = &in;
	sim.tsc_stable = take8(&in) & 1;
	ended = false;
	for (i = 0; i < 4; i++)
		fd[i] = sim_event();
	cvm = co_cvm_new();
	for (i = 0; i < MAX_CALLS && in.left; i++) {
		call(&in, cvm);
		if (take8(&in) < 16)
			sim_event_write(fd[i & 3]);
	}
	co_cvm_destroy(cvm);
	sim_advance(1000000000);	/* no timer may be left */
	for (i = 0; i < 4; i++)
		sim_event_close(fd[i]);
	must(!sim_live());
	return 0;
}

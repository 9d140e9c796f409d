// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that writes anything into its vCPU page, at any entry, while events
 * and timers come and go. The page's neighbours must not change, interrupts
 * must reach the host as the guest forwarded them, and the CVM ends only for a
 * reason.
 */
#include "input.h"
#include "../../driver/sim/sim.h"

#define MAX_RUNS	60
#define MAX_ENTRIES	80

struct guest {
	struct input in;
	unsigned long forwards;
	int fd;
};

static void write_page(struct input *in, struct co_vcpu_page *page)
{
	u16 offset = take16(in) % sizeof(*page);
	u8 len = take8(in);

	if (offset + len > sizeof(*page))
		len = (u8)(sizeof(*page) - offset);
	take(in, (u8 *)page + offset, len);
}

static enum co_arch_exit enter(struct co_vcpu *vcpu,
			       struct co_arch_fault *fault, void *arg)
{
	struct guest *g = arg;
	struct co_vcpu_page *page = vcpu->page;
	u8 what = take8(&g->in);

	if (what & 1)
		write_page(&g->in, page);
	if (what & 2)
		memset(page->virq_pending, 0, sizeof(page->virq_pending));
	if (what & 4)
		co_virq_raise(vcpu, take8(&g->in));
	if (what & 8)
		sim.now_ns += take32(&g->in);
	if (what & 0x10)		/* the host's clock is set */
		sim.wall_ns += ((u64)take32(&g->in) << 12) - (1ULL << 43);
	if (what & 0x20)
		sim.tsc_stable = !sim.tsc_stable;
	if ((what & 0xf0) == 0xf0) {
		take(&g->in, fault, sizeof(*fault));
		return what & 1 ? CO_ARCH_FAULT : CO_ARCH_NMI;
	}
	if (what & 0x80) {
		page->op = take8(&g->in) % (CO_OP_MAX + 2);
		page->arg[0] = take_number(&g->in);
	}
	if (page->op == CO_OP_FORWARD && page->arg[0] >= 32 &&
	    page->arg[0] < 256 && page->arg[0] != 0x80)
		g->forwards++;
	return CO_ARCH_OP;
}

static struct co_cvm *ready(int fd)
{
	struct co_ioc_create create = {
		.revision = CO_ABI_REVISION, .vcpus = 2,
		.mem_bytes = CO_MEM_MIN,
	};
	struct co_ioc_boot boot = {
		.entry_gva = CO_KERNEL_MAP_GVA + 0x200000,
		.boot_params_gpa = CO_ZERO_PAGE_GPA,
	};
	struct co_ioc_virqfd virqfd = { .virq = 20, .fd = fd };
	struct co_ioc_doorbell doorbell = { .doorbell = 3, .fd = fd };
	struct co_cvm *cvm = co_cvm_new();

	must(!co_cvm_ioctl(cvm, CO_IOC_CREATE, &create));
	must(!co_cvm_ioctl(cvm, CO_IOC_VIRQFD, &virqfd));
	must(!co_cvm_ioctl(cvm, CO_IOC_DOORBELL, &doorbell));
	must(!co_cvm_ioctl(cvm, CO_IOC_BOOT, &boot));
	return cvm;
}

/* False: the CVM has ended. */
static bool run(struct co_cvm *cvm)
{
	static struct co_ioc_run run;
	long ret;

	sim.signal = false;
	sim.signal_after = MAX_ENTRIES;
	run.vcpu = 0;
	ret = co_cvm_ioctl(cvm, CO_IOC_RUN, &run);
	must(!ret || ret == -EINTR);
	if (ret)
		return true;
	must(run.reason >= CO_EXIT_DEVICE && run.reason <= CO_EXIT_CRASH);
	must(run.text_len <= CO_TEXT_MAX);
	must(run.reason != CO_EXIT_CRASH || run.text_len);
	if (run.reason < CO_EXIT_POWEROFF)
		return true;
	must(co_cvm_ioctl(cvm, CO_IOC_RUN, &run) == -ESHUTDOWN);
	return false;
}

static bool all_zero(const u8 *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct guest g = { .in = { bytes, size } };
	struct co_ioc_stats stats;
	struct co_cvm *cvm;
	unsigned long i, total = 0;

	sim_reset();
	g.fd = sim_event();
	sim.guest = enter;
	sim.guest_arg = &g;
	sim.tsc_stable = take8(&g.in) & 1;
	cvm = ready(g.fd);
	for (i = 0; i < MAX_RUNS && g.in.left && run(cvm); i++)
		if (take8(&g.in) & 1)
			sim_event_write(g.fd);
	co_cvm_ioctl(cvm, CO_IOC_STATS, &stats);
	for (i = 0; i < 256; i++)
		total += sim.forwarded[i];
	must(total == g.forwards && stats.forwards == g.forwards);
	must(stats.switches == sim.entries);
	/* The driver writes to no page around it (vCPU 1's has its clock). */
	must(all_zero(co_memory_hva(cvm, CO_VCPU_PAGES_GPA - 4096, 4096), 4096));
	must(all_zero(cvm->vcpu[1].page->text, 1024));
	must(all_zero((u8 *)(cvm->vcpu[1].page + 1), 4096));
	co_cvm_destroy(cvm);
	sim_event_close(g.fd);
	must(!sim_live());
	return 0;
}

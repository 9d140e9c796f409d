// SPDX-License-Identifier: GPL-2.0
/*
 * The debug build: an NMI storm from another CPU, and where NMIs hit the
 * passage. In debugfs, colinux/:
 *
 *	storm	write N: send N NMIs, a few us apart, to the CPU that runs a
 *		vCPU; read: "sent S handled H left L", with S = H and L = 0 when
 *		the storm is over and nothing was lost. It ends with L > 0 if
 *		one was not handled within LOST_NS.
 *	hits	"offset count" for each byte of the passage that an NMI or
 *		machine check hit
 *	tables	checksum of every CPU's GDT and IDT
 *	distrust_tsc	Y: the clock says that the host does not trust its TSC
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <asm/desc.h>
#include "../x86/x86.h"
#include "port.h"

/* Longer than an emulated CPU can be kept off its host's. */
#define LOST_NS		60000000000ULL

u64 co_debug_hits[4096 + 1];

static struct dentry *folder;
static struct task_struct *storm_task;
static u64 storm_left;
static u64 sent, handled_before;

void co_debug_hit(const struct co_state *state)
{
	u64 offset = state->nmi_rip - state->g_code;

	if (offset >= 4096)
		offset = state->nmi_rip - state->h_code;
	co_debug_hits[offset < 4096 ? offset : 4096]++;
}

static u64 handled(void)
{
	return co_watchdog_nmis_handled() - handled_before;
}

/*
 * The next NMI may be sent when this one was handled: two that are pending
 * at once become one, and would be counted as a loss.
 */
static bool all_handled(void)
{
	u64 start = co_os_now_ns();

	while (handled() < sent) {
		if (kthread_should_stop() || co_os_now_ns() - start > LOST_NS)
			return false;
		udelay(1);
		cond_resched();
	}
	return true;
}

static int storm(void *unused)
{
	unsigned long flags;
	int cpu;

	while (!kthread_should_stop() && READ_ONCE(storm_left)) {
		cpu = co_watchdog_find_cpu();
		local_irq_save(flags);
		if (cpu >= 0 && cpu != (int)smp_processor_id()) {
			sent++;
			co_watchdog_send_nmi(cpu);
			storm_left--;
		}
		local_irq_restore(flags);
		if (!all_handled())
			break;
		udelay(1 + (storm_left & 7));
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ / 10);
	return 0;
}

static void storm_stop(void)
{
	if (storm_task)
		kthread_stop(storm_task);
	storm_task = NULL;
}

static int storm_set(u64 count)
{
	storm_stop();
	sent = 0;
	handled_before = co_watchdog_nmis_handled();
	storm_left = count;
	storm_task = kthread_run(storm, NULL, "colinux-storm");
	if (!IS_ERR(storm_task))
		return 0;
	storm_task = NULL;
	return -ENOMEM;
}

static ssize_t storm_write(struct file *file, const char __user *user,
			   size_t size, loff_t *pos)
{
	u64 count;
	int err = kstrtou64_from_user(user, size, 0, &count);

	if (!err)
		err = storm_set(count);
	return err ? err : (ssize_t)size;
}

static int storm_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "sent %llu handled %llu left %llu\n", sent, handled(),
		   storm_left);
	return 0;
}

static int storm_open(struct inode *inode, struct file *file)
{
	return single_open(file, storm_show, NULL);
}

static const struct file_operations storm_fops = {
	.owner = THIS_MODULE,
	.open = storm_open,
	.read = seq_read,
	.write = storm_write,
	.llseek = seq_lseek,
	.release = single_release,
};

static int hits_show(struct seq_file *m, void *unused)
{
	int i;

	for (i = 0; i < 4096; i++)
		if (co_debug_hits[i])
			seq_printf(m, "%x %llu\n", i, co_debug_hits[i]);
	seq_printf(m, "else %llu\n", co_debug_hits[4096]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hits);

static u64 checksum(const u8 *bytes, u32 n)
{
	u64 sum = 0xcbf29ce484222325;

	while (n--)
		sum = (sum ^ *bytes++) * 0x100000001b3;
	return sum;
}

static void tables_of_cpu(void *out)
{
	struct desc_ptr gdt, idt;
	u64 *sums = out;

	native_store_gdt(&gdt);
	store_idt(&idt);
	sums[0] = checksum((u8 *)gdt.address, gdt.size + 1U);
	sums[1] = checksum((u8 *)idt.address, idt.size + 1U);
}

static int tables_show(struct seq_file *m, void *unused)
{
	u64 sums[2];
	int cpu;

	for_each_online_cpu(cpu) {
		smp_call_function_single(cpu, tables_of_cpu, sums, 1);
		seq_printf(m, "cpu%d gdt %016llx idt %016llx\n", cpu, sums[0],
			   sums[1]);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tables);

static bool distrust_tsc;

bool co_port_distrust_tsc(void)
{
	return READ_ONCE(distrust_tsc);
}

void co_debug_init(void)
{
	folder = debugfs_create_dir("colinux", NULL);
	debugfs_create_file("storm", 0600, folder, NULL, &storm_fops);
	debugfs_create_file("hits", 0400, folder, NULL, &hits_fops);
	debugfs_create_file("tables", 0400, folder, NULL, &tables_fops);
	debugfs_create_bool("distrust_tsc", 0600, folder, &distrust_tsc);
}

void co_debug_exit(void)
{
	storm_stop();
	debugfs_remove(folder);
}

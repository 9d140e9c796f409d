// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/colinux on Linux: a CVM for each open file. The file, its mappings and
 * the ioctls under way each hold a reference to the file, so release is called
 * when nothing of the CVM is in use any more, however the process ended.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "../core/core.h"
#include "compat.h"
#include "port.h"

static struct co_cvm *file_cvm(struct file *file)
{
	return ((struct co_file *)file->private_data)->cvm;
}

static int co_open(struct inode *inode, struct file *file)
{
	struct co_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);

	if (!f)
		return -ENOMEM;
	f->cvm = co_cvm_new();
	if (!f->cvm) {
		kfree(f);
		return -ENOMEM;
	}
	file->private_data = f;
	co_watchdog_add(f);
	return 0;
}

static int co_release(struct inode *inode, struct file *file)
{
	struct co_file *f = file->private_data;

	co_watchdog_remove(f);
	co_cvm_destroy(f->cvm);
	kfree(f);
	return 0;
}

static long co_ioctl_copied(struct co_cvm *cvm, unsigned int cmd,
			    void __user *user, size_t size)
{
	void *data = kzalloc(size, GFP_KERNEL_ACCOUNT);
	long ret = -EFAULT;

	if (!data)
		return -ENOMEM;
	if ((_IOC_DIR(cmd) & _IOC_WRITE) && copy_from_user(data, user, size))
		goto free;
	ret = co_cvm_ioctl(cvm, cmd, data);
	if ((_IOC_DIR(cmd) & _IOC_READ) && copy_to_user(user, data, size))
		ret = -EFAULT;
free:
	kfree(data);
	return ret;
}

/* The frequent one, with its small input, and its text only if there is any. */
static long co_ioctl_run(struct co_cvm *cvm, struct co_ioc_run __user *user)
{
	struct co_ioc_run *run;
	long ret = -EFAULT;

	run = kmalloc(sizeof(*run), GFP_KERNEL_ACCOUNT);
	if (!run)
		return -ENOMEM;
	if (get_user(run->vcpu, &user->vcpu))
		goto free;
	ret = co_cvm_ioctl(cvm, CO_IOC_RUN, run);
	/* Whatever ended it, this thread may exit before the next kick. */
	if (!ret || ret == -EINTR || ret == -ESHUTDOWN)
		co_port_detach(&cvm->vcpu[co_index(run->vcpu, cvm->vcpus)].waiter);
	if (ret)
		goto free;
	if (copy_to_user(user, run, offsetof(struct co_ioc_run, text) +
			 min_t(u32, run->text_len, CO_TEXT_MAX)))
		ret = -EFAULT;
free:
	kfree(run);
	return ret;
}

static long co_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct co_cvm *cvm = file_cvm(file);

	if (_IOC_TYPE(cmd) != _IOC_TYPE(CO_IOC_VERSION))
		return -ENOTTY;
	if (cmd == CO_IOC_RUN)
		return co_ioctl_run(cvm, (void __user *)arg);
	if (_IOC_SIZE(cmd) > sizeof(struct co_ioc_stats))
		return -ENOTTY;
	return co_ioctl_copied(cvm, cmd, (void __user *)arg, _IOC_SIZE(cmd));
}

static vm_fault_t co_fault(struct vm_fault *vmf)
{
	struct co_cvm *cvm = file_cvm(vmf->vma->vm_file);
	u64 gpa = (u64)vmf->pgoff << PAGE_SHIFT;
	void *hva;

	hva = co_memory_hva(cvm, gpa, PAGE_SIZE);
	if (!hva)
		return VM_FAULT_SIGBUS;
	vmf->page = virt_to_page(hva);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct co_vm_ops = {
	.fault = co_fault,
};

static int co_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct co_cvm *cvm = file_cvm(file);
	u64 end = ((u64)vma->vm_pgoff << PAGE_SHIFT) +
		  (vma->vm_end - vma->vm_start);

	if (!co_load_acquire(&cvm->created))
		return -ENXIO;
	if (!(vma->vm_flags & VM_SHARED) || end > cvm->mem_bytes)
		return -EINVAL;
	/* A child would keep the memory; a core dump would be as large. */
	co_vma_set_flags(vma, VM_DONTCOPY | VM_DONTDUMP | VM_DONTEXPAND);
	vma->vm_ops = &co_vm_ops;
	return 0;
}

static const struct file_operations co_fops = {
	.owner		= THIS_MODULE,
	.open		= co_open,
	.release	= co_release,
	.unlocked_ioctl	= co_ioctl,
	.mmap		= co_mmap,
	.llseek		= noop_llseek,
};

static struct miscdevice co_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "colinux",
	.mode	= 0600,
	.fops	= &co_fops,
};

static int __init co_init(void)
{
	char why[80];
	int err = co_arch_check(why, sizeof(why));

	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		pr_err("colinux: cannot run here: PREEMPT_RT host\n");
		return -ENODEV;
	}
	if (err) {
		pr_err("colinux: cannot run here: %s\n", why);
		return err;
	}
	co_port_os_init();
	err = co_watchdog_init();
	if (err)
		return err;
	err = misc_register(&co_device);
	if (err) {
		co_watchdog_exit();
		return err;
	}
	co_debug_init();
	return 0;
}

static void __exit co_exit(void)
{
	co_debug_exit();
	misc_deregister(&co_device);
	co_watchdog_exit();
	co_port_os_exit();
}

module_init(co_init);
module_exit(co_exit);
MODULE_DESCRIPTION("Cooperative Linux: runs a Linux kernel beside this one");
MODULE_LICENSE("GPL");

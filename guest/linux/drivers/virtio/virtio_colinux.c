// SPDX-License-Identifier: GPL-2.0
/*
 * Virtio transport of a Cooperative Linux guest.
 *
 * The daemon describes its devices in a table in shared memory (struct
 * co_device). Writing a field there does nothing by itself: CO_OP_DEVICE makes
 * the daemon look, and has it done when it returns. A doorbell is CO_OP_NOTIFY;
 * used buffers and changes of configuration come as virqs.
 */
#define pr_fmt(fmt) "virtio-colinux: " fmt

#include <linux/device.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include <asm/colinux.h>
#include <asm/page.h>

struct vco_device {
	struct virtio_device vdev;
	struct co_device *table;	/* our entry, shared with the daemon */
	unsigned int slot;
	unsigned int config_irq;	/* 0: not requested */
};

static struct device *vco_root;

static struct vco_device *to_vco(struct virtio_device *vdev)
{
	return container_of(vdev, struct vco_device, vdev);
}

/* Have the daemon act on what was written to the table. */
static void vco_sync(struct vco_device *vco)
{
	colinux_call(CO_OP_DEVICE, vco->slot);
}

static void vco_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		    unsigned int len)
{
	const u8 *config = to_vco(vdev)->table->config;
	unsigned int size = sizeof(to_vco(vdev)->table->config);

	memset(buf, 0, len);
	if (WARN_ON_ONCE(offset > size || len > size - offset))
		return;
	memcpy(buf, config + offset, len);
}

static void vco_set(struct virtio_device *vdev, unsigned int offset,
		    const void *buf, unsigned int len)
{
	struct vco_device *vco = to_vco(vdev);
	unsigned int size = sizeof(vco->table->config);

	if (WARN_ON_ONCE(offset > size || len > size - offset))
		return;
	memcpy(vco->table->config + offset, buf, len);
	vco_sync(vco);
}

/* Odd while the daemon writes config[]; it may need this CPU to go on. */
static u32 vco_generation(struct virtio_device *vdev)
{
	struct co_device *table = to_vco(vdev)->table;
	u32 generation;

	virt_rmb();	/* of config[], before this */
	while ((generation = READ_ONCE(table->config_generation)) & 1)
		colinux_relax();
	virt_rmb();	/* of config[], after this */
	return generation;
}

static u8 vco_get_status(struct virtio_device *vdev)
{
	return READ_ONCE(to_vco(vdev)->table->status);
}

static void vco_set_status(struct virtio_device *vdev, u8 status)
{
	struct vco_device *vco = to_vco(vdev);

	WRITE_ONCE(vco->table->status, status);
	vco_sync(vco);
}

static void vco_reset(struct virtio_device *vdev)
{
	vco_set_status(vdev, 0);
}

static u64 vco_get_features(struct virtio_device *vdev)
{
	return READ_ONCE(to_vco(vdev)->table->host_features);
}

static int vco_finalize_features(struct virtio_device *vdev)
{
	vring_transport_features(vdev);
	if (!__virtio_test_bit(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "device lacks VIRTIO_F_VERSION_1\n");
		return -EINVAL;
	}
	/* The daemon looks at it when FEATURES_OK is set. */
	WRITE_ONCE(to_vco(vdev)->table->guest_features, vdev->features);
	return 0;
}

static const char *vco_bus_name(struct virtio_device *vdev)
{
	return "colinux";
}

/* --- queues --------------------------------------------------------------- */

static bool vco_notify(struct virtqueue *vq)
{
	struct vco_device *vco = to_vco(vq->vdev);

	return !colinux_call(CO_OP_NOTIFY,
			     vco->slot * CO_MAX_QUEUES + vq->index);
}

static irqreturn_t vco_config_changed(int irq, void *cookie)
{
	struct vco_device *vco = cookie;

	virtio_config_changed(&vco->vdev);
	return IRQ_HANDLED;
}

static unsigned int queue_irq(struct virtqueue *vq)
{
	return (unsigned int)(unsigned long)vq->priv;
}

static void vco_del_vq(struct virtqueue *vq)
{
	struct vco_device *vco = to_vco(vq->vdev);
	struct co_queue *queue = &vco->table->queue[vq->index];

	if (queue_irq(vq))
		free_irq(queue_irq(vq), vq);
	WRITE_ONCE(queue->ready, 0);
	vring_del_virtqueue(vq);
}

static void vco_del_vqs(struct virtio_device *vdev)
{
	struct vco_device *vco = to_vco(vdev);
	struct virtqueue *vq, *next;

	list_for_each_entry_safe(vq, next, &vdev->vqs, list)
		vco_del_vq(vq);
	if (vco->config_irq)
		free_irq(vco->config_irq, vco);
	vco->config_irq = 0;
}

static struct virtqueue *vco_setup_vq(struct vco_device *vco,
				      unsigned int index,
				      struct virtqueue_info *info)
{
	struct co_queue *queue = &vco->table->queue[index];
	unsigned int irq, size;
	struct virtqueue *vq;
	int err;

	if (index >= min_t(unsigned int, CO_MAX_QUEUES, vco->table->queues))
		return ERR_PTR(-ENOENT);
	size = READ_ONCE(queue->max_size);
	if (!size || READ_ONCE(queue->ready))
		return ERR_PTR(-ENOENT);
	irq = colinux_virq_to_irq(queue->virq);
	if (!irq)
		return ERR_PTR(-EINVAL);

	vq = vring_create_virtqueue(index, size, SMP_CACHE_BYTES, &vco->vdev,
				    true, true, info->ctx, vco_notify,
				    info->callback, info->name);
	if (!vq)
		return ERR_PTR(-ENOMEM);
	vq->num_max = size;

	err = request_irq(irq, vring_interrupt, IRQF_SHARED,
			  dev_name(&vco->vdev.dev), vq);
	if (err) {
		vring_del_virtqueue(vq);
		return ERR_PTR(err);
	}
	vq->priv = (void *)(unsigned long)irq;

	queue->desc_gpa = virtqueue_get_desc_addr(vq);
	queue->avail_gpa = virtqueue_get_avail_addr(vq);
	queue->used_gpa = virtqueue_get_used_addr(vq);
	queue->size = virtqueue_get_vring_size(vq);
	WRITE_ONCE(queue->ready, 1);
	return vq;
}

static int vco_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
			struct virtqueue *vqs[],
			struct virtqueue_info vqs_info[],
			struct irq_affinity *desc)
{
	struct vco_device *vco = to_vco(vdev);
	unsigned int i, index = 0;
	unsigned int irq;
	int err;

	irq = colinux_virq_to_irq(vco->table->config_virq);
	err = irq ? request_irq(irq, vco_config_changed, IRQF_SHARED,
				dev_name(&vdev->dev), vco) : -EINVAL;
	if (err)
		return err;
	vco->config_irq = irq;

	for (i = 0; i < nvqs; i++) {
		vqs[i] = NULL;
		if (!vqs_info[i].name)
			continue;
		vqs[i] = vco_setup_vq(vco, index++, &vqs_info[i]);
		if (IS_ERR(vqs[i])) {
			err = PTR_ERR(vqs[i]);
			vco_del_vqs(vdev);
			return err;
		}
	}
	vco_sync(vco);
	return 0;
}

static void vco_synchronize_cbs(struct virtio_device *vdev)
{
	struct vco_device *vco = to_vco(vdev);
	struct virtqueue *vq;

	if (vco->config_irq)
		synchronize_irq(vco->config_irq);
	list_for_each_entry(vq, &vdev->vqs, list)
		synchronize_irq(queue_irq(vq));
}

static const struct virtio_config_ops vco_config_ops = {
	.get			= vco_get,
	.set			= vco_set,
	.generation		= vco_generation,
	.get_status		= vco_get_status,
	.set_status		= vco_set_status,
	.reset			= vco_reset,
	.find_vqs		= vco_find_vqs,
	.del_vqs		= vco_del_vqs,
	.synchronize_cbs	= vco_synchronize_cbs,
	.get_features		= vco_get_features,
	.finalize_features	= vco_finalize_features,
	.bus_name		= vco_bus_name,
};

/* --- devices -------------------------------------------------------------- */

static void vco_release(struct device *dev)
{
	kfree(to_vco(dev_to_virtio(dev)));
}

static int __init vco_add(unsigned int slot, struct co_device *table)
{
	struct vco_device *vco;
	int err;

	vco = kzalloc(sizeof(*vco), GFP_KERNEL);
	if (!vco)
		return -ENOMEM;

	vco->slot = slot;
	vco->table = table;
	vco->vdev.id.device = table->device_id;
	vco->vdev.id.vendor = table->vendor_id;
	vco->vdev.config = &vco_config_ops;
	vco->vdev.dev.parent = vco_root;
	vco->vdev.dev.release = vco_release;

	err = register_virtio_device(&vco->vdev);
	if (err)
		put_device(&vco->vdev.dev);
	return err;
}

static int __init vco_init(void)
{
	struct co_device *table = __va(CO_DEVICES_GPA);
	unsigned int slot;
	int err;

	vco_root = root_device_register("virtio-colinux");
	if (IS_ERR(vco_root))
		return PTR_ERR(vco_root);

	for (slot = 0; slot < CO_MAX_DEVICES; slot++) {
		if (!table[slot].device_id)
			continue;
		err = vco_add(slot, &table[slot]);
		if (err)
			pr_err("device %u: error %d\n", slot, err);
	}
	return 0;
}
device_initcall(vco_init);

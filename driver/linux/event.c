// SPDX-License-Identifier: GPL-2.0
/*
 * Events of os.h on Linux: eventfds. A watch is an entry in the eventfd's wait
 * queue; its callback runs in the signaller's context with the queue's lock
 * held and interrupts off.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <os.h>
#include "compat.h"

struct co_watch {
	wait_queue_entry_t entry;
	wait_queue_head_t *queue;
	poll_table table;
	struct eventfd_ctx *event;
	void (*fn)(void *arg);
	void *arg;
};

void *co_os_event_get(int fd, int *err)
{
	struct eventfd_ctx *event = eventfd_ctx_fdget(fd);

	if (!IS_ERR(event))
		return event;
	*err = PTR_ERR(event) == -EINVAL ? -EBADF : PTR_ERR(event);
	return NULL;
}

void co_os_event_put(void *event)
{
	eventfd_ctx_put(event);
}

void co_os_event_signal(void *event)
{
	co_eventfd_signal(event);
}

static int watch_wake(wait_queue_entry_t *entry, unsigned int mode, int sync,
		      void *key)
{
	struct co_watch *w = container_of(entry, struct co_watch, entry);
	u64 count;

	if (!(key_to_poll(key) & EPOLLIN))
		return 0;
	eventfd_ctx_do_read(w->event, &count);
	w->fn(w->arg);
	return 0;
}

static void watch_queue(struct file *file, wait_queue_head_t *queue,
			poll_table *table)
{
	struct co_watch *w = container_of(table, struct co_watch, table);

	w->queue = queue;
	add_wait_queue(queue, &w->entry);
}

void *co_os_event_watch(int fd, void (*fn)(void *arg), void *arg, int *err)
{
	struct co_watch *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	struct file *file;

	*err = -ENOMEM;
	if (!w)
		return NULL;
	*err = -EBADF;
	file = fget(fd);	/* once: the number may change its meaning */
	if (!file)
		goto free;
	w->event = eventfd_ctx_fileget(file);
	if (IS_ERR(w->event)) {
		fput(file);
		goto free;
	}
	w->fn = fn;
	w->arg = arg;
	init_waitqueue_func_entry(&w->entry, watch_wake);
	init_poll_funcptr(&w->table, watch_queue);
	if (vfs_poll(file, &w->table) & EPOLLIN)
		fn(arg);	/* signalled before we came */
	fput(file);
	if (w->queue)
		return w;
	co_os_event_put(w->event);
free:
	kfree(w);
	return NULL;
}

void co_os_event_unwatch(void *watch)
{
	struct co_watch *w = watch;
	u64 count;

	eventfd_ctx_remove_wait_queue(w->event, &w->entry, &count);
	eventfd_ctx_put(w->event);
	kfree(w);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The answer to "status". The queues' indices belong to the devices' threads:
 * they are read without their locks and are right but for a moment.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/control.h"
#include "core/machine.h"
#include "os/os.h"

#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)

static json_t *queue_status(const struct device *dev, unsigned int n)
{
	const struct co_queue *shared = &dev->shared->queue[n];
	const struct queue *ring = &dev->queue[n].ring;

	return json_pack("{s:b, s:i, s:i, s:i}",
			 "ready", READ_ONCE(shared->ready) == 1,
			 "size", READ_ONCE(ring->size),
			 "taken", READ_ONCE(ring->next_avail),
			 "used", READ_ONCE(ring->next_used));
}

static json_t *device_status(const struct device *dev)
{
	json_t *queues = json_array();
	char name[32];

	snprintf(name, sizeof(name), "%s%u", dev->ops->name, dev->number);
	for (unsigned int n = 0; n < dev->queues; n++)
		json_array_append_new(queues, queue_status(dev, n));
	return json_pack("{s:s, s:i, s:i, s:o}", "name", name,
			 "virtio", dev->ops->device_id,
			 "status", READ_ONCE(dev->shared->status),
			 "queues", queues);
}

static json_t *devices_status(const struct virtio_bus *bus)
{
	json_t *devices = json_array();

	for (unsigned int i = 0; i < bus->devices; i++)
		json_array_append_new(devices, device_status(bus->device[i]));
	return devices;
}

static json_t *driver_status(int driver)
{
	struct co_ioc_stats s;

	if (os_driver_stats(driver, &s))
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "switches", (json_int_t)s.switches,
			 "forwards", (json_int_t)s.forwards,
			 "nmis_taken", (json_int_t)s.nmis_taken,
			 "nmis_replayed", (json_int_t)s.nmis_replayed,
			 "mces_taken", (json_int_t)s.mces_taken,
			 "mces_replayed", (json_int_t)s.mces_replayed,
			 "idles", (json_int_t)s.idles,
			 "virqs", (json_int_t)s.virqs,
			 "notifies", (json_int_t)s.notifies,
			 "self_kicks", (json_int_t)s.self_kicks,
			 "drained", (json_int_t)s.drained);
}

static json_t *console_status(struct control *c)
{
	unsigned int viewers = 0, columns, rows;
	struct machine *m = c->m;

	for (unsigned int i = 0; i < c->conns; i++)
		viewers += c->conn[i]->mode == CONN_CONSOLE;
	cocon_size(m->cocon, &columns, &rows);
	return json_pack("{s:i, s:i, s:i, s:i, s:b, s:I}",
			 "columns", columns, "rows", rows, "viewers", viewers,
			 "writer", c->writer ? c->writer->id : 0,
			 "terminal", m->terminal,
			 "written", (json_int_t)hub_head(&m->sink.hub));
}

static const char *state_name(const struct machine *m)
{
	if (m->asked)
		return "stopping";
	return m->up ? "running" : "booting";
}

json_t *control_status(struct control *c)
{
	struct machine *m = c->m;
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return json_pack("{s:b, s:i, s:s, s:i, s:s, s:f, s:I, s:i, s:o, s:o, s:o, "
			 "s:o, s:o, s:o}",
			 "ok", 1, "protocol", PROTO_VERSION,
			 "name", m->rundir.name, "pid", getpid(),
			 "state", state_name(m),
			 "uptime", now.tv_sec - m->began.tv_sec +
				   (now.tv_nsec - m->began.tv_nsec) / 1e9,
			 "memory", (json_int_t)m->mem.size,
			 "cpus", m->config->vcpus,
			 "kernel", proto_text(m->config->kernel),
			 "file", proto_text(m->config->file),
			 "log", proto_text(m->log_path),
			 "console", console_status(c),
			 "driver", driver_status(m->driver),
			 "devices", devices_status(&m->bus));
}

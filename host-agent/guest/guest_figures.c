/*
 * What guests have used until now, for samples: read at the moment that it is asked
 * for.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/engine_disk_io.h"
#include "host-agent/guest/guest_memory.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/resource/cg.h"
#include "host-agent/resource/disk_io.h"
#include "host-agent/resource/figures.h"
#include "host-agent/resource/net_dev.h"

#define MS_PER_S UINT64_C(1000)

static void
take_counters(const struct counters *c, struct figures *f)
{
	static const struct {
		const char *name;
		enum figure figure;
	} all[] = {
		{ "cpu", FIG_CPU_US },
		{ COUNTER_READY, FIG_CPU_READY_US },
		{ "cpu_throttled", FIG_CPU_LIMITED_US },
		{ "cpu_entitlement", FIG_CPU_ENTITLED_MHZ },
		{ "memory", FIG_MEM_BYTES },
		{ "balloon", FIG_MEM_BALLOON_BYTES },
		{ "swap", FIG_MEM_SWAPPED_BYTES },
		{ "processes", FIG_PROCESSES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct counter *one = counters_find(c, all[i].name);

		if (one)
			f->v[all[i].figure] = one->current;
	}
}

/* Whom all of it is told. */
struct listener {
	guest_figures_fn fn;
	void *arg;
};

/* The port is the wire's other end: what comes in there the guest has sent. */
static void
add_wire(struct figures *f, const struct net_dev *port)
{
	figures_add(f, FIG_NET_IN_BYTES, port->out_bytes);
	figures_add(f, FIG_NET_OUT_BYTES, port->in_bytes);
	figures_add(f, FIG_NET_IN_DROPPED, port->out_dropped);
	figures_add(f, FIG_NET_OUT_DROPPED, port->in_dropped);
}

static void
take_wires(const struct guest *g, const struct host_devices *d, struct figures *f,
    const struct listener *to)
{
	for (size_t i = 0; i < g->spec->n_nics; i++) {
		unsigned slot = engine_nic_slot(g->spec, i);
		char port[PORT_NAME_MAX], name[METRIC_INSTANCE_TEXT];
		const struct net_dev *link;
		struct figures card;

		port_name(g->number, slot, port);
		link = net_dev_find(d->links, d->n_links, port);
		if (!link)
			continue;
		add_wire(f, link);
		figures_init_instance(&card, f);
		add_wire(&card, link);
		snprintf(name, sizeof(name), "nic-%u", slot);
		to->fn(to->arg, g->number, name, &card);
	}
}

static void
add_disk(struct figures *f, const struct disk_io *d)
{
	figures_add(f, FIG_DISK_READ_BYTES, d->read_bytes);
	figures_add(f, FIG_DISK_WRITTEN_BYTES, d->written_bytes);
	figures_add(f, FIG_DISK_READS, d->reads);
	figures_add(f, FIG_DISK_WRITES, d->writes);
}

/* Nobody else is on it; what its cache has taken is none of its time. */
static void
take_image_times(dev_t dev, struct figures *whole, struct figures *disk)
{
	struct disk_io d;

	if (disk_io_of("", dev, &d, NULL))
		return;
	const struct figures_times times = { d.reads, d.read_us, d.writes, d.write_us };
	figures_add_times(disk, &times);
	figures_add_times(whole, &times);
}

/* A container's I/O is on its image's device, and on the disk below it once more. */
static void
take_disks(struct guest *g, const struct host_devices *d, struct figures *f,
    const struct listener *to)
{
	struct disk_io image = { .dev = guest_resources_image(g) };
	struct disk_io *v = image.dev ? &image : d->disks;
	size_t n = image.dev ? 1 : d->n_disks;
	char name[METRIC_INSTANCE_TEXT];
	struct figures disk;

	if (!n || cg_guest_io(g->gs->env.cg, g->number, v, n, NULL))
		return;
	for (size_t i = 0; i < n; i++)
		add_disk(f, &v[i]);
	if (!image.dev || !g->spec->n_disks)
		return;
	figures_init_instance(&disk, f);
	add_disk(&disk, &image);
	take_image_times(image.dev, f, &disk);
	snprintf(name, sizeof(name), "disk-%u", engine_disk_slot(g->spec, 0));
	to->fn(to->arg, g->number, name, &disk);
}

/* An engine tells of a moment ago: that is the figures' time. */
static void
tell_engine_disks(struct guest *g, struct figures *f, const struct listener *to)
{
	const struct engine_disk_io *io = g->handle ? engine_disk_io(g->handle) : NULL;

	for (size_t i = 0; io && io->at_us && i < io->n; i++) {
		const struct engine_disk_io_of *d = &io->disks[i];
		const struct disk_io one = { .read_bytes = d->read_bytes,
			.written_bytes = d->written_bytes,
			.reads = d->reads,
			.writes = d->writes };
		const struct figures_times times = { d->reads, d->read_us, d->writes,
			d->write_us };
		char name[METRIC_INSTANCE_TEXT];
		struct figures disk;

		figures_init_instance(&disk, f);
		disk.at_us = io->at_us;
		add_disk(&disk, &one);
		figures_add_times(&disk, &times);
		figures_add_times(f, &times);
		snprintf(name, sizeof(name), "disk-%u", d->slot);
		to->fn(to->arg, g->number, name, &disk);
	}
}

static void
take_group(struct guest *g, const struct host_devices *d, struct figures *f,
    const struct listener *to)
{
	struct counters c;
	struct cg_usage u;

	guest_resources_sample(g, d->links, d->n_links);
	if (!guest_resources_now(g))
		return;
	c = *guest_resources_now(g);
	guest_memory_count(g, &c);
	take_counters(&c, f);
	if (!cg_guest_usage(g->gs->env.cg, g->number, &u, NULL))
		f->v[FIG_MEM_IDLE_BYTES] = u.idle_bytes;
	take_disks(g, d, f, to);
}

static void
take_guest(struct guest *g, const struct host_devices *d, struct figures *f,
    const struct listener *to)
{
	uint64_t wall_ms = clock_wall_ms(loop_clock(g->gs->env.loop));

	figures_init(f, g->spec->container ? METRIC_OF_CONTAINER : METRIC_OF_MACHINE);
	f->run = g->generation;
	f->cpus = g->spec->num_cpu;
	f->memory_bytes = g->spec->memory_mb << 20;
	f->v[FIG_CPU_US] = g->usage.cpu_used_us;
	f->v[FIG_MEM_BYTES] = g->usage.memory_bytes;
	f->v[FIG_DISK_USED_BYTES] = g->disk_bytes;
	if (g->started_ms && wall_ms > g->started_ms)
		f->v[FIG_UPTIME_S] = (wall_ms - g->started_ms) / MS_PER_S;
	if (guest_spec_invented(g->spec))
		return;
	take_wires(g, d, f, to);
	tell_engine_disks(g, f, to);
	if (g->gs->env.cg)
		take_group(g, d, f, to);
}

static void
tell_guest(struct guest *g, const struct host_devices *d, const struct listener *to)
{
	struct figures f;

	if (g->tentative || !guest_runs(g))
		return;
	take_guest(g, d, &f, to);
	to->fn(to->arg, g->number, "", &f);
}

void
guests_figures(
    struct guests *gs, const struct host_devices *d, guest_figures_fn fn, void *arg)
{
	const struct listener to = { fn, arg };

	MAP_EACH(gs->by_number, it)
		tell_guest(it.value, d, &to);
}

void
guests_figures_of(struct guests *gs, uint64_t guest, const struct host_devices *d,
    guest_figures_fn fn, void *arg)
{
	const struct listener to = { fn, arg };
	struct guest *g = map_get(gs->by_number, guest);

	if (g)
		tell_guest(g, d, &to);
}

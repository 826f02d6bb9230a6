#include "host-agent/collect/host_figures.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/collect/card_load.h"
#include "host-agent/guest/guests.h"
#include "host-agent/record/record.h"
#include "host-agent/resource/disk_io.h"
#include "host-agent/resource/net_dev.h"

#define PROC_FILE_MAX ((size_t)8 << 20)

static int
read_file(const char *root, const char *path, struct str *out)
{
	AUTO_FREE char *full = xasprintf("%s%s", root, path);

	return record_file_read(full, PROC_FILE_MAX, out, NULL);
}

static void
put_cpu(struct figures *f, const struct proc_cpu *c)
{
	uint64_t tick_us = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);

	f->v[FIG_CPU_US] = c->busy * tick_us;
	f->v[FIG_CPU_USER_US] = c->user * tick_us;
	f->v[FIG_CPU_SYSTEM_US] = c->system * tick_us;
	f->v[FIG_CPU_IOWAIT_US] = c->iowait * tick_us;
	f->v[FIG_CPU_STEAL_US] = c->steal * tick_us;
}

static void
read_cpu(const char *root, struct figures *f)
{
	AUTO(str) struct str text = STR_INIT;
	struct proc_cpu c;

	if (!read_file(root, "/proc/stat", &text) &&
	    !proc_parse_cpu(str_cstr(&text), &c, NULL))
		put_cpu(f, &c);
}

static void
read_memory(const char *root, struct figures *f)
{
	AUTO(str) struct str text = STR_INIT;
	struct proc_memory m;

	if (read_file(root, "/proc/meminfo", &text) ||
	    proc_parse_memory(str_cstr(&text), &m, NULL))
		return;
	f->memory_bytes = m.total_bytes;
	f->v[FIG_MEM_BYTES] = m.total_bytes - m.available_bytes;
	f->v[FIG_MEM_SWAPPED_BYTES] = m.swapped_bytes;
}

/* A kernel without it, or one that was told not to count, has no file. */
static void
read_stalls(const char *root, const char *path, enum figure to, struct figures *f)
{
	AUTO(str) struct str text = STR_INIT;
	uint64_t some_us, full_us;

	if (!read_file(root, path, &text) &&
	    !pressure_parse(str_cstr(&text), &some_us, &full_us, NULL))
		f->v[to] = some_us;
}

static void
read_ages(const char *root, struct figures *f)
{
	AUTO(str) struct str uptime = STR_INIT, load = STR_INIT;
	uint32_t permille;

	if (!read_file(root, "/proc/uptime", &uptime) &&
	    proc_parse_uptime(str_cstr(&uptime), &f->v[FIG_UPTIME_S], NULL))
		f->v[FIG_UPTIME_S] = FIG_NONE;
	if (!read_file(root, "/proc/loadavg", &load) &&
	    !proc_parse_load(str_cstr(&load), &permille, NULL))
		f->v[FIG_LOAD_PERMILLE] = permille;
}

static void
add_card(struct figures *f, const struct net_dev *card)
{
	figures_add(f, FIG_NET_IN_BYTES, card->in_bytes);
	figures_add(f, FIG_NET_OUT_BYTES, card->out_bytes);
	figures_add(f, FIG_NET_IN_DROPPED, card->in_dropped);
	figures_add(f, FIG_NET_OUT_DROPPED, card->out_dropped);
}

static void
add_disk(struct figures *f, const struct disk_io *disk)
{
	figures_add(f, FIG_DISK_READ_BYTES, disk->read_bytes);
	figures_add(f, FIG_DISK_WRITTEN_BYTES, disk->written_bytes);
	figures_add(f, FIG_DISK_READS, disk->reads);
	figures_add(f, FIG_DISK_WRITES, disk->writes);
	figures_add_times(f, &(struct figures_times){ disk->reads, disk->read_us,
				 disk->writes, disk->write_us });
}

static void
add_devices(const char *root, const struct host_devices *d, struct figures *f)
{
	for (size_t i = 0; i < d->n_links; i++) {
		if (card_is_real(root, d->links[i].name))
			add_card(f, &d->links[i]);
	}
	for (size_t i = 0; i < d->n_disks; i++)
		add_disk(f, &d->disks[i]);
}

void
host_figures_read(const char *root, const struct col_share *share,
    const struct host_devices *d, struct figures *ret_f)
{
	figures_init(ret_f, METRIC_OF_HOST);
	ret_f->cpus = share->cpus;
	ret_f->mhz = share->mhz;
	ret_f->memory_bytes = share->memory_bytes;
	read_ages(root, ret_f);
	if (share->partial) {
		ret_f->v[FIG_LOAD_PERMILLE] = FIG_NONE;
		return;
	}
	read_cpu(root, ret_f);
	read_memory(root, ret_f);
	read_stalls(root, "/proc/pressure/cpu", FIG_CPU_STALLED_US, ret_f);
	read_stalls(root, "/proc/pressure/memory", FIG_MEM_STALLED_US, ret_f);
	read_stalls(root, "/proc/pressure/io", FIG_DISK_STALLED_US, ret_f);
	add_devices(root, d, ret_f);
}

static void
tell_cores(const char *root, const struct figures *whole,
    void (*fn)(void *arg, const char *name, const struct figures *f), void *arg)
{
	AUTO(str) struct str text = STR_INIT;
	const char *at;
	struct proc_cpu c;
	unsigned core;

	if (read_file(root, "/proc/stat", &text))
		return;
	at = str_cstr(&text);
	while (proc_parse_core(&at, &core, &c)) {
		char name[METRIC_INSTANCE_TEXT];
		struct figures f;

		figures_init_instance(&f, whole);
		f.cpus = 1;
		put_cpu(&f, &c);
		snprintf(name, sizeof(name), "cpu%u", core);
		fn(arg, name, &f);
	}
}

void
host_figures_instances(const char *root, const struct host_devices *d,
    const struct figures *whole,
    void (*fn)(void *arg, const char *name, const struct figures *f), void *arg)
{
	struct figures f;

	for (size_t i = 0; i < d->n_links; i++) {
		if (!card_is_real(root, d->links[i].name))
			continue;
		figures_init_instance(&f, whole);
		add_card(&f, &d->links[i]);
		fn(arg, d->links[i].name, &f);
	}
	for (size_t i = 0; i < d->n_disks; i++) {
		figures_init_instance(&f, whole);
		add_disk(&f, &d->disks[i]);
		fn(arg, d->disks[i].name, &f);
	}
	tell_cores(root, whole, fn, arg);
}

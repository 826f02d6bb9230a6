/*
 * export_host: hosts.
 */
#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "server/export/export_int.h"
#include "server/hosts/hosts.h"
#include "server/stats/stats.h"

#define PER_CENT 100.0
#define US_PER_S 1e6

static double
now(const struct export_run *r, const struct obj *o, uint32_t counter)
{
	return r->x->d.stats ? (double)stats_now(r->x->d.stats, o->id, counter)
			     : (double)NAN;
}

void
export_host_info(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct host *h = inv_host(r->x->d.inv, o->id);

	export_begin_of(x, o);
	expo_label(x, "name", o->name);
	export_label_id(x, "cluster", o->parent);
	expo_label(x, "cpu_model", h->cpu_model ? h->cpu_model : "");
	expo_label(x, "kernel", h->kernel ? h->kernel : "");
	expo_label(x, "agent_version", h->agent_version ? h->agent_version : "");
	expo_value(x, 1);
}

void
export_host_up(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct host *h = inv_host(r->x->d.inv, o->id);

	export_put(x, o, h->connection_state == CONN_CONNECTED);
}

enum { STATE_MAINTENANCE = conn_state_COUNT_, STATE_STANDBY, STATES };

void
export_host_state(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct host *h = inv_host(r->x->d.inv, o->id);
	const char *names[STATES] = {
		[STATE_MAINTENANCE] = "maintenance",
		[STATE_STANDBY] = "standby",
	};
	size_t is = (size_t)h->connection_state;

	for (size_t i = 0; i < conn_state_COUNT_; i++)
		names[i] = conn_state_text((enum conn_state)i);
	if (h->standby == STANDBY_IN)
		is = STATE_STANDBY;
	else if (h->maintenance == MAINT_IN && h->connection_state == CONN_CONNECTED)
		is = STATE_MAINTENANCE;
	export_states(x, o, names, STATES, is);
}

void
export_host_health(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const char *names[host_health_COUNT_];

	for (size_t i = 0; i < host_health_COUNT_; i++)
		names[i] = host_health_text((enum host_health)i);
	export_states(
	    x, o, names, ARRAY_SIZE(names), inv_host(r->x->d.inv, o->id)->health);
}

void
export_host_cores(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, inv_host(r->x->d.inv, o->id)->cpu_cores);
}

void
export_host_capacity(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, inv_host(r->x->d.inv, o->id)->cpu_total_mhz * MHZ_HERTZ);
}

void
export_host_modes(const struct export_run *r, const struct obj *o, struct expo *x)
{
	static const struct {
		const char *mode;
		uint32_t counter;
	} modes[] = {
		{ "user", METRIC_CPU_USER },
		{ "system", METRIC_CPU_SYSTEM },
		{ "iowait", METRIC_CPU_IOWAIT },
		{ "steal", METRIC_CPU_STEAL },
	};

	for (size_t i = 0; r->x->d.stats && i < ARRAY_SIZE(modes); i++)
		export_put_as(x, o, "mode", modes[i].mode,
		    stats_total(r->x->d.stats, o->id, modes[i].counter));
}

void
export_host_memory(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct host *h = inv_host(r->x->d.inv, o->id);
	const struct export_sum *s = export_sum_of(r, o->id);
	double total = (double)h->memory_total_mb * MB_BYTES;
	double used = now(r, o, METRIC_MEM_CONSUMED) * KB_BYTES;

	export_put_as(x, o, "kind", "total", total);
	export_put_as(x, o, "kind", "used", used);
	export_put_as(x, o, "kind", "free", used > total ? 0 : total - used);
	export_put_as(
	    x, o, "kind", "swapped", now(r, o, METRIC_MEM_SWAPPED) * KB_BYTES);
	export_put_as(x, o, "kind", "reserved", s->reserved_bytes);
	export_put_as(x, o, "kind", "ballooned", s->ballooned_bytes);
}

void
export_host_pressure(const struct export_run *r, const struct obj *o, struct expo *x)
{
	static const struct {
		const char *resource;
		uint32_t counter;
	} all[] = {
		{ "cpu", METRIC_CPU_PRESSURE },
		{ "memory", METRIC_MEM_PRESSURE },
		{ "io", METRIC_DISK_PRESSURE },
	};

	char window[16];

	if (!r->x->d.stats)
		return;
	snprintf(window, sizeof(window), "%us", stats_step_s(r->x->d.stats));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		double v = now(r, o, all[i].counter);

		if (isnan(v))
			continue;
		export_begin_of(x, o);
		expo_label(x, "resource", all[i].resource);
		expo_label(x, "window", window);
		expo_value(x, v / PER_CENT);
	}
}

void
export_host_rtt(const struct export_run *r, const struct obj *o, struct expo *x)
{
	uint64_t us = r->x->d.hosts ? hosts_rtt_us(r->x->d.hosts, o->id) : 0;

	if (us)
		export_put(x, o, (double)us / US_PER_S);
}

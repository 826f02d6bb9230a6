/*
 * export_vm: machines and containers.
 */
#include <math.h>

#include "base/mem.h"
#include "server/export/export_int.h"
#include "server/protect/protect.h"
#include "server/stats/stats.h"

void
export_vm_info(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct vm *vm = inv_vm(r->x->d.inv, o->id);

	export_begin_of(x, o);
	expo_label(x, "name", o->name);
	expo_label(x, "type", guest_type_text(vm->guest_type));
	export_label_id(x, "host", vm->host);
	export_label_id(x, "cluster", export_cluster_of(r->x->d.inv, o->id));
	export_label_id(x, "pool", vm->pool);
	expo_label(x, "guest_os", vm->guest_os ? vm->guest_os : "");
	expo_label(x, "power", power_state_text(vm->power_state));
	expo_value(x, 1);
}

void
export_vm_power(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const char *names[power_state_COUNT_];

	for (size_t i = 0; i < power_state_COUNT_; i++)
		names[i] = power_state_text((enum power_state)i);
	export_states(x, o, names, power_state_COUNT_,
	    (size_t)inv_vm(r->x->d.inv, o->id)->power_state);
}

void
export_vm_ha(const struct export_run *r, const struct obj *o, struct expo *x)
{
	static const char *const names[] = { "protected", "unprotected", "none" };
	const struct inv *inv = r->x->d.inv;
	const struct vm *vm = inv_vm(inv, o->id);
	const struct cluster *c = inv_cluster(inv, export_cluster_of(inv, o->id));
	bool wanted = c && c->ha_enabled && vm->power_state == POWER_ON &&
		      protect_priority(inv, vm) != HA_PRIORITY_OFF;

	export_states(x, o, names, ARRAY_SIZE(names),
	    !wanted            ? 2
	    : vm->ha_protected ? 0
			       : 1);
}

void
export_vm_vcpus(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, inv_vm(r->x->d.inv, o->id)->num_cpu);
}

void
export_vm_memory(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, o, (double)inv_vm(r->x->d.inv, o->id)->memory_mb * MB_BYTES);
}

/* Snapshots are kept below their machine. */
static unsigned
snapshots_of(const struct export_run *r, const struct obj *o, uint64_t *ret_oldest_ms)
{
	unsigned n = 0;

	*ret_oldest_ms = 0;
	for (size_t i = 0; i < o->n_kids; i++) {
		const struct snapshot *s = obj_id_kind(o->kids[i]) == KIND_SNAPSHOT
					       ? inv_snapshot(r->x->d.inv, o->kids[i])
					       : NULL;

		if (!s)
			continue;
		if (!n++ || s->taken_at < *ret_oldest_ms)
			*ret_oldest_ms = s->taken_at;
	}
	return n;
}

void
export_vm_snapshots(const struct export_run *r, const struct obj *o, struct expo *x)
{
	uint64_t oldest_ms;

	export_put(x, o, snapshots_of(r, o, &oldest_ms));
}

void
export_vm_oldest(const struct export_run *r, const struct obj *o, struct expo *x)
{
	uint64_t oldest_ms;

	if (snapshots_of(r, o, &oldest_ms))
		export_put(x, o, (double)oldest_ms / MS_PER_S);
}

/* Sums of what QEMU or the kernel counts: buckets would have to be asked for of each
 * disk, again after every start, and containers have none. */
void
export_vm_latency(const struct export_run *r, const struct obj *o, struct expo *x)
{
	static const struct {
		const char *operation;
		uint32_t time, times;
	} all[] = {
		{ "read", METRIC_DISK_READ_TIME, METRIC_DISK_READS_TIMED },
		{ "write", METRIC_DISK_WRITE_TIME, METRIC_DISK_WRITES_TIMED },
	};

	for (size_t i = 0; r->x->d.stats && i < ARRAY_SIZE(all); i++) {
		double ms = stats_total(r->x->d.stats, o->id, all[i].time);
		double n = stats_total(r->x->d.stats, o->id, all[i].times);

		if (isnan(ms) || isnan(n))
			continue;
		expo_begin_sum(x);
		export_label_id(x, "vm", o->id);
		expo_label(x, "operation", all[i].operation);
		expo_value(x, ms / MS_PER_S);
		expo_begin_count(x);
		export_label_id(x, "vm", o->id);
		expo_label(x, "operation", all[i].operation);
		expo_value(x, nearbyint(n)); /* it was kept by the second */
	}
}

#include "scheduler/sched_int.h"

void
id_json(json *o, const char *key, uint64_t id)
{
	char text[SCHED_ID_TEXT];

	json_set_str(o, key, id ? view_id_text(id, text) : NULL);
}

void
ids_json(json *o, const char *key, const uint64_t *ids, size_t n)
{
	char text[SCHED_ID_TEXT];
	json *a = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_add_str(a, view_id_text(ids[i], text));
	json_set_json(o, key, a);
}

/* A new object with the id and name that every row starts with. */
static json *
head_json(const void *row)
{
	const struct view_row *head = row;
	json *o = json_new_object();

	id_json(o, "id", head->id);
	json_set_str(o, "name", head->name);
	return o;
}

static void
engines_json(json *o, uint32_t mask)
{
	json *a = json_new_array();

	for (uint32_t i = 0; i < SCHED_ENGINE_COUNT_; i++)
		if (mask & UINT32_C(1) << i)
			json_add_str(a, sched_engines[i]);
	json_set_json(o, "engines", a);
}

/* What is mostly not known or not asked for is left out then. */
static void
set_amount(json *o, const char *key, uint64_t amount)
{
	if (amount)
		json_set_u64(o, key, amount);
}

static json *
cluster_json(const struct view_cluster *c)
{
	json *o = head_json(c), *p = json_new_object();

	json_set_u64(
	    p, "memory_overcommit_permille", c->in.policy.memory_overcommit_permille);
	json_set_u64(p, "vcpus_per_core", c->in.policy.vcpus_per_core);
	json_set_u64(p, "vcpu_demand_mhz", c->in.policy.vcpu_demand_mhz);
	json_set_json(o, "policy", p);
	return o;
}

static json *
datastore_json(const struct view_datastore *d)
{
	json *o = head_json(d);

	json_set_u64(o, "total_mb", d->in.total_mb);
	json_set_u64(o, "free_mb", d->in.free_mb);
	return o;
}

static json *
host_json(const struct view_host *row)
{
	const struct sched_host *h = &row->in;
	json *o = head_json(row);

	id_json(o, "cluster", h->cluster);
	json_set_str(o, "state", sched_host_states[h->state]);
	json_set_u64(o, "cpu_mhz", h->cpu_mhz);
	json_set_u64(o, "cpu_cores", h->cpu_cores);
	json_set_u64(o, "memory_mb", h->memory_mb);
	json_set_u64(o, "memory_overhead_mb", h->memory_overhead_mb);
	engines_json(o, h->engines);
	ids_json(o, "datastores", h->datastores, h->datastore_count);
	ids_json(o, "networks", h->networks, h->network_count);
	set_amount(o, "network_permille", h->network_permille);
	set_amount(o, "disk_permille", h->disk_permille);
	set_amount(o, "max_guests", h->max_guests);
	return o;
}

static json *
disks_json(const struct sched_guest *g)
{
	json *a = json_new_array();

	for (size_t i = 0; i < g->disk_count; i++) {
		json *o = json_new_object();

		json_set_u64(o, "need_mb", g->disks[i].need_mb);
		id_json(o, "datastore", g->disks[i].datastore);
		id_json(o, "backing_datastore", g->disks[i].backing_datastore);
		json_add_json(a, o);
	}
	return a;
}

static json *
guest_json(const struct view_guest *row)
{
	const struct sched_guest *g = &row->in;
	json *o = head_json(row);

	id_json(o, "host", g->host);
	id_json(o, "cluster", g->cluster);
	id_json(o, "want_host", g->want_host);
	json_set_str(o, "state", sched_guest_states[g->state]);
	json_set_u64(o, "num_cpu", g->num_cpu);
	json_set_u64(o, "memory_mb", g->memory_mb);
	engines_json(o, g->engines);
	json_set_json(o, "disks", disks_json(g));
	ids_json(o, "networks", g->networks, g->network_count);
	if (g->is_measured)
		json_set_u64(o, "cpu_demand_mhz", g->cpu_demand_mhz);
	set_amount(o, "dirty_kb_s", g->dirty_kb_s);
	set_amount(o, "stable_s", g->stable_s);
	set_amount(o, "cpu_reservation_mhz", g->cpu_reservation_mhz);
	set_amount(o, "memory_reservation_mb", g->memory_reservation_mb);
	set_amount(o, "memory_overhead_mb", g->memory_overhead_mb);
	if (g->pinned)
		json_set_str(o, "pinned", g->pinned);
	if (g->resting)
		json_set_str(o, "resting", g->resting);
	if (g->restart != SCHED_RESTART_MEDIUM)
		json_set_str(o, "restart", sched_restarts[g->restart]);
	return o;
}

static json *
rule_json(const struct view_rule *row)
{
	json *o = head_json(row);

	json_set_str(o, "kind", sched_rule_kinds[row->in.kind]);
	ids_json(o, "guests", row->in.guests, row->in.guest_count);
	if (row->in.host_count)
		ids_json(o, "hosts", row->in.hosts, row->in.host_count);
	return o;
}

json *
sched_view_to_json(const struct sched_view *v)
{
	json *top = json_new_object(), *clusters = json_new_array(),
	     *networks = json_new_array(), *datastores = json_new_array(),
	     *hosts = json_new_array(), *guests = json_new_array(),
	     *rules = json_new_array();

	for (uint32_t i = 0; i < v->clusters.count; i++)
		json_add_json(clusters, cluster_json(view_cluster_at(v, i)));
	for (uint32_t i = 0; i < v->networks.count; i++)
		json_add_json(networks, head_json(view_network_at(v, i)));
	for (uint32_t i = 0; i < v->datastores.count; i++)
		json_add_json(datastores, datastore_json(view_datastore_at(v, i)));
	for (uint32_t i = 0; i < v->hosts.count; i++)
		json_add_json(hosts, host_json(view_host_at(v, i)));
	for (uint32_t i = 0; i < v->guests.count; i++)
		json_add_json(guests, guest_json(view_guest_at(v, i)));
	for (uint32_t i = 0; i < v->rules.count; i++)
		json_add_json(rules, rule_json(view_rule_at(v, i)));
	json_set_u64(top, "version", SNAPSHOT_VERSION);
	json_set_json(top, "clusters", clusters);
	json_set_json(top, "networks", networks);
	json_set_json(top, "datastores", datastores);
	json_set_json(top, "hosts", hosts);
	json_set_json(top, "guests", guests);
	if (v->rules.count)
		json_set_json(top, "rules", rules);
	else
		json_free(rules);
	return top;
}

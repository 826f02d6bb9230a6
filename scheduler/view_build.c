#include <inttypes.h>
#include <string.h>

#include "scheduler/sched_int.h"

struct range {
	const char *field;
	uint64_t value, min, max;
};

static int
check_ranges(
    const char *what, const char *name, const struct range *r, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		if (r[i].value >= r[i].min && r[i].value <= r[i].max)
			continue;
		return err_set(e, ERR_INVALID,
		    "%s %s: %s is %" PRIu64 ", must be %" PRIu64 " to %" PRIu64, what,
		    name, r[i].field, r[i].value, r[i].min, r[i].max);
	}
	return 0;
}

static int
cmp_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* A sorted copy of a list of ids in which none is 0 or there twice. */
static int
copy_ids(struct sched_view *v, const uint64_t *ids, size_t n, const char *field,
    const uint64_t **ret_ids, struct err *e)
{
	uint64_t *copy = arena_array(v->arena, n ? n : 1, sizeof(*copy));
	char text[SCHED_ID_TEXT];

	if (n) {
		memcpy(copy, ids, n * sizeof(*copy));
		qsort(copy, n, sizeof(*copy), cmp_u64);
		if (copy[0] == 0)
			return err_set(e, ERR_INVALID, "%s: 0 is no id", field);
	}
	for (size_t i = 1; i < n; i++) {
		if (copy[i] == copy[i - 1])
			return err_set(e, ERR_INVALID, "%s: %s is there twice", field,
			    view_id_text(copy[i], text));
	}
	*ret_ids = copy;
	return 0;
}

static int
check_engines(const char *what, const char *name, uint32_t engines, struct err *e)
{
	if (engines >> SCHED_ENGINE_COUNT_)
		return err_set(e, ERR_INVALID,
		    "%s %s: engines has unknown bits: 0x%" PRIx32, what, name, engines);
	return 0;
}

struct sched_policy
sched_policy_default(void)
{
	return (struct sched_policy){
		.memory_overcommit_permille = 1000,
		.vcpus_per_core = 16,
		.vcpu_demand_mhz = 500,
	};
}

int
sched_view_add_cluster(
    struct sched_view *v, const struct sched_cluster *c, struct err *e)
{
	const struct sched_policy *p = &c->policy;
	const struct range ranges[] = {
		{ "memory_overcommit_permille", p->memory_overcommit_permille, 100,
		    100000 },
		{ "vcpus_per_core", p->vcpus_per_core, 1, 1024 },
		{ "vcpu_demand_mhz", p->vcpu_demand_mhz, 1, 100000 },
	};
	struct view_cluster *row;
	int rc = view_check_row(v, &v->clusters, c->id, c->name, e);

	if (!rc)
		rc = check_ranges("cluster", c->name, ranges, ARRAY_SIZE(ranges), e);
	if (rc)
		return rc;
	row = view_add_row(v, &v->clusters, c->id, c->name);
	row->in.policy = c->policy;
	return 0;
}

int
sched_view_add_datastore(
    struct sched_view *v, const struct sched_datastore *d, struct err *e)
{
	const struct range ranges[] = {
		{ "total_mb", d->total_mb, 0, SCHED_MAX_STORAGE_MB },
		{ "free_mb", d->free_mb, 0, d->total_mb },
	};
	struct view_datastore *row;
	int rc = view_check_row(v, &v->datastores, d->id, d->name, e);

	if (!rc)
		rc = check_ranges("datastore", d->name, ranges, ARRAY_SIZE(ranges), e);
	if (rc)
		return rc;
	row = view_add_row(v, &v->datastores, d->id, d->name);
	row->in.total_mb = d->total_mb;
	row->in.free_mb = d->free_mb;
	return 0;
}

int
sched_view_add_network(
    struct sched_view *v, const struct sched_network *n, struct err *e)
{
	int rc = view_check_row(v, &v->networks, n->id, n->name, e);

	if (!rc)
		view_add_row(v, &v->networks, n->id, n->name);
	return rc;
}

static int
check_host(const struct sched_host *h, struct err *e)
{
	/* Of a host that has yet to introduce itself nothing is known. */
	uint64_t min = h->state == SCHED_HOST_CONNECTED;
	const struct range ranges[] = {
		{ "cpu_mhz", h->cpu_mhz, min, SCHED_MAX_MHZ },
		{ "cpu_cores", h->cpu_cores, min, SCHED_MAX_CORES },
		{ "memory_mb", h->memory_mb, min, SCHED_MAX_MEMORY_MB },
		{ "memory_overhead_mb", h->memory_overhead_mb, 0, h->memory_mb },
		{ "number of datastores", h->datastore_count, 0, SCHED_MAX_OBJECTS },
		{ "number of networks", h->network_count, 0, SCHED_MAX_OBJECTS },
	};
	int rc;

	if ((unsigned)h->state >= SCHED_HOST_STATE_COUNT_)
		return err_set(e, ERR_INVALID, "host %s: state %u is unknown", h->name,
		    (unsigned)h->state);
	rc = check_ranges("host", h->name, ranges, ARRAY_SIZE(ranges), e);
	if (rc)
		return rc;
	if (h->network_permille > 1000 || h->disk_permille > 1000)
		return err_set(e, ERR_INVALID,
		    "host %s: network_permille and disk_permille are at most 1000",
		    h->name);
	return check_engines("host", h->name, h->engines, e);
}

int
sched_view_add_host(struct sched_view *v, const struct sched_host *h, struct err *e)
{
	const uint64_t *datastores, *networks;
	struct view_host *row;
	const char *name;
	int rc = view_check_row(v, &v->hosts, h->id, h->name, e);

	if (!rc)
		rc = check_host(h, e);
	if (rc)
		return rc;
	rc = copy_ids(
	    v, h->datastores, h->datastore_count, "datastores", &datastores, e);
	if (!rc)
		rc = copy_ids(
		    v, h->networks, h->network_count, "networks", &networks, e);
	if (rc) {
		err_wrap(e, "host %s", h->name);
		return rc;
	}
	row = view_add_row(v, &v->hosts, h->id, h->name);
	name = row->in.name;
	row->in = *h;
	row->in.name = name;
	row->in.datastores = datastores;
	row->in.networks = networks;
	return 0;
}

static int
check_disks(const struct sched_guest *g, struct err *e)
{
	for (size_t i = 0; i < g->disk_count; i++) {
		const struct sched_disk *d = &g->disks[i];

		if (d->need_mb > SCHED_MAX_STORAGE_MB) {
			return err_set(e, ERR_INVALID,
			    "guest %s: disk %zu: need_mb is %" PRIu64
			    ", must be 0 to %" PRIu64,
			    g->name, i, d->need_mb, SCHED_MAX_STORAGE_MB);
		}
		if (g->host && !d->datastore) {
			return err_set(e, ERR_INVALID,
			    "guest %s: disk %zu of a guest that has a host needs a "
			    "datastore",
			    g->name, i);
		}
		if (d->datastore && d->backing_datastore &&
		    d->datastore != d->backing_datastore) {
			return err_set(e, ERR_INVALID,
			    "guest %s: disk %zu: a linked clone must lie on the "
			    "datastore of its template",
			    g->name, i);
		}
	}
	return 0;
}

static const char *
keep_text(struct sched_view *v, const char *text)
{
	return text ? arena_strdup(v->arena, text) : NULL;
}

static int
check_guest(const struct sched_guest *g, struct err *e)
{
	const struct range ranges[] = {
		{ "num_cpu", g->num_cpu, 1, SCHED_MAX_VCPUS },
		{ "memory_mb", g->memory_mb, 1, SCHED_MAX_MEMORY_MB },
		{ "number of disks", g->disk_count, 0, SCHED_MAX_DISKS },
		{ "number of networks", g->network_count, 0, SCHED_MAX_NETWORKS },
		{ "cpu_demand_mhz", g->cpu_demand_mhz, 0, SCHED_MAX_MHZ },
		{ "dirty_kb_s", g->dirty_kb_s, 0, SCHED_MAX_MHZ },
		{ "stable_s", g->stable_s, 0, SCHED_MAX_MHZ },
		{ "cpu_reservation_mhz", g->cpu_reservation_mhz, 0, SCHED_MAX_MHZ },
		{ "memory_reservation_mb", g->memory_reservation_mb, 0, g->memory_mb },
		{ "memory_overhead_mb", g->memory_overhead_mb, 0, SCHED_MAX_MEMORY_MB },
	};
	int rc;

	if ((unsigned)g->state >= SCHED_GUEST_STATE_COUNT_)
		return err_set(e, ERR_INVALID, "guest %s: state %u is unknown", g->name,
		    (unsigned)g->state);
	if (!g->host && g->state != SCHED_GUEST_OFF)
		return err_set(e, ERR_INVALID,
		    "guest %s has no host, so its state must be off", g->name);
	if ((unsigned)g->restart >= SCHED_RESTART_COUNT_)
		return err_set(e, ERR_INVALID, "guest %s: restart %u is unknown",
		    g->name, (unsigned)g->restart);
	rc = check_ranges("guest", g->name, ranges, ARRAY_SIZE(ranges), e);
	if (!rc)
		rc = check_engines("guest", g->name, g->engines, e);
	if (!rc)
		rc = check_disks(g, e);
	return rc;
}

int
sched_view_add_guest(struct sched_view *v, const struct sched_guest *g, struct err *e)
{
	const uint64_t *networks;
	struct view_guest *row;
	struct sched_disk *disks;
	const char *name;
	int rc = view_check_row(v, &v->guests, g->id, g->name, e);

	if (!rc)
		rc = check_guest(g, e);
	if (rc)
		return rc;
	rc = copy_ids(v, g->networks, g->network_count, "networks", &networks, e);
	if (rc) {
		err_wrap(e, "guest %s", g->name);
		return rc;
	}
	disks =
	    arena_array(v->arena, g->disk_count ? g->disk_count : 1, sizeof(*disks));
	if (g->disk_count)
		memcpy(disks, g->disks, g->disk_count * sizeof(*disks));
	row = view_add_row(v, &v->guests, g->id, g->name);
	name = row->in.name;
	row->in = *g;
	row->in.name = name;
	row->in.disks = disks;
	row->in.pinned = keep_text(v, g->pinned);
	row->in.resting = keep_text(v, g->resting);
	row->in.networks = networks;
	return 0;
}

static int
check_rule(const struct sched_rule *r, struct err *e)
{
	bool names_hosts;
	const struct range ranges[] = {
		{ "number of guests", r->guest_count, 0, SCHED_MAX_MEMBERS },
		{ "number of hosts", r->host_count, 0, SCHED_MAX_HOSTS },
	};

	if ((unsigned)r->kind >= SCHED_RULE_KIND_COUNT_)
		return err_set(e, ERR_INVALID, "rule %s: kind %u is unknown", r->name,
		    (unsigned)r->kind);
	names_hosts = rule_names_hosts(r->kind);
	if (names_hosts != (r->host_count > 0))
		return err_set(e, ERR_INVALID, "rule %s: %s %s", r->name,
		    sched_rule_kinds[r->kind],
		    names_hosts ? "wants hosts" : "is about guests alone");
	return check_ranges("rule", r->name, ranges, ARRAY_SIZE(ranges), e);
}

int
sched_view_add_rule(struct sched_view *v, const struct sched_rule *r, struct err *e)
{
	const uint64_t *guests, *hosts;
	struct view_rule *row;
	const char *name;
	int rc = view_check_row(v, &v->rules, r->id, r->name, e);

	if (!rc)
		rc = check_rule(r, e);
	if (rc)
		return rc;
	rc = copy_ids(v, r->guests, r->guest_count, "guests", &guests, e);
	if (!rc)
		rc = copy_ids(v, r->hosts, r->host_count, "hosts", &hosts, e);
	if (rc) {
		err_wrap(e, "rule %s", r->name);
		return rc;
	}
	row = view_add_row(v, &v->rules, r->id, r->name);
	name = row->in.name;
	row->in = *r;
	row->in.name = name;
	row->in.guests = guests;
	row->in.hosts = hosts;
	return 0;
}

#include "base/assert.h"
#include "scheduler/bal_view.h"
#include "scheduler/balance_spare.h"

struct fit_reason *
fit_refuse(
    struct fit *f, enum sched_reason_code code, uint64_t object, const char *name)
{
	struct fit_reason *r = &f->reasons[f->count];

	ASSERT(f->count < FIT_MAX_REASONS);
	f->count++;
	*r = (struct fit_reason){ .code = code, .object = object, .object_name = name };
	return r;
}

static void
add_shortage(struct fit_reason *r, uint64_t asked, uint64_t free, uint64_t total)
{
	r->asked = asked;
	r->free = free;
	r->total = total;
}

static bool
is_refused_for(const struct fit *f, enum sched_reason_code code, uint64_t object)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->reasons[i].code == code && f->reasons[i].object == object)
			return true;
	return false;
}

static uint64_t
rest(uint64_t limit, uint64_t used)
{
	return limit > used ? limit - used : 0;
}

static void
check_state(const struct view_host *h, struct fit *out)
{
	switch (h->in.state) {
	case SCHED_HOST_CONNECTED:
		return;
	case SCHED_HOST_ENTERING_MAINTENANCE:
	case SCHED_HOST_MAINTENANCE:
		fit_refuse(out, SCHED_REASON_MAINTENANCE, 0, NULL);
		return;
	case SCHED_HOST_STANDBY:
		fit_refuse(out, SCHED_REASON_STANDBY, 0, NULL);
		return;
	case SCHED_HOST_KEPT:
		fit_refuse(out, SCHED_REASON_KEPT, 0, NULL);
		return;
	case SCHED_HOST_QUARANTINE:
		fit_refuse(out, SCHED_REASON_QUARANTINE, 0, NULL);
		return;
	case SCHED_HOST_DISCONNECTED:
	case SCHED_HOST_NOT_RESPONDING:
	case SCHED_HOST_STATE_COUNT_:
		fit_refuse(out, SCHED_REASON_NOT_CONNECTED, 0, NULL);
		return;
	}
}

static void
check_demanded(const struct sched_view *v, const struct view_guest *g, uint32_t host_ix,
    struct fit *out)
{
	const struct view_host *h = view_host_at(v, host_ix);

	if (g->cluster_ix != NO_IX && g->cluster_ix != h->cluster_ix) {
		const struct sched_cluster *c = &view_cluster_at(v, g->cluster_ix)->in;

		fit_refuse(out, SCHED_REASON_OTHER_CLUSTER, c->id, c->name);
	}
	if (g->want_ix != NO_IX && g->want_ix != host_ix) {
		const struct sched_host *want = &view_host_at(v, g->want_ix)->in;

		fit_refuse(out, SCHED_REASON_OTHER_HOST, want->id, want->name);
	}
}

static void
check_engines(const struct view_host *h, const struct view_guest *g, struct fit *out)
{
	uint32_t missing = g->in.engines & ~h->in.engines;

	for (uint32_t i = 0; missing && i < SCHED_ENGINE_COUNT_; i++)
		if (missing & UINT32_C(1) << i)
			fit_refuse(out, SCHED_REASON_ENGINE, 0, sched_engines[i]);
}

static void
check_cpu(const struct view_host *h, const struct host_load *l,
    const struct view_guest *g, struct fit *out)
{
	uint64_t limit = h->in.cpu_cores * h->policy.vcpus_per_core;
	uint64_t free = rest(limit, l->vcpus);

	if (g->in.num_cpu > h->in.cpu_cores)
		add_shortage(fit_refuse(out, SCHED_REASON_CORES, 0, NULL),
		    g->in.num_cpu, 0, h->in.cpu_cores);
	if (g->in.num_cpu > free)
		add_shortage(fit_refuse(out, SCHED_REASON_VCPUS, 0, NULL),
		    g->in.num_cpu, free, limit);
}

static void
check_memory(const struct view_host *h, const struct host_load *l,
    const struct view_guest *g, struct fit *out)
{
	uint64_t limit = (h->in.memory_mb - h->in.memory_overhead_mb) *
			 h->policy.memory_overcommit_permille / 1000;
	uint64_t free = rest(limit, l->memory_mb);

	if (g->in.memory_mb > free)
		add_shortage(fit_refuse(out, SCHED_REASON_MEMORY, 0, NULL),
		    g->in.memory_mb, free, limit);
}

/* A host that never said what it has is not connected; nobody knows if it has room. */
static void
check_room(const struct view_host *h, const struct host_load *l,
    const struct view_guest *g, struct fit *out)
{
	if (h->in.cpu_cores)
		check_cpu(h, l, g, out);
	if (h->in.memory_mb)
		check_memory(h, l, g, out);
	if (h->in.max_guests && l->running >= h->in.max_guests)
		add_shortage(fit_refuse(out, SCHED_REASON_GUESTS, 0, NULL), 1, 0,
		    h->in.max_guests);
}

struct disk_fit {
	const struct sched_view *v;
	const struct load *l;
	const struct view_guest *g;
	const struct view_host *h;
};

/* What is left on a datastore for one disk, after those of the same guest before it. */
static uint64_t
free_for_disk(
    const struct disk_fit *d, size_t disk, const struct fit *f, uint32_t datastore_ix)
{
	uint64_t used = d->l->promised_mb[datastore_ix];

	for (size_t i = 0; i < disk; i++)
		if (f->datastore_ix[i] == datastore_ix)
			used += d->g->in.disks[i].need_mb;
	return rest(view_datastore_at(d->v, datastore_ix)->in.free_mb, used);
}

static void
refuse_disk(const struct sched_view *v, uint32_t datastore_ix, uint64_t asked_mb,
    uint64_t free_mb, struct fit *out)
{
	const struct sched_datastore *d = &view_datastore_at(v, datastore_ix)->in;

	add_shortage(fit_refuse(out, SCHED_REASON_DATASTORE_SPACE, d->id, d->name),
	    asked_mb, free_mb, d->total_mb);
}

/* Shared before local, so that the guest can move later; then the one with most room.
 */
static bool
is_better_datastore(const struct sched_view *v, uint32_t a, uint64_t a_free_mb,
    uint32_t b, uint64_t b_free_mb)
{
	bool a_shared = view_datastore_at(v, a)->host_count > 1;
	bool b_shared = view_datastore_at(v, b)->host_count > 1;

	if (a_shared != b_shared)
		return a_shared;
	return a_free_mb > b_free_mb;
}

static void
choose_datastore(const struct disk_fit *d, size_t disk, struct fit *out)
{
	uint64_t need_mb = d->g->in.disks[disk].need_mb, best_mb = 0, most_mb = 0;
	uint32_t best = NO_IX, roomiest = NO_IX;

	for (size_t i = 0; i < d->h->in.datastore_count; i++) {
		uint32_t ix = d->h->datastore_ix[i];
		uint64_t free_mb = free_for_disk(d, disk, out, ix);

		if (roomiest == NO_IX || free_mb > most_mb) {
			roomiest = ix;
			most_mb = free_mb;
		}
		if (free_mb < need_mb)
			continue;
		if (best == NO_IX ||
		    is_better_datastore(d->v, ix, free_mb, best, best_mb)) {
			best = ix;
			best_mb = free_mb;
		}
	}
	out->datastore_ix[disk] = best;
	if (best != NO_IX)
		return;
	if (roomiest == NO_IX)
		fit_refuse(out, SCHED_REASON_NO_DATASTORE, 0, NULL);
	else
		refuse_disk(d->v, roomiest, need_mb, most_mb, out);
}

static void
check_reached(const struct disk_fit *d, uint32_t datastore_ix, struct fit *out)
{
	const struct sched_datastore *in = &view_datastore_at(d->v, datastore_ix)->in;

	if (has_ix(d->h->datastore_ix, d->h->in.datastore_count, datastore_ix) ||
	    is_refused_for(out, SCHED_REASON_DATASTORE_UNREACHED, in->id))
		return;
	fit_refuse(out, SCHED_REASON_DATASTORE_UNREACHED, in->id, in->name);
}

static void
check_disk(const struct disk_fit *d, size_t disk, struct fit *out)
{
	uint64_t need_mb = d->g->in.disks[disk].need_mb, free_mb;
	uint32_t ix = d->g->datastore_ix[disk];

	if (ix == NO_IX) {
		choose_datastore(d, disk, out);
		return;
	}
	out->datastore_ix[disk] = ix;
	check_reached(d, ix, out);
	free_mb = free_for_disk(d, disk, out, ix);
	if (need_mb > free_mb)
		refuse_disk(d->v, ix, need_mb, free_mb, out);
}

static void
check_networks(const struct sched_view *v, const struct view_host *h,
    const struct view_guest *g, struct fit *out)
{
	for (size_t i = 0; i < g->in.network_count; i++) {
		const struct sched_network *n;

		if (has_ix(h->network_ix, h->in.network_count, g->network_ix[i]))
			continue;
		n = &view_network_at(v, g->network_ix[i])->in;
		fit_refuse(out, SCHED_REASON_NETWORK, n->id, n->name);
	}
}

static void
check_rules(const struct sched_view *v, const struct load *l,
    const struct view_guest *g, uint32_t host_ix, struct fit *out)
{
	bool is_refused = false;

	for (uint32_t i = 0; i < g->rule_count; i++) {
		const struct view_rule *r = view_rule_at(v, g->rule_ix[i]);

		if (!rule_is_against(r, l, g, host_ix))
			continue;
		if (!rule_is_strict(r->in.kind) ||
		    (l->ignores_apart && r->in.kind == SCHED_RULE_APART)) {
			out->bent++;
			out->bending = out->bending ? out->bending : r->in.name;
		} else if (!is_refused) {
			fit_refuse(out, SCHED_REASON_RULE, r->in.id, r->in.name);
			is_refused = true;
		}
	}
}

bool
fit_reaches(const struct sched_view *v, const struct view_guest *g, uint32_t host_ix,
    struct fit *out)
{
	const struct view_host *h = view_host_at(v, host_ix);
	const struct disk_fit d = { v, NULL, g, h };

	*out = (struct fit){ 0 };
	check_demanded(v, g, host_ix, out);
	check_engines(h, g, out);
	if (g->in.num_cpu > h->in.cpu_cores)
		add_shortage(fit_refuse(out, SCHED_REASON_CORES, 0, NULL),
		    g->in.num_cpu, 0, h->in.cpu_cores);
	for (size_t i = 0; i < g->in.disk_count; i++) {
		if (g->datastore_ix[i] != NO_IX)
			check_reached(&d, g->datastore_ix[i], out);
	}
	check_networks(v, h, g, out);
	return !out->count;
}

static void
check_spare(const struct bal_view *x, const struct view_guest *g, uint32_t host_ix,
    struct fit *out)
{
	uint32_t host = x->bal_host[host_ix];

	if (host == BAL_NONE || !bal_spare_takes(&x->b, host, (double)g->in.memory_mb))
		fit_refuse(out, SCHED_REASON_SPARE, 0, NULL);
}

void
fit_check(const struct sched_view *v, const struct load *l, const struct view_guest *g,
    uint32_t host_ix, struct fit *out)
{
	const struct view_host *h = view_host_at(v, host_ix);
	const struct disk_fit d = { v, l, g, h };

	out->count = out->bent = 0;
	out->bending = NULL;
	check_state(h, out);
	check_demanded(v, g, host_ix, out);
	check_engines(h, g, out);
	check_room(h, &l->hosts[host_ix], g, out);
	for (size_t i = 0; i < g->in.disk_count; i++)
		check_disk(&d, i, out);
	check_networks(v, h, g, out);
	check_rules(v, l, g, host_ix, out);
	if (l->lost && l->lost[host_ix])
		fit_refuse(out, SCHED_REASON_LOST, 0, NULL);
	if (l->safe && !out->count)
		check_spare(l->safe, g, host_ix, out);
	out->bent += h->in.network_permille > SCHED_BUSY;
	out->bent += h->in.disk_permille > SCHED_BUSY;
}

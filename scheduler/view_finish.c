#include "base/assert.h"
#include "scheduler/sched_int.h"

/* The object whose references are being looked up. */
struct owner {
	struct sched_view *view;
	const struct view_table *table;
	const char *name;
	struct err *e;
};

static int
cmp_rows(const void *a, const void *b)
{
	const struct view_row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static int
sort_table(struct view_table *t, struct err *e)
{
	char text[SCHED_ID_TEXT];

	if (t->count)
		qsort(t->rows, t->count, t->row_size, cmp_rows);
	for (size_t i = 1; i < t->count; i++) {
		const struct view_row *a = view_row_at(t, i - 1);
		const struct view_row *b = view_row_at(t, i);

		if (a->id == b->id)
			return err_set(e, ERR_EXISTS, "two %ss have the id %s", t->what,
			    view_id_text(a->id, text));
	}
	return 0;
}

/* 0 resolves to NO_IX. */
static int
resolve(
    const struct owner *o, const struct view_table *to, uint64_t id, uint32_t *ret_ix)
{
	char text[SCHED_ID_TEXT];
	uint32_t ix = NO_IX;

	if (id) {
		ix = view_find(to, id);
		if (ix == NO_IX)
			return err_set(o->e, ERR_NOT_FOUND, "%s %s: there is no %s %s",
			    o->table->what, o->name, to->what, view_id_text(id, text));
	}
	*ret_ix = ix;
	return 0;
}

static int
resolve_list(const struct owner *o, const struct view_table *to, const uint64_t *ids,
    size_t count, const uint32_t **ret_ix)
{
	uint32_t *ix = arena_array(o->view->arena, count ? count : 1, sizeof(*ix));
	int rc;

	for (size_t i = 0; i < count; i++) {
		rc = resolve(o, to, ids[i], &ix[i]);
		if (rc)
			return rc;
	}
	*ret_ix = ix;
	return 0;
}

static int
finish_host(struct sched_view *v, struct view_host *h, struct err *e)
{
	const struct owner o = { v, &v->hosts, h->in.name, e };
	int rc = resolve(&o, &v->clusters, h->in.cluster, &h->cluster_ix);

	if (!rc)
		rc = resolve_list(&o, &v->datastores, h->in.datastores,
		    h->in.datastore_count, &h->datastore_ix);
	if (!rc)
		rc = resolve_list(&o, &v->networks, h->in.networks, h->in.network_count,
		    &h->network_ix);
	if (rc)
		return rc;
	h->policy = h->cluster_ix == NO_IX
			? sched_policy_default()
			: view_cluster_at(v, h->cluster_ix)->in.policy;
	for (size_t i = 0; i < h->in.datastore_count; i++) {
		struct view_datastore *d =
		    view_row_at(&v->datastores, h->datastore_ix[i]);

		d->host_count++;
	}
	return 0;
}

static int
finish_disks(const struct owner *o, struct view_guest *g)
{
	struct sched_view *v = o->view;
	size_t n = g->in.disk_count;
	uint32_t *ix = arena_array(v->arena, n ? n : 1, sizeof(*ix));
	int rc;

	for (size_t i = 0; i < n; i++) {
		const struct sched_disk *d = &g->in.disks[i];

		rc = resolve(o, &v->datastores,
		    d->datastore ? d->datastore : d->backing_datastore, &ix[i]);
		if (rc)
			return rc;
	}
	g->datastore_ix = ix;
	return 0;
}

static int
finish_guest(struct sched_view *v, struct view_guest *g, struct err *e)
{
	const struct owner o = { v, &v->guests, g->in.name, e };
	int rc = resolve(&o, &v->hosts, g->in.host, &g->host_ix);

	if (!rc)
		rc = resolve(&o, &v->clusters, g->in.cluster, &g->cluster_ix);
	if (!rc)
		rc = resolve(&o, &v->hosts, g->in.want_host, &g->want_ix);
	if (!rc)
		rc = resolve_list(&o, &v->networks, g->in.networks, g->in.network_count,
		    &g->network_ix);
	if (!rc)
		rc = finish_disks(&o, g);
	return rc;
}

static int
finish_rule(struct sched_view *v, struct view_rule *r, struct err *e)
{
	const struct owner o = { v, &v->rules, r->in.name, e };
	int rc =
	    resolve_list(&o, &v->guests, r->in.guests, r->in.guest_count, &r->guest_ix);

	if (!rc)
		rc = resolve_list(
		    &o, &v->hosts, r->in.hosts, r->in.host_count, &r->host_ix);
	return rc;
}

/* The rules of each guest, in the order of their ids. */
static void
list_rules(struct sched_view *v)
{
	uint32_t *count = arena_array(v->arena, v->guests.count + 1, sizeof(*count));
	size_t total = 0;

	for (uint32_t i = 0; i < v->rules.count; i++) {
		const struct view_rule *r = view_rule_at(v, i);

		total += r->in.guest_count;
		for (size_t k = 0; k < r->in.guest_count; k++)
			count[r->guest_ix[k]]++;
	}
	uint32_t *next = arena_array(v->arena, total + 1, sizeof(*next));

	for (uint32_t i = 0; i < v->guests.count; i++) {
		struct view_guest *g = view_row_at(&v->guests, i);

		g->rule_ix = next;
		next += count[i];
	}
	for (uint32_t i = 0; i < v->rules.count; i++) {
		const struct view_rule *r = view_rule_at(v, i);

		for (size_t k = 0; k < r->in.guest_count; k++) {
			struct view_guest *g = view_row_at(&v->guests, r->guest_ix[k]);

			g->rule_ix[g->rule_count++] = i;
		}
	}
}

static void
list_unplaced(struct sched_view *v)
{
	size_t n = v->guests.count;

	v->unplaced = arena_array(v->arena, n ? n : 1, sizeof(*v->unplaced));
	for (uint32_t i = 0; i < n; i++)
		if (view_guest_at(v, i)->host_ix == NO_IX)
			v->unplaced[v->unplaced_count++] = view_guest_at(v, i)->in.id;
}

int
sched_view_finish(struct sched_view *v, struct err *e)
{
	struct view_table *tables[] = { &v->clusters, &v->datastores, &v->networks,
		&v->hosts, &v->guests, &v->rules };
	int rc;

	ASSERT(!v->is_finished);
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		rc = sort_table(tables[i], e);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < v->hosts.count; i++) {
		rc = finish_host(v, view_row_at(&v->hosts, i), e);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < v->guests.count; i++) {
		struct view_guest *g = view_row_at(&v->guests, i);

		g->ix = (uint32_t)i;
		rc = finish_guest(v, g, e);
		if (rc)
			return rc;
	}
	for (size_t i = 0; i < v->rules.count; i++) {
		rc = finish_rule(v, view_row_at(&v->rules, i), e);
		if (rc)
			return rc;
	}
	list_rules(v);
	list_unplaced(v);
	v->load = load_new(v, v->arena);
	v->is_finished = true;
	return 0;
}

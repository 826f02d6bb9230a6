#include "server/export/export.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/export/export_int.h"
#include "server/inventory/inv_life.h"
#include "server/stats/stats.h"

#define LOOK_EVERY 64u /* objects, between two looks at how much there is */

struct family {
	struct expo_family head;
	enum export_collector collector;
	enum obj_kind kind;    /* KIND_NONE: once */
	export_write_fn write; /* or: */
	uint32_t counter;
	double factor;
};

static const struct family families[] = {
#define FAMILY(name, type, unit, collector, kind, writer, help)                       \
	{ { name, EXPO_##type, unit, help }, EXPORT_##collector, KIND_##kind, writer, \
		0, 0 },
#define NOW(name, unit, collector, kind, counter, factor, help)                    \
	{ { name, EXPO_GAUGE, unit, help }, EXPORT_##collector, KIND_##kind, NULL, \
		counter, factor },
#define TOTAL(name, unit, collector, kind, counter, factor, help)                    \
	{ { name, EXPO_COUNTER, unit, help }, EXPORT_##collector, KIND_##kind, NULL, \
		counter, factor },
#include "server/export/export.def"
#undef FAMILY
#undef NOW
#undef TOTAL
};

static const char *const collectors[] = {
	[EXPORT_SERVER] = "server",
	[EXPORT_CLUSTERS] = "clusters",
	[EXPORT_HOSTS] = "hosts",
	[EXPORT_POOLS] = "pools",
	[EXPORT_DATASTORES] = "datastores",
	[EXPORT_VMS] = "vms",
};

int
export_collector_parse(const char *name, enum export_collector *ret, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(collectors); i++) {
		if (!str_same(name, collectors[i]))
			continue;
		*ret = (enum export_collector)i;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "collect[]: there is no \"%.40s\"; there are server, clusters, hosts, pools, "
	    "datastores and vms",
	    name);
}

/* ---- samples ---- */

void
export_label_id(struct expo *x, const char *name, obj_id id)
{
	char text[OBJ_ID_TEXT];

	expo_label(x, name, obj_id_text(id, text));
}

void
export_begin_of(struct expo *x, const struct obj *o)
{
	char id[OBJ_ID_TEXT], kind[OBJ_ID_TEXT];
	size_t n = strcspn(obj_id_text(o->id, id), "-");

	/* "vm" of "vm-42" */
	memcpy(kind, id, n);
	kind[n] = 0;
	expo_begin(x);
	expo_label(x, kind, id);
}

void
export_put(struct expo *x, const struct obj *o, double v)
{
	if (isnan(v))
		return;
	if (o)
		export_begin_of(x, o);
	else
		expo_begin(x);
	expo_value(x, v);
}

void
export_put_as(
    struct expo *x, const struct obj *o, const char *label, const char *value, double v)
{
	if (isnan(v))
		return;
	if (o)
		export_begin_of(x, o);
	else
		expo_begin(x);
	expo_label(x, label, value);
	expo_value(x, v);
}

void
export_states(
    struct expo *x, const struct obj *o, const char *const *states, size_t n, size_t is)
{
	for (size_t i = 0; i < n; i++)
		export_put_as(x, o, "state", states[i], i == is);
}

static void
write_counter(const struct export_run *r, const struct family *f, const struct obj *o,
    struct expo *x)
{
	const struct stats *s = r->x->d.stats;
	double v;

	if (!s || !o)
		return;
	v = f->head.type == EXPO_COUNTER ? stats_total(s, o->id, f->counter)
					 : (double)stats_now(s, o->id, f->counter);
	export_put(x, o, v * f->factor);
}

void
export_duration(const struct export_run *r, const struct obj *o, struct expo *x)
{
	for (size_t i = 0; i < EXPORT_COLLECTORS_; i++) {
		if (r->ask.collectors & EXPORT_BIT(i))
			export_put_as(x, NULL, "collector", collectors[i],
			    (double)r->took_us[i] / 1e6);
	}
}

/* ---- a run ---- */

/* Does it belong to the cluster that was asked for? */
static bool
is_asked(const struct export_run *r, const struct obj *o)
{
	const struct inv *inv = r->x->d.inv;
	obj_id cluster = r->ask.cluster;

	if (obj_id_none(cluster))
		return true;
	if (obj_id_kind(o->id) != KIND_DATASTORE)
		return obj_id_is(export_cluster_of(inv, o->id), cluster);
	const struct id_list *hosts = &inv_datastore(inv, o->id)->hosts;
	for (size_t i = 0; i < hosts->n; i++) {
		if (obj_id_is(export_cluster_of(inv, hosts->v[i]), cluster))
			return true;
	}
	return false;
}

static void
write_object(struct export_run *r, const struct family *f, const struct obj *o)
{
	if (o && !is_asked(r, o))
		return;
	if (f->write)
		f->write(r, o, &r->expo);
	else
		write_counter(r, f, o, &r->expo);
}

/* Some of a family's samples; true: these were the last. */
static bool
write_family(struct export_run *r, const struct family *f)
{
	unsigned n = 0;

	if (!r->headed)
		expo_family(&r->expo, &f->head);
	r->headed = true;
	if (f->kind == KIND_NONE) {
		write_object(r, f, NULL);
		return true;
	}
	for (;;) {
		const struct obj *o = inv_next(r->x->d.inv, f->kind, r->after);

		if (!o)
			return true;
		write_object(r, f, o);
		r->after = o->id;
		if (++n % LOOK_EVERY == 0 && r->out->len >= EXPORT_PIECE)
			return false;
	}
}

static void
next_family(struct export_run *r)
{
	r->family++;
	r->headed = false;
	r->after = OBJ_ID_NONE;
}

static void
write_some(struct export_run *r)
{
	while (r->family < ARRAY_SIZE(families) && r->out->len < EXPORT_PIECE) {
		const struct family *f = &families[r->family];
		uint64_t began_us = clock_mono_us(clock_system());

		if (!(r->ask.collectors & EXPORT_BIT(f->collector)) ||
		    write_family(r, f))
			next_family(r);
		r->took_us[f->collector] += clock_mono_us(clock_system()) - began_us;
	}
}

bool
export_more(struct export_run *r, struct str *out)
{
	/* Guests are told of one by one; the others are made of them. */
	bool sums =
	    r->ask.collectors & ~(EXPORT_BIT(EXPORT_VMS) | EXPORT_BIT(EXPORT_SERVER));

	if (sums && !r->gathered) {
		r->gathered = !export_gather(r);
		return true;
	}
	r->out = r->expo.out = out;
	write_some(r);
	if (r->family < ARRAY_SIZE(families))
		return true;
	expo_end(&r->expo);
	return false;
}

struct export_run *
export_begin(struct exporter *x, const struct export_ask *ask)
{
	struct export_run *r = xcalloc(1, sizeof(*r));

	r->x = x;
	r->ask = *ask;
	r->expo.format = ask->format;
	return r;
}

void
export_end(struct export_run *r)
{
	if (!r)
		return;
	if (r->sums) {
		MAP_EACH(r->sums, it)
			free(it.value);
	}
	map_free(r->sums);
	free(r);
}

const struct expo_family *
export_family_next(const struct expo_family *f)
{
	/* heads lie in the table, one after another */
	size_t i = 0;

	while (f && i < ARRAY_SIZE(families) && &families[i].head != f)
		i++;
	i += f != NULL;
	return i < ARRAY_SIZE(families) ? &families[i].head : NULL;
}

/* ---- life ---- */

struct exporter *
exporter_new(const struct export_deps *d)
{
	struct exporter *x = xcalloc(1, sizeof(*x));

	x->magic = EXPORTER_MAGIC;
	x->d = *d;
	x->tally = export_tally_new(d->inv, d->ha);
	x->started_ms = clock_wall_ms(loop_clock(inv_loop(d->inv)));
	return x;
}

void
exporter_set_api(struct exporter *x, const struct export_api *api, void *arg)
{
	x->api = api;
	x->api_arg = arg;
}

void
exporter_free(struct exporter *x)
{
	if (!x)
		return;
	export_tally_free(x->tally);
	x->magic = 0;
	free(x);
}

#include "server/stats/stat_intake.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/host_stats.h"
#include "server/hosts/hosts.h"
#include "server/stats/stats_int.h"

#define MS_PER_S     1000u
#define SPAN_MAX_MS  (2 * STATS_RING_S * MS_PER_S)
#define MANY_HOSTS   50u   /* above it they send at different moments */
#define SPREAD_MS    8000u /* over so much, but half the time between samples at most */
#define BOOT_ID_TEXT 64u
#define PER_CENT     100.0

/* What was taken of a host's agent. */
struct source {
	char boot_id[BOOT_ID_TEXT];
	uint64_t seq; /* rounds up to this one */
	bool told;    /* of sets that are too large */
};

static struct source *
source_of(struct stats *s, obj_id host, const char *boot_id)
{
	struct source *from = map_get(s->sources, host.v);

	if (!from) {
		from = xcalloc(1, sizeof(*from));
		map_put(s->sources, host.v, from);
	}
	if (!str_same(from->boot_id, boot_id)) {
		snprintf(from->boot_id, sizeof(from->boot_id), "%s", boot_id);
		from->seq = 0;
		from->told = false;
	}
	return from;
}

/* No more than there are counters: each is in a set once. */
static size_t
count_of(const Drover__StatSet *set)
{
	size_t n = set->n_counters < set->n_values ? set->n_counters : set->n_values;

	return n < METRIC_MAX ? n : METRIC_MAX;
}

static size_t
largest_of(Drover__StatSet *const *sets, size_t n)
{
	size_t largest = 0;

	for (size_t i = 0; i < n; i++)
		largest = sets[i]->n_counters > largest ? sets[i]->n_counters : largest;
	return largest;
}

/* Whoever sends such sets does it in each round. */
static void
tell_of_excess(
    const struct stats *s, obj_id host, struct source *from, const Drover__StatRound *r)
{
	size_t guests = largest_of(r->guests, r->n_guests);
	size_t instances = largest_of(r->instances, r->n_instances);
	size_t own = r->host ? r->host->n_counters : 0;
	size_t n = guests > instances ? guests : instances;

	n = own > n ? own : n;
	if (n <= METRIC_MAX || from->told)
		return;
	from->told = true;
	log_warn("stats",
	    "host \"%s\" sends sets of %zu counters: those after the first %u are "
	    "passed over",
	    inv_name(s->inv, host), n, METRIC_MAX);
}

/* Deltas are kept as what there was in a second: spans differ, rows too. */
static float
value_of(const struct metric *m, uint64_t value, uint32_t span_ms)
{
	float v = (float)value / METRIC_SCALE;

	return m->kind == METRIC_DELTA ? v * (float)MS_PER_S / (float)span_ms : v;
}

/* How many CPUs a percentage is of. */
static double
cpus_of(const struct stats *s, obj_id id)
{
	const struct vm *vm = inv_vm(s->inv, id);
	const struct host *h = inv_host(s->inv, id);

	return vm ? vm->num_cpu : h ? h->cpu_cores : 1;
}

/* A percentage of all CPUs becomes CPUs: their number may be another one later. */
static void
add_up(const struct stats *s, struct stat_object *o, const struct metric *m, float v,
    uint32_t span_ms)
{
	double each = (double)v;

	if (str_same(m->sign, "%"))
		each *= cpus_of(s, o->id) / PER_CENT;
	if (!o->totals)
		o->totals = stat_totals_new();
	stat_totals_add(o->totals, m->number, each, span_ms);
}

static void
take_set(struct stats *s, obj_id id, const Drover__StatSet *set, uint64_t slot,
    uint32_t span_ms)
{
	size_t n = count_of(set);
	struct stat_object *o = stats_object(s, id, slot);

	if (!o)
		return;

	for (size_t i = 0; i < n; i++) {
		const struct metric *m = metric_at(set->counters[i]);
		float v;

		/* A newer agent may count more. */
		if (!m)
			continue;
		v = value_of(m, set->values[i], span_ms);
		if (stats_put_value(o, slot, m->number, v))
			s->samples++;
		else
			s->dropped++;
		if (m->kind != METRIC_ABSOLUTE && m->objects & o->objects)
			add_up(s, o, m, v, span_ms);
	}
}

/* Of an instance of an object that has samples of its own. */
static void
take_instance(struct stats *s, obj_id id, const Drover__StatSet *set, uint64_t slot,
    uint32_t span_ms)
{
	size_t n = count_of(set);
	struct stat_object *o = stats_find(s, id);
	struct stat_instance *to =
	    o && n ? stat_instance_at(&o->instances, set->instance, s->slots, slot)
		   : NULL;

	for (size_t i = 0; to && i < n; i++) {
		const struct metric *m = metric_at(set->counters[i]);

		if (m && metric_has_instances(m, o->objects))
			(void)stat_ring_put(to->ring, slot, m->number,
			    value_of(m, set->values[i], span_ms));
	}
}

obj_id
stat_told_of(const struct stats *s, obj_id host, const Drover__StatSet *set)
{
	obj_id id = obj_id_make(KIND_VM, set->id);
	const struct vm *vm = set->id ? inv_vm(s->inv, id) : NULL;

	if (!set->id)
		return host;
	return vm && obj_id_is(vm->host, host) ? id : OBJ_ID_NONE;
}

/* A host speaks of itself and of the guests that it has. */
static void
take_round(struct stats *s, obj_id host, const Drover__StatRound *r, uint64_t now_ms)
{
	uint64_t slot;

	if (!r->span_ms || r->span_ms > SPAN_MAX_MS ||
	    r->age_ms > (uint64_t)STATS_RING_S * MS_PER_S)
		return;
	slot = stats_slot(s, now_ms - r->age_ms);
	stat_sum_late(s, slot);
	if (r->host) {
		take_set(s, host, r->host, slot, r->span_ms);
		stats_tell(s, host, slot);
	}
	for (size_t i = 0; i < r->n_guests; i++) {
		obj_id id = stat_told_of(s, host, r->guests[i]);

		if (obj_id_none(id) || obj_id_is(id, host))
			continue;
		take_set(s, id, r->guests[i], slot, r->span_ms);
		stats_tell(s, id, slot);
	}
	for (size_t i = 0; i < r->n_instances; i++)
		take_instance(s, stat_told_of(s, host, r->instances[i]),
		    r->instances[i], slot, r->span_ms);
}

static void
fill_ack(const struct stats *s, obj_id host, uint64_t now_ms, Drover__StatAck *ret_ack)
{
	uint32_t step_ms = s->step_s * MS_PER_S;
	uint32_t most = step_ms / 2 < SPREAD_MS ? step_ms / 2 : SPREAD_MS;

	ret_ack->interval_ms = step_ms;
	ret_ack->due_ms = step_ms - (uint32_t)(now_ms % step_ms);
	if (inv_count(s->inv, KIND_HOST) > MANY_HOSTS)
		ret_ack->delay_ms =
		    (uint32_t)(obj_id_number(host) * UINT64_C(2654435761) % most);
}

void
stats_take(void *stats, obj_id host, const char *boot_id, const Drover__StatBatch *b,
    Drover__StatAck *ret_ack)
{
	struct stats *s = CAST_OBJ(stats, stats, STATS_MAGIC);
	struct source *from = source_of(s, host, boot_id);
	uint64_t now_ms = clock_wall_ms(loop_clock(s->loop));

	for (size_t i = 0; i < b->n_rounds; i++) {
		const Drover__StatRound *r = b->rounds[i];

		if (r->seq <= from->seq)
			continue;
		from->seq = r->seq;
		tell_of_excess(s, host, from, r);
		take_round(s, host, r, now_ms);
	}
	ret_ack->seq = from->seq;
	fill_ack(s, host, now_ms, ret_ack);
}

void
stat_intake_open(struct stats *s)
{
	if (s->hosts)
		hosts_set_stats(s->hosts, s->step_s * MS_PER_S, stats_take, s);
}

void
stat_intake_close(struct stats *s)
{
	if (s->hosts)
		hosts_set_stats(s->hosts, 0, NULL, NULL);
	MAP_EACH(s->sources, it)
		free(it.value);
}

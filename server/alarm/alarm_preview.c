/*
 * alarm_preview: how often a definition would have raised an alarm, from what is kept
 * of its counters.
 */
#include <math.h>

#include "base/metric.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_parse.h"
#include "server/inventory/inv_json.h"
#include "server/stats/stat_query.h"

#define OBJECTS_AT_ONCE 32u
#define OBJECTS_SHOWN   20u
#define OBJECTS_MAX     5000u
#define ROW_S           300u
#define S_PER_DAY       86400u
#define MS_PER_S        1000u

/* What became of one object. */
struct seen {
	obj_id id;
	uint32_t yellow, red; /* how often it became so */
	uint64_t raised_s;
	uint64_t last_s; /* when it last did; 0: never */
};

struct preview {
	struct list_node node;
	struct alarms *a;
	struct alarm_conds conds;
	uint8_t counters[2 * ALARM_CONDS_MAX];
	size_t n_counters;
	obj_id *ids;
	size_t n, asked; /* objects; those that were asked for so far */
	uint64_t start_s, end_s;
	uint32_t days;
	struct seen *seen;
	alarm_preview_fn done;
	void *arg;
};

static void
preview_free(struct preview *p)
{
	list_remove(&p->node);
	alarm_conds_fini(&p->conds);
	free(p->ids);
	free(p->seen);
	free(p);
}

/* ---- one object ---- */

static float
value_of(const struct stat_answer *a, obj_id id, uint32_t counter, size_t i)
{
	for (size_t k = 0; k < a->n_series; k++) {
		const struct stat_series *s = &a->series[k];

		if (!obj_id_is(s->id, id) || s->metric->number != counter)
			continue;
		/* Sums are kept, and compared, as what there was in a second. */
		return s->metric->kind == METRIC_DELTA
			   ? s->values.average[i] / (float)a->interval_s
			   : s->values.average[i];
	}
	return NAN;
}

static float
share_of(const struct stat_answer *a, obj_id id, const struct alarm_cond *c, size_t i)
{
	float v = value_of(a, id, c->counter, i);
	float of = c->of ? value_of(a, id, c->of, i) : 1;

	if (!c->of)
		return v;
	return of > 0 ? 100 * v / of : NAN;
}

/* States and events leave no rows: they are taken not to be in the way. */
static void
begin_states(const struct alarm_conds *c, struct alarm_state *s)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].type != ALARM_COUNTER)
			s[i].level = c->match == ALARM_ALL ? ALARM_RED : ALARM_GREEN;
	}
}

static void
count(struct seen *s, enum alarm_status was, enum alarm_status now, uint64_t at_s,
    uint32_t step_s)
{
	if (now >= ALARM_YELLOW)
		s->raised_s += step_s;
	if (now <= was || now < ALARM_YELLOW)
		return;
	s->last_s = at_s;
	if (now == ALARM_RED)
		s->red++;
	else
		s->yellow++;
}

static void
play(const struct preview *p, const struct stat_answer *a, struct seen *seen)
{
	struct alarm_state s[ALARM_CONDS_MAX] = { 0 };
	enum alarm_status was = ALARM_GREEN;

	begin_states(&p->conds, s);
	for (size_t i = 0; i < a->n_values; i++) {
		uint64_t at_s = a->first_s + i * a->interval_s;
		uint64_t slot = at_s / a->interval_s;
		enum alarm_status now;

		for (size_t k = 0; k < p->conds.n; k++) {
			const struct alarm_cond *c = &p->conds.v[k];

			if (c->type != ALARM_COUNTER)
				continue;
			alarm_eval_gap(c, &s[k], slot, a->interval_s);
			alarm_eval_sample(
			    c, &s[k], slot, a->interval_s, share_of(a, seen->id, c, i));
		}
		now = alarm_eval(&p->conds, s);
		count(seen, was, now, at_s, a->interval_s);
		was = now;
	}
}

/* ---- the answer ---- */

static int
by_weight(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;

	if (x->raised_s != y->raised_s)
		return x->raised_s < y->raised_s ? 1 : -1;
	return (x->id.v > y->id.v) - (x->id.v < y->id.v);
}

static json *
seen_json(const struct preview *p, const struct seen *s)
{
	json *j = json_new_object();
	char text[32];

	inv_json_id(j, "object", s->id);
	json_set_str(j, "name", inv_name(p->a->inv, s->id));
	json_set_u64(j, "yellow", s->yellow);
	json_set_u64(j, "red", s->red);
	json_set_u64(j, "raised_s", s->raised_s);
	json_set_str(j, "last", clock_text(s->last_s * MS_PER_S, text));
	return j;
}

static void
answer(struct preview *p)
{
	AUTO(json) json *j = json_new_object();
	json *objects = json_new_array(), *passed = json_new_array();
	uint64_t yellow = 0, red = 0;

	qsort(p->seen, p->n, sizeof(*p->seen), by_weight);
	for (size_t i = 0; i < p->n; i++) {
		const struct seen *s = &p->seen[i];

		yellow += s->yellow;
		red += s->red;
		if (s->last_s && json_count(objects) < OBJECTS_SHOWN)
			json_add_json(objects, seen_json(p, s));
	}
	for (size_t i = 0; i < p->conds.n; i++) {
		if (p->conds.v[i].type != ALARM_COUNTER)
			json_add_u64(passed, i);
	}
	json_set_u64(j, "days", p->days);
	json_set_u64(j, "watched", p->n);
	json_set_u64(j, "yellow", yellow);
	json_set_u64(j, "red", red);
	json_set_json(j, "objects", objects);
	json_set_json(j, "not_played", passed);
	p->done(p->arg, 0, NULL, j);
	preview_free(p);
}

/* ---- some objects after the other ---- */

static void on_rows(
    void *arg, int rc, const struct err *e, const struct stat_answer *a);

static int
ask_next(struct preview *p, struct err *e)
{
	size_t n = p->n - p->asked;
	struct stat_ask ask = {
		.ids = p->ids + p->asked,
		.n_ids = n < OBJECTS_AT_ONCE ? n : OBJECTS_AT_ONCE,
		.counters = p->counters,
		.n_counters = p->n_counters,
		.want = { .start_s = p->start_s,
		    .end_s = p->end_s,
		    .interval_s = ROW_S },
	};

	p->asked += ask.n_ids;
	return stats_query(p->a->stats, &ask, on_rows, p, e);
}

static void
on_rows(void *arg, int rc, const struct err *asked, const struct stat_answer *a)
{
	struct preview *p = arg;
	struct err e = ERR_INIT;
	size_t first = p->asked - (p->asked - 1) % OBJECTS_AT_ONCE - 1;

	if (rc)
		e = *asked;
	for (size_t i = first; !rc && i < p->asked; i++)
		play(p, a, &p->seen[i]);
	if (!rc && p->asked < p->n)
		rc = ask_next(p, &e);
	else if (!rc) {
		answer(p);
		return;
	}
	if (!rc)
		return;
	p->done(p->arg, rc, &e, NULL);
	preview_free(p);
}

/* ---- what is asked ---- */

static void
add_counter(struct preview *p, uint32_t counter)
{
	for (size_t i = 0; i < p->n_counters; i++) {
		if (p->counters[i] == counter)
			return;
	}
	if (counter && p->n_counters < ARRAY_SIZE(p->counters))
		p->counters[p->n_counters++] = (uint8_t)counter;
}

static void
add_objects(struct preview *p, obj_id entity, enum obj_kind kind)
{
	const struct inv *inv = p->a->inv;

	p->ids = xcalloc(inv_count(inv, kind) + 1, sizeof(*p->ids));
	INV_EACH(inv, kind, o)
	{
		if (p->n < OBJECTS_MAX && alarm_book_covers(inv, entity, kind, o->id))
			p->ids[p->n++] = o->id;
	}
	p->seen = xcalloc(p->n + 1, sizeof(*p->seen));
	for (size_t i = 0; i < p->n; i++)
		p->seen[i].id = p->ids[i];
}

static int
read_ask(
    struct preview *p, const struct alarm_preview_ask *ask, int target, struct err *e)
{
	int match = alarm_match_parse(ask->match ? ask->match : "any");
	int rc;

	if (match < 0)
		return err_set(e, ERR_INVALID, "match: wants any or all, got \"%.40s\"",
		    ask->match);
	rc =
	    alarm_conds_parse(ask->conditions, (enum alarm_target)target, &p->conds, e);
	if (rc)
		return rc;
	p->conds.match = (enum alarm_match)match;
	for (size_t i = 0; i < p->conds.n; i++) {
		if (p->conds.v[i].type != ALARM_COUNTER)
			continue;
		add_counter(p, p->conds.v[i].counter);
		add_counter(p, p->conds.v[i].of);
	}
	if (!p->n_counters || !p->a->stats)
		return err_set(e, ERR_UNSUPPORTED,
		    "conditions: none is on a counter, and only these leave a past that "
		    "can be played");
	return 0;
}

int
alarms_preview(struct alarms *a, const struct alarm_preview_ask *ask,
    alarm_preview_fn done, void *arg, struct err *e)
{
	int target = ask->target ? alarm_target_parse(ask->target) : -1;
	struct preview *p;
	int rc;

	if (target < 0)
		return err_set(e, ERR_INVALID,
		    "target: wants vm, host, cluster, pool, datastore or server");
	p = xcalloc(1, sizeof(*p));
	list_add_tail(&a->previews, &p->node);
	p->a = a;
	p->done = done;
	p->arg = arg;
	p->days = ask->days;
	p->end_s = clock_wall_ms(loop_clock(a->loop)) / MS_PER_S;
	p->start_s = p->end_s - (uint64_t)ask->days * S_PER_DAY;
	rc = read_ask(p, ask, target, e);
	if (!rc)
		add_objects(
		    p, ask->entity, alarm_target_kind((enum alarm_target)target));
	if (!rc && !p->n)
		rc = err_set(e, ERR_NOT_FOUND, "entity: no %s is in it", ask->target);
	if (!rc)
		rc = ask_next(p, e);
	if (rc)
		preview_free(p);
	return rc;
}

/* The statistics have been closed before: no answer comes any more. */
void
alarm_preview_drop(struct alarms *a)
{
	LIST_EACH_SAFE(struct preview, p, &a->previews, node) {
		preview_free(p);
	}
}

/*
 * alarm_watch: what objects have come to under the definitions that are for them.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_parse.h"
#include "server/event/event.h"
#include "server/inventory/inv_json.h"
#include "server/stats/stats.h"

#define MS_PER_S 1000u
#define LOOKS    2000u /* at watches, in one turn */

static uint64_t
wall_ms(const struct alarms *a)
{
	return clock_wall_ms(loop_clock(a->loop));
}

/* ---- watches of an object ---- */

/* Go on from where the server before left off. */
static void
recall(struct alarm_watch *w, const struct alarm *al)
{
	size_t n = w->rule->conds.n;

	if (!al)
		return;
	w->alarm = al->o.id;
	w->shown = al->status;
	w->resets = al->resets;
	if (!al->levels || strlen(al->levels) != n)
		return;
	for (size_t i = 0; i < n; i++) {
		struct alarm_state *s = &w->s[i];

		s->level = (enum alarm_status)(al->levels[i] - '0');
		s->red = s->level == ALARM_RED;
		s->yellow = s->level >= ALARM_YELLOW;
	}
}

static void
look_after(struct alarms *a, struct alarm_watch *w)
{
	if (!list_linked(&w->live))
		list_add_tail(&a->live, &w->live);
}

static void
watch_new(struct alarms *a, const struct alarm_rule *r, struct alarm_object *o)
{
	struct alarm_watch *w =
	    xcalloc(1, sizeof(*w) + r->conds.n * sizeof(struct alarm_state));
	const struct alarm *al = inv_alarm(a->inv, alarm_raised(a, r->id, o->id));

	w->rule = r;
	w->of = o;
	w->shown = ALARM_GREEN;
	for (size_t i = 0; i < r->conds.n; i++)
		if (r->conds.v[i].type == ALARM_EVENT)
			w->s[i].level = ALARM_GREEN;
	recall(w, al);
	/* Time without samples counts from now on. */
	for (size_t i = 0; al && a->stats && i < r->conds.n; i++)
		w->s[i].slot = wall_ms(a) / MS_PER_S / stats_step_s(a->stats) - 1;
	list_add_tail(&o->watches, &w->node);
	if (al)
		look_after(a, w);
}

static void
watch_drop(struct alarm_watch *w)
{
	list_remove(&w->node);
	list_remove(&w->changed);
	list_remove(&w->live);
	free(w);
}

static struct alarm_watch *
find_in(const struct alarm_object *o, obj_id definition)
{
	LIST_EACH(struct alarm_watch, w, &o->watches, node) {
		if (obj_id_is(w->rule->id, definition))
			return w;
	}
	return NULL;
}

static void
renew(struct alarms *a, struct alarm_object *o)
{
	MAP_EACH(a->rules, it) {
		const struct alarm_rule *r = it.value;
		struct alarm_watch *w = find_in(o, r->id);
		bool covers = obj_id_none(o->id) ? r->kind == KIND_NONE
						 : alarm_book_covers(a->inv, r->entity,
						       r->kind, o->id);

		if (covers && !w)
			watch_new(a, r, o);
		if (!covers && w)
			watch_drop(w);
	}
	o->round = a->round;
}

static bool
is_watched(const struct alarms *a, obj_id id)
{
	switch (obj_id_kind(id)) {
	case KIND_NONE:
		return true;
	case KIND_VM:
	case KIND_HOST:
	case KIND_CLUSTER:
	case KIND_POOL:
	case KIND_DATASTORE:
		return inv_get(a->inv, id) != NULL;
	default:
		return false;
	}
}

struct alarm_object *
alarm_object_get(struct alarms *a, obj_id id)
{
	struct alarm_object *o = map_get(a->objects, id.v);

	if (!o) {
		if (!is_watched(a, id))
			return NULL;
		o = xcalloc(1, sizeof(*o));
		o->id = id;
		list_init(&o->watches);
		map_put(a->objects, id.v, o);
	}
	if (o->round != a->round)
		renew(a, o);
	return o;
}

void
alarm_object_drop(struct alarms *a, struct alarm_object *o)
{
	map_del(a->objects, o->id.v);
	LIST_EACH_SAFE(struct alarm_watch, w, &o->watches, node) {
		watch_drop(w);
	}
	free(o);
}

struct alarm_watch *
alarm_watch_find(struct alarms *a, obj_id definition, obj_id entity)
{
	const struct alarm_object *o = map_get(a->objects, entity.v);

	return o ? find_in(o, definition) : NULL;
}

void
alarm_watch_drop_rule(struct alarms *a, const struct alarm_rule *r)
{
	MAP_EACH(a->objects, it) {
		const struct alarm_object *o = it.value;
		struct alarm_watch *w = find_in(o, r->id);

		if (w)
			watch_drop(w);
	}
}

/* ---- what moves them ---- */

enum alarm_status
alarm_watch_status(const struct alarm_watch *w)
{
	return alarm_eval(&w->rule->conds, w->s);
}

/* What is not raised is as good as green. */
static enum alarm_status
shown_as(enum alarm_status s)
{
	return s < ALARM_YELLOW ? ALARM_GREEN : s;
}

static bool
waits(const struct alarm_watch *w)
{
	for (size_t i = 0; i < w->rule->conds.n; i++) {
		if (alarm_eval_waits(&w->rule->conds.v[i], &w->s[i]))
			return true;
	}
	return false;
}

void
alarm_watch_judge(struct alarms *a, struct alarm_watch *w)
{
	enum alarm_status now = shown_as(alarm_watch_status(w));

	if (waits(w) || (w->rule->counts && now > ALARM_GREEN))
		look_after(a, w);
	if (now == shown_as(w->shown) || list_linked(&w->changed))
		return;
	list_add_tail(&a->changed, &w->changed);
	alarm_write_soon(a);
}

/* A share in nothing is no value. */
static float
value_at(const struct alarms *a, const struct alarm_cond *c, obj_id id, uint64_t slot)
{
	float v = stats_sample(a->stats, id, slot, c->counter);
	float of = c->of ? stats_sample(a->stats, id, slot, c->of) : 1;

	if (!c->of)
		return v;
	return of > 0 ? 100 * v / of : NAN;
}

void
alarm_watch_sample(void *alarms, obj_id id, uint64_t slot)
{
	struct alarms *a = CAST_OBJ(alarms, alarms, ALARMS_MAGIC);
	struct alarm_object *o = alarm_object_get(a, id);
	uint32_t step_s = stats_step_s(a->stats);

	if (!o)
		return;
	LIST_EACH(struct alarm_watch, w, &o->watches, node) {
		const struct alarm_conds *c = &w->rule->conds;

		if (!w->rule->counts)
			continue;
		for (size_t i = 0; i < c->n; i++)
			if (c->v[i].type == ALARM_COUNTER)
				alarm_eval_sample(&c->v[i], &w->s[i], slot, step_s,
				    value_at(a, &c->v[i], id, slot));
		alarm_watch_judge(a, w);
	}
}

static void
look_at_states(struct alarms *a, struct alarm_watch *w)
{
	const struct obj *o = inv_get(a->inv, w->of->id);
	const struct vm *vm = inv_vm(a->inv, w->of->id);
	const struct alarm_conds *c = &w->rule->conds;

	for (size_t i = 0; o && i < c->n; i++) {
		char text[64];

		if (c->v[i].type == ALARM_STATE)
			alarm_eval_state(&c->v[i], &w->s[i],
			    field_text(o, c->v[i].field, text), wall_ms(a));
		if (c->v[i].type == ALARM_COUNTER && vm && vm->power_state != POWER_ON)
			alarm_eval_unknown(&w->s[i]);
	}
	alarm_watch_judge(a, w);
}

void
alarm_watch_states(struct alarms *a, struct alarm_object *o)
{
	LIST_EACH(struct alarm_watch, w, &o->watches, node) {
		if (w->rule->fields)
			look_at_states(a, w);
	}
}

void
alarm_watch_event(const json *event, void *alarms)
{
	struct alarms *a = CAST_OBJ(alarms, alarms, ALARMS_MAGIC);
	const json *entity = json_get(event, "entity");
	const char *type = json_str_value(json_get(event, "type"), NULL);
	obj_id id = OBJ_ID_NONE;
	struct err e = ERR_INIT;

	if (entity && json_what(entity) == JSON_IS_STR &&
	    obj_id_parse(json_str_value(entity, NULL), KIND_NONE, &id, &e))
		return;
	/* What is said of a rule is said of its cluster. */
	if (obj_id_kind(id) == KIND_RULE)
		id = inv_ancestor(a->inv, id, KIND_CLUSTER);
	struct alarm_object *o = alarm_object_get(a, id);

	if (!o)
		return;
	LIST_EACH(struct alarm_watch, w, &o->watches, node) {
		const struct alarm_conds *c = &w->rule->conds;
		bool named = false;

		for (size_t i = 0; i < c->n; i++)
			named |= alarm_eval_event(&c->v[i], &w->s[i], type);
		if (named)
			alarm_watch_judge(a, w);
	}
}

static void
look_at(struct alarms *a, struct alarm_watch *w)
{
	uint32_t step_s = a->stats ? stats_step_s(a->stats) : 1;
	uint64_t slot = wall_ms(a) / MS_PER_S / step_s;
	const struct alarm_conds *c = &w->rule->conds;

	for (size_t i = 0; i < c->n; i++)
		alarm_eval_gap(&c->v[i], &w->s[i], slot, step_s);
	if (w->rule->fields)
		look_at_states(a, w);
	else
		alarm_watch_judge(a, w);
	if (!waits(w) && w->shown <= ALARM_GREEN && !list_linked(&w->changed))
		list_remove(&w->live);
}

void
alarm_watch_look(void *alarms)
{
	struct alarms *a = CAST_OBJ(alarms, alarms, ALARMS_MAGIC);

	for (unsigned n = 0; n < LOOKS && !list_empty(&a->due); n++) {
		struct alarm_watch *w = LIST_FIRST(struct alarm_watch, &a->due, live);

		list_remove(&w->live);
		list_add_tail(&a->live, &w->live);
		look_at(a, w);
	}
	if (!list_empty(&a->due))
		timer_after(a->look, 0);
}

void
alarm_watch_tick(struct alarms *a)
{
	/* Those of the second before come first. */
	if (list_empty(&a->due))
		list_move(&a->due, &a->live);
	alarm_watch_look(a);
}

void
alarm_watch_reset(struct alarms *a, const struct alarm *al)
{
	struct alarm_watch *w = alarm_watch_find(a, al->definition, al->entity);

	if (!w || w->resets == al->resets)
		return;
	w->resets = al->resets;
	for (size_t i = 0; i < w->rule->conds.n; i++)
		alarm_eval_reset(&w->rule->conds.v[i], &w->s[i]);
	alarm_watch_judge(a, w);
}

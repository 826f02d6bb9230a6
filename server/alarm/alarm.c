#include "server/alarm/alarm.h"

#include "base/assert.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_send.h"
#include "server/event/event.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"
#include "server/stats/stats.h"

#define WALK_OBJECTS 500u /* looked at in one turn */
#define WALK_MS      1u
#define TIDY_TICKS   10u

static struct alarms *
alarms_of(void *arg)
{
	return CAST_OBJ(alarms, arg, ALARMS_MAGIC);
}

/* ---- every object once ---- */

static const enum obj_kind walked[] = { KIND_CLUSTER, KIND_HOST, KIND_POOL, KIND_VM,
	KIND_DATASTORE };

/* The one after id in the order of the walk, or NULL. */
static const struct obj *
next_object(const struct inv *inv, obj_id id)
{
	size_t i = 0;
	const struct obj *o;

	while (!obj_id_none(id) && walked[i] != obj_id_kind(id))
		i++;
	o = inv_next(inv, walked[i], id);
	while (!o && ++i < ARRAY_SIZE(walked))
		o = inv_next(inv, walked[i], OBJ_ID_NONE);
	return o;
}

static void
on_walk(void *arg)
{
	struct alarms *a = alarms_of(arg);
	const struct obj *o = NULL;

	for (unsigned n = 0; n < WALK_OBJECTS; n++) {
		struct alarm_object *watched;

		o = next_object(a->inv, a->at);
		if (!o)
			break;
		a->at = o->id;
		watched = alarm_object_get(a, o->id);
		if (watched)
			alarm_watch_states(a, watched);
	}
	a->walking = o != NULL;
	if (a->walking)
		timer_after(a->walk, WALK_MS);
}

static void
walk_again(struct alarms *a)
{
	a->at = OBJ_ID_NONE;
	a->round++;
	a->untidy = true;
	(void)alarm_object_get(a, OBJ_ID_NONE);
	if (!a->walking)
		timer_after(a->walk, WALK_MS);
	a->walking = true;
}

/* ---- news ---- */

static void
take_set(struct alarms *a, const struct change *c)
{
	enum obj_kind kind = obj_id_kind(c->id);
	bool moved = kind == KIND_VM && (c->fields & a->place_fields);
	struct alarm_object *o;

	if (!moved && !(c->fields & a->kinds_fields[kind]))
		return;
	if (moved) {
		o = map_get(a->objects, c->id.v);
		if (o)
			o->round = 0;
		a->untidy = true;
	}
	o = alarm_object_get(a, c->id);
	if (o)
		alarm_watch_states(a, o);
}

static void
take_alarm(struct alarms *a, const struct change *c)
{
	const struct alarm *al = inv_alarm(a->inv, c->id);

	if (!al) {
		alarm_raised_forget(a, c->id);
		return;
	}
	alarm_raised_note(a, al);
	alarm_watch_reset(a, al);
}

/* What it has come to so far is forgotten only if it is about something else now. */
static void
take_definition(struct alarms *a, const struct change *c)
{
	if (c->kind == CHANGE_SET && !(c->fields & a->rule_fields))
		return;
	alarm_book_take(a, c->id);
	walk_again(a);
}

static void
take_gone(struct alarms *a, obj_id id)
{
	struct alarm_object *o = map_get(a->objects, id.v);

	if (o)
		alarm_object_drop(a, o);
	a->untidy = true;
}

static void
take_change(struct alarms *a, const struct change *c)
{
	switch (obj_id_kind(c->id)) {
	case KIND_ALARMDEF:
		take_definition(a, c);
		return;
	case KIND_ALARM:
		take_alarm(a, c);
		return;
	case KIND_VM:
	case KIND_HOST:
	case KIND_CLUSTER:
	case KIND_POOL:
	case KIND_DATASTORE:
	case KIND_FOLDER:
	case KIND_DATACENTER:
		break;
	default:
		return;
	}
	if (c->kind == CHANGE_DEL) {
		take_gone(a, c->id);
		return;
	}
	/* What is in it comes under others with it. */
	if (c->kind == CHANGE_SET && obj_id_kind(c->id) != KIND_VM &&
	    (c->fields & CHANGE_PARENT_FIELD))
		walk_again(a);
	if (c->kind == CHANGE_ADD) {
		struct alarm_object *o = alarm_object_get(a, c->id);

		if (o)
			alarm_watch_states(a, o);
		return;
	}
	take_set(a, c);
}

static void
on_feed(void *arg)
{
	struct alarms *a = alarms_of(arg);
	const struct change *c;
	uint64_t i = 0;

	/* More has changed than the feed keeps: everything is looked at. */
	if (!feed_reaches(a->inv, a->feed_rev))
		walk_again(a);
	else
		while ((c = feed_after(a->inv, a->feed_rev, i++)) != NULL)
			take_change(a, c);
	a->feed_rev = inv_rev(a->inv);
}

static void
on_tick(void *arg)
{
	struct alarms *a = alarms_of(arg);

	alarm_watch_tick(a);
	/* Silence may have ended. */
	if (++a->ticks % TIDY_TICKS == 0 && map_count(a->raised))
		a->untidy = true;
	alarm_write_soon(a);
}

/* ---- life ---- */

static uint64_t
field_bit(enum obj_kind kind, const char *name)
{
	const struct field *f = field_find(kind, name);

	ASSERT(f);
	return 1ULL << f->index;
}

static void
start(struct alarms *a)
{
	static const char *const of_rule[] = { "entity", "target", "enabled", "match",
		"conditions" };

	a->tick = timer_new(a->loop, on_tick, a);
	a->look = timer_new(a->loop, alarm_watch_look, a);
	a->walk = timer_new(a->loop, on_walk, a);
	a->write = timer_new(a->loop, alarm_write_now, a);
	a->place_fields = field_bit(KIND_VM, "host") | field_bit(KIND_VM, "pool") |
			  CHANGE_PARENT_FIELD;
	for (size_t i = 0; i < ARRAY_SIZE(of_rule); i++)
		a->rule_fields |= field_bit(KIND_ALARMDEF, of_rule[i]);
	INV_EACH(a->inv, KIND_ALARM, o)
	{
		alarm_raised_note(a, inv_alarm(a->inv, o->id));
	}
	alarm_book_open(a);
	a->feed_rev = inv_rev(a->inv);
	feed_follow(a->inv, on_feed, a);
	event_follow(a->inv, alarm_watch_event, a);
	if (a->stats)
		stats_follow(a->stats, alarm_watch_sample, a);
	INV_EACH(a->inv, KIND_ALARM, o)
	{
		alarm_send_due(a->sender, inv_alarm(a->inv, o->id));
	}
	walk_again(a);
	timer_every(a->tick, ALARM_TICK_MS);
	alarm_default_make(a);
}

struct alarms *
alarms_new(const struct alarm_opts *o)
{
	struct alarms *a = xcalloc(1, sizeof(*a));

	a->magic = ALARMS_MAGIC;
	a->inv = o->inv;
	a->stats = o->stats;
	a->loop = inv_loop(o->inv);
	a->rules = map_new_u64();
	a->objects = map_new_u64();
	a->raised = map_new_str();
	a->raised_by_id = map_new_u64();
	list_init(&a->changed);
	list_init(&a->live);
	list_init(&a->due);
	list_init(&a->previews);
	a->sender = alarm_sender_new(a, o);
	start(a);
	return a;
}

void
alarms_close(struct alarms *a)
{
	alarm_sender_close(a->sender);
}

void
alarms_free(struct alarms *a)
{
	if (!a)
		return;
	feed_unfollow(a->inv, on_feed, a);
	event_unfollow(a->inv, alarm_watch_event, a);
	if (a->stats)
		stats_follow(a->stats, NULL, NULL);
	alarm_preview_drop(a);
	alarm_sender_free(a->sender);
	alarm_write_drop(a);
	timer_free(a->tick);
	timer_free(a->look);
	timer_free(a->walk);
	timer_free(a->write);
	MAP_EACH(a->objects, it)
		alarm_object_drop(a, it.value);
	alarm_book_close(a);
	alarm_raised_drop(a);
	map_free(a->objects);
	map_free(a->rules);
	a->magic = 0;
	free(a);
}

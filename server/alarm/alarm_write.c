/*
 * alarm_write: alarms as they are stored.  One transaction at a time has all that has
 * come up since the last one, so that nothing is undone by a copy that is older.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/alarm/alarm_due.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_parse.h"
#include "server/alarm/alarm_send.h"
#include "server/db/db.h"
#include "server/event/event.h"

#define BATCH_MAX 100u
#define TIDY_MAX  1000u /* alarms that are looked at in one turn */
#define SOON_MS   1u

/* A watch whose status is on its way into the database. */
struct turn {
	obj_id definition, entity, alarm;
	enum alarm_status status;
};

struct alarm_batch {
	struct alarms *a;
	struct turn v[BATCH_MAX];
	size_t n;
	struct list ends; /* struct alarm_end */
	size_t n_ends, n_gone;
};

static uint64_t
wall_ms(const struct alarms *a)
{
	return clock_wall_ms(loop_clock(a->loop));
}

/* ---- which alarms there are ---- */

const char *
alarm_key(obj_id definition, obj_id entity, char buf[ALARM_KEY_TEXT])
{
	char a[OBJ_ID_TEXT], b[OBJ_ID_TEXT];

	snprintf(buf, ALARM_KEY_TEXT, "%s/%s", obj_id_text(definition, a),
	    obj_id_text(entity, b));
	return buf;
}

/* An alarm there is, under both its names. */
struct alarm_raised {
	obj_id alarm;
	char key[ALARM_KEY_TEXT];
};

obj_id
alarm_raised(const struct alarms *a, obj_id definition, obj_id entity)
{
	char key[ALARM_KEY_TEXT];
	const struct alarm_raised *r =
	    map_get_str(a->raised, alarm_key(definition, entity, key));

	return r ? r->alarm : OBJ_ID_NONE;
}

void
alarm_raised_note(struct alarms *a, const struct alarm *al)
{
	struct alarm_raised *r = map_get(a->raised_by_id, al->o.id.v);

	/* What it is about stays as it is. */
	if (r)
		return;
	r = xcalloc(1, sizeof(*r));
	r->alarm = al->o.id;
	alarm_key(al->definition, al->entity, r->key);
	map_put(a->raised_by_id, r->alarm.v, r);
	map_put_str(a->raised, r->key, r);
}

void
alarm_raised_forget(struct alarms *a, obj_id alarm)
{
	struct alarm_raised *r = map_del(a->raised_by_id, alarm.v);

	if (!r)
		return;
	/* Another one may have its name by now. */
	if (map_get_str(a->raised, r->key) == r)
		map_del_str(a->raised, r->key);
	free(r);
}

void
alarm_raised_drop(struct alarms *a)
{
	MAP_EACH(a->raised_by_id, it)
		free(it.value);
	map_free(a->raised_by_id);
	map_free(a->raised);
}

bool
alarm_is_silent(const struct alarms *a, const struct alarm *al)
{
	const struct alarm_def *d = inv_alarm_def(a->inv, al->definition);
	uint64_t now = wall_ms(a);

	return al->silenced_until > now || (d && d->silenced_until > now);
}

/* ---- what goes into one transaction ---- */

static const char *
entity_name(const struct alarms *a, obj_id entity)
{
	return obj_id_none(entity) ? "the server" : inv_name(a->inv, entity);
}

/* Nobody has to know of it any more. */
static bool
is_over(const struct alarms *a, const struct alarm *al)
{
	return al->status < ALARM_YELLOW && !al->due &&
	       al->silenced_until <= wall_ms(a);
}

static void
take_ends(struct alarms *a, struct txn *t, struct alarm_batch *b)
{
	LIST_EACH_SAFE(struct alarm_end, end, alarm_send_ends(a->sender), node) {
		struct alarm *al;

		if (b->n_ends == BATCH_MAX)
			return;
		b->n_ends++;
		al = txn_edit(t, end->alarm);
		list_remove(&end->node);
		list_add_tail(&b->ends, &end->node);
		if (!al)
			continue;
		alarm_due_strike(al, end->turn, end->action);
		if (end->rc)
			txn_event(t, EV_ALARM_ACTION_FAILED, al->entity, OBJ_ID_NONE,
			    NULL, "Action \"%s\" of alarm \"%s\" failed: %s",
			    end->action, al->o.name, end->msg);
		if (is_over(a, al))
			txn_del(t, end->alarm);
	}
}

static void
set_levels(struct alarm *al, const struct alarm_watch *w)
{
	char text[ALARM_CONDS_MAX + 1] = "";

	for (size_t i = 0; i < w->rule->conds.n && i < ALARM_CONDS_MAX; i++)
		text[i] = (char)('0' + (int)w->s[i].level);
	text_set(&al->levels, text);
}

static void
forget_acknowledgement(struct alarm *al)
{
	al->acknowledged = false;
	al->acknowledged_at = 0;
	text_set(&al->acknowledged_by, NULL);
}

static void
turn_alarm(
    struct alarms *a, struct txn *t, struct alarm *al, const struct alarm_watch *w)
{
	const struct alarm_def *d = inv_alarm_def(a->inv, w->rule->id);
	enum alarm_status was = al->status < ALARM_YELLOW ? ALARM_GREEN : al->status;
	enum alarm_status now = alarm_watch_status(w);
	AUTO(str) struct str reason = STR_INIT;
	size_t cause = alarm_eval_cause(&w->rule->conds, w->s, now);

	alarm_cond_tell(&w->rule->conds.v[cause], &w->s[cause], &reason);
	al->status = now;
	al->since = wall_ms(a);
	al->turns++;
	text_set(&al->reason, str_cstr(&reason));
	set_levels(al, w);
	/* What somebody knew of was not as bad, or is over. */
	if (now > was || now < ALARM_YELLOW)
		forget_acknowledgement(al);
	if (d && !alarm_is_silent(a, al))
		alarm_due_add(al, d, was);
	txn_event(t, now >= ALARM_YELLOW ? EV_ALARM_STATUS : EV_ALARM_CLEARED,
	    al->entity, OBJ_ID_NONE, NULL, "Alarm \"%s\" on %s is %s, was %s: %s",
	    al->o.name, al->entity_name, alarm_status_text(now), alarm_status_text(was),
	    str_cstr(&reason));
}

/* The alarm to write to; NULL: it cannot be made. */
static struct alarm *
alarm_for(struct alarms *a, struct txn *t, const struct alarm_watch *w)
{
	/* The feed may not have told of it yet. */
	obj_id id =
	    obj_id_none(w->alarm) ? alarm_raised(a, w->rule->id, w->of->id) : w->alarm;
	struct alarm *al = inv_alarm(a->inv, id) ? txn_edit(t, id) : NULL;
	struct err e = ERR_INIT;
	void *made;

	if (al)
		return al;
	if (txn_add(
		t, KIND_ALARM, OBJ_ID_NONE, inv_name(a->inv, w->rule->id), &made, &e)) {
		log_warn("alarm", "cannot raise an alarm: %s", e.msg);
		return NULL;
	}
	al = made;
	al->definition = w->rule->id;
	al->entity = w->of->id;
	al->entity_name = xstrdup(entity_name(a, w->of->id));
	al->status = ALARM_GREEN;
	al->resets = w->resets;
	return al;
}

static void
take_watch(
    struct alarms *a, struct txn *t, struct alarm_batch *b, struct alarm_watch *w)
{
	enum alarm_status now = alarm_watch_status(w);
	struct alarm *al;

	/* It has come back meanwhile. */
	if (now == w->shown || (now < ALARM_YELLOW && w->shown < ALARM_YELLOW))
		return;
	al = alarm_for(a, t, w);
	if (!al)
		return;
	turn_alarm(a, t, al, w);
	b->v[b->n++] = (struct turn){ w->rule->id, w->of->id, al->o.id, now };
	if (is_over(a, al))
		txn_del(t, al->o.id);
}

static void
take_changes(struct alarms *a, struct txn *t, struct alarm_batch *b)
{
	LIST_EACH_SAFE(struct alarm_watch, w, &a->changed, changed) {
		if (b->n == BATCH_MAX)
			return;
		list_remove(&w->changed);
		take_watch(a, t, b, w);
	}
}

/* Is what it is about still watched? */
static bool
is_watched(const struct alarms *a, const struct alarm *al)
{
	const struct alarm_rule *r = map_get(a->rules, al->definition.v);

	if (!r)
		return false;
	return obj_id_none(al->entity)
		   ? r->kind == KIND_NONE
		   : inv_get(a->inv, al->entity) &&
			 alarm_book_covers(a->inv, r->entity, r->kind, al->entity);
}

/* False: the batch has room for no more. */
static bool
take_one_gone(
    struct alarms *a, struct txn *t, struct alarm_batch *b, const struct alarm *al)
{
	const struct alarm *now = (const struct alarm *)txn_view(t, al->o.id);
	bool watched = is_watched(a, al);

	if (!now || (watched && !is_over(a, now)))
		return true;
	if (b->n_gone == BATCH_MAX)
		return false;
	b->n_gone++;
	if (!watched && al->status >= ALARM_YELLOW)
		txn_event(t, EV_ALARM_CLEARED, al->entity, OBJ_ID_NONE, NULL,
		    "Alarm \"%s\" on %s is no longer watched", al->o.name,
		    al->entity_name);
	txn_del(t, al->o.id);
	return true;
}

static void
take_gone(struct alarms *a, struct txn *t, struct alarm_batch *b)
{
	if (a->untidy && !a->tidying) {
		a->untidy = false;
		a->tidying = true;
		a->tidied_to = OBJ_ID_NONE;
	}
	for (unsigned n = 0; a->tidying && n < TIDY_MAX; n++) {
		const struct obj *o = inv_next(a->inv, KIND_ALARM, a->tidied_to);

		a->tidying = o != NULL;
		if (!o || !take_one_gone(a, t, b, inv_alarm(a->inv, o->id)))
			return;
		a->tidied_to = o->id;
	}
}

/* Is there anything that may have to be stored? */
static bool
has_news(const struct alarms *a)
{
	return !list_empty(&a->changed) || !list_empty(alarm_send_ends(a->sender)) ||
	       a->untidy || a->tidying;
}

/* ---- and out again ---- */

static void
settle(struct alarms *a, const struct turn *turn)
{
	struct alarm_watch *w = alarm_watch_find(a, turn->definition, turn->entity);
	const struct alarm *al = inv_alarm(a->inv, turn->alarm);

	if (al)
		alarm_send_due(a->sender, al);
	if (!w)
		return;
	w->shown = turn->status;
	w->alarm = al ? turn->alarm : OBJ_ID_NONE;
	alarm_watch_judge(a, w);
}

/* Nothing was stored: all of it comes again. */
static void
take_back(struct alarms *a, struct alarm_batch *b)
{
	LIST_EACH_SAFE(struct alarm_end, end, &b->ends, node) {
		list_remove(&end->node);
		list_add_tail(alarm_send_ends(a->sender), &end->node);
	}
	a->untidy = true;
	for (size_t i = 0; i < b->n; i++) {
		struct alarm_watch *w =
		    alarm_watch_find(a, b->v[i].definition, b->v[i].entity);

		if (w)
			alarm_watch_judge(a, w);
	}
}

static void
on_written(void *arg, int rc, const struct err *e)
{
	AUTO_FREE struct alarm_batch *b = arg;
	struct alarms *a = b->a;

	a->batch = NULL;
	if (rc) {
		log_warn("alarm", "alarms cannot be stored: %s", e->msg);
		take_back(a, b);
		return;
	}
	LIST_EACH_SAFE(struct alarm_end, end, &b->ends, node) {
		alarm_end_free(end);
	}
	for (size_t i = 0; i < b->n; i++)
		settle(a, &b->v[i]);
	if (has_news(a))
		alarm_write_soon(a);
}

void
alarm_write_now(void *alarms)
{
	struct alarms *a = CAST_OBJ(alarms, alarms, ALARMS_MAGIC);
	struct alarm_batch *b;
	struct txn *t;

	/* Asked again every second. */
	if (a->batch || !db_is_up(inv_db(a->inv)) || !has_news(a))
		return;
	t = txn_new(a->inv);
	b = xcalloc(1, sizeof(*b));
	b->a = a;
	list_init(&b->ends);
	take_ends(a, t, b);
	take_changes(a, t, b);
	take_gone(a, t, b);
	if (!b->n && !b->n_ends && !b->n_gone) {
		txn_free(t);
		free(b);
		if (has_news(a))
			alarm_write_soon(a);
		return;
	}
	a->batch = b;
	txn_commit(t, on_written, b);
}

void
alarm_write_drop(struct alarms *a)
{
	struct alarm_batch *b = MOVE(a->batch);

	if (!b)
		return;
	LIST_EACH_SAFE(struct alarm_end, end, &b->ends, node) {
		alarm_end_free(end);
	}
	free(b);
}

void
alarm_write_soon(struct alarms *a)
{
	timer_after(a->write, SOON_MS);
}

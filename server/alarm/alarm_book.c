/*
 * alarm_book: the definitions, as they are worked with.
 */
#include "base/log.h"
#include "server/alarm/alarm_int.h"
#include "server/alarm/alarm_parse.h"
#include "server/inventory/inv_json.h"

/* Folders and pools in one another: more than anybody may make. */
#define DEPTH_MAX 64u

static bool
is_in(const struct inv *inv, obj_id entity, obj_id id)
{
	const struct obj *o = inv_get(inv, id);

	for (unsigned deep = 0; o && deep < DEPTH_MAX; deep++) {
		if (obj_id_is(o->id, entity))
			return true;
		o = inv_get(inv, o->parent);
	}
	return false;
}

bool
alarm_book_covers(const struct inv *inv, obj_id entity, enum obj_kind kind, obj_id id)
{
	const struct vm *vm = inv_vm(inv, id);

	if (obj_id_kind(id) != kind)
		return false;
	if (obj_id_none(entity) || is_in(inv, entity, id))
		return true;
	/* A guest is in its folder, on its host and in its pool. */
	return vm && (is_in(inv, entity, vm->host) || is_in(inv, entity, vm->pool));
}

static void
rule_free(struct alarm_rule *r)
{
	alarm_conds_fini(&r->conds);
	free(r);
}

static void
note_fields(struct alarm_rule *r)
{
	for (size_t i = 0; i < r->conds.n; i++) {
		const struct alarm_cond *c = &r->conds.v[i];

		if (c->type == ALARM_COUNTER)
			r->counts = true;
		if (c->type == ALARM_STATE && c->field->index < 64)
			r->fields |= 1ULL << c->field->index;
	}
	if (r->counts && r->kind == KIND_VM)
		r->fields |= 1ULL << field_find(KIND_VM, "power_state")->index;
}

static void
sum_fields(struct alarms *a)
{
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		a->kinds_fields[k] = 0;
	MAP_EACH(a->rules, it) {
		const struct alarm_rule *r = it.value;

		a->kinds_fields[r->kind] |= r->fields;
	}
}

static void
add_rule(struct alarms *a, const struct alarm_def *d)
{
	struct alarm_rule *r = xcalloc(1, sizeof(*r));
	struct err e = ERR_INIT;

	r->id = d->o.id;
	r->entity = d->entity;
	r->kind = alarm_target_kind(d->target);
	if (alarm_conds_parse(d->conditions, d->target, &r->conds, &e)) {
		/* Kept by another version. */
		log_warn(
		    "alarm", "definition \"%s\" is not watched: %s", d->o.name, e.msg);
		free(r);
		return;
	}
	r->conds.match = d->match;
	note_fields(r);
	map_put(a->rules, r->id.v, r);
}

static void
drop_rule(struct alarms *a, obj_id definition)
{
	struct alarm_rule *r = map_del(a->rules, definition.v);

	if (!r)
		return;
	alarm_watch_drop_rule(a, r);
	rule_free(r);
}

void
alarm_book_take(struct alarms *a, obj_id definition)
{
	const struct alarm_def *d = inv_alarm_def(a->inv, definition);

	drop_rule(a, definition);
	if (d && d->enabled)
		add_rule(a, d);
	sum_fields(a);
}

void
alarm_book_open(struct alarms *a)
{
	INV_EACH(a->inv, KIND_ALARMDEF, o)
	{
		const struct alarm_def *d = inv_alarm_def(a->inv, o->id);

		if (d->enabled)
			add_rule(a, d);
	}
	sum_fields(a);
}

void
alarm_book_close(struct alarms *a)
{
	MAP_EACH(a->rules, it)
		rule_free(it.value);
}

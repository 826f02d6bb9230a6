#include "server/inventory/inv_json.h"

#include "base/clock.h"
#include "server/inventory/inv_int.h"

void
inv_json_id(json *j, const char *key, obj_id id)
{
	char buf[OBJ_ID_TEXT];
	json_set_str(j, key, obj_id_number(id) ? obj_id_text(id, buf) : NULL);
}

static void
set_time(json *j, const char *key, uint64_t ms)
{
	char buf[32];
	json_set_str(j, key, ms ? clock_text(ms, buf) : NULL);
}

static json *
ids_json(const struct id_list *l)
{
	json *a = json_new_array();
	char buf[OBJ_ID_TEXT];
	for (size_t i = 0; i < l->n; i++)
		json_add_str(a, obj_id_text(l->v[i], buf));
	return a;
}

static void
set_field(json *j, const struct obj *o, const struct field *f)
{
	const void *at = field_at(o, f);
	char buf[64];
	switch (f->type) {
	case FIELD_STR:
		json_set_str(j, f->name, *(char *const *)at);
		return;
	case FIELD_U32:
		json_set_u64(j, f->name, *(const uint32_t *)at);
		return;
	case FIELD_U64:
		json_set_u64(j, f->name, *(const uint64_t *)at);
		return;
	case FIELD_BOOL:
		json_set_bool(j, f->name, *(const bool *)at);
		return;
	case FIELD_ID:
		inv_json_id(j, f->name, *(const obj_id *)at);
		return;
	case FIELD_IDS:
		json_set_json(j, f->name, ids_json(at));
		return;
	case FIELD_ENUM:
		json_set_str(j, f->name, field_text(o, f, buf));
		return;
	case FIELD_TIME:
		set_time(j, f->name, *(const uint64_t *)at);
		return;
	case FIELD_JSON:
		if (*(json *const *)at)
			json_set_json(j, f->name, json_dup(*(json *const *)at));
		else
			json_set_null(j, f->name);
		return;
	}
}

json *
inv_json(const struct inv *inv, const struct obj *o)
{
	json *j = json_new_object();
	inv_json_id(j, "id", o->id);
	json_set_str(j, "kind", kind_prefix(obj_id_kind(o->id)));
	json_set_str(j, "name", o->name);
	inv_json_id(j, "parent", o->parent);
	json_set_u64(j, "rev", o->rev);
	set_time(j, "created_at", o->created_ms);
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(o->id), &n);
	for (unsigned i = 0; i < n; i++) {
		if (!(f[i].flags & FIELD_SECRET))
			set_field(j, o, &f[i]);
	}
	return j;
}

json *
inv_json_patch(const struct inv *inv, const struct obj *o, uint64_t fields)
{
	json *j = json_new_object();
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(o->id), &n);
	if (fields & CHANGE_NAME)
		json_set_str(j, "name", o->name);
	if (fields & CHANGE_PARENT)
		inv_json_id(j, "parent", o->parent);
	json_set_u64(j, "rev", o->rev);
	for (unsigned i = 0; i < n; i++) {
		if (fields & 1ULL << i && !(f[i].flags & FIELD_SECRET))
			set_field(j, o, &f[i]);
	}
	return j;
}

#include "server/inventory/inv_wish.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/inventory/caller.h"
#include "server/inventory/txn_int.h"

#define WISHES_KEPT 8u /* changes of one object that we know the author of */

struct wish {
	uint64_t rev, at_ms;
	uint64_t fields; /* as in struct change */
	char *by;
};

/* Of one object, oldest first. */
struct wishes {
	size_t n;
	struct wish v[WISHES_KEPT];
};

static uint64_t
fields_wished(enum obj_kind kind)
{
	unsigned n;
	const struct field *f = fields_of(kind, &n);
	uint64_t mask = CHANGE_NAME | CHANGE_PARENT;

	for (unsigned i = 0; i < n; i++) {
		if (f[i].flags & FIELD_WRITABLE)
			mask |= 1ULL << i;
	}
	return mask;
}

static void
drop_oldest(struct wishes *w)
{
	free(w->v[0].by);
	for (size_t i = 1; i < w->n; i++)
		w->v[i - 1] = w->v[i];
	w->n--;
}

void
wish_note(struct inv *inv, struct obj *o, uint64_t fields, const char *by)
{
	uint64_t wished = fields & fields_wished(obj_id_kind(o->id));
	struct wishes *w = map_get(inv->wishes, o->id.v);

	if (!wished)
		return;
	if (!w) {
		w = xcalloc(1, sizeof(*w));
		map_put(inv->wishes, o->id.v, w);
	}
	if (w->n == WISHES_KEPT)
		drop_oldest(w);
	w->v[w->n++] = (struct wish){
		.rev = o->rev,
		.at_ms = clock_wall_ms(loop_clock(inv->loop)),
		.fields = wished,
		.by = xstrdup(by ? by : caller_server.name),
	};
	o->wish_rev = o->rev;
}

static void
wishes_free(struct wishes *w)
{
	while (w && w->n)
		drop_oldest(w);
	free(w);
}

void
wish_forget(struct inv *inv, obj_id id)
{
	wishes_free(map_del(inv->wishes, id.v));
}

void
wish_forget_all(struct inv *inv)
{
	MAP_EACH(inv->wishes, it) {
		wishes_free(it.value);
	}
	map_free(inv->wishes);
}

static json *
field_names(enum obj_kind kind, uint64_t fields)
{
	unsigned n;
	const struct field *f = fields_of(kind, &n);
	json *names = json_new_array();

	if (fields & CHANGE_NAME)
		json_add_str(names, "name");
	if (fields & CHANGE_PARENT)
		json_add_str(names, "parent");
	for (unsigned i = 0; i < n; i++) {
		if (fields & 1ULL << i)
			json_add_str(names, f[i].name);
	}
	return names;
}

json *
inv_wish_json(const struct inv *inv, obj_id id, uint64_t rev)
{
	const struct wishes *w = map_get(inv->wishes, id.v);
	json *list = json_new_array();
	char at[32];

	for (size_t i = 0; w && i < w->n; i++) {
		if (w->v[i].rev <= rev)
			continue;
		json *j = json_new_object();
		json_set_u64(j, "rev", w->v[i].rev);
		json_set_str(j, "at", clock_text(w->v[i].at_ms, at));
		json_set_str(j, "user", w->v[i].by);
		json_set_json(
		    j, "fields", field_names(obj_id_kind(id), w->v[i].fields));
		json_add_json(list, j);
	}
	return list;
}

/* " anna changed mem_limit_mb, name; bert changed name" */
static void
say_who(struct str *out, const struct inv *inv, obj_id id, uint64_t rev)
{
	const struct wishes *w = map_get(inv->wishes, id.v);
	const char *between = "";

	for (size_t i = 0; w && i < w->n; i++) {
		if (w->v[i].rev <= rev)
			continue;
		AUTO(json) json *names = field_names(obj_id_kind(id), w->v[i].fields);
		str_addf(out, "%s %s changed", between, w->v[i].by);
		for (size_t k = 0; k < json_count(names); k++)
			str_addf(out, "%s %s", k ? "," : "",
			    json_str_value(json_at(names, k), NULL));
		between = ";";
	}
	if (!*between)
		str_add(out, " who changed it is not known any more");
}

static int
refuse(const struct inv *inv, const struct obj *o, uint64_t rev, struct err *e)
{
	AUTO(str) struct str who = STR_INIT;

	say_who(&who, inv, o->id, rev);
	return err_set(e, ERR_CHANGED,
	    "%s \"%.80s\" is not as it was at revision %llu:%s",
	    kind_word(obj_id_kind(o->id)), o->name, (unsigned long long)rev,
	    str_cstr(&who));
}

int
inv_wish_check(const struct inv *inv, obj_id id, uint64_t rev, struct err *e)
{
	const struct obj *o = inv_get(inv, id);
	char text[OBJ_ID_TEXT];

	if (!o)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no %s", obj_id_text(id, text));
	/* A revision to come is one of another life of the database. */
	if (o->wish_rev > rev || rev > inv->rev)
		return refuse(inv, o, rev, e);
	if (txns_change(inv, id, fields_wished(obj_id_kind(id))))
		return err_set(e, ERR_BUSY,
		    "%s \"%.80s\" is being changed at this moment",
		    kind_word(obj_id_kind(id)), o->name);
	return 0;
}

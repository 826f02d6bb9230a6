#include "server/inventory/inv.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/inventory/inv_alarm.h"
#include "server/inventory/inv_custspec.h"
#include "server/inventory/inv_drs.h"
#include "server/inventory/inv_int.h"
#include "server/inventory/inv_server.h"
#include "server/inventory/inv_tag.h"

struct inv *
inv_new(struct loop *l, struct db *db)
{
	struct inv *inv = xcalloc(1, sizeof(*inv));
	inv->magic = INV_MAGIC;
	inv->loop = l;
	inv->db = db;
	inv->walked = xcalloc(KIND_COUNT_, sizeof(*inv->walked));
	inv->objs = map_new_u64();
	inv->names = map_new_str();
	inv->reserved = map_new_str();
	inv->leaving = map_new_u64();
	inv->arriving = map_new_u64();
	inv->wishes = map_new_u64();
	list_init(&inv->sent);
	feed_init(&inv->feed, inv);
	return inv;
}

void
inv_free(struct inv *inv)
{
	if (!inv)
		return;
	txns_drop(inv);
	for (unsigned k = 0; k < KIND_COUNT_; k++) {
		for (size_t i = 0; i < inv->kinds[k].n; i++)
			obj_free(inv->kinds[k].v[i]);
		free(inv->kinds[k].v);
	}
	obj_free(inv->noted);
	wish_forget_all(inv);
	free(inv->walked);
	map_free(inv->objs);
	map_free(inv->names);
	map_free(inv->reserved);
	map_free(inv->leaving);
	MAP_EACH(inv->arriving, it) {
		free(it.value);
	}
	map_free(inv->arriving);
	feed_fini(&inv->feed, inv);
	free(inv);
}

struct loop *
inv_loop(const struct inv *inv)
{
	return inv->loop;
}

struct db *
inv_db(const struct inv *inv)
{
	return inv->db;
}

void
inv_set_events(struct inv *inv, struct events *ev)
{
	inv->events = ev;
}

struct events *
inv_events(const struct inv *inv)
{
	return inv->events;
}

obj_id
inv_new_id(struct inv *inv, enum obj_kind kind)
{
	return obj_id_make(kind, ++inv->last_number[kind]);
}

void
inv_seen_id(struct inv *inv, obj_id id)
{
	uint64_t *last = &inv->last_number[obj_id_kind(id)];
	if (*last < obj_id_number(id))
		*last = obj_id_number(id);
}

uint64_t
inv_rev(const struct inv *inv)
{
	return inv->rev;
}

struct obj *
tree_get(const struct inv *inv, obj_id id)
{
	return map_get(inv->objs, id.v);
}

const struct obj *
inv_get(const struct inv *inv, obj_id id)
{
	return tree_get(inv, id);
}

#define GETTER(type, kind)                                              \
	const struct type *inv_##type(const struct inv *inv, obj_id id) \
	{                                                               \
		return obj_id_kind(id) == (kind)                        \
			   ? (const struct type *)tree_get(inv, id)     \
			   : NULL;                                      \
	}
GETTER(datacenter, KIND_DATACENTER)
GETTER(folder, KIND_FOLDER)
GETTER(cluster, KIND_CLUSTER)
GETTER(host, KIND_HOST)
GETTER(pool, KIND_POOL)
GETTER(vm, KIND_VM)
GETTER(template, KIND_TEMPLATE)
GETTER(datastore, KIND_DATASTORE)
GETTER(network, KIND_NETWORK)
GETTER(task, KIND_TASK)
GETTER(user, KIND_USER)
GETTER(snapshot, KIND_SNAPSHOT)
GETTER(custspec, KIND_CUSTSPEC)
GETTER(rule, KIND_RULE)
GETTER(rec, KIND_REC)
GETTER(drs_group, KIND_GROUP)
GETTER(alarm_def, KIND_ALARMDEF)
GETTER(alarm, KIND_ALARM)
GETTER(category, KIND_CATEGORY)
GETTER(tag, KIND_TAG)
GETTER(droverd, KIND_SERVER)
#undef GETTER

/* Where the id is, or would be, in the array. */
static size_t
place_of(const struct obj_array *a, obj_id id)
{
	/* New objects mostly have the highest id so far. */
	if (a->n == 0 || a->v[a->n - 1]->id.v < id.v)
		return a->n;
	size_t lo = 0, hi = a->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (a->v[mid]->id.v < id.v)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct obj *
inv_next(const struct inv *inv, enum obj_kind kind, obj_id after)
{
	const struct obj_array *a = &inv->kinds[kind];
	size_t *at = &inv->walked[kind];
	if (obj_id_none(after)) {
		*at = 0;
		return a->n ? a->v[0] : NULL;
	}
	bool goes_on = *at < a->n && obj_id_is(a->v[*at]->id, after);
	size_t i = goes_on ? *at : place_of(a, after);
	if (i < a->n && obj_id_is(a->v[i]->id, after))
		i++;
	*at = i;
	return i < a->n ? a->v[i] : NULL;
}

size_t
inv_count(const struct inv *inv, enum obj_kind kind)
{
	return inv->kinds[kind].n;
}

const char *
name_key(struct str *buf, enum obj_kind kind, obj_id parent, const char *name)
{
	str_reset(buf);
	str_addf(buf, "%u/%llx/%s", (unsigned)kind, (unsigned long long)parent.v, name);
	return str_cstr(buf);
}

const struct obj *
inv_find(const struct inv *inv, obj_id parent, enum obj_kind kind, const char *name)
{
	AUTO(str) struct str key = STR_INIT;
	return map_get_str(inv->names, name_key(&key, kind, parent, name));
}

obj_id
inv_ancestor(const struct inv *inv, obj_id id, enum obj_kind kind)
{
	while (!obj_id_none(id) && obj_id_kind(id) != kind) {
		const struct obj *o = tree_get(inv, id);
		id = o ? o->parent : OBJ_ID_NONE;
	}
	return tree_get(inv, id) ? id : OBJ_ID_NONE;
}

const char *
inv_name(const struct inv *inv, obj_id id)
{
	const struct obj *o = tree_get(inv, id);
	return o ? o->name : "";
}

bool
id_list_has(const struct id_list *l, obj_id id)
{
	for (size_t i = 0; i < l->n; i++) {
		if (obj_id_is(l->v[i], id))
			return true;
	}
	return false;
}

static void
array_insert(struct obj_array *a, struct obj *o)
{
	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 16;
		a->v = xreallocarray(a->v, a->cap, sizeof(void *));
	}
	size_t i = place_of(a, o->id);
	for (size_t j = a->n++; j > i; j--)
		a->v[j] = a->v[j - 1];
	a->v[i] = o;
}

static void
array_remove(struct obj_array *a, const struct obj *o)
{
	size_t i = place_of(a, o->id);
	if (i == a->n || a->v[i] != o)
		return;
	a->n--;
	for (; i < a->n; i++)
		a->v[i] = a->v[i + 1];
}

void
tree_link_kid(struct inv *inv, struct obj *o)
{
	struct obj *parent = tree_get(inv, o->parent);
	if (!parent)
		return;
	parent->kids =
	    xreallocarray(parent->kids, parent->n_kids + 1, sizeof(*parent->kids));
	size_t i = parent->n_kids++;
	for (; i > 0 && parent->kids[i - 1].v > o->id.v; i--)
		parent->kids[i] = parent->kids[i - 1];
	parent->kids[i] = o->id;
}

static void
unlink_kid(struct inv *inv, const struct obj *o)
{
	struct obj *parent = tree_get(inv, o->parent);
	size_t kept = 0;
	if (!parent)
		return;
	for (size_t i = 0; i < parent->n_kids; i++) {
		if (!obj_id_is(parent->kids[i], o->id))
			parent->kids[kept++] = parent->kids[i];
	}
	parent->n_kids = kept;
}

static void
index_name(struct inv *inv, struct obj *o)
{
	AUTO(str) struct str key = STR_INIT;
	if (kind_has_unique_names(obj_id_kind(o->id)))
		map_put_str(inv->names,
		    name_key(&key, obj_id_kind(o->id), o->parent, o->name), o);
}

static void
unindex_name(struct inv *inv, const struct obj *o)
{
	AUTO(str) struct str key = STR_INIT;
	if (!kind_has_unique_names(obj_id_kind(o->id)))
		return;
	/* In a swap of names the key may be another's by now. */
	if (map_get_str(inv->names,
		name_key(&key, obj_id_kind(o->id), o->parent, o->name)) == o)
		map_del_str(inv->names, str_cstr(&key));
}

void
tree_insert(struct inv *inv, struct obj *o_take)
{
	ASSERT(!tree_get(inv, o_take->id));
	map_put(inv->objs, o_take->id.v, o_take);
	array_insert(&inv->kinds[obj_id_kind(o_take->id)], o_take);
	index_name(inv, o_take);
}

void
tree_remove(struct inv *inv, struct obj *o)
{
	unlink_kid(inv, o);
	unindex_name(inv, o);
	array_remove(&inv->kinds[obj_id_kind(o->id)], o);
	map_del(inv->objs, o->id.v);
	wish_forget(inv, o->id);
	obj_free(o);
}

void
tree_move(struct inv *inv, struct obj *o, obj_id parent, const char *name)
{
	unindex_name(inv, o);
	if (!obj_id_is(o->parent, parent)) {
		unlink_kid(inv, o);
		o->parent = parent;
		tree_link_kid(inv, o);
	}
	char *fresh = xstrdup(name);
	free(o->name);
	o->name = fresh;
	index_name(inv, o);
}

static void
on_revs_reserved(void *arg, int rc, const struct err *e)
{
	struct inv *inv = CAST_OBJ(inv, arg, INV_MAGIC);
	/* The next change tries again. */
	if (rc < 0)
		log_debug("inventory", "cannot store the revision: %s", e->msg);
	inv_revs_reserved(inv, rc);
}

void
inv_changed(struct inv *inv, struct obj *o, enum change_kind kind, uint64_t fields)
{
	o->rev = ++inv->rev;
	if (kind == CHANGE_ADD)
		o->wish_rev = o->rev;
	struct change c = {
		.rev = o->rev,
		.kind = kind,
		.id = o->id,
		.parent = o->parent,
		.fields = fields,
	};
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(o->id), &n);
	c.volatile_only =
	    kind == CHANGE_SET && !(fields & (CHANGE_NAME | CHANGE_PARENT));
	for (unsigned i = 0; i < n; i++) {
		if (fields & 1ULL << i && !(f[i].flags & FIELD_VOLATILE))
			c.volatile_only = 0;
	}
	feed_add(&inv->feed, inv->loop, &c);
	if (inv->rev + REV_BLOCK / 2 > inv->rev_stored && !inv->rev_asked)
		inv_reserve_revs(inv, on_revs_reserved, inv);
}

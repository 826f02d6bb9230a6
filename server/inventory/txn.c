#include "server/inventory/txn.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/inventory/txn_int.h"

struct txn *
txn_new(struct inv *inv)
{
	struct txn *t = xcalloc(1, sizeof(*t));
	t->magic = TXN_MAGIC;
	t->inv = inv;
	t->wake = WAKE_NONE;
	return t;
}

static void
lower_arriving(struct inv *inv, obj_id parent)
{
	size_t *n = map_get(inv->arriving, parent.v);
	if (--*n == 0)
		free(map_del(inv->arriving, parent.v));
}

void
txn_release(struct txn *t)
{
	for (size_t i = 0; i < t->n_keys; i++) {
		map_del_str(t->inv->reserved, t->keys[i]);
		free(t->keys[i]);
	}
	for (size_t i = 0; i < t->n_leaving; i++)
		map_del(t->inv->leaving, t->leaving[i].v);
	for (size_t i = 0; i < t->n_arrivals; i++)
		lower_arriving(t->inv, t->arrivals[i]);
	t->n_keys = t->n_leaving = t->n_arrivals = 0;
}

void
txn_free(struct txn *t)
{
	if (!t)
		return;
	txn_release(t);
	list_remove(&t->node);
	for (size_t i = 0; i < t->n_items; i++) {
		obj_free(t->items[i].obj);
		obj_free(t->items[i].base);
	}
	for (size_t i = 0; i < t->n_parts; i++)
		t->parts[i].part->drop(t->parts[i].data);
	db_txn_free(t->extra);
	free(t->by);
	free(t->items);
	free(t->parts);
	free(t->keys);
	free(t->leaving);
	free(t->arrivals);
	free(t);
}

struct inv *
txn_inv(const struct txn *t)
{
	return t->inv;
}

static struct txn_item *
find_item(const struct txn *t, obj_id id)
{
	for (size_t i = t->n_items; i-- > 0;) {
		if (obj_id_is(t->items[i].obj->id, id))
			return &t->items[i];
	}
	return NULL;
}

static struct txn_item *
add_item(struct txn *t, enum change_kind kind, struct obj *obj_take)
{
	t->items = xreallocarray(t->items, t->n_items + 1, sizeof(*t->items));
	struct txn_item *item = &t->items[t->n_items++];
	*item = (struct txn_item){ .kind = kind, .obj = obj_take };
	return item;
}

const struct obj *
txn_view(const struct txn *t, obj_id id)
{
	const struct txn_item *item = find_item(t, id);
	if (!item)
		return inv_get(t->inv, id);
	return item->kind == CHANGE_DEL ? NULL : item->obj;
}

static const char *
name_of(const struct txn *t, obj_id id)
{
	const struct obj *o = txn_view(t, id);
	return o ? o->name : "";
}

static int
taken(const struct txn *t, const struct obj *holder, struct err *e)
{
	char id[OBJ_ID_TEXT];
	const char *where = name_of(t, holder->parent);
	return err_set(e, ERR_EXISTS, "a %s named \"%s\" exists already%s%s%s (%s)",
	    kind_word(obj_id_kind(holder->id)), holder->name, *where ? " in \"" : "",
	    where, *where ? "\"" : "", obj_id_text(holder->id, id));
}

/* Does the holder give the name up within this same transaction? */
static bool
gives_up(const struct txn *t, const struct obj *holder)
{
	const struct obj *now = txn_view(t, holder->id);
	return !now || !str_same(now->name, holder->name) ||
	       !obj_id_is(now->parent, holder->parent);
}

static void
take_key(struct txn *t, struct str *key)
{
	map_put_str(t->inv->reserved, str_cstr(key), t);
	t->keys = xreallocarray(t->keys, t->n_keys + 1, sizeof(*t->keys));
	t->keys[t->n_keys++] = str_take(key);
}

static int
reserve_name(
    struct txn *t, enum obj_kind kind, obj_id parent, const char *name, struct err *e)
{
	if (!kind_has_unique_names(kind))
		return 0;
	AUTO(str) struct str key = STR_INIT;
	const struct obj *holder =
	    map_get_str(t->inv->names, name_key(&key, kind, parent, name));
	if (holder && !gives_up(t, holder))
		return taken(t, holder, e);
	const struct txn *other = map_get_str(t->inv->reserved, str_cstr(&key));
	if (other && (other != t || !holder))
		return err_set(e, ERR_EXISTS,
		    "a %s named \"%s\" is being made at this moment", kind_word(kind),
		    name);
	if (other)
		return 0;
	take_key(t, &key);
	return 0;
}

int
txn_claim(struct txn *t, obj_id id, const char *list, struct err *e)
{
	AUTO(str) struct str key = STR_INIT;
	char text[OBJ_ID_TEXT];

	/* No kind of names: they begin with a kind's prefix. */
	str_addf(&key, "list/%s/%s", obj_id_text(id, text), list);
	const struct txn *other = map_get_str(t->inv->reserved, str_cstr(&key));
	if (other && other != t)
		return err_set(e, ERR_BUSY,
		    "%s of %s \"%s\" are being changed at this moment", list,
		    kind_word(obj_id_kind(id)), name_of(t, id));
	if (!other)
		take_key(t, &key);
	return 0;
}

static int
check_parent(const struct txn *t, obj_id parent, struct err *e)
{
	char id[OBJ_ID_TEXT];
	if (obj_id_none(parent))
		return 0;
	if (!txn_view(t, parent))
		return err_set(
		    e, ERR_NOT_FOUND, "there is no %s", obj_id_text(parent, id));
	if (map_get(t->inv->leaving, parent.v))
		return err_set(e, ERR_BAD_STATE, "%s \"%s\" is being deleted",
		    kind_word(obj_id_kind(parent)), name_of(t, parent));
	return 0;
}

static void
raise_arriving(struct txn *t, obj_id parent)
{
	if (obj_id_none(parent))
		return;
	size_t *n = map_get(t->inv->arriving, parent.v);
	if (!n) {
		n = xcalloc(1, sizeof(*n));
		map_put(t->inv->arriving, parent.v, n);
	}
	++*n;
	t->arrivals = xreallocarray(t->arrivals, t->n_arrivals + 1, sizeof(parent));
	t->arrivals[t->n_arrivals++] = parent;
}

int
txn_hold(struct txn *t, obj_id id, struct err *e)
{
	int rc = check_parent(t, id, e);

	if (!rc)
		raise_arriving(t, id);
	return rc;
}

int
txn_add(struct txn *t, enum obj_kind kind, obj_id parent, const char *name,
    void **ret_obj, struct err *e)
{
	int rc = check_parent(t, parent, e);
	if (rc == 0)
		rc = reserve_name(t, kind, parent, name, e);
	if (rc < 0)
		return rc;
	raise_arriving(t, parent);
	struct obj *o = obj_new(inv_new_id(t->inv, kind));
	o->name = xstrdup(name);
	o->parent = parent;
	o->created_ms = clock_wall_ms(loop_clock(t->inv->loop));
	add_item(t, CHANGE_ADD, o);
	*ret_obj = o;
	return 0;
}

static struct txn_item *
edit_item(struct txn *t, obj_id id)
{
	struct txn_item *item = find_item(t, id);
	if (item)
		return item->kind == CHANGE_DEL ? NULL : item;
	const struct obj *o = inv_get(t->inv, id);
	if (!o)
		return NULL;
	item = add_item(t, CHANGE_SET, obj_dup(o));
	item->base = obj_dup(o);
	return item;
}

void *
txn_edit(struct txn *t, obj_id id)
{
	struct txn_item *item = edit_item(t, id);
	return item ? item->obj : NULL;
}

void
id_list_set(struct id_list *l, const obj_id *v, size_t n)
{
	free(l->v);
	l->v = n ? xmemdup(v, n * sizeof(*v)) : NULL;
	l->n = n;
}

void
id_list_drop(struct id_list *l, obj_id id)
{
	size_t to = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (!obj_id_is(l->v[i], id))
			l->v[to++] = l->v[i];
	}
	l->n = to;
}

int
txn_rename(struct txn *t, obj_id id, obj_id parent, const char *name, struct err *e)
{
	char text[OBJ_ID_TEXT];
	struct txn_item *item = edit_item(t, id);
	if (!item)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no %s", obj_id_text(id, text));
	struct obj *o = item->obj;
	bool moves = !obj_id_is(o->parent, parent);
	if (!moves && str_same(o->name, name))
		return 0;
	int rc = moves ? check_parent(t, parent, e) : 0;
	if (rc == 0)
		rc = reserve_name(t, obj_id_kind(id), parent, name, e);
	if (rc < 0)
		return rc;
	if (moves)
		raise_arriving(t, parent);
	char *fresh = xstrdup(name);
	free(o->name);
	o->name = fresh;
	o->parent = parent;
	item->renamed = true;
	return 0;
}

/* Kids that stay, or that another transaction is about to put there. */
static bool
has_kids(const struct txn *t, const struct obj *o)
{
	for (size_t i = 0; i < o->n_kids; i++) {
		const struct obj *kid = txn_view(t, o->kids[i]);
		if (kid && obj_id_is(kid->parent, o->id))
			return true;
	}
	const size_t *all = map_get(t->inv->arriving, o->id.v);
	size_t arriving = all ? *all : 0;
	for (size_t i = 0; i < t->n_arrivals; i++)
		arriving -= obj_id_is(t->arrivals[i], o->id);
	return arriving > 0;
}

static void
refuse(struct txn *t, const struct obj *o, const char *why)
{
	if (t->err.code == 0)
		err_set(&t->err, ERR_BAD_STATE, "%s \"%s\" %s",
		    kind_word(obj_id_kind(o->id)), o->name, why);
}

void
txn_del(struct txn *t, obj_id id)
{
	const struct obj *o = inv_get(t->inv, id);
	struct txn_item *item = find_item(t, id);
	if (item && item->kind == CHANGE_DEL)
		return;
	if (item && item->kind == CHANGE_ADD) {
		/* Nobody has seen it: it goes without a trace. */
		item->kind = CHANGE_DEL;
		return;
	}
	if (!o)
		return;
	const struct txn *other = map_get(t->inv->leaving, id.v);
	if (other) {
		refuse(t, o, "is being deleted already");
		return;
	}
	if (has_kids(t, o)) {
		refuse(t, o, "is not empty");
		return;
	}
	map_put(t->inv->leaving, id.v, t);
	t->leaving = xreallocarray(t->leaving, t->n_leaving + 1, sizeof(id));
	t->leaving[t->n_leaving++] = id;
	if (item)
		item->kind = CHANGE_DEL;
	else
		add_item(t, CHANGE_DEL, obj_dup(o));
}

void
txn_by(struct txn *t, const char *user)
{
	free(t->by);
	t->by = xstrdup(user);
}

void
txn_sql(struct txn *t, int stmt, unsigned n, const char *const *params)
{
	if (!t->extra)
		t->extra = db_txn_new();
	db_txn_stmt(t->extra, (enum stmt)stmt, n, params);
}

void
txn_add_part(struct txn *t, const struct txn_part *part, void *data_take)
{
	t->parts = xreallocarray(t->parts, t->n_parts + 1, sizeof(*t->parts));
	t->parts[t->n_parts++] = (struct txn_part_of){ part, data_take };
}

#include <stdio.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "loop/post.h"
#include "server/inventory/txn_int.h"

static uint64_t
differing(const struct txn_item *item)
{
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(item->obj->id), &n);
	uint64_t mask = 0;
	for (unsigned i = 0; i < n; i++) {
		if (!field_same(item->obj, item->base, &f[i]))
			mask |= 1ULL << i;
	}
	if (!str_same(item->obj->name, item->base->name))
		mask |= CHANGE_NAME;
	if (!obj_id_is(item->obj->parent, item->base->parent))
		mask |= CHANGE_PARENT;
	/* A name that nobody has reserved could be another's by now. */
	ASSERT(item->renamed || !(mask & (CHANGE_NAME | CHANGE_PARENT)));
	return mask;
}

/* The cells of one row as they gather. */
struct cells {
	unsigned n;
	const char *columns[MAX_FIELDS + 3];
	char *values[MAX_FIELDS + 3];
};

static void
add_cell(struct cells *c, const char *column, const char *value)
{
	c->columns[c->n] = column;
	c->values[c->n++] = xstrdup(value);
}

static void
cells_fini(struct cells *c)
{
	for (unsigned i = 0; i < c->n; i++)
		free(c->values[i]);
}

/* name, parent and the stored fields of the mask. */
static void
gather_cells(struct cells *c, const struct obj *o, uint64_t mask)
{
	char parent[OBJ_ID_TEXT];
	if (mask & CHANGE_NAME)
		add_cell(c, "name", o->name);
	if (mask & CHANGE_PARENT)
		add_cell(c, "parent",
		    obj_id_none(o->parent) ? NULL : obj_id_text(o->parent, parent));
	const struct field *f[MAX_FIELDS];
	unsigned n = fields_stored(obj_id_kind(o->id), f);
	AUTO(str) struct str buf = STR_INIT;
	for (unsigned i = 0; i < n; i++) {
		if (mask & 1ULL << f[i]->index)
			add_cell(c, f[i]->name, field_store(o, f[i], &buf));
	}
}

static void
store_new(struct db_txn *out, const struct obj *o)
{
	char id[OBJ_ID_TEXT], created[24];
	struct cells c = { 0 };
	snprintf(created, sizeof(created), "%llu", (unsigned long long)o->created_ms);
	gather_cells(&c, o, UINT64_MAX);
	add_cell(&c, "created_ms", created);
	db_txn_insert(out, kind_plural(obj_id_kind(o->id)), obj_id_text(o->id, id), c.n,
	    c.columns, (const char *const *)c.values);
	cells_fini(&c);
}

static void
store_edit(struct db_txn *out, const struct txn_item *item)
{
	char id[OBJ_ID_TEXT];
	struct cells c = { 0 };
	gather_cells(&c, item->obj, item->mask);
	if (c.n > 0)
		db_txn_update(out, kind_plural(obj_id_kind(item->obj->id)),
		    obj_id_text(item->obj->id, id), c.n, c.columns,
		    (const char *const *)c.values);
	cells_fini(&c);
}

static void
store_counter(struct db_txn *out, const struct inv *inv, enum obj_kind kind)
{
	static const char *const columns[] = { "last" };
	char last[24];
	snprintf(
	    last, sizeof(last), "%llu", (unsigned long long)inv->last_number[kind]);
	db_txn_put(out, "counters", kind_prefix(kind), 1, columns,
	    (const char *const[]){ last });
}

static void
store_items(struct db_txn *out, struct txn *t)
{
	bool grown[KIND_COUNT_] = { false };
	char id[OBJ_ID_TEXT];
	for (size_t i = 0; i < t->n_items; i++) {
		struct txn_item *item = &t->items[i];
		enum obj_kind kind = obj_id_kind(item->obj->id);
		switch (item->kind) {
		case CHANGE_ADD:
			store_new(out, item->obj);
			grown[kind] = true;
			break;
		case CHANGE_SET:
			item->mask = differing(item);
			store_edit(out, item);
			break;
		case CHANGE_DEL:
			if (inv_get(t->inv, item->obj->id))
				db_txn_delete(out, kind_plural(kind),
				    obj_id_text(item->obj->id, id));
			break;
		}
	}
	for (unsigned k = 0; k < KIND_COUNT_; k++) {
		if (grown[k])
			store_counter(out, t->inv, k);
	}
}

static void
apply_edit(struct inv *inv, const struct txn_item *item, const char *by)
{
	struct obj *live = tree_get(inv, item->obj->id);
	if (!live || item->mask == 0)
		return;
	unsigned n;
	const struct field *f = fields_of(obj_id_kind(live->id), &n);
	for (unsigned i = 0; i < n; i++) {
		if (item->mask & 1ULL << i)
			field_copy(live, item->obj, &f[i]);
	}
	if (item->mask & (CHANGE_NAME | CHANGE_PARENT))
		tree_move(inv, live,
		    item->mask & CHANGE_PARENT ? item->obj->parent : live->parent,
		    item->mask & CHANGE_NAME ? item->obj->name : live->name);
	inv_changed(inv, live, CHANGE_SET, item->mask);
	wish_note(inv, live, item->mask, by);
}

static void
apply_del(struct inv *inv, const struct txn_item *item)
{
	struct obj *live = tree_get(inv, item->obj->id);
	if (!live)
		return;
	inv_changed(inv, live, CHANGE_DEL, 0);
	tree_remove(inv, live);
}

static void
apply(struct txn *t)
{
	for (size_t i = 0; i < t->n_items; i++) {
		struct txn_item *item = &t->items[i];
		struct obj *fresh;
		switch (item->kind) {
		case CHANGE_ADD:
			/* The item keeps a copy: later parts may look at it. */
			fresh = obj_dup(item->obj);
			tree_insert(t->inv, fresh);
			tree_link_kid(t->inv, fresh);
			inv_changed(t->inv, fresh, CHANGE_ADD, 0);
			break;
		case CHANGE_SET:
			apply_edit(t->inv, item, t->by);
			break;
		case CHANGE_DEL:
			apply_del(t->inv, item);
			break;
		}
	}
	for (size_t i = 0; i < t->n_parts; i++)
		t->parts[i].part->applied(t->parts[i].data);
}

static void
finish(struct txn *t, int rc, const struct err *e)
{
	if (rc == 0)
		apply(t);
	/* Whoever hears of the end may want the same names again. */
	txn_release(t);
	list_remove(&t->node);
	if (t->done)
		t->done(t->arg, rc, e);
	post_wake(t->inv->loop, t->wake, rc, e);
	txn_free(t);
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct txn *t = CAST_OBJ(txn, arg, TXN_MAGIC);
	fault_point("txn.after_commit");
	finish(t, rc, e);
}

static void
on_unsent(void *arg)
{
	struct txn *t = CAST_OBJ(txn, arg, TXN_MAGIC);
	struct err e = t->err;
	finish(t, e.code, e.code ? &e : NULL);
}

static void
send_txn(struct txn *t)
{
	list_add_tail(&t->inv->sent, &t->node);
	for (size_t i = 0; i < t->n_parts; i++)
		t->parts[i].part->send(t->parts[i].data, t);
	struct db_txn *out = db_txn_new();
	store_items(out, t);
	db_txn_append(out, MOVE(t->extra));
	if (t->err.code != 0 || db_txn_empty(out)) {
		db_txn_free(out);
		post_call(t->inv->loop, on_unsent, t);
		return;
	}
	fault_point("txn.before_commit");
	db_txn_send(t->inv->db, out, on_stored, t);
}

void
txn_commit(struct txn *t_take, txn_fn done, void *arg)
{
	t_take->done = done;
	t_take->arg = arg;
	send_txn(t_take);
}

void
txn_commit_wake(struct txn *t_take, struct wake w)
{
	t_take->wake = w;
	send_txn(t_take);
}

void
txns_drop(struct inv *inv)
{
	LIST_EACH_SAFE(struct txn, t, &inv->sent, node) {
		txn_free(t);
	}
}

static bool
txn_changes(const struct txn *t, obj_id id, uint64_t fields)
{
	for (size_t i = 0; i < t->n_items; i++) {
		if (obj_id_is(t->items[i].obj->id, id) && t->items[i].mask & fields)
			return true;
	}
	return false;
}

bool
txns_change(const struct inv *inv, obj_id id, uint64_t fields)
{
	LIST_EACH(struct txn, t, &inv->sent, node) {
		if (txn_changes(t, id, fields))
			return true;
	}
	return false;
}

size_t
inv_txns_open(const struct inv *inv)
{
	size_t n = 0;
	LIST_EACH(struct txn, t, &inv->sent, node) {
		n++;
	}
	return n;
}

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/db/db.h"
#include "server/inventory/inv_int.h"

/* Columns before the fields' own. */
enum { COL_ID, COL_NAME, COL_PARENT, COL_CREATED, COL_FIELDS };

struct load {
	struct inv *inv;
	inv_loaded_fn done;
	void *arg;
	unsigned tables_open;
	int rc;
	struct err err;
};

/* One table's rows on their way into the tree. */
struct load_kind {
	struct load *load;
	enum obj_kind kind;
};

static void
on_reserved(void *arg, int rc, const struct err *e)
{
	AUTO_FREE struct load *load = arg;
	inv_revs_reserved(load->inv, rc);
	load->done(load->arg, rc, e);
}

static void
link_all(struct inv *inv)
{
	for (unsigned k = 0; k < KIND_COUNT_; k++) {
		for (size_t i = 0; i < inv->kinds[k].n; i++) {
			struct obj *o = inv->kinds[k].v[i];
			char id[OBJ_ID_TEXT], parent[OBJ_ID_TEXT];
			o->rev = o->wish_rev = inv->rev;
			tree_link_kid(inv, o);
			if (!obj_id_none(o->parent) && !tree_get(inv, o->parent))
				log_warn("inventory", "%s has a parent %s that is gone",
				    obj_id_text(o->id, id),
				    obj_id_text(o->parent, parent));
		}
	}
}

/* A table is done, well or not; the last one ends the load. */
static void
table_done(struct load *load, int rc, const struct err *e)
{
	if (rc < 0 && load->rc == 0) {
		load->rc = rc;
		load->err = *e;
	}
	if (--load->tables_open > 0)
		return;
	if (load->rc < 0) {
		load->done(load->arg, load->rc, &load->err);
		free(load);
		return;
	}
	link_all(load->inv);
	feed_restart(&load->inv->feed, load->inv->rev);
	/* What this run shows must be behind the next one, too. */
	inv_reserve_revs(load->inv, on_reserved, load);
}

static void
on_counters(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct load *load = arg;
	struct inv *inv = load->inv;
	for (size_t i = 0; i < db_rows_count(rows); i++) {
		const char *name = db_value(rows, i, 0);
		uint64_t last = db_value_u64(rows, i, 1);
		if (str_same(name, "rev"))
			inv->rev = last;
		for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
			if (str_same(name, kind_prefix(k)))
				inv->last_number[k] = last;
		}
	}
	table_done(load, rc, e);
}

static int
read_row(struct load_kind *lk, const struct db_rows *rows, size_t row, struct err *e)
{
	obj_id id;
	int rc = obj_id_parse(db_value(rows, row, COL_ID), lk->kind, &id, e);
	if (rc < 0)
		return rc;
	struct obj *o = obj_new(id);
	const char *name = db_value(rows, row, COL_NAME);
	const char *parent = db_value(rows, row, COL_PARENT);
	o->name = xstrdup(name ? name : "");
	o->created_ms = db_value_u64(rows, row, COL_CREATED);
	if (parent)
		rc = obj_id_parse(parent, KIND_NONE, &o->parent, e);

	const struct field *f[MAX_FIELDS];
	unsigned n = fields_stored(lk->kind, f);
	for (unsigned i = 0; i < n && rc == 0; i++)
		rc = field_restore(o, f[i], db_value(rows, row, COL_FIELDS + i), e);
	if (rc < 0) {
		obj_free(o);
		return err_wrap(
		    e, "row %s of the database", db_value(rows, row, COL_ID));
	}
	/* A row without its counter: a hand has been at the tables. */
	inv_seen_id(lk->load->inv, id);
	tree_insert(lk->load->inv, o);
	return 0;
}

static void
on_rows(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	AUTO_FREE struct load_kind *lk = arg;
	struct err bad = ERR_INIT;
	for (size_t i = 0; i < db_rows_count(rows) && rc == 0; i++) {
		rc = read_row(lk, rows, i, &bad);
		e = &bad;
	}
	table_done(lk->load, rc, e);
}

static void
load_kind(struct load *load, enum obj_kind kind)
{
	const struct field *f[MAX_FIELDS];
	const char *columns[COL_FIELDS + MAX_FIELDS] = {
		[COL_ID] = "id",
		[COL_NAME] = "name",
		[COL_PARENT] = "parent",
		[COL_CREATED] = "created_ms",
	};
	unsigned n = fields_stored(kind, f);
	for (unsigned i = 0; i < n; i++)
		columns[COL_FIELDS + i] = f[i]->name;
	struct load_kind *lk = xcalloc(1, sizeof(*lk));
	lk->load = load;
	lk->kind = kind;
	load->tables_open++;
	db_load(
	    inv_db(load->inv), kind_plural(kind), COL_FIELDS + n, columns, on_rows, lk);
}

void
inv_load(struct inv *inv, inv_loaded_fn done, void *arg)
{
	static const char *const counter_columns[] = { "id", "last" };
	struct load *load = xcalloc(1, sizeof(*load));
	load->inv = inv;
	load->done = done;
	load->arg = arg;
	load->tables_open = 1;
	db_load(inv->db, "counters", 2, counter_columns, on_counters, load);
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		if (kind_size(k) > 0)
			load_kind(load, k);
	}
}

void
inv_reserve_revs(struct inv *inv, inv_loaded_fn done, void *arg)
{
	static const char *const columns[] = { "last" };
	char last[24];
	inv->rev_asked = inv->rev + REV_BLOCK;
	snprintf(last, sizeof(last), "%llu", (unsigned long long)inv->rev_asked);
	struct db_txn *t = db_txn_new();
	db_txn_put(t, "counters", "rev", 1, columns, (const char *const[]){ last });
	db_txn_send(inv->db, t, done, arg);
}

void
inv_revs_reserved(struct inv *inv, int rc)
{
	if (rc == 0)
		inv->rev_stored = inv->rev_asked;
	inv->rev_asked = 0;
}

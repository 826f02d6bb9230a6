#include "server/db/db.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/post.h"
#include "server/db/db_int.h"

void
db_init(
    struct db *db, const struct db_driver *driver, struct loop *l, uint32_t deadline_ms)
{
	db->magic = DB_MAGIC;
	db->driver = driver;
	db->loop = l;
	db->deadline_ms = deadline_ms;
	list_init(&db->answered);
	snprintf(db->status, sizeof(db->status), "unavailable: not connected yet");
}

void
db_fini(struct db *db)
{
	LIST_EACH_SAFE(struct db_request, r, &db->answered, node) {
		list_remove(&r->node);
		db_request_free(r);
	}
	free(db->watchers);
	db->watchers = NULL;
}

void
db_free(struct db *db)
{
	if (db)
		db->driver->free(db);
}

struct db_rows *
db_rows_new(unsigned n_cols)
{
	struct db_rows *r = xcalloc(1, sizeof(*r));
	r->n_cols = n_cols;
	return r;
}

void
db_rows_add(struct db_rows *r, const char *const *values)
{
	if (r->n_rows == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 16;
		r->values =
		    xreallocarray(r->values, r->cap, r->n_cols * sizeof(*r->values));
	}
	char **row = r->values + r->n_rows++ * r->n_cols;
	for (unsigned i = 0; i < r->n_cols; i++)
		row[i] = xstrdup(values[i]);
}

void
db_rows_free(struct db_rows *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rows * r->n_cols; i++)
		free(r->values[i]);
	free(r->values);
	free(r);
}

size_t
db_rows_count(const struct db_rows *r)
{
	return r ? r->n_rows : 0;
}

const char *
db_value(const struct db_rows *r, size_t row, unsigned column)
{
	ASSERT(r && row < r->n_rows && column < r->n_cols);
	return r->values[row * r->n_cols + column];
}

uint64_t
db_value_u64(const struct db_rows *r, size_t row, unsigned column)
{
	const char *s = db_value(r, row, column);
	return s ? strtoull(s, NULL, 10) : 0;
}

void
db_request_free(struct db_request *r)
{
	if (!r)
		return;
	db_txn_free(r->txn);
	db_rows_free(r->rows);
	free(r->script);
	free(r);
}

static void
call_back(struct db_request *r)
{
	const struct err *e = r->rc < 0 ? &r->err : NULL;
	if (r->got)
		r->got(r->arg, r->rc, e, r->rc < 0 ? NULL : r->rows);
	else if (r->done)
		r->done(r->arg, r->rc, e);
}

static void
drain(void *arg)
{
	struct db *db = CAST_OBJ(db, arg, DB_MAGIC);
	db->draining = false;
	/* What the callbacks cause to be answered is for the next posts phase. */
	struct list batch = LIST_INIT(batch);
	LIST_EACH_SAFE(struct db_request, r, &db->answered, node) {
		list_remove(&r->node);
		list_add_tail(&batch, &r->node);
	}
	LIST_EACH_SAFE(struct db_request, r, &batch, node) {
		list_remove(&r->node);
		call_back(r);
		db_request_free(r);
	}
}

static void
note_answer(struct db *db, const struct db_request *r)
{
	if (!r->made_us)
		return;
	db->load.under_way--;
	db->load.answers++;
	db->load.waited_us += clock_mono_us(loop_clock(db->loop)) - r->made_us;
}

struct db_load
db_load_now(const struct db *db)
{
	return db->load;
}

void
db_answer(struct db *db, struct db_request *r_take, int rc, const struct err *e)
{
	r_take->rc = rc;
	if (e)
		r_take->err = *e;
	note_answer(db, r_take);
	list_remove(&r_take->node);
	list_add_tail(&db->answered, &r_take->node);
	if (db->draining)
		return;
	db->draining = true;
	post_call(db->loop, drain, db);
}

static struct db_request *
request_new(struct db *db, enum db_request_kind kind, struct db_txn *txn_take)
{
	struct db_request *r = xcalloc(1, sizeof(*r));
	r->kind = kind;
	r->txn = txn_take;
	r->made_us = clock_mono_us(loop_clock(db->loop));
	db->load.under_way++;
	r->deadline_ms = loop_now_ms(db->loop) + db->deadline_ms;
	return r;
}

void
db_query(struct db *db, enum stmt stmt, unsigned n, const char *const *params,
    db_rows_fn done, void *arg)
{
	struct db_txn *t = db_txn_new();
	db_txn_stmt(t, stmt, n, params);
	struct db_request *r = request_new(db, DB_REQ_QUERY, t);
	r->got = done;
	r->arg = arg;
	db->driver->send(db, r);
}

void
db_load(struct db *db, const char *table, unsigned n, const char *const *columns,
    db_rows_fn done, void *arg)
{
	struct db_txn *t = db_txn_new();
	/* The columns stand where an update has them; the values are not looked at. */
	db_txn_update(t, table, "", n, columns, columns);
	struct db_request *r = request_new(db, DB_REQ_LOAD, t);
	r->got = done;
	r->arg = arg;
	db->driver->send(db, r);
}

void
db_txn_send(struct db *db, struct db_txn *t_take, db_done_fn done, void *arg)
{
	struct db_request *r = request_new(db, DB_REQ_TXN, t_take);
	r->done = done;
	r->arg = arg;
	db->driver->send(db, r);
}

uint32_t
db_deadline_ms(const struct db *db)
{
	return db->deadline_ms;
}

bool
db_is_up(const struct db *db)
{
	return db->up;
}

const char *
db_status(const struct db *db)
{
	return db->status;
}

void
db_watch(struct db *db, void (*fn)(void *arg), void *arg)
{
	db->watchers =
	    xreallocarray(db->watchers, db->n_watchers + 1, sizeof(*db->watchers));
	db->watchers[db->n_watchers++] = (struct db_watcher){ fn, arg };
}

void
db_unwatch(struct db *db, void (*fn)(void *arg), void *arg)
{
	size_t kept = 0;
	for (size_t i = 0; i < db->n_watchers; i++) {
		struct db_watcher w = db->watchers[i];
		if (w.fn != fn || w.arg != arg)
			db->watchers[kept++] = w;
	}
	db->n_watchers = kept;
}

void
db_set_up(struct db *db, const char *why)
{
	bool was = db->up;
	db->up = !why;
	if (why)
		snprintf(db->status, sizeof(db->status), "unavailable: %s", why);
	else
		snprintf(db->status, sizeof(db->status), "ok");
	if (was == db->up)
		return;
	for (size_t i = 0; i < db->n_watchers; i++)
		db->watchers[i].fn(db->watchers[i].arg);
}

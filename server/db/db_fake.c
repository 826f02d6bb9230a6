#include "server/db/db_fake.h"

#include "base/assert.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/db/db_int.h"

#define MAX_FAULTS 64

struct fault {
	int code; /* 0: the connection is lost */
	enum db_fake_outcome truth;
};

struct canned {
	unsigned n_cols;
	size_t n_rows;
	const char *const *values;
};

struct db_fake {
	struct db db;
	struct map *tables;   /* name → map: id → map: column → value */
	struct list queue;    /* of struct db_request, in order of sending */
	struct list in_doubt; /* written or not: rc says so already */
	struct fault faults[MAX_FAULTS];
	size_t n_faults;
	bool down, held;
	size_t released;
	struct timer *deadline;
	struct canned canned[STMT_COUNT_];
	size_t ran[STMT_COUNT_];
	size_t commits;
};

static struct db_fake *
fake_of(struct db *db)
{
	return LIST_ENTRY(CAST_OBJ(db, db, DB_MAGIC), struct db_fake, db);
}

static void
free_row(struct map *row)
{
	if (!row)
		return;
	MAP_EACH(row, it) {
		free(it.value);
	}
	map_free(row);
}

static struct map *
row_of(const struct db_fake *f, const char *table, const char *id)
{
	const struct map *rows = map_get_str(f->tables, table);
	return rows ? map_get_str(rows, id) : NULL;
}

static void
set_cells(struct map *row, const struct db_op *op)
{
	for (unsigned i = 0; i < op->n; i++) {
		free(op->values[i]
			 ? map_put_str(row, op->columns[i], xstrdup(op->values[i]))
			 : map_del_str(row, op->columns[i]));
	}
}

static void
write_row(struct db_fake *f, const struct db_op *op)
{
	struct map *rows = map_get_str(f->tables, op->table);
	if (!rows) {
		rows = map_new_str();
		map_put_str(f->tables, op->table, rows);
	}
	struct map *row = map_get_str(rows, op->id);
	if (op->kind == DB_OP_DELETE) {
		free_row(map_del_str(rows, op->id));
		return;
	}
	if (!row && op->kind == DB_OP_UPDATE)
		return;
	if (!row) {
		row = map_new_str();
		map_put_str(rows, op->id, row);
		map_put_str(row, "id", xstrdup(op->id));
	}
	set_cells(row, op);
}

static int
check_ops(const struct db_fake *f, const struct db_txn *t, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct db_op *op = &t->ops[i];
		if (op->kind == DB_OP_INSERT && row_of(f, op->table, op->id))
			return err_set(e, ERR_EXISTS, "%s has a row %s already",
			    op->table, op->id);
	}
	return 0;
}

static int
write_txn(struct db_fake *f, const struct db_txn *t, struct err *e)
{
	int rc = check_ops(f, t, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < t->n; i++) {
		if (t->ops[i].kind == DB_OP_STMT)
			f->ran[t->ops[i].stmt]++;
		else
			write_row(f, &t->ops[i]);
	}
	f->commits++;
	return 0;
}

static struct db_rows *
load_rows(const struct db_fake *f, const struct db_op *op)
{
	struct db_rows *out = db_rows_new(op->n);
	const struct map *rows = map_get_str(f->tables, op->table);
	if (!rows)
		return out;
	const char **values = xcalloc(op->n, sizeof(*values));
	MAP_EACH(rows, it) {
		for (unsigned i = 0; i < op->n; i++)
			values[i] = map_get_str(it.value, op->columns[i]);
		db_rows_add(out, values);
	}
	free(values);
	return out;
}

static struct db_rows *
canned_rows(struct db_fake *f, enum stmt stmt)
{
	const struct canned *c = &f->canned[stmt];
	struct db_rows *out = db_rows_new(c->n_cols);
	f->ran[stmt]++;
	for (size_t i = 0; i < c->n_rows; i++)
		db_rows_add(out, c->values + i * c->n_cols);
	return out;
}

static void
go_down(struct db_fake *f)
{
	f->down = true;
	db_set_up(&f->db, "the twin was told to be away");
}

/* True: a fault was told for this transaction, and it is dealt with. */
static bool
take_fault(struct db_fake *f, struct db_request *r)
{
	if (f->n_faults == 0)
		return false;
	struct fault fault = f->faults[0];
	f->n_faults--;
	for (size_t i = 0; i < f->n_faults; i++)
		f->faults[i] = f->faults[i + 1];

	struct err e = ERR_INIT;
	if (fault.code) {
		int rc = err_set(&e, fault.code, "the twin was told to fail");
		db_answer(&f->db, r, rc, &e);
		return true;
	}
	r->rc = fault.truth == DB_FAKE_WRITTEN
		    ? write_txn(f, r->txn, &r->err)
		    : err_set(&r->err, ERR_UNAVAILABLE,
			  "the database went away before it was written");
	list_remove(&r->node);
	list_add_tail(&f->in_doubt, &r->node);
	go_down(f);
	return true;
}

static void
run_one(struct db_fake *f, struct db_request *r)
{
	struct err e = ERR_INIT;
	int rc = 0;
	if (r->kind == DB_REQ_TXN) {
		if (take_fault(f, r))
			return;
		rc = write_txn(f, r->txn, &e);
	} else if (r->kind == DB_REQ_LOAD) {
		r->rows = load_rows(f, &r->txn->ops[0]);
	} else {
		r->rows = canned_rows(f, r->txn->ops[0].stmt);
	}
	db_answer(&f->db, r, rc, &e);
}

static void
arm_deadline(struct db_fake *f)
{
	const struct db_request *r = LIST_FIRST(struct db_request, &f->queue, node);
	uint64_t now = loop_now_ms(f->db.loop);
	if (!f->down || !r)
		timer_stop(f->deadline);
	else
		timer_after(
		    f->deadline, r->deadline_ms > now ? r->deadline_ms - now : 0);
}

static void
pump(struct db_fake *f)
{
	struct db_request *r;
	while (!f->down && (r = LIST_FIRST(struct db_request, &f->queue, node))) {
		if (f->held && f->released == 0)
			break;
		if (f->held)
			f->released--;
		run_one(f, r);
	}
	arm_deadline(f);
}

static void
on_deadline(void *arg)
{
	struct db_fake *f = fake_of(arg);
	LIST_EACH_SAFE(struct db_request, r, &f->queue, node) {
		if (r->deadline_ms > loop_now_ms(f->db.loop))
			break;
		struct err e = ERR_INIT;
		int rc = err_set(&e, ERR_UNAVAILABLE, "the database is away");
		db_answer(&f->db, r, rc, &e);
	}
	arm_deadline(f);
}

static void
fake_send(struct db *db, struct db_request *r_take)
{
	struct db_fake *f = fake_of(db);
	list_add_tail(&f->queue, &r_take->node);
	pump(f);
}

static void
free_requests(struct list *l)
{
	LIST_EACH_SAFE(struct db_request, r, l, node) {
		list_remove(&r->node);
		db_request_free(r);
	}
}

static void
fake_free(struct db *db)
{
	struct db_fake *f = fake_of(db);
	free_requests(&f->queue);
	free_requests(&f->in_doubt);
	MAP_EACH(f->tables, table) {
		MAP_EACH((struct map *)table.value, row) {
			free_row(row.value);
		}
		map_free(table.value);
	}
	map_free(f->tables);
	timer_free(f->deadline);
	db_fini(&f->db);
	free(f);
}

static const struct db_driver fake_driver = { .send = fake_send, .free = fake_free };

struct db *
db_fake_new(struct loop *l, uint32_t deadline_ms)
{
	struct db_fake *f = xcalloc(1, sizeof(*f));
	db_init(&f->db, &fake_driver, l, deadline_ms);
	f->tables = map_new_str();
	list_init(&f->queue);
	list_init(&f->in_doubt);
	f->deadline = timer_new(l, on_deadline, &f->db);
	db_set_up(&f->db, NULL);
	return &f->db;
}

struct db *
db_fake_after_crash(struct db *db, struct loop *l, uint32_t deadline_ms)
{
	struct db *fresh = db_fake_new(l, deadline_ms);
	struct db_fake *to = fake_of(fresh), *from = fake_of(db);
	struct map *tables = to->tables;
	to->tables = from->tables;
	from->tables = tables;
	return fresh;
}

static void
add_fault(struct db *db, struct fault fault)
{
	struct db_fake *f = fake_of(db);
	ASSERT(f->n_faults < MAX_FAULTS);
	f->faults[f->n_faults++] = fault;
}

void
db_fake_fail_next(struct db *db, int code)
{
	add_fault(db, (struct fault){ .code = code });
}

void
db_fake_lose_next(struct db *db, enum db_fake_outcome truth)
{
	add_fault(db, (struct fault){ .truth = truth });
}

void
db_fake_down(struct db *db)
{
	struct db_fake *f = fake_of(db);
	go_down(f);
	arm_deadline(f);
}

void
db_fake_up(struct db *db)
{
	struct db_fake *f = fake_of(db);
	f->down = false;
	LIST_EACH_SAFE(struct db_request, r, &f->in_doubt, node) {
		struct err e = r->err;
		db_answer(db, r, r->rc, &e);
	}
	db_set_up(db, NULL);
	pump(f);
}

void
db_fake_hold(struct db *db)
{
	fake_of(db)->held = true;
}

void
db_fake_release(struct db *db, size_t n)
{
	struct db_fake *f = fake_of(db);
	f->released += n;
	pump(f);
}

void
db_fake_unhold(struct db *db)
{
	struct db_fake *f = fake_of(db);
	f->held = false;
	f->released = 0;
	pump(f);
}

void
db_fake_answer(struct db *db, enum stmt stmt, unsigned n_cols, size_t n_rows,
    const char *const *values)
{
	fake_of(db)->canned[stmt] = (struct canned){ n_cols, n_rows, values };
}

size_t
db_fake_commits(struct db *db)
{
	return fake_of(db)->commits;
}

size_t
db_fake_ran(struct db *db, enum stmt stmt)
{
	return fake_of(db)->ran[stmt];
}

size_t
db_fake_rows(struct db *db, const char *table)
{
	const struct map *rows = map_get_str(fake_of(db)->tables, table);
	return rows ? map_count(rows) : 0;
}

const char *
db_fake_value(struct db *db, const char *table, const char *id, const char *column)
{
	const struct map *row = row_of(fake_of(db), table, id);
	return row ? map_get_str(row, column) : NULL;
}

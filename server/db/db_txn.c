#include "base/assert.h"
#include "base/mem.h"
#include "server/db/db_int.h"

struct db_txn *
db_txn_new(void)
{
	return xcalloc(1, sizeof(struct db_txn));
}

static void
op_fini(struct db_op *op)
{
	free(op->table);
	free(op->id);
	for (unsigned i = 0; i < op->n; i++) {
		free(op->values[i]);
		if (op->columns)
			free(op->columns[i]);
	}
	free(op->values);
	free(op->columns);
}

void
db_txn_free(struct db_txn *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		op_fini(&t->ops[i]);
	free(t->ops);
	free(t);
}

bool
db_txn_empty(const struct db_txn *t)
{
	return t->n == 0;
}

static char **
dup_texts(unsigned n, const char *const *texts)
{
	char **v = xcalloc(n ? n : 1, sizeof(*v));
	for (unsigned i = 0; texts && i < n; i++)
		v[i] = xstrdup(texts[i]);
	return v;
}

static struct db_op *
add_op(struct db_txn *t, enum db_op_kind kind, unsigned n, const char *const *values)
{
	if (t->n == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 4;
		t->ops = xreallocarray(t->ops, t->cap, sizeof(*t->ops));
	}
	struct db_op *op = &t->ops[t->n++];
	*op = (struct db_op){ .kind = kind, .n = n, .values = dup_texts(n, values) };
	return op;
}

void
db_txn_stmt(struct db_txn *t, enum stmt stmt, unsigned n, const char *const *params)
{
	ASSERT(db_stmt_of(stmt)->n_params == n);
	add_op(t, DB_OP_STMT, n, params)->stmt = stmt;
}

static void
name_row(
    struct db_op *op, const char *table, const char *id, const char *const *columns)
{
	op->table = xstrdup(table);
	op->id = xstrdup(id);
	op->columns = dup_texts(op->n, columns);
}

void
db_txn_insert(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values)
{
	name_row(add_op(t, DB_OP_INSERT, n, values), table, id, columns);
}

void
db_txn_update(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values)
{
	name_row(add_op(t, DB_OP_UPDATE, n, values), table, id, columns);
}

void
db_txn_put(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values)
{
	name_row(add_op(t, DB_OP_PUT, n, values), table, id, columns);
}

void
db_txn_delete(struct db_txn *t, const char *table, const char *id)
{
	name_row(add_op(t, DB_OP_DELETE, 0, NULL), table, id, NULL);
}

void
db_txn_append(struct db_txn *t, struct db_txn *more_take)
{
	if (!more_take)
		return;
	t->cap = t->n + more_take->n;
	t->ops = xreallocarray(t->ops, t->cap ? t->cap : 1, sizeof(*t->ops));
	for (size_t i = 0; i < more_take->n; i++)
		t->ops[t->n++] = more_take->ops[i];
	more_take->n = 0;
	db_txn_free(more_take);
}

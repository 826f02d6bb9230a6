#include <stdio.h>

#include "base/assert.h"
#include "base/mem.h"
#include "server/db/db_pg_int.h"

#define MAX_PARAMS 80

void
pg_forget_prepared(struct db_pg *pg)
{
	MAP_EACH(pg->prepared, it) {
		((struct pg_prepared *)it.value)->sent = false;
	}
}

static struct pg_prepared *
prepared_of(struct db_pg *pg, const char *sql)
{
	struct pg_prepared *p = map_get_str(pg->prepared, sql);
	if (p)
		return p;
	p = xcalloc(1, sizeof(*p));
	snprintf(p->name, sizeof(p->name), "s%u", pg->n_prepared++);
	map_put_str(pg->prepared, sql, p);
	return p;
}

static void
take_off(struct db_pg *pg, struct db_request *r)
{
	list_remove(&r->node);
	list_add_tail(&pg->flying, &r->node);
	pg->n_flying++;
}

/*
 * Tell the connection a statement, in a pipeline part of its own: inside the
 * transaction that needs it, a failure of something else would skip it unseen.
 */
static bool
prepare(struct db_pg *pg, const char *sql)
{
	struct pg_prepared *p = prepared_of(pg, sql);
	if (p->sent)
		return true;
	if (!PQsendPrepare(pg->conn, p->name, sql, 0, NULL) ||
	    !PQpipelineSync(pg->conn))
		return false;
	p->sent = true;
	struct db_request *r = xcalloc(1, sizeof(*r));
	r->kind = DB_REQ_PREPARE;
	r->deadline_ms = UINT64_MAX;
	take_off(pg, r);
	return true;
}

static bool
prepare_all(struct db_pg *pg, const struct db_request *r)
{
	AUTO(str) struct str buf = STR_INIT;
	if (r->kind == DB_REQ_TXN && !prepare(pg, db_stmt_of(STMT_TXN_GUARD)->sql))
		return false;
	for (size_t i = 0; i < r->txn->n; i++) {
		const struct db_op *op = &r->txn->ops[i];
		if (!prepare(pg, db_sql_of(op, r->kind == DB_REQ_LOAD, &buf)))
			return false;
	}
	return true;
}

static bool
send_prepared(struct db_pg *pg, const char *sql, unsigned n, const char *const *params)
{
	const struct pg_prepared *p = prepared_of(pg, sql);
	return PQsendQueryPrepared(pg->conn, p->name, (int)n, params, NULL, NULL, 0);
}

static bool
send_op(struct db_pg *pg, const struct db_request *r, const struct db_op *op)
{
	AUTO(str) struct str buf = STR_INIT;
	const char *sql = db_sql_of(op, r->kind == DB_REQ_LOAD, &buf);
	const char *params[MAX_PARAMS];
	unsigned n = 0;
	ASSERT(op->n < MAX_PARAMS);
	if (r->kind == DB_REQ_LOAD)
		return send_prepared(pg, sql, 0, NULL);
	if (op->kind != DB_OP_STMT)
		params[n++] = op->id;
	for (unsigned i = 0; i < op->n; i++)
		params[n++] = op->values[i];
	return send_prepared(pg, sql, n, params);
}

uint64_t
pg_lowest_open(const struct db_pg *pg)
{
	LIST_EACH(struct db_request, r, &pg->flying, node) {
		if (r->kind == DB_REQ_TXN)
			return r->seq;
	}
	return pg->last_seq;
}

static bool
send_guard(struct db_pg *pg, struct db_request *r)
{
	char text[4][24];
	r->seq = ++pg->last_seq;
	const uint64_t v[4] = { pg->epoch, pg->session, r->seq, pg_lowest_open(pg) };
	const char *params[4];
	for (unsigned i = 0; i < 4; i++) {
		snprintf(text[i], sizeof(text[i]), "%llu", (unsigned long long)v[i]);
		params[i] = text[i];
	}
	return send_prepared(pg, db_stmt_of(STMT_TXN_GUARD)->sql, 4, params);
}

static bool
send_script(struct db_pg *pg, struct db_request *r)
{
	if (!PQexitPipelineMode(pg->conn))
		return false;
	pg->piped = false;
	take_off(pg, r);
	return PQsendQuery(pg->conn, r->script);
}

bool
pg_send(struct db_pg *pg, struct db_request *r)
{
	if (r->kind == DB_REQ_SCRIPT)
		return send_script(pg, r);
	if (!prepare_all(pg, r))
		return false;
	/* From here on it may run at the other end, whatever happens to us. */
	take_off(pg, r);
	if (r->kind == DB_REQ_TXN && !send_guard(pg, r))
		return false;
	for (size_t i = 0; i < r->txn->n; i++) {
		if (!send_op(pg, r, &r->txn->ops[i]))
			return false;
	}
	return PQpipelineSync(pg->conn);
}

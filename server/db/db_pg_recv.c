#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/db/db_pg_int.h"

static void
note_failure(struct db_request *r, const PGresult *res)
{
	if (r->rc < 0)
		return;
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	if (!why)
		why = PQresultErrorMessage(res);
	r->rc = err_set(&r->err, db_error_code(state), "the database refuses: %s%s%s%s",
	    why, detail ? " (" : "", detail ? detail : "", detail ? ")" : "");
}

static void
keep_rows(struct db_request *r, const PGresult *res)
{
	if (r->rows || r->kind == DB_REQ_TXN)
		return;
	unsigned n = (unsigned)PQnfields(res);
	r->rows = db_rows_new(n);
	const char **row = xcalloc(n ? n : 1, sizeof(*row));
	for (int i = 0; i < PQntuples(res); i++) {
		for (unsigned c = 0; c < n; c++)
			row[c] = PQgetisnull(res, i, (int)c)
				     ? NULL
				     : PQgetvalue(res, i, (int)c);
		db_rows_add(r->rows, row);
	}
	free(row);
}

/* The head of the flying list is over. */
static void
land(struct db_pg *pg, struct db_request *r)
{
	list_remove(&r->node);
	pg->n_flying--;
	if (r->kind == DB_REQ_PREPARE) {
		/* Who needs the statement fails with "does not exist": say why here. */
		if (r->rc < 0)
			log_err("db", "cannot prepare a statement: %s", r->err.msg);
		db_request_free(r);
		return;
	}
	bool stale = r->rc == ERR_STALE;
	struct err e = r->err;
	db_answer(&pg->db, r, r->rc, &e);
	if (stale && pg->hooks.stale)
		pg->hooks.stale(pg->hooks_arg);
}

static void
take_result(struct db_pg *pg, const PGresult *res)
{
	struct db_request *r = LIST_FIRST(struct db_request, &pg->flying, node);
	ASSERT(r);
	switch (PQresultStatus(res)) {
	case PGRES_TUPLES_OK:
		keep_rows(r, res);
		return;
	case PGRES_PIPELINE_SYNC:
		land(pg, r);
		return;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_PIPELINE_ABORTED:
	case PGRES_NONFATAL_ERROR:
		return;
	default:
		note_failure(r, res);
		return;
	}
}

/* A NULL ends a script; in a pipeline it only parts the commands. */
static bool
take_null(struct db_pg *pg)
{
	struct db_request *r = LIST_FIRST(struct db_request, &pg->flying, node);
	if (pg->piped || !r)
		return true;
	if (!PQenterPipelineMode(pg->conn))
		return false;
	pg->piped = true;
	land(pg, r);
	return true;
}

void
pg_receive(struct db_pg *pg)
{
	unsigned nulls = 0;
	while (!list_empty(&pg->flying) && nulls < 2 && !PQisBusy(pg->conn)) {
		PGresult *res = PQgetResult(pg->conn);
		if (!res) {
			nulls++;
			if (!take_null(pg)) {
				pg_lost(pg, PQerrorMessage(pg->conn));
				return;
			}
			continue;
		}
		nulls = 0;
		/* What became of it is looked up once the standby answers again. */
		if (!pg->unreplicated)
			take_result(pg, res);
		PQclear(res);
		if (pg->unreplicated) {
			pg_lost(pg, "a commit was not confirmed by the standby");
			return;
		}
	}
	if (PQstatus(pg->conn) == CONNECTION_BAD)
		pg_lost(pg, PQerrorMessage(pg->conn));
}

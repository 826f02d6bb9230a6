#include <string.h>

#include "server/db/db_pg_int.h"

static void
add_columns(struct str *buf, const struct db_op *op)
{
	for (unsigned i = 0; i < op->n; i++)
		str_addf(buf, "%s\"%s\"", i ? ", " : "", op->columns[i]);
}

/* "column" = $2, … : $1 is the id. */
static void
add_assignments(struct str *buf, const struct db_op *op)
{
	for (unsigned i = 0; i < op->n; i++)
		str_addf(buf, "%s\"%s\" = $%u", i ? ", " : "", op->columns[i], i + 2);
}

static void
add_insert(struct str *buf, const struct db_op *op)
{
	str_addf(buf, "INSERT INTO \"%s\" (id%s", op->table, op->n ? ", " : "");
	add_columns(buf, op);
	str_add(buf, ") VALUES ($1");
	for (unsigned i = 0; i < op->n; i++)
		str_addf(buf, ", $%u", i + 2);
	str_addc(buf, ')');
}

const char *
db_sql_of(const struct db_op *op, bool is_load, struct str *buf)
{
	str_reset(buf);
	if (is_load) {
		str_add(buf, "SELECT ");
		add_columns(buf, op);
		str_addf(buf, " FROM \"%s\"", op->table);
		return str_cstr(buf);
	}
	switch (op->kind) {
	case DB_OP_STMT:
		return db_stmt_of(op->stmt)->sql;
	case DB_OP_INSERT:
		add_insert(buf, op);
		break;
	case DB_OP_PUT:
		add_insert(buf, op);
		str_add(buf, " ON CONFLICT (id) DO UPDATE SET ");
		add_assignments(buf, op);
		break;
	case DB_OP_UPDATE:
		str_addf(buf, "UPDATE \"%s\" SET ", op->table);
		add_assignments(buf, op);
		str_add(buf, " WHERE id = $1");
		break;
	case DB_OP_DELETE:
		str_addf(buf, "DELETE FROM \"%s\" WHERE id = $1", op->table);
		break;
	}
	return str_cstr(buf);
}

/* SQLSTATE, or its class of two letters, in order of precedence. */
static const struct {
	const char *state;
	int code;
} meanings[] = {
	{ "DR001", ERR_STALE },       /* txn_guard: another epoch */
	{ "DR002", ERR_UNAVAILABLE }, /* txn_guard: a connection we gave up */
	{ "DR003", ERR_DENIED },      /* enroll_spend */
	{ "23505", ERR_EXISTS },      /* unique */
	{ "23", ERR_INVALID },        /* integrity */
	{ "22", ERR_INVALID },        /* data: out of range … */
	{ "08", ERR_UNAVAILABLE },    /* connection */
	{ "40", ERR_UNAVAILABLE },    /* rolled back: deadlock, serialisation */
	{ "53", ERR_UNAVAILABLE },    /* no resources: disk full … */
	{ "55", ERR_UNAVAILABLE },    /* lock not available */
	{ "57", ERR_UNAVAILABLE },    /* operator: shutdown, cancel */
	{ "58", ERR_UNAVAILABLE },    /* the system below */
	{ "25006", ERR_UNAVAILABLE }, /* a standby */
};

int
db_error_code(const char *sqlstate)
{
	/* libpq itself sets none: it is about the connection. */
	if (!sqlstate || !*sqlstate)
		return ERR_UNAVAILABLE;
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		if (!strncmp(sqlstate, meanings[i].state, strlen(meanings[i].state)))
			return meanings[i].code;
	}
	return ERR_INTERNAL;
}

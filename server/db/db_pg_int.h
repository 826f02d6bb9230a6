/*
 * db_pg_int: the PostgreSQL driver from inside.
 *
 * db_pg.c connects, loses and reconnects, and decides what is sent when; db_pg_send.c
 * puts a request into the pipeline; db_pg_recv.c takes answers out of it; db_sql.c
 * writes the SQL of rows.
 */
#pragma once
#include <libpq-fe.h>

#include "base/map.h"
#include "base/rng.h"
#include "base/str.h"
#include "server/db/db_int.h"
#include "server/db/db_pg.h"

enum pg_state {
	PG_AWAY, /* waiting for the next try */
	PG_CONNECTING,
	PG_GATED,     /* connected; only urgent requests pass */
	PG_RESOLVING, /* admitted; asking what became of in_doubt */
	PG_OPEN,
};

/* A statement that the present connection has been told. */
struct pg_prepared {
	char name[16];
	bool sent;
};

struct db_pg {
	struct db db;
	enum pg_state state;
	char *conninfo, *app_name;
	struct db_pg_hooks hooks;
	void *hooks_arg;

	PGconn *conn;
	struct event *reader, *writer;
	bool piped;           /* the connection is in pipeline mode */
	bool unreplicated;    /* a commit has stopped waiting for its standby */
	unsigned first_host;  /* of several in conninfo, the one to begin with */
	int backend;          /* its process at the other end, remembered while away */
	struct map *prepared; /* by SQL */
	unsigned n_prepared;

	struct list urgent;   /* pass the gate */
	struct list queue;    /* wait for it */
	struct list flying;   /* sent, in order */
	struct list in_doubt; /* sent over a connection that broke */
	size_t n_flying;

	uint64_t epoch, session, last_seq;
	struct timer *retry, *deadline;
	uint64_t pause_ms;
	struct rng rng;
};

struct db_pg *pg_of(struct db *db);
void pg_lost(struct db_pg *pg, const char *why);
void pg_pump(struct db_pg *pg); /* send what may be sent */

/* Put a request into the pipeline and on the flying list; false: the connection is bad.
 */
bool pg_send(struct db_pg *pg, struct db_request *r);
void pg_forget_prepared(struct db_pg *pg);
/* The lowest number of a transaction whose end is not known. */
uint64_t pg_lowest_open(const struct db_pg *pg);

/* Take the answers that are there. */
void pg_receive(struct db_pg *pg);

/* The SQL of a row operation, a load or a statement of stmt.def; "" into buf first. */
const char *db_sql_of(const struct db_op *op, bool is_load, struct str *buf);
/* What a failed statement means to us. */
int db_error_code(const char *sqlstate);

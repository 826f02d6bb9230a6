/*
 * db_pg: PostgreSQL through libpq on the loop: one connection in pipeline mode,
 * statements prepared at first use, reconnecting by itself with a growing pause.
 *
 * After each connect the gate is closed: only db_pg_now and db_pg_script pass, and the
 * hook `connected` tells the leader to take the lead.  db_pg_admit opens the gate.
 * Transactions that were on their way when the connection broke are looked up first, so
 * each is answered with what became of it.
 */
#pragma once
#include "server/db/db.h"

struct loop;

struct db_pg_hooks {
	void (*connected)(void *arg);
	void (*lost)(void *arg);
	void (*stale)(void *arg); /* a write was refused: another server leads */
};

/*
 * conninfo as libpq takes it; of several hosts the one that may be written is taken,
 * also where another hangs.  A host by name is resolved while the loop waits, so prefer
 * a socket or an address. name is the connection's application_name. deadline_ms
 * counts for every request, the connection's making, and the silence after which it is
 * given up.
 */
struct db *db_pg_new(
    struct loop *l, const char *conninfo, const char *name, uint32_t deadline_ms);
void db_pg_start(struct db *db, const struct db_pg_hooks *hooks, void *arg);
/* A statement that passes the closed gate; without deadline (it may wait for a lock).
 */
void db_pg_now(struct db *db, enum stmt stmt, unsigned n, const char *const *params,
    db_rows_fn done, void *arg);
/* Several statements as one transaction, past the gate, without deadline. */
void db_pg_script(struct db *db, const char *sql, db_done_fn done, void *arg);
/* We lead: every transaction proves this epoch and session from now on. */
void db_pg_admit(struct db *db, uint64_t epoch, uint64_t session);
/* Close the connection and try again after the pause, as if it had broken. */
void db_pg_reset(struct db *db, const char *why);
int db_pg_backend(struct db *db); /* process id of the server's end, 0: none */

/*
 * db_fake: the database's twin in memory.
 *
 * It keeps the rows of db_txn_insert/update/put/delete by table, so that a second
 * inventory made on the same twin loads what the first one stored: that is a server
 * restart.  Statements of stmt.def are counted and otherwise ignored; queries give no
 * rows unless the test answers them.  Faults are told to it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "loop/loop.h"
#include "server/db/db.h"

struct db *db_fake_new(struct loop *l, uint32_t deadline_ms);

/* The next transaction is not written and ends with code. Calls add up: the next two …
 */
void db_fake_fail_next(struct db *db, int code);

/* The connection breaks while the next transaction commits; it is looked up at
 * db_fake_up. */
enum db_fake_outcome { DB_FAKE_WRITTEN, DB_FAKE_NOT_WRITTEN };

void db_fake_lose_next(struct db *db, enum db_fake_outcome truth);
/* Away: requests wait for their deadline. Back: what still waits is done. */
void db_fake_down(struct db *db);
void db_fake_up(struct db *db);
/* Keep requests in the queue; release lets the first n of them through. */
void db_fake_hold(struct db *db);
void db_fake_release(struct db *db, size_t n);
void db_fake_unhold(struct db *db);

/* Answer a query: n_cols * n_rows values, borrowed until changed (NULL: no rows). */
void db_fake_answer(struct db *db, enum stmt stmt, unsigned n_cols, size_t n_rows,
    const char *const *values);
size_t db_fake_commits(struct db *db);
size_t db_fake_ran(struct db *db, enum stmt stmt); /* committed runs of a statement */
size_t db_fake_rows(struct db *db, const char *table);
/* A stored value; NULL for null, no such column or no such row. */
const char *db_fake_value(
    struct db *db, const char *table, const char *id, const char *column);
/*
 * What a crash leaves: a new twin on another loop with the rows of this one, which is
 * empty after it. What was sent and is not committed is lost.
 */
struct db *db_fake_after_crash(struct db *db, struct loop *l, uint32_t deadline_ms);

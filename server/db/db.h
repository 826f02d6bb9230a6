/*
 * db: the database, asynchronously.  PostgreSQL (db_pg.h) or its twin in memory
 * (db_fake.h).
 *
 * Nothing here waits, and no callback runs before the call that asked for it has
 * returned: answers come in the posts phase, in the order of sending.  Requests made
 * while the database is away wait for it until their deadline and then end with
 * ERR_UNAVAILABLE.  Core thread only; db_free comes after the loop's last turn.
 *
 * Writers use txn.h, which puts inventory, events and audit into one transaction; this
 * interface is for reading (db_query) and for the inventory itself.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum stmt {

#define STMT(name, n, sql) STMT_##name,
#include "server/db/stmt.def"
#undef STMT
	STMT_COUNT_
};

struct db;
struct db_rows;
struct db_txn;

void db_free(
    struct db *db); /* pending requests are dropped, their callbacks not called */

/* The statement's rows; rows is good during the callback only, NULL on failure. */
typedef void (*db_rows_fn)(
    void *arg, int rc, const struct err *e, const struct db_rows *rows);
/* Read with a statement of stmt.def; n parameters as text (NULL = null), copied. */
void db_query(struct db *db, enum stmt stmt, unsigned n, const char *const *params,
    db_rows_fn done, void *arg);
/* Read the columns of all rows of a table, in no order. */
void db_load(struct db *db, const char *table, unsigned n, const char *const *columns,
    db_rows_fn done, void *arg);

size_t db_rows_count(const struct db_rows *r);
const char *db_value(
    const struct db_rows *r, size_t row, unsigned column); /* NULL = null */
/* The value as a whole number; 0 for null. */
uint64_t db_value_u64(const struct db_rows *r, size_t row, unsigned column);

/* One transaction. Statements run in the order in which they were added. */
struct db_txn *db_txn_new(void);
void db_txn_free(struct db_txn *t);
bool db_txn_empty(const struct db_txn *t);
void db_txn_stmt(
    struct db_txn *t, enum stmt stmt, unsigned n, const char *const *params);
/* Rows by their text key, the column "id". n columns besides it; values are copied. */
void db_txn_insert(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values);
void db_txn_update(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values);
void db_txn_put(struct db_txn *t, const char *table, const char *id, unsigned n,
    const char *const *columns, const char *const *values); /* insert or update */
void db_txn_delete(struct db_txn *t, const char *table, const char *id);
void db_txn_append(struct db_txn *t, struct db_txn *more_take); /* NULL is fine */
/*
 * Send it; transactions commit in the order of sending.  0: it is on disk.  Any other
 * code: nothing of it was written.  When the connection breaks while the outcome is
 * open, the answer waits until the database is back and has been asked, which can be
 * after the deadline.
 */
typedef void (*db_done_fn)(void *arg, int rc, const struct err *e);
void db_txn_send(struct db *db, struct db_txn *t_take, db_done_fn done, void *arg);

/* How it has done since it was made. */
struct db_load {
	uint64_t under_way;          /* requests that are not answered */
	uint64_t answers, waited_us; /* for those */
};

struct db_load db_load_now(const struct db *db);
uint32_t db_deadline_ms(const struct db *db); /* of every request */
bool db_is_up(const struct db *db);           /* connected and open for requests */
const char *db_status(const struct db *db);   /* "ok", or "unavailable: reason" */
/* Run fn(arg) whenever db_is_up changes. */
void db_watch(struct db *db, void (*fn)(void *arg), void *arg);
void db_unwatch(struct db *db, void (*fn)(void *arg), void *arg);

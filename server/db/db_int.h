/*
 * db_int: what PostgreSQL's driver and the twin share: requests, rows, completions.
 */
#pragma once
#include "base/list.h"
#include "loop/loop.h"
#include "server/db/db.h"

struct db_stmt {
	const char *name;
	unsigned n_params;
	const char *sql;
};
/* The text of a statement of stmt.def. */
const struct db_stmt *db_stmt_of(enum stmt stmt);

enum db_op_kind { DB_OP_STMT, DB_OP_INSERT, DB_OP_UPDATE, DB_OP_PUT, DB_OP_DELETE };

/* One statement of a transaction. Row operations have their columns named. */
struct db_op {
	enum db_op_kind kind;
	enum stmt stmt;
	char *table, *id;
	unsigned n;
	char **columns; /* NULL for DB_OP_STMT */
	char **values;
};

struct db_txn {
	struct db_op *ops;
	size_t n, cap;
};

/* Rows in a form of our own: the driver's result need not live on. */
struct db_rows {
	unsigned n_cols;
	size_t n_rows, cap;
	char **values;
};
struct db_rows *db_rows_new(unsigned n_cols);
void db_rows_add(struct db_rows *r, const char *const *values);
void db_rows_free(struct db_rows *r);

enum db_request_kind {
	DB_REQ_TXN,
	DB_REQ_QUERY,
	DB_REQ_LOAD,
	DB_REQ_SCRIPT,
	DB_REQ_PREPARE,
};

struct db_request {
	struct list_node node;
	enum db_request_kind kind;
	struct db_txn *txn; /* a query is a transaction of one statement */
	char *script;
	uint64_t deadline_ms; /* UINT64_MAX: none */
	uint64_t made_us;     /* 0: it is the driver's own */
	uint64_t seq;         /* transactions: number under the epoch */
	db_done_fn done;      /* transactions and scripts */
	db_rows_fn got;       /* queries */
	void *arg;
	/* the answer */
	int rc;
	struct err err;
	struct db_rows *rows;
};

void db_request_free(struct db_request *r);

struct db_watcher {
	void (*fn)(void *arg);
	void *arg;
};

struct db_driver {
	void (*send)(struct db *db, struct db_request *r_take);
	void (*free)(struct db *db);
};

/* First member of the driver's own struct. */
struct db {
	uint32_t magic;
	const struct db_driver *driver;
	struct loop *loop;
	uint32_t deadline_ms;
	struct list answered; /* completions of this turn, in order */
	bool draining;        /* a drain is posted */
	struct db_load load;
	bool up;
	char status[300];
	struct db_watcher *watchers;
	size_t n_watchers;
};

#define DB_MAGIC 0x64625f5fu

void db_init(struct db *db, const struct db_driver *driver, struct loop *l,
    uint32_t deadline_ms);
void db_fini(struct db *db);
/* The request is over: its callback runs in the posts phase, after those before it. */
void db_answer(struct db *db, struct db_request *r_take, int rc, const struct err *e);
/* Up with why NULL, else down with its reason; watchers hear of changes only. */
void db_set_up(struct db *db, const char *why);

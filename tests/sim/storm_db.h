/*
 * storm_db: the rows that servers share, and transactions whose outcome may stay
 * unknown.
 *
 * Every write but a take-over proves its epoch in the transaction, as statements of the
 * server do.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "server/leader/leader_decide.h"
#include "tests/sim/storm.h"

enum txn_kind {
	TXN_READ,      /* the leader's row */
	TXN_TAKE_OVER, /* if it is still as expected */
	TXN_RENEW,
	TXN_LOAD,  /* all rows */
	TXN_FENCE, /* (host, inc) is over (R5) */
	TXN_JOIN,  /* host, that is inc now, becomes inc + 1 (R9) */
	TXN_START, /* guest, that is at gen now, goes to host at gen + 1 */
};

struct host_row {
	uint64_t inc;
	bool fenced;
};

struct guest_row {
	uint64_t gen, inc;
	uint32_t host;
};

struct db_rows_all {
	struct host_row hosts[STORM_MAX_HOSTS];
	struct guest_row guests[STORM_MAX_GUESTS];
};

struct txn {
	enum txn_kind kind;
	uint32_t server;
	uint64_t life, begun_ms; /* of the server */
	uint64_t epoch;
	struct leader_row expect;
	uint32_t host, guest;
	uint64_t inc, gen;
	/* the answer */
	bool lost; /* nobody knows what became of it */
	bool done;
	struct leader_row row;
	struct db_rows_all rows;
};

struct storm_db *db_new(const struct storm *w);
void db_free(struct storm_db *d);
void db_submit(struct storm *w, const struct txn *t);
void db_on_land(struct storm *w, uint64_t arg);
struct txn db_take(struct storm *w, uint64_t arg);
const struct db_rows_all *db_rows(const struct storm *w);

/*
 * inv_life: making, loading and ending the inventory, and what higher modules hang on
 * it.
 */
#pragma once
#include "server/inventory/inv.h"

struct db;
struct events;
struct loop;
struct txn;

/* Both borrowed: they outlive it. db may be a db_fake. Nothing is loaded. */
struct inv *inv_new(struct loop *l, struct db *db);
/* After the loop's last turn; transactions on their way are dropped without a word. */
void inv_free(struct inv *inv);
/* Database to memory, once, before anything else. done comes in a later posts phase. */
typedef void (*inv_loaded_fn)(void *arg, int rc, const struct err *e);
void inv_load(struct inv *inv, inv_loaded_fn done, void *arg);

struct loop *inv_loop(const struct inv *inv);
struct db *inv_db(const struct inv *inv);
/* The next id of a kind; never given again once a transaction that followed has
 * committed. */
obj_id inv_new_id(struct inv *inv, enum obj_kind kind);
/* An id that is in use elsewhere (events): no new one will be at or below it. */
void inv_seen_id(struct inv *inv, obj_id id);
size_t inv_txns_open(const struct inv *inv); /* sent, outcome not known yet */

/* The event module's state (server/event/event_life.h), NULL before. */
void inv_set_events(struct inv *inv, struct events *ev);
struct events *inv_events(const struct inv *inv);

/*
 * A part of a transaction that another module adds: send runs at txn_commit, just
 * before the transaction leaves, and may add statements; applied runs when the commit
 * is known, in commit order; drop frees data in every case, last.
 */
struct txn_part {
	void (*send)(void *data, struct txn *t);
	void (*applied)(void *data);
	void (*drop)(void *data);
};

void txn_add_part(struct txn *t, const struct txn_part *part, void *data_take);
struct inv *txn_inv(const struct txn *t);
/* The object as this transaction would leave it; NULL if it would be gone. */
const struct obj *txn_view(const struct txn *t, obj_id id);

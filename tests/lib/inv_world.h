/*
 * inv_world: a loop on a virtual clock, the database's twin and an inventory on it, for
 * tests.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loop/loop.h"
#include "server/db/db_fake.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

struct world {
	struct clock *clock;
	struct loop *loop;
	struct db *db;
	struct inv *inv;
};

/* The end of a transaction. */
struct ending {
	unsigned calls;
	int rc;
	char msg[240];
};

static inline void
on_end(void *arg, int rc, const struct err *e)
{
	struct ending *end = arg;
	end->calls++;
	end->rc = rc;
	snprintf(end->msg, sizeof(end->msg), "%s", e ? e->msg : "");
}

static inline void
world_settle(struct world *w)
{
	while (loop_turn(w->loop, 0) > 0)
		;
}

static inline int
world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	w->clock = clock_virtual_new(1000, 1767323045678);
	w->loop = loop_new(w->clock);
	w->db = db_fake_new(w->loop, 5000);
	w->inv = inv_new(w->loop, w->db);
	struct ending end = { 0 };
	inv_load(w->inv, on_end, &end);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.rc, 0);
	*state = w;
	return 0;
}

/* A server restart: what is not in the database is gone. */
static inline void
world_restart(struct world *w)
{
	inv_free(w->inv);
	w->inv = inv_new(w->loop, w->db);
	struct ending end = { 0 };
	inv_load(w->inv, on_end, &end);
	world_settle(w);
	assert_int_equal(end.rc, 0);
}

static inline int
world_teardown(void **state)
{
	struct world *w = *state;
	inv_free(w->inv);
	db_free(w->db);
	loop_free(w->loop);
	clock_free(w->clock);
	free(w);
	return 0;
}

static inline int
world_commit(struct world *w, struct txn *t)
{
	struct ending end = { 0 };
	txn_commit(t, on_end, &end);
	assert_int_equal(end.calls, 0);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	return end.rc;
}

/* One new object in a transaction of its own. */
static inline obj_id
world_add(struct world *w, enum obj_kind kind, obj_id parent, const char *name)
{
	struct txn *t = txn_new(w->inv);
	struct err e = ERR_INIT;
	void *o = NULL;
	assert_int_equal(txn_add(t, kind, parent, name, &o, &e), 0);
	obj_id id = ((struct obj *)o)->id;
	assert_int_equal(world_commit(w, t), 0);
	return id;
}

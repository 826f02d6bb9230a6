/*
 * flow_int: what flow.c and flow_join.c share: who a wake can wake.
 */
#pragma once
#include "base/list.h"
#include "loop/flow.h"

struct waiter {
	uint64_t id; /* what wakes call "flow" */
	void (*deliver)(struct waiter *w, uint32_t wait, int rc, const struct err *e);
};

struct join {
	struct waiter waiter;
	struct list_node node; /* in its flow's joins */
	struct loop *loop;
	struct flows *flows;
	struct wake all;
	unsigned n, missing;
	bool *has; /* which parts are in */
	int rc;    /* of the first that failed */
	struct err err;
};

void waiter_add(struct flows *fs, struct waiter *w);
void waiter_remove(struct flows *fs, struct waiter *w);
struct flows *flow_registry(const struct flow *f);
struct list *flow_joins(struct flow *f);
void join_free(struct join *j);

/*
 * flow_int: a flow from the inside: flow.c gives it life and wakes, flow_run.c runs its
 * steps, flow_join.c joins wakes.
 */
#pragma once
#include "base/list.h"
#include "loop/flow.h"

struct waiter {
	uint64_t id; /* what wakes call "flow" */
	void (*deliver)(struct waiter *w, uint32_t wait, int rc, const struct err *e);
	bool (*awaits)(struct waiter *w, uint32_t wait);
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

struct flows {
	struct loop *loop;
	struct map *waiters; /* id → struct waiter */
	struct list all;
	struct list ready; /* flows with something to run in the flows phase */
	unsigned n_ready, n_live;
	bool running;
};

/* What a flow does when its turn comes; while it waits: what it does after. */
enum stage {
	STAGE_NEW, /* flow_start was not called yet */
	STAGE_ENTER,
	STAGE_START,
	STAGE_FINISH,
	STAGE_ENTER_UNDO,
	STAGE_UNDO,
	STAGE_FINISH_UNDO,
	STAGE_END,
};

struct flow {
	uint32_t magic;
	struct waiter waiter;
	struct flows *flows;
	struct list_node node, ready_node;
	const char *name;
	const struct flow_step *steps;
	const enum flow_cancel_rule *cancel_rules; /* or NULL */
	void *arg;
	const struct flow_hooks *hooks;
	void *owner;

	enum stage stage;
	enum flow_phase phase;
	unsigned step;
	unsigned begun; /* steps below this one may have left something to undo */

	bool waiting;
	bool storing;    /* the wait is the persist hook's */
	bool in_call;    /* inside start or undo, where a wake may be taken */
	bool wake_taken; /* in this call */
	uint32_t wait;   /* number of the wait that is on or about to begin */
	uint32_t timeout_ms;
	struct timer *deadline;
	struct list joins; /* that wake the current wait */

	int rc; /* of the wait that ended */
	struct err err;
	struct err cancel; /* code is set once somebody asked to stop */
	struct err why;    /* why it is being undone */
};

enum flow_cancel_rule flow_cancel_rule(const struct flow *f); /* of its step */
void waiter_add(struct flows *fs, struct waiter *w);
void waiter_remove(struct flows *fs, struct waiter *w);
void flow_free(struct flow *f);
/* The wait has ended with rc; e is its reason, unless rc is 0. */
void flow_stop_waiting(struct flow *f, int rc, const struct err *e);
void flow_drop_joins(struct flow *f);
void join_free(struct join *j);

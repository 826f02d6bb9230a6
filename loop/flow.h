/*
 * flow: an operation as a table of steps.
 *
 *   static const struct flow_step vm_start_steps[] = {
 *       { "place", place_start, NULL,         place_undo, 10000 },
 *       { "order", order_start, order_finish, order_undo, 60000 },
 *       { NULL } };
 *
 * start(f, arg)
 *     FLOW_NEXT: done; FLOW_WAIT: took flow_wake(f), somebody will post it;
 *     FLOW_FAIL: flow_err(f) is filled.
 *
 * finish(f, arg, rc)
 *     Called once per wait; rc is the post's, or ERR_TIMEOUT when the deadline came
 *     first, or ERR_CANCELLED after flow_cancel.  FLOW_AGAIN runs start again (new
 *     wake, new deadline).  A NULL finish means: rc 0 -> next, else fail with the
 *     post's error.
 *
 * undo(f, arg)
 *     Last-first over the steps whose start ran (the failed one too).  FLOW_NEXT:
 *     done; FLOW_WAIT: waits once for its wake (the result is logged only).  Safe to
 *     run twice.  NULL: nothing to undo.
 *
 * Before a step starts, the persist hook (if any) stores its index; the flow waits for
 * that. When persisting fails the flow stalls and the hook's owner decides (it may wake
 * again later).  A new leader makes the flow again with flow_new and resumes with
 * flow_start_at; starts are idempotent on their target, so a step may run twice.
 * Nothing here survives a wait but ids: arg is the operation's own struct.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "loop/post.h"

struct flow;
struct flows; /* all flows of one loop, and the wakes' registry */

enum flow_rc { FLOW_NEXT, FLOW_WAIT, FLOW_AGAIN, FLOW_FAIL };

/* What flow_cancel does to a step. */
enum flow_cancel_rule {
	FLOW_CANCEL_ENDS, /* ends its wait; a step that has not begun does not begin */
	FLOW_CANCEL_ASKS, /* ends its wait; it begins all the same, and its finish,
			     which alone knows how to stop, says how to go on */
	FLOW_CANCEL_LATE, /* nothing: from here on there is only one way */
};

struct flow_step {
	const char *name;
	enum flow_rc (*start)(struct flow *f, void *arg);
	enum flow_rc (*finish)(struct flow *f, void *arg, int rc);
	enum flow_rc (*undo)(struct flow *f, void *arg);
	uint32_t timeout_ms; /* of each wait of start or undo; 0: none */
};

enum flow_phase { FLOW_RUNNING, FLOW_UNDOING, FLOW_DONE, FLOW_FAILED };

struct flow_hooks {
	/*
	 * Store that step (index, phase) begins; post w when it is safe on disk.
	 * NULL: no storing.
	 */
	void (*persist)(void *owner, struct flow *f, unsigned step,
	    enum flow_phase phase, struct wake w);
	/*
	 * The flow has ended (DONE or FAILED, undo finished); called from the flows
	 * phase.  The flow frees itself after.
	 */
	void (*ended)(void *owner, struct flow *f, int rc, const struct err *e);
};

struct flows *flows_new(struct loop *l);
/* Live flows are dropped without undo: as a crash would. */
void flows_free(struct flows *fs);
unsigned flows_live(const struct flows *fs);

/* name, steps, hooks, arg and owner are borrowed until the flow has ended. */
struct flow *flow_new(struct flows *fs, const char *name, const struct flow_step *steps,
    void *arg, const struct flow_hooks *hooks, void *owner);
/* Its first step runs in the flows phase of this turn or the next. */
void flow_start(struct flow *f);
/* Resume at a step; FLOW_UNDOING: undo from there backwards, the reason given in e. */
void flow_start_at(
    struct flow *f, unsigned step, enum flow_phase phase, const struct err *e);
/*
 * Ask to stop: the current wait ends with ERR_CANCELLED; a step that is between waits
 * ends first. See enum flow_cancel_rule for steps that do otherwise.
 */
void flow_cancel(struct flow *f, const char *why);
bool flow_may_cancel(const struct flow *f); /* not undoing, and not too late */
/* One rule a step, borrowed; before it starts. Without: FLOW_CANCEL_ENDS for all. */
void flow_set_cancel_rules(struct flow *f, const enum flow_cancel_rule *rules);

struct loop *flow_loop(const struct flow *f);
const char *flow_step_name(const struct flow *f);
unsigned flow_step_index(const struct flow *f);
enum flow_phase flow_phase(const struct flow *f);
/* The wake of the wait that start (or undo) is about to begin. */
struct wake flow_wake(struct flow *f);
/* Where start and finish put their reason before FLOW_FAIL; in finish: the post's. */
struct err *flow_err(struct flow *f);
/* Make the wait's deadline another than the table's, from now. */
void flow_set_timeout(struct flow *f, uint32_t ms);

/*
 * Parallel children: join n wakes into one. Each part is posted like any wake; w is
 * posted when all are in, with the first failure. The join frees itself.
 */
struct wake flow_join(struct flow *f, unsigned n, struct wake *parts /* n filled */);

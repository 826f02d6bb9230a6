/*
 * task: an operation that takes time: an object of the inventory and the flow behind
 * it.
 *
 * Its kind is a table of steps. Before a step starts, its index is stored, together
 * with the changes that on_step adds; when the flow has ended, the outcome is stored
 * with the changes of on_end. While the database is away the task stands still. What a
 * step needs to know is in the task's arguments and in the inventory, so that another
 * server goes on where this one fell (task_recover.h). Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "loop/flow.h"
#include "server/inventory/caller.h"
#include "server/task/task_lock.h"
#include "server/task/task_slot.h"

struct tasks;
struct txn;
struct task_run;

/* As struct flow_step (loop/flow.h); a fault point task.<op>.<step>.<phase> stands
 * around every call. */
struct task_step {
	const char *name;
	enum flow_rc (*start)(struct task_run *r);
	enum flow_rc (*finish)(struct task_run *r, int rc);
	enum flow_rc (*undo)(struct task_run *r);
	uint32_t timeout_ms;
	enum flow_cancel_rule cancel;
	/* Optional: is there anything to do in it? If not, it is passed over and not
	 * stored; undo still comes. */
	bool (*needed)(struct task_run *r);
};

struct task_kind {
	const char *op;    /* "vm.create" */
	const char *title; /* "Create virtual machine" */
	const struct task_step *steps;
	/* Which objects it works on or leans on. */
	void (*locks)(const struct inv *inv, obj_id entity, const json *args,
	    struct lock_set *out);
	/* Changes that become true with the storing of a step. Once more if the commit
	 * failed. */
	void (*on_step)(struct task_run *r, unsigned step, struct txn *t);
	/* After a restart, for all tasks before the first goes on: take again what
	 * memory held. */
	void (*on_recover)(struct task_run *r);
	/* The last changes and events; rc 0 or why it failed. Once more if the commit
	 * failed. */
	void (*on_end)(struct task_run *r, struct txn *t, int rc, const struct err *e);
	/* The end is stored: give back what memory held. */
	void (*on_gone)(struct task_run *r);
};

struct task_run {
	uint32_t magic;
	struct tasks *tasks;
	struct inv *inv;
	void *ctx; /* of tasks_set_ctx */
	const struct task_kind *kind;
	obj_id id, entity;
	char *entity_name;
	struct caller who;
	json *
	    args; /* as stored; a step may change it in on_step through task_set_args */
	json *result; /* what on_end leaves for the task's result, or NULL */
	struct task_int *in;
};

/* Makes the loop's flows. */
struct tasks *tasks_new(struct inv *inv);
struct flows *tasks_flows(struct tasks *ts);
void tasks_set_ctx(struct tasks *ts, void *ctx); /* what every run's ctx is; borrowed */
/* After the loop's last turn: what runs is dropped as a crash would. */
void tasks_free(struct tasks *ts);
/* Borrowed for ever. */
void tasks_add_kind(struct tasks *ts, const struct task_kind *k);

struct task_new {
	const struct task_kind *kind;
	obj_id entity;
	const char *entity_name;
	const json *args;
	const struct caller *who;
	const char *op_id; /* or NULL */
	const char *asked; /* digest of what came with it, or NULL */
};

/*
 * Add a task's row to t and take its locks at once. ERR_BUSY names the task that is in
 * the way. When t has committed task_go; when it has not task_drop.
 */
int task_add(struct tasks *ts, struct txn *t, const struct task_new *n,
    struct task_run **ret_r, struct err *e) WARN_UNUSED;
void task_go(struct task_run *r);
void task_drop(struct task_run *r);
/* ERR_BUSY if a task works on or leans on the object: for changes that are no task. */
int task_may_change(const struct tasks *ts, obj_id id, struct err *e) WARN_UNUSED;
bool task_works_on(const struct tasks *ts, obj_id id); /* holds it exclusively */
struct task_run *task_run_find(const struct tasks *ts, obj_id task); /* live ones */
unsigned tasks_live(const struct tasks *ts);
/* The first live one that fits, or NULL. */
typedef bool (*task_fits_fn)(const struct task_run *r, const void *arg);
struct task_run *task_run_search(
    const struct tasks *ts, task_fits_fn fits, const void *arg);
int task_cancel(
    struct tasks *ts, obj_id task, const char *who, struct err *e) WARN_UNUSED;

/* For steps. */
struct wake task_wake(struct task_run *r);
/* Before FLOW_WAIT, instead of task_wake: finish gets ERR_TIMEOUT after so long. */
void task_pause(struct task_run *r, uint32_t ms);
/*
 * Take these slots, now (FLOW_NEXT) or when those that are in the way have ended
 * (FLOW_WAIT; they are taken then). They are given back with the task's end.
 */
enum flow_rc task_slots_take(struct task_run *r, const struct slot_set *want);
/* The same, without waiting: false if something is in the way. */
bool task_slots_try(struct task_run *r, const struct slot_set *want);
/* After a restart: what it had taken before; on_recover. */
void task_slots_recover(struct task_run *r, const struct slot_set *had);
/* What a host said, for people: hosts know machines by number.  Caller frees. */
char *task_words(const struct inv *inv, const char *msg);
/* What the task waits for, for people to see; NULL: nothing in particular. */
void task_set_waiting(struct task_run *r, const char *what);
/*
 * Work on or lean on one more object, or not any longer. After a restart the kind's
 * locks say what a task holds. ERR_BUSY names the task that is in the way.
 */
int task_lock_add(
    struct task_run *r, obj_id id, enum lock_mode mode, struct err *e) WARN_UNUSED;
void task_lock_drop(struct task_run *r, obj_id id);
/* Wait for another task's end: w is posted with what it came to. ERR_NOT_FOUND at once
 * if it is over. */
void task_await(struct tasks *ts, obj_id task, struct wake w);
/* Instead of task_wake: n parts that are waited for together (loop/flow.h). */
void task_join(struct task_run *r, unsigned n, struct wake *parts);
struct err *task_err(struct task_run *r);
unsigned task_step(const struct task_run *r);
/* Replace the stored arguments with the transaction of on_step. */
void task_set_args(struct task_run *r, struct txn *t, json *args_take);

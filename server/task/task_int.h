/*
 * task_int: what the files of task/ share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "loop/timer.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/task/task.h"

#define TASK_RUN_MAGIC 0x5441534bu
#define TASK_RETRY_MS                                                              \
	500u             /* between two tries to store, while the database is away \
			  */
#define TASKS_KEPT 2000u /* finished ones stay in the inventory up to so many */

struct kind_entry {
	const struct task_kind *kind;
	struct flow_step *steps; /* the kind's, with our calls around them */
	enum flow_cancel_rule *cancel_rules;
	unsigned n_steps;
};

struct tasks {
	struct inv *inv;
	struct loop *loop;
	struct flows *flows;
	void *ctx;
	struct map *kinds; /* op → struct kind_entry */
	struct list live;  /* in order of id */
	struct map *by_id;
};

enum run_state {
	RUN_NEW,    /* its row is on its way */
	RUN_QUEUED, /* another one has to end first */
	RUN_FLOWING,
	RUN_ENDING, /* the flow has ended, the outcome is being stored */
};

struct task_int {
	struct list_node node;
	struct task_run *run;
	const struct kind_entry *entry;
	enum run_state state;
	struct flow *flow;
	struct lock_set locks;
	struct slot_set slots;

	enum { SLOTS_NONE, SLOTS_WAITED_FOR, SLOTS_HELD } slots_state;
	struct wake slots_free; /* while they are waited for */
	struct timer *retry;
	struct wake *awaited; /* by steps of other tasks */
	size_t n_awaited;
	bool storing_step; /* what retry does again; else the end */
	bool passing;      /* the step at hand has nothing to do */
	unsigned step;     /* to be stored */
	enum flow_phase phase;
	struct wake stored;
	int rc; /* the outcome */
	struct err why;
};

struct run_seed {
	const struct kind_entry *entry;
	obj_id id, entity;
	const char *entity_name;
	const json *args;
	const struct caller *who;
};

struct task_run *run_new(struct tasks *ts, const struct run_seed *seed);
void run_free(struct task_run *r);
/* Start it now, or when what stands in its way has ended. */
void run_begin(struct task_run *r);
void run_begin_at(
    struct task_run *r, unsigned step, enum flow_phase phase, const struct err *why);
/* Let those begin, or go on, whose way has become free. */
void tasks_next(struct tasks *ts);

/* task_turn.c: give slots to those that wait for them. */
void tasks_give_slots(struct tasks *ts);

/* task_store.c: the hooks of every flow. */
extern const struct flow_hooks task_hooks;
void run_end(struct task_run *r, int rc, const struct err *e);
void run_store_again(struct task_run *r);

/* task_step.c */
enum flow_cancel_rule *steps_cancel_rules(const struct task_kind *k, unsigned n);
struct flow_step *steps_wrap(const struct task_kind *k, unsigned *ret_n);
void run_fault_point(const struct task_run *r, const char *phase);

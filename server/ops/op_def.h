/*
 * op_def: how a verb is written down; for the modules that have verbs.
 *
 * An immediate op fills one transaction (apply). A task op fills the transaction that
 * also makes the task's row (apply), and says what the task works on.
 */
#pragma once
#include "server/ops/ops.h"
#include "server/task/task.h"

struct advice;
struct hosts;
struct op_call;
struct sessions;
struct workers;

struct op_def {
	struct op_info info;
	/*
	 * Optional: a call may stand for several. Gives the arguments of each as an
	 * array, or NULL for a call that stands for itself; they become true together.
	 * Pure.
	 */
	int (*split)(const json *args, json **ret_list, struct err *e);
	/*
	 * Optional: work that must not be done on the core thread (hashing). Return
	 * FLOW_WAIT after having arranged for op_go_on; FLOW_NEXT to go on at once;
	 * FLOW_FAIL with c->err filled.
	 */
	enum flow_rc (*ahead)(struct op_call *c);
	/* Check against the inventory and fill t. Nothing is changed when it fails. */
	int (*apply)(struct op_call *c, struct txn *t, struct err *e);
	const struct task_kind *task; /* of a task op */
};

/* One submission on its way. */
struct op_call {
	struct ops *ops;
	const struct op_def *def;
	struct inv *inv;
	struct hosts *hosts;
	struct advice *advice;
	struct tasks *tasks;
	struct workers *workers;
	struct sessions *sessions;
	obj_id entity;
	json *args; /* ours: checked, may be filled with defaults; a task stores them */
	struct caller who;
	obj_id object; /* apply: what is made or changed; entity if left none */
	json *extra;   /* apply: what is shown once, or NULL; owned */
	void *data;    /* ahead's, for apply */
	void (*data_free)(void *data);
	struct err err;
};

/* ahead's work is done; apply follows unless rc says otherwise. */
void op_go_on(struct op_call *c, int rc, const struct err *e);

/* Make verbs known; defs is ended by a NULL name and borrowed for ever. Before ops_new;
 * twice is harmless. */
void ops_register(const struct op_def *defs);

struct ops_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct advice *advice;
	struct tasks *tasks;
	struct workers *workers;   /* for hashing passwords */
	struct sessions *sessions; /* of users that are changed or removed */
	const char *power_hooks;   /* folder of programs (power_hook.h); copied */
};
struct ops *ops_new(const struct ops_opts *o); /* all borrowed */
/* After the loop's last turn: calls on their way are dropped. */
void ops_free(struct ops *ops);

/*
 * ops: the verbs.  Every change that somebody wants, by name, with a table of its
 * arguments.
 *
 * An op is immediate (its change is one transaction: make a folder, rename) or a task
 * (a flow of stored steps: create a machine).  The arguments are a JSON object that is
 * checked here against the op's table: unknown fields, wrong types, ranges.  The same
 * op_id again answers with what the first call made. Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "loop/post.h"
#include "server/inventory/caller.h"

struct ops;

enum op_arg_type {
	ARG_NAME,
	ARG_TEXT,
	ARG_U32,
	ARG_U64,
	ARG_BOOL,
	ARG_ID,
	ARG_IDS,
	ARG_WORD,
	ARG_SECRET,
	ARG_TEXTS, /* a list of them, which may be empty */
	ARG_LIST,  /* its entries are the op's to check; it may be empty */
	ARG_OBJECT /* its members are the op's to check */
};

struct op_arg {
	const char *name;
	enum op_arg_type type;
	bool required;
	uint64_t min, max; /* numbers; of ARG_TEXT and ARG_SECRET the length, of
			    * ARG_TEXTS and ARG_LIST how many */
	uint32_t kinds;    /* ARG_ID(S): bit set of 1 << enum obj_kind */
	const char *words; /* ARG_WORD: "acpi|kill" */
	const char *help;
};

struct op_info {
	const char *name;     /* "vm.create" */
	const char *title;    /* "Create virtual machine" */
	enum obj_kind entity; /* kind it acts on, KIND_NONE for creations */
	enum role min_role;
	bool is_task;
	const struct op_arg *args; /* ended by a NULL name */
};

struct op_request {
	const char *op;
	obj_id entity; /* OBJ_ID_NONE for creations */
	json *args;    /* borrowed; NULL = {} */
	const struct caller *who;
	const char *op_id; /* client's idempotency key, or NULL */
	/* Refuse it with ERR_CHANGED when the entity is not as people had set it at
	 * this revision (inv_wish.h); 0: whatever it is */
	uint64_t if_rev;
};

/* One of what a call that stands for several has begun. */
struct op_part {
	obj_id task, object;
};

struct op_result {
	int rc;
	struct err err;
	obj_id task;   /* of a task op; it exists on disk when this arrives */
	obj_id object; /* made or changed by an immediate op (or the one that the task
			  makes), or none */
	json *extra;   /* what is shown once (an enrolment token), or NULL; borrowed */
	struct op_part *parts; /* of a call that stood for several; borrowed */
	size_t n_parts;
};

typedef void (*op_fn)(const struct op_result *r, void *arg);

const struct op_info *ops_list(
    unsigned *ret_n); /* all, for OpenAPI, shell help and tests */
const struct op_info *op_find(const char *name); /* NULL if there is none */
/*
 * Check and run. done comes exactly once, in a later posts phase, after the commit (of
 * the task's row, not of its work). The role has been checked by the caller's route; it
 * is checked here again.
 */
void op_submit(struct ops *ops, const struct op_request *r, op_fn done, void *arg);
/* For a step that wants an op done beside it: posts w with the op's code instead. */
void op_submit_wake(struct ops *ops, const struct op_request *r, struct wake w);
/* Ask a running task to stop. */
int op_cancel(
    struct ops *ops, obj_id task, const struct caller *who, struct err *e) WARN_UNUSED;

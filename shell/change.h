/*
 * change: what cmdlets ask the server to do.
 *
 * All changes of a pipeline are sent as its objects come, and waited for together at
 * its end, in their order: a hundred machines start at once.
 */
#pragma once
#include "shell/inventory.h"

struct pending {
	char *name;   /* for messages */
	char *task;   /* id; NULL: it was done at once */
	char *object; /* id, or NULL */
	json *result; /* what an immediate change answered */
	bool failed;  /* its task ended in an error */
	bool over;    /* its task has ended */
};

struct changes {
	enum obj_kind kind; /* of the objects, KIND_NONE: nothing is put out */
	/* Optional: say something about a task that has ended well. */
	void (*tell)(struct stage *st, const struct pending *p, const json *task);
	struct pending *v;
	size_t n;
};

/* Send one; failures are reported about name.  body_take may be NULL. */
enum run change_send(struct stage *st, struct changes *c, const char *method,
    const char *path, json *body_take, const char *name);
/* The same to each object of refs, with a copy of body (NULL: none); action may be
 * NULL.
 */
enum run change_each(struct stage *st, struct val refs, const char *method,
    const char *action, const json *body);
/* The same to each object that a parameter names. */
enum run change_named(struct stage *st, const char *param, unsigned kinds,
    const char *method, const char *action, const json *body);
/* A creation that is no task: ask, send it, and put out what the answer says. */
enum run change_now(
    struct stage *st, const char *path, json *body_take, const char *name);
/* begin of a stage whose state begins with struct changes. */
enum run changes_of(struct stage *st, enum obj_kind kind);
/* Wait for all and put the objects out; with -RunAsync the tasks instead. */
enum run changes_end(struct stage *st, struct changes *c);
void changes_free(struct changes *c);
/* end and fini of a stage whose state begins with them, if it does no more there. */
enum run changes_finish(struct stage *st);
void changes_fini(struct stage *st);

/* "/vms/vm-1/start" and the like; action may be NULL. */
char *object_path(const char *id, const char *action);
/* Wait until the task is over; its object on success. */
int task_wait(struct shell *sh, const char *id, const char *what, json **ret_task,
    struct err *e) WARN_UNUSED;
/* The error of a task that failed; 0 if it has not. */
int task_fault(const json *task, struct err *e);

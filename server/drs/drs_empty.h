/*
 * drs_empty: the guests of a host go elsewhere, before it goes into maintenance or
 * standby.
 */
#pragma once
#include "server/ops/vm_step.h"

/* ERR_BAD_STATE naming those that cannot leave the op's host, and why. */
int empty_check(const struct op_call *c, struct err *e) WARN_UNUSED;
/* The step of a task of a host.  Its argument evacuate: those that are off go, too. */
enum flow_rc empty_start(struct task_run *r);
enum flow_rc empty_finish(struct task_run *r, int rc);
/* Does a task empty this host? */
bool empty_is_under_way(const struct tasks *ts, obj_id host);

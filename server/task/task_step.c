/*
 * The calls around every step: fault points, and why it failed.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/mem.h"
#include "server/task/task_int.h"

void
run_fault_point(const struct task_run *r, const char *phase)
{
	char name[120];
	const char *step = r->kind->steps[r->in->step].name;

	snprintf(name, sizeof(name), "task.%s.%s.%s", r->kind->op, step, phase);
	fault_point(name);
}

static struct task_run *
run_of(void *arg)
{
	return CAST_OBJ(task_run, arg, TASK_RUN_MAGIC);
}

static enum flow_rc
note_failure(struct task_run *r, enum flow_rc rc)
{
	if (rc == FLOW_FAIL)
		r->in->why = *flow_err(r->in->flow);
	return rc;
}

static enum flow_rc
on_start(struct flow *f, void *arg)
{
	struct task_run *r = run_of(arg);

	if (r->in->passing)
		return FLOW_NEXT;
	run_fault_point(r, "before");
	enum flow_rc rc = r->kind->steps[flow_step_index(f)].start(r);
	run_fault_point(r, rc == FLOW_WAIT ? "start" : "finish");
	return note_failure(r, rc);
}

static enum flow_rc
on_finish(struct flow *f, void *arg, int rc)
{
	struct task_run *r = run_of(arg);
	const struct task_step *s = &r->kind->steps[flow_step_index(f)];
	enum flow_rc next = rc ? FLOW_FAIL : FLOW_NEXT;

	if (s->finish)
		next = s->finish(r, rc);
	run_fault_point(r, "finish");
	return note_failure(r, next);
}

static enum flow_rc
on_undo(struct flow *f, void *arg)
{
	struct task_run *r = run_of(arg);

	run_fault_point(r, "undo");
	return r->kind->steps[flow_step_index(f)].undo(r);
}

enum flow_cancel_rule *
steps_cancel_rules(const struct task_kind *k, unsigned n)
{
	enum flow_cancel_rule *rules = xcalloc(n + 1, sizeof(*rules));

	for (unsigned i = 0; i < n; i++)
		rules[i] = k->steps[i].cancel;
	return rules;
}

struct flow_step *
steps_wrap(const struct task_kind *k, unsigned *ret_n)
{
	unsigned n = 0;

	while (k->steps[n].name)
		n++;
	struct flow_step *steps = xcalloc(n + 1, sizeof(*steps));
	for (unsigned i = 0; i < n; i++) {
		steps[i].name = k->steps[i].name;
		steps[i].start = on_start;
		steps[i].finish = on_finish;
		steps[i].undo = k->steps[i].undo ? on_undo : NULL;
		steps[i].timeout_ms = k->steps[i].timeout_ms;
	}
	*ret_n = n;
	return steps;
}

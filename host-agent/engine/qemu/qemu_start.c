#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_device.h"
#include "host-agent/engine/qemu/qemu_guard.h"
#include "host-agent/engine/qemu/qemu_int.h"
#include "host-agent/engine/qemu/qemu_memory.h"

enum flow_rc
qemu_greet_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	flow_set_timeout(f, q->qemu->start_ms);
	return qemu_call_step(q, f, "qmp_capabilities", NULL);
}

/*
 * The image says that the machine was stopped, and so it is when the image is loaded.
 * Only then can it be let go: what comes earlier is forgotten.
 */
static enum flow_rc
events_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return q->memory_child_fd < 0 ? FLOW_NEXT
				      : qemu_caps_step(q, f, QEMU_MIG_LOAD, false);
}

enum flow_rc
qemu_load_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	AUTO_FREE char *uri = NULL;
	json *o;

	if (q->memory_child_fd < 0)
		return FLOW_NEXT;
	uri = xasprintf("fd:%d", q->memory_child_fd);
	o = json_new_object();
	json_set_str(o, "uri", uri);
	return qemu_call_step(q, f, "migrate-incoming", o);
}

static enum flow_rc
loaded_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return q->memory_child_fd < 0 ? FLOW_NEXT : qemu_saved_step(q, f);
}

static enum flow_rc
let_go_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "cont", NULL);
}

static enum flow_rc
running_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_FAIL;
	if (q->g.state != ENGINE_STARTING)
		return FLOW_NEXT;
	q->run_wake = q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
running_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	q->run_wake = WAKE_NONE;
	return rc || qemu_is_gone(q) || q->g.state == ENGINE_DOWN ? FLOW_FAIL
								  : FLOW_NEXT;
}

/*
 * Nothing of it may stay.  One that has closed its socket is about to end by itself,
 * and killing it would hide why.
 */
enum flow_rc
qemu_start_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_NEXT;
	if (!qmp_is_lost(q->qmp)) {
		q->given_up = true;
		qemu_proc_kill(q);
	}
	q->undo_wake = flow_wake(f);
	return FLOW_WAIT;
}

/* What a process that gave up says on its stderr is the reason, not the lost socket. */
void
qemu_start_failed(struct qemu_guest *q, struct err *e)
{
	const char *what = engine_verb_name(q->g.verb);

	if (q->g.state != ENGINE_DOWN)
		qemu_proc_kill(q);
	if (!q->given_up && q->g.state == ENGINE_DOWN && *q->g.reason)
		err_set(e, ERR_IO, "%s: cannot %s: %s", q->who, what, q->g.reason);
	else
		err_wrap(e, "%s: cannot %s", q->who, what);
}

#define READ_MEMORY_MS 600000

static const struct flow_step start_steps[] = {
	{ "greet", qemu_greet_step, NULL, qemu_start_undo, QEMU_ANSWER_MS },
	{ "guarded", qemu_guarded_step, NULL, NULL, QEMU_ANSWER_MS },
	{ "events", events_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "load", qemu_load_step, NULL, NULL, QEMU_ANSWER_MS },
	{ "loaded", loaded_start, NULL, NULL, READ_MEMORY_MS },
	{ "limits", qemu_limits_step, qemu_limits_finish, NULL, QEMU_ANSWER_MS },
	{ "let go", let_go_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "running", running_start, running_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static int
plan_shape(struct qemu_guest *q, const struct engine_boot *b, struct err *e)
{
	const struct qemu *qe = q->qemu;
	int rc;

	if (b->memory_fd < 0) {
		qemu_shape_plan(&q->shape, b->spec->num_cpu, b->spec->memory_mb,
		    qe->host_cpus, qe->host_mb);
		snprintf(q->shape.machine, sizeof(q->shape.machine), "%s", qe->machine);
		snprintf(q->shape.accel, sizeof(q->shape.accel), "%s",
		    accel_name(qe->accel));
		return 0;
	}
	rc = qemu_memory_read(b->memory_fd, &q->shape, e);
	if (rc)
		return rc;
	if (!str_same(q->shape.accel, accel_name(qe->accel)))
		return err_set(e, ERR_UNSUPPORTED,
		    "its memory was saved under %s, this host runs %s", q->shape.accel,
		    accel_name(qe->accel));
	return 0;
}

int
qemu_start_check(struct qemu_guest *q, struct err *e)
{
	const struct engine_facts *f = &q->g.engine->facts;

	if (!f->usable)
		return err_set(e, ERR_UNAVAILABLE, "the qemu engine cannot be used: %s",
		    f->why_not);
	snprintf(q->who, sizeof(q->who), "vm-%" PRIu64, q->g.number);
	return 0;
}

int
qemu_op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc;

	rc = qemu_start_check(q, e);
	if (!rc)
		rc = plan_shape(q, b, e);
	if (!rc)
		rc = qemu_spawn(q, b, e);
	if (rc)
		return rc;
	engine_set_state(g, ENGINE_STARTING, "");
	q->shows_end = true;
	qemu_run_flow(q, "qemu start", start_steps);
	return 0;
}

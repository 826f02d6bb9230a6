#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_device.h"
#include "host-agent/engine/qemu/qemu_guard.h"
#include "host-agent/engine/qemu/qemu_mirror.h"
#include "host-agent/engine/qemu/qemu_move.h"

/*
 * A guest that comes from another host, as its target sees it.  QEMU never lets it run
 * by itself: it is let go by a command of ours once it is whole, so that whoever gives
 * it up before that knows that it has not run.
 */
#define ADOPT_MS 5000

static enum flow_rc
caps_start(struct flow *f, void *arg)
{
	return qemu_caps_step(arg, f, QEMU_MIG_IN, false);
}

static const struct flow_step move_in_steps[] = {
	{ "greet", qemu_greet_step, NULL, qemu_start_undo, QEMU_ANSWER_MS },
	{ "guarded", qemu_guarded_step, NULL, NULL, QEMU_ANSWER_MS },
	{ "caps", caps_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "limits", qemu_limits_step, qemu_limits_finish, NULL, QEMU_ANSWER_MS },
	{ "serve", qemu_serve_step, NULL, NULL, QEMU_ANSWER_MS },
	{ "export", qemu_export_step, qemu_export_finish, NULL, QEMU_ANSWER_MS },
	{ "load", qemu_load_step, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* ---- what follows when it has come ---- */

static enum flow_rc
fail_lost(struct flow *f, const struct qemu_guest *q)
{
	if (!qemu_is_gone(q))
		err_set(flow_err(f), ERR_LOST, "%s did not come whole%s%s", q->who,
		    *q->g.reason ? ": " : "", q->g.reason);
	return FLOW_FAIL;
}

/* Without a deadline: its process ends when the stream does. */
static enum flow_rc
whole_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return fail_lost(f, q);
	if (str_same(q->trace.saving, "completed"))
		return FLOW_NEXT;
	q->saved_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
whole_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	return qemu_answers(q) ? FLOW_AGAIN : fail_lost(f, q);
}

/* When the command leaves it runs, whatever is heard of it afterwards. */
static enum flow_rc
go_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return fail_lost(f, q);
	if (!q->run_when_whole) {
		engine_set_state(&q->g, ENGINE_PAUSED, "it has come");
		return FLOW_NEXT;
	}
	engine_set_state(&q->g, ENGINE_RUNNING, "it has come");
	return qemu_call_step(q, f, "cont", NULL);
}

static enum flow_rc
go_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	/* One that has gone meanwhile has run: its end is an event. */
	if (!rc || !qemu_answers(q))
		return FLOW_NEXT;
	err_wrap(flow_err(f), "it has come, but cannot run here");
	return FLOW_FAIL;
}

static const struct flow_step arrival_steps[] = {
	{ "whole", whole_start, whole_finish, qemu_start_undo, 0 },
	{ "unserve", qemu_unserve_step, qemu_unserve_finish, NULL, QEMU_ANSWER_MS },
	{ "go", go_start, go_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

void
qemu_moved_in(struct qemu_guest *q)
{
	qemu_side_flow(q, "qemu arrival", arrival_steps);
}

void
qemu_arrival_ended(struct qemu_guest *q, int rc, const struct err *e)
{
	struct err why = rc ? *e : (struct err)ERR_INIT;

	if (rc && rc != ERR_CANCELLED)
		why.code = rc = ERR_LOST;
	if (rc)
		log_notice("engine", "%s", why.msg);
	if (q->g.busy && q->g.verb == ENGINE_MOVE_WAIT)
		engine_done(&q->g, rc, &why);
}

static int
read_shape(struct qemu_guest *q, const struct engine_arrival *a, struct err *e)
{
	const struct qemu *qe = q->qemu;
	AUTO(json) json *o = NULL;
	AUTO_FREE char *line = NULL;
	int rc = json_parse((const char *)a->shape, a->n_shape, "shape", &o, e);

	if (!rc && json_what(o) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_CORRUPT, "shape: wants an object");
	if (!rc)
		rc = qemu_shape_parse(o, &q->shape, e);
	if (rc)
		return rc;
	if (!str_same(q->shape.accel, accel_name(qe->accel)))
		return err_set(e, ERR_UNSUPPORTED,
		    "it runs under %s, this host has %s: %s", q->shape.accel,
		    accel_name(qe->accel), qe->en.facts.accelerator_reason);
	line = xasprintf("%s\n", q->shape.machine);
	if (!strstr(str_cstr(&qe->machines), line))
		return err_set(e, ERR_UNSUPPORTED,
		    "it is of machine type %s, which QEMU %s here does not know",
		    q->shape.machine, qe->en.facts.version);
	return 0;
}

static int
take_streams(struct qemu_guest *q, const struct engine_arrival *a, struct err *e)
{
	int rc = qemu_mirrors_take(q, a->disks, a->n_disks, e);

	q->serves = !rc && a->n_disks > 0;
	if (rc) {
		qemu_proc_kill(q);
		qemu_proc_release(q);
		qemu_dir_clear(q);
	}
	return rc;
}

int
qemu_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	struct engine_boot boot = *b;
	int rc;

	rc = qemu_start_check(q, e);
	if (!rc)
		rc = read_shape(q, a, e);
	if (!rc && a->memory_fd < 0)
		rc = err_set(e, ERR_INVALID, "there is no stream for its memory");
	boot.memory_fd = a->memory_fd;
	if (!rc)
		rc = qemu_spawn(q, &boot, e);
	if (!rc)
		rc = take_streams(q, a, e);
	if (rc)
		return rc;
	q->run_when_whole = a->run;
	engine_set_state(g, ENGINE_ARRIVING, "");
	q->shows_end = true;
	qemu_run_flow(q, "qemu move in", move_in_steps);
	return 0;
}

int
qemu_op_move_wait(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	/* Its arrival tells when it has ended. */
	if (q->side_flow)
		return 0;
	return err_set(e, ERR_LOST, "vm-%llu has not come%s%s",
	    (unsigned long long)g->number, *g->reason ? ": " : "", g->reason);
}

/* ---- found on its way ---- */

/* One that has closed its socket is about to end: what it waited for does not come. */
static enum flow_rc
adopt_hello_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	q->half_started = rc != 0;
	return rc == ERR_TIMEOUT ? qemu_hello_finish(f, q, rc) : FLOW_NEXT;
}

static enum flow_rc
status_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return q->half_started ? FLOW_NEXT : qemu_call_step(q, f, "query-status", NULL);
}

static enum flow_rc
status_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "";
	enum engine_state st;

	if (rc || !qemu_answers(q)) {
		q->half_started = true;
		return FLOW_NEXT;
	}
	if (json_read_str(
		qmp_result(q->qmp), "status", JSON_REQUIRED, 64, &status, flow_err(f)))
		return FLOW_FAIL;
	st = qemu_status_state(status);
	q->half_started = st == ENGINE_STARTING;
	if (!q->half_started && st != ENGINE_PAUSED)
		q->run_when_whole = false;
	engine_set_state(&q->g, st, st == ENGINE_STALLED ? "a disk failed" : "");
	return FLOW_NEXT;
}

static enum flow_rc
adopt_go_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return q->run_when_whole ? go_start(f, q) : FLOW_NEXT;
}

static const struct flow_step adopt_steps[] = {
	{ "hello", qemu_hello_step, adopt_hello_finish, NULL, ADOPT_MS },
	{ "status", status_start, status_finish, NULL, ADOPT_MS },
	{ "half come", qemu_half_step, qemu_half_finish, NULL, QEMU_ANSWER_MS },
	{ "unserve", qemu_unserve_step, qemu_unserve_finish, NULL, ADOPT_MS },
	{ "go", adopt_go_start, go_finish, NULL, ADOPT_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc = qemu_adopt_begin(q, spec, e);

	if (rc)
		return rc;
	if (how == ENGINE_MOVES_OUT) {
		qemu_adopt_leaving(q);
		return 0;
	}
	q->run_when_whole = run;
	q->serves = true;
	engine_set_state(g, ENGINE_ARRIVING, "adopted");
	qemu_run_flow(q, "qemu adopt arriving", adopt_steps);
	return 0;
}

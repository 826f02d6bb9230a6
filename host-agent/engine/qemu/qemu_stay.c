#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_mirror.h"
#include "host-agent/engine/qemu/qemu_move.h"

/*
 * What has become of a guest that was to leave: of one whose move has failed, and of
 * one that was leaving when the agent ended.
 */
#define STILL_MS      5 /* between two looks at what is about to change */
#define ADOPT_MS      5000
#define STREAM_FDNAME "move"

/* One whose control socket is gone is about to end by itself. */
static enum flow_rc
ended_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	q->leave.turn = LEAVE_ASK;
	if (qemu_answers(q)) {
		/* It may have failed before QEMU had a use for the stream. */
		o = json_new_object();
		json_set_str(o, "fdname", STREAM_FDNAME);
		qmp_call(q->qmp, "closefd", o, WAKE_NONE);
		return FLOW_NEXT;
	}
	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_NEXT;
	q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
pass(struct flow *f, void *arg, int rc)
{
	return FLOW_NEXT;
}

/* A short while; its end is the deadline's, so a wait that took no wake. */
static enum flow_rc
rest(struct flow *f, struct qemu_guest *q)
{
	q->leave.turn = LEAVE_ASK;
	flow_set_timeout(f, STILL_MS);
	return FLOW_WAIT;
}

static enum flow_rc
over_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_NEXT;
	if (q->leave.turn == LEAVE_WAIT)
		return rest(f, q);
	return qemu_call_step(q, f, "query-migrate", NULL);
}

/*
 * A migration that has been let go is left alone: if it was cancelled after its last
 * byte had left, the guest would run here and there.
 */
static enum flow_rc
over_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mig_facts m;

	if (rc == ERR_TIMEOUT && q->leave.turn == LEAVE_ASK)
		return FLOW_AGAIN;
	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	if (qemu_mig_read(qmp_result(q->qmp), &m, flow_err(f)))
		return FLOW_FAIL;
	q->leave.sent = m.status == QEMU_MIG_COMPLETED;
	switch (m.status) {
	case QEMU_MIG_NONE:
	case QEMU_MIG_COMPLETED:
	case QEMU_MIG_FAILED:
		return FLOW_NEXT;
	case QEMU_MIG_MOVES:
	case QEMU_MIG_HOLDS:
		qmp_call(q->qmp, "migrate_cancel", NULL, WAKE_NONE);
		break;
	case QEMU_MIG_SWITCHES:
	case QEMU_MIG_ENDS:
		break;
	}
	q->leave.turn = LEAVE_WAIT;
	return FLOW_AGAIN;
}

static enum flow_rc
state_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_NEXT;
	if (q->leave.turn == LEAVE_WAIT)
		return rest(f, q);
	return qemu_call_step(q, f, "query-status", NULL);
}

/* Take the state that QEMU is in for what it means here. */
static void
settle(struct qemu_guest *q, const char *status)
{
	bool after = str_same(status, "postmigrate");
	bool left = q->away == QEMU_LEFT_RUNNING || q->away == QEMU_LEFT_PAUSED;
	enum engine_state st = qemu_status_state(status);
	bool adopts = q->g.verb != ENGINE_MOVE_OUT;

	q->was_running = q->away == QEMU_LEFT_RUNNING;
	if (after && left && q->leave.sent) {
		engine_set_state(&q->g, ENGINE_GIVEN, "");
		return;
	}
	q->away = after ? QEMU_HELD : QEMU_HERE;
	if (qemu_run_save(q, NULL))
		log_warn("engine", "%s: cannot note that it stays", q->who);
	if (st == ENGINE_STALLED) {
		engine_set_state(&q->g, st, q->trace.io_reason);
		if (!adopts)
			engine_emit(&q->g, ENGINE_EV_STALLED, q->trace.io_reason);
		return;
	}
	engine_set_state(&q->g, st == ENGINE_RUNNING ? st : ENGINE_PAUSED, "it stays");
	if (q->was_running && st != ENGINE_RUNNING && !adopts)
		engine_emit(&q->g, ENGINE_EV_PAUSED, "stopped from outside");
}

static enum flow_rc
state_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "";

	if (rc == ERR_TIMEOUT && q->leave.turn == LEAVE_ASK)
		return FLOW_AGAIN;
	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	if (json_read_str(
		qmp_result(q->qmp), "status", JSON_REQUIRED, 64, &status, flow_err(f)))
		return FLOW_FAIL;
	/* The migration is over, what follows from that not yet. */
	if (str_same(status, "finish-migrate")) {
		q->leave.turn = LEAVE_WAIT;
		return FLOW_AGAIN;
	}
	settle(q, status);
	return FLOW_NEXT;
}

const struct flow_step qemu_stay_steps[] = {
	{ "ended", ended_start, pass, NULL, QEMU_ANSWER_MS },
	{ "over", over_start, over_finish, NULL, QEMU_ANSWER_MS },
	{ "mirrors", qemu_mirror_stop_step, qemu_mirror_stop_finish, NULL,
	    QEMU_ANSWER_MS },
	{ "state", state_start, state_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step adopt_steps[] = {
	{ "hello", qemu_hello_step, qemu_hello_finish, NULL, ADOPT_MS },
	{ "over", over_start, over_finish, NULL, QEMU_ANSWER_MS },
	{ "mirrors", qemu_mirror_stop_step, qemu_mirror_stop_finish, NULL,
	    QEMU_ANSWER_MS },
	{ "state", state_start, state_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

void
qemu_adopt_leaving(struct qemu_guest *q)
{
	q->leave = (struct qemu_leave){ .turn = LEAVE_ASK };
	engine_set_state(&q->g, ENGINE_LEAVING, "adopted");
	qemu_run_flow(q, "qemu adopt leaving", adopt_steps);
}

/* ---- given, but not taken ---- */

static enum flow_rc
cont_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return q->was_running ? qemu_call_step(q, f, "cont", NULL) : FLOW_NEXT;
}

static enum flow_rc
here_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	q->away = q->was_running ? QEMU_HERE : QEMU_HELD;
	if (!q->was_running)
		engine_set_state(&q->g, ENGINE_PAUSED, "taken back");
	return qemu_run_save(q, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
}

static const struct flow_step take_back_steps[] = {
	{ "cont", cont_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "here", here_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_take_back(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	q->was_running = q->away == QEMU_LEFT_RUNNING;
	qemu_run_flow(q, "qemu take back", take_back_steps);
	return 0;
}

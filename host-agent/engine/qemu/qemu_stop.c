#include <stdio.h>

#include "base/log.h"
#include "host-agent/engine/qemu/qemu_int.h"

#define QUIT_MS        2000
#define KILL_MS        20000
#define PRESS_AGAIN_MS 3000

/* Take the wake of the end, unless that has come already. */
static enum flow_rc
await_end(struct flow *f, struct qemu_guest *q)
{
	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_NEXT;
	q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
press_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	q->asked = QEMU_ASKED_SHUTDOWN;
	return qemu_call_step(q, f, "system_powerdown", NULL);
}

static uint64_t
time_left(const struct qemu_guest *q)
{
	uint64_t now = loop_now_ms(q->g.engine->loop);

	return q->deadline_ms > now ? q->deadline_ms - now : 0;
}

/* A wait of 0 would be one without a deadline. */
static enum flow_rc
gone_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	uint64_t left = time_left(q);

	if (left > PRESS_AGAIN_MS)
		left = PRESS_AGAIN_MS;
	flow_set_timeout(f, left ? (uint32_t)left : 1);
	return await_end(f, q);
}

/* A guest that is still booting does not hear the button, so it is pressed again. */
static enum flow_rc
gone_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (!rc || qemu_is_gone(q))
		return FLOW_NEXT;
	if (rc == ERR_TIMEOUT && time_left(q)) {
		if (q->qmp)
			qmp_call(q->qmp, "system_powerdown", NULL, WAKE_NONE);
		return FLOW_AGAIN;
	}
	if (rc == ERR_TIMEOUT)
		err_set(flow_err(f), ERR_TIMEOUT,
		    "%s did not shut down within %u s; it runs on", q->who,
		    (q->timeout_ms + 999) / 1000);
	return FLOW_FAIL;
}

static const struct flow_step stop_steps[] = {
	{ "press", press_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "gone", gone_start, gone_finish, NULL, 1 },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	q->timeout_ms = timeout_ms;
	q->deadline_ms = loop_now_ms(g->engine->loop) + timeout_ms;
	qemu_run_flow(q, "qemu stop", stop_steps);
	return 0;
}

static enum flow_rc
quit_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->qmp || qmp_is_lost(q->qmp) || q->ends_abruptly)
		return FLOW_NEXT;
	qmp_call(q->qmp, "quit", NULL, WAKE_NONE);
	return await_end(f, q);
}

static enum flow_rc
quit_finish(struct flow *f, void *arg, int rc)
{
	return FLOW_NEXT;
}

static enum flow_rc
sigkill_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return FLOW_NEXT;
	if (!q->ends_abruptly)
		log_warn("engine", "%s: does not quit, is killed", q->who);
	qemu_proc_kill(q);
	return await_end(f, q);
}

static enum flow_rc
sigkill_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (!rc || qemu_is_gone(q))
		return FLOW_NEXT;
	if (rc == ERR_TIMEOUT)
		err_set(flow_err(f), ERR_TIMEOUT,
		    "%s: process %d does not end although killed", q->who,
		    (int)q->g.stat.pid);
	return FLOW_FAIL;
}

static const struct flow_step kill_steps[] = {
	{ "quit", quit_start, quit_finish, NULL, QUIT_MS },
	{ "sigkill", sigkill_start, sigkill_finish, NULL, KILL_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_kill(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (q->verb_flow)
		flow_cancel(q->verb_flow, "cut short by kill");
	if (q->side_flow)
		flow_cancel(q->side_flow, "cut short by kill");
	q->fallback = NULL;
	q->fallen = false;
	/* A process that ends in order cancels what it sends, and runs for a moment. */
	q->ends_abruptly = g->state == ENGINE_LEAVING || g->state == ENGINE_GIVEN;
	q->asked = QEMU_ASKED_KILL;
	qemu_run_flow(q, "qemu kill", kill_steps);
	return 0;
}

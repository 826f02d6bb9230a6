#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_dir.h"
#include "host-agent/engine/qemu/qemu_guard.h"
#include "host-agent/engine/qemu/qemu_live.h"
#include "host-agent/engine/qemu/qemu_move.h"
#include "host-agent/engine/qemu/qemu_shift.h"
#include "loop/child.h"

#define ADOPT_MS 5000

/* Words of a call that found the guest's process gone meanwhile. */
static enum flow_rc
lost(struct flow *f, struct qemu_guest *q)
{
	struct err *e = flow_err(f);

	if (!qemu_is_gone(q) && q->g.state == ENGINE_DOWN)
		err_set(e, ERR_NOT_FOUND, "%s does not run any more: %s", q->who,
		    q->g.reason);
	return FLOW_FAIL;
}

enum flow_rc
qemu_hello_step(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "qmp_capabilities", NULL);
}

enum flow_rc
qemu_hello_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc == ERR_TIMEOUT)
		err_set(flow_err(f), ERR_TIMEOUT,
		    "%s: its process %d lives but does not answer", q->who,
		    (int)q->g.stat.pid);
	return rc ? lost(f, q) : FLOW_NEXT;
}

static enum flow_rc
status_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-status", NULL);
}

static enum flow_rc
status_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "";
	enum engine_state st;

	if (rc)
		return lost(f, q);
	if (json_read_str(
		qmp_result(q->qmp), "status", JSON_REQUIRED, 64, &status, flow_err(f)))
		return FLOW_FAIL;
	st = qemu_status_state(status);
	q->half_started = st == ENGINE_STARTING;
	/* It stands where a move that was taken back has left it. */
	if (st == ENGINE_SUSPENDING && q->away == QEMU_HELD)
		st = ENGINE_PAUSED;
	q->was_running = st == ENGINE_SUSPENDING;
	engine_set_state(&q->g, st, st == ENGINE_STALLED ? "a disk failed" : "");
	return FLOW_NEXT;
}

static enum flow_rc
half_come(struct flow *f, const struct qemu_guest *q)
{
	err_set(flow_err(f), ERR_NOT_FOUND, "%s was still %s when the agent ended",
	    q->who, q->g.verb == ENGINE_ADOPT ? "being started" : "on its way");
	return FLOW_FAIL;
}

/* It was never let go: a start that the agent did not live to end. */
enum flow_rc
qemu_half_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->half_started)
		return FLOW_NEXT;
	if (qemu_is_gone(q) || q->g.state == ENGINE_DOWN)
		return half_come(f, q);
	q->shows_end = true;
	q->asked = QEMU_ASKED_KILL;
	qemu_proc_kill(q);
	q->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
qemu_half_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	return rc ? FLOW_FAIL : half_come(f, q);
}

static enum flow_rc
blocks_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->g.state != ENGINE_STALLED)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "query-block", NULL);
}

static enum flow_rc
blocks_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc)
		return lost(f, q);
	qemu_event_blocks(&q->trace, qmp_result(q->qmp));
	snprintf(q->g.reason, sizeof(q->g.reason), "%s", q->trace.io_reason);
	return FLOW_NEXT;
}

/* A suspend that the agent did not live to end has left nothing of use: run on. */
static enum flow_rc
saving_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->g.state == ENGINE_STALLED)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "query-migrate", NULL);
}

static enum flow_rc
saving_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "";

	if (rc)
		return lost(f, q);
	if (json_read_str(
		qmp_result(q->qmp), "status", JSON_OPTIONAL, 64, &status, flow_err(f)))
		return FLOW_FAIL;
	if (str_same(status, "setup") || str_same(status, "active") ||
	    str_same(status, "device") || str_same(status, "pre-switchover")) {
		q->was_running = true;
		qmp_call(q->qmp, "migrate_cancel", NULL, WAKE_NONE);
	}
	return FLOW_NEXT;
}

static enum flow_rc
run_on_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->was_running)
		return FLOW_NEXT;
	log_notice("engine", "%s was being suspended when the agent ended: it runs on",
	    q->who);
	return qemu_call_step(q, f, "cont", NULL);
}

static enum flow_rc
run_on_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc)
		return lost(f, q);
	if (q->g.state == ENGINE_SUSPENDING)
		engine_set_state(&q->g, ENGINE_RUNNING, "");
	return FLOW_NEXT;
}

static const struct flow_step adopt_steps[] = {
	{ "hello", qemu_hello_step, qemu_hello_finish, NULL, ADOPT_MS },
	{ "status", status_start, status_finish, NULL, ADOPT_MS },
	{ "half started", qemu_half_step, qemu_half_finish, NULL, QEMU_ANSWER_MS },
	{ "blocks", blocks_start, blocks_finish, NULL, ADOPT_MS },
	{ "saving", saving_start, saving_finish, NULL, ADOPT_MS },
	{ "shift", qemu_shift_adopt_step, qemu_shift_adopt_finish, NULL, ADOPT_MS },
	{ "run on", run_on_start, run_on_finish, NULL, ADOPT_MS },
	{ "chains", qemu_chains_step, qemu_chains_finish, NULL, ADOPT_MS },
	{ "jobs", qemu_jobs_step, qemu_jobs_finish, NULL, ADOPT_MS },
	{ "chains now", qemu_chains_step, qemu_chains_finish, NULL, ADOPT_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* An agent that was killed right after fork has not noted the process. */
static int
find_unnoted(struct qemu_guest *q, const Drover__GuestSpec *spec, struct qemu_run *r,
    struct err *e)
{
	int fd = -1, rc = qemu_connect(q, "qmp.sock", &fd, e);

	if (rc)
		return rc;
	close(fd);
	rc = qemu_find_process(spec->uuid, &r->pid, e);
	if (!rc)
		rc = pid_start_ticks(r->pid, &r->ticks, e);
	if (rc)
		return rc;
	log_warn("engine", "%s: process %d was found by its uuid and is ended", q->who,
	    (int)r->pid);
	rc = qemu_proc_watch(q, r->pid, r->ticks, e);
	if (!rc)
		qemu_proc_kill(q);
	qemu_proc_release(q);
	return err_set(e, ERR_NOT_FOUND, "it was still being started");
}

/* Nothing lives: say what its log says, and clear up. */
static int
not_found(struct qemu_guest *q, const char *why, struct err *e)
{
	AUTO_FREE char *log = qemu_log_tail(q);
	char lines[ENGINE_REASON_MAX];

	qemu_last_lines(log, lines, sizeof(lines) / 2);
	if (q->guard_lost)
		why = q->struck;
	guard_client_dismiss(q->g.dir);
	qemu_dir_clear(q);
	engine_set_down(&q->g, ENGINE_END_DIED, *lines && !q->guard_lost ? lines : why);
	return err_set(e, ERR_NOT_FOUND, "%s does not run any more: %s%s%s", q->who,
	    why, *lines ? ": " : "", lines);
}

int
qemu_adopt_begin(struct qemu_guest *q, const Drover__GuestSpec *spec, struct err *e)
{
	struct qemu_run run = { .pid = 0 };
	struct err why = ERR_INIT;
	int qmp_fd = -1, console_fd = -1, rc;

	snprintf(q->who, sizeof(q->who), "vm-%" PRIu64, q->g.number);
	qemu_guard_adopt(q);
	rc = qemu_run_load(q, &run, &why);
	if (rc == ERR_NOT_FOUND)
		rc = find_unnoted(q, spec, &run, &why);
	if (!rc)
		rc = qemu_proc_watch(q, run.pid, run.ticks, &why);
	if (!rc)
		rc = qemu_connect(q, "qmp.sock", &qmp_fd, &why);
	if (rc) {
		qemu_proc_release(q);
		return not_found(q, why.msg, e);
	}
	q->trace = (struct qemu_trace){ .shutdown_seen = false };
	q->asked = QEMU_ASKED_NOTHING;
	q->shape = run.shape;
	q->away = run.away;
	q->shift_to = run.shift_to;
	qemu_shift_expect(q, spec);
	if (qemu_connect(q, "console.sock", &console_fd, &why))
		log_warn("engine", "%s: %s", q->who, why.msg);
	qemu_attach(q, qmp_fd, console_fd);
	return 0;
}

int
qemu_op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc = qemu_adopt_begin(q, spec, e);

	if (rc)
		return rc;
	if (q->away == QEMU_LEFT_RUNNING || q->away == QEMU_LEFT_PAUSED) {
		qemu_adopt_leaving(q);
		return 0;
	}
	qemu_settle_expect(q, spec);
	/* Until it answers; what is known is that it lives. */
	engine_set_state(g, ENGINE_RUNNING, "adopted");
	qemu_run_flow(q, "qemu adopt", adopt_steps);
	return 0;
}

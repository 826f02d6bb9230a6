#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_mirror.h"
#include "host-agent/engine/qemu/qemu_move.h"

/*
 * A guest that goes to another host, as its source sees it.
 *
 * QEMU stops it and asks before it sends the rest.  Until it is told to go on the move
 * can be cancelled.  From then on nobody here interferes: QEMU lets the guest run again
 * if, and only if, it could not write its last byte.
 */
#define LOOK_MS       100 /* between two looks at how far it is */
#define LOOK_LATE_MS  250
#define LATE_MS       10000
#define STREAM_FDNAME "move"
#define ATTACH_MS     30000
#define MIRRORED_MS   10000 /* the guest stands still for it */

/* Of this kind of end: what went before it is in the message. */
static enum flow_rc
fail_down(struct flow *f, const struct qemu_guest *q)
{
	if (!qemu_is_gone(q) && q->g.state == ENGINE_DOWN)
		err_set(flow_err(f), ERR_LOST, "%s went down meanwhile%s%s", q->who,
		    *q->g.reason ? ": " : "", q->g.reason);
	else if (!flow_err(f)->code)
		err_set(flow_err(f), ERR_LOST, "%s: no connection to QEMU", q->who);
	return FLOW_FAIL;
}

static enum flow_rc
call(struct flow *f, struct qemu_guest *q, const char *command, json *args_take)
{
	if (qemu_answers(q))
		return qemu_call_step(q, f, command, args_take);
	json_free(args_take);
	return fail_down(f, q);
}

/* One that would send more than a target needs might run twice. */
static enum flow_rc
tail_start(struct flow *f, void *arg)
{
	return call(f, arg, "qom-get", qemu_mig_tail());
}

static enum flow_rc
tail_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return fail_down(f, q);
	if (qemu_mig_tail_is_bare(qmp_result(q->qmp)))
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_UNSUPPORTED, "%s", QEMU_MIG_TAIL_WHY);
	return FLOW_FAIL;
}

static enum flow_rc
caps_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return fail_down(f, q);
	return qemu_caps_step(q, f, QEMU_MIG_OUT, q->leave.policy.may_throttle);
}

static enum flow_rc
limits_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return call(f, q, "migrate-set-parameters",
	    qemu_mig_limits(q->leave.converge.limit_ms));
}

static enum flow_rc
stream_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (!qemu_answers(q))
		return fail_down(f, q);
	o = json_new_object();
	json_set_str(o, "fdname", STREAM_FDNAME);
	qmp_call_fd(q->qmp, "getfd", o, q->memory_fd, flow_wake(f));
	return FLOW_WAIT;
}

/* From here on the process alone has the stream: when it ends, so does that. */
static enum flow_rc
stream_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return fail_down(f, q);
	close(MOVE_FD(q->memory_fd));
	return FLOW_NEXT;
}

static enum flow_rc
note_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return fail_down(f, q);
	q->away = q->was_running ? QEMU_LEFT_RUNNING : QEMU_LEFT_PAUSED;
	return qemu_run_save(q, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
}

static enum flow_rc
send_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o = json_new_object();

	q->g.progress.phase = "copying memory";
	q->leave.began_ms = loop_now_ms(q->g.engine->loop);
	json_set_str(o, "uri", "fd:" STREAM_FDNAME);
	return call(f, q, "migrate", o);
}

/* ---- until everything but the rest is sent ---- */

static uint64_t
elapsed_ms(const struct qemu_guest *q)
{
	return loop_now_ms(q->g.engine->loop) - q->leave.began_ms;
}

static enum flow_rc
await_news(struct flow *f, struct qemu_guest *q)
{
	flow_set_timeout(f, elapsed_ms(q) < LATE_MS ? LOOK_MS : LOOK_LATE_MS);
	q->saved_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
copy_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_leave *l = &q->leave;

	if (!qemu_answers(q))
		return fail_down(f, q);
	if (qemu_saving_asks(&q->trace)) {
		l->stopped_ms = loop_now_ms(q->g.engine->loop);
		return FLOW_NEXT;
	}
	if (qemu_saving_ended(&q->trace))
		l->turn = LEAVE_ASK_WHY;
	switch (l->turn) {
	case LEAVE_WAIT:
		return await_news(f, q);
	case LEAVE_ASK:
	case LEAVE_ASK_WHY:
		return call(f, q, "query-migrate", NULL);
	case LEAVE_TELL:
		return call(f, q, "migrate-set-parameters", MOVE(l->tell));
	}
	return FLOW_FAIL;
}

static void
show(struct qemu_guest *q, const struct qemu_mig_facts *m)
{
	struct engine_progress *p = &q->g.progress;

	p->done_bytes = m->transferred_bytes;
	p->total_bytes = m->transferred_bytes + m->remaining_bytes;
	p->rounds = m->rounds;
	if (m->bytes_per_s)
		p->bytes_per_s = m->bytes_per_s;
	if (m->dirty_bytes_per_s)
		p->dirty_bytes_per_s = m->dirty_bytes_per_s;
	p->throttled |= m->throttle_pct > 0;
}

static enum flow_rc
decide(struct flow *f, struct qemu_guest *q, const struct qemu_mig_facts *m)
{
	struct qemu_leave *l = &q->leave;
	struct converge_seen seen = {
		.elapsed_ms = elapsed_ms(q),
		.rounds = m->rounds,
		.remaining_bytes = m->remaining_bytes,
		.dirty_bytes_per_s = m->dirty_bytes_per_s,
		.bytes_per_s = m->bytes_per_s,
		.throttle_pct = m->throttle_pct,
	};
	char *note = q->g.progress.note;

	l->turn = LEAVE_WAIT;
	switch (converge_decide(&l->converge, &l->policy, &seen, note)) {
	case CONVERGE_GO_ON:
		return FLOW_AGAIN;
	case CONVERGE_RAISE:
		l->tell = qemu_mig_downtime(l->converge.limit_ms);
		break;
	case CONVERGE_THROTTLE:
		l->tell = qemu_mig_throttle();
		break;
	case CONVERGE_GIVE_UP:
		err_set(flow_err(f), ERR_TIMEOUT, "given up after %llu s: %s",
		    (unsigned long long)(seen.elapsed_ms / 1000), note);
		return FLOW_FAIL;
	}
	log_info("engine", "%s: %s", q->who, note);
	l->turn = LEAVE_TELL;
	return FLOW_AGAIN;
}

static enum flow_rc
fail_why(struct flow *f, const struct qemu_guest *q, const struct qemu_mig_facts *m)
{
	err_set(flow_err(f), ERR_LOST, "its memory did not get across: %s",
	    *m->why ? m->why : "the way to the target broke");
	return FLOW_FAIL;
}

static enum flow_rc
copy_answered(struct flow *f, struct qemu_guest *q)
{
	struct qemu_mig_facts m;

	if (qemu_mig_read(qmp_result(q->qmp), &m, flow_err(f)))
		return FLOW_FAIL;
	if (q->leave.turn == LEAVE_ASK_WHY)
		return fail_why(f, q, &m);
	show(q, &m);
	if (qemu_mirrors_failed(f, q))
		return FLOW_FAIL;
	/* A guest that cannot write to its disk is nothing to take elsewhere. */
	if (q->trace.io_error) {
		err_set(flow_err(f), ERR_BAD_STATE, "%s", q->trace.io_reason);
		return FLOW_FAIL;
	}
	return decide(f, q, &m);
}

static enum flow_rc
copy_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_leave *l = &q->leave;

	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	if (!qemu_answers(q))
		return fail_down(f, q);
	switch (l->turn) {
	case LEAVE_WAIT:
		if (rc == ERR_TIMEOUT)
			l->turn = LEAVE_ASK;
		return FLOW_AGAIN;
	case LEAVE_ASK:
	case LEAVE_ASK_WHY:
		return rc ? FLOW_FAIL : copy_answered(f, q);
	case LEAVE_TELL:
		l->turn = LEAVE_WAIT;
		return rc ? FLOW_FAIL : FLOW_AGAIN;
	}
	return FLOW_FAIL;
}

/* ---- the rest ---- */

static enum flow_rc
let_go_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (!qemu_answers(q))
		return fail_down(f, q);
	q->g.progress.phase = "switching over";
	q->leave.let_go = true;
	q->leave.turn = LEAVE_WAIT;
	o = json_new_object();
	json_set_str(o, "state", "pre-switchover");
	return qemu_call_step(q, f, "migrate-continue", o);
}

static enum flow_rc
let_go_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (!rc)
		return FLOW_NEXT;
	/* It was not let go, if that is QEMU's own word. */
	if (qemu_answers(q))
		q->leave.let_go = false;
	return fail_down(f, q);
}

/* Without a deadline: only QEMU knows whether its last byte was taken. */
static enum flow_rc
given_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return fail_down(f, q);
	if (str_same(q->trace.saving, "completed"))
		return FLOW_NEXT;
	if (qemu_saving_ended(&q->trace)) {
		q->leave.turn = LEAVE_ASK_WHY;
		return call(f, q, "query-migrate", NULL);
	}
	flow_set_timeout(f, 0);
	q->saved_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
given_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mig_facts m;

	if (!qemu_answers(q))
		return fail_down(f, q);
	if (q->leave.turn != LEAVE_ASK_WHY)
		return FLOW_AGAIN;
	if (rc || qemu_mig_read(qmp_result(q->qmp), &m, flow_err(f)))
		return FLOW_FAIL;
	return fail_why(f, q, &m);
}

/* ---- what it took ---- */

/* The event comes before the numbers are there. */
static enum flow_rc
facts_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_NEXT;
	engine_set_state(&q->g, ENGINE_GIVEN, "");
	return qemu_call_step(q, f, "query-migrate", NULL);
}

static void
show_end(struct qemu_guest *q, const struct qemu_mig_facts *m)
{
	struct engine_progress *p = &q->g.progress;
	uint64_t now = loop_now_ms(q->g.engine->loop);

	show(q, m);
	p->phase = "";
	p->done_bytes = p->total_bytes = m->transferred_bytes;
	p->total_ms = now - q->leave.began_ms;
	p->setup_ms = m->setup_ms;
	/* QEMU's own is often not there yet. */
	p->downtime_ms = now - q->leave.stopped_ms;
	if (p->downtime_ms < m->downtime_ms)
		p->downtime_ms = m->downtime_ms;
}

static enum flow_rc
facts_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mig_facts m;

	if (!rc && qemu_answers(q) && !qemu_mig_read(qmp_result(q->qmp), &m, NULL))
		show_end(q, &m);
	qemu_mirrors_drop(q);
	return FLOW_NEXT;
}

static const struct flow_step leave_steps[] = {
	{ "tail", tail_start, tail_finish, NULL, QEMU_ANSWER_MS },
	{ "caps", caps_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "limits", limits_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "images", qemu_mirror_images_step, qemu_mirror_images_finish, NULL,
	    QEMU_ANSWER_MS },
	{ "attach", qemu_mirror_attach_step, qemu_mirror_attach_finish, NULL,
	    ATTACH_MS },
	{ "mirror", qemu_mirror_begin_step, qemu_mirror_begin_finish, NULL,
	    QEMU_ANSWER_MS },
	{ "in step", qemu_mirror_ready_step, qemu_mirror_ready_finish, NULL,
	    QEMU_ANSWER_MS },
	{ "stream", stream_start, stream_finish, NULL, QEMU_ANSWER_MS },
	{ "note", note_start, NULL, NULL, 0 },
	{ "send", send_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "copy", copy_start, copy_finish, NULL, QEMU_ANSWER_MS },
	{ "mirrored", qemu_mirror_end_step, qemu_mirror_end_finish, NULL, MIRRORED_MS },
	{ "let go", let_go_start, let_go_finish, NULL, 0 },
	{ "given", given_start, given_finish, NULL, 0 },
	{ "facts", facts_start, facts_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_move_out(
    struct engine_guest *g, const struct engine_departure *d, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	int rc;

	if (g->state == ENGINE_STALLED)
		return err_set(e, ERR_BAD_STATE, "it is stalled: %s", g->reason);
	if (q->away == QEMU_HELD)
		return err_set(e, ERR_BAD_STATE, "%s", QEMU_HELD_WHY);
	json_free(MOVE(q->leave.tell));
	q->leave = (struct qemu_leave){
		.policy = { .downtime_ms = d->downtime_ms,
		    .downtime_max_ms = d->downtime_max_ms,
		    .may_throttle = d->auto_converge,
		    .give_up_ms = d->give_up_ms },
	};
	converge_begin(&q->leave.converge, &q->leave.policy);
	q->memory_fd = fcntl(d->memory_fd, F_DUPFD_CLOEXEC, 3);
	if (q->memory_fd < 0)
		return err_set(e, ERR_INVALID, "there is no stream for its memory");
	rc = qemu_mirrors_take(q, d->disks, d->n_disks, e);
	if (rc)
		return rc;
	q->was_running = g->state == ENGINE_RUNNING;
	q->trace.saving[0] = '\0';
	q->trace.io_error = false;
	engine_set_state(g, ENGINE_LEAVING, "");
	q->fallback = qemu_stay_steps;
	qemu_run_flow(q, "qemu move out", leave_steps);
	return 0;
}

void
qemu_op_move_cancel(struct engine_guest *g)
{
	struct qemu_guest *q = qemu_guest_of(g);

	bool too_late = g->verb == ENGINE_MOVE_OUT && q->leave.let_go;

	if (q->verb_flow && !q->fallen && !too_late)
		flow_cancel(q->verb_flow, "the move was cancelled");
}

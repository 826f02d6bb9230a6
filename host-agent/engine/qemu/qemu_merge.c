/*
 * Merging an image of a running guest's chain into the one below it.
 *
 * A block-commit job that is not finalised by itself: when it is PENDING both images
 * hold the same and the guest's writes wait, so the agent can note that the upper one
 * goes before the chain changes.  A job outlives the agent; adoption ends what it finds
 * one way or the other.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/qemu/qemu_chain.h"
#include "host-agent/engine/qemu/qemu_live.h"

#define MERGE_MS  (24u * 3600 * 1000) /* its order has a deadline of its own */
#define JOB_MAX   32
#define TEXT_MAX  1024
#define SETTLE_MS 60000

struct qemu_merge {
	unsigned disk; /* its place in the machine */
	size_t layers, upper_at;
	char *lower_name;
	char job[JOB_MAX];
	char status[16]; /* of the job; "": there is none */
	char why[128];
	char top[QEMU_NODE_MAX], upper[QEMU_NODE_MAX], lower[QEMU_NODE_MAX];
	uint64_t set;     /* of upper's descriptor */
	bool done;        /* the chain has changed */
	struct wake wake; /* waits for another status */
};

void
qemu_merge_free(struct qemu_merge *m)
{
	if (!m)
		return;
	free(m->lower_name);
	free(m);
}

static const char *
text_of(const json *o, const char *key)
{
	const char *s = "";

	if (!o || json_what(o) != JSON_IS_OBJECT ||
	    json_read_str(o, key, JSON_OPTIONAL, TEXT_MAX, &s, NULL))
		return "";
	return s;
}

static bool
is_in(const struct qemu_merge *m, const char *status)
{
	return str_same(m->status, status);
}

void
qemu_merge_event(struct qemu_guest *q, const char *name, const json *data)
{
	struct qemu_merge *m = q->merge;

	if (!m || !str_same(name, "JOB_STATUS_CHANGE") ||
	    !str_same(text_of(data, "id"), m->job))
		return;
	snprintf(m->status, sizeof(m->status), "%s", text_of(data, "status"));
	post_wake(q->g.engine->loop, m->wake, 0, NULL);
}

/* The jobs of query-jobs that is m's; "" if there is none. */
static void
take_jobs(struct qemu_merge *m, const json *jobs)
{
	m->status[0] = m->why[0] = '\0';
	if (!jobs || json_what(jobs) != JSON_IS_ARRAY)
		return;
	for (size_t i = 0; i < json_count(jobs); i++) {
		const json *j = json_at(jobs, i);

		if (!str_same(text_of(j, "id"), m->job))
			continue;
		snprintf(m->status, sizeof(m->status), "%s", text_of(j, "status"));
		snprintf(m->why, sizeof(m->why), "%s", text_of(j, "error"));
	}
}

/* {"id": job}, or whatever the command calls it. */
static json *
named(const char *key, const char *value)
{
	json *o = json_new_object();

	json_set_str(o, key, value);
	return o;
}

/* ---- until both hold the same ---- */

static enum flow_rc
graph_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "x-debug-query-block-graph", NULL);
}

static enum flow_rc
graph_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;
	struct qemu_chain c;

	if (rc || !qemu_answers(q) ||
	    qemu_chain_read(qmp_result(q->qmp), m->disk, &c, flow_err(f)))
		return FLOW_FAIL;
	if (c.n + 1 == m->layers) {
		m->done = true;
		return FLOW_NEXT;
	}
	if (c.n != m->layers || m->upper_at + 1 >= c.n) {
		err_set(flow_err(f), ERR_BAD_STATE,
		    "disk %u stands on %zu images and not on %zu", m->disk, c.n,
		    m->layers);
		return FLOW_FAIL;
	}
	snprintf(m->top, sizeof(m->top), "%s", c.nodes[0]);
	snprintf(m->upper, sizeof(m->upper), "%s", c.nodes[m->upper_at]);
	snprintf(m->lower, sizeof(m->lower), "%s", c.nodes[m->upper_at + 1]);
	return FLOW_NEXT;
}

static enum flow_rc
jobs_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-jobs", NULL);
}

static enum flow_rc
jobs_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	take_jobs(q->merge, qmp_result(q->qmp));
	return FLOW_NEXT;
}

/* One that has failed before must make room for its name. */
static enum flow_rc
old_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (!is_in(m, "concluded"))
		return FLOW_NEXT;
	m->status[0] = '\0';
	return qemu_call_step(q, f, "job-dismiss", named("id", m->job));
}

static json *
commit_args(const struct qemu_merge *m)
{
	json *o = json_new_object();

	json_set_str(o, "job-id", m->job);
	json_set_str(o, "device", m->top);
	json_set_str(o, "top-node", m->upper);
	json_set_str(o, "base-node", m->lower);
	/* The header of the written image is not concerned: it is the one that goes. */
	if (m->upper_at)
		json_set_str(o, "backing-file", m->lower_name);
	json_set_bool(o, "auto-finalize", false);
	json_set_bool(o, "auto-dismiss", false);
	return o;
}

static enum flow_rc
commit_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (m->done || *m->status)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "block-commit", commit_args(m));
}

static enum flow_rc
job_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (!*m->status || m->done || !qemu_answers(q))
		return FLOW_NEXT;
	qmp_call(q->qmp, "job-cancel", named("id", m->job), WAKE_NONE);
	qmp_call(q->qmp, "job-dismiss", named("id", m->job), flow_wake(f));
	return FLOW_WAIT;
}

static bool
has_come(const struct qemu_merge *m)
{
	return m->done || is_in(m, "pending") || is_in(m, "concluded");
}

static enum flow_rc
synced_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (has_come(m))
		return FLOW_NEXT;
	/* The written image: from here on both are written until it is told to switch.
	 */
	if (is_in(m, "ready"))
		qmp_call(q->qmp, "job-complete", named("id", m->job), WAKE_NONE);
	m->wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
synced_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	m->wake = WAKE_NONE;
	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	return has_come(m) ? FLOW_NEXT : FLOW_AGAIN;
}

/* Ended before it was told to: it has failed. */
static enum flow_rc
why_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->merge->done || !is_in(q->merge, "concluded"))
		return FLOW_NEXT;
	return qemu_call_step(q, f, "query-jobs", NULL);
}

static enum flow_rc
why_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	take_jobs(m, qmp_result(q->qmp));
	err_set(flow_err(f), ERR_IO, "%s: merging images of disk %u failed: %s", q->who,
	    m->disk, *m->why ? m->why : "QEMU does not say why");
	return FLOW_FAIL;
}

/* clang-format off */
static const struct flow_step merge_steps[] = {
	{ "graph", graph_start, graph_finish, NULL, QEMU_ANSWER_MS },
	{ "jobs", jobs_start, jobs_finish, NULL, QEMU_ANSWER_MS },
	{ "old job", old_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "commit", commit_start, NULL, job_undo, QEMU_ANSWER_MS },
	{ "synced", synced_start, synced_finish, NULL, MERGE_MS },
	{ "why", why_start, why_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* clang-format on */

int
qemu_op_merge(struct engine_guest *g, const struct engine_merge *want, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	struct qemu_merge *m = xcalloc(1, sizeof(*m));

	qemu_merge_free(q->merge);
	q->merge = m;
	m->disk = engine_disk_slot(want->spec, want->disk);
	m->layers = want->spec->disks[want->disk]->n_backing + 1;
	m->upper_at = want->upper;
	m->lower_name = xstrdup(want->lower_name);
	snprintf(m->job, sizeof(m->job), "merge-%u", m->disk);
	qemu_run_flow(q, "qemu merge", merge_steps);
	return 0;
}

/* ---- the chain changes ---- */

static enum flow_rc
set_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (q->merge->done)
		return FLOW_NEXT;
	o = json_new_object();
	json_set_bool(o, "flat", true);
	return qemu_call_step(q, f, "query-named-block-nodes", o);
}

static enum flow_rc
set_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (rc || !qemu_answers(q) ||
	    qemu_chain_fdset(qmp_result(q->qmp), m->upper, &m->set, flow_err(f)))
		return FLOW_FAIL;
	return FLOW_NEXT;
}

static enum flow_rc
finalize_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->merge->done)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "job-finalize", named("id", q->merge->job));
}

static enum flow_rc
changed_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (m->done || is_in(m, "concluded"))
		return FLOW_NEXT;
	m->wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
changed_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	m->wake = WAKE_NONE;
	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	return is_in(m, "concluded") ? FLOW_NEXT : FLOW_AGAIN;
}

static enum flow_rc
judge_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->merge->done)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "query-jobs", NULL);
}

static enum flow_rc
judge_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	take_jobs(m, qmp_result(q->qmp));
	if (!*m->why)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_IO,
	    "%s: the chain of disk %u could not be changed: %s", q->who, m->disk,
	    m->why);
	return FLOW_FAIL;
}

/* What is left of the upper one: as long as QEMU has it open its space is not free. */
static enum flow_rc
clear_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_merge *m = q->merge;
	AUTO_FREE char *file = xasprintf("%s-file", m->upper);
	json *set;

	if (m->done)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	m->done = true;
	qmp_call(q->qmp, "job-dismiss", named("id", m->job), WAKE_NONE);
	qmp_call(q->qmp, "blockdev-del", named("node-name", m->upper), WAKE_NONE);
	/* Goes with its node where that has brought it. */
	qmp_call(q->qmp, "blockdev-del", named("node-name", file), WAKE_NONE);
	set = json_new_object();
	json_set_u64(set, "fdset-id", m->set);
	qmp_call(q->qmp, "remove-fd", set, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
clear_finish(struct flow *f, void *arg, int rc)
{
	return FLOW_NEXT;
}

/* clang-format off */
static const struct flow_step end_steps[] = {
	{ "set", set_start, set_finish, NULL, QEMU_ANSWER_MS },
	{ "finalize", finalize_start, NULL, job_undo, QEMU_ANSWER_MS },
	{ "changed", changed_start, changed_finish, NULL, SETTLE_MS },
	{ "judge", judge_start, judge_finish, NULL, QEMU_ANSWER_MS },
	{ "clear", clear_start, clear_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* clang-format on */

int
qemu_op_merge_end(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (!q->merge)
		return err_set(e, ERR_BAD_STATE, "%s: nothing is being merged", q->who);
	qemu_run_flow(q, "qemu merge end", end_steps);
	return 0;
}

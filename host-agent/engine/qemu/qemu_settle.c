/*
 * What an agent that ended has left behind in a running guest's disks.
 *
 * A job that merges images either ends by itself or waits, with the guest's writes, for
 * a word that nobody will say.  The spec tells which: where it names one image less
 * than the chain has, the agent had noted that the upper one goes, and the job may end;
 * where it names all of them the job is given up.  Saving memory for a snapshot is
 * given up always.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/qemu/qemu_chain.h"
#include "host-agent/engine/qemu/qemu_live.h"

#define TEXT_MAX 256

size_t
qemu_op_chain_length(struct engine_guest *g, unsigned slot)
{
	const struct qemu_guest *q = qemu_guest_of(g);

	return slot < ENGINE_DISKS_MAX ? q->chain_length[slot] : 0;
}

void
qemu_settle_expect(struct qemu_guest *q, const Drover__GuestSpec *spec)
{
	memset(q->chain_length, 0, sizeof(q->chain_length));
	memset(q->chain_noted, 0, sizeof(q->chain_noted));
	for (size_t i = 0; i < spec->n_disks; i++) {
		unsigned slot = engine_disk_slot(spec, i);

		if (slot < ENGINE_DISKS_MAX)
			q->chain_noted[slot] = spec->disks[i]->n_backing + 1;
	}
}

enum flow_rc
qemu_chains_step(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "x-debug-query-block-graph", NULL);
}

/* A guest that does not tell is adopted all the same. */
enum flow_rc
qemu_chains_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	for (size_t i = 0; i < ENGINE_DISKS_MAX; i++) {
		struct qemu_chain c;

		q->chain_length[i] =
		    qemu_chain_read(qmp_result(q->qmp), i, &c, NULL) ? 0 : c.n;
	}
	return FLOW_NEXT;
}

/* ---- jobs ---- */

void
qemu_left_event(struct qemu_guest *q, const char *name)
{
	if (!str_same(name, "JOB_STATUS_CHANGE"))
		return;
	q->left.changes++;
	post_wake(q->g.engine->loop, q->left.wake, 0, NULL);
}

enum flow_rc
qemu_left_step(struct flow *f, struct qemu_guest *q)
{
	struct qemu_left *l = &q->left;

	if (l->waits && l->changes == l->seen) {
		l->wake = flow_wake(f);
		return FLOW_WAIT;
	}
	l->waits = false;
	l->seen = l->changes;
	return qemu_call_step(q, f, "query-jobs", NULL);
}

static void
tell_job(struct qemu_guest *q, const char *command, const char *id)
{
	json *o = json_new_object();

	json_set_str(o, "id", id);
	qmp_call(q->qmp, command, o, WAKE_NONE);
}

/* Is it still on? */
static bool
end_job(struct qemu_guest *q, const json *job, qemu_left_fn after)
{
	const char *id = "", *status = "";
	enum qemu_left_end end;

	if (json_what(job) != JSON_IS_OBJECT ||
	    json_read_str(job, "id", JSON_OPTIONAL, TEXT_MAX, &id, NULL) ||
	    json_read_str(job, "status", JSON_OPTIONAL, TEXT_MAX, &status, NULL))
		return false;
	end = after(q, id, status);
	if (end == QEMU_LEFT_ALONE)
		return false;
	if (str_same(status, "concluded")) {
		tell_job(q, "job-dismiss", id);
		return false;
	}
	if (!q->left.told) {
		bool ends = end == QEMU_LEFT_FINALIZE;

		log_notice("engine", "%s: job %s was %s when the agent ended: %s",
		    q->who, id, status, ends ? "it ends" : "given up");
		tell_job(q, ends ? "job-finalize" : "job-cancel", id);
	}
	return true;
}

static enum flow_rc
left_over(struct qemu_guest *q)
{
	q->left.told = q->left.waits = false;
	q->left.wake = WAKE_NONE;
	return FLOW_NEXT;
}

/* A guest that does not tell is adopted all the same. */
enum flow_rc
qemu_left_finish(struct flow *f, struct qemu_guest *q, int rc, qemu_left_fn after)
{
	struct qemu_left *l = &q->left;
	const json *jobs;

	if (rc && l->waits)
		log_warn("engine", "%s: jobs that were left do not end: %s", q->who,
		    flow_err(f)->msg);
	if (rc || !qemu_answers(q))
		return left_over(q);
	if (l->waits)
		return FLOW_AGAIN;
	jobs = qmp_result(q->qmp);
	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++)
		l->waits |= end_job(q, json_at(jobs, i), after);
	l->told = true;
	return l->waits ? FLOW_AGAIN : left_over(q);
}

/* One that has not got so far as to wait ends by itself. */
static enum qemu_left_end
after_merge(const struct qemu_guest *q, const char *id, const char *status)
{
	uint64_t disk = ENGINE_DISKS_MAX;

	if (!str_starts(id, "merge-") ||
	    parse_u64(id + strlen("merge-"), 0, ENGINE_DISKS_MAX - 1, "", &disk, NULL))
		return QEMU_LEFT_ALONE;
	if (q->chain_noted[disk] >= q->chain_length[disk])
		return QEMU_LEFT_CANCEL;
	if (str_same(status, "pending") || str_same(status, "concluded"))
		return QEMU_LEFT_FINALIZE;
	return QEMU_LEFT_ALONE;
}

enum flow_rc
qemu_jobs_step(struct flow *f, void *arg)
{
	return qemu_left_step(f, arg);
}

enum flow_rc
qemu_jobs_finish(struct flow *f, void *arg, int rc)
{
	return qemu_left_finish(f, arg, rc, after_merge);
}

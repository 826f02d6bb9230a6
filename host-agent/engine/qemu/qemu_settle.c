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

enum flow_rc
qemu_jobs_step(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-jobs", NULL);
}

static void
end_job(struct qemu_guest *q, const char *id, const char *status)
{
	static const struct {
		const char *status, *command;
	} steps[] = {
		{ "pending", "job-finalize" },
		{ "pending", "job-dismiss" },
		{ "concluded", "job-dismiss" },
	};

	uint64_t disk = ENGINE_DISKS_MAX;
	bool noted;

	if (!str_starts(id, "merge-") ||
	    parse_u64(id + strlen("merge-"), 0, ENGINE_DISKS_MAX - 1, "", &disk, NULL))
		return;
	noted = q->chain_noted[disk] < q->chain_length[disk];
	log_notice("engine", "%s: job %s was %s when the agent ended: %s", q->who, id,
	    status, noted ? "it ends" : "given up");
	if (!noted && !str_same(status, "concluded")) {
		json *o = json_new_object(), *d = json_new_object();

		json_set_str(o, "id", id);
		json_set_str(d, "id", id);
		qmp_call(q->qmp, "job-cancel", o, WAKE_NONE);
		qmp_call(q->qmp, "job-dismiss", d, WAKE_NONE);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		json *o;

		if (!str_same(steps[i].status, status))
			continue;
		o = json_new_object();
		json_set_str(o, "id", id);
		qmp_call(q->qmp, steps[i].command, o, WAKE_NONE);
	}
}

enum flow_rc
qemu_jobs_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const json *jobs;

	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	jobs = qmp_result(q->qmp);
	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++) {
		const json *j = json_at(jobs, i);
		const char *id = "", *status = "";

		if (json_what(j) != JSON_IS_OBJECT ||
		    json_read_str(j, "id", JSON_OPTIONAL, TEXT_MAX, &id, NULL) ||
		    json_read_str(j, "status", JSON_OPTIONAL, TEXT_MAX, &status, NULL))
			continue;
		end_job(q, id, status);
	}
	return FLOW_NEXT;
}

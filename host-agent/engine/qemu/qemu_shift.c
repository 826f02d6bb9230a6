#include "host-agent/engine/qemu/qemu_shift.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/qemu/qemu_block.h"
#include "host-agent/engine/qemu/qemu_chain.h"
#include "host-agent/engine/qemu/qemu_live.h"

/*
 * A mirror into nodes of its own, which is not finalised by itself: when it is PENDING
 * both images hold the same and the guest's writes wait, so the agent can note where
 * the disk is from now on before the guest goes over.
 */
#define JOB_PREFIX  "shift-"
#define TEXT_MAX    512
#define LOOK_MS     200
#define STUCK_MS    60000 /* as long as it comes no closer */
#define FINALIZE_MS 60000
/* Small enough that writes of odd sizes leave little to be copied anew. */
#define GRANULARITY 4096u

struct shift_image {
	int fd; /* ours, until QEMU has its own */
	uint64_t set;
	char node[QEMU_NODE_MAX];
	json *tree; /* arguments of blockdev-add but for the descriptor's name */
};

struct qemu_shift {
	unsigned slot;
	bool flatten;
	uint64_t bytes_per_s;
	struct shift_image v[ENGINE_LAYERS_MAX]; /* the new ones, the lowest first */
	size_t n, i;
	struct qemu_chain old;
	uint64_t old_sets[ENGINE_LAYERS_MAX];
	char job[QEMU_NODE_MAX];
	char status[16]; /* of the job; "": there is none */
	char why[TEXT_MAX];
	bool asks, completes;
	uint64_t least_bytes, least_ms;
	struct wake wake; /* waits for another status */
};

void
qemu_shift_free(struct qemu_shift *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].fd >= 0)
			close(s->v[i].fd);
		json_free(s->v[i].tree);
	}
	free(s);
}

static const char *
text_of(const json *o, const char *key)
{
	const char *s = "";

	if (!o || json_what(o) != JSON_IS_OBJECT ||
	    json_read_str(o, key, JSON_OPTIONAL, TEXT_MAX - 1, &s, NULL))
		return "";
	return s;
}

static json *
named(const char *key, const char *value)
{
	json *o = json_new_object();

	json_set_str(o, key, value);
	return o;
}

static bool
is_in(const struct qemu_shift *s, const char *status)
{
	return str_same(s->status, status);
}

void
qemu_shift_event(struct qemu_guest *q, const char *name, const json *data)
{
	struct qemu_shift *s = q->shift;

	if (!s || !str_same(name, "JOB_STATUS_CHANGE") ||
	    !str_same(text_of(data, "id"), s->job))
		return;
	snprintf(s->status, sizeof(s->status), "%s", text_of(data, "status"));
	post_wake(q->g.engine->loop, s->wake, 0, NULL);
}

/* ---- the new images ---- */

static enum flow_rc
graph_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "x-debug-query-block-graph", NULL);
}

/* Names that no node of the disk has had: the top gets the largest number. */
static void
name_nodes(struct qemu_shift *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct shift_image *m = &s->v[i];
		AUTO_FREE char *file = NULL;

		snprintf(
		    m->node, sizeof(m->node), "disk-%u-%zu", s->slot, s->old.next + i);
		file = xasprintf("%s-file", m->node);
		json_set_str(m->tree, "node-name", m->node);
		json_set_str(json_get(m->tree, "file"), "node-name", file);
		if (i > 0)
			json_set_str(m->tree, "backing", s->v[i - 1].node);
	}
}

static enum flow_rc
graph_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	if (rc || !qemu_answers(q) ||
	    qemu_chain_read(qmp_result(q->qmp), s->slot, &s->old, flow_err(f)))
		return FLOW_FAIL;
	name_nodes(s);
	return FLOW_NEXT;
}

static enum flow_rc
sets_start(struct flow *f, void *arg)
{
	json *o = json_new_object();

	json_set_bool(o, "flat", true);
	return qemu_call_step(arg, f, "query-named-block-nodes", o);
}

static enum flow_rc
sets_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	for (size_t i = 0; i < s->old.n; i++)
		if (qemu_chain_fdset(qmp_result(q->qmp), s->old.nodes[i],
			&s->old_sets[i], flow_err(f)))
			return FLOW_FAIL;
	return FLOW_NEXT;
}

/* One after the other: the descriptor, then the node that reads from it. */
static enum flow_rc
add_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	struct shift_image *m = &s->v[s->i];
	AUTO_FREE char *path = NULL;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (s->i == s->n)
		return FLOW_NEXT;
	if (m->fd >= 0) {
		qmp_call_fd(q->qmp, "add-fd", NULL, m->fd, flow_wake(f));
		return FLOW_WAIT;
	}
	path = xasprintf("/dev/fdset/%" PRIu64, m->set);
	json_set_str(json_get(m->tree, "file"), "filename", path);
	return qemu_call_step(q, f, "blockdev-add", json_ref(m->tree));
}

static enum flow_rc
add_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	struct shift_image *m = &s->v[s->i];

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	if (m->fd < 0) {
		s->i++;
		return FLOW_AGAIN;
	}
	if (json_read_u64(qmp_result(q->qmp), "fdset-id", JSON_REQUIRED, 0, INT64_MAX,
		&m->set, flow_err(f)))
		return FLOW_FAIL;
	close(MOVE_FD(m->fd));
	return FLOW_AGAIN;
}

/* ---- until both hold the same ---- */

static enum flow_rc
mirror_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	json *o;

	if (!qemu_answers(q) || qemu_run_save(q, flow_err(f)))
		return FLOW_FAIL;
	/* One that was given up for an agent that had ended. */
	qmp_call(q->qmp, "job-dismiss", named("id", s->job), WAKE_NONE);
	o = named("job-id", s->job);
	json_set_str(o, "device", s->old.nodes[0]);
	json_set_str(o, "target", s->v[s->n - 1].node);
	json_set_str(o, "sync", s->flatten ? "full" : "top");
	json_set_str(o, "copy-mode", "write-blocking");
	json_set_u64(o, "granularity", GRANULARITY);
	if (s->bytes_per_s)
		json_set_u64(o, "speed", s->bytes_per_s);
	json_set_str(o, "on-source-error", "report");
	json_set_str(o, "on-target-error", "report");
	json_set_bool(o, "auto-finalize", false);
	json_set_bool(o, "auto-dismiss", false);
	q->g.progress.phase = "copying a disk";
	return qemu_call_step(q, f, "blockdev-mirror", o);
}

static enum flow_rc
same_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (is_in(s, "pending"))
		return FLOW_NEXT;
	if (is_in(s, "ready") && !s->completes) {
		s->completes = true;
		qmp_call(q->qmp, "job-complete", named("id", s->job), WAKE_NONE);
	}
	if (s->asks || is_in(s, "concluded"))
		return qemu_call_step(q, f, "query-jobs", NULL);
	flow_set_timeout(f, LOOK_MS);
	s->wake = flow_wake(f);
	return FLOW_WAIT;
}

static void
show(struct qemu_guest *q, const json *jobs)
{
	struct qemu_shift *s = q->shift;
	struct engine_progress *p = &q->g.progress;
	uint64_t done = 0, total = 0;

	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++) {
		const json *j = json_at(jobs, i);

		if (!str_same(text_of(j, "id"), s->job) ||
		    json_read_u64(j, "current-progress", JSON_REQUIRED, 0, INT64_MAX,
			&done, NULL) ||
		    json_read_u64(
			j, "total-progress", JSON_REQUIRED, 0, INT64_MAX, &total, NULL))
			continue;
		snprintf(s->why, sizeof(s->why), "%s", text_of(j, "error"));
		p->bytes_per_s =
		    done > p->done_bytes ? (done - p->done_bytes) * 1000 / LOOK_MS : 0;
		p->done_bytes = done;
		p->total_bytes = total;
	}
}

static bool
gets_on(struct flow *f, struct qemu_guest *q)
{
	struct qemu_shift *s = q->shift;
	uint64_t now = loop_now_ms(q->g.engine->loop);
	uint64_t left = q->g.progress.total_bytes - q->g.progress.done_bytes;

	if (!s->least_ms || left < s->least_bytes) {
		s->least_ms = now;
		s->least_bytes = left;
	}
	if (now - s->least_ms < STUCK_MS)
		return true;
	err_set(flow_err(f), ERR_TIMEOUT,
	    "disk-%u changes as fast as it is copied, at %" PRIu64
	    " kB/s, with %" PRIu64 " kB left",
	    s->slot, q->g.progress.bytes_per_s / 1000, left / 1000);
	return false;
}

static enum flow_rc
same_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	bool asked;

	if (!qemu_answers(q) || (rc && rc != ERR_TIMEOUT))
		return FLOW_FAIL;
	asked = s->asks || is_in(s, "concluded");
	s->wake = WAKE_NONE;
	s->asks = !asked && rc == ERR_TIMEOUT;
	if (!asked || rc)
		return FLOW_AGAIN;
	show(q, qmp_result(q->qmp));
	if (!is_in(s, "concluded"))
		return gets_on(f, q) ? FLOW_AGAIN : FLOW_FAIL;
	err_set(flow_err(f), ERR_IO, "disk-%u cannot be copied: %s", s->slot,
	    *s->why ? s->why : "QEMU does not say why");
	return FLOW_FAIL;
}

static const struct flow_step move_steps[] = {
	{ "graph", graph_start, graph_finish, NULL, QEMU_ANSWER_MS },
	{ "sets", sets_start, sets_finish, NULL, QEMU_ANSWER_MS },
	{ "add", add_start, add_finish, NULL, QEMU_ANSWER_MS },
	{ "mirror", mirror_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "same", same_start, same_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* ---- it stays where it was ---- */

/* The command that begins it may have been on its way. */
static enum flow_rc
look_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_NEXT;
	q->shift->asks = false;
	return qemu_call_step(q, f, "query-jobs", NULL);
}

static enum flow_rc
look_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	const json *jobs;

	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	jobs = qmp_result(q->qmp);
	s->status[0] = '\0';
	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++) {
		const json *j = json_at(jobs, i);

		if (str_same(text_of(j, "id"), s->job))
			snprintf(
			    s->status, sizeof(s->status), "%s", text_of(j, "status"));
	}
	return FLOW_NEXT;
}

static enum flow_rc
cancel_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;
	json *o;

	if (!qemu_answers(q) || !*s->status || is_in(s, "concluded"))
		return FLOW_NEXT;
	if (!s->asks) {
		s->asks = true;
		/* As job-cancel, but without ending the copy whole first. */
		o = named("device", s->job);
		json_set_bool(o, "force", true);
		qmp_call(q->qmp, "block-job-cancel", o, WAKE_NONE);
		qmp_call(q->qmp, "job-cancel", named("id", s->job), WAKE_NONE);
	}
	s->wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
cancel_finish(struct flow *f, void *arg, int rc)
{
	return rc ? FLOW_FAIL : FLOW_AGAIN;
}

static void
drop_node(struct qemu_guest *q, const char *node, uint64_t set)
{
	AUTO_FREE char *file = xasprintf("%s-file", node);
	json *o = json_new_object();

	qmp_call(q->qmp, "blockdev-del", named("node-name", node), WAKE_NONE);
	/* One that was made together with its file has taken that along. */
	qmp_call(q->qmp, "blockdev-del", named("node-name", file), WAKE_NONE);
	json_set_u64(o, "fdset-id", set);
	qmp_call(q->qmp, "remove-fd", o, WAKE_NONE);
}

/* Answered once the images that were dropped are closed. */
static enum flow_rc
closed(struct flow *f, struct qemu_guest *q)
{
	*q->shift_to.path = '\0';
	qemu_shift_free(MOVE(q->shift));
	if (qemu_run_save(q, flow_err(f)))
		return FLOW_FAIL;
	return qemu_call_step(q, f, "query-status", NULL);
}

static enum flow_rc
drop_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	q->g.progress.phase = "";
	if (!qemu_answers(q))
		return FLOW_NEXT;
	if (*s->status)
		qmp_call(q->qmp, "job-dismiss", named("id", s->job), WAKE_NONE);
	for (size_t i = s->n; i--;)
		if (s->v[i].fd < 0)
			drop_node(q, s->v[i].node, s->v[i].set);
	return closed(f, q);
}

static const struct flow_step keep_steps[] = {
	{ "look", look_start, look_finish, NULL, QEMU_ANSWER_MS },
	{ "cancel", cancel_start, cancel_finish, NULL, FINALIZE_MS },
	{ "drop", drop_start, NULL, NULL, FINALIZE_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* ---- it goes over ---- */

static enum flow_rc
finalize_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (is_in(s, "concluded"))
		return FLOW_NEXT;
	if (!s->asks) {
		s->asks = true;
		qmp_call(q->qmp, "job-finalize", named("id", s->job), WAKE_NONE);
	}
	s->wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
finalize_finish(struct flow *f, void *arg, int rc)
{
	return rc ? FLOW_FAIL : FLOW_AGAIN;
}

static enum flow_rc
result_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-jobs", NULL);
}

static enum flow_rc
result_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	show(q, qmp_result(q->qmp));
	if (!*s->why)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_IO, "disk-%u does not go over: %s", s->slot, s->why);
	return FLOW_FAIL;
}

static enum flow_rc
over_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_shift *s = q->shift;

	q->g.progress.phase = "";
	if (!qemu_answers(q))
		return FLOW_FAIL;
	qmp_call(q->qmp, "job-dismiss", named("id", s->job), WAKE_NONE);
	for (size_t i = 0; i < s->old.n; i++)
		drop_node(q, s->old.nodes[i], s->old_sets[i]);
	return closed(f, q);
}

static const struct flow_step take_steps[] = {
	{ "finalize", finalize_start, finalize_finish, NULL, FINALIZE_MS },
	{ "result", result_start, result_finish, NULL, QEMU_ANSWER_MS },
	{ "over", over_start, NULL, NULL, FINALIZE_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* ---- the verbs ---- */

static void
take_images(struct qemu_shift *s, const struct engine_disk_move *m)
{
	struct qemu_nodes nodes;

	qemu_disk_nodes(m->to_spec, m->to, s->slot, &nodes);
	for (size_t i = 0; i < nodes.n; i++) {
		struct qemu_node *from = &nodes.v[i];

		s->v[i].fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
		ASSERT(s->v[i].fd >= 0);
		s->v[i].tree = json_ref(from->format);
		json_set_json(s->v[i].tree, "file", json_ref(from->file));
	}
	s->n = nodes.n;
	qemu_nodes_fini(&nodes);
}

int
qemu_op_disk_move(
    struct engine_guest *g, const struct engine_disk_move *m, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	struct qemu_shift *s;

	if (q->shift)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 ": the move of disk-%u has not been ended", g->number,
		    q->shift->slot);
	if (strlen(m->to_spec->path) >= sizeof(q->shift_to.path))
		return err_set(e, ERR_INVALID, "path: at most %zu bytes",
		    sizeof(q->shift_to.path) - 1);
	s = xcalloc(1, sizeof(*s));
	s->slot = engine_disk_slot(m->spec, m->i);
	s->flatten = m->flatten;
	s->bytes_per_s = m->bytes_per_s;
	snprintf(s->job, sizeof(s->job), JOB_PREFIX "%u", s->slot);
	take_images(s, m);
	q->shift = s;
	q->shift_to.slot = s->slot;
	q->shift_to.datastore = m->to_spec->datastore;
	snprintf(q->shift_to.path, sizeof(q->shift_to.path), "%s", m->to_spec->path);
	q->fallback = keep_steps;
	qemu_run_flow(q, "qemu disk move", move_steps);
	return 0;
}

int
qemu_op_disk_move_end(struct engine_guest *g, enum engine_disk_end how, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (!q->shift) {
		engine_done(g, 0, NULL);
		return 0;
	}
	q->shift->asks = false;
	q->fallback = how == ENGINE_DISK_TAKE ? keep_steps : NULL;
	qemu_run_flow(
	    q, "qemu end disk move", how == ENGINE_DISK_TAKE ? take_steps : keep_steps);
	return 0;
}

/* ---- adoption ---- */

void
qemu_shift_expect(struct qemu_guest *q, const Drover__GuestSpec *spec)
{
	struct qemu_shift_to *to = &q->shift_to;

	to->noted = false;
	for (size_t i = 0; *to->path && i < spec->n_disks; i++) {
		const Drover__DiskSpec *d = spec->disks[i];

		if (engine_disk_slot(spec, i) == to->slot)
			to->noted = d->datastore == to->datastore &&
				    str_same(d->path, to->path);
	}
}

enum flow_rc
qemu_shift_adopt_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return *q->shift_to.path ? qemu_left_step(f, q) : FLOW_NEXT;
}

static enum qemu_left_end
after_shift(const struct qemu_guest *q, const char *id, const char *status)
{
	if (!str_starts(id, JOB_PREFIX))
		return QEMU_LEFT_ALONE;
	return q->shift_to.noted ? QEMU_LEFT_FINALIZE : QEMU_LEFT_CANCEL;
}

/* What it does not read from any more stays open in the process until that ends. */
enum flow_rc
qemu_shift_adopt_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (qemu_left_finish(f, q, rc, after_shift) == FLOW_AGAIN)
		return FLOW_AGAIN;
	if (!qemu_answers(q))
		return FLOW_NEXT;
	*q->shift_to.path = '\0';
	if (qemu_run_save(q, NULL))
		log_warn("engine", "%s: cannot note where its disks are", q->who);
	return FLOW_NEXT;
}

/*
 * Freezing the disks of a running guest, with its memory if that is wanted.
 *
 * The memory goes to its file while the guest runs.  When little is left QEMU stops it
 * and asks: at that point all disks are frozen in one transaction, the rest of the
 * memory follows, and the guest goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/qemu/qemu_chain.h"
#include "host-agent/engine/qemu/qemu_int.h"
#include "host-agent/engine/qemu/qemu_live.h"
#include "host-agent/engine/qemu/qemu_memory.h"
#include "host-agent/engine/qemu/qga.h"

#define RUNS_ON_MS    60000 /* then the guest is stopped, for it writes too much */
#define SAVE_MS       600000
#define ASKS          5000
#define DOWNTIME_MS   300
#define MEMORY_FDNAME "snapshot"
#define QUIESCE_MS    10000 /* writing out what waits */
#define THAW_MS       5000
#define THAW_TRIES    3

/* A disk on its way to a new top. */
struct overlay {
	int fd; /* ours, until QEMU has its own */
	unsigned slot;
	char format[8];
	bool direct;
	struct qemu_chain chain;
	uint64_t set;
};

struct qemu_freeze {
	struct overlay *disks;
	size_t n, i;
	bool stopped, frozen;
	uint64_t stopped_ms;
	bool quiesce;  /* wanted */
	bool settling; /* the guest was told to, and not yet to go on */
	unsigned thaws, asks;
};

void
qemu_freeze_free(struct qemu_freeze *z)
{
	if (!z)
		return;
	for (size_t i = 0; i < z->n; i++) {
		if (z->disks[i].fd >= 0)
			close(z->disks[i].fd);
	}
	free(z->disks);
	free(z);
}

static uint64_t
now_ms(const struct qemu_guest *q)
{
	return loop_now_ms(q->g.engine->loop);
}

/* "disk-I-N" */
static void
node_name(const struct qemu_freeze *z, size_t i, char out[QEMU_NODE_MAX])
{
	snprintf(
	    out, QEMU_NODE_MAX, "disk-%u-%u", z->disks[i].slot, z->disks[i].chain.next);
}

/* ---- the new tops ---- */

static enum flow_rc
graph_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->freeze->n)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "x-debug-query-block-graph", NULL);
}

static enum flow_rc
graph_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_freeze *z = q->freeze;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	for (size_t i = 0; i < z->n; i++) {
		struct qemu_chain *c = &z->disks[i].chain;

		if (qemu_chain_read(
			qmp_result(q->qmp), z->disks[i].slot, c, flow_err(f)))
			return FLOW_FAIL;
		if (c->n >= ENGINE_LAYERS_MAX) {
			err_set(flow_err(f), ERR_NO_CAPACITY,
			    "disk %u stands on %zu images already", z->disks[i].slot,
			    c->n);
			return FLOW_FAIL;
		}
	}
	z->i = 0;
	return FLOW_NEXT;
}

static enum flow_rc
hand_over_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_freeze *z = q->freeze;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (z->i >= z->n) {
		z->i = 0;
		return FLOW_NEXT;
	}
	qmp_call_fd(q->qmp, "add-fd", NULL, z->disks[z->i].fd, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
hand_over_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_freeze *z = q->freeze;

	if (rc || !qemu_answers(q) ||
	    json_read_u64(qmp_result(q->qmp), "fdset-id", JSON_REQUIRED, 0, INT64_MAX,
		&z->disks[z->i].set, flow_err(f)))
		return FLOW_FAIL;
	close(MOVE_FD(z->disks[z->i].fd));
	z->i++;
	return FLOW_AGAIN;
}

static json *
cache_of(bool direct)
{
	json *c = json_new_object();

	json_set_bool(c, "direct", direct);
	json_set_bool(c, "no-flush", false);
	return c;
}

static json *
top_node(const struct overlay *o, const char *name)
{
	AUTO_FREE char *path = xasprintf("/dev/fdset/%llu", (unsigned long long)o->set);
	AUTO_FREE char *file_name = xasprintf("%s-file", name);
	json *file = json_new_object(), *top = json_new_object();

	json_set_str(file, "driver", "file");
	json_set_str(file, "node-name", file_name);
	json_set_str(file, "filename", path);
	json_set_str(file, "locking", "on");
	json_set_str(file, "aio", o->direct ? "native" : "threads");
	json_set_json(file, "cache", cache_of(o->direct));
	json_set_str(file, "discard", "unmap");
	json_set_str(top, "driver", o->format);
	json_set_str(top, "node-name", name);
	json_set_json(top, "file", file);
	json_set_json(top, "cache", cache_of(o->direct));
	json_set_str(top, "discard", "unmap");
	json_set_null(top, "backing");
	return top;
}

static enum flow_rc
add_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_freeze *z = q->freeze;
	char name[QEMU_NODE_MAX];

	if (z->i >= z->n)
		return FLOW_NEXT;
	node_name(z, z->i, name);
	return qemu_call_step(q, f, "blockdev-add", top_node(&z->disks[z->i], name));
}

static enum flow_rc
add_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return FLOW_FAIL;
	q->freeze->i++;
	return FLOW_AGAIN;
}

/* Nothing refers to them while the disks are not frozen. */
static enum flow_rc
add_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_freeze *z = q->freeze;

	if (z->frozen || !qemu_answers(q))
		return FLOW_NEXT;
	for (size_t i = 0; i < z->n && i <= z->i; i++) {
		char name[QEMU_NODE_MAX];
		json *o = json_new_object(), *set = json_new_object();

		node_name(z, i, name);
		json_set_str(o, "node-name", name);
		qmp_call(q->qmp, "blockdev-del", o, WAKE_NONE);
		json_set_u64(set, "fdset-id", z->disks[i].set);
		qmp_call(q->qmp, "remove-fd", set, WAKE_NONE);
	}
	return FLOW_NEXT;
}

/* ---- the memory, up to the moment ---- */

static enum flow_rc
caps_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	q->trace.saving[0] = '\0';
	return qemu_caps_step(q, f, QEMU_MIG_OUT, false);
}

static enum flow_rc
speed_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	return qemu_call_step(
	    q, f, "migrate-set-parameters", qemu_mig_limits(DOWNTIME_MS));
}

static enum flow_rc
file_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	o = json_new_object();
	json_set_str(o, "fdname", MEMORY_FDNAME);
	qmp_call_fd(q->qmp, "getfd", o, q->memory_fd, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
save_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	o = json_new_object();
	json_set_str(o, "uri", "fd:" MEMORY_FDNAME);
	return qemu_call_step(q, f, "migrate", o);
}

static enum flow_rc
save_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0 || !qemu_answers(q) || qemu_saving_ended(&q->trace))
		return FLOW_NEXT;
	qmp_call(q->qmp, "migrate_cancel", NULL, flow_wake(f));
	return FLOW_WAIT;
}

/* Until QEMU has stopped the guest and asks. */
static enum flow_rc
moment_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (q->freeze->stopped)
		flow_set_timeout(f, SAVE_MS);
	if (qemu_saving_asks(&q->trace) || qemu_saving_ended(&q->trace))
		return FLOW_NEXT;
	q->saved_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
moment_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (rc == ERR_TIMEOUT && !q->freeze->stopped) {
		log_info("engine",
		    "%s writes its memory faster than it is saved: "
		    "stopped for the rest",
		    q->who);
		q->freeze->stopped = true;
		q->freeze->stopped_ms = now_ms(q);
		qmp_call(q->qmp, "stop", NULL, WAKE_NONE);
		return FLOW_AGAIN;
	}
	if (rc)
		return FLOW_FAIL;
	if (!q->freeze->stopped_ms)
		q->freeze->stopped_ms = now_ms(q);
	return FLOW_NEXT;
}

/* ---- the guest's file systems ---- */

static enum flow_rc
quiesce_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->freeze->quiesce)
		return FLOW_NEXT;
	if (!qemu_answers(q) || !q->qga)
		return FLOW_FAIL;
	q->freeze->settling = true;
	qga_call(q->qga, "guest-fsfreeze-freeze", QUIESCE_MS, flow_wake(f));
	return FLOW_WAIT;
}

/* It is taken all the same, as after a power failure. */
static enum flow_rc
quiesce_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q))
		return FLOW_FAIL;
	q->g.frozen.quiesced = !rc;
	if (rc)
		snprintf(q->g.frozen.why_not, sizeof(q->g.frozen.why_not), "%.95s",
		    flow_err(f)->msg);
	return FLOW_NEXT;
}

/* Also of one that did not say that it settled: it may have, and nobody else wakes it.
 */
static enum flow_rc
thaw_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->freeze->settling || !qemu_answers(q) || !q->qga)
		return FLOW_NEXT;
	q->freeze->thaws++;
	qga_call(q->qga, "guest-fsfreeze-thaw", THAW_MS, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
thaw_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q))
		return FLOW_FAIL;
	/* One that never answers has settled nothing. */
	if (rc && q->g.frozen.quiesced && q->freeze->thaws < THAW_TRIES)
		return FLOW_AGAIN;
	if (rc && q->g.frozen.quiesced)
		log_err("engine", "%s: its file systems stay frozen: %s", q->who,
		    flow_err(f)->msg);
	q->freeze->settling = false;
	return FLOW_NEXT;
}

/* ---- the moment ---- */

static json *
transaction(const struct qemu_freeze *z)
{
	json *o = json_new_object(), *actions = json_new_array();

	for (size_t i = 0; i < z->n; i++) {
		json *action = json_new_object(), *data = json_new_object();
		char name[QEMU_NODE_MAX];

		node_name(z, i, name);
		json_set_str(data, "node", z->disks[i].chain.nodes[0]);
		json_set_str(data, "overlay", name);
		json_set_str(action, "type", "blockdev-snapshot");
		json_set_json(action, "data", data);
		json_add_json(actions, action);
	}
	json_set_json(o, "actions", actions);
	return o;
}

static enum flow_rc
freeze_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->freeze->n)
		return FLOW_NEXT;
	if (q->memory_fd >= 0 && !qemu_saving_asks(&q->trace)) {
		err_set(flow_err(f), ERR_IO, "%s: saving its memory %s", q->who,
		    *q->trace.saving ? q->trace.saving : "has not begun");
		return FLOW_FAIL;
	}
	return qemu_call_step(q, f, "transaction", transaction(q->freeze));
}

static enum flow_rc
freeze_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return FLOW_FAIL;
	q->freeze->frozen = q->g.frozen.disks = true;
	return FLOW_NEXT;
}

static enum flow_rc
rest_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	o = json_new_object();
	json_set_str(o, "state", "pre-switchover");
	return qemu_call_step(q, f, "migrate-continue", o);
}

static enum flow_rc
saved_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	return qemu_saved_step(q, f);
}

static enum flow_rc
saved_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	if (!str_same(q->trace.saving, "completed")) {
		err_set(flow_err(f), ERR_IO, "%s: saving its memory %s", q->who,
		    q->trace.saving);
		return FLOW_FAIL;
	}
	return FLOW_NEXT;
}

/* It says "completed" a moment before it can go on. */
static enum flow_rc
stands_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "query-status", NULL);
}

static enum flow_rc
stands_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const char *status = "";

	if (rc || !qemu_answers(q) ||
	    json_read_str(
		qmp_result(q->qmp), "status", JSON_REQUIRED, 64, &status, flow_err(f)))
		return FLOW_FAIL;
	if (str_same(status, "finish-migrate") && q->freeze->asks++ < ASKS)
		return FLOW_AGAIN;
	return FLOW_NEXT;
}

/* Disks that QEMU has let go at the end of the memory are taken up again by it. */
static enum flow_rc
go_on_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "cont", NULL);
}

static enum flow_rc
go_on_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || qemu_is_gone(q))
		return FLOW_FAIL;
	q->g.frozen.paused_ms = now_ms(q) - q->freeze->stopped_ms;
	return FLOW_NEXT;
}

/* Not before the guest goes on: it does not wait for a disk that is full. */
static enum flow_rc
seal_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct stat st;

	if (q->memory_fd < 0)
		return FLOW_NEXT;
	if (qemu_memory_seal(q->memory_fd, flow_err(f)))
		return FLOW_FAIL;
	q->g.frozen.memory = true;
	if (!fstat(q->memory_fd, &st))
		q->g.frozen.memory_bytes = (uint64_t)st.st_size;
	return FLOW_NEXT;
}

/* It ran before. */
static enum flow_rc
go_on_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (q->memory_fd < 0 || !qemu_answers(q) || q->g.state == ENGINE_STALLED)
		return FLOW_NEXT;
	qmp_call(q->qmp, "cont", NULL, flow_wake(f));
	return FLOW_WAIT;
}

/* clang-format off */
static const struct flow_step freeze_steps[] = {
	{ "graph", graph_start, graph_finish, NULL, QEMU_ANSWER_MS },
	{ "hand over", hand_over_start, hand_over_finish, NULL, QEMU_ANSWER_MS },
	{ "add", add_start, add_finish, add_undo, QEMU_ANSWER_MS },
	{ "capabilities", caps_start, NULL, go_on_undo, QEMU_ANSWER_MS },
	{ "speed", speed_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "file", file_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "save", save_start, NULL, save_undo, QEMU_ANSWER_MS },
	{ "moment", moment_start, moment_finish, NULL, RUNS_ON_MS },
	{ "quiesce", quiesce_start, quiesce_finish, thaw_start, 2 * QUIESCE_MS },
	{ "freeze", freeze_start, freeze_finish, NULL, QEMU_ANSWER_MS },
	{ "thaw", thaw_start, thaw_finish, NULL, 2 * QUIESCE_MS },
	{ "rest", rest_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "saved", saved_start, saved_finish, NULL, SAVE_MS },
	{ "stands", stands_start, stands_finish, NULL, QEMU_ANSWER_MS },
	{ "go on", go_on_start, go_on_finish, NULL, QEMU_ANSWER_MS },
	{ "seal", seal_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* clang-format on */

static int
keep_disks(struct qemu_freeze *z, const struct engine_freeze *fr, struct err *e)
{
	for (size_t i = 0; i < z->n; i++) {
		struct overlay *o = &z->disks[i];

		o->fd = fcntl(fr->disks[i].fd, F_DUPFD_CLOEXEC, 3);
		if (o->fd < 0)
			return err_sys(e, ERR_IO, errno, "cannot keep a descriptor");
		o->slot = engine_disk_slot(fr->spec, i);
		o->direct = fr->disks[i].direct;
		snprintf(
		    o->format, sizeof(o->format), "%s", fr->spec->disks[i]->format);
	}
	return 0;
}

int
qemu_op_freeze(struct engine_guest *g, const struct engine_freeze *fr, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	struct qemu_freeze *z = xcalloc(1, sizeof(*z));
	const char *stays = qemu_shape_stays(&q->shape);
	int rc;

	qemu_freeze_free(q->freeze);
	q->freeze = z;
	/* Memory that is kept knows what is not written out. */
	z->quiesce = fr->quiesce && fr->memory_fd < 0 && g->state == ENGINE_RUNNING;
	if (fr->quiesce && !z->quiesce)
		snprintf(g->frozen.why_not, sizeof(g->frozen.why_not), "%s",
		    fr->memory_fd >= 0 ? "its memory is kept with it"
				       : "it does not run");
	z->n = fr->spec->n_disks;
	z->disks = xcalloc(z->n + 1, sizeof(*z->disks));
	for (size_t i = 0; i < z->n; i++)
		z->disks[i].fd = -1;
	rc = keep_disks(z, fr, e);
	if (!rc && fr->memory_fd >= 0 && stays && g->state == ENGINE_RUNNING)
		rc = err_set(e, ERR_UNSUPPORTED, "%s: no snapshot with memory: %s",
		    q->who, stays);
	if (!rc && fr->memory_fd >= 0)
		rc = qemu_memory_begin(fr->memory_fd, &q->shape, e);
	if (rc)
		return rc;
	/* The verb's end closes it. */
	if (fr->memory_fd >= 0)
		q->memory_fd = fcntl(fr->memory_fd, F_DUPFD_CLOEXEC, 3);
	qemu_run_flow(q, "qemu freeze", freeze_steps);
	return 0;
}

#include "host-agent/engine/qemu/qemu_mirror.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/bridge.h"
#include "host-agent/engine/qemu/qemu_dir.h"

#define NAME_PREFIX "move-"
#define TEXT_MAX    256
#define NODE_MAX    32 /* of a block node's name */
#define MIRRORS_MAX 16 /* as many as a guest has disks */
#define LOOK_MS     200
#define STILL_MS    10
#define SERVE_PATH  "nbd.sock"

struct mirror {
	unsigned slot; /* of the disk in the machine */
	char node[NODE_MAX];
	bool top;
	bool ready, ended;
	char why[TEXT_MAX]; /* it has failed */
	int fd;             /* until the bridge has it */
	struct bridge *bridge;
};

struct qemu_mirrors {
	size_t n, i;
	bool asks;
	uint64_t left_bytes, least_bytes,
	    least_ms;     /* not in step; when that was least */
	struct wake wake; /* waits for news of the jobs */
	struct mirror v[MIRRORS_MAX];
};

void
qemu_mirrors_drop(struct qemu_guest *q)
{
	struct qemu_mirrors *m = MOVE(q->mirrors);

	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++) {
		bridge_free(m->v[i].bridge);
		if (m->v[i].fd >= 0)
			close(m->v[i].fd);
	}
	free(m);
}

/* "disk-3" sits in slot 3 on either host: see engine_device.h. */
static int
read_slot(const char *disk, unsigned *ret_slot, struct err *e)
{
	uint64_t v = 0;

	if (!str_starts(disk, "disk-") ||
	    parse_u64(disk + strlen("disk-"), 0, MIRRORS_MAX - 1, "", &v, NULL))
		return err_set(e, ERR_UNSUPPORTED,
		    "disk \"%s\" cannot be sent along: its name has no number", disk);
	*ret_slot = (unsigned)v;
	return 0;
}

int
qemu_mirrors_take(struct qemu_guest *q, const struct engine_disk_stream *disks,
    size_t n, struct err *e)
{
	struct qemu_mirrors *m;
	int rc = 0;

	qemu_mirrors_drop(q);
	if (!n)
		return 0;
	if (n > MIRRORS_MAX)
		return err_set(
		    e, ERR_INVALID, "disks: at most %d, got %zu", MIRRORS_MAX, n);
	q->mirrors = m = xcalloc(1, sizeof(*m));
	for (; m->n < n && !rc; m->n++) {
		struct mirror *r = &m->v[m->n];

		r->top = disks[m->n].top;
		r->fd = fcntl(disks[m->n].fd, F_DUPFD_CLOEXEC, 3);
		rc = read_slot(disks[m->n].disk, &r->slot, e);
	}
	if (rc)
		qemu_mirrors_drop(q);
	return rc;
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

static void
job_name(unsigned slot, char out[NODE_MAX])
{
	snprintf(out, NODE_MAX, NAME_PREFIX "%u", slot);
}

static json *
named(const char *key, const char *value)
{
	json *o = json_new_object();

	json_set_str(o, key, value);
	return o;
}

static struct mirror *
find(struct qemu_mirrors *m, const char *job)
{
	char name[NODE_MAX];

	for (size_t i = 0; i < m->n; i++) {
		job_name(m->v[i].slot, name);
		if (str_same(name, job))
			return &m->v[i];
	}
	return NULL;
}

void
qemu_mirror_event(struct qemu_guest *q, const char *name, const json *data)
{
	struct mirror *r =
	    q->mirrors ? find(q->mirrors, text_of(data, "device")) : NULL;

	if (!r)
		return;
	if (str_same(name, "BLOCK_JOB_READY")) {
		r->ready = true;
	} else if (str_same(name, "BLOCK_JOB_COMPLETED") ||
		   str_same(name, "BLOCK_JOB_CANCELLED")) {
		r->ended = true;
		snprintf(r->why, sizeof(r->why), "%s", text_of(data, "error"));
	}
	post_wake(q->g.engine->loop, q->mirrors->wake, 0, NULL);
}

/* ---- source: until they are in step ---- */

enum flow_rc
qemu_mirror_images_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->mirrors)
		return FLOW_NEXT;
	q->g.progress.phase = "copying disks";
	return qemu_call_step(q, f, "query-block", NULL);
}

/* The node that the device stands on: after a snapshot it is not that of the start. */
static int
find_top(struct mirror *r, const json *blocks, struct err *e)
{
	AUTO_FREE char *device =
	    xasprintf("/machine/peripheral/blk-%u/virtio-backend", r->slot);

	for (size_t i = 0; json_what(blocks) == JSON_IS_ARRAY && i < json_count(blocks);
	     i++) {
		const json *b = json_at(blocks, i);

		if (!str_same(text_of(b, "qdev"), device))
			continue;
		snprintf(r->node, sizeof(r->node), "%s",
		    text_of(json_get(b, "inserted"), "node-name"));
		if (*r->node)
			return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "QEMU shows no image of disk-%u", r->slot);
}

enum flow_rc
qemu_mirror_images_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	for (size_t i = 0; i < m->n; i++)
		if (find_top(&m->v[i], qmp_result(q->qmp), flow_err(f)))
			return FLOW_FAIL;
	m->i = 0;
	return FLOW_NEXT;
}

/* Thin stays thin: what is zero here is unmapped there. */
static json *
nbd_node(unsigned slot, const char *path)
{
	json *n = json_new_object(), *server = json_new_object();
	char name[NODE_MAX];

	job_name(slot, name);
	json_set_str(server, "type", "unix");
	json_set_str(server, "path", path);
	json_set_str(n, "driver", "nbd");
	json_set_str(n, "node-name", name);
	json_set_json(n, "server", server);
	json_set_str(n, "export", name);
	json_set_str(n, "discard", "unmap");
	json_set_str(n, "detect-zeroes", "unmap");
	return n;
}

enum flow_rc
qemu_mirror_attach_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;
	struct mirror *r;
	char path[64];
	int fd = -1;

	if (!m || m->i == m->n)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	r = &m->v[m->i];
	snprintf(path, sizeof(path), NAME_PREFIX "%u.sock", r->slot);
	if (qemu_listen_own(q, path, &fd, flow_err(f)))
		return FLOW_FAIL;
	r->bridge = bridge_new(fd, MOVE_FD(r->fd));
	return qemu_call_step(q, f, "blockdev-add", nbd_node(r->slot, path));
}

enum flow_rc
qemu_mirror_attach_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	q->mirrors->i++;
	q->mirrors->left_bytes = UINT64_MAX;
	if (q->mirrors->i < q->mirrors->n)
		return FLOW_AGAIN;
	q->mirrors->i = 0;
	return FLOW_NEXT;
}

/* What the guest writes goes to both: it cannot get ahead of the wire. */
static json *
mirror_args(const struct mirror *r)
{
	json *o = json_new_object();
	char name[NODE_MAX];

	job_name(r->slot, name);
	json_set_str(o, "job-id", name);
	json_set_str(o, "device", r->node);
	json_set_str(o, "target", name);
	json_set_str(o, "sync", r->top ? "top" : "full");
	json_set_str(o, "copy-mode", "write-blocking");
	json_set_str(o, "on-source-error", "report");
	json_set_str(o, "on-target-error", "report");
	return o;
}

enum flow_rc
qemu_mirror_begin_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;

	if (!m || m->i == m->n)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "blockdev-mirror", mirror_args(&m->v[m->i]));
}

enum flow_rc
qemu_mirror_begin_finish(struct flow *f, void *arg, int rc)
{
	return qemu_mirror_attach_finish(f, arg, rc);
}

static bool
has_failed(const struct mirror *r, bool may_end)
{
	return *r->why || (r->ended && !may_end);
}

/* NULL: none has failed. */
static const struct mirror *
failed(const struct qemu_mirrors *m, bool may_end)
{
	for (size_t i = 0; i < m->n; i++)
		if (has_failed(&m->v[i], may_end))
			return &m->v[i];
	return NULL;
}

static enum flow_rc
fail_mirror(struct flow *f, const struct mirror *r)
{
	err_set(flow_err(f), ERR_LOST, "disk-%u did not get across: %s", r->slot,
	    *r->why ? r->why : "its copy has ended");
	return FLOW_FAIL;
}

bool
qemu_mirrors_failed(struct flow *f, const struct qemu_guest *q)
{
	const struct mirror *bad = q->mirrors ? failed(q->mirrors, false) : NULL;

	if (bad)
		(void)fail_mirror(f, bad);
	return bad != NULL;
}

/*
 * One that never stops writing is never in step while it runs.  What is left may be
 * sent while it stands still, if that fits into half of its pause.
 */
static bool
is_near(const struct qemu_guest *q)
{
	uint64_t in_pause =
	    q->g.progress.bytes_per_s / 2000 * q->leave.policy.downtime_ms;

	return q->mirrors->left_bytes <= in_pause;
}

static bool
all_ready(const struct qemu_mirrors *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->v[i].ready)
			return false;
	return true;
}

static bool
all_ended(const struct qemu_mirrors *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (!m->v[i].ended)
			return false;
	return true;
}

enum flow_rc
qemu_mirror_ready_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;
	const struct mirror *bad;

	if (!m)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	bad = failed(m, false);
	if (bad)
		return fail_mirror(f, bad);
	if (all_ready(m) || is_near(q))
		return FLOW_NEXT;
	if (m->asks)
		return qemu_call_step(q, f, "query-block-jobs", NULL);
	flow_set_timeout(f, LOOK_MS);
	m->wake = flow_wake(f);
	return FLOW_WAIT;
}

static void
show(struct qemu_guest *q, const json *jobs)
{
	struct engine_progress *p = &q->g.progress;
	uint64_t done = 0, total = 0, v;

	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++) {
		const json *j = json_at(jobs, i);

		if (!find(q->mirrors, text_of(j, "device")))
			continue;
		if (!json_read_u64(j, "offset", JSON_REQUIRED, 0, INT64_MAX, &v, NULL))
			done += v;
		if (!json_read_u64(j, "len", JSON_REQUIRED, 0, INT64_MAX, &v, NULL))
			total += v;
	}
	p->bytes_per_s =
	    done > p->done_bytes ? (done - p->done_bytes) * 1000 / LOOK_MS : 0;
	p->done_bytes = done;
	p->total_bytes = total;
	q->mirrors->left_bytes = total - done;
}

/* Do they still come closer? */
static bool
gets_on(struct flow *f, struct qemu_guest *q)
{
	struct qemu_mirrors *m = q->mirrors;
	uint64_t now = loop_now_ms(q->g.engine->loop);
	uint32_t give_up_ms = q->leave.policy.give_up_ms;

	if (!m->least_ms || m->left_bytes < m->least_bytes) {
		m->least_ms = now;
		m->least_bytes = m->left_bytes;
	}
	if (!give_up_ms || now - m->least_ms < give_up_ms)
		return true;
	err_set(flow_err(f), ERR_TIMEOUT,
	    "given up: its disks change as fast as they get across, at %" PRIu64
	    " kB/s, with %" PRIu64 " kB left",
	    q->g.progress.bytes_per_s / 1000, m->left_bytes / 1000);
	return false;
}

enum flow_rc
qemu_mirror_ready_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;
	bool asked;

	if (!qemu_answers(q) || (rc && rc != ERR_TIMEOUT))
		return FLOW_FAIL;
	asked = m->asks;
	m->wake = WAKE_NONE;
	m->asks = false;
	if (asked && !rc) {
		show(q, qmp_result(q->qmp));
		if (!gets_on(f, q))
			return FLOW_FAIL;
	}
	m->asks = !asked && rc == ERR_TIMEOUT;
	return FLOW_AGAIN;
}

/* ---- source: the guest is stopped, both hold the same ---- */

enum flow_rc
qemu_mirror_end_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;
	const struct mirror *bad;
	char name[NODE_MAX];

	if (!m)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	bad = failed(m, m->i > 0);
	if (bad)
		return fail_mirror(f, bad);
	/* A mirror in step that is cancelled ends whole, and the guest stays with its
	 * own image. */
	for (; all_ready(m) && m->i < m->n; m->i++) {
		job_name(m->v[m->i].slot, name);
		qmp_call(q->qmp, "block-job-cancel", named("device", name), WAKE_NONE);
	}
	if (all_ended(m))
		return FLOW_NEXT;
	m->wake = flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
qemu_mirror_end_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (q->mirrors)
		q->mirrors->wake = WAKE_NONE;
	return rc || !qemu_answers(q) ? FLOW_FAIL : FLOW_AGAIN;
}

/* ---- source: they are given up ---- */

enum flow_rc
qemu_mirror_stop_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_NEXT;
	/* Whatever a job waits for, it does not come any more. */
	for (size_t i = 0; q->mirrors && i < q->mirrors->n; i++)
		bridge_free(MOVE(q->mirrors->v[i].bridge));
	if (q->leave.turn == LEAVE_WAIT) {
		q->leave.turn = LEAVE_ASK;
		flow_set_timeout(f, STILL_MS);
		return FLOW_WAIT;
	}
	return qemu_call_step(q, f, "query-block-jobs", NULL);
}

static void
delete_node(struct qemu_guest *q, unsigned slot)
{
	char name[NODE_MAX];

	job_name(slot, name);
	qmp_call(q->qmp, "blockdev-del", named("node-name", name), WAKE_NONE);
}

enum flow_rc
qemu_mirror_stop_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const json *jobs;
	bool any = false;

	if (rc == ERR_TIMEOUT && q->leave.turn == LEAVE_ASK)
		return FLOW_AGAIN;
	if (rc || !qemu_answers(q))
		return FLOW_NEXT;
	jobs = qmp_result(q->qmp);
	for (size_t i = 0; json_what(jobs) == JSON_IS_ARRAY && i < json_count(jobs);
	     i++) {
		const char *id = text_of(json_at(jobs, i), "device");
		json *o;

		if (!str_starts(id, NAME_PREFIX))
			continue;
		any = true;
		o = named("device", id);
		json_set_bool(o, "force", true);
		qmp_call(q->qmp, "block-job-cancel", o, WAKE_NONE);
	}
	q->leave.turn = any ? LEAVE_WAIT : LEAVE_ASK;
	if (any)
		return FLOW_AGAIN;
	for (unsigned slot = 0; slot < MIRRORS_MAX; slot++)
		delete_node(q, slot);
	qemu_mirrors_drop(q);
	return FLOW_NEXT;
}

/* ---- target ---- */

enum flow_rc
qemu_serve_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o, *addr, *data;

	if (!q->mirrors)
		return FLOW_NEXT;
	q->mirrors->i = 0;
	o = json_new_object();
	addr = json_new_object();
	data = named("path", SERVE_PATH);
	json_set_str(addr, "type", "unix");
	json_set_json(addr, "data", data);
	json_set_json(o, "addr", addr);
	return qemu_call_step(q, f, "nbd-server-start", o);
}

static json *
export_args(const struct mirror *r)
{
	json *o = json_new_object();
	char name[NODE_MAX], node[NODE_MAX];

	job_name(r->slot, name);
	snprintf(node, sizeof(node), "disk-%u", r->slot);
	json_set_str(o, "type", "nbd");
	json_set_str(o, "id", name);
	json_set_str(o, "node-name", node);
	json_set_str(o, "name", name);
	json_set_bool(o, "writable", true);
	return o;
}

enum flow_rc
qemu_export_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;

	if (!m || m->i == m->n)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "block-export-add", export_args(&m->v[m->i]));
}

enum flow_rc
qemu_export_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mirrors *m = q->mirrors;
	struct mirror *r;
	int fd = -1;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	if (qemu_connect(q, QEMU_OWN_FOLDER "/" SERVE_PATH, &fd, flow_err(f)))
		return FLOW_FAIL;
	r = &m->v[m->i++];
	r->bridge = bridge_new(fd, MOVE_FD(r->fd));
	return FLOW_AGAIN;
}

/* Whoever is still connected to an image must not write to it any more. */
enum flow_rc
qemu_unserve_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->serves)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "nbd-server-stop", NULL);
}

enum flow_rc
qemu_unserve_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	/* It never ran, or does not run any more: nobody is connected. */
	if (rc == ERR_IO && qemu_answers(q))
		rc = 0;
	qemu_mirrors_drop(q);
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

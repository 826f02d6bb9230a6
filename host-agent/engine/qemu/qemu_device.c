/*
 * Disks and network cards of a running guest: put in, taken out, changed.
 *
 * Descriptors go to sets that QEMU numbers, for other sets come and go meanwhile; what
 * a disk has left behind is found by the names of its nodes.
 */
#include "host-agent/engine/qemu/qemu_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_block.h"

#define NODES_MAX 256
#define FDSET     "/dev/fdset/"

enum node_part { PART_FD, PART_FILE, PART_FORMAT };

struct qemu_device {
	bool is_nic;
	unsigned slot;
	char id[16];  /* "blk-1", "net-0" */
	char net[16]; /* "nic-0" */
	bool present, deleted;
	struct wake deleted_wake;

	/* To put in. */
	struct qemu_nodes nodes;
	size_t at; /* the node, of which part is next */
	enum node_part part;
	json *device;
	int tap_fd;

	/* What is left of it to be taken out. */
	json *names, *sets;
	size_t i;
	bool progress;

	uint64_t size_bytes;
	json *limits;
	char top[64]; /* the node that is written */
};

static void
device_free(struct qemu_device *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->nodes.n; i++) {
		if (d->nodes.v[i].fd >= 0)
			close(d->nodes.v[i].fd);
	}
	qemu_nodes_fini(&d->nodes);
	json_free(d->device);
	json_free(d->names);
	json_free(d->sets);
	json_free(d->limits);
	if (d->tap_fd >= 0)
		close(d->tap_fd);
	free(d);
}

void
qemu_device_drop(struct qemu_guest *q)
{
	device_free(MOVE(q->device));
}

void
qemu_device_event(struct qemu_guest *q, const char *name, const json *data)
{
	struct qemu_device *d = q->device;
	const char *id = "";

	if (!str_same(name, "DEVICE_DELETED") || !data ||
	    json_read_str(data, "device", JSON_OPTIONAL, sizeof(d->id), &id, NULL) ||
	    !*id)
		return;
	if (!d || !str_same(d->id, id)) {
		log_warn("engine", "%s: the guest has let go of %s", q->who, id);
		return;
	}
	d->deleted = true;
	post_wake(q->g.engine->loop, d->deleted_wake, 0, NULL);
}

void
qemu_device_gone(struct qemu_guest *q)
{
	if (q->device)
		post_wake(q->g.engine->loop, q->device->deleted_wake, 0, NULL);
}

static json *
one(const char *key, const char *value)
{
	json *o = json_new_object();

	json_set_str(o, key, value);
	return o;
}

/* ---- take out ---- */

static enum flow_rc
look_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "qom-list", one("path", "/machine/peripheral"));
}

static enum flow_rc
look_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	const json *list;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	list = qmp_result(q->qmp);
	if (!list || json_what(list) != JSON_IS_ARRAY) {
		err_set(flow_err(f), ERR_IO, "%s: QEMU lists no devices", q->who);
		return FLOW_FAIL;
	}
	for (size_t i = 0; i < json_count(list); i++) {
		const char *name = "";

		if (!json_read_str(
			json_at(list, i), "name", JSON_OPTIONAL, 256, &name, NULL) &&
		    str_same(name, q->device->id))
			q->device->present = true;
	}
	return FLOW_NEXT;
}

static enum flow_rc
eject_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->device->present)
		return FLOW_NEXT;
	return qemu_call_step(q, f, "device_del", one("id", q->device->id));
}

/* Asked before, and the guest has not answered yet: it is waited for all the same. */
static enum flow_rc
eject_finish(struct flow *f, void *arg, int rc)
{
	struct err *e = flow_err(f);

	if (rc && strstr(e->msg, "already in the process of unplug")) {
		err_clear(e);
		return FLOW_NEXT;
	}
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

static enum flow_rc
let_go_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (!q->device->present || q->device->deleted)
		return FLOW_NEXT;
	q->device->deleted_wake = flow_wake(f);
	flow_set_timeout(f, q->qemu->unplug_ms);
	return FLOW_WAIT;
}

static enum flow_rc
let_go_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc == ERR_TIMEOUT && !qemu_is_gone(q))
		err_set(flow_err(f), ERR_TIMEOUT,
		    "%s has not let go of %s within %u s: does its system take devices"
		    " out while it runs?",
		    q->who, q->device->id, q->qemu->unplug_ms / 1000);
	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	return FLOW_NEXT;
}

static enum flow_rc
nodes_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o;

	if (q->device->is_nic)
		return FLOW_NEXT;
	o = json_new_object();
	json_set_bool(o, "flat", true);
	return qemu_call_step(q, f, "query-named-block-nodes", o);
}

static void
note_node(struct qemu_device *d, const json *node)
{
	const char *name = "", *file = "";
	uint64_t set;

	if (json_read_str(node, "node-name", JSON_REQUIRED, 64, &name, NULL) ||
	    json_read_str(node, "file", JSON_OPTIONAL, 4096, &file, NULL) ||
	    !qemu_node_is_of(name, d->slot))
		return;
	json_add_str(d->names, name);
	if (str_ends(name, "-file") && str_starts(file, FDSET) &&
	    !parse_u64(file + strlen(FDSET), 0, INT64_MAX, "set", &set, NULL)) {
		json *o = json_new_object();

		json_set_u64(o, "fdset-id", set);
		json_add_json(d->sets, o);
	}
}

static enum flow_rc
nodes_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	const json *list;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	list = qmp_result(q->qmp);
	d->names = json_new_array();
	d->sets = json_new_array();
	for (size_t i = 0; i < json_count(list) && json_count(d->names) < NODES_MAX;
	     i++)
		note_node(d, json_at(list, i));
	d->i = 0;
	return FLOW_NEXT;
}

/* Round after round, for a node goes only when none stands on it. */
static enum flow_rc
sweep_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	size_t n = d->names ? json_count(d->names) : 0;

	if (d->i >= n && d->progress) {
		d->i = 0;
		d->progress = false;
	}
	if (d->i >= n) {
		d->i = 0;
		return FLOW_NEXT;
	}
	return qemu_call_step(q, f, "blockdev-del",
	    one("node-name", json_str_value(json_at(d->names, d->i), NULL)));
}

static enum flow_rc
sweep_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	d->progress |= rc == 0;
	d->i++;
	return FLOW_AGAIN;
}

static enum flow_rc
sets_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;

	if (d->is_nic)
		return qemu_call_step(q, f, "netdev_del", one("id", d->net));
	if (d->i >= json_count(d->sets))
		return FLOW_NEXT;
	return qemu_call_step(q, f, "remove-fd", json_dup(json_at(d->sets, d->i)));
}

/* One that is not there is as good as one that has gone. */
static enum flow_rc
sets_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (!qemu_answers(q))
		return FLOW_FAIL;
	err_clear(flow_err(f));
	q->device->i++;
	return q->device->is_nic ? FLOW_NEXT : FLOW_AGAIN;
}

/* ---- put in ---- */

static enum flow_rc
image_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	struct qemu_node *n = &d->nodes.v[d->at];

	if (!qemu_answers(q))
		return FLOW_FAIL;
	if (d->at >= d->nodes.n)
		return FLOW_NEXT;
	if (d->part != PART_FD)
		return qemu_call_step(q, f, "blockdev-add",
		    json_dup(d->part == PART_FILE ? n->file : n->format));
	qmp_call_fd(q->qmp, "add-fd", NULL, n->fd, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
image_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	uint64_t set = 0;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	switch (d->part) {
	case PART_FD:
		if (json_read_u64(qmp_result(q->qmp), "fdset-id", JSON_REQUIRED, 0,
			UINT32_MAX, &set, flow_err(f)))
			return FLOW_FAIL;
		qemu_node_set(&d->nodes.v[d->at], (unsigned)set);
		d->part = PART_FILE;
		break;
	case PART_FILE:
		d->part = PART_FORMAT;
		break;
	case PART_FORMAT:
		d->part = PART_FD;
		d->at++;
		break;
	}
	return FLOW_AGAIN;
}

static void
drop_node(struct qemu_guest *q, const json *node)
{
	const char *name = "";

	if (!json_read_str(node, "node-name", JSON_REQUIRED, 64, &name, NULL))
		qmp_call(q->qmp, "blockdev-del", one("node-name", name), WAKE_NONE);
}

/* QEMU takes commands one by one: only the last has to be waited for.  Descriptors that
 * were handed over are closed with the machine. */
static enum flow_rc
image_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;

	if (!qemu_answers(q) || !d->nodes.n)
		return FLOW_NEXT;
	for (size_t i = d->at + 1; i-- > 0;) {
		if (i >= d->nodes.n)
			continue;
		drop_node(q, d->nodes.v[i].format);
		drop_node(q, d->nodes.v[i].file);
	}
	qmp_call(q->qmp, "query-status", NULL, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
tap_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->device->is_nic)
		return FLOW_NEXT;
	if (!qemu_answers(q))
		return FLOW_FAIL;
	qmp_call_fd(q->qmp, "getfd", one("fdname", q->device->net), q->device->tap_fd,
	    flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
net_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	json *o;

	if (!d->is_nic)
		return FLOW_NEXT;
	o = one("type", "tap");
	json_set_str(o, "id", d->net);
	json_set_str(o, "fd", d->net);
	return qemu_call_step(q, f, "netdev_add", o);
}

static enum flow_rc
net_undo(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->device->is_nic || !qemu_answers(q))
		return FLOW_NEXT;
	qmp_call(q->qmp, "netdev_del", one("id", q->device->net), flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
device_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	return qemu_call_step(q, f, "device_add", json_dup(q->device->device));
}

static enum flow_rc
limits_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (!q->device->limits)
		return FLOW_NEXT;
	return qemu_call_step(
	    q, f, "block_set_io_throttle", json_dup(q->device->limits));
}

/* ---- grow ---- */

static enum flow_rc
blocks_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-block", NULL);
}

/* The node that the device writes to, whatever snapshots have put on top. */
static enum flow_rc
blocks_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_device *d = q->device;
	AUTO_FREE char *part = xasprintf("/%s/", d->id);
	const json *list;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	list = qmp_result(q->qmp);
	for (size_t i = 0; i < json_count(list); i++) {
		const json *in = json_get(json_at(list, i), "inserted");
		const char *path = "", *node = "";

		if (!in || json_what(in) != JSON_IS_OBJECT ||
		    json_read_str(
			json_at(list, i), "qdev", JSON_OPTIONAL, 256, &path, NULL) ||
		    json_read_str(in, "node-name", JSON_OPTIONAL, 63, &node, NULL))
			continue;
		if (strstr(path, part))
			snprintf(d->top, sizeof(d->top), "%s", node);
	}
	if (*d->top)
		return FLOW_NEXT;
	err_set(flow_err(f), ERR_NOT_FOUND, "%s: QEMU has no %s", q->who, d->id);
	return FLOW_FAIL;
}

static enum flow_rc
grow_start(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;
	json *o = one("node-name", q->device->top);

	json_set_u64(o, "size", q->device->size_bytes);
	return qemu_call_step(q, f, "block_resize", o);
}

/* ---- the verbs ---- */

#define GROW_MS 60000

static const struct flow_step plug_steps[] = {
	{ "look", look_start, look_finish, NULL, QEMU_ANSWER_MS },
	{ "eject", eject_start, eject_finish, NULL, QEMU_ANSWER_MS },
	{ "let go", let_go_start, let_go_finish, NULL, QEMU_ANSWER_MS },
	{ "nodes", nodes_start, nodes_finish, NULL, QEMU_ANSWER_MS },
	{ "sweep", sweep_start, sweep_finish, NULL, QEMU_ANSWER_MS },
	{ "sets", sets_start, sets_finish, NULL, QEMU_ANSWER_MS },
	{ "images", image_start, image_finish, image_undo, QEMU_ANSWER_MS },
	{ "tap", tap_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "net", net_start, NULL, net_undo, QEMU_ANSWER_MS },
	{ "device", device_start, NULL, NULL, QEMU_ANSWER_MS },
	{ "limits", limits_start, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step unplug_steps[] = {
	{ "look", look_start, look_finish, NULL, QEMU_ANSWER_MS },
	{ "eject", eject_start, eject_finish, NULL, QEMU_ANSWER_MS },
	{ "let go", let_go_start, let_go_finish, NULL, QEMU_ANSWER_MS },
	{ "nodes", nodes_start, nodes_finish, NULL, QEMU_ANSWER_MS },
	{ "sweep", sweep_start, sweep_finish, NULL, QEMU_ANSWER_MS },
	{ "sets", sets_start, sets_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step grow_steps[] = {
	{ "blocks", blocks_start, blocks_finish, NULL, QEMU_ANSWER_MS },
	{ "grow", grow_start, NULL, NULL, GROW_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct flow_step limit_steps[] = {
	{ "limits", limits_start, NULL, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static int
dup_fd(int fd, int *ret_fd, struct err *e)
{
	*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0 ? err_sys(e, ERR_IO, errno, "cannot hand over a descriptor")
			   : 0;
}

static int
fill_disk(struct qemu_device *d, const struct engine_device *from, enum engine_verb v,
    struct err *e)
{
	const Drover__DiskSpec *spec = from->spec->disks[from->i];
	int rc = 0;

	d->slot = engine_disk_slot(from->spec, from->i);
	snprintf(d->id, sizeof(d->id), "blk-%u", d->slot);
	d->size_bytes = spec->size_bytes;
	if (v == ENGINE_LIMIT_DISK ||
	    (v == ENGINE_PLUG_DISK && qemu_disk_is_limited(spec)))
		d->limits = qemu_disk_limits(spec, d->slot);
	if (v != ENGINE_PLUG_DISK)
		return 0;
	d->device = qemu_disk_device(d->slot);
	qemu_disk_nodes(spec, from->disk, d->slot, &d->nodes);
	for (size_t i = 0; i < d->nodes.n; i++) {
		int theirs = d->nodes.v[i].fd;

		d->nodes.v[i].fd = -1;
		if (!rc)
			rc = dup_fd(theirs, &d->nodes.v[i].fd, e);
	}
	return rc;
}

static int
fill_nic(struct qemu_device *d, const struct engine_device *from, enum engine_verb v,
    struct err *e)
{
	d->is_nic = true;
	d->slot = engine_nic_slot(from->spec, from->i);
	snprintf(d->id, sizeof(d->id), "net-%u", d->slot);
	snprintf(d->net, sizeof(d->net), "nic-%u", d->slot);
	if (v != ENGINE_PLUG_NIC)
		return 0;
	d->device = qemu_nic_device(from->spec->nics[from->i], d->slot);
	return dup_fd(from->tap_fd, &d->tap_fd, e);
}

static const struct flow_step *
steps_of(enum engine_verb v)
{
	if (v == ENGINE_PLUG_DISK || v == ENGINE_PLUG_NIC)
		return plug_steps;
	if (v == ENGINE_GROW_DISK)
		return grow_steps;
	return v == ENGINE_LIMIT_DISK ? limit_steps : unplug_steps;
}

int
qemu_op_device(struct engine_guest *g, const struct engine_device *from, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	struct qemu_device *d;
	enum engine_verb v = g->verb;
	bool is_nic = v == ENGINE_PLUG_NIC || v == ENGINE_UNPLUG_NIC;
	int rc;

	if (q->shape.layout != QEMU_LAYOUT && v != ENGINE_GROW_DISK &&
	    v != ENGINE_LIMIT_DISK)
		return err_set(e, ERR_UNSUPPORTED,
		    "needs power off: it was started by an earlier version, without"
		    " places for more devices");
	d = xcalloc(1, sizeof(*d));
	d->tap_fd = -1;
	rc = is_nic ? fill_nic(d, from, v, e) : fill_disk(d, from, v, e);
	if (rc) {
		device_free(d);
		return rc;
	}
	qemu_device_drop(q);
	q->device = d;
	qemu_run_flow(q, "qemu device", steps_of(v));
	return 0;
}

/* ---- limits of a guest that starts ---- */

void
qemu_limits_plan(struct qemu_guest *q, const Drover__GuestSpec *spec)
{
	json_free(q->limits);
	q->limits = json_new_array();
	q->next_limit = 0;
	for (size_t i = 0; i < spec->n_disks; i++) {
		if (qemu_disk_is_limited(spec->disks[i]))
			json_add_json(q->limits, qemu_disk_limits(spec->disks[i],
						     engine_disk_slot(spec, i)));
	}
}

enum flow_rc
qemu_limits_step(struct flow *f, void *arg)
{
	struct qemu_guest *q = arg;

	if (qemu_is_gone(q) || q->next_limit >= json_count(q->limits))
		return FLOW_NEXT;
	return qemu_call_step(q, f, "block_set_io_throttle",
	    json_dup(json_at(q->limits, q->next_limit++)));
}

enum flow_rc
qemu_limits_finish(struct flow *f, void *arg, int rc)
{
	return rc ? FLOW_FAIL : FLOW_AGAIN;
}

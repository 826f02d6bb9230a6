/*
 * The table that makes a guest as a new spec wants it, running or not.
 *
 * What is new is made and put in first, what goes is taken out last: a guest that keeps
 * a device stops the update before anything is lost.  Images of disks that went are
 * removed only when the new spec is on record.
 */
#include <inttypes.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/guest/guest_change.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/stores/stores.h"

#define RECORD_MS 20000u
#define DISK_MS   600000u
#define RESIZE_MS 120000u

struct guest_update {
	struct guest_changes all;
	size_t at;                 /* changes that were carried out */
	struct engine_disk *disks; /* of those that come or go, by their change */
	bool is_open;
	struct wake back_wake;
};

void
guest_update_free(struct guest_update *u)
{
	if (!u)
		return;
	for (size_t i = 0; u->is_open && i < u->all.n; i++)
		disk_close(&u->disks[i]);
	free(u->disks);
	free(u);
}

static bool
is_of(const struct guest_change *c, enum guest_change_kind kind)
{
	return c->kind == kind;
}

static const Drover__DiskSpec *
disk_of(const struct guest_job *j, const struct guest_change *c)
{
	return is_of(c, CHANGE_DISK_GONE) ? j->old->disks[c->was]
					  : j->spec->disks[c->is];
}

/* ---- what is to be done ---- */

static enum flow_rc
plan_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->old = guest_spec_dup(j->g->spec);
	j->update = xcalloc(1, sizeof(*j->update));
	guest_changes(j->old, j->spec, &j->update->all);
	j->i = 0;
	return FLOW_NEXT;
}

/* The disks of the changes of these kinds, as a spec for one work; caller frees both
 * lists. */
static void
list_disks(const struct guest_job *j, unsigned kinds, Drover__GuestSpec *out)
{
	const struct guest_changes *all = &j->update->all;

	drover__guest_spec__init(out);
	out->guest = j->g->number;
	out->name = j->spec->name;
	out->disks = xcalloc(all->n + 1, sizeof(Drover__DiskSpec *));
	for (size_t i = 0; i < all->n; i++) {
		if (!(kinds & 1u << all->v[i].kind))
			continue;
		out->disks[out->n_disks++] = is_of(&all->v[i], CHANGE_DISK_GONE)
						 ? j->old->disks[all->v[i].was]
						 : j->spec->disks[all->v[i].is];
	}
}

#define NEW_DISKS  (1u << CHANGE_DISK_NEW)
#define GONE_DISKS (1u << CHANGE_DISK_GONE)

/* One call on these disks; FLOW_NEXT where there are none. */
static enum flow_rc
call_on(struct flow *f, struct guest_job *j, unsigned kinds,
    int (*run)(struct guest_work *k),
    void (*ended)(struct guest *g, struct guest_work *k))
{
	Drover__GuestSpec part;
	struct guest_work *k;
	enum flow_rc rc = FLOW_NEXT;

	list_disks(j, kinds, &part);
	if (!part.n_disks || guest_spec_invented(j->spec)) {
		free(part.disks);
		return FLOW_NEXT;
	}
	if (guest_work_new(j->g, &part, &k, flow_err(f))) {
		rc = FLOW_FAIL;
	} else {
		k->run = run;
		k->ended = ended;
		rc = guest_step_work(f, j, k);
	}
	free(part.disks);
	return rc;
}

/* ---- images ---- */

/* What was there before is not for the undo to delete. */
static enum flow_rc
look_start(struct flow *f, void *arg)
{
	return call_on(f, arg, NEW_DISKS, guest_images_look, guest_images_looked);
}

static bool
wants_image(const struct guest_job *j, const struct guest_change *c)
{
	return is_of(c, CHANGE_DISK_NEW) ||
	       (is_of(c, CHANGE_DISK_GROWN) && !guest_is_live(j->g));
}

static enum flow_rc
images_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest_changes *all = &j->update->all;
	const struct guests_env *env = &j->g->gs->env;
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };
	const Drover__DiskSpec *d;

	while (j->i < all->n && !wants_image(j, &all->v[j->i]))
		j->i++;
	if (j->i >= all->n || guest_spec_invented(j->spec))
		return FLOW_NEXT;
	d = disk_of(j, &all->v[j->i]);
	if (stores_get(env->stores, d->datastore, &at.ds, flow_err(f))) {
		err_wrap(flow_err(f), "disk %s of vm %s", d->name, j->spec->name);
		return FLOW_FAIL;
	}
	if (is_of(&all->v[j->i], CHANGE_DISK_NEW))
		disk_create(&at, d, flow_wake(f));
	else
		disk_grow(&at, d, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
images_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc) {
		err_wrap(flow_err(f), "disk %s of vm %s",
		    disk_of(j, &j->update->all.v[j->i])->name, j->spec->name);
		return FLOW_FAIL;
	}
	j->i++;
	return FLOW_AGAIN;
}

static int
run_delete(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (!(k->mask & 1u << i) &&
		    disk_delete(k->stores[i], k->spec->disks[i], &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
	}
	return 0;
}

static enum flow_rc
images_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	Drover__GuestSpec part;
	struct guest_work *k;
	enum flow_rc rc = FLOW_NEXT;

	list_disks(j, NEW_DISKS, &part);
	if (part.n_disks && !guest_spec_invented(j->spec)) {
		rc = FLOW_FAIL;
		if (!guest_work_new(j->g, &part, &k, flow_err(f))) {
			k->mask = j->existed;
			k->run = run_delete;
			rc = guest_step_work(f, j, k);
		}
	}
	free(part.disks);
	if (rc != FLOW_FAIL)
		return rc;
	log_warn("guest", "vm %s: what was made of its disks stays: %s", j->spec->name,
	    flow_err(f)->msg);
	return FLOW_NEXT;
}

static int
run_open(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (disk_open(k->stores[i], k->spec->disks[i], &k->disks[i], &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
	}
	return 0;
}

/* The work has them in the order of the changes. */
static void
opened(struct guest *g, struct guest_work *k)
{
	struct guest_update *u = g->job->update;
	size_t from = 0;

	u->disks = xcalloc(u->all.n, sizeof(*u->disks));
	u->is_open = true;
	for (size_t i = 0; i < u->all.n; i++) {
		u->disks[i] = (struct engine_disk){ .fd = -1 };
		if (!(1u << u->all.v[i].kind & (NEW_DISKS | GONE_DISKS)) || k->e.code)
			continue;
		u->disks[i] = k->disks[from];
		k->disks[from++] = (struct engine_disk){ .fd = -1 };
	}
}

/* Those that go too: the way back puts them in again. */
static enum flow_rc
open_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	return call_on(f, j, NEW_DISKS | GONE_DISKS, run_open, opened);
}

/* ---- sizes ---- */

static enum flow_rc
resize_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	bool resizes = j->spec->num_cpu != j->old->num_cpu ||
		       j->spec->memory_mb != j->old->memory_mb;

	/* What a container may use is all that its size is. */
	if (guest_is_live(j->g) && j->spec->container)
		return guest_step_bound(f, j, j->spec);
	if (!guest_is_live(j->g) || !resizes)
		return FLOW_NEXT;
	engine_resize(j->g->handle, j->spec, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
resize_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!guest_is_live(j->g))
		return FLOW_NEXT;
	if (j->old->container)
		return guest_step_bound(f, j, j->old);
	engine_resize(j->g->handle, j->old, flow_wake(f));
	return FLOW_WAIT;
}

/* ---- devices of a guest that is up ---- */

enum way { THERE, BACK };

static int
plug_nic(struct guest_job *j, const Drover__GuestSpec *spec, size_t i, struct wake w,
    struct err *e)
{
	struct engine_device d = { .spec = spec, .i = i, .tap_fd = -1 };
	AUTO_CLOSE int tap = -1;
	int rc = guest_wire_make(j->g, spec, i, &tap, e);

	if (rc)
		return rc;
	d.tap_fd = tap;
	engine_plug_nic(j->g->handle, &d, w);
	return 0;
}

static int
rewire(const struct guest_job *j, const struct guest_change *c, enum way way,
    struct err *e)
{
	const struct guest_wire was = { j->old, c->was }, is = { j->spec, c->is };

	return guest_wire_change(
	    j->g, way == THERE ? &was : &is, way == THERE ? &is : &was, e);
}

/* One change, or its reverse.  FLOW_NEXT: done already. */
static enum flow_rc
change(struct flow *f, struct guest_job *j, size_t at, enum way way)
{
	const struct guest_change *c = &j->update->all.v[at];
	struct engine_guest *h = j->g->handle;
	struct engine_device was = { .spec = j->old, .i = c->was };
	struct engine_device is = { .spec = j->spec, .i = c->is };
	struct engine_disk *open = j->update->disks ? &j->update->disks[at] : NULL;
	int rc = 0;

	was.disk = is.disk = open;
	switch (c->kind) {
	case CHANGE_DISK_NEW:
		if (way == THERE)
			engine_plug_disk(h, &is, flow_wake(f));
		else
			engine_unplug_disk(h, &is, flow_wake(f));
		break;
	case CHANGE_DISK_GROWN:
		if (way == BACK)
			return FLOW_NEXT;
		engine_grow_disk(h, &is, flow_wake(f));
		break;
	case CHANGE_DISK_LIMITS:
		/* Its group has them. */
		if (j->spec->container)
			return FLOW_NEXT;
		engine_limit_disk(h, way == THERE ? &is : &was, flow_wake(f));
		break;
	case CHANGE_NIC_NEW:
		if (way == THERE)
			rc = plug_nic(j, j->spec, c->is, flow_wake(f), flow_err(f));
		else
			engine_unplug_nic(h, &is, flow_wake(f));
		break;
	case CHANGE_NIC_SET:
		rc = rewire(j, c, way, flow_err(f));
		return rc ? FLOW_FAIL : FLOW_NEXT;
	case CHANGE_NIC_GONE:
		if (way == BACK)
			rc = plug_nic(j, j->old, c->was, flow_wake(f), flow_err(f));
		else
			engine_unplug_nic(h, &was, flow_wake(f));
		break;
	case CHANGE_DISK_GONE:
		if (way == BACK)
			engine_plug_disk(h, &was, flow_wake(f));
		else
			engine_unplug_disk(h, &was, flow_wake(f));
		break;
	}
	return rc ? FLOW_FAIL : FLOW_WAIT;
}

/* A wire that leads to no card any more goes. */
static void
changed(struct guest_job *j, size_t at, enum way way, int rc)
{
	const struct guest_change *c = &j->update->all.v[at];
	bool there = way == THERE;

	if (is_of(c, CHANGE_NIC_NEW) && there == (rc != 0))
		guest_wire_drop(j->g, j->spec, c->is);
	if (is_of(c, CHANGE_NIC_GONE) && there == (rc == 0))
		guest_wire_drop(j->g, j->old, c->was);
}

static enum flow_rc
devices_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_update *u = j->update;

	while (guest_is_live(j->g) && u->at < u->all.n) {
		enum flow_rc rc = change(f, j, u->at, THERE);

		if (rc != FLOW_NEXT)
			return rc;
		u->at++;
	}
	return FLOW_NEXT;
}

static enum flow_rc
devices_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	changed(j, j->update->at, THERE, rc);
	if (rc)
		return FLOW_FAIL;
	j->update->at++;
	return FLOW_AGAIN;
}

static enum flow_rc
back_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_update *u = j->update;

	while (guest_is_live(j->g) && u->at > 0) {
		enum flow_rc rc = change(f, j, u->at - 1, BACK);

		if (rc == FLOW_WAIT)
			return rc;
		if (rc == FLOW_FAIL)
			log_warn("guest", "vm %s: %s", j->old->name, flow_err(f)->msg);
		err_clear(flow_err(f));
		u->at--;
	}
	return FLOW_NEXT;
}

static enum flow_rc
back_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc)
		log_warn("guest", "vm %s: not as it was before: %s", j->old->name,
		    flow_err(f)->msg);
	changed(j, --j->update->at, BACK, rc);
	err_clear(flow_err(f));
	return FLOW_AGAIN;
}

static void
on_back(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct guest_job *j = owner;

	post_wake(j->g->gs->env.loop, j->update->back_wake, 0, NULL);
}

/* An undo waits once: the way back is a flow of its own, and each of its waits has an
 * end. */
static enum flow_rc
devices_undo(struct flow *f, void *arg)
{
	static const struct flow_step steps[] = {
		{ "back", back_start, back_finish, NULL, RESIZE_MS },
		{ NULL },
	};
	static const struct flow_hooks hooks = { .ended = on_back };
	struct guest_job *j = arg;

	if (!guest_is_live(j->g) || !j->update->at)
		return FLOW_NEXT;
	j->update->back_wake = flow_wake(f);
	flow_start(flow_new(j->g->gs->env.flows, "undo devices", steps, j, &hooks, j));
	return FLOW_WAIT;
}

/* ---- the record ---- */

static enum flow_rc
updated_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;

	if (!str_same(j->old->engine, j->spec->engine))
		guest_drop_handle(g);
	guest_set_spec(g, j->spec);
	if (guest_is_live(g) && guest_group_set(g, g->spec, flow_err(f)))
		return FLOW_FAIL;
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
updated_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_spec(j->g, j->old);
	if (guest_is_live(j->g) && guest_group_set(j->g, j->old, flow_err(f)))
		log_warn("guest", "%s", flow_err(f)->msg);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

/* Images below it that are the guest's alone went with the snapshots they were for. */
static int
run_remove(struct guest_work *k)
{
	AUTO_FREE char *own = xasprintf("vms/vm-%" PRIu64 "/", k->guest);

	for (size_t i = 0; i < k->spec->n_disks; i++) {
		Drover__DiskSpec image = *k->spec->disks[i];

		for (size_t n = 0; n <= k->spec->disks[i]->n_backing; n++) {
			if (n > 0)
				image.path = k->spec->disks[i]->backing[n - 1]->path;
			if (str_starts(image.path, own) &&
			    disk_delete(k->stores[i], &image, &k->e))
				return k->e.code;
		}
	}
	return 0;
}

static enum flow_rc
remove_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->delete_removed)
		return FLOW_NEXT;
	return call_on(f, j, GONE_DISKS, run_remove, NULL);
}

/* The guest is as it was wanted; what is left lies there for a scan to find. */
static enum flow_rc
remove_finish(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (rc)
		log_warn("guest", "vm %s: images of a disk that is gone stay: %s",
		    j->spec->name, flow_err(f)->msg);
	return FLOW_NEXT;
}

enum { STEP_RESIZE = 4, STEP_REMOVE = 7 };

const struct flow_step guest_update_steps[] = {
	{ "plan", plan_start, NULL, NULL, 0 },
	{ "look", look_start, NULL, NULL, DISK_MS },
	{ "disks", images_start, images_finish, images_undo, DISK_MS },
	{ "open", open_start, NULL, NULL, DISK_MS },
	[STEP_RESIZE] = { "resize", resize_start, NULL, resize_undo, RESIZE_MS },
	{ "devices", devices_start, devices_finish, devices_undo, 0 },
	{ "updated", updated_start, NULL, updated_undo, RECORD_MS },
	[STEP_REMOVE] = { "remove", remove_start, remove_finish, NULL, DISK_MS },
	{ NULL },
};

/* The engine ends what it has begun, and its guest must not differ from the record. */
void
guest_update_cancel(struct guest_job *j, const char *why)
{
	if (flow_step_index(j->flow) < STEP_RESIZE)
		flow_cancel(j->flow, why);
}

/*
 * The tables that change what a guest is: its record and its disks.
 */
#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/guest/guest_claim.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/layer.h"
#include "host-agent/stores/stores.h"

#define RECORD_MS  20000u
#define DISK_MS    600000u
#define FOLDER_FDS 8

/* ---- create ---- */

static enum flow_rc
creating_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->spec)
		guest_set_spec(j->g, j->spec);
	if (j->is_new)
		guest_set_state(j->g, GUEST_CREATING, "");
	j->g->tentative = false;
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
creating_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->is_new)
		return FLOW_NEXT;
	guest_unsave(j->g, flow_wake(f));
	return FLOW_WAIT;
}

int
guest_images_look(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		uint64_t used = 0;

		if (disk_used(k->stores[i], k->spec->disks[i], &used, &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
		if (used)
			k->mask |= 1u << i;
	}
	return 0;
}

void
guest_images_looked(struct guest *g, struct guest_work *k)
{
	g->job->existed = k->mask;
}

/* What was there before is not for the undo to delete. */
static enum flow_rc
look_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_spec_invented(j->g->spec) || !j->g->spec->n_disks)
		return FLOW_NEXT;
	return guest_step_call(f, j, guest_images_look, guest_images_looked);
}

/* It takes as long as its bytes take; what moves none any more ends by itself. */
static int
copy_disk(struct flow *f, const struct guest_job *j, const struct disk_place *at,
    const Drover__DiskSpec *d)
{
	const struct guests_env *env = &j->g->gs->env;
	struct disk_source from = { .progress = env->progress, .order = j->name };

	if (stores_get(env->stores, d->source->datastore, &from.ds, flow_err(f)))
		return err_wrap(flow_err(f), "its source");
	disk_copy(at, d, &from, flow_wake(f));
	flow_set_timeout(f, 0);
	return 0;
}

static enum flow_rc
disks_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	const Drover__GuestSpec *spec = j->spec ? j->spec : j->g->spec;
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };
	const Drover__DiskSpec *d;
	int rc;

	if (guest_spec_invented(spec) || j->i >= spec->n_disks)
		return FLOW_NEXT;
	d = spec->disks[j->i];
	rc = stores_get(env->stores, d->datastore, &at.ds, flow_err(f));
	if (!rc && d->source)
		rc = copy_disk(f, j, &at, d);
	else if (!rc)
		disk_create(&at, d, flow_wake(f));
	if (!rc)
		return FLOW_WAIT;
	err_wrap(flow_err(f), "disk %s of vm %s", d->name, spec->name);
	return FLOW_FAIL;
}

static enum flow_rc
disks_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	const Drover__GuestSpec *spec = j->spec ? j->spec : j->g->spec;

	if (rc) {
		err_wrap(flow_err(f), "disk %s of vm %s", spec->disks[j->i]->name,
		    spec->name);
		return FLOW_FAIL;
	}
	j->i++;
	return FLOW_AGAIN;
}

/* Images below its disks, and all that its snapshots have left. */
static int
delete_rest(struct guest_work *k)
{
	int rc = memory_delete(k->stores[0], k->guest, &k->e);

	for (size_t i = 0; !rc && i < k->spec->n_disks; i++) {
		const Drover__DiskSpec *d = k->spec->disks[i];

		for (size_t n = 0; !rc && n < d->n_backing; n++) {
			if (engine_layer_is_own(d->backing[n]))
				rc = layer_remove(
				    k->stores[i], d->backing[n]->path, &k->e);
		}
		if (!rc)
			rc = layer_remove_all(k->stores[i], k->guest, &k->e);
	}
	return rc;
}

static int
run_delete(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (!(k->mask & 1u << i))
			continue;
		if (disk_delete(k->stores[i], k->spec->disks[i], &k->e))
			return err_wrap(&k->e, "disk %s of vm %s",
			    k->spec->disks[i]->name, k->spec->name);
	}
	return k->wants_memory ? delete_rest(k) : 0;
}

static enum flow_rc
delete_disks(struct flow *f, struct guest_job *j, uint32_t mask, bool memory)
{
	struct guest_work *k;

	if (guest_work_new(j->g, j->g->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->mask = mask;
	k->wants_memory = memory;
	k->run = run_delete;
	return guest_step_work(f, j, k);
}

static enum flow_rc
disks_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	enum flow_rc rc;

	if (!j->is_new || guest_spec_invented(j->g->spec) || !j->g->spec->n_disks)
		return FLOW_NEXT;
	rc = delete_disks(f, j, ~j->existed, false);
	if (rc != FLOW_FAIL)
		return rc;
	log_warn("guest", "vm %s: what was made of its disks stays: %s",
	    j->g->spec->name, flow_err(f)->msg);
	return FLOW_NEXT;
}

static enum flow_rc
created_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->g->state == GUEST_CREATING)
		guest_set_state(j->g, GUEST_STOPPED, "created");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

/* ---- what a first start makes on its way ---- */

static bool
makes_disks(const struct guest_job *j)
{
	return j->makes_disks && !j->found;
}

enum flow_rc
guest_step_find_disks(struct flow *f, void *arg)
{
	return makes_disks(arg) ? look_start(f, arg) : FLOW_NEXT;
}

enum flow_rc
guest_step_make_disks(struct flow *f, void *arg)
{
	return makes_disks(arg) ? disks_start(f, arg) : FLOW_NEXT;
}

enum flow_rc
guest_finish_make_disks(struct flow *f, void *arg, int rc)
{
	return disks_finish(f, arg, rc);
}

enum flow_rc
guest_undo_make_disks(struct flow *f, void *arg)
{
	return makes_disks(arg) ? disks_undo(f, arg) : FLOW_NEXT;
}

const struct flow_step guest_create_steps[] = {
	{ "creating", creating_start, NULL, creating_undo, RECORD_MS },
	{ "look", look_start, NULL, NULL, DISK_MS },
	{ "disks", disks_start, disks_finish, disks_undo, DISK_MS },
	{ "created", created_start, NULL, NULL, RECORD_MS },
	{ NULL },
};

/* ---- delete ---- */

static enum flow_rc
deleting_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->g->tentative = false;
	guest_set_state(j->g, GUEST_DELETING, "");
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
delete_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->keep_disks || guest_spec_invented(j->g->spec) || !j->g->spec->n_disks)
		return FLOW_NEXT;
	return delete_disks(f, j, UINT32_MAX, true);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	return remove(path);
}

/* The engine's folder: sockets, console ring, log.  Links in it are not followed. */
static int
run_remove_folder(struct guest_work *k)
{
	if (nftw(k->path, remove_one, FOLDER_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) &&
	    errno != ENOENT)
		return err_sys(&k->e, ERR_IO, errno, "removing %s", k->path);
	return 0;
}

enum flow_rc
guest_step_folder(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	Drover__GuestSpec none = DROVER__GUEST_SPEC__INIT;
	struct guest_work *k;

	guest_drop_handle(j->g);
	none.guest = j->g->number;
	if (guest_work_new(j->g, &none, &k, flow_err(f)))
		return FLOW_FAIL;
	k->path = xasprintf("%s/vm-%" PRIu64, j->g->gs->env.run_dir, j->g->number);
	k->run = run_remove_folder;
	return guest_step_work(f, j, k);
}

enum flow_rc
guest_finish_folder(struct flow *f, void *arg, int rc)
{
	if (rc)
		log_warn("guest", "%s", flow_err(f)->msg);
	return FLOW_NEXT;
}

enum flow_rc
guest_step_unrecord(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_unsave(j->g, flow_wake(f));
	return FLOW_WAIT;
}

const struct flow_step guest_delete_steps[] = {
	{ "deleting", deleting_start, NULL, creating_undo, RECORD_MS },
	{ "disks", delete_start, NULL, NULL, DISK_MS },
	{ "clear", guest_step_clear, NULL, NULL, 0 },
	{ "forget-claim", guest_step_forget_claim, NULL, NULL, 0 },
	{ "folder", guest_step_folder, guest_finish_folder, NULL, DISK_MS },
	{ "unrecord", guest_step_unrecord, NULL, NULL, RECORD_MS },
	{ NULL },
};

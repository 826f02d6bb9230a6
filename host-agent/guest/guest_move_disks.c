/*
 * The table that takes a guest's disks to other datastores of the same host.
 *
 * The record names the old and the new images before the first is made.  Whatever the
 * spec does not name in the end is deleted, here or at the next start of the agent.
 */
#include "base/mem.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/stores/stores.h"

#define RECORD_MS 20000u
#define DISK_MS   120000u

static const Drover__GuestMoveDisks *
order_of(const struct guest_job *j)
{
	return j->order->guest_move_disks;
}

/* The new images, or with them the old ones. */
static Drover__DiskSpec **
images(const struct guest_job *j, const Drover__GuestSpec *old, size_t *ret_n)
{
	const Drover__GuestMoveDisks *o = order_of(j);
	Drover__DiskSpec **disks =
	    xcalloc(2 * o->n_disks + 1, sizeof(Drover__DiskSpec *));
	size_t n = 0;

	for (size_t i = 0; i < o->n_disks; i++) {
		disks[n++] = guest_disk_dup(o->disks[i]->to);
		if (old)
			disks[n++] =
			    guest_disk_dup(guest_disk_named(old, o->disks[i]->disk));
	}
	*ret_n = n;
	return disks;
}

static enum flow_rc
absent_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO(guest_spec) Drover__GuestSpec *to = xcalloc(1, sizeof(*to));

	drover__guest_spec__init(to);
	to->guest = j->spec->guest;
	to->name = xstrdup(j->spec->name);
	to->disks = images(j, NULL, &to->n_disks);
	return guest_step_images_absent(f, j, to);
}

/* Once the spec names the new images, the old ones are on their way out. */
static void
cancel_move(struct guest_job *j, const char *why)
{
	if (!j->old)
		flow_cancel(j->flow, why);
}

static enum flow_rc
claim_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	Drover__MoveRecord *m = xcalloc(1, sizeof(*m));

	j->cancel = cancel_move;
	drover__move_record__init(m);
	m->spare_disks = images(j, g->spec, &m->n_spare_disks);
	g->restart = (struct order_name){ 0 };
	guest_set_move(g, m);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
forget_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_move(j->g, NULL);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
copy_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	const Drover__GuestMoveDisks *o = order_of(j);
	struct disk_source from = { NULL, env->progress, j->name };
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };
	const Drover__DiskSpec *now;
	Drover__DiskSpec to;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;

	if (guest_spec_invented(j->g->spec) || j->i >= o->n_disks)
		return FLOW_NEXT;
	now = guest_disk_named(j->g->spec, o->disks[j->i]->disk);
	to = *o->disks[j->i]->to;
	if (stores_get(env->stores, to.datastore, &at.ds, flow_err(f)) ||
	    stores_get(env->stores, now->datastore, &from.ds, flow_err(f)))
		return FLOW_FAIL;
	source.datastore = now->datastore;
	source.path = now->path;
	source.format = now->format;
	source.backing = now->backing;
	source.n_backing = now->n_backing;
	to.source = &source;
	disk_copy(&at, &to, &from, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
copy_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc) {
		err_wrap(flow_err(f), "vm %s", j->g->spec->name);
		return FLOW_FAIL;
	}
	j->i++;
	return FLOW_AGAIN;
}

/* From here on it is there. */
static enum flow_rc
there_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->old = guest_spec_dup(j->g->spec);
	guest_set_spec(j->g, j->spec);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
there_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	guest_set_spec(j->g, j->old);
	return FLOW_NEXT;
}

const struct flow_step guest_move_disks_steps[] = {
	{ "absent", absent_start, NULL, NULL, DISK_MS },
	{ "claim", claim_start, NULL, forget_start, RECORD_MS },
	{ "copy", copy_start, copy_finish, guest_step_delete_spare, 0 },
	{ "there", there_start, NULL, there_undo, RECORD_MS },
	{ "drop-old", guest_step_delete_spare, guest_finish_delete_images, NULL,
	    DISK_MS },
	{ "forget", forget_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

/* The agent ended in the middle: the spec in the book says which images count. */
const struct flow_step guest_tidy_disks_steps[] = {
	{ "drop-old", guest_step_delete_spare, guest_finish_delete_images, NULL,
	    DISK_MS },
	{ "forget", forget_start, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};

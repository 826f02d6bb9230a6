/*
 * The table that deletes a snapshot: its images are merged with those that stand on
 * them, of a guest that is up by its engine.
 *
 * Each merge ends with its own record, so that a repetition goes on at the next one.
 * When the image that is written goes, the record comes before the chain changes: both
 * images hold the same then (engine_merge).  Any other one goes after: as long as it is
 * there it hides what was put below it.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/guest/guest_chain.h"
#include "host-agent/guest/guest_snapshot.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/layer.h"
#include "host-agent/stores/stores.h"

#define RECORD_MS 20000u
#define DISK_MS   120000u
#define MERGE_MS  (12u * 3600 * 1000)

static const Drover__LayerMerge *
merge_of(const struct guest_job *j)
{
	return j->order->snapshot_delete->merges[j->i];
}

static int
place_of(const struct guest_job *j, struct disk_place *ret_at, struct err *e)
{
	const struct guests_env *env = &j->g->gs->env;

	*ret_at = (struct disk_place){ env->loop, env->blockers, env->disk, NULL };
	return stores_get(env->stores, merge_of(j)->datastore, &ret_at->ds, e);
}

/* Where the merge at hand is; in no chain: it was recorded already, or never is. */
static void
look(struct guest_job *j, struct chain_place *p)
{
	chain_find(j->g->spec, merge_of(j), p);
}

/* The image that is written goes, while it is written. */
static bool
swaps(const struct guest_job *j, const struct chain_place *p)
{
	return p->in_use && p->upper == 0 && guest_is_live(j->g);
}

/* ---- one merge ---- */

static int
run_verify(struct guest_work *k)
{
	int rc;

	for (size_t i = 0; i < k->spec->n_disks; i++) {
		struct engine_disk d = { .fd = -1 };

		rc = disk_open(k->stores[i], k->spec->disks[i], &d, &k->e);
		disk_close(&d);
		if (rc)
			return rc;
	}
	return 0;
}

/* A chain with a hole is not touched at all. */
static enum flow_rc
verify_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_spec_invented(j->spec) || j->g->next)
		return FLOW_NEXT;
	return guest_step_call(f, j, run_verify, NULL);
}

static void
merge_live(struct flow *f, const struct guest_job *j, const struct chain_place *p)
{
	const Drover__LayerMerge *m = merge_of(j);
	const Drover__DiskSpec *d = j->g->spec->disks[p->disk];
	Drover__DiskLayer above = chain_layer(d, p->upper ? p->upper - 1 : 0);
	AUTO_FREE char *name = layer_name(above.path, m->lower);
	const struct engine_merge em = {
		.spec = j->g->spec,
		.disk = p->disk,
		.upper = p->upper,
		.lower_name = name,
	};

	engine_merge(j->g->handle, &em, flow_wake(f));
}

static int
run_look_upper(struct guest_work *k)
{
	/* Of no chain in use: it may be merged and gone already. */
	return layer_stands_on(k->stores[0], k->spec->disks[0]->backing[0],
	    k->spec->disks[0]->backing[1], &k->e);
}

static enum flow_rc
look_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__LayerMerge *m = merge_of(j);
	Drover__GuestSpec spec = DROVER__GUEST_SPEC__INIT;
	Drover__DiskSpec disk = DROVER__DISK_SPEC__INIT, *disks[] = { &disk };
	Drover__DiskLayer *backing[] = { m->upper, m->lower };
	struct chain_place p;
	struct guest_work *k;

	look(j, &p);
	j->found = guest_spec_invented(j->spec) || (*m->disk && !p.in_use);
	if (j->found || p.in_use)
		return FLOW_NEXT;
	disk.datastore = m->datastore;
	disk.backing = backing;
	disk.n_backing = 2;
	spec.guest = j->g->number;
	spec.disks = disks;
	spec.n_disks = 1;
	if (guest_work_new(j->g, &spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run_look_upper;
	return guest_step_work(f, j, k);
}

static enum flow_rc
look_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc == ERR_NOT_FOUND) {
		j->found = true;
		return FLOW_NEXT;
	}
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

static enum flow_rc
merge_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct chain_place p;
	struct disk_place at;

	if (j->found)
		return FLOW_NEXT;
	look(j, &p);
	if (p.in_use && guest_is_live(j->g)) {
		merge_live(f, j, &p);
		return FLOW_WAIT;
	}
	if (place_of(j, &at, flow_err(f)))
		return FLOW_FAIL;
	layer_merge(&at, merge_of(j)->upper, merge_of(j)->lower, flow_wake(f));
	return FLOW_WAIT;
}

/*
 * Of a chain in use: that it changes now.  The written image: that it has changed,
 * while the engine holds it still.
 */
static enum flow_rc
intent_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO(guest_spec) Drover__GuestSpec *after = NULL;
	struct chain_place p;

	look(j, &p);
	if (j->found || !p.in_use)
		return FLOW_NEXT;
	guest_spec_free(j->old);
	j->old = guest_spec_dup(j->g->spec);
	after = chain_without(j->g->spec, &p);
	if (swaps(j, &p))
		return guest_step_chain(f, j->g, after);
	return guest_step_next(f, j->g, MOVE(after));
}

/* The chain has not changed: the engine says so, or has ended with both the same. */
static enum flow_rc
intent_undo(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->found || !j->old || !guest_is_live(j->g))
		return FLOW_NEXT;
	return guest_step_chain(f, j->g, j->old);
}

static enum flow_rc
switch_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__LayerMerge *m = merge_of(j);
	struct chain_place p;
	struct disk_place at;
	Drover__DiskLayer above;

	if (j->found || !j->old)
		return FLOW_NEXT;
	if (guest_is_live(j->g)) {
		engine_merge_end(j->g->handle, flow_wake(f));
		return FLOW_WAIT;
	}
	chain_find(j->old, m, &p);
	if (p.upper == 0)
		return FLOW_NEXT;
	if (place_of(j, &at, flow_err(f)))
		return FLOW_FAIL;
	above = chain_layer(j->old->disks[p.disk], p.upper - 1);
	layer_relink(&at, &above, m->upper, m->lower, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
links_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__LayerMerge *m = merge_of(j);
	struct disk_place at;

	if (guest_spec_invented(j->spec) || j->k >= m->n_others)
		return FLOW_NEXT;
	if (place_of(j, &at, flow_err(f)))
		return FLOW_FAIL;
	layer_relink(&at, m->others[j->k], m->upper, m->lower, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
links_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	if (rc)
		return FLOW_FAIL;
	j->k++;
	return FLOW_AGAIN;
}

static enum flow_rc
merged_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO(guest_spec) Drover__GuestSpec *after = MOVE(j->g->next);

	if (!after)
		return FLOW_NEXT;
	return guest_step_chain(f, j->g, after);
}

static int
run_remove(struct guest_work *k)
{
	return layer_remove(k->stores[0], k->spec->disks[0]->path, &k->e);
}

static enum flow_rc
remove_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__LayerMerge *m = merge_of(j);
	Drover__GuestSpec spec = DROVER__GUEST_SPEC__INIT;
	Drover__DiskSpec disk = DROVER__DISK_SPEC__INIT, *disks[] = { &disk };
	struct guest_work *k;

	if (guest_spec_invented(j->spec))
		return FLOW_NEXT;
	disk.datastore = m->datastore;
	disk.path = m->upper->path;
	spec.guest = j->g->number;
	spec.disks = disks;
	spec.n_disks = 1;
	if (guest_work_new(j->g, &spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run_remove;
	return guest_step_work(f, j, k);
}

static enum flow_rc
remove_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	guest_finish_drop(f, arg, rc);
	guest_spec_free(MOVE(j->old));
	j->found = false;
	j->k = 0;
	j->i++;
	return FLOW_NEXT;
}

/* finish is not called where nothing was waited for. */
static enum flow_rc
next_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (guest_spec_invented(j->spec))
		remove_finish(f, j, 0);
	return FLOW_NEXT;
}

/* ---- what goes without a merge ---- */

static enum flow_rc
drop_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__SnapshotDelete *del = j->order->snapshot_delete;

	return guest_step_drop(f, j, del->drop, del->n_drop);
}

static int
run_forget(struct guest_work *k)
{
	return snapshot_memory_delete(k->stores[0], k->guest, k->number, &k->e);
}

static enum flow_rc
memory_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const Drover__SnapshotDelete *del = j->order->snapshot_delete;
	struct guest_work *k;

	if (guest_spec_invented(j->spec) || !j->spec->n_disks ||
	    j->k >= del->n_memories)
		return FLOW_NEXT;
	if (guest_work_new(j->g, j->spec, &k, flow_err(f)))
		return FLOW_FAIL;
	k->number = del->memories[j->k];
	k->run = run_forget;
	return guest_step_work(f, j, k);
}

static enum flow_rc
memory_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	guest_finish_drop(f, arg, rc);
	j->k++;
	return FLOW_AGAIN;
}

static enum flow_rc
done_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	return guest_step_chain(f, j->g, j->spec);
}

static const struct flow_step one_merge[] = {
	{ "look", look_start, look_finish, NULL, DISK_MS },
	{ "merge", merge_start, NULL, NULL, MERGE_MS },
	{ "intent", intent_start, NULL, intent_undo, RECORD_MS },
	{ "switch", switch_start, NULL, NULL, DISK_MS },
	{ "links", links_start, links_finish, NULL, DISK_MS },
	{ "merged", merged_start, NULL, NULL, RECORD_MS },
	{ "remove", remove_start, remove_finish, NULL, DISK_MS },
	{ "next", next_start, NULL, NULL, 0 },
};

static const struct flow_step after_merges[] = {
	{ "drop", drop_start, guest_finish_drop, NULL, DISK_MS },
	{ "memory", memory_start, memory_finish, NULL, DISK_MS },
	{ "done", done_start, NULL, NULL, RECORD_MS },
	{ NULL },
};

const struct flow_step *
guest_merge_steps(struct guest_job *j)
{
	size_t n = j->order->snapshot_delete->n_merges, at = 0;
	struct flow_step *steps = xreallocarray(NULL,
	    1 + n * ARRAY_SIZE(one_merge) + ARRAY_SIZE(after_merges), sizeof(*steps));

	steps[at++] = (struct flow_step){ "verify", verify_start, NULL, NULL, DISK_MS };
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(one_merge); k++)
			steps[at++] = one_merge[k];
	for (size_t k = 0; k < ARRAY_SIZE(after_merges); k++)
		steps[at++] = after_merges[k];
	j->own_steps = steps;
	return steps;
}

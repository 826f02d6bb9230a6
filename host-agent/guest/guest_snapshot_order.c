/*
 * Which orders are about a guest's snapshots, and what each may do in which state.
 */
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "host-agent/guest/guest_chain.h"
#include "host-agent/guest/guest_order.h"
#include "host-agent/guest/guest_snapshot.h"
#include "host-agent/guest/guest_spec.h"

#define MERGES_MAX 1024u

static void
aim_take(struct wish *w)
{
	w->guest = w->o->snapshot_take->guest;
	w->spec = w->o->snapshot_take->spec;
}

static void
aim_revert(struct wish *w)
{
	w->guest = w->o->snapshot_revert->guest;
	w->spec = w->o->snapshot_revert->spec;
}

static void
aim_delete(struct wish *w)
{
	w->guest = w->o->snapshot_delete->guest;
	w->spec = w->o->snapshot_delete->spec;
}

/* A guest that this host has, with an engine that can, and a sound spec. */
static int
check_common(struct wish *w, struct err *e)
{
	struct engine *en;

	if (!w->spec)
		return err_set(e, ERR_INVALID,
		    "vm-%" PRIu64 ": a snapshot's order without a spec", w->guest);
	if (!w->g)
		return err_set(
		    e, ERR_NOT_FOUND, "vm-%" PRIu64 " is not on this host", w->guest);
	if (w->g->move)
		return err_set(
		    e, ERR_BAD_STATE, "vm %s is being moved", w->g->spec->name);
	if (w->g->restart.task)
		return err_set(
		    e, ERR_BAD_STATE, "vm %s is being restarted", w->g->spec->name);
	en = guests_engine(w->gs, w->spec->engine, e);
	if (!en)
		return e->code;
	if (!engine_can(en, ENGINE_CAP_SNAPSHOT))
		return err_set(e, ERR_UNSUPPORTED, "engine %s: %s", w->spec->engine,
		    engine_facts(en)->caps[ENGINE_CAP_SNAPSHOT].why_not);
	return guests_spec_check(w->gs, w->spec, e);
}

static enum guest_verdict
verdict(const struct wish *w, int rc, struct err *e)
{
	if (!rc)
		return GUEST_GO;
	if (w->g)
		err_wrap(e, "vm %s", w->g->spec->name);
	return GUEST_REFUSED;
}

static enum guest_verdict
check_take(struct wish *w, struct err *e)
{
	const Drover__SnapshotTake *take = w->o->snapshot_take;
	int rc = check_common(w, e);

	if (rc || chain_same(w->g->spec, w->spec))
		return verdict(w, rc, e);
	if (take->memory && w->g->state != GUEST_RUNNING)
		rc = err_set(e, ERR_BAD_STATE,
		    "its memory can be kept while it runs, and it is %s",
		    guest_state_name(w->g->state));
	else if (take->memory && !w->spec->n_disks && !guest_spec_invented(w->spec))
		rc = err_set(e, ERR_UNSUPPORTED,
		    "it has no disk, so there is no place for its memory");
	else
		rc = chain_take_check(w->g->spec, w->spec, e);
	return verdict(w, rc, e);
}

static enum guest_verdict
check_revert(struct wish *w, struct err *e)
{
	const Drover__SnapshotRevert *back = w->o->snapshot_revert;
	int rc = check_common(w, e);

	if (!rc)
		rc = chain_drop_check(w->spec, back->drop, back->n_drop, e);
	return verdict(w, rc, e);
}

static enum guest_verdict
check_delete(struct wish *w, struct err *e)
{
	const Drover__SnapshotDelete *del = w->o->snapshot_delete;
	int rc = check_common(w, e);

	if (!rc && del->n_merges > MERGES_MAX)
		rc = err_set(e, ERR_INVALID, "%zu merges: at most %u", del->n_merges,
		    MERGES_MAX);
	if (!rc)
		rc = chain_delete_check(w->g->spec, del, e);
	return verdict(w, rc, e);
}

static const struct flow_step *
fill_delete(struct guest_job *j, const struct wish *w)
{
	return guest_merge_steps(j);
}

#define SNAPSHOT(c) DROVER__ORDER__VERB_SNAPSHOT_##c

const struct order_verb guest_snapshot_verbs[] = {
	{ .order = SNAPSHOT(TAKE),
	    .verb = GV_SNAPSHOT,
	    .steps = guest_snapshot_steps,
	    .aim = aim_take,
	    .check = check_take },
	{ .order = SNAPSHOT(REVERT),
	    .verb = GV_REVERT,
	    .steps = guest_revert_steps,
	    .aim = aim_revert,
	    .check = check_revert },
	{ .order = SNAPSHOT(DELETE),
	    .verb = GV_MERGE,
	    .aim = aim_delete,
	    .check = check_delete,
	    .fill = fill_delete },
	{ .check = NULL },
};

/*
 * Recommendations to put failing hosts into quarantine, or to empty them.
 */
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/ha/ha_proactive_int.h"
#include "server/inventory/inv_drs.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define DISMISSED_MS 3600000u /* so long a dismissed one does not come back */

static bool
is_ours(const struct rec *r, obj_id cluster)
{
	return obj_id_is(r->o.parent, cluster) &&
	       (r->action == REC_QUARANTINE || r->action == REC_MAINTENANCE);
}

static bool
is_recommended(const struct proactive_act *a)
{
	return a->what == PROACTIVE_QUARANTINE || a->what == PROACTIVE_EMPTY;
}

static enum rec_action
action_of(const struct proactive_act *a)
{
	return a->what == PROACTIVE_EMPTY ? REC_MAINTENANCE : REC_QUARANTINE;
}

/* Does it say still what would be done? */
static bool
is_wanted(const struct rec *r, const struct proactive_view *v,
    const struct proactive_act *acts)
{
	for (size_t i = 0; acts && i < v->n; i++) {
		if (obj_id_is(v->hosts[i].id, r->from))
			return is_recommended(&acts[i]) &&
			       action_of(&acts[i]) == r->action;
	}
	return false;
}

static bool
drop_stale(const struct inv *inv, struct txn *t, obj_id cluster,
    const struct proactive_view *v, const struct proactive_act *acts)
{
	bool any = false;

	INV_EACH(inv, KIND_REC, o)
	{
		const struct rec *now = inv_rec(inv, o->id);
		if (now->state != REC_PENDING || !is_ours(now, cluster) ||
		    is_wanted(now, v, acts))
			continue;
		struct rec *r = txn_edit(t, o->id);
		r->state = REC_STALE;
		text_set(&r->note, "the host is not as it was");
		any = true;
	}
	return any;
}

/* One that says the same and counts still. */
static bool
is_known(
    const struct inv *inv, obj_id cluster, obj_id host, const struct proactive_act *a)
{
	uint64_t now = clock_wall_ms(loop_clock(inv_loop(inv)));

	INV_EACH(inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(inv, o->id);
		bool is_fresh =
		    r->state == REC_DISMISSED && o->created_ms + DISMISSED_MS > now;
		if (is_ours(r, cluster) && obj_id_is(r->from, host) &&
		    r->action == action_of(a) && (r->state == REC_PENDING || is_fresh))
			return true;
	}
	return false;
}

static void
add(struct txn *t, obj_id cluster, const struct proactive_host *h,
    const struct proactive_act *a)
{
	AUTO_FREE char *name =
	    xasprintf(a->what == PROACTIVE_EMPTY ? "Empty %s for maintenance"
						 : "Put %s into quarantine",
		h->name);
	struct err ignored = ERR_INIT;
	void *obj;

	/* Names of recommendations may repeat, and the cluster is there. */
	if (txn_add(t, KIND_REC, cluster, name, &obj, &ignored))
		return;
	struct rec *r = obj;
	r->action = action_of(a);
	r->from = h->id;
	r->priority = h->health == HOST_HEALTH_SEVERE ? 1 : 2;
	r->reason = xstrdup(PROACTIVE_REASON);
	r->text = xstrdup(a->why);
	r->state = REC_PENDING;
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	if (rc)
		log_warn(
		    "ha", "what to do about failing hosts was not stored: %s", e->msg);
}

void
proactive_recommend(struct inv *inv, obj_id cluster, const struct proactive_view *v,
    const struct proactive_act *acts)
{
	struct txn *t = txn_new(inv);
	bool any = drop_stale(inv, t, cluster, v, acts);

	for (size_t i = 0; acts && i < v->n; i++) {
		if (!is_recommended(&acts[i]) ||
		    is_known(inv, cluster, v->hosts[i].id, &acts[i]))
			continue;
		add(t, cluster, &v->hosts[i], &acts[i]);
		any = true;
	}
	if (any)
		txn_commit(t, on_stored, NULL);
	else
		txn_free(t);
}

#include "server/drs/drs_keep.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/drs/drs_json.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define DISMISSED_MS     3600000u /* so long a dismissed one does not come back */
#define PRIORITY_WAKE    2u
#define PRIORITY_STANDBY 3u

static bool
is_same(const struct drs_keep *k, const struct rec *r, const struct drs_move *m)
{
	return obj_id_is(r->vm, k->view->guests[m->guest].id) &&
	       obj_id_is(r->from, k->view->hosts[m->from].id) &&
	       obj_id_is(r->to, k->view->hosts[m->to].id);
}

static bool
is_same_power(const struct drs_keep *k, const struct rec *r, const struct drs_power *p)
{
	return r->action == p->action &&
	       obj_id_is(
		   r->action == REC_WAKE ? r->to : r->from, k->view->hosts[p->host].id);
}

static bool
is_move(const struct drs_keep *k, const struct rec *r, const void *m)
{
	return r->action == REC_MOVE && is_same(k, r, m);
}

static bool
is_power(const struct drs_keep *k, const struct rec *r, const void *p)
{
	return is_same_power(k, r, p);
}

typedef bool (*same_fn)(
    const struct drs_keep *k, const struct rec *r, const void *what);

/* The one that says the same and counts still. */
static const struct rec *
find_same(const struct drs_keep *k, same_fn same, const void *what)
{
	uint64_t now = clock_wall_ms(loop_clock(inv_loop(k->inv)));

	INV_EACH(k->inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(k->inv, o->id);
		bool is_fresh =
		    r->state == REC_DISMISSED && o->created_ms + DISMISSED_MS > now;
		if ((r->state == REC_PENDING || is_fresh) && same(k, r, what))
			return r;
	}
	return NULL;
}

/* Does the plan say it still, or did it not look? */
static bool
is_in_plan(const struct drs_keep *k, const struct rec *r)
{
	bool is_power = r->action == REC_STANDBY || r->action == REC_WAKE;

	/* What becomes of failing hosts is HA's (ha_proactive.h). */
	if (r->action != REC_MOVE && (!is_power || !k->view->may_power))
		return true;
	for (uint32_t i = 0; i < k->plan->power_count; i++) {
		if (is_same_power(k, r, &k->plan->powers[i]))
			return true;
	}
	for (uint32_t i = 0; i < k->plan->move_count; i++) {
		if (is_move(k, r, &k->plan->moves[i]))
			return true;
	}
	return false;
}

static bool
drop_stale(const struct drs_keep *k, struct txn *t)
{
	bool any = false;

	INV_EACH(k->inv, KIND_REC, o)
	{
		const struct rec *now = inv_rec(k->inv, o->id);
		if (now->state != REC_PENDING || !obj_id_is(o->parent, k->cluster) ||
		    is_in_plan(k, now))
			continue;
		struct rec *r = txn_edit(t, o->id);
		r->state = REC_STALE;
		text_set(&r->note, "things have changed, and it gains nothing now");
		any = true;
	}
	return any;
}

static obj_id
add(const struct drs_keep *k, struct txn *t, const struct drs_move *m)
{
	AUTO_FREE char *name = drs_move_name(k->view, m);
	struct err ignored = ERR_INIT;
	void *obj;

	/* Names of recommendations may repeat, and the cluster is there. */
	if (txn_add(t, KIND_REC, k->cluster, name, &obj, &ignored))
		return OBJ_ID_NONE;
	struct rec *r = obj;
	r->vm = k->view->guests[m->guest].id;
	r->from = k->view->hosts[m->from].id;
	r->to = k->view->hosts[m->to].id;
	r->priority = m->priority;
	r->reason = xstrdup(drs_reason_code(m->reason));
	r->text = drs_move_text(k->view, m);
	r->state = REC_PENDING;
	r->factors = drs_factors(k->view, m);
	r->inputs = drs_inputs(k->view, m);
	return r->o.id;
}

static obj_id
add_power(const struct drs_keep *k, struct txn *t, const struct drs_power *p)
{
	AUTO_FREE char *name = drs_power_name(k->view, p);
	struct err ignored = ERR_INIT;
	void *obj;

	if (txn_add(t, KIND_REC, k->cluster, name, &obj, &ignored))
		return OBJ_ID_NONE;
	struct rec *r = obj;
	r->action = p->action;
	*(p->action == REC_WAKE ? &r->to : &r->from) = k->view->hosts[p->host].id;
	r->priority = p->action == REC_WAKE ? PRIORITY_WAKE : PRIORITY_STANDBY;
	r->reason = xstrdup(drs_power_reason(p));
	r->text = xstrdup(p->text);
	r->state = REC_PENDING;
	r->inputs = drs_power_inputs(k->view, p);
	return r->o.id;
}

/* Those that came first go first. */
static void
drop_oldest(const struct drs_keep *k, struct txn *t, size_t n_new)
{
	size_t n = n_new;

	INV_EACH(k->inv, KIND_REC, o)
	{
		n += obj_id_is(o->parent, k->cluster);
	}
	INV_EACH(k->inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(k->inv, o->id);
		if (n <= DRS_KEPT)
			return;
		if (r->state == REC_PENDING || !obj_id_is(o->parent, k->cluster))
			continue;
		txn_del(t, o->id);
		n--;
	}
}

static struct drs_kept
keep_power(const struct drs_keep *k, struct txn *t, const struct drs_power *p)
{
	const struct rec *same = find_same(k, is_power, p);

	struct drs_kept kept = { .waits_for = DRS_NONE, .is_new = !same };

	if (!same)
		kept.rec = add_power(k, t, p);
	else if (same->state == REC_PENDING)
		kept.rec = same->o.id;
	return kept;
}

bool
drs_keep_plan(const struct drs_keep *k, struct txn *t, struct drs_kept *kept)
{
	bool any = k->is_whole && drop_stale(k, t);
	size_t n_new = 0;

	for (uint32_t i = 0; i < k->plan->move_count; i++) {
		const struct drs_move *m = &k->plan->moves[i];
		const struct rec *same = find_same(k, is_move, m);
		kept[i] = (struct drs_kept){ .waits_for = m->waits_for };
		if (same && same->state == REC_PENDING)
			kept[i].rec = same->o.id;
		if (same)
			continue;
		kept[i].rec = add(k, t, m);
		kept[i].is_new = true;
		n_new++;
	}
	for (uint32_t i = 0; i < k->plan->power_count; i++) {
		struct drs_kept *at = &kept[k->plan->move_count + i];
		*at = keep_power(k, t, &k->plan->powers[i]);
		n_new += at->is_new;
	}
	drop_oldest(k, t, n_new);
	return any || n_new;
}

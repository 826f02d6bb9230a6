#include "host-agent/guest/guest_claim.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine_guard.h"
#include "host-agent/fence/fence.h"
#include "host-agent/link/progress.h"
#include "loop/timer.h"

#define NOTE_MS 500u

bool
guest_is_claimed(const struct guest *g)
{
	const struct fence *fence = g->gs->env.fence;

	return fence && fence_holds(fence, g->number);
}

/* Each has one, whether or not it is under a lease: else it could not come under one
 * as it runs.  Without a lease it runs on a host that has no guards all the same. */
int
guest_guard_until(const struct guest *g, uint64_t *ret_us, struct err *e)
{
	const struct engine *en = engine_guest_engine(g->handle);
	uint64_t until_us = 0;

	*ret_us = 0;
	if (!g->gs->env.fence)
		return 0;
	if (fence_guard_until_us(g->gs->env.fence, g->number, &until_us, e))
		return e->code;
	if (until_us != GUARD_NO_DEADLINE || engine_can(en, ENGINE_CAP_GUARD))
		*ret_us = until_us;
	return 0;
}

/* ---- claiming ---- */

static const Drover__RunClaim *
claim_of(const struct guest_job *j)
{
	return j->order->verb_case == DROVER__ORDER__VERB_GUEST_START
		   ? j->order->guest_start->claim
	       : j->order->verb_case == DROVER__ORDER__VERB_GUEST_ARRIVE
		   ? j->order->guest_arrive->claim
		   : NULL;
}

/* Servers of before name one under no authority where they wish for a guard alone. */
static const Drover__RunClaim *
ordered(const struct guest_job *j)
{
	const Drover__RunClaim *c = claim_of(j);

	return c && c->guest &&
		       c->guest->authority != DROVER__HA_AUTHORITY__HA_AUTHORITY_NONE
		   ? c
		   : NULL;
}

/* What it waits for is the order's phase. */
static void
note_claim(void *arg)
{
	const struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	Drover__Progress at = DROVER__PROGRESS__INIT;
	AUTO_FREE char *phase = xstrdup(fence_claim_text(env->fence, j->g->number));

	if (!*phase)
		return;
	at.phase = phase;
	progress_note(env->progress, j->name, &at);
}

enum flow_rc
guest_step_claim(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	struct fence *fence = g->gs->env.fence;
	struct fence_wish w = { .guest = g->number,
		.run_gen = g->generation,
		.how = j->verb == GV_ARRIVE ? FENCE_ARRIVES : FENCE_BOOTS,
		.claim = ordered(j) };

	if (j->found || (!w.claim && !fence))
		return FLOW_NEXT;
	if (!w.claim) {
		/* It may have been under leases, and is not to be any more. */
		fence_drop(fence, g->number, FENCE_REAPED, flow_wake(f));
		return FLOW_WAIT;
	}
	if (!fence || w.claim->guest->guest != g->number) {
		err_set(flow_err(f), fence ? ERR_INVALID : ERR_UNSUPPORTED, "vm %s: %s",
		    g->spec->name,
		    fence ? "its order has the claim of another"
			  : "this host has no leases");
		return FLOW_FAIL;
	}
	j->ticker = timer_new(g->gs->env.loop, note_claim, j);
	timer_every(j->ticker, NOTE_MS);
	fence_claim(fence, &w, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_finish_claim(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	timer_free(MOVE(j->ticker));
	if (rc)
		return FLOW_FAIL;
	if (!ordered(j))
		fence_unclaimed(j->g->gs->env.fence, j->g->number, j->g->generation);
	return FLOW_NEXT;
}

enum flow_rc
guest_undo_claim(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	timer_free(MOVE(j->ticker));
	if (guest_is_live(j->g))
		return FLOW_NEXT;
	/* The claim itself is waited for without end, its being dropped is not. */
	flow_set_timeout(f, CLAIM_DROP_MS);
	return guest_step_unclaim(f, arg);
}

/* ---- dropping ---- */

static enum flow_rc
drop(struct flow *f, const struct guest_job *j, enum fence_end how)
{
	if (!j->g->gs->env.fence)
		return FLOW_NEXT;
	fence_drop(j->g->gs->env.fence, j->g->number, how, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_step_unclaim(struct flow *f, void *arg)
{
	return drop(f, arg, FENCE_REAPED);
}

enum flow_rc
guest_step_give_claim(struct flow *f, void *arg)
{
	return drop(f, arg, FENCE_GIVEN);
}

enum flow_rc
guest_step_forget_claim(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;
	const struct guest *g = j->g;

	if (g->gs->env.fence && g->spec->n_disks && !j->keep_disks)
		fence_forget(g->gs->env.fence, g->number, g->spec->disks[0]->datastore);
	return FLOW_NEXT;
}

/* ---- moves ---- */

/* The generation that the other host has refused for ever is ours now: nobody else was
 * given it, and the claim there has it as its last. */
enum flow_rc
guest_step_reclaim(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	struct fence_wish w = { .guest = g->number, .how = FENCE_RETURNS };

	if (!guest_is_claimed(g) || !guest_is_live(g) || !g->move)
		return FLOW_NEXT;
	w.run_gen = g->move->generation;
	fence_claim(g->gs->env.fence, &w, flow_wake(f));
	return FLOW_WAIT;
}

static void
does_not_stay(struct guest_job *j, const char *why)
{
	j->stays = false;
	snprintf(j->g->arrival.lost_why, sizeof(j->g->arrival.lost_why), "%s", why);
	log_notice("guest", "vm %s does not come: %s", j->g->spec->name, why);
}

void
guest_claim_ran(const struct guest *g)
{
	if (g->gs->env.fence)
		fence_ran(g->gs->env.fence, g->number);
}

enum flow_rc
guest_step_take_claim(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->stays || !guest_is_claimed(j->g))
		return FLOW_NEXT;
	if (j->adopts) {
		/* The attestations went with the agent that had them; its source still
		 * has all of it. */
		does_not_stay(j, "the host's agent was restarted before it ran");
		return FLOW_NEXT;
	}
	fence_claim_arrived(j->g->gs->env.fence, j->g->number, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_finish_take_claim(struct flow *f, void *arg, int rc)
{
	if (rc)
		does_not_stay(arg, flow_err(f)->msg);
	return FLOW_NEXT;
}

enum flow_rc
guest_step_let_run(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->stays || !guest_is_claimed(j->g) || !j->g->move || !j->g->move->running)
		return FLOW_NEXT;
	engine_resume(j->g->handle, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_finish_let_run(struct flow *f, void *arg, int rc)
{
	return guest_finish_take_claim(f, arg, rc);
}

#include "host-agent/fence/fence_decide.h"

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t
fence_deadline(const struct fence_view *v, const struct fence_guest *g)
{
	uint64_t granted = later(v->network_end_ms, v->freeze_end_ms);

	switch (g->authority) {
	case FENCE_SHARED:
		return later(v->stores[g->store].end_ms, granted);
	case FENCE_NETWORK:
		return later(v->long_end_ms, granted);
	case FENCE_NONE:
		break;
	}
	return LEASE_NEVER;
}

static bool
is_fenceable(const struct fence_guest *g)
{
	return g->authority != FENCE_NONE;
}

static bool
is_held(const struct fence_guest *g)
{
	return g->alive || g->phase != CLAIM_NONE;
}

/* The guard is what counts: it may have fired while nobody looked. */
static bool
has_expired(const struct fence_guest *g, uint64_t now_ms)
{
	return is_held(g) && g->guard_ms != 0 && !lease_holds(g->guard_ms, now_ms);
}

static bool
is_isolated(const struct fence_view *v, uint64_t now_ms)
{
	uint64_t heard = later(v->manager_ms, v->gateway_ms);
	return v->isolation_ms && v->mode == FENCE_NORMAL &&
	       now_ms >= lease_end(heard, v->isolation_ms);
}

/* R11: ours is silent, others have it, and the network that would let the leader put
 * the guest elsewhere stands. */
static bool
has_lost_store(const struct fence_view *v, const struct fence_guest *g, uint64_t now_ms)
{
	const struct fence_store *st = &v->stores[g->store];
	return g->authority == FENCE_SHARED && v->mode == FENCE_NORMAL &&
	       st->others_have && lease_holds(v->network_end_ms, now_ms) &&
	       now_ms >= lease_end(st->renew_ms, FENCE_LOST_STORE_MS);
}

static enum fence_why
why_kill(const struct fence_view *v, const struct fence_guest *g, uint64_t now_ms)
{
	if (has_expired(g, now_ms))
		return FENCE_WHY_EXPIRED;
	if (v->fenced && is_fenceable(g))
		return FENCE_WHY_FENCED;
	if (!g->wanted)
		return FENCE_WHY_STOPPED;
	if (has_lost_store(v, g, now_ms))
		return FENCE_WHY_STORE;
	return FENCE_WHY_NONE;
}

/* Neither manager nor gateway: let others have the guest, where that is wished. */
static struct fence_order
respond(const struct fence_guest *g, uint64_t now_ms)
{
	struct fence_order o = { .act = FENCE_KEEP, .why = FENCE_WHY_ISOLATED };

	switch (g->response) {
	case FENCE_LEAVE_ON:
		break;
	case FENCE_SHUT_DOWN:
		if (!g->shutdown_ms)
			o.act = FENCE_STOP;
		else if (now_ms >= lease_end(g->shutdown_ms, FENCE_SHUTDOWN_LIMIT_MS))
			o.act = FENCE_KILL;
		break;
	case FENCE_POWER_OFF:
		o.act = FENCE_KILL;
		break;
	}
	return o;
}

static struct fence_order
order_alive(const struct fence_view *v, const struct fence_guest *g, uint64_t now_ms)
{
	uint64_t deadline = fence_deadline(v, g);
	enum fence_why why = why_kill(v, g, now_ms);

	if (why != FENCE_WHY_NONE)
		return (struct fence_order){ .act = FENCE_KILL, .why = why };
	if (is_fenceable(g) && is_isolated(v, now_ms)) {
		struct fence_order o = respond(g, now_ms);
		if (o.act != FENCE_KEEP)
			return o;
	}
	if (deadline > g->guard_ms)
		return (struct fence_order){ .act = FENCE_ARM, .guard_ms = deadline };
	return (struct fence_order){ .act = FENCE_KEEP };
}

/* R7 needs an incarnation that may still be vouched for; R8 lets the claim go last. */
static struct fence_order
order_dead(const struct fence_view *v, const struct fence_guest *g, uint64_t now_ms)
{
	uint64_t deadline = fence_deadline(v, g);
	bool may = !is_fenceable(g) ||
		   (v->joined && !v->fenced && lease_holds(deadline, now_ms));

	if (has_expired(g, now_ms)) {
		return (struct fence_order){
			.act = FENCE_DROP,
			.why = FENCE_WHY_EXPIRED,
		};
	}
	if (g->phase == CLAIM_RUN && g->wanted && may && !g->shutdown_ms &&
	    !has_lost_store(v, g, now_ms)) {
		return (struct fence_order){
			.act = FENCE_RESTART,
			.why = FENCE_WHY_DIED,
			.guard_ms = deadline,
		};
	}
	/* A claim that has not become a run is its order's to drop, as long as that may
	 * come true. */
	if (g->phase == CLAIM_RUN || (g->phase != CLAIM_NONE && !(g->wanted && may)))
		return (struct fence_order){ .act = FENCE_DROP };
	return (struct fence_order){ .act = FENCE_KEEP };
}

/* R9: while a copy or a claim is left whose deadline is over. */
static bool
blocks_renewal(const struct fence_view *v, const struct fence_guest *g, uint64_t now_ms)
{
	uint64_t end = later(fence_deadline(v, g), g->guard_ms);
	return is_fenceable(g) && is_held(g) &&
	       (has_expired(g, now_ms) || !lease_holds(end, now_ms));
}

static void
permit_renewals(const struct fence_view *v, uint64_t now_ms, struct fence_effects *out)
{
	bool may = v->joined && !v->fenced;

	out->ask_network = may;
	for (size_t i = 0; i < v->n_stores; i++)
		out->renew[i] = may;
	for (size_t i = 0; i < v->n_guests; i++) {
		const struct fence_guest *g = &v->guests[i];
		if (!blocks_renewal(v, g, now_ms))
			continue;
		out->ask_network = false;
		if (g->authority == FENCE_SHARED)
			out->renew[g->store] = false;
	}
}

void
fence_decide(const struct fence_view *v, uint64_t now_ms, struct fence_state *s,
    struct fence_effects *out)
{
	bool empty = true;

	out->isolated = is_isolated(v, now_ms);
	out->reset_host = false;
	out->feed_watchdog = true;
	for (size_t i = 0; i < v->n_guests; i++) {
		const struct fence_guest *g = &v->guests[i];

		out->orders[i] =
		    g->alive ? order_alive(v, g, now_ms) : order_dead(v, g, now_ms);
		empty = empty && !(is_fenceable(g) && is_held(g));
		if (!has_expired(g, now_ms))
			continue;
		s->expired = true;
		if (!g->alive)
			continue;
		out->feed_watchdog = false;
		if (now_ms >= lease_end(g->guard_ms, v->terms->kill_ms))
			out->reset_host = true;
	}
	permit_renewals(v, now_ms, out);
	out->rejoin = empty && (!v->joined || v->fenced || s->expired);
}

const char *
fence_why_text(enum fence_why w)
{
	static const char *const texts[FENCE_WHYS_] = {
		[FENCE_WHY_NONE] = "",
		[FENCE_WHY_EXPIRED] = "its lease is over",
		[FENCE_WHY_FENCED] = "this host's incarnation is over",
		[FENCE_WHY_ISOLATED] = "this host is isolated",
		[FENCE_WHY_STORE] = "this host alone has lost its datastore",
		[FENCE_WHY_STOPPED] = "ordered",
		[FENCE_WHY_DIED] = "it died",
	};
	return texts[w];
}

#include <string.h>

#include "tests/sim/storm_agent_int.h"

#define EXEC_LEAST_MS 100u
#define EXEC_MOST_MS  400u

/* The shared policy of all guests: one datastore, both leases. */
uint64_t
start_deadline(const struct storm *w, uint32_t host, uint32_t guest)
{
	const struct agent *a = agent_at(w, host);
	struct fence_guest g = { .authority = FENCE_SHARED };
	struct fence_view v = agent_view(a, w);

	(void)guest;
	return fence_deadline(&v, &g);
}

void
start_write(struct storm *w, uint32_t host, uint32_t guest, enum claim_phase phase)
{
	struct agent *a = agent_at(w, host);
	struct kept_guest *k = &a->kept.guests[guest];
	struct agent_guest *g = &a->guests[guest];
	struct io io = {
		.kind = IO_WRITE_CLAIM,
		.host = host,
		.guest = guest,
		.life = w->lives[host],
		.claim = { .phase = phase,
		    .host_id = host + 1,
		    .inc = a->kept.inc,
		    .run_gen = k->gen },
	};

	g->writing = true;
	/* What may be on disk from now on is held, until a drop is there for sure. */
	if (phase != CLAIM_NONE)
		k->phase = phase;
	store_submit(w, &io);
}

void
start_look(struct storm *w, uint32_t host, uint32_t guest)
{
	enum start_stage stage = agent_at(w, host)->guests[guest].stage;
	bool counts = stage == STAGE_LOOKING || stage == STAGE_PEEKING;
	struct io io = {
		.kind = IO_READ_CLAIMS,
		.host = host,
		.guest = guest,
		.life = w->lives[host],
		.begun_ms = storm_clock_ms(w, host),
		/* One that began before our claim was there must not count. */
		.tag = counts ? agent_at(w, host)->kept.guests[guest].gen : 0,
	};
	store_submit(w, &io);
}

void
start_give_up(struct storm *w, uint32_t host, uint32_t guest)
{
	struct agent *a = agent_at(w, host);

	a->guests[guest].stage = STAGE_NONE;
	a->kept.guests[guest].wanted = false;
}

static bool
may_accept(const struct storm *w, const struct kept_guest *k, uint64_t gen)
{
	if (w->plant == PLANT_NO_GEN && k->phase == CLAIM_NONE)
		return true;
	return claim_accept(k->highest, gen);
}

void
start_on_order(struct storm *w, uint32_t host, const struct message *m)
{
	struct agent *a = agent_at(w, host);
	uint32_t guest = m->order.guest;
	struct kept_guest *k = &a->kept.guests[guest];
	struct agent_guest *g = &a->guests[guest];
	uint64_t now = storm_clock_ms(w, host);

	if (m->order.gen == k->gen && g->stage != STAGE_NONE) {
		g->n_attests = m->order.n_attests;
		memcpy(g->attests, m->order.attests, sizeof(g->attests));
		return;
	}
	if (!a->joined || a->over || a->rejoining ||
	    !lease_holds(a->store.end_ms, now) || !may_accept(w, k, m->order.gen))
		return;
	if (w->copies[guest][host].alive || k->phase != CLAIM_NONE || g->writing ||
	    g->starting) {
		/* R10: an older copy ends first; the order comes again. */
		k->wanted = false;
		return;
	}
	w->copies[guest][host].guard_ms = 0;
	k->highest = k->gen = m->order.gen;
	k->wanted = true;
	g->n_attests = m->order.n_attests;
	memcpy(g->attests, m->order.attests, sizeof(g->attests));
	storm_trace(w, "host %u: accepts guest %u gen %llu", host, guest,
	    (unsigned long long)k->gen);
	if (w->plant == PLANT_LOOK_FIRST) {
		g->stage = STAGE_PEEKING;
		start_look(w, host, guest);
		return;
	}
	g->stage = STAGE_CLAIMING;
	start_write(w, host, guest, CLAIM_CLAIM);
}

static void
run(struct storm *w, uint32_t host, uint32_t guest)
{
	struct agent_guest *g = &agent_at(w, host)->guests[guest];

	g->stage = STAGE_NONE;
	g->starting = true;
	oracle_order(w, guest, agent_at(w, host)->kept.guests[guest].gen);
	storm_post(w, w->now_ms + storm_between(w, EXEC_LEAST_MS, EXEC_MOST_MS),
	    EV_EXEC, host, guest);
}

void
start_on_write(struct storm *w, uint32_t host, const struct io *io)
{
	struct agent *a = agent_at(w, host);
	struct kept_guest *k = &a->kept.guests[io->guest];
	struct agent_guest *g = &a->guests[io->guest];

	g->writing = false;
	if (io->failed) {
		g->failed_ms = storm_clock_ms(w, host);
		if (g->stage != STAGE_NONE)
			start_give_up(w, host, io->guest);
		return;
	}
	if (io->claim.phase == CLAIM_NONE) {
		k->phase = CLAIM_NONE;
		return;
	}
	if (!k->wanted)
		return;
	if (g->stage == STAGE_CLAIMING) {
		g->stage = STAGE_LOOKING;
		start_look(w, host, io->guest);
	} else if (g->stage == STAGE_RUNNING) {
		run(w, host, io->guest);
	}
}

/* What the protocol's rules would have been given, but for what a plant takes away. */
static void
distort(const struct storm *w, struct claim_seen *seen, struct claim_attest *at,
    uint32_t n_attests)
{
	if (w->plant == PLANT_NO_STORAGE_WAIT)
		seen->beat_dead = true;
	if (w->plant == PLANT_CORRUPT_FREE && seen->claim.phase == CLAIM_UNKNOWN)
		seen->claim.phase = CLAIM_NONE;
	for (uint32_t i = 0; i < n_attests && w->plant == PLANT_NO_INC; i++)
		if (at[i].proof == CLAIM_NETFENCED &&
		    at[i].host_id == seen->claim.host_id)
			at[i].inc = seen->claim.inc;
}

static bool
is_dead(const struct storm *w, const struct agent *a, uint32_t other)
{
	struct beat_watch watch = a->watches[other];

	if (w->plant == PLANT_SHORT_WAIT)
		watch.moved_ms -= 3000;
	return beat_watch_dead(&watch, &w->terms);
}

static enum claim_verdict
judge(const struct storm *w, uint32_t host, const struct io *io, uint32_t *ret_host)
{
	struct agent *a = agent_at(w, host);
	struct agent_guest *g = &a->guests[io->guest];
	struct claim_seen seen[STORM_MAX_HOSTS];
	struct claim_view v = {
		.host_id = host + 1,
		.run_gen = a->kept.guests[io->guest].gen,
		.attests = g->attests,
		.n_attests = g->n_attests,
		.seen = seen,
		.n_seen = w->hosts,
	};

	for (uint32_t h = 0; h < w->hosts; h++) {
		seen[h].claim = io->claims[h];
		seen[h].beat_dead = is_dead(w, a, h);
		distort(w, &seen[h], g->attests, g->n_attests);
	}
	return claim_decide(&v, ret_host);
}

/* Our own block is damaged: nobody but us may mend it, and others wait for it. */
static void
mend(struct storm *w, uint32_t host, const struct io *io)
{
	struct agent *a = agent_at(w, host);
	struct agent_guest *g = &a->guests[io->guest];
	uint64_t now = storm_clock_ms(w, host);

	if (io->claims[host].phase == CLAIM_UNKNOWN && !g->writing && a->joined &&
	    claim_may_write(g->failed_ms, w->terms.settle_ms, now))
		start_write(w, host, io->guest, a->kept.guests[io->guest].phase);
}

void
start_on_read(struct storm *w, uint32_t host, const struct io *io)
{
	struct agent *a = agent_at(w, host);
	struct kept_guest *k = &a->kept.guests[io->guest];
	struct agent_guest *g = &a->guests[io->guest];
	uint32_t other;

	if (io->failed)
		return;
	mend(w, host, io);
	bool peeks = g->stage == STAGE_PEEKING;
	if ((g->stage != STAGE_LOOKING && !peeks) || io->tag != k->gen || !k->wanted ||
	    g->writing)
		return;
	switch (judge(w, host, io, &other)) {
	case CLAIM_WAIT:
		break;
	case CLAIM_GO:
		g->stage = STAGE_RUNNING;
		start_write(w, host, io->guest, CLAIM_RUN);
		break;
	case CLAIM_WITHDRAW:
		storm_trace(w, "host %u: guest %u gen %llu withdraws for host %u", host,
		    io->guest, (unsigned long long)k->gen, other - 1);
		start_give_up(w, host, io->guest);
		break;
	}
}

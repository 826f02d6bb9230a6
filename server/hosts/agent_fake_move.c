/*
 * The orders of proto/migrate.proto, done at once and in memory.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/agent_fake_int.h"

#define S(x)          DROVER__GUEST_STATE__GUEST_##x
#define FAKE_MEMORY   (UINT64_C(256) << 20)
#define FAKE_OUTAGE   31000
#define FAKE_DOWNTIME 12
#define FAKE_TOTAL    1234
#define FAKE_PORT     7447

bool
fake_is_live(const struct fake_guest *g)
{
	return g->state == S(RUNNING) || g->state == S(PAUSED) ||
	       g->state == S(STALLED) || g->state == S(LEAVING);
}

void
agent_fake_meet(struct agent_fake *a, struct agent_fake *b)
{
	ASSERT(a->n_peers < FAKE_MAX_PEERS && b->n_peers < FAKE_MAX_PEERS);
	a->peers[a->n_peers++] = b;
	b->peers[b->n_peers++] = a;
}

void
agent_fake_obstruct(struct agent_fake *a, const char *why)
{
	snprintf(a->obstacle, sizeof(a->obstacle), "%s", why);
}

void
fake_count_doubled(struct agent_fake *a)
{
	MAP_EACH(a->guests, it) {
		for (size_t i = 0; i < a->n_peers; i++) {
			const struct fake_guest *g =
			    map_get(a->peers[i]->guests, it.key);
			a->doubled += g && fake_is_live(g) && fake_is_live(it.value);
		}
	}
}

unsigned
agent_fake_doubled(const struct agent_fake *a)
{
	return a->doubled;
}

static bool
is_refused(const struct agent_fake *a, uint64_t guest, uint64_t gen)
{
	const uint64_t *never = map_get(a->never, guest);

	return never && gen <= *never;
}

static void
refuse_for_ever(struct agent_fake *a, uint64_t guest, uint64_t gen)
{
	struct fake_guest *g = map_get(a->guests, guest);

	if (!is_refused(a, guest, gen))
		free(map_put(a->never, guest, xmemdup(&gen, sizeof(gen))));
	if (g && g->state == S(ARRIVING))
		free(map_del(a->guests, guest));
}

void
fake_forget_arriving(struct agent_fake *a)
{
	MAP_EACH(a->guests, it) {
		struct fake_guest *g = it.value;
		if (g->state == S(ARRIVING))
			refuse_for_ever(a, it.key, g->gen);
	}
}

static int
do_arrive(struct agent_fake *a, const Drover__GuestArrive *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->spec->guest);

	if (is_refused(a, o->spec->guest, o->generation))
		return err_set(e, ERR_STALE, "generation %llu was refused",
		    (unsigned long long)o->generation);
	if (g && g->state == S(ARRIVING) && g->gen == o->generation)
		return 0;
	if (g)
		return err_set(e, ERR_EXISTS, "it is here already");
	g = fake_guest_make(a, o->spec->guest, o->spec->uuid);
	g->state = S(ARRIVING);
	g->gen = o->generation;
	g->runs_after_move = o->running;
	memcpy(g->key, o->key.data, o->key.len < 32 ? o->key.len : 32);
	return 0;
}

/* Who waits for what the key belongs to. */
static struct fake_guest *
taker_of(struct agent_fake *a, const Drover__GuestLeave *o)
{
	for (size_t i = 0; i < a->n_peers; i++) {
		struct agent_fake *peer = a->peers[i];
		struct fake_guest *g = map_get(peer->guests, o->guest);
		if (!str_same(peer->uuid, o->target_uuid) || peer->is_wire_cut || !g)
			continue;
		if (g->state == S(ARRIVING) && o->key.len == 32 &&
		    memcmp(g->key, o->key.data, 32) == 0)
			return g;
	}
	return NULL;
}

static int
do_leave(struct agent_fake *a, const Drover__GuestLeave *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);
	struct fake_guest *taker = a->is_wire_cut ? NULL : taker_of(a, o);

	if (!g)
		return fake_no_guest(o->guest, e);
	if (!fake_is_live(g))
		return err_set(e, ERR_BAD_STATE, "it does not run");
	if (!taker)
		return err_set(e, ERR_LOST, "the target takes no connection");
	g->state = S(GIVEN);
	if (a->is_torn)
		return 0;
	taker->state = taker->runs_after_move ? S(RUNNING) : S(PAUSED);
	taker->started_ms = g->started_ms;
	return 0;
}

static int
do_arrived(struct agent_fake *a, const Drover__GuestArrived *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (g && g->gen == o->generation && g->state != S(ARRIVING))
		return 0;
	refuse_for_ever(a, o->guest, o->generation);
	return err_set(e, ERR_LOST, "it did not come whole");
}

static int
do_refuse(struct agent_fake *a, const Drover__GuestRefuse *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (g && g->gen == o->generation && g->state != S(ARRIVING))
		return err_set(e, ERR_BAD_STATE, "it runs here");
	refuse_for_ever(a, o->guest, o->generation);
	return 0;
}

static int
do_take_back(struct agent_fake *a, const Drover__GuestTakeBack *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (!g)
		return fake_no_guest(o->guest, e);
	if (g->state == S(GIVEN))
		g->state = g->is_memory_gone ? S(FAILED) : S(RUNNING);
	return 0;
}

static int
do_release(struct agent_fake *a, const Drover__GuestRelease *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (g && fake_is_live(g))
		return err_set(e, ERR_BAD_STATE, "it runs here");
	for (size_t i = 0; i < o->n_delete_disks; i++)
		fake_delete_disk(a, o->delete_disks[i]);
	free(map_del(a->guests, o->guest));
	return 0;
}

static int
do_offer(struct agent_fake *a, const Drover__GuestOffer *o, struct err *e)
{
	const struct fake_guest *g = map_get(a->guests, o->guest);

	if (!g)
		return fake_no_guest(o->guest, e);
	return fake_is_live(g) ? 0 : err_set(e, ERR_BAD_STATE, "it does not run");
}

bool
fake_do_move(struct agent_fake *a, const Drover__Order *o, int *rc, struct err *e)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_OFFER:
		*rc = do_offer(a, o->guest_offer, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_ARRIVE:
		*rc = do_arrive(a, o->guest_arrive, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_LEAVE:
		*rc = do_leave(a, o->guest_leave, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_ARRIVED:
		*rc = do_arrived(a, o->guest_arrived, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_REFUSE:
		*rc = do_refuse(a, o->guest_refuse, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_TAKE_BACK:
		*rc = do_take_back(a, o->guest_take_back, e);
		return true;
	case DROVER__ORDER__VERB_GUEST_RELEASE:
		*rc = do_release(a, o->guest_release, e);
		return true;
	default:
		return false;
	}
}

uint64_t
fake_guest_of_move(const Drover__Order *o)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_ARRIVED:
		return o->guest_arrived->guest;
	case DROVER__ORDER__VERB_GUEST_TAKE_BACK:
		return o->guest_take_back->guest;
	case DROVER__ORDER__VERB_GUEST_MOVE_DISKS:
		return o->guest_move_disks->guest;
	default:
		return 0;
	}
}

static void
fill_offer(const struct agent_fake *a, const Drover__Order *o, Drover__Reply *r,
    struct fake_move_results *to)
{
	static uint8_t shape[] = { 's', 'i', 'm' };
	static char obstacle[sizeof(a->obstacle)];
	const struct fake_guest *g = map_get(a->guests, o->guest_offer->guest);

	drover__offer__init(&to->offer);
	to->offer.shape.data = shape;
	to->offer.shape.len = sizeof(shape);
	to->offer.memory_bytes = FAKE_MEMORY;
	to->offer.running = g->state == S(RUNNING);
	if (a->obstacle[0]) {
		snprintf(obstacle, sizeof(obstacle), "%s", a->obstacle);
		to->texts[0] = obstacle;
		to->offer.obstacles = to->texts;
		to->offer.n_obstacles = 1;
	}
	r->result_case = DROVER__REPLY__RESULT_OFFER;
	r->offer = &to->offer;
}

static void
fill_ready(Drover__Reply *r, struct fake_move_results *to)
{
	static char address[] = "10.9.0.1";

	drover__arrive_ready__init(&to->ready);
	to->texts[0] = address;
	to->ready.addresses = to->texts;
	to->ready.n_addresses = 1;
	to->ready.port = FAKE_PORT;
	r->result_case = DROVER__REPLY__RESULT_ARRIVE_READY;
	r->arrive_ready = &to->ready;
}

void
fake_fill_move(struct agent_fake *a, const Drover__Order *o, Drover__Reply *r,
    struct fake_move_results *to)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_OFFER:
		fill_offer(a, o, r, to);
		break;
	case DROVER__ORDER__VERB_GUEST_ARRIVE:
		fill_ready(r, to);
		break;
	case DROVER__ORDER__VERB_GUEST_LEAVE:
		drover__move_facts__init(&to->move);
		to->move.total_ms = FAKE_TOTAL;
		to->move.downtime_ms = FAKE_DOWNTIME;
		to->move.bytes = FAKE_MEMORY;
		to->move.rounds = 3;
		r->result_case = DROVER__REPLY__RESULT_MOVE;
		r->move = &to->move;
		break;
	case DROVER__ORDER__VERB_GUEST_ARRIVED:
		drover__arrived_facts__init(&to->arrived);
		to->arrived.outage_us = FAKE_OUTAGE;
		r->arrived = &to->arrived;
		break;
	case DROVER__ORDER__VERB_GUEST_REFUSE:
		drover__arrived_facts__init(&to->arrived);
		to->arrived.lost_why = a->obstacle;
		r->arrived = &to->arrived;
		break;
	default:
		break;
	}
}

void
agent_fake_die(struct agent_fake *a)
{
	agent_fake_restart(a);
	MAP_EACH(a->guests, it) {
		struct fake_guest *g = it.value;
		if (fake_is_live(g))
			g->state = S(FAILED);
		g->is_memory_gone = g->state == S(GIVEN);
	}
	a->lease.joined = false;
}

void
agent_fake_heal(struct agent_fake *a)
{
	a->is_wire_cut = a->is_torn = false;
}

void
agent_fake_set_trap(struct agent_fake *a, const struct agent_fake_trap *t)
{
	a->trap = *t;
	a->is_trap_set = true;
	a->is_tripped = false;
}

bool
agent_fake_tripped(const struct agent_fake *a)
{
	return a->is_tripped;
}

static void
do_harm(const struct agent_fake_trap *t)
{
	switch (t->harm) {
	case FAKE_AGENT_DIES:
		agent_fake_restart(t->victim);
		break;
	case FAKE_HOST_DIES:
		agent_fake_die(t->victim);
		break;
	case FAKE_LINK_BREAKS:
		agent_fake_cut(t->victim);
		break;
	case FAKE_WIRE_BREAKS:
		t->victim->is_wire_cut = true;
		break;
	case FAKE_TEAR:
		t->victim->is_torn = true;
		break;
	case FAKE_TELL:
		break;
	}
}

bool
fake_spring(struct agent_fake *a, const Drover__Order *o, enum agent_fake_when when)
{
	const struct agent_fake_trap *t = &a->trap;

	if (!a->is_trap_set || t->verb != (int)o->verb_case || t->when != when)
		return false;
	a->is_trap_set = false;
	a->is_tripped = true;
	do_harm(t);
	return !a->link || t->harm == FAKE_TELL;
}

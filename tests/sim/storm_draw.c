/*
 * Schedules: a few faults at random, most of them at one victim and close together, and
 * patterns in which each of the rules is what stands between a fault and two copies.
 */
#include "tests/sim/storm.h"

#define LAST_MS 30000u /* the last fault begins by then */

struct draw {
	struct storm *w;
	struct storm_schedule *s;
	uint64_t at_ms;  /* around which things happen */
	uint32_t victim; /* host */
	bool lost_one;   /* a host that does not come back is allowed once */
};

static void
add(struct draw *d, enum storm_fault_kind kind, uint64_t at_ms, uint64_t for_ms,
    uint32_t a, uint32_t x)
{
	if (d->s->n < STORM_MAX_FAULTS)
		d->s->list[d->s->n++] = (struct storm_fault){
			.kind = kind, .at_ms = at_ms, .for_ms = for_ms, .a = a, .x = x
		};
}

static void
add_cut(struct draw *d, enum storm_fault_kind kind, uint64_t at_ms, uint64_t for_ms,
    uint32_t a, uint32_t b)
{
	if (d->s->n < STORM_MAX_FAULTS)
		d->s->list[d->s->n++] = (struct storm_fault){
			.kind = kind, .at_ms = at_ms, .for_ms = for_ms, .a = a, .b = b
		};
}

static uint64_t
roll(struct draw *d, uint64_t least, uint64_t most)
{
	return storm_between(d->w, least, most);
}

static uint32_t
host(struct draw *d)
{
	if (storm_chance(d->w, 600))
		return d->victim;
	return (uint32_t)roll(d, 0, d->w->hosts - 1);
}

static uint32_t
node(struct draw *d)
{
	if (storm_chance(d->w, 500))
		return host(d);
	return (uint32_t)roll(d, 0, d->w->hosts + d->w->servers - 1);
}

static uint32_t
server(struct draw *d)
{
	return d->w->hosts + (uint32_t)roll(d, 0, d->w->servers - 1);
}

static uint64_t
length(struct draw *d)
{
	static const uint64_t most[] = { 3000, 8000, 16000, 40000 };
	return roll(d, 200, most[roll(d, 0, 3)]);
}

static void
cut_server(struct draw *d, uint32_t victim, uint64_t at_ms, uint64_t for_ms)
{
	for (uint32_t s = 0; s < d->w->servers; s++)
		add_cut(d, FAULT_CUT_BOTH, at_ms, for_ms, victim,
		    storm_server_node(d->w, s));
}

static void
add_random(struct draw *d)
{
	enum storm_fault_kind kind = (enum storm_fault_kind)roll(d, 0, FAULTS_ - 1);
	uint64_t at = d->at_ms + roll(d, 0, LAST_MS / 2);
	uint64_t len = length(d);

	switch (kind) {
	case FAULT_HOST_DIES:
		if (!d->lost_one && storm_chance(d->w, 400)) {
			d->lost_one = true;
			len = 0;
		}
		add(d, kind, at, len, host(d), 0);
		break;
	case FAULT_GUEST_DIES:
		add(d, kind, at, 0, (uint32_t)roll(d, 0, d->w->guests - 1), 0);
		break;
	case FAULT_CUT:
	case FAULT_CUT_BOTH:
		if (storm_chance(d->w, 600))
			cut_server(d, host(d), at, len);
		else
			add_cut(d, kind, at, len, host(d), server(d));
		break;
	case FAULT_SLOW:
	case FAULT_TWICE:
	case FAULT_LATE_STARTS:
	case FAULT_LATE_ANSWERS:
		add(d, kind, at, len,
		    kind == FAULT_SLOW || kind == FAULT_TWICE ? node(d) : host(d),
		    (uint32_t)roll(d, 10, kind == FAULT_SLOW ? 2000 : 12000));
		break;
	case FAULT_LOSS:
		add(d, kind, at, len, node(d), (uint32_t)roll(d, 50, 600));
		break;
	case FAULT_IO_FAILS:
		add(d, kind, at, len, host(d), (uint32_t)roll(d, 50, 1000));
		break;
	case FAULT_STALE:
		add(d, kind, at, roll(d, 100, 2500), host(d), 0);
		break;
	case FAULT_SERVER_DIES:
	case FAULT_SERVER_STOPS:
	case FAULT_DB_CUT:
		add(d, kind, at, len, server(d), 0);
		break;
	case FAULT_DB_DOWN:
	case FAULT_LEADER_DIES:
	case FAULT_STALL_ALL:
		add(d, kind, at, len, 0, 0);
		break;
	case FAULT_DB_MUTE:
		add(d, kind, at, len, 0, (uint32_t)roll(d, 50, 800));
		break;
	case FAULT_AGENT_DIES:
	case FAULT_AGENT_STOPS:
	case FAULT_OVERLOAD:
	case FAULT_ISOLATED:
	case FAULT_NO_STOPS:
	case FAULT_STALL:
	case FAULT_TORN:
	case FAULT_DAMAGED:
	case FAULTS_:
		add(d, kind, at, len, host(d), 0);
		break;
	}
}

/* ---- patterns ---- */

/* Both leases of one host end, slowly, one after the other. */
static void
starve(struct draw *d)
{
	uint64_t both = d->w->terms.dead_ms + roll(d, 0, 15000);

	add(d, FAULT_STALL, d->at_ms + roll(d, 0, 9000), both, d->victim, 0);
	cut_server(d, d->victim, d->at_ms + roll(d, 0, 9000), both);
	if (storm_chance(d->w, 600))
		add(d, FAULT_OVERLOAD, d->at_ms, 40000, d->victim, 0);
	if (storm_chance(d->w, 300))
		add(d, FAULT_AGENT_STOPS, d->at_ms + roll(d, 0, 9000), length(d),
		    d->victim, 0);
}

/* Storage stands still long enough, then the leader goes and the network lease with it,
 * while the victim's guards are late and its agent does nothing. */
static void
change_leader(struct draw *d)
{
	uint64_t wait = d->w->terms.dead_ms;
	uint64_t t = d->at_ms + wait + roll(d, 0, 4000);

	add(d, FAULT_STALL, d->at_ms, wait + 20000, d->victim, 0);
	add(d, FAULT_OVERLOAD, d->at_ms, 40000, d->victim, 0);
	if (storm_chance(d->w, 800))
		add(d, FAULT_AGENT_STOPS, t + roll(d, 0, 1500), 15000, d->victim, 0);
	for (uint32_t s = 0; s < d->w->servers; s++) {
		if (storm_chance(d->w, 700)) {
			add(d,
			    storm_chance(d->w, 500) ? FAULT_DB_CUT : FAULT_SERVER_DIES,
			    t + roll(d, 0, 500), roll(d, 500, 6000),
			    storm_server_node(d->w, s), 0);
		}
	}
	if (storm_chance(d->w, 300))
		cut_server(d, d->victim, t + roll(d, 2500, 6000), 20000);
}

/* The victim is cut off, and nobody can see that its block moves; later it is back, and
 * its storage fails. */
static void
blind_others(struct draw *d)
{
	uint64_t wait = d->w->terms.dead_ms, cut = wait + roll(d, 500, 6000);

	cut_server(d, d->victim, d->at_ms, cut);
	for (uint32_t h = 0; h < d->w->hosts; h++)
		if (h != d->victim)
			add(d, FAULT_STALL, d->at_ms + roll(d, 3000, 7000),
			    wait + roll(d, 0, 3000), h, 0);
	if (storm_chance(d->w, 400))
		for (int i = 0; i < 4; i++)
			add(d, FAULT_DAMAGED, d->at_ms + roll(d, wait, wait + 15000), 0,
			    d->victim, 0);
	add(d, FAULT_NO_STOPS, d->at_ms, 90000, d->victim, 0);
	add(d, FAULT_STALL, d->at_ms + cut + roll(d, 0, 3000), wait + roll(d, 0, 20000),
	    d->victim, 0);
}

/* An order arrives when its host has become another incarnation, while somebody holds
 * an attestation of the old one. */
static void
rejoin(struct draw *d)
{
	uint32_t other = (d->victim + 1) % d->w->hosts;
	uint64_t wait = d->w->terms.dead_ms;

	if (storm_chance(d->w, 500))
		other = (d->victim + d->w->hosts - 1) % d->w->hosts;
	add(d, FAULT_HOST_DIES, d->at_ms, 90000, d->victim, 0);
	for (uint32_t h = 0; h < d->w->hosts; h++)
		add(d, FAULT_LATE_STARTS, d->at_ms, 40000, h,
		    (uint32_t)roll(d, 20000, 30000));
	add(d, FAULT_HOST_DIES, d->at_ms + roll(d, 8000, wait + 2000),
	    roll(d, 8000, 12000), other, 0);
	add(d, FAULT_NO_STOPS, d->at_ms, 90000, other, 0);
	add(d, FAULT_STALL, d->at_ms + roll(d, 25000, 33000), wait + roll(d, 0, 15000),
	    other, 0);
}

/* An order comes again after its guest was reaped, before the next one arrives. */
static void
replay(struct draw *d)
{
	uint64_t reaped = d->at_ms + d->w->terms.dead_ms + roll(d, 2000, 6000);

	add(d, FAULT_HOST_DIES, d->at_ms, 90000, d->victim, 0);
	for (uint32_t h = 0; h < d->w->hosts; h++) {
		add(d, FAULT_TWICE, d->at_ms, reaped - d->at_ms, h, 30000);
		add(d, FAULT_AGENT_DIES, reaped, roll(d, 200, 1000), h, 0);
		add(d, FAULT_LATE_STARTS, reaped, 30000, h,
		    (uint32_t)roll(d, 30000, 70000));
		add(d, FAULT_NO_STOPS, reaped, 90000, h, 0);
	}
	for (uint32_t g = 0; g < d->w->guests; g++)
		add(d, FAULT_GUEST_DIES, reaped + 10, 0, g, 0);
}

/* Two hosts begin to start one guest at the same instant: the first order was given up
 * for lost, and storage that stood still lets both go on at once. */
static void
race(struct draw *d)
{
	uint64_t given_up = d->w->terms.dead_ms + 30000 + 17000;

	add(d, FAULT_HOST_DIES, d->at_ms, 120000, d->victim, 0);
	for (uint32_t h = 0; h < d->w->hosts; h++)
		add(d, FAULT_LATE_STARTS, d->at_ms, given_up - 8000, h,
		    (uint32_t)(2 * given_up - 10000));
	add(d, FAULT_STALL_ALL, d->at_ms + given_up + roll(d, 0, 3000) - 1000,
	    roll(d, 3000, 6000), 0, 0);
}

/* A write or a beat is done at once, its answer comes late. */
static void
answer_late(struct draw *d)
{
	uint64_t dead = d->at_ms + roll(d, 4000, 9000);

	add(d, FAULT_LATE_ANSWERS, d->at_ms, 30000, d->victim,
	    (uint32_t)roll(d, 3000, 9000));
	add(d, FAULT_STALL, dead, 20000, d->victim, 0);
	cut_server(d, d->victim, dead - roll(d, 0, 6000), 30000);
	add(d, FAULT_OVERLOAD, d->at_ms, 40000, d->victim, 0);
	if (storm_chance(d->w, 500))
		add(d, FAULT_AGENT_STOPS, dead + roll(d, 1000, 8000), 20000, d->victim,
		    0);
}

static void
old_leader(struct draw *d)
{
	for (uint32_t s = 0; s < d->w->servers; s++) {
		add(d, FAULT_SLOW, d->at_ms, 30000, storm_server_node(d->w, s),
		    (uint32_t)roll(d, 1000, 9000));
		add(d, FAULT_DB_CUT, d->at_ms + roll(d, 0, 20000), length(d),
		    storm_server_node(d->w, s), 0);
	}
}

void
schedule_draw(struct storm *w, struct storm_schedule *ret)
{
	static void (*const patterns[])(struct draw *) = { starve, change_leader,
		blind_others, rejoin, replay, race, answer_late, old_leader };
	struct draw d = {
		.w = w,
		.s = ret,
		.at_ms = STORM_START_MS + storm_between(w, 3000, 9000),
		.victim = (uint32_t)storm_between(w, 0, w->hosts - 1),
	};
	uint64_t random = storm_between(w, 0, 6);

	ret->n = 0;
	if (storm_chance(w, 600)) {
		patterns[storm_between(
		    w, 0, sizeof(patterns) / sizeof(patterns[0]) - 1)](&d);
		random /= 3;
	}
	for (uint64_t i = 0; i < random; i++)
		add_random(&d);
}

#include "tests/sim/storm_store.h"

#include <stdlib.h>

#include "base/mem.h"

#define IO_MOST_MS 4u

struct block {
	struct lease_beat beat, before; /* what a stale reading shows */
	bool isolated;
};

struct storm_store {
	struct block beats[STORM_MAX_HOSTS];
	struct lease_claim claims[STORM_MAX_GUESTS][STORM_MAX_HOSTS];
	struct io *pool;
	uint32_t *free;
	uint8_t *held; /* by how many events */
	size_t n_free, room;
};

struct storm_store *
store_new(void)
{
	struct storm_store *s = xcalloc(1, sizeof(*s));

	for (uint32_t h = 0; h < STORM_MAX_HOSTS; h++) {
		s->beats[h].beat =
		    (struct lease_beat){ .known = true, .host_id = h + 1 };
		for (uint32_t g = 0; g < STORM_MAX_GUESTS; g++)
			s->claims[g][h] = (struct lease_claim){ .phase = CLAIM_NONE,
				.host_id = h + 1 };
	}
	return s;
}

void
store_begin(struct storm *w)
{
	for (uint32_t g = 0; g < w->guests; g++) {
		uint32_t h = storm_home(w, g);
		w->store->claims[g][h] = (struct lease_claim){
			.phase = CLAIM_RUN,
			.host_id = h + 1,
			.inc = 1,
			.run_gen = 1,
		};
	}
}

void
store_free(struct storm_store *s)
{
	if (!s)
		return;
	free(s->pool);
	free(s->free);
	free(s->held);
	free(s);
}

static uint32_t
store_keep(struct storm_store *s, const struct io *io)
{
	if (s->n_free == 0) {
		size_t room = s->room ? 2 * s->room : 64;
		s->pool = xreallocarray(s->pool, room, sizeof(s->pool[0]));
		s->free = xreallocarray(s->free, room, sizeof(s->free[0]));
		s->held = xreallocarray(s->held, room, sizeof(s->held[0]));
		for (size_t i = s->room; i < room; i++)
			s->free[s->n_free++] = (uint32_t)i;
		s->room = room;
	}
	uint32_t at = s->free[--s->n_free];
	s->pool[at] = *io;
	s->held[at] = 2; /* it lands, and it ends */
	return at;
}

static void
store_drop(struct storm_store *s, uint64_t at)
{
	if (--s->held[at] == 0)
		s->free[s->n_free++] = (uint32_t)at;
}

static bool
is_write(const struct io *io)
{
	return io->kind == IO_WRITE_BEAT || io->kind == IO_WRITE_CLAIM;
}

/* When a stall that holds this host's storage is over; now if there is none. */
static uint64_t
stall_end_ms(const struct storm *w, uint32_t host)
{
	uint64_t end = w->now_ms;

	for (size_t i = 0; i < w->schedule.n; i++) {
		const struct storm_fault *f = &w->schedule.list[i];
		bool ours = f->kind == FAULT_STALL_ALL ||
			    (f->kind == FAULT_STALL && f->a == host);
		if (ours && f->at_ms <= end && f->at_ms + f->for_ms > end)
			end = f->at_ms + f->for_ms;
	}
	return end;
}

void
store_submit(struct storm *w, const struct io *io)
{
	struct io op = *io;
	uint64_t lands = stall_end_ms(w, op.host) + storm_between(w, 0, IO_MOST_MS);
	uint64_t ends = lands + storm_between(w, 0, IO_MOST_MS);

	if (fault_on(w, FAULT_LATE_ANSWERS, op.host))
		ends += storm_between(w, 0, w->on.x[FAULT_LATE_ANSWERS][op.host]);
	op.lands = true;
	if (fault_on(w, FAULT_IO_FAILS, op.host) &&
	    storm_chance(w, w->on.x[FAULT_IO_FAILS][op.host])) {
		op.failed = true;
		op.lands = is_write(&op) && storm_chance(w, 500);
		op.torn = fault_on(w, FAULT_TORN, op.host);
		if (storm_chance(w, 500))
			lands = ends + storm_between(w, 0, w->terms.settle_ms * 9 / 10);
	}
	uint32_t at = store_keep(w->store, &op);
	storm_post(w, lands, EV_IO_LANDS, op.host, at);
	storm_post(w, ends, EV_IO_ENDS, op.host, at);
}

static void
read_beats(const struct storm *w, struct io *io)
{
	const struct storm_store *s = w->store;

	for (uint32_t h = 0; h < w->hosts; h++) {
		io->beats[h] = fault_on(w, FAULT_STALE, io->host) ? s->beats[h].before
								  : s->beats[h].beat;
		io->isolations[h] = s->beats[h].isolated;
	}
}

void
store_on_land(struct storm *w, uint64_t arg)
{
	struct storm_store *s = w->store;
	struct io *io = &s->pool[arg];
	struct block *b = &s->beats[io->host];
	struct lease_claim *c = &s->claims[io->guest][io->host];

	switch (io->kind) {
	case IO_WRITE_BEAT:
		if (!io->lands)
			break;
		b->before = b->beat;
		b->beat = io->beat;
		b->beat.known = !io->torn;
		b->isolated = io->isolated;
		break;
	case IO_WRITE_CLAIM:
		if (!io->lands)
			break;
		*c = io->claim;
		if (io->torn)
			c->phase = CLAIM_UNKNOWN;
		break;
	case IO_READ_BEATS:
		read_beats(w, io);
		break;
	case IO_READ_CLAIMS:
		for (uint32_t h = 0; h < w->hosts; h++)
			io->claims[h] = s->claims[io->guest][h];
		break;
	}
	store_drop(s, arg);
}

struct io
store_take(struct storm *w, uint64_t arg)
{
	struct io io = w->store->pool[arg];
	store_drop(w->store, arg);
	return io;
}

void
store_damage_claims(struct storm *w, uint32_t host)
{
	for (uint32_t g = 0; g < w->guests; g++)
		w->store->claims[g][host].phase = CLAIM_UNKNOWN;
}

bool
store_knows_beat(const struct storm *w, uint32_t host)
{
	return w->store->beats[host].beat.known;
}

struct lease_claim
store_claim(const struct storm *w, uint32_t guest, uint32_t host)
{
	return w->store->claims[guest][host];
}

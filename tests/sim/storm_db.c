#include "tests/sim/storm_db.h"

#include <stdlib.h>

#include "base/mem.h"

#define TXN_MOST_MS  8u
#define TXN_LOST_MS  2000u /* then a server gives up waiting for an answer */
#define TXN_MAX_OPEN 256u

struct storm_db {
	uint64_t epoch, beat;
	uint32_t holder;
	uint64_t holder_life;
	struct db_rows_all rows;
	struct txn pool[TXN_MAX_OPEN];
	uint32_t next;
};

struct storm_db *
db_new(const struct storm *w)
{
	struct storm_db *d = xcalloc(1, sizeof(*d));

	for (uint32_t h = 0; h < w->hosts; h++)
		d->rows.hosts[h].inc = 1;
	for (uint32_t g = 0; g < w->guests; g++)
		d->rows.guests[g] =
		    (struct guest_row){ .gen = 1, .inc = 1, .host = storm_home(w, g) };
	return d;
}

void
db_free(struct storm_db *d)
{
	free(d);
}

const struct db_rows_all *
db_rows(const struct storm *w)
{
	return &w->db->rows;
}

static bool
db_reaches(const struct storm *w, uint32_t server)
{
	return !w->on.all[FAULT_DB_DOWN] &&
	       !fault_on(w, FAULT_DB_CUT, storm_server_node(w, server));
}

/* A server keeps few open; a slot is taken again long after its answer. */
void
db_submit(struct storm *w, const struct txn *t)
{
	struct storm_db *d = w->db;
	uint32_t at = d->next++ % TXN_MAX_OPEN;
	uint64_t lands = w->now_ms + storm_between(w, 1, TXN_MOST_MS);
	uint64_t ends = lands + storm_between(w, 1, TXN_MOST_MS);
	struct txn *x = &d->pool[at];

	*x = *t;
	x->lost =
	    w->on.all[FAULT_DB_MUTE] && storm_chance(w, w->on.x[FAULT_DB_MUTE][0]);
	if (x->lost || !db_reaches(w, t->server))
		ends = w->now_ms + TXN_LOST_MS;
	uint32_t node = storm_server_node(w, t->server);
	storm_post(w, lands, EV_DB_LANDS, node, at);
	storm_post(w, ends, EV_DB_ENDS, node, at);
}

static bool
db_write(struct storm_db *d, struct storm *w, const struct txn *t)
{
	struct host_row *h = &d->rows.hosts[t->host];
	struct guest_row *g = &d->rows.guests[t->guest];

	if (t->epoch != d->epoch)
		return false;
	switch (t->kind) {
	case TXN_RENEW:
		d->beat++;
		return true;
	case TXN_FENCE:
		if (h->inc != t->inc)
			return false;
		h->fenced = w->plant != PLANT_NO_FENCE_FLAG;
		w->figures.fences++;
		return true;
	case TXN_JOIN:
		if (h->inc != t->inc)
			return false;
		*h = (struct host_row){ .inc = t->inc + 1 };
		return true;
	case TXN_START:
		if (g->gen != t->gen)
			return false;
		*g = (struct guest_row){
			.gen = t->gen + 1, .inc = h->inc, .host = t->host
		};
		return true;
	case TXN_READ:
	case TXN_LOAD:
	case TXN_TAKE_OVER:
		break;
	}
	return false;
}

static bool
db_take_over(struct storm_db *d, struct storm *w, const struct txn *t)
{
	if (d->epoch != t->expect.epoch || d->beat != t->expect.beat)
		return false;
	d->epoch++;
	d->beat++;
	d->holder = t->server;
	d->holder_life = t->life;
	w->figures.take_overs++;
	if (w->now_ms >= w->figures.from_ms && !w->figures.led_ms)
		w->figures.led_ms = w->now_ms;
	storm_trace(w, "db: server %u takes over with epoch %llu", t->server,
	    (unsigned long long)d->epoch);
	return true;
}

void
db_on_land(struct storm *w, uint64_t arg)
{
	struct storm_db *d = w->db;
	struct txn *t = &d->pool[arg];

	if (!db_reaches(w, t->server)) {
		t->lost = true;
		return;
	}
	if (t->kind == TXN_TAKE_OVER)
		t->done = db_take_over(d, w, t);
	else if (t->kind == TXN_READ || t->kind == TXN_LOAD)
		t->done = true;
	else
		t->done = db_write(d, w, t);
	t->row = (struct leader_row){
		.epoch = d->epoch,
		.beat = d->beat,
		.mine = d->holder == t->server && d->holder_life == t->life,
	};
	t->rows = d->rows;
}

struct txn
db_take(struct storm *w, uint64_t arg)
{
	struct txn t = w->db->pool[arg];

	if (!t.lost)
		return t;
	t.done = false;
	t.row = (struct leader_row){ 0 };
	return t;
}

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/beat_io.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/lease_io.h"
#include "host-agent/fence/lease_place.h"
#include "host-agent/storage/datastore.h"

#define BEATS_WAITING  4u
#define CLAIMS_WAITING 4096u

struct lease_store *
fence_store_find(const struct fence *f, uint64_t number)
{
	for (size_t i = 0; i < f->n_stores; i++) {
		if (f->stores[i]->number == number)
			return f->stores[i];
	}
	return NULL;
}

/* ---- the datastore under it ---- */

static void
leave_place(struct lease_store *st)
{
	beat_io_free(MOVE(st->beats));
	if (st->beats_io)
		lease_io_forget(st->beats_io, st);
	datastore_unref(MOVE(st->ds));
	st->turning = false;
	st->alone = false;
	st->listened_ms = 0;
}

/* Whoever waits for an answer from it has none. */
static void
orphan_claims(const struct lease_store *st)
{
	MAP_EACH(st->f->held, it) {
		struct held *h = it.value;

		if (h->datastore != st->number && h->left != st->number)
			continue;
		if (h->writing || h->making)
			h->failed_ms = fence_now_ms(st->f);
		h->writing = h->making = h->looking = false;
	}
}

static void
store_free(struct lease_store *st)
{
	leave_place(st);
	orphan_claims(st);
	lease_io_free(st->beats_io);
	lease_io_free(st->claims_io);
	free(st);
}

static struct lease_store *
store_new(struct fence *f, uint64_t number)
{
	struct lease_store *st = xcalloc(1, sizeof(*st));

	st->f = f;
	st->number = number;
	st->beats_io = lease_io_new(f->loop, BEATS_WAITING);
	st->claims_io = lease_io_new(f->loop, CLAIMS_WAITING);
	st->lease.renew_ms = fence_now_ms(f);
	return st;
}

void
fence_stores_free(struct fence *f)
{
	for (size_t i = 0; i < f->n_stores; i++)
		store_free(f->stores[i]);
	free(MOVE(f->stores));
	f->n_stores = 0;
}

bool
fence_is_idle(const struct fence *f)
{
	for (size_t i = 0; i < f->n_stores; i++) {
		if (!lease_io_is_idle(f->stores[i]->beats_io) ||
		    !lease_io_is_idle(f->stores[i]->claims_io))
			return false;
	}
	return !f->keep_seq;
}

void
fence_stores_set(struct fence *f)
{
	size_t n = fence_is_on(f) ? f->conf->n_datastores : 0, m = 0;
	struct lease_store **list = xcalloc(n + 1, sizeof(struct lease_store *));

	for (size_t i = 0; i < n; i++) {
		struct lease_store *st = fence_store_find(f, f->conf->datastores[i]);

		list[m++] = st ? st : store_new(f, f->conf->datastores[i]);
	}
	for (size_t i = 0; i < f->n_stores; i++) {
		bool stays = false;

		for (size_t k = 0; k < m && !stays; k++)
			stays = list[k] == f->stores[i];
		if (!stays)
			store_free(f->stores[i]);
	}
	free(f->stores);
	f->stores = list;
	f->n_stores = m;
}

static bool
is_same_area(const struct lease_area *a, const struct lease_area *b)
{
	return !memcmp(a->cluster, b->cluster, sizeof(a->cluster)) &&
	       !memcmp(a->store, b->store, sizeof(a->store)) && a->slots == b->slots;
}

/* It comes and goes as the host is told; what is known of the others' blocks stays. */
int
fence_store_ready(struct lease_store *st, struct err *e)
{
	struct fence *f = st->f;
	struct lease_area area;
	struct datastore *ds;
	int rc = f->hands.store(f->hands.arg, st->number, &ds, e);

	if (!rc)
		rc = lease_area_of(ds, f->conf->cluster.data, f->conf->slots, &area, e);
	if (rc) {
		leave_place(st);
		return rc;
	}
	if (st->ds == ds && is_same_area(&st->area, &area))
		return 0;
	leave_place(st);
	AUTO_FREE char *path = lease_place_path(ds, &area);
	st->ds = datastore_ref(ds);
	st->area = area;
	st->beats = beat_io_new(st->beats_io, path, &area, f->conf->slot, f->writer);
	return 0;
}

void
fence_store_joined(struct lease_store *st)
{
	st->lease = (struct fence_store){ .renew_ms = fence_now_ms(st->f) };
	st->alone = false;
	st->listened_ms = 0;
}

/* ---- turns ---- */

static void
fell_silent(struct lease_store *st, const struct err *e)
{
	if (strncmp(st->why, e->msg, sizeof(st->why) - 1) != 0)
		log_warn(
		    "fence", "datastore-%" PRIu64 ": no lease: %s", st->number, e->msg);
	snprintf(st->why, sizeof(st->why), "%.*s", (int)sizeof(st->why) - 1, e->msg);
}

static void
on_made(void *arg, int rc, const struct err *e)
{
	struct lease_store *st = arg;

	st->turning = false;
	if (rc)
		fell_silent(st, e);
	else
		fence_store_turn(st, STORE_RENEW);
}

static void
make_file(struct lease_store *st)
{
	const struct lease_maker maker = { on_made, st, st };
	struct lease_area all = st->area;
	struct err e = ERR_INIT;

	all.slots = LEASE_MAX_SLOTS;
	if (lease_place_make(
		st->beats_io, st->ds, &all, st->f->terms.length_ms, maker, &e))
		fell_silent(st, &e);
	else
		st->turning = true;
}

/*
 * Before our first renewal: a block of this incarnation was ours, before the agent
 * ended, or is another's.  His moves while we only look.
 */
static void
listen(struct lease_store *st, const struct lease_beat *own, uint64_t now)
{
	struct fence *f = st->f;

	if (!own->known || own->inc != f->inc) {
		st->alone = true;
		return;
	}
	if (st->listened_ms && own->seq != st->own.seq) {
		struct err e = ERR_INIT;

		err_set(&e, ERR_EXISTS, "another agent writes the block of this host");
		fell_silent(st, &e);
		st->listened_ms = 0;
	}
	if (!st->listened_ms) {
		st->listened_ms = now;
		st->own = *own;
	}
	st->alone = now >= st->listened_ms + 2ull * f->terms.renew_ms;
}

static void
take_reading(struct lease_store *st, const struct beat_turn *t)
{
	struct fence *f = st->f;
	uint64_t begun = fence_ms_of(f, t->begun_us),
		 ended = fence_ms_of(f, t->ended_us);
	uint32_t slot = f->conf->slot;

	st->read_ms = begun;
	if (!t->is_direct && !st->cached) {
		log_warn("fence",
		    "datastore-%" PRIu64
		    ": its file system takes no direct I/O: leases on it hold only among"
		    " hosts that share its cache",
		    st->number);
	}
	st->cached = !t->is_direct;
	for (uint32_t n = 1; n <= t->slots; n++) {
		if (n != slot)
			beat_watch_note(&st->watches[n], &t->beats[n], begun, ended);
	}
	if (!st->alone && slot <= t->slots && !t->renewed)
		listen(st, &t->beats[slot], ended);
}

/* R1: from the send.  R9: an answer that comes when the copies are over makes nothing
 * good: fence_decide looks at their guards. */
static void
take_renewal(struct lease_store *st, const struct beat_turn *t)
{
	struct fence *f = st->f;
	uint64_t sent = fence_ms_of(f, t->sent_us);
	uint64_t end = lease_end(sent, f->terms.length_ms);

	if (st->turn_inc != f->inc || !f->joined || f->fenced)
		return;
	if (end > st->lease.end_ms)
		st->lease.end_ms = end;
	if (sent > st->lease.renew_ms)
		st->lease.renew_ms = sent;
	if (*st->why)
		log_notice("fence", "datastore-%" PRIu64 ": the lease is renewed again",
		    st->number);
	st->why[0] = '\0';
}

static void
on_turn(void *arg, int rc, const struct err *e, const struct beat_turn *t)
{
	struct lease_store *st = arg;
	bool was_alone = st->alone;

	st->turning = false;
	if (t && t->read)
		take_reading(st, t);
	if (t && t->renewed)
		take_renewal(st, t);
	if (rc == ERR_NOT_FOUND)
		make_file(st);
	else if (rc)
		fell_silent(st, e);
	else if ((st->alone && !was_alone) || st->renew_due)
		fence_store_turn(st, STORE_RENEW);
	fence_changed(st->f);
}

static bool
may_renew(const struct lease_store *st)
{
	const struct fence *f = st->f;

	return f->joined && !f->fenced && st->may_renew;
}

void
fence_store_turn(struct lease_store *st, enum store_turn how)
{
	struct fence *f = st->f;
	struct beat_wish w = {
		.inc = f->inc,
		.lease_ms = f->terms.length_ms,
		.kill_ms = f->terms.kill_ms,
		.isolated = f->isolated,
	};
	struct err e = ERR_INIT;

	/* Who only looks, for a claim, holds up no heartbeat. */
	if (st->turning) {
		st->renew_due |= how == STORE_RENEW && !st->turn_renews;
		return;
	}
	st->renew_due = false;
	st->turn_renews = how == STORE_RENEW;
	if (fence_store_ready(st, &e)) {
		fell_silent(st, &e);
		return;
	}
	w.renew = how == STORE_RENEW && st->alone && may_renew(st);
	st->turn_inc = f->inc;
	if (beat_io_turn(st->beats, &w, f->terms.length_ms, on_turn, st, &e))
		fell_silent(st, &e);
	else
		st->turning = true;
}

/*
 * A host's beat: what it says is remembered, and it may join.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/ha/ha_int.h"
#include "server/hosts/host_beat.h"
#include "server/inventory/txn.h"

#define FENCING_TEXT 100 /* of what a host says of itself, as much is kept */

bool
ha_is_fenced(const struct host *row)
{
	return row->ha_inc && row->ha_fenced_inc >= row->ha_inc;
}

const struct ha_run *
ha_run_of(const struct ha_node *n, obj_id vm)
{
	return map_get(n->runs, obj_id_number(vm));
}

bool
ha_runs_there(const struct ha_node *n, const struct host *row, const struct vm *vm)
{
	const struct ha_run *run = n ? ha_run_of(n, vm->o.id) : NULL;
	bool heard =
	    n && (n->is == HA_UP || n->is == HA_STORE_LOST || n->is == HA_RESTS);

	return run && heard && n->able && run->alive && run->gen == vm->run_gen &&
	       !ha_is_fenced(row);
}

/* ---- what it says ---- */

static bool
speaks(const struct ha *ha, const struct ha_node *n, const struct cluster *cl)
{
	const struct lease_terms t = ha_terms_of(cl);

	return n->heard &&
	       ha_now_ms(ha) - n->h.heard_ms < (uint64_t)t.renew_ms * HA_BEATS_MISSED;
}

static const struct ha_store *
store_of(const struct ha_node *n, uint64_t number)
{
	for (size_t i = 0; i < n->n_stores; i++) {
		if (n->stores[i].number == number)
			return &n->stores[i];
	}
	return NULL;
}

static bool
others_have(const struct ha *ha, const struct ha_node *n, uint64_t number)
{
	const struct cluster *cl = ha_enabled_of(ha, n->id);

	MAP_EACH(ha->nodes, it) {
		const struct ha_node *other = it.value;
		const struct ha_store *s = store_of(other, number);
		if (other != n && s && !s->lost_since_ms &&
		    ha_enabled_of(ha, other->id) == cl && speaks(ha, other, cl))
			return true;
	}
	return false;
}

uint64_t
ha_store_lost_ms(const struct ha *ha, const struct ha_node *n, uint64_t number)
{
	const struct ha_store *s = store_of(n, number);

	return s && s->lost_since_ms && others_have(ha, n, number) ? s->lost_since_ms
								   : 0;
}

static void
take_words(struct ha_node *n, const Drover__Beat *b)
{
	size_t count = b->n_words < HA_MAX_SLOTS ? b->n_words : HA_MAX_SLOTS;

	n->words = xreallocarray(n->words, count + 1, sizeof(*n->words));
	n->n_words = count;
	for (size_t i = 0; i < count; i++) {
		const Drover__BeatWord *w = b->words[i];
		n->words[i] = (struct ha_hearsay){
			.slot = w->slot,
			.word = { .read = w->read,
			    .dead = w->dead,
			    .still_ms = w->still_ms },
			.isolated = w->isolated,
		};
	}
}

static void
take_stores(struct ha_node *n, const Drover__Beat *b, uint64_t now_ms)
{
	size_t count = b->n_stores < HA_MAX_SLOTS ? b->n_stores : HA_MAX_SLOTS;

	n->stores = xreallocarray(n->stores, count + 1, sizeof(*n->stores));
	n->n_stores = count;
	for (size_t i = 0; i < count; i++) {
		uint64_t lost_ms = b->stores[i]->lost_ms;
		n->stores[i].number = b->stores[i]->datastore;
		n->stores[i].lost_since_ms = 0;
		if (lost_ms)
			n->stores[i].lost_since_ms =
			    now_ms > lost_ms ? now_ms - lost_ms : 1;
		snprintf(n->stores[i].why, sizeof(n->stores[i].why), "%.110s",
		    b->stores[i]->why);
	}
}

static void
forget_runs(struct ha_node *n)
{
	MAP_EACH(n->runs, it) {
		free(map_del(n->runs, it.key));
	}
}

/* True if it says something new. */
static bool
take_run(struct ha_node *n, const Drover__RunWord *w, uint64_t now_ms)
{
	struct ha_run *run = map_get(n->runs, w->guest);
	struct ha_run said = {
		.gen = w->run_gen,
		.phase = w->phase,
		.alive = w->alive,
		.guarded = w->guarded,
		.bare = w->bare,
		.told_ms = now_ms,
	};

	if (!run) {
		if (map_count(n->runs) >= MAX_GUESTS_PER_HOST)
			return false;
		run = xcalloc(1, sizeof(*run));
		map_put(n->runs, w->guest, run);
	}
	bool news = run->gen != said.gen || run->phase != said.phase ||
		    run->alive != said.alive || run->guarded != said.guarded ||
		    run->bare != said.bare;
	*run = said;
	return news;
}

static void
take_runs(struct ha *ha, struct ha_node *n, const Drover__Beat *b)
{
	bool news = b->whole;

	if (b->whole)
		forget_runs(n);
	for (size_t i = 0; i < b->n_runs; i++)
		news = take_run(n, b->runs[i], n->h.heard_ms) || news;
	for (size_t i = 0; i < b->n_runs; i++)
		ha_restart_seen(ha, n, b->runs[i]);
	if (!news)
		return;
	ha->confs_due = true;
	ha_look_soon(ha);
}

static void
note_fencing(struct ha *ha, struct ha_node *n, const char *said)
{
	char by[FENCING_TEXT];

	snprintf(by, sizeof(by), "%s", said);
	if (str_same(n->fencing_by, by))
		return;
	text_set(&n->fencing_by, by);
	struct host *h = inv_note_begin(ha->o.inv, n->id);
	text_set(&h->ha_fencing, by);
	inv_note_end(ha->o.inv, n->id);
}

static void
take_beat(struct ha *ha, struct ha_node *n, const Drover__Beat *b)
{
	const struct host *row = inv_host(ha->o.inv, n->id);
	uint64_t now_ms = ha_now_ms(ha);
	bool was_heard = n->heard;

	n->heard = true;
	n->h.heard_ms = now_ms;
	n->able = b->ask && !b->join && b->inc == row->ha_inc;
	n->h.mode = b->frozen && row->ha_frozen ? HA_FROZEN : HA_NORMAL;
	if (n->h.mode == HA_FROZEN)
		n->h.frozen_until_ms = now_ms + LEASE_FREEZE_MS;
	take_words(n, b);
	take_stores(n, b, now_ms);
	note_fencing(ha, n, b->fencing);
	take_runs(ha, n, b);
	if (!was_heard)
		ha_look_soon(ha);
}

/* ---- to join ---- */

static void
tell_joined(struct ha *ha, const struct ha_node *n, uint64_t nonce)
{
	Drover__BeatReply reply = DROVER__BEAT_REPLY__INIT;

	reply.nonce = nonce;
	reply.inc = inv_host(ha->o.inv, n->id)->ha_inc;
	ha_reply(ha, n, &reply);
}

static void
on_joined(void *arg, int rc, const struct err *e)
{
	obj_id host;
	struct ha *ha = ha_wait_end(arg, &host);
	struct ha_node *n = ha_node_find(ha, host);
	const struct host *row = inv_host(ha->o.inv, host);

	if (!n)
		return;
	n->busy = false;
	if (rc || !row) {
		log_warn("ha", "host \"%s\" cannot join yet: %s",
		    inv_name(ha->o.inv, host), rc ? e->msg : "it was removed");
		return;
	}
	/* Of the new incarnation there is none yet. */
	n->h.grants_end_ms = n->h.long_end_ms = 0;
	log_notice("ha", "host \"%s\": joined with incarnation %llu", row->o.name,
	    (unsigned long long)row->ha_inc);
	tell_joined(ha, n, n->join_nonce);
	ha->confs_due = true;
	ha_look_soon(ha);
}

/* R9: everything of its last incarnation is reaped. */
static void
join(struct ha *ha, struct ha_node *n, const Drover__Beat *b)
{
	const struct host *row = inv_host(ha->o.inv, n->id);

	if (n->busy || !row->ha_slot)
		return;
	n->h.fenced = ha_is_fenced(row);
	if (ha_join(&n->h, row->ha_inc, b->inc) == HA_JOIN_TELL) {
		tell_joined(ha, n, b->nonce);
		return;
	}
	struct txn *t = txn_new(ha->o.inv);
	struct host *edit = txn_edit(t, n->id);
	edit->ha_inc = ha_later(row->ha_inc, b->inc) + 1;
	n->busy = true;
	n->join_nonce = b->nonce;
	txn_commit(t, on_joined, ha_wait_new(ha, n->id));
}

/* ---- to be frozen ---- */

static void
on_frozen(void *arg, int rc, const struct err *e)
{
	obj_id host;
	struct ha *ha = ha_wait_end(arg, &host);
	struct ha_node *n = ha_node_find(ha, host);
	const struct host *row = inv_host(ha->o.inv, host);

	if (!n)
		return;
	n->busy = false;
	if (rc || !row)
		log_warn("ha", "host \"%s\" cannot be frozen yet: %s",
		    inv_name(ha->o.inv, host), rc ? e->msg : "it was removed");
	else
		log_notice("ha", "host \"%s\": %s", row->o.name,
		    row->ha_frozen ? "frozen" : "not frozen any more");
}

/* Stored before anything is granted by it, and until all of that is over. */
static void
follow_freeze(struct ha *ha, struct ha_node *n, const struct cluster *cl, bool wanted)
{
	const struct host *row = inv_host(ha->o.inv, n->id);
	const struct lease_terms terms = ha_terms_of(cl);
	uint64_t over_ms =
	    lease_end(n->h.long_end_ms, lease_after_end_ms(&terms, LEASE_FREEZE_MS));

	if (n->busy || wanted == row->ha_frozen || (!wanted && ha_now_ms(ha) < over_ms))
		return;
	struct txn *t = txn_new(ha->o.inv);
	struct host *edit = txn_edit(t, n->id);
	edit->ha_frozen = wanted;
	n->busy = true;
	txn_commit(t, on_frozen, ha_wait_new(ha, n->id));
}

/* ---- the hook ---- */

static void
on_beat(void *arg, obj_id host, const Drover__Beat *b)
{
	struct ha *ha = CAST_OBJ(ha, arg, HA_MAGIC);
	const struct cluster *cl = ha_enabled_of(ha, host);

	if (!inv_host(ha->o.inv, host))
		return;
	struct ha_node *n = ha_node_of(ha, host);
	n->said = n->said || b->whole;
	if (!cl)
		return;
	take_beat(ha, n, b);
	if (!n->conf)
		ha_conf_send(ha, n);
	if (b->join) {
		join(ha, n, b);
		return;
	}
	follow_freeze(ha, n, cl, b->frozen);
	ha_answer(ha, n, cl, b);
}

static void
on_linked(void *arg, obj_id host)
{
	struct ha *ha = CAST_OBJ(ha, arg, HA_MAGIC);
	struct ha_node *n = ha_node_of(ha, host);

	free(n->conf);
	n->conf = NULL;
	n->n_conf = 0;
	n->said = false;
	n->linked_ms = ha_now_ms(ha);
	ha_conf_send(ha, n);
}

const struct host_beat_events ha_beat_events = {
	.beat = on_beat,
	.linked = on_linked,
};

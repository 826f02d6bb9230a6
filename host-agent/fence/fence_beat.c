/*
 * What this host says to the leader.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/fence_watchdog.h"
#include "host-agent/fence/guard_client.h"
#include "proto/msg.h"

#define BEATS_MISSED 3u

/* ---- words on others ---- */

static bool
is_fresh(const struct lease_store *st, const struct beat_watch *w, uint64_t now)
{
	uint64_t most = BEATS_MISSED * (uint64_t)st->f->terms.renew_ms;

	return w->seen && now < w->checked_ms + most && now < st->read_ms + most;
}

/* A host lives as long as its block moves on one datastore. */
static void
fill_word(const struct fence *f, uint32_t slot, uint64_t now, Drover__BeatWord *word)
{
	uint64_t least = BEATS_MISSED * (uint64_t)f->terms.renew_ms;
	bool all_dead = true;

	drover__beat_word__init(word);
	word->slot = slot;
	for (size_t i = 0; i < f->n_stores; i++) {
		const struct beat_watch *w = &f->stores[i]->watches[slot];
		uint64_t still = beat_watch_still_ms(w);

		if (!is_fresh(f->stores[i], w, now))
			continue;
		all_dead = all_dead && beat_watch_dead(w, &f->terms);
		if (!beat_watch_tells(w, least))
			continue;
		if (!word->read || still < word->still_ms)
			word->still_ms = still;
		if (w->beat.inc > word->inc)
			word->inc = w->beat.inc;
		word->read = true;
		word->isolated = word->isolated || w->beat.isolated;
	}
	word->dead = word->read && all_dead;
}

static void
add_words(const struct fence *f, uint64_t now, Drover__Beat *b)
{
	size_t n = f->conf->n_peers;

	b->words = xcalloc(n + 1, sizeof(Drover__BeatWord *));
	for (size_t i = 0; i < n; i++) {
		uint32_t slot = f->conf->peers[i]->slot;

		if (slot == f->conf->slot || slot < 1 || slot > LEASE_MAX_SLOTS)
			continue;
		b->words[b->n_words] = xcalloc(1, sizeof(Drover__BeatWord));
		fill_word(f, slot, now, b->words[b->n_words++]);
	}
}

static void
add_stores(const struct fence *f, uint64_t now, Drover__Beat *b)
{
	b->stores = xcalloc(f->n_stores + 1, sizeof(Drover__StoreWord *));
	for (size_t i = 0; i < f->n_stores; i++) {
		const struct lease_store *st = f->stores[i];
		Drover__StoreWord *word = xcalloc(1, sizeof(*word));
		uint64_t silent = now - st->lease.renew_ms;

		drover__store_word__init(word);
		word->datastore = st->number;
		if (silent > BEATS_MISSED * (uint64_t)f->terms.renew_ms)
			word->lost_ms = silent;
		word->why = xstrdup(word->lost_ms ? st->why : "");
		b->stores[b->n_stores++] = word;
	}
}

/* ---- words on what runs here ---- */

bool
fence_is_reaped(const struct fence *f, const struct held *h)
{
	struct fence_copy c = { .alive = false };

	return h->unwanted && h->stage == CLAIM_AT_REST &&
	       fence_is_kept(f, h->kept_seq) &&
	       !(f->hands.copy(f->hands.arg, h->guest, &c) && c.alive);
}

static Drover__RunPhase
phase_of(const struct fence *f, const struct held *h)
{
	if (h->stage == CLAIM_AWAITS_LEASE || fence_is_reaped(f, h))
		return DROVER__RUN_PHASE__RUN_NONE;
	if (h->how == FENCE_ARRIVES && h->stage != CLAIM_AT_REST)
		return DROVER__RUN_PHASE__RUN_MIGRATE_IN;
	if (h->stage != CLAIM_AT_REST || h->phase == CLAIM_CLAIM)
		return DROVER__RUN_PHASE__RUN_CLAIM;
	if (h->phase == CLAIM_MIGRATE_IN)
		return DROVER__RUN_PHASE__RUN_MIGRATE_IN;
	return h->phase == CLAIM_RUN ? DROVER__RUN_PHASE__RUN_RUN
				     : DROVER__RUN_PHASE__RUN_NONE;
}

static uint32_t
span(uint64_t from, uint64_t to)
{
	return from && to > from ? (uint32_t)(to - from) : 0;
}

static void
fill_run(const struct fence *f, const struct held *h, const struct fence_copy *c,
    Drover__RunWord *w)
{
	drover__run_word__init(w);
	w->guest = h ? h->guest : c->guest;
	w->run_gen = h ? h->run_gen : c->run_gen;
	w->alive = c->alive;
	w->bare = c->alive && !c->guarded;
	/* A claim that lies where nobody looks for it protects nothing. */
	w->guarded = h && c->guarded && c->heard && c->guard_us != GUARD_NO_DEADLINE &&
		     h->datastore == h->ha->datastore && !h->unplaced;
	w->note = xstrdup(h ? h->note : "");
	if (!h)
		return;
	w->phase = phase_of(f, h);
	if (h->stage != CLAIM_AT_REST)
		w->run_gen = h->wish_gen;
	w->detect_ms = span(h->asked_ms, h->claimed_ms);
	w->wait_ms = span(h->claimed_ms, h->clear_ms);
	w->exec_ms = span(h->clear_ms, h->ran_ms);
}

struct run_list {
	struct fence *f;
	Drover__Beat *b;
	size_t room;
};

static void
add_run(struct run_list *l, const struct held *h, const struct fence_copy *c)
{
	Drover__Beat *b = l->b;

	if (b->n_runs == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		b->runs = xreallocarray(b->runs, l->room, sizeof(Drover__RunWord *));
	}
	b->runs[b->n_runs] = xcalloc(1, sizeof(Drover__RunWord));
	fill_run(l->f, h, c, b->runs[b->n_runs++]);
}

static void
add_copy(void *to, const struct fence_copy *c)
{
	struct run_list *l = to;

	if (c->alive && !fence_held(l->f, c->guest))
		add_run(l, NULL, c);
}

static void
add_runs(struct fence *f, Drover__Beat *b)
{
	struct run_list l = { .f = f, .b = b };
	AUTO_FREE uint64_t *keys = map_keys_sorted(f->held);
	size_t n = map_count(f->held);

	for (size_t i = 0; i < n; i++) {
		struct fence_copy c = { .guest = keys[i] };

		(void)f->hands.copy(f->hands.arg, keys[i], &c);
		add_run(&l, fence_held(f, keys[i]), &c);
	}
	f->hands.each(f->hands.arg, add_copy, &l);
}

static void
drop_runs(Drover__Beat *b)
{
	for (size_t i = 0; i < b->n_runs; i++)
		drover__run_word__free_unpacked(b->runs[i], NULL);
	free(MOVE(b->runs));
	b->n_runs = 0;
}

/* All of them go along only when something about them is new. */
static void
settle_runs(struct fence *f, Drover__Beat *b)
{
	Drover__Beat only = DROVER__BEAT__INIT;
	uint8_t *said;
	size_t n;

	only.runs = b->runs;
	only.n_runs = b->n_runs;
	n = drover__beat__get_packed_size(&only);
	said = xmalloc(n + 1);
	drover__beat__pack(&only, said);
	b->whole = !f->said || n != f->n_said || memcmp(said, f->said, n) != 0;
	if (!b->whole)
		drop_runs(b);
	free(f->said);
	f->said = said;
	f->n_said = n;
}

/* ---- Beat ---- */

static void
note_sent(struct fence *f, uint64_t nonce)
{
	f->sent[nonce % FENCE_SENT_BEATS] =
	    (struct sent_beat){ nonce, fence_now_ms(f) };
}

void
fence_beat_send(struct fence *f)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Beat *b = xcalloc(1, sizeof(*b));
	struct err e = ERR_INIT;
	char text[64];

	drover__beat__init(b);
	b->nonce = ++f->last_nonce;
	b->inc = f->inc;
	b->join = f->rejoin && !f->join_seq;
	b->ask = f->ask_network;
	b->frozen = fence_is_freezing(f);
	b->isolated = f->isolated;
	b->fencing = xstrdup(fence_watchdog_text(f, text));
	b->conf_seen = f->conf->rev;
	if (fence_is_on(f)) {
		add_words(f, fence_now_ms(f), b);
		add_stores(f, fence_now_ms(f), b);
	}
	add_runs(f, b);
	settle_runs(f, b);
	m.body_case = DROVER__ENVELOPE__BODY_BEAT;
	m.beat = b;
	note_sent(f, b->nonce);
	if (f->hands.send(f->hands.arg, &m, &e)) {
		log_debug("fence", "beat not sent: %s", e.msg);
		free(MOVE(f->said));
	}
	drover__beat__free_unpacked(b, NULL);
}

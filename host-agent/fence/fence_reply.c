/*
 * What the leader says to this host: BeatReply and HaConf.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"

/* ---- BeatReply ---- */

/* When the beat was sent; 0: it is not known any more. */
static uint64_t
sent_ms(const struct fence *f, uint64_t nonce)
{
	const struct sent_beat *s = &f->sent[nonce % FENCE_SENT_BEATS];

	return s->nonce == nonce ? s->sent_ms : 0;
}

static void
join(struct fence *f, uint64_t inc)
{
	log_notice("fence", "this host is incarnation %" PRIu64 " now", inc);
	f->inc = inc;
	f->fenced = false;
	f->joined = false;
	f->state = (struct fence_state){ .expired = false };
	f->network_end_ms = f->long_end_ms = f->frozen_until_ms = 0;
	for (size_t i = 0; i < f->n_stores; i++)
		fence_store_joined(f->stores[i]);
	/* Nothing is renewed under it before it is kept. */
	f->join_seq = fence_keep(f);
}

static void
be_fenced(struct fence *f)
{
	if (f->fenced)
		return;
	log_err("fence",
	    "incarnation %" PRIu64
	    " of this host is over: its guests may run elsewhere",
	    f->inc);
	f->fenced = true;
	(void)fence_keep(f);
}

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void
take_grant(struct fence *f, const Drover__BeatReply *r, uint64_t sent)
{
	if (!f->ask_network || f->fenced || !f->joined)
		return;
	if (r->lease_ms)
		f->network_end_ms =
		    later(f->network_end_ms, lease_end(sent, r->lease_ms));
	if (r->long_ms)
		f->long_end_ms = later(f->long_end_ms, lease_end(sent, r->long_ms));
	if (r->frozen_ms && fence_is_freezing(f))
		f->frozen_until_ms =
		    later(f->frozen_until_ms, lease_end(sent, r->frozen_ms));
}

static void
take_lists(struct fence *f, const Drover__BeatReply *r)
{
	for (size_t i = 0; i < f->n_stores; i++) {
		struct lease_store *st = f->stores[i];

		st->lease.others_have = false;
		for (size_t k = 0; k < r->n_others_have; k++)
			st->lease.others_have =
			    st->lease.others_have || r->others_have[k] == st->number;
	}
	for (size_t i = 0; i < r->n_stop; i++) {
		struct held *h = fence_held(f, r->stop[i]);

		if (!h || h->unwanted || h->stage != CLAIM_AT_REST)
			continue;
		log_warn("fence", "vm-%" PRIu64 ": a newer copy of it is elsewhere",
		    h->guest);
		h->unwanted = true;
		h->kept_seq = fence_keep(f);
	}
	for (size_t i = 0; i < r->n_reaped_seen; i++) {
		struct held *h = fence_held(f, r->reaped_seen[i]);

		if (h && h->phase == CLAIM_NONE && !h->writing && fence_is_reaped(f, h))
			fence_let_go(f, h);
	}
}

static void
on_reply(struct fence *f, const Drover__BeatReply *r)
{
	uint64_t sent = sent_ms(f, r->nonce);

	/* Its lease would be over, and what it says was said of another time. */
	if (!sent)
		return;
	if (f->rejoin && !f->join_seq && r->inc > f->inc && !r->fenced) {
		join(f, r->inc);
		return;
	}
	if (r->inc != f->inc) {
		if (r->inc > f->inc && f->inc && !f->join_seq)
			be_fenced(f);
		return;
	}
	if (r->fenced)
		be_fenced(f);
	take_grant(f, r, sent);
	take_lists(f, r);
}

/* ---- HaConf ---- */

int
fence_conf_check(const Drover__HaConf *c, struct lease_terms *ret_t, struct err *e)
{
	const Drover__LeaseTerms *t = c->terms;
	struct lease_terms terms;

	if (!c->enabled)
		return 0;
	if (!t || c->cluster.len != 16 || c->slots > LEASE_MAX_SLOTS || c->slot < 1 ||
	    c->slot > c->slots || c->n_datastores > FENCE_MAX_STORES ||
	    c->n_guests > FENCE_MAX_GUESTS)
		return err_set(e, ERR_INVALID,
		    "slot %u of %u, %zu datastores and %zu guests: no settings of HA",
		    c->slot, c->slots, c->n_datastores, c->n_guests);
	terms = (struct lease_terms){
		.renew_ms = t->renew_ms,
		.length_ms = t->length_ms,
		.kill_ms = t->kill_ms,
		.drift_permille = t->drift_permille,
		.settle_ms = t->settle_ms,
		.dead_ms = t->dead_ms,
		.watchdog_ms = t->watchdog_ms,
	};
	if (lease_check(&terms, e))
		return e->code;
	*ret_t = terms;
	return 0;
}

uint64_t
fence_peer(const struct fence *f, uint32_t slot)
{
	for (size_t i = 0; f->conf && i < f->conf->n_peers; i++) {
		if (f->conf->peers[i]->slot == slot)
			return f->conf->peers[i]->host;
	}
	return 0;
}

static const Drover__HaGuest *
listed(const Drover__HaConf *c, uint64_t guest)
{
	for (size_t i = 0; i < c->n_guests; i++) {
		if (c->guests[i]->guest == guest)
			return c->guests[i];
	}
	return NULL;
}

bool
fence_is_listed(const struct fence *f, uint64_t guest)
{
	return f->conf && listed(f->conf, guest);
}

/* What an order said of a guest holds until a list has it, or there are none. */
void
fence_held_follow(struct held *h)
{
	const Drover__HaGuest *ha = h->f->conf ? listed(h->f->conf, h->guest) : NULL;

	if (ha) {
		free(h->ha);
		h->ha = fence_ha_dup(ha);
		h->listed = true;
	} else if (h->listed || !fence_is_on(h->f)) {
		h->ha->authority = DROVER__HA_AUTHORITY__HA_AUTHORITY_NONE;
		h->ha->restart = false;
		h->listed = false;
	}
}

static bool
is_other_place(const Drover__HaConf *a, const Drover__HaConf *b)
{
	return a->slot != b->slot || a->cluster.len != b->cluster.len ||
	       (a->cluster.len &&
		   memcmp(a->cluster.data, b->cluster.data, a->cluster.len) != 0);
}

static void
on_conf(struct fence *f, const Drover__HaConf *c)
{
	size_t n = drover__ha_conf__get_packed_size(c);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);
	struct err e = ERR_INIT;

	if (fence_conf_check(c, &f->terms, &e)) {
		log_err("fence", "settings of leases not taken: %s", e.msg);
		return;
	}
	drover__ha_conf__pack(c, p);
	if (f->conf && is_other_place(f->conf, c))
		fence_stores_free(f);
	drover__ha_conf__free_unpacked(f->conf, NULL);
	f->conf = drover__ha_conf__unpack(NULL, n, p);
	if (!f->conf->enabled)
		f->network_end_ms = f->long_end_ms = f->frozen_until_ms = 0;
	MAP_EACH(f->held, it)
		fence_held_follow(it.value);
	fence_stores_set(f);
	(void)fence_keep(f);
	if (f->started)
		fence_beats_follow(f);
	log_info("fence", "settings of leases, revision %" PRIu64 ": %s", c->rev,
	    c->enabled ? "on" : "off");
}

void
fence_message(struct fence *f, const Drover__Envelope *m)
{
	/* Another leader knows nothing of what was said to the one before. */
	if (m->epoch != f->epoch)
		free(MOVE(f->said));
	f->epoch = m->epoch;
	f->manager_ms = fence_now_ms(f);
	if (m->body_case == DROVER__ENVELOPE__BODY_HA_CONF)
		on_conf(f, m->ha_conf);
	else if (m->body_case == DROVER__ENVELOPE__BODY_BEAT_REPLY && f->conf)
		on_reply(f, m->beat_reply);
	fence_changed(f);
}

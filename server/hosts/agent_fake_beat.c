/*
 * The fake agent's leases: it believes what it is told of others' blocks, and starts
 * what it is ordered at once: that it waits for proof is the real agent's to show.
 */
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "server/hosts/agent_fake_int.h"

#define S(x) DROVER__GUEST_STATE__GUEST_##x

static Drover__HaConf *
conf_dup(const Drover__HaConf *c)
{
	size_t n = drover__ha_conf__get_packed_size(c);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__ha_conf__pack(c, p);
	Drover__HaConf *copy = drover__ha_conf__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

static Drover__RunClaim *
claim_dup(const Drover__RunClaim *c)
{
	size_t n = drover__run_claim__get_packed_size(c);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__run_claim__pack(c, p);
	Drover__RunClaim *copy = drover__run_claim__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

static void
set_claim(struct agent_fake *a, const Drover__RunClaim *claim)
{
	if (a->lease.claim)
		drover__run_claim__free_unpacked(a->lease.claim, NULL);
	a->lease.claim = claim ? claim_dup(claim) : NULL;
}

void
fake_forget_leases(struct agent_fake *a)
{
	set_claim(a, NULL);
	if (a->lease.conf)
		drover__ha_conf__free_unpacked(a->lease.conf, NULL);
	a->lease.conf = NULL;
	fake_say_anew(a);
}

void
fake_say_anew(struct agent_fake *a)
{
	free(a->lease.said);
	a->lease.said = NULL;
}

void
fake_take_conf(struct agent_fake *a, const Drover__HaConf *c)
{
	Drover__HaConf *was = a->lease.conf;

	ASSERT(!was || c->rev > was->rev);
	a->lease.conf = conf_dup(c);
	if (was)
		drover__ha_conf__free_unpacked(was, NULL);
}

void
fake_take_claim(
    struct agent_fake *a, struct fake_guest *g, const Drover__RunClaim *claim)
{
	set_claim(a, claim);
	g->is_claimed = claim != NULL;
}

/* What ran under leases, here and now. */
static void
kill_claimed(struct agent_fake *a)
{
	MAP_EACH(a->guests, it) {
		struct fake_guest *g = it.value;
		if (g->is_claimed && fake_is_live(g))
			g->state = S(FAILED);
	}
}

void
agent_fake_reap(struct agent_fake *a, uint64_t guest)
{
	struct fake_guest *g = map_get(a->guests, guest);

	g->state = S(FAILED);
}

static void
stop(struct agent_fake *a, uint64_t guest)
{
	struct fake_guest *g = map_get(a->guests, guest);

	if (g && fake_is_live(g))
		g->state = S(FAILED);
}

void
fake_take_reply(struct agent_fake *a, const Drover__BeatReply *r)
{
	struct fake_lease *l = &a->lease;

	if (r->nonce != l->nonce)
		return;
	l->lease_ms = r->lease_ms;
	l->frozen_ms = r->frozen_ms;
	l->others_have = r->n_others_have > 0;
	if (!l->joined && r->inc > l->inc && !r->fenced) {
		l->inc = r->inc;
		l->joined = true;
		l->fenced = false;
	} else if (r->fenced) {
		l->fenced = true;
		l->joined = false;
		kill_claimed(a);
	}
	for (size_t i = 0; i < r->n_stop; i++)
		stop(a, r->stop[i]);
	for (size_t i = 0; i < r->n_reaped_seen; i++) {
		struct fake_guest *g = map_get(a->guests, r->reaped_seen[i]);
		if (g && !fake_is_live(g))
			g->is_claimed = false;
	}
}

void
agent_fake_sees(struct agent_fake *a, const struct agent_fake_word *w)
{
	struct fake_lease *l = &a->lease;
	size_t i = 0;

	while (i < l->n_words && l->words[i].slot != w->slot)
		i++;
	ASSERT(i < FAKE_MAX_WORDS);
	l->words[i] = *w;
	if (i == l->n_words)
		l->n_words++;
}

void
agent_fake_lose_store(struct agent_fake *a, uint64_t lost_ms)
{
	a->lease.store_lost_ms = lost_ms;
}

static void
add_run(const struct fake_guest *g, uint64_t number, Drover__RunWord *w)
{
	drover__run_word__init(w);
	w->guest = number;
	w->run_gen = g->gen;
	w->alive = fake_is_live(g);
	w->phase = w->alive ? DROVER__RUN_PHASE__RUN_RUN : DROVER__RUN_PHASE__RUN_NONE;
	w->guarded = w->alive;
	w->detect_ms = 10;
	w->wait_ms = 2500;
	w->exec_ms = 400;
}

static void
add_word(const struct agent_fake_word *from, Drover__BeatWord *w)
{
	drover__beat_word__init(w);
	w->slot = from->slot;
	w->read = !from->unread;
	w->still_ms = from->still_ms;
	w->dead = from->dead;
	w->isolated = from->isolated;
}

void
agent_fake_be_brief(struct agent_fake *a)
{
	a->lease.brief = true;
}

/* Whether what runs is to be said at all. */
static bool
is_news(struct fake_lease *l, const Drover__Beat *b)
{
	Drover__Beat only = DROVER__BEAT__INIT;

	only.runs = b->runs;
	only.n_runs = b->n_runs;
	size_t n = drover__beat__get_packed_size(&only);
	AUTO_FREE uint8_t *packed = xmalloc(n + 1);
	drover__beat__pack(&only, packed);
	if (l->brief && l->said && n == l->n_said && !memcmp(l->said, packed, n))
		return false;
	free(l->said);
	l->said = MOVE(packed);
	l->n_said = n;
	return true;
}

void
agent_fake_beat(struct agent_fake *a)
{
	static char fencing[] = "software fencing";
	struct fake_lease *l = &a->lease;
	Drover__Beat b = DROVER__BEAT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__BeatWord words[FAKE_MAX_WORDS], *word_list[FAKE_MAX_WORDS];
	Drover__StoreWord stores[MAX_STORES], *store_list[MAX_STORES];
	AUTO_FREE Drover__RunWord *runs =
	    xcalloc(map_count(a->guests) + 1, sizeof(*runs));
	AUTO_FREE Drover__RunWord **run_list =
	    xcalloc(map_count(a->guests) + 1, sizeof(Drover__RunWord *));

	b.nonce = ++l->nonce;
	b.inc = l->inc;
	b.join = !l->joined;
	b.ask = l->joined;
	b.frozen = l->freezing;
	b.fencing = fencing;
	b.words = word_list;
	for (; b.n_words < l->n_words; b.n_words++) {
		add_word(&l->words[b.n_words], &words[b.n_words]);
		word_list[b.n_words] = &words[b.n_words];
	}
	b.stores = store_list;
	for (; b.n_stores < a->n_stores; b.n_stores++) {
		Drover__StoreWord *s = &stores[b.n_stores];
		drover__store_word__init(s);
		s->datastore = a->stores[b.n_stores];
		s->lost_ms = l->store_lost_ms;
		store_list[b.n_stores] = s;
	}
	b.runs = run_list;
	MAP_EACH(a->guests, it) {
		const struct fake_guest *g = it.value;
		if (!g->is_claimed)
			continue;
		add_run(g, it.key, &runs[b.n_runs]);
		run_list[b.n_runs] = &runs[b.n_runs];
		b.n_runs++;
	}
	b.whole = is_news(l, &b);
	if (!b.whole)
		b.n_runs = 0;
	m.body_case = DROVER__ENVELOPE__BODY_BEAT;
	m.beat = &b;
	agent_fake_say(a, &m);
}

uint64_t
agent_fake_inc(const struct agent_fake *a)
{
	return a->lease.joined ? a->lease.inc : 0;
}

void
agent_fake_freeze(struct agent_fake *a, bool freezing)
{
	a->lease.freezing = freezing;
}

uint32_t
agent_fake_frozen_ms(const struct agent_fake *a)
{
	return a->lease.frozen_ms;
}

uint32_t
agent_fake_lease_ms(const struct agent_fake *a)
{
	return a->lease.lease_ms;
}

bool
agent_fake_fenced(const struct agent_fake *a)
{
	return a->lease.fenced;
}

bool
agent_fake_evicted(const struct agent_fake *a)
{
	return a->lease.others_have;
}

const Drover__HaConf *
agent_fake_conf(const struct agent_fake *a)
{
	return a->lease.conf;
}

const Drover__RunClaim *
agent_fake_last_claim(const struct agent_fake *a)
{
	return a->lease.claim;
}

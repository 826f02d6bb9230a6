#include "tests/lib/fence_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/lease.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/fence_ping.h"
#include "host-agent/fence/watchdog.h"
#include "host-agent/guest/guest_copy.h"
#include "host-agent/storage/datastore.h"
#include "tests/lib/borrow.h"

#define UUID       "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42"
#define OTHER_UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a43"
/* How much faster than the real one the loop's clock goes, while nobody waits for
 * storage: that is real, and slow where the machine is busy. */
#define HASTE       10u
#define STEP_MAX_MS 50u

/* ---- hands ---- */

static int
hand_store(void *arg, uint64_t datastore, struct datastore **ret_ds, struct err *e)
{
	struct fence_host *h = arg;

	if (h->lost_store)
		return err_set(e, ERR_UNAVAILABLE, "it is not mounted");
	*ret_ds = datastore == FENCE_BED_STORE ? h->all->ds : h->all->other_ds;
	return 0;
}

static bool
hand_copy(void *arg, uint64_t guest, struct fence_copy *ret_c)
{
	struct fence_host *h = arg;

	if (h->guests)
		return guest_copy(h->guests, guest, ret_c);
	if (h->known[guest])
		*ret_c = h->copies[guest];
	return h->known[guest];
}

static void
hand_each(void *arg, fence_copy_fn fn, void *to)
{
	struct fence_host *h = arg;

	if (h->guests)
		guest_copies_each(h->guests, fn, to);
	for (unsigned g = 1; g <= FENCE_BED_GUESTS; g++) {
		if (h->known[g])
			fn(to, &h->copies[g]);
	}
}

static int
hand_arm(void *arg, uint64_t guest, uint64_t deadline_us, struct err *e)
{
	struct fence_host *h = arg;

	if (h->guests)
		return guest_copy_arm(h->guests, guest, deadline_us, e);
	assert_true(h->copies[guest].alive && h->copies[guest].guarded);
	h->copies[guest].guard_us = deadline_us;
	return 0;
}

static void
hand_shut_down(void *arg, uint64_t guest, const char *why)
{
	struct fence_host *h = arg;

	if (h->guests)
		guest_copy_shut_down(h->guests, guest, why);
	h->shutdowns[guest]++;
	snprintf(h->why, sizeof(h->why), "%s", why);
}

static void
hand_kill(void *arg, uint64_t guest, const char *why)
{
	struct fence_host *h = arg;

	if (h->guests)
		guest_copy_kill(h->guests, guest, why);
	h->kills[guest]++;
	snprintf(h->why, sizeof(h->why), "%s", why);
}

static int
hand_restart(void *arg, uint64_t guest, struct err *e)
{
	struct fence_host *h = arg;

	h->restarts[guest]++;
	return h->guests ? guest_copy_restart(h->guests, guest, e) : 0;
}

static void
hand_reset(void *arg, const char *why)
{
	((struct fence_host *)arg)->resets++;
}

static int
hardware_set(void *dev, int *inout_s)
{
	((struct fence_host *)dev)->armed = true;
	return 0;
}

static int
hardware_feed(void *dev)
{
	struct fence_host *h = dev;

	assert_true(h->armed);
	h->feeds++;
	return 0;
}

static int
hardware_disarm(void *dev)
{
	((struct fence_host *)dev)->armed = false;
	return 0;
}

static void
hardware_close(void *dev)
{
}

static int
hand_watchdog(void *arg, uint32_t want_s, uint32_t kill_ms, struct watchdog **ret_w,
    struct err *e)
{
	static const struct watchdog_ops ops = { hardware_set, hardware_feed,
		hardware_disarm, hardware_close };
	struct fence_host *h = arg;

	if (!h->hardware)
		return err_set(e, ERR_UNSUPPORTED, "this host has none");
	h->arms++;
	return watchdog_open_ops(&ops, h, want_s, kill_ms, ret_w, e);
}

static Drover__Beat *
beat_dup(const Drover__Beat *b)
{
	size_t n = drover__beat__get_packed_size(b);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__beat__pack(b, p);
	return drover__beat__unpack(NULL, n, p);
}

static int
hand_send(void *arg, Drover__Envelope *m, struct err *e)
{
	struct fence_host *h = arg;

	assert_int_equal(m->body_case, DROVER__ENVELOPE__BODY_BEAT);
	h->beats++;
	drover__beat__free_unpacked(h->beat, NULL);
	h->beat = beat_dup(m->beat);
	if (m->beat->whole) {
		drover__beat__free_unpacked(h->whole, NULL);
		h->whole = beat_dup(m->beat);
	}
	return 0;
}

/* ---- the leader ---- */

void
fence_host_conf(struct fence_host *h)
{
	static uint8_t cluster[16] = "cluster";
	static uint64_t stores[] = { FENCE_BED_STORE, FENCE_BED_OTHER_STORE };
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__HaConf c = DROVER__HA_CONF__INIT;
	Drover__LeaseTerms t = DROVER__LEASE_TERMS__INIT;
	Drover__HaPeer peers[FENCE_BED_HOSTS], *peer_list[FENCE_BED_HOSTS];
	Drover__HaGuest guest = DROVER__HA_GUEST__INIT, *guests = &guest;
	char *addresses[] = { borrow(h->all->isolation_address) };

	t.renew_ms = 500;
	t.length_ms = FENCE_BED_LEASE_MS;
	t.kill_ms = 1000;
	t.drift_permille = 10;
	t.settle_ms = 100;
	t.dead_ms = FENCE_BED_DEAD_MS;
	if (h->hardware) {
		t.kill_ms = 6000;
		t.dead_ms = 17000;
		t.watchdog_ms = 5000;
	}
	c.use_watchdog = h->hardware;
	for (uint32_t i = 0; i < FENCE_BED_HOSTS; i++) {
		drover__ha_peer__init(&peers[i]);
		peers[i].host = peers[i].slot = i + 1;
		peer_list[i] = &peers[i];
	}
	c.enabled = !h->off;
	c.cluster.data = cluster;
	c.cluster.len = sizeof(cluster);
	c.slot = h->slot;
	c.slots = 4;
	c.terms = &t;
	c.datastores = stores;
	c.n_datastores = 2;
	c.peers = peer_list;
	c.n_peers = FENCE_BED_HOSTS;
	c.isolation_addresses = addresses;
	c.n_isolation_addresses = addresses[0] != NULL;
	c.isolation_ms = h->all->isolation_ms;
	guest.guest = 1;
	guest.authority = DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED;
	guest.datastore = h->all->guest_store;
	guest.restart = true;
	c.guests = &guests;
	c.n_guests = h->all->guest_store != 0 && !h->off;
	c.rev = 7;
	m.body_case = DROVER__ENVELOPE__BODY_HA_CONF;
	m.ha_conf = &c;
	m.epoch = 1;
	fence_message(h->fence, &m);
}

static void
answer(struct fence_host *h, const Drover__Beat *b)
{
	static uint64_t store = FENCE_BED_STORE;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__BeatReply r = DROVER__BEAT_REPLY__INIT;
	uint64_t seen[FENCE_BED_GUESTS];

	if (b->join && b->inc == h->inc) {
		h->inc++;
		h->joins++;
		h->fenced = false;
	}
	r.nonce = b->nonce;
	r.inc = h->inc;
	r.fenced = h->fenced;
	r.lease_ms = b->ask && !h->fenced ? FENCE_BED_LEASE_MS : 0;
	r.frozen_ms = b->frozen && b->ask && !h->fenced ? LEASE_FREEZE_MS : 0;
	r.others_have = &store;
	r.n_others_have = h->store_is_others;
	r.stop = &h->stop;
	r.n_stop = h->stop != 0;
	r.reaped_seen = seen;
	for (uint64_t g = 1; h->runs_seen && g <= FENCE_BED_GUESTS; g++) {
		const Drover__RunWord *w = fence_host_word(h, g);

		if (w && !w->alive && w->phase == DROVER__RUN_PHASE__RUN_NONE)
			seen[r.n_reaped_seen++] = g;
	}
	m.body_case = DROVER__ENVELOPE__BODY_BEAT_REPLY;
	m.beat_reply = &r;
	m.epoch = 1;
	fence_message(h->fence, &m);
}

/* ---- time ---- */

uint64_t
fence_bed_now_ms(const struct fence_bed *b)
{
	return clock_mono_ms(b->hosts[1].bed->clock);
}

static void
let_answer(struct fence_host *h)
{
	Drover__Beat *beat;

	if (h->deaf || !h->fence || !h->beat || h->beat->nonce == h->answered)
		return;
	h->answered = h->beat->nonce;
	beat = beat_dup(h->beat);
	answer(h, beat);
	drover__beat__free_unpacked(beat, NULL);
}

static bool
is_idle(const struct fence_bed *b)
{
	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		const struct fence_host *h = &b->hosts[s];

		if (h->fence && !fence_is_idle(h->fence))
			return false;
	}
	return true;
}

/* Who is not let run for a while is not to find that a lease has gone by meanwhile. */
static uint64_t
step_ms(struct fence_bed *b)
{
	uint64_t real = clock_mono_ms(clock_system());
	uint64_t ms = b->real_ms ? HASTE * (real - b->real_ms) : 0;

	b->real_ms = real;
	if (!is_idle(b))
		return 0;
	return ms < STEP_MAX_MS ? ms : STEP_MAX_MS;
}

void
fence_bed_turn(struct fence_bed *b)
{
	uint64_t ms = step_ms(b);
	struct bed *last = NULL;

	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		struct fence_host *h = &b->hosts[s];

		if (h->bed != last) {
			loop_turn(h->bed->loop, 1);
			clock_advance(h->bed->clock, ms);
		}
		last = h->bed;
		let_answer(h);
	}
}

void
fence_bed_until(struct fence_bed *b, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = clock_mono_ms(clock_system()) + 120000;

	while (!cond(arg)) {
		assert_true(clock_mono_ms(clock_system()) < end);
		fence_bed_turn(b);
	}
}

void
fence_bed_pass(struct fence_bed *b, uint64_t ms)
{
	uint64_t end = fence_bed_now_ms(b) + ms;

	while (fence_bed_now_ms(b) < end)
		fence_bed_turn(b);
}

bool
fence_host_is_seen(void *host)
{
	const struct fence_host *h = host;
	const Drover__Beat *other = h->all->hosts[h->slot == 1 ? 2 : 1].beat;

	return h->inc && other && other->n_words == 1 && other->words[0]->read &&
	       !other->words[0]->dead && other->words[0]->inc == h->inc;
}

/* ---- hosts ---- */

struct fence_host *
fence_bed_host(struct fence_bed *b, uint32_t slot)
{
	return &b->hosts[slot];
}

void
fence_host_open(struct fence_host *h)
{
	const struct fence_hands hands = { hand_store, hand_copy, hand_each, hand_arm,
		hand_shut_down, hand_kill, hand_restart, hand_send, hand_reset,
		hand_watchdog, h };
	AUTO_FREE char *name = xasprintf("fence-%u", h->slot);
	const struct fence_conf c = {
		.loop = h->bed->loop,
		.savers = h->bed->workers,
		.path = bed_path(h->bed, name),
		.boot = "boot",
		.ping = h->ping,
	};
	struct err e = ERR_INIT;

	assert_int_equal(fence_open(&c, &hands, &h->fence, &e), 0);
	fence_start(h->fence);
}

void
fence_host_close(struct fence_host *h)
{
	fence_free(MOVE(h->fence));
	drover__beat__free_unpacked(MOVE(h->beat), NULL);
	drover__beat__free_unpacked(MOVE(h->whole), NULL);
}

const Drover__RunWord *
fence_host_word(const struct fence_host *h, uint64_t guest)
{
	for (size_t i = 0; h->whole && i < h->whole->n_runs; i++) {
		if (h->whole->runs[i]->guest == guest)
			return h->whole->runs[i];
	}
	return NULL;
}

const char *
fence_bed_file(const struct fence_bed *b, const char *name)
{
	AUTO_FREE char *below = xasprintf("ds/%s", name);

	return bed_path(b->hosts[1].bed, below);
}

static struct datastore *
attach(struct bed *bed, uint64_t number, const char *folder, const char *uuid)
{
	Drover__DatastoreSpec spec = DROVER__DATASTORE_SPEC__INIT;
	AUTO_FREE char *path = xstrdup(bed_path(bed, folder));
	struct datastore *ds;
	struct err e = ERR_INIT;

	spec.datastore = number;
	spec.uuid = borrow(uuid);
	spec.name = borrow(folder);
	spec.type = borrow("dir");
	spec.path = path;
	spec.create = true;
	assert_int_equal(datastore_attach(&spec, bed->dir, &ds, &e), 0);
	return ds;
}

struct fence_bed *
fence_bed_over(struct bed *one, struct bed *two)
{
	struct fence_bed *b = xcalloc(1, sizeof(*b));
	struct bed *beds[] = { NULL, one, two };

	log_set_level(LOG_LEVEL_ERR);
	assert_int_equal(log_to_file("/dev/null", NULL), 0);
	b->ds = attach(one, FENCE_BED_STORE, "ds", UUID);
	b->other_ds = attach(one, FENCE_BED_OTHER_STORE, "other", OTHER_UUID);
	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		b->hosts[s].all = b;
		b->hosts[s].bed = beds[s];
		b->hosts[s].slot = s;
	}
	/* So that what was sent before the test began has a time, too. */
	clock_advance(one->clock, 100000);
	if (two != one)
		clock_advance(two->clock, 100000);
	return b;
}

void
fence_bed_free(struct fence_bed *b)
{
	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		fence_host_close(&b->hosts[s]);
		fence_ping_free(b->hosts[s].ping);
	}
	datastore_unref(b->ds);
	datastore_unref(b->other_ds);
	free(b);
}

int
fence_bed_setup(void **state)
{
	struct bed *bed = bed_new();
	struct fence_bed *b = fence_bed_over(bed, bed);

	b->own = bed;
	b->flows = flows_new(bed->loop);
	b->hosts[1].flows = b->hosts[2].flows = b->flows;
	*state = b;
	return 0;
}

int
fence_bed_teardown(void **state)
{
	struct fence_bed *b = *state;
	struct bed *bed = b->own;

	flows_free(b->flows);
	fence_bed_free(b);
	bed_free(bed);
	return 0;
}

/* ---- guests ---- */

static void
claim_free(Drover__RunClaim *c)
{
	drover__run_claim__free_unpacked(c, NULL);
}

DEFINE_AUTO(run_claim, Drover__RunClaim *, claim_free)

Drover__RunClaim *
fence_try_claim(const struct fence_try *t)
{
	Drover__RunClaim *c = xcalloc(1, sizeof(*c));
	Drover__HaGuest *ha = xcalloc(1, sizeof(*ha));

	drover__run_claim__init(c);
	drover__ha_guest__init(ha);
	c->guest = ha;
	ha->guest = t->guest;
	ha->authority = DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED;
	ha->response = t->host->all->response;
	ha->datastore =
	    t->host->all->guest_store ? t->host->all->guest_store : FENCE_BED_STORE;
	ha->restart = true;
	if (!t->attest_slot)
		return c;
	c->attests = xcalloc(1, sizeof(Drover__ClaimAttest *));
	c->attests[0] = xcalloc(1, sizeof(Drover__ClaimAttest));
	c->n_attests = 1;
	drover__claim_attest__init(c->attests[0]);
	c->attests[0]->proof = DROVER__CLAIM_PROOF__CLAIM_PROOF_NETFENCED;
	c->attests[0]->slot = t->attest_slot;
	c->attests[0]->inc = t->attest_inc;
	return c;
}

void
fence_try_begin(struct fence_try *t)
{
	AUTO(run_claim) Drover__RunClaim *c = fence_try_claim(t);
	const struct fence_wish w = { t->guest, t->gen, t->how, c };

	t->host->known[t->guest] = true;
	t->host->copies[t->guest] =
	    (struct fence_copy){ .guest = t->guest, .run_gen = t->gen, .busy = true };
	fence_claim(t->host->fence, &w,
	    waiter_start(&t->waiter, t->host->bed->loop, t->host->flows));
}

static bool
has_ended(void *arg)
{
	return ((struct fence_try *)arg)->waiter.ended;
}

int
fence_try_end(struct fence_try *t)
{
	fence_bed_until(t->host->all, has_ended, t);
	return t->waiter.rc;
}

int
fence_host_drop(struct fence_host *h, uint64_t guest, enum fence_end how)
{
	struct fence_try t = { .host = h };

	fence_drop(
	    h->fence, guest, how, waiter_start(&t.waiter, h->bed->loop, h->flows));
	return fence_try_end(&t);
}

void
fence_host_run(struct fence_host *h, uint64_t guest, uint64_t gen)
{
	struct fence_copy *c = &h->copies[guest];
	uint64_t until;
	struct err e = ERR_INIT;

	assert_int_equal(fence_guard_until_us(h->fence, guest, &until, &e), 0);
	assert_int_not_equal(until, 0);
	h->known[guest] = true;
	*c = (struct fence_copy){ .guest = guest,
		.run_gen = gen,
		.alive = true,
		.guarded = true,
		.heard = true,
		.guard_us = until };
	fence_changed(h->fence);
}

void
fence_host_reap(struct fence_host *h, uint64_t guest, bool wanted)
{
	h->copies[guest].alive = false;
	h->copies[guest].wanted = wanted;
	h->copies[guest].guarded = h->copies[guest].heard = false;
	if (h->fence)
		fence_changed(h->fence);
}

/* ---- a play to begin with ---- */

struct fence_host *
fence_host_up(struct fence_bed *b, uint32_t slot)
{
	struct fence_host *h = fence_bed_host(b, slot);

	fence_host_open(h);
	fence_host_conf(h);
	return h;
}

struct fence_host *
fence_bed_two(struct fence_bed *b, uint64_t guest)
{
	struct fence_host *h = fence_host_up(b, 1);
	struct fence_try t = { .host = h, .guest = guest, .gen = 1 };

	fence_host_up(b, 2);
	fence_bed_until(b, fence_host_is_seen, h);
	fence_bed_until(b, fence_host_is_seen, fence_bed_host(b, 2));
	fence_try_begin(&t);
	assert_int_equal(fence_try_end(&t), 0);
	fence_host_run(h, guest, 1);
	return h;
}

struct word {
	struct fence_host *h;
	uint64_t guest;
	Drover__RunPhase phase;
	bool alive;
};

static bool
is_said(void *arg)
{
	const struct word *want = arg;
	const Drover__RunWord *w = fence_host_word(want->h, want->guest);

	return w && w->phase == want->phase && w->alive == want->alive;
}

void
fence_host_until(
    struct fence_host *h, uint64_t guest, Drover__RunPhase phase, bool alive)
{
	struct word w = { h, guest, phase, alive };

	fence_bed_until(h->all, is_said, &w);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/ha/ha_decide.h"

#define NOW   1000000u
#define HOSTS 20u
#define OUT   (NOW - 3500u) /* a grant that ended then is out: K, drift, settling */

struct bed {
	struct lease_terms terms;
	struct ha_host hosts[HOSTS];
	enum ha_is is[HOSTS];
	struct ha_effect list[HA_EFFECTS(HOSTS)];
	struct ha_view view;
	struct ha_state state;
	struct ha_effects out;
};

static void
bed_init(struct bed *b)
{
	*b = (struct bed){ .terms = lease_preset(LEASE_SOFTWARE) };
	for (uint32_t i = 0; i < HOSTS; i++)
		b->hosts[i] = (struct ha_host){ .host_id = i + 1,
			.heard_ms = NOW - 500,
			.grants_end_ms = NOW + 3500,
			.beat = HA_BEAT_MOVES,
			.protected_guests = 3 };
	b->view = (struct ha_view){ .hosts = b->hosts,
		.n = 5,
		.terms = &b->terms,
		.beat_ms = 1000,
		.lead_since_ms = NOW - 60000,
		.reported = 5 };
	b->state.is = b->is;
	b->out.list = b->list;
}

static void
look_at(struct bed *b, uint64_t now_ms)
{
	ha_decide(&b->view, now_ms, &b->state, &b->out);
}

static void
look(struct bed *b)
{
	look_at(b, NOW);
}

static bool
has(const struct bed *b, enum ha_do what, size_t host)
{
	for (size_t i = 0; i < b->out.n; i++)
		if (b->list[i].what == what && b->list[i].host == host)
			return true;
	return false;
}

static void
each_host_is_what_its_two_witnesses_say(void **state)
{
	static const struct {
		const char *what;
		struct ha_host host; /* heard_ms and the like: before NOW */
		enum ha_is want;
		bool fences;
	} rows[] = {
		{ "well", { .heard_ms = 2999, .beat = HA_BEAT_UNREAD }, HA_UP, false },
		{ "silent, seen", { .heard_ms = 3000, .beat = HA_BEAT_MOVES },
		    HA_PARTITIONED, false },
		{ "seen for ever", { .heard_ms = 900000, .beat = HA_BEAT_MOVES },
		    HA_PARTITIONED, false },
		{ "says so",
		    { .heard_ms = 9000, .beat = HA_BEAT_MOVES, .says_isolated = true },
		    HA_ISOLATED, false },
		{ "grants may hold",
		    { .heard_ms = 9000, .beat = HA_BEAT_DEAD, .grants_end_ms = 3499 },
		    HA_SUSPECT, false },
		{ "grants are out",
		    { .heard_ms = 9000, .beat = HA_BEAT_STILL, .grants_end_ms = 3500 },
		    HA_DEAD, true },
		{ "grants are out, nobody reads",
		    { .heard_ms = 9000, .beat = HA_BEAT_UNREAD, .grants_end_ms = 3500 },
		    HA_DEAD, true },
		{ "fenced before",
		    { .heard_ms = 9000, .fenced = true, .beat = HA_BEAT_MOVES },
		    HA_DEAD, false },
		{ "fenced, back", { .heard_ms = 10, .fenced = true }, HA_UP, false },
		{ "no power, grants hold",
		    { .heard_ms = 3000, .powered_off = true, .grants_end_ms = 0 },
		    HA_DEAD, true },
		{ "maintained", { .heard_ms = 90000, .mode = HA_MAINTAINED }, HA_RESTS,
		    false },
		{ "storage lost to it alone",
		    { .heard_ms = 10,
			.store_lost_ms = 20000,
			.others_have_store = true },
		    HA_STORE_LOST, false },
		{ "not long enough",
		    { .heard_ms = 10,
			.store_lost_ms = 19999,
			.others_have_store = true },
		    HA_UP, false },
		{ "storage lost to all", { .heard_ms = 10, .store_lost_ms = 90000 },
		    HA_UP, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bed b;
		bed_init(&b);
		struct ha_host *h = &b.hosts[2];
		*h = rows[i].host;
		h->heard_ms = NOW - h->heard_ms;
		h->grants_end_ms = NOW - h->grants_end_ms;
		h->store_lost_ms = h->store_lost_ms ? NOW - h->store_lost_ms : 0;
		h->protected_guests = 1;
		look(&b);
		if (b.is[2] != rows[i].want || has(&b, HA_FENCE, 2) != rows[i].fences)
			fail_msg("%s: %s", rows[i].what, ha_is_text(b.is[2]));
		assert_int_equal(has(&b, HA_SET_STATE, 2), rows[i].want != HA_UP);
		assert_int_equal(has(&b, HA_RETRIEVE, 2), rows[i].want == HA_ISOLATED);
		assert_int_equal(has(&b, HA_EVICT, 2), rows[i].want == HA_STORE_LOST);
		assert_false(has(&b, HA_SET_STATE, 1));
		/* Said once; but fenced again until the database has it. */
		look(&b);
		assert_false(has(&b, HA_SET_STATE, 2) || has(&b, HA_EVICT, 2) ||
			     has(&b, HA_RETRIEVE, 2));
		assert_int_equal(has(&b, HA_FENCE, 2), rows[i].fences);
		/* Where nothing is protected nothing is done. */
		h->protected_guests = 0;
		b.is[2] = HA_UP;
		look(&b);
		assert_int_equal(b.is[2], rows[i].want);
		assert_false(has(&b, HA_FENCE, 2) || has(&b, HA_EVICT, 2) ||
			     has(&b, HA_RETRIEVE, 2));
	}
}

static void
frozen_ends(void **state)
{
	struct bed b;

	bed_init(&b);
	b.hosts[0].heard_ms = NOW - 50000;
	b.hosts[0].grants_end_ms = OUT;
	b.hosts[0].beat = HA_BEAT_DEAD;
	b.hosts[0].mode = HA_FROZEN;
	b.hosts[0].frozen_until_ms = NOW + 1;
	look(&b);
	assert_int_equal(b.is[0], HA_RESTS);
	b.hosts[0].frozen_until_ms = NOW;
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
}

/* Its guests may have been promised a minute, by this leader or the one before. */
static void
what_was_granted_to_a_frozen_host_is_waited_out(void **state)
{
	struct bed b;

	bed_init(&b);
	b.hosts[0].heard_ms = NOW - 50000;
	b.hosts[0].grants_end_ms = OUT;
	b.hosts[0].beat = HA_BEAT_DEAD;
	b.hosts[0].was_frozen = true;
	b.hosts[0].long_end_ms = NOW - 1000;
	look(&b);
	assert_int_equal(b.is[0], HA_SUSPECT);
	b.hosts[0].long_end_ms = NOW - lease_after_end_ms(&b.terms, LEASE_FREEZE_MS);
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
}

static void
lose(struct bed *b, size_t host, enum ha_beat beat)
{
	b->hosts[host].heard_ms = NOW - 9000;
	b->hosts[host].grants_end_ms = OUT;
	b->hosts[host].beat = beat;
}

static void
many_at_once_make_us_doubt_ourselves(void **state)
{
	struct bed b;

	bed_init(&b);
	lose(&b, 0, HA_BEAT_UNREAD);
	look(&b);
	assert_false(b.state.braked); /* one of five */
	assert_int_equal(b.is[0], HA_DEAD);

	bed_init(&b);
	lose(&b, 0, HA_BEAT_UNREAD);
	lose(&b, 1, HA_BEAT_STILL);
	lose(&b, 2, HA_BEAT_DEAD);
	look(&b);
	assert_true(b.state.braked);
	assert_true(has(&b, HA_BRAKE, 0));
	assert_int_equal(b.is[0], HA_SUSPECT);
	assert_int_equal(b.is[1], HA_SUSPECT);
	assert_int_equal(b.is[2], HA_DEAD);
	look(&b);
	assert_false(has(&b, HA_BRAKE, 0));
	/* What is fenced has been dealt with, and no longer holds up the rest. */
	b.hosts[2].fenced = b.hosts[1].fenced = true;
	look(&b);
	/* Nor is one dead at once for being the last of many to come back. */
	assert_true(b.state.braked);
	assert_int_equal(b.is[0], HA_SUSPECT);
	for (size_t i = 3; i < b.view.n; i++)
		b.hosts[i].heard_ms = NOW + HA_BRAKE_HOLD_MS;
	look_at(&b, NOW + HA_BRAKE_HOLD_MS - 1);
	assert_int_equal(b.is[0], HA_SUSPECT);
	look_at(&b, NOW + HA_BRAKE_HOLD_MS);
	assert_true(has(&b, HA_RELEASE_BRAKE, 0));
	assert_int_equal(b.is[0], HA_DEAD);

	/* Two of three are; three of ten are not more than 30 %. */
	bed_init(&b);
	b.view.n = 3;
	lose(&b, 0, HA_BEAT_UNREAD);
	lose(&b, 1, HA_BEAT_UNREAD);
	look(&b);
	assert_true(b.state.braked);
	bed_init(&b);
	b.view.n = 10;
	for (size_t i = 0; i < 3; i++)
		lose(&b, i, HA_BEAT_UNREAD);
	look(&b);
	assert_false(b.state.braked);

	/* One of three is a third, but no mass. */
	bed_init(&b);
	b.view.n = 3;
	lose(&b, 0, HA_BEAT_UNREAD);
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
}

static void
a_new_leader_waits(void **state)
{
	struct bed b;
	struct ha_host h = { .grants_end_ms = 5, .long_end_ms = 6, .heard_ms = 7 };

	ha_take_over(&h, NOW);
	assert_int_equal(h.heard_ms, NOW);
	assert_int_equal(h.grants_end_ms, NOW);
	assert_int_equal(h.long_end_ms, NOW + LEASE_LONG_MS);
	h.mode = HA_FROZEN;
	ha_take_over(&h, NOW);
	assert_int_equal(h.long_end_ms, NOW + LEASE_FREEZE_MS);

	bed_init(&b);
	b.view.n = 2;
	lose(&b, 0, HA_BEAT_DEAD);
	b.view.lead_since_ms = NOW - HA_COLLECT_MS + 1;
	b.view.reported = 1;
	look(&b);
	assert_int_equal(b.is[0], HA_SUSPECT);
	b.view.reported = 2;
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
	b.is[0] = HA_UP;
	b.view.n = 20;
	b.view.reported = 18;
	look(&b);
	assert_int_equal(b.is[0], HA_SUSPECT);
	b.view.reported = 19;
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
	b.is[0] = HA_UP;
	b.view.reported = 1;
	b.view.lead_since_ms--;
	look(&b);
	assert_int_equal(b.is[0], HA_DEAD);
}

static void
grants_are_clipped_and_never_given_to_the_fenced(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	struct ha_host h = { 0 };

	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 9000).length_ms, 6000);
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 3500).length_ms, 3500);
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 3500).long_ms, 0);
	h.long_leases = true;
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 3500).long_ms, LEASE_LONG_MS);
	assert_int_equal(ha_grant(&h, &t, NOW, NOW).long_ms, 0);
	assert_int_equal(ha_grant(&h, &t, NOW, NOW).length_ms, 0);
	h.mode = HA_FROZEN;
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 3500).long_ms, LEASE_FREEZE_MS);
	h.fenced = true;
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 9000).length_ms, 0);
	assert_int_equal(ha_grant(&h, &t, NOW, NOW + 9000).long_ms, 0);
}

static void
long_grants_are_waited_out_too(void **state)
{
	struct lease_terms t = lease_preset(LEASE_SOFTWARE);
	struct ha_host h = { .grants_end_ms = OUT, .long_end_ms = NOW - 4579 };

	assert_true(ha_netfence_ready(&h, &t, HA_SHORT, NOW));
	assert_false(ha_netfence_ready(&h, &t, HA_LONG, NOW));
	h.long_end_ms--;
	assert_true(ha_netfence_ready(&h, &t, HA_LONG, NOW));
	h.grants_end_ms++;
	assert_false(ha_netfence_ready(&h, &t, HA_SHORT, NOW));
	assert_false(ha_netfence_ready(&h, &t, HA_LONG, NOW));
}

static void
a_lost_answer_to_a_join_is_told_again(void **state)
{
	struct ha_host h = { 0 };

	assert_int_equal(ha_join(&h, 4, 4), HA_JOIN_RAISE);
	assert_int_equal(ha_join(&h, 5, 4), HA_JOIN_TELL);
	/* Fenced before it ever heard of it. */
	h.fenced = true;
	assert_int_equal(ha_join(&h, 5, 4), HA_JOIN_RAISE);
}

static void
words_add_up(void **state)
{
	static const struct {
		struct ha_word words[3];
		enum ha_beat want;
	} rows[] = {
		{ { { 0 }, { 0 }, { 0 } }, HA_BEAT_UNREAD },
		{ { { false, true, 99999 }, { 0 }, { 0 } }, HA_BEAT_UNREAD },
		{ { { true, false, 2999 }, { 0 }, { 0 } }, HA_BEAT_MOVES },
		{ { { true, false, 3000 }, { 0 }, { 0 } }, HA_BEAT_STILL },
		{ { { true, false, 3000 }, { true, true, 9500 }, { 0 } },
		    HA_BEAT_DEAD },
		{ { { true, true, 9500 }, { true, false, 9000 }, { 0 } },
		    HA_BEAT_DEAD },
		/* One who sees it move is right. */
		{ { { true, true, 9500 }, { 0 }, { true, false, 100 } },
		    HA_BEAT_MOVES },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (ha_weigh(rows[i].words, 3, 1000) != rows[i].want)
			fail_msg("row %zu", i);
	assert_int_equal(ha_weigh(NULL, 0, 1000), HA_BEAT_UNREAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_host_is_what_its_two_witnesses_say),
		cmocka_unit_test(frozen_ends),
		cmocka_unit_test(what_was_granted_to_a_frozen_host_is_waited_out),
		cmocka_unit_test(many_at_once_make_us_doubt_ourselves),
		cmocka_unit_test(a_new_leader_waits),
		cmocka_unit_test(grants_are_clipped_and_never_given_to_the_fenced),
		cmocka_unit_test(long_grants_are_waited_out_too),
		cmocka_unit_test(a_lost_answer_to_a_join_is_told_again),
		cmocka_unit_test(words_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

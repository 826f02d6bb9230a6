#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"
#include "host-agent/collect/live.h"
#include "tests/lib/guest_world.h"

#define EVERY_MS 2000u
#define LEASE_MS 30000u

struct seen {
	struct live *live;
	unsigned rounds;
	Drover__StatRound *last;
};

static void
on_round(void *arg, Drover__StatRound *r)
{
	struct seen *s = arg;
	size_t n = drover__stat_round__get_packed_size(r);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__stat_round__pack(r, p);
	if (s->last)
		drover__stat_round__free_unpacked(s->last, NULL);
	s->last = drover__stat_round__unpack(NULL, n, p);
	s->rounds++;
}

/* Two guests that run, on a whole machine or a share of one. */
static void
open_live(struct world *w, struct seen *s, bool is_share)
{
	const struct live_conf c = {
		.look = { .loop = w->bed->loop,
		    .guests = w->guests,
		    .share = { .cpus = 2,
			.mhz = 1000,
			.memory_bytes = 1 << 30,
			.partial = is_share },
		    .root = "" },
		.send = on_round,
		.arg = s,
	};

	for (uint64_t i = 1; i <= 2; i++) {
		assert_int_equal(world_create(w, i), 0);
		assert_int_equal(world_start(w, i, 1), 0);
	}
	s->live = live_new(&c);
}

static void
close_live(struct seen *s)
{
	live_free(s->live);
	if (s->last)
		drover__stat_round__free_unpacked(s->last, NULL);
}

static void
go(struct world *w, uint64_t ms)
{
	clock_advance(w->bed->clock, ms);
	bed_settle(w->bed);
}

static void
watch(struct seen *s, size_t n, const uint64_t *ids)
{
	Drover__StatWatch m = DROVER__STAT_WATCH__INIT;
	AUTO_FREE uint64_t *copy = xcalloc(n + 1, sizeof(*copy));

	for (size_t i = 0; i < n; i++)
		copy[i] = ids[i];
	m.n_objects = n;
	m.objects = copy;
	m.interval_ms = EVERY_MS;
	m.lease_ms = LEASE_MS;
	live_watch(s->live, &m);
}

static bool
has_counter(const Drover__StatSet *set, uint32_t counter)
{
	for (size_t i = 0; i < set->n_counters; i++) {
		if (set->counters[i] == counter)
			return true;
	}
	return false;
}

static void
only_what_is_watched_is_sampled(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_live(w, &s, false);
	go(w, LEASE_MS);
	assert_int_equal(s.rounds, 0);
	assert_false(live_is_on(s.live));
	watch(&s, 1, (const uint64_t[]){ 2 });
	go(w, EVERY_MS);
	assert_int_equal(s.rounds, 1);
	assert_int_equal(s.last->span_ms, EVERY_MS);
	assert_null(s.last->host);
	assert_int_equal(s.last->n_guests, 1);
	assert_int_equal(s.last->guests[0]->id, 2);
	assert_true(has_counter(s.last->guests[0], METRIC_CPU_USAGE));
	assert_int_equal(s.last->n_instances, 0);
	/* Who comes later has no rates at first. */
	watch(&s, 3, (const uint64_t[]){ 2, 0, 4711 });
	go(w, EVERY_MS);
	assert_int_equal(s.last->n_guests, 1);
	assert_true(has_counter(s.last->host, METRIC_MEM_CONSUMED));
	assert_false(has_counter(s.last->host, METRIC_CPU_USAGE));
	go(w, EVERY_MS);
	assert_true(has_counter(s.last->host, METRIC_CPU_USAGE));
	close_live(&s);
}

/* It is known by its guests, who are not told of. */
static void
a_share_of_a_machine_is_watched_alone(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_live(w, &s, true);
	watch(&s, 1, (const uint64_t[]){ 0 });
	go(w, EVERY_MS);
	assert_int_equal(s.rounds, 1);
	assert_int_equal(s.last->n_guests, 0);
	assert_true(has_counter(s.last->host, METRIC_CPU_USAGE));
	assert_true(has_counter(s.last->host, METRIC_MEM_CONSUMED));
	close_live(&s);
}

static void
a_lease_ends_unless_it_is_renewed(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_live(w, &s, false);
	watch(&s, 1, (const uint64_t[]){ 1 });
	go(w, LEASE_MS - 1000);
	watch(&s, 1, (const uint64_t[]){ 1 });
	go(w, LEASE_MS - 1000);
	assert_true(live_is_on(s.live));
	go(w, 1000);
	assert_false(live_is_on(s.live));
	s.rounds = 0;
	go(w, LEASE_MS);
	assert_int_equal(s.rounds, 0);
	close_live(&s);
}

static void
nobody_and_a_lost_link_end_it(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_live(w, &s, false);
	watch(&s, 1, (const uint64_t[]){ 1 });
	watch(&s, 0, NULL);
	assert_false(live_is_on(s.live));
	watch(&s, 1, (const uint64_t[]){ 1 });
	assert_true(live_is_on(s.live));
	live_link_down(s.live);
	assert_false(live_is_on(s.live));
	go(w, EVERY_MS);
	assert_int_equal(s.rounds, 0);
	close_live(&s);
}

static void
bad_words_of_the_server_change_nothing(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	uint64_t ids[2 * LIVE_OBJECTS_MAX] = { 1 };
	Drover__StatWatch m = DROVER__STAT_WATCH__INIT;

	open_live(w, &s, false);
	m.n_objects = 1;
	m.objects = ids;
	m.interval_ms = LIVE_MIN_MS - 1;
	m.lease_ms = LEASE_MS;
	live_watch(s.live, &m);
	assert_false(live_is_on(s.live));
	m.interval_ms = EVERY_MS;
	m.lease_ms = LIVE_LEASE_MAX_MS + 1;
	live_watch(s.live, &m);
	assert_false(live_is_on(s.live));
	/* More than there may be. */
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = 1000 + i;
	ids[ARRAY_SIZE(ids) - 1] = 1;
	watch(&s, ARRAY_SIZE(ids), ids);
	go(w, EVERY_MS);
	assert_int_equal(s.last->n_guests, 0);
	close_live(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    only_what_is_watched_is_sampled, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_share_of_a_machine_is_watched_alone, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_lease_ends_unless_it_is_renewed, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    nobody_and_a_lost_link_end_it, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(bad_words_of_the_server_change_nothing,
		    world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metric.h"
#include "base/str.h"
#include "host-agent/collect/sampler.h"
#include "tests/lib/guest_world.h"

#define STEP_MS 1000u

struct seen {
	struct sampler *sampler;
	bool down;
	unsigned batches;
	Drover__StatBatch *last;
};

static bool
on_batch(void *arg, Drover__StatBatch *b)
{
	struct seen *s = arg;
	size_t n = drover__stat_batch__get_packed_size(b);
	uint8_t *p = xmalloc(n + 1);

	if (!s->down) {
		drover__stat_batch__pack(b, p);
		drover__stat_batch__free_unpacked(s->last, NULL);
		s->last = drover__stat_batch__unpack(NULL, n, p);
		s->batches++;
	}
	free(p);
	return !s->down;
}

static void
open_sampler(struct world *w, struct seen *s)
{
	const struct sampler_conf c = {
		.look = { .loop = w->bed->loop,
		    .guests = w->guests,
		    .share = { .cpus = 2, .mhz = 1000, .memory_bytes = 1 << 30 },
		    .root = "" },
		.send = on_batch,
		.arg = s,
	};

	s->sampler = sampler_new(&c);
}

static void
close_sampler(struct seen *s)
{
	sampler_free(s->sampler);
	drover__stat_batch__free_unpacked(s->last, NULL);
}

static void
go(struct world *w, uint64_t ms)
{
	clock_advance(w->bed->clock, ms);
	bed_settle(w->bed);
}

static void
ack(struct seen *s, uint64_t seq, uint32_t interval_ms, uint32_t due_ms)
{
	Drover__StatAck a = DROVER__STAT_ACK__INIT;

	a.seq = seq;
	a.interval_ms = interval_ms;
	a.due_ms = due_ms;
	sampler_ack(s->sampler, &a);
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

static bool
has_instance(
    const Drover__StatRound *r, uint64_t id, const char *name, uint32_t counter)
{
	for (size_t i = 0; i < r->n_instances; i++) {
		const Drover__StatSet *set = r->instances[i];

		if (set->id == id && str_same(set->instance, name) &&
		    has_counter(set, counter))
			return true;
	}
	return false;
}

static void
samples_when_the_server_says(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	const Drover__StatRound *r;

	assert_int_equal(world_create(w, 1), 0);
	assert_int_equal(world_create(w, 2), 0);
	assert_int_equal(world_start(w, 1, 1), 0);
	open_sampler(w, &s);
	go(w, 60000);
	assert_int_equal(s.batches, 0);
	sampler_welcome(s.sampler, STEP_MS);
	assert_int_equal(s.batches, 1);
	assert_int_equal(s.last->n_rounds, 0);
	ack(&s, 0, STEP_MS, 700);
	go(w, 699);
	assert_int_equal(s.batches, 1);
	go(w, 1);
	assert_int_equal(s.batches, 2);
	assert_int_equal(s.last->n_rounds, 1);
	r = s.last->rounds[0];
	assert_int_equal(r->seq, 1);
	assert_int_equal(r->age_ms, 0);
	assert_int_equal(r->span_ms, 700);
	assert_true(has_counter(r->host, METRIC_MEM_CONSUMED));
	assert_true(has_instance(r, 0, "cpu0", METRIC_CPU_USAGE));
	assert_false(has_instance(r, 0, "cpu0", METRIC_CPU_USAGEMHZ));
	/* One that is down is a gap. */
	assert_int_equal(r->n_guests, 1);
	assert_int_equal(r->guests[0]->id, 1);
	assert_true(has_counter(r->guests[0], METRIC_CPU_USAGE));
	assert_true(has_counter(r->guests[0], METRIC_SYS_UPTIME));
	close_sampler(&s);
}

static void
keeps_what_was_not_acknowledged(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_sampler(w, &s);
	sampler_welcome(s.sampler, STEP_MS);
	ack(&s, 0, STEP_MS, STEP_MS);
	go(w, STEP_MS);
	assert_int_equal(s.batches, 2);
	/* The batch that was on its way counts as lost with the link. */
	sampler_link_down(s.sampler);
	s.down = true;
	for (unsigned i = 0; i < 4; i++)
		go(w, STEP_MS);
	s.down = false;
	sampler_welcome(s.sampler, STEP_MS);
	assert_int_equal(s.batches, 3);
	assert_int_equal(s.last->n_rounds, 5);
	assert_int_equal(s.last->rounds[0]->seq, 1);
	assert_int_equal(s.last->rounds[0]->age_ms, 4 * STEP_MS);
	assert_int_equal(s.last->rounds[4]->seq, 5);
	assert_int_equal(s.last->rounds[4]->age_ms, 0);
	ack(&s, 4, STEP_MS, STEP_MS);
	assert_int_equal(s.batches, 4);
	assert_int_equal(s.last->n_rounds, 1);
	assert_int_equal(s.last->rounds[0]->seq, 5);
	ack(&s, 5, STEP_MS, STEP_MS);
	assert_int_equal(s.batches, 4);
	close_sampler(&s);
}

static void
keeps_an_hour_and_the_newest(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };
	const uint32_t step = SAMPLER_MAX_MS;

	open_sampler(w, &s);
	sampler_welcome(s.sampler, step);
	ack(&s, 0, step, step);
	sampler_link_down(s.sampler);
	for (unsigned i = 0; i < 30; i++)
		go(w, step);
	sampler_welcome(s.sampler, step);
	assert_int_equal(s.last->n_rounds, SAMPLER_KEPT_MS / step + 1);
	assert_int_equal(s.last->rounds[s.last->n_rounds - 1]->seq, 30);
	close_sampler(&s);
}

static void
bad_words_of_the_server_change_nothing(void **state)
{
	struct world *w = *state;
	struct seen s = { 0 };

	open_sampler(w, &s);
	sampler_welcome(s.sampler, STEP_MS);
	ack(&s, 99, 0, 0);
	ack(&s, 99, 5, 1);
	ack(&s, 99, STEP_MS, STEP_MS + 1);
	go(w, 10 * STEP_MS);
	assert_int_equal(s.batches, 1);
	sampler_welcome(s.sampler, 0);
	assert_int_equal(s.batches, 1);
	close_sampler(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    samples_when_the_server_says, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    keeps_what_was_not_acknowledged, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    keeps_an_hour_and_the_newest, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(bad_words_of_the_server_change_nothing,
		    world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

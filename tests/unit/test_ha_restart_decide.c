#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/ha/ha_restart_decide.h"

#define NOW    10000000u
#define GUESTS 24u
#define HOSTS  3u

/* A scheduler that takes the first host that is not full and not avoided. */
struct bed {
	struct restart_guest guests[GUESTS];
	struct restart_order list[2 * GUESTS];
	size_t order[GUESTS];
	bool full[HOSTS];
	uint32_t starting[HOSTS];
	struct restart_view view;
	struct restart_orders out;
	size_t no_room_for; /* guest that fits nowhere; GUESTS: none */
};

static bool
place(void *arg, const struct restart_ask *ask, uint32_t *ret_host)
{
	const struct bed *b = arg;
	bool found = false;

	if (ask->guest == b->no_room_for)
		return false;
	for (uint32_t h = (uint32_t)b->view.hosts; h-- > 0;) {
		bool avoid = false;
		for (size_t i = 0; i < ask->n_avoid; i++)
			avoid = avoid || ask->avoid[i] == h;
		if (ask->full[h] || (avoid && found))
			continue;
		if (avoid && ask->n_avoid < b->view.hosts)
			continue;
		*ret_host = h;
		found = true;
	}
	return found;
}

static void
bed_init(struct bed *b, size_t n)
{
	*b = (struct bed){ .no_room_for = GUESTS };
	for (size_t i = 0; i < n; i++)
		b->guests[i] = (struct restart_guest){ .id = i + 1,
			.priority = RESTART_MEDIUM,
			.is = RESTART_WAITING,
			.lost_ms = NOW };
	b->view = (struct restart_view){ .guests = b->guests,
		.n = n,
		.hosts = HOSTS,
		.gate_limit_ms = RESTART_GATE_LIMIT_MS,
		.start_limit_ms = 60000,
		.place = place,
		.place_arg = b };
	b->out = (struct restart_orders){ .list = b->list,
		.full = b->full,
		.starting = b->starting,
		.order = b->order };
}

static void
look(struct bed *b, uint64_t now_ms)
{
	restart_sort(b->guests, b->view.n, b->order);
	ha_restart_decide(&b->view, now_ms, &b->out);
}

static size_t
count(const struct bed *b, enum restart_do what)
{
	size_t n = 0;
	for (size_t i = 0; i < b->out.n; i++)
		n += b->list[i].what == what;
	return n;
}

static bool
has(const struct bed *b, enum restart_do what, size_t guest)
{
	for (size_t i = 0; i < b->out.n; i++)
		if (b->list[i].what == what && b->list[i].guest == guest)
			return true;
	return false;
}

/* What a driver does with an order to start. */
static void
begin(struct bed *b, size_t guest, uint32_t host, uint64_t now_ms)
{
	b->guests[guest].is = RESTART_STARTING;
	b->guests[guest].host = host;
	b->guests[guest].ordered_ms = now_ms;
}

static void
the_highest_start_first_and_off_never(void **state)
{
	static const enum restart_priority priorities[] = { RESTART_LOW, RESTART_OFF,
		RESTART_HIGHEST, RESTART_MEDIUM, RESTART_HIGHEST, RESTART_LOWEST,
		RESTART_HIGH };

	static const size_t want[] = { 2, 4, 6, 3, 0, 5 };
	struct bed b;

	bed_init(&b, ARRAY_SIZE(priorities));
	for (size_t i = 0; i < ARRAY_SIZE(priorities); i++)
		b.guests[i].priority = priorities[i];
	look(&b, NOW);
	assert_int_equal(b.out.n, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(b.list[i].what, RESTART_START);
		assert_int_equal(b.list[i].guest, want[i]);
	}
}

static void
a_host_starts_eight_at_once(void **state)
{
	struct bed b;

	bed_init(&b, GUESTS);
	begin(&b, 20, 0, NOW - 1000);
	begin(&b, 21, 0, NOW - 1000);
	b.view.hosts = 2;
	look(&b, NOW);
	assert_int_equal(count(&b, RESTART_START), 2 * RESTART_PER_HOST - 2);
	assert_int_equal(b.starting[0], RESTART_PER_HOST);
	assert_int_equal(b.starting[1], RESTART_PER_HOST);
	assert_true(b.full[0] && b.full[1]);
	/* The rest is told to have no place now. */
	assert_int_equal(count(&b, RESTART_NO_PLACE), GUESTS - 2 * RESTART_PER_HOST);
}

static void
a_host_that_starts_eight_takes_no_more(void **state)
{
	struct bed b;

	bed_init(&b, RESTART_PER_HOST + 1);
	for (size_t i = 0; i < RESTART_PER_HOST; i++)
		begin(&b, i, 0, NOW - 1000);
	look(&b, NOW);
	assert_true(b.full[0]);
	assert_int_equal(b.out.n, 1);
	assert_int_equal(b.list[0].host, 1);
}

static void
what_is_held_or_runs_is_let_alone(void **state)
{
	struct bed b;

	bed_init(&b, 3);
	b.guests[0].is = RESTART_HELD;
	b.guests[1].is = RESTART_RUNNING;
	b.guests[2].is = RESTART_STARTING;
	b.guests[2].ordered_ms = NOW;
	look(&b, NOW);
	assert_int_equal(b.out.n, 0);
}

static void
a_guest_waits_for_what_it_needs(void **state)
{
	static const struct {
		enum restart_is is;
		bool heartbeat, port;
		bool passes[4]; /* none, on, heartbeat, port */
	} rows[] = {
		{ RESTART_HELD, false, false, { false, false, false, false } },
		{ RESTART_STARTING, true, true, { true, false, false, false } },
		{ RESTART_RUNNING, false, false, { true, true, false, false } },
		{ RESTART_RUNNING, true, false, { true, true, true, false } },
		{ RESTART_RUNNING, false, true, { true, true, false, true } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int gate = 0; gate < 4; gate++) {
			struct bed b;
			struct restart_need need = { 1, (enum restart_gate)gate,
				600000 };
			bed_init(&b, 2);
			b.guests[0].needs = &need;
			b.guests[0].n_needs = 1;
			b.guests[1].is = rows[i].is;
			b.guests[1].ordered_ms = NOW;
			b.guests[1].has_heartbeat = rows[i].heartbeat;
			b.guests[1].has_port = rows[i].port;
			look(&b, NOW + 1);
			if (has(&b, RESTART_START, 0) != rows[i].passes[gate])
				fail_msg("row %zu gate %d", i, gate);
			/* Not for ever. */
			b.view.start_limit_ms = 10000000;
			look(&b, NOW + 599999);
			assert_int_equal(
			    has(&b, RESTART_START, 0), rows[i].passes[gate]);
			look(&b, NOW + 600000);
			assert_true(has(&b, RESTART_START, 0));
		}
}

static void
two_that_need_each_other_start_when_their_time_is_over(void **state)
{
	struct bed b;
	struct restart_need a_needs = { 1, RESTART_GATE_ON, 5000 };
	struct restart_need b_needs = { 0, RESTART_GATE_ON, 6000 };

	bed_init(&b, 2);
	b.guests[0].needs = &a_needs;
	b.guests[1].needs = &b_needs;
	b.guests[0].n_needs = b.guests[1].n_needs = 1;
	look(&b, NOW + 4999);
	assert_int_equal(b.out.n, 0);
	look(&b, NOW + 5000);
	assert_true(has(&b, RESTART_START, 0));
}

static void
lower_priorities_wait_at_the_gate_of_higher_ones(void **state)
{
	struct bed b;

	bed_init(&b, 4);
	b.guests[0].priority = b.guests[1].priority = RESTART_HIGH;
	b.view.gates[RESTART_HIGH] = RESTART_GATE_HEARTBEAT;
	look(&b, NOW);
	/* Those of one priority go together. */
	assert_int_equal(count(&b, RESTART_START), 2);
	begin(&b, 0, 0, NOW);
	begin(&b, 1, 1, NOW);
	look(&b, NOW + 1000);
	assert_int_equal(b.out.n, 0);
	b.guests[0].is = b.guests[1].is = RESTART_RUNNING;
	b.guests[0].has_heartbeat = true;
	look(&b, NOW + 2000);
	assert_int_equal(b.out.n, 0);
	/* One that has no place or backs off holds nobody up. */
	b.guests[1].is = RESTART_WAITING;
	b.no_room_for = 1;
	look(&b, NOW + 2000);
	assert_true(has(&b, RESTART_NO_PLACE, 1));
	assert_int_equal(count(&b, RESTART_START), 2);
	b.guests[1].is = RESTART_RUNNING;
	look(&b, NOW + RESTART_GATE_LIMIT_MS - 1);
	assert_int_equal(b.out.n, 0);
	look(&b, NOW + RESTART_GATE_LIMIT_MS);
	assert_int_equal(count(&b, RESTART_START), 2);
	/* Guests that were never lost are at no gate. */
	b.guests[1].lost_ms = 0;
	look(&b, NOW + 3000);
	assert_int_equal(count(&b, RESTART_START), 2);
}

static void
failures_back_off_for_ever(void **state)
{
	static const uint64_t want[] = { 0, 10000, 20000, 40000, 80000, 160000, 300000,
		300000 };
	struct bed b;

	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(restart_backoff_ms(i), want[i]);
	assert_int_equal(restart_backoff_ms(UINT32_MAX), RESTART_BACKOFF_MAX_MS);

	bed_init(&b, 1);
	b.guests[0].is = RESTART_STARTING;
	restart_note_failure(&b.guests[0], 0, NOW);
	assert_int_equal(b.guests[0].is, RESTART_WAITING);
	look(&b, NOW + 9999);
	assert_int_equal(b.out.n, 0);
	look(&b, NOW + 10000);
	assert_true(has(&b, RESTART_START, 0));
	assert_int_equal(b.list[0].host, 1); /* another host */
	restart_note_failure(&b.guests[0], 1, NOW);
	assert_false(b.guests[0].alarmed);
	look(&b, NOW + 20000);
	assert_int_equal(b.list[0].host, 2);
	assert_int_equal(count(&b, RESTART_ALARM), 0);
	restart_note_failure(&b.guests[0], 2, NOW);
	look(&b, NOW);
	assert_int_equal(count(&b, RESTART_ALARM), 1);
	/* Said once; and goes on, where it was tried before if need be. */
	b.guests[0].alarmed = true;
	look(&b, NOW + 40000);
	assert_int_equal(count(&b, RESTART_ALARM), 0);
	assert_true(has(&b, RESTART_START, 0));
}

static void
the_last_hosts_are_remembered_once_each(void **state)
{
	struct restart_guest g = { 0 };

	for (uint32_t h = 0; h < RESTART_MAX_TRIED + 2; h++) {
		restart_note_failure(&g, h, NOW);
		restart_note_failure(&g, h, NOW);
	}
	assert_int_equal(g.n_tried, RESTART_MAX_TRIED);
	assert_int_equal(g.tried[0], 2);
	assert_int_equal(g.tried[RESTART_MAX_TRIED - 1], RESTART_MAX_TRIED + 1);
	assert_int_equal(g.failures, 2 * (RESTART_MAX_TRIED + 2));
}

static void
a_start_that_takes_too_long_has_failed(void **state)
{
	struct bed b;

	bed_init(&b, 1);
	begin(&b, 0, 2, NOW);
	look(&b, NOW + 59999);
	assert_int_equal(b.out.n, 0);
	assert_int_equal(b.starting[2], 1);
	look(&b, NOW + 60000);
	assert_int_equal(b.list[0].what, RESTART_FAIL);
	assert_int_equal(b.list[0].host, 2);
	assert_int_equal(b.starting[2], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_start_first_and_off_never),
		cmocka_unit_test(a_host_starts_eight_at_once),
		cmocka_unit_test(a_host_that_starts_eight_takes_no_more),
		cmocka_unit_test(what_is_held_or_runs_is_let_alone),
		cmocka_unit_test(a_guest_waits_for_what_it_needs),
		cmocka_unit_test(
		    two_that_need_each_other_start_when_their_time_is_over),
		cmocka_unit_test(lower_priorities_wait_at_the_gate_of_higher_ones),
		cmocka_unit_test(failures_back_off_for_ever),
		cmocka_unit_test(the_last_hosts_are_remembered_once_each),
		cmocka_unit_test(a_start_that_takes_too_long_has_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

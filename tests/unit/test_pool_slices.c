/* What hosts get of pools, by tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/pools/pool_slices.h"

#define CORE 1000u

struct world {
	struct slice_pool pools[4];
	struct slice_guest guests[16];
	struct slice_host hosts[3];
	uint64_t held[4][3]; /* by pool's position */
	struct slice_view v;
	struct arena *a;
	struct slices out;
};

static uint64_t
held(void *arg, uint64_t pool, uint32_t host)
{
	const struct world *w = arg;

	for (size_t i = 0; i < w->v.n_pools; i++) {
		if (w->pools[i].id == pool)
			return w->held[i][host];
	}
	return 0;
}

static void
divide(struct world *w)
{
	struct err e = ERR_INIT;

	w->v.pools = w->pools;
	w->v.guests = w->guests;
	w->v.hosts = w->hosts;
	w->v.held = held;
	w->v.arg = w;
	arena_free(w->a);
	w->a = arena_new();
	if (pool_slices(&w->v, w->a, &w->out, &e))
		fail_msg("%s", e.msg);
}

static void
add_guest(struct world *w, uint32_t pool, uint32_t host, uint64_t shares, uint64_t used)
{
	w->guests[w->v.n_guests] = (struct slice_guest){
		.id = w->v.n_guests + 1,
		.pool = pool,
		.host = host,
		.shares = shares,
		.demand = slice_demand(used, CORE),
		.most = CORE,
	};
	w->v.n_guests++;
}

static const struct slice *
slice_at(const struct world *w, uint32_t pool, uint32_t host)
{
	size_t i = 0;

	while (i < w->out.n && (w->out.v[i].pool != pool || w->out.v[i].host != host))
		i++;
	if (i == w->out.n)
		fail_msg("pool %u has no slice on host %u", pool, host);
	return &w->out.v[i];
}

static void
shares_are_weights_where_nothing_is_reserved(void **state)
{
	struct world w = { .hosts = { { CORE, false } } };

	w.v.n_hosts = 1;
	add_guest(&w, SLICE_ROOT, 0, 2000, CORE);
	add_guest(&w, SLICE_ROOT, 0, 1000, CORE);
	add_guest(&w, SLICE_ROOT, 0, 1000, 0);
	divide(&w);
	assert_int_equal(w.out.guest_weight[0], 2000);
	assert_int_equal(w.out.guest_weight[1], 1000);
	assert_int_equal(w.out.guest_weight[2], 1000);
	assert_int_equal(w.out.n, 0);
	arena_free(w.a);
}

/* Ten that want all there is, and one that has half a core for itself. */
static void
what_is_reserved_outweighs_greed(void **state)
{
	struct world w = { .hosts = { { CORE, false } } };
	uint64_t sum = 0;

	w.v.n_hosts = 1;
	add_guest(&w, SLICE_ROOT, 0, 1000, 400);
	w.guests[0].reservation = 500;
	for (int i = 0; i < 10; i++)
		add_guest(&w, SLICE_ROOT, 0, 1000, CORE);
	divide(&w);
	for (size_t i = 0; i < w.v.n_guests; i++)
		sum += w.out.guest_weight[i];
	assert_in_range(w.out.guest_weight[0] * 1000 / sum, 499, 501);
	assert_int_equal(w.out.guest_entitlement[0], 500);
	/* It keeps that weight while it idles, so that it has its own at once. */
	w.guests[0].demand = slice_demand(0, CORE);
	divide(&w);
	assert_true(w.out.guest_weight[0] > w.out.guest_weight[1] * 4);
	arena_free(w.a);
}

static void
a_limit_is_split_by_what_is_wanted_where(void **state)
{
	struct world w = { .pools = { { 7, SLICE_ROOT, 4000, 0, 500 } },
		.hosts = { { CORE, false }, { CORE, false } } };

	w.v.n_pools = 1;
	w.v.n_hosts = 2;
	add_guest(&w, 0, 0, 1000, CORE);
	add_guest(&w, 0, 0, 1000, CORE);
	add_guest(&w, 0, 0, 1000, CORE);
	add_guest(&w, 0, 1, 1000, CORE);
	divide(&w);
	assert_in_range(slice_at(&w, 0, 0)->limit, 373, 375);
	assert_in_range(slice_at(&w, 0, 1)->limit, 124, 126);
	assert_true(slice_at(&w, 0, 0)->limit + slice_at(&w, 0, 1)->limit <= 500);
	assert_false(w.out.waits);
	arena_free(w.a);
}

/* The first host held it all; a guest has come to the second. */
static void
nothing_is_given_before_another_host_lets_it_go(void **state)
{
	struct world w = { .pools = { { 7, SLICE_ROOT, 4000, 0, 500 } },
		.hosts = { { CORE, false }, { CORE, false } },
		.held = { { 500, 0 } } };

	w.v.n_pools = 1;
	w.v.n_hosts = 2;
	add_guest(&w, 0, 0, 1000, CORE);
	add_guest(&w, 0, 1, 1000, CORE);
	divide(&w);
	assert_int_equal(slice_at(&w, 0, 0)->limit, 250);
	assert_int_equal(slice_at(&w, 0, 1)->limit, 1);
	assert_true(w.out.waits);
	w.held[0][0] = 250;
	w.held[0][1] = 1;
	divide(&w);
	assert_int_equal(slice_at(&w, 0, 1)->limit, 250);
	assert_false(w.out.waits);
	/* One that is away keeps what it had: the other makes do with the rest. */
	w.hosts[0].is_away = true;
	w.held[0][0] = 400;
	w.held[0][1] = 100;
	divide(&w);
	assert_int_equal(slice_at(&w, 0, 0)->limit, 400);
	assert_int_equal(slice_at(&w, 0, 1)->limit, 100);
	arena_free(w.a);
}

static void
a_pool_in_a_pool_is_told_after_it(void **state)
{
	struct world w = { .pools = { { 7, SLICE_ROOT, 4000, 300, 0 },
			       { 8, 0, 2000, 100, 0 }, { 9, SLICE_ROOT, 4000, 0, 0 } },
		.hosts = { { CORE, false }, { CORE, false } } };

	w.v.n_pools = 3;
	w.v.n_hosts = 2;
	add_guest(&w, 1, 0, 1000, CORE);
	add_guest(&w, 0, 1, 1000, CORE);
	divide(&w);
	assert_int_equal(w.out.n, 3);
	assert_int_equal(w.out.v[0].pool, 0);
	assert_int_equal(w.out.v[1].pool, 1);
	/* Half of its reservation goes where half of what it is entitled to is. */
	assert_in_range(slice_at(&w, 0, 0)->reservation, 149, 151);
	assert_int_equal(slice_at(&w, 1, 0)->reservation, 100);
	arena_free(w.a);
}

static void
demand_finds_out_what_was_held_back(void **state)
{
	uint64_t used = 0;

	for (int i = 0; i < 4; i++)
		used = slice_demand(used, CORE);
	assert_int_equal(used, CORE);
	assert_int_equal(slice_demand(0, CORE), 100);
	assert_int_equal(slice_memory_demand(200, CORE), 325);
	assert_int_equal(slice_memory_demand(990, CORE), CORE);
}

static void
large_numbers_keep_their_ratio(void **state)
{
	struct world w = { .hosts = { { CORE, false } } };

	w.v.n_hosts = 1;
	add_guest(&w, SLICE_ROOT, 0, 1000000000, CORE);
	add_guest(&w, SLICE_ROOT, 0, 250000000, CORE);
	divide(&w);
	assert_int_equal(w.out.guest_weight[0], w.out.guest_weight[1] * 4);
	assert_true(w.out.guest_weight[0] <= 262144);
	arena_free(w.a);
}

/* What is left of a limit is given out to whoever may come to want it. */
static void
what_limits_leave_is_given_out_whole(void **state)
{
	struct world w = { .v = { .n_pools = 1, .n_hosts = 1, .finds_most = true } };

	w.pools[0] = (struct slice_pool){
		.id = 1, .parent = SLICE_ROOT, .shares = 1, .limit = 900
	};
	w.hosts[0] = (struct slice_host){ .capacity = 4000 };
	add_guest(&w, 0, 0, 100, 100);
	add_guest(&w, 0, 0, 300, 100);
	add_guest(&w, SLICE_ROOT, 0, 100, 0);
	w.guests[2].limit = 70;
	divide(&w);
	/* Each wants 300 of its 1000; the other 300 go by shares. */
	assert_int_equal(w.out.guest_here[0], 300);
	assert_int_equal(w.out.guest_here[1], 300);
	assert_int_equal(w.out.guest_most[0], 300);
	assert_int_equal(w.out.guest_most[1], 600);
	assert_int_equal(w.out.guest_most[2], 70);
	/* A host that lacks it for all takes what is beyond entitlements, not limits.
	 */
	w.hosts[0].capacity = 400;
	divide(&w);
	assert_true(w.out.guest_here[0] + w.out.guest_here[1] <= 400);
	assert_int_equal(w.out.guest_most[0] + w.out.guest_most[1], 900);
	arena_free(w.a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_weights_where_nothing_is_reserved),
		cmocka_unit_test(what_is_reserved_outweighs_greed),
		cmocka_unit_test(a_limit_is_split_by_what_is_wanted_where),
		cmocka_unit_test(nothing_is_given_before_another_host_lets_it_go),
		cmocka_unit_test(a_pool_in_a_pool_is_told_after_it),
		cmocka_unit_test(demand_finds_out_what_was_held_back),
		cmocka_unit_test(large_numbers_keep_their_ratio),
		cmocka_unit_test(what_limits_leave_is_given_out_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

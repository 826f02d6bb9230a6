/* Properties that hold for every snapshot, tried on seeded random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/rng.h"
#include "base/str.h"
#include "scheduler/sched.h"

#define SEEDS          400
#define MAX_HOSTS      6
#define MAX_GUESTS     16
#define DATASTORES     4
#define NETWORKS       3
#define CLUSTERS       2
#define DATASTORE_FREE 3000

/* The parts of a view, as the test knows them. */
struct parts {
	struct sched_host hosts[MAX_HOSTS];
	size_t host_count;
	struct sched_guest guests[MAX_GUESTS];
	size_t guest_count;
	uint64_t lists[MAX_HOSTS + MAX_GUESTS][DATASTORES + NETWORKS];
	struct sched_disk disks[MAX_GUESTS][2];
	char names[MAX_HOSTS + MAX_GUESTS][8];
};

/* Each of the ids 1 … n with even odds. */
static size_t
some_ids(struct rng *r, uint64_t n, uint64_t *ret_ids)
{
	size_t count = 0;

	for (uint64_t id = 1; id <= n; id++)
		if (rng_below(r, 4))
			ret_ids[count++] = id;
	return count;
}

static void
make_host(struct rng *r, struct parts *p, size_t i)
{
	struct sched_host *h = &p->hosts[i];
	uint64_t *lists = p->lists[i];

	snprintf(p->names[i], sizeof(p->names[i]), "h%zu", i + 1);
	*h = (struct sched_host){
		.id = i + 1,
		.name = p->names[i],
		.cluster = rng_below(r, CLUSTERS + 1),
		.state = rng_below(r, 5) ? SCHED_HOST_CONNECTED
					 : (enum sched_host_state)rng_below(
					       r, SCHED_HOST_STATE_COUNT_),
		.cpu_mhz = 1000 + rng_below(r, 4) * 1000,
		.cpu_cores = 1 + rng_below(r, 4),
		.memory_mb = 1000 + rng_below(r, 4) * 1000,
		.memory_overhead_mb = rng_below(r, 2) * 100,
		.engines = (uint32_t)rng_below(r, 1U << SCHED_ENGINE_COUNT_) | 1,
		.datastores = lists,
		.networks = lists + DATASTORES,
	};
	h->datastore_count = some_ids(r, DATASTORES, lists);
	h->network_count = some_ids(r, NETWORKS, lists + DATASTORES);
}

static void
make_guest(struct rng *r, struct parts *p, size_t i)
{
	struct sched_guest *g = &p->guests[i];
	uint64_t *lists = p->lists[MAX_HOSTS + i];
	char *name = p->names[MAX_HOSTS + i];

	snprintf(name, sizeof(p->names[0]), "g%zu", i + 1);
	*g = (struct sched_guest){
		.id = i + 1,
		.name = name,
		.host = rng_below(r, 3) ? 0 : 1 + rng_below(r, p->host_count),
		.cluster = rng_below(r, 4) ? 0 : 1 + rng_below(r, CLUSTERS),
		.want_host = rng_below(r, 8) ? 0 : 1 + rng_below(r, p->host_count),
		.num_cpu = 1 + rng_below(r, 3),
		.memory_mb = 100 + rng_below(r, 9) * 100,
		.engines = rng_below(r, 3) ? 1 : 3,
		.disks = p->disks[i],
		.disk_count = rng_below(r, 3),
		.networks = lists,
		.network_count = rng_below(r, 2),
	};
	lists[0] = 1 + rng_below(r, NETWORKS);
	if (g->host)
		g->state =
		    (enum sched_guest_state)rng_below(r, SCHED_GUEST_STATE_COUNT_);
	for (size_t d = 0; d < 2; d++) {
		struct sched_disk *disk = &p->disks[i][d];

		disk->need_mb = rng_below(r, 8) * 100;
		if (g->host || !rng_below(r, 3))
			disk->datastore = 1 + rng_below(r, DATASTORES);
		else if (!rng_below(r, 3))
			disk->backing_datastore = 1 + rng_below(r, DATASTORES);
	}
}

static void
make_parts(uint64_t seed, struct parts *p)
{
	struct rng r;

	memset(p, 0, sizeof(*p));
	rng_seed(&r, seed);
	p->host_count = 1 + rng_below(&r, MAX_HOSTS);
	p->guest_count = 1 + rng_below(&r, MAX_GUESTS);
	for (size_t i = 0; i < p->host_count; i++)
		make_host(&r, p, i);
	for (size_t i = 0; i < p->guest_count; i++)
		make_guest(&r, p, i);
}

enum order { IN_ORDER, BACKWARDS };

static size_t
pick(size_t i, size_t count, enum order order)
{
	return order == IN_ORDER ? i : count - 1 - i;
}

static void
add_surroundings(struct sched_view *v)
{
	for (uint64_t id = 1; id <= CLUSTERS; id++) {
		struct sched_cluster c = { id, "c", sched_policy_default() };

		c.policy.memory_overcommit_permille = 500 + id * 500;
		ASSERT(sched_view_add_cluster(v, &c, NULL) == 0);
	}
	for (uint64_t id = 1; id <= DATASTORES; id++) {
		struct sched_datastore d = { id, "d", 10000, DATASTORE_FREE };

		ASSERT(sched_view_add_datastore(v, &d, NULL) == 0);
	}
	for (uint64_t id = 1; id <= NETWORKS; id++) {
		struct sched_network n = { id, "n" };

		ASSERT(sched_view_add_network(v, &n, NULL) == 0);
	}
}

static struct sched_view *
view_of(const struct parts *p, enum order order)
{
	struct sched_view *v = sched_view_new();

	for (size_t i = 0; i < p->guest_count; i++)
		ASSERT(sched_view_add_guest(
			   v, &p->guests[pick(i, p->guest_count, order)], NULL) == 0);
	for (size_t i = 0; i < p->host_count; i++)
		ASSERT(sched_view_add_host(
			   v, &p->hosts[pick(i, p->host_count, order)], NULL) == 0);
	add_surroundings(v);
	ASSERT(sched_view_finish(v, NULL) == 0);
	return v;
}

static struct sched_plan *
place_unplaced(const struct sched_view *v)
{
	struct sched_plan *plan = NULL;
	size_t count;
	const uint64_t *guests = sched_view_unplaced(v, &count);

	ASSERT(sched_place_many(v, guests, count, SCHED_EXPLAIN, &plan, NULL) == 0);
	return plan;
}

/* What each host and datastore carries, by id, counted the slow and plain way. */
struct carried {
	uint64_t memory_mb[MAX_HOSTS + 1];
	uint64_t vcpus[MAX_HOSTS + 1];
	uint64_t need_mb[DATASTORES + 1];
};

static void
carry(struct carried *c, const struct sched_guest *g, uint64_t host)
{
	c->memory_mb[host] += g->memory_mb;
	c->vcpus[host] += g->num_cpu;
}

static void
count_carried(const struct parts *p, const struct sched_plan *plan, struct carried *c)
{
	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < p->guest_count; i++) {
		const struct sched_guest *g = &p->guests[i];

		if (g->host && g->state != SCHED_GUEST_OFF)
			carry(c, g, g->host);
		for (size_t d = 0; g->host && d < g->disk_count; d++)
			c->need_mb[g->disks[d].datastore] += g->disks[d].need_mb;
	}
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct sched_move *m = &plan->moves[i];
		const struct sched_guest *g = &p->guests[m->guest - 1];

		if (m->code)
			continue;
		carry(c, g, m->to);
		for (size_t d = 0; d < g->disk_count; d++)
			c->need_mb[m->datastores[d]] += g->disks[d].need_mb;
	}
}

static uint64_t
memory_limit(const struct sched_host *h)
{
	uint64_t permille = h->cluster ? 500 + h->cluster * 500 : 1000;

	return (h->memory_mb - h->memory_overhead_mb) * permille / 1000;
}

static bool
is_among(uint64_t id, const uint64_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* All that does not depend on what else is there. */
static bool
suits(const struct sched_host *h, const struct sched_guest *g)
{
	if (h->state != SCHED_HOST_CONNECTED || (g->engines & ~h->engines))
		return false;
	if ((g->cluster && g->cluster != h->cluster) ||
	    (g->want_host && g->want_host != h->id) || g->num_cpu > h->cpu_cores)
		return false;
	for (size_t i = 0; i < g->network_count; i++)
		if (!is_among(g->networks[i], h->networks, h->network_count))
			return false;
	return true;
}

static void
expect_sound(const struct parts *p, const struct sched_plan *plan)
{
	struct carried c;

	count_carried(p, plan, &c);
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct sched_move *m = &plan->moves[i];
		const struct sched_guest *g = &p->guests[m->guest - 1];
		const struct sched_host *h;

		if (m->code)
			continue;
		h = &p->hosts[m->to - 1];
		assert_true(suits(h, g));
		assert_true(c.memory_mb[h->id] <= memory_limit(h));
		assert_true(c.vcpus[h->id] <= h->cpu_cores * 16);
		for (size_t d = 0; d < g->disk_count; d++) {
			const struct sched_disk *disk = &g->disks[d];
			uint64_t to = m->datastores[d];
			uint64_t demanded =
			    disk->datastore ? disk->datastore : disk->backing_datastore;

			assert_true(is_among(to, h->datastores, h->datastore_count));
			assert_true(!demanded || demanded == to);
			assert_true(!disk->need_mb || c.need_mb[to] <= DATASTORE_FREE);
		}
	}
}

/* Room only shrinks along a batch: who was refused finds no host at its end either. */
static void
expect_complete(const struct parts *p, const struct sched_plan *plan)
{
	struct carried c;

	count_carried(p, plan, &c);
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct sched_guest *g = &p->guests[plan->moves[i].guest - 1];

		if (!plan->moves[i].code || g->disk_count)
			continue;
		for (size_t k = 0; k < p->host_count; k++) {
			const struct sched_host *h = &p->hosts[k];

			assert_false(
			    suits(h, g) &&
			    c.memory_mb[h->id] + g->memory_mb <= memory_limit(h) &&
			    c.vcpus[h->id] + g->num_cpu <= h->cpu_cores * 16);
		}
	}
}

static void
test_plans_are_sound_and_complete(void **state)
{
	size_t placed = 0, refused = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct parts p;
		AUTO(sched_view) struct sched_view *v = NULL;
		AUTO(sched_plan) struct sched_plan *plan = NULL;

		make_parts(seed, &p);
		v = view_of(&p, IN_ORDER);
		plan = place_unplaced(v);
		expect_sound(&p, plan);
		expect_complete(&p, plan);
		placed += plan->move_count - plan->refused;
		refused += plan->refused;
	}
	/* The views are worth something only if both happen often. */
	assert_true(placed > SEEDS);
	assert_true(refused > SEEDS);
}

static char *
plan_bytes(const struct sched_view *v)
{
	AUTO(sched_plan) struct sched_plan *plan = place_unplaced(v);
	AUTO(json) json *j = sched_plan_json(plan);
	AUTO(str) struct str text = STR_INIT;
	AUTO_FREE char *json_bytes = json_text(j);

	sched_plan_text(plan, &text);
	str_add(&text, json_bytes);
	return str_take(&text);
}

static void
test_same_bytes_whatever_the_order(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct parts p;
		AUTO(sched_view) struct sched_view *v = NULL;
		AUTO(sched_view) struct sched_view *backwards = NULL;
		AUTO_FREE char *first = NULL;
		AUTO_FREE char *again = NULL;
		AUTO_FREE char *other = NULL;

		make_parts(seed, &p);
		v = view_of(&p, IN_ORDER);
		backwards = view_of(&p, BACKWARDS);
		first = plan_bytes(v);
		again = plan_bytes(v);
		other = plan_bytes(backwards);
		assert_string_equal(first, again);
		assert_string_equal(first, other);
	}
}

static void
test_same_bytes_after_a_trip_through_json(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct parts p;
		AUTO(sched_view) struct sched_view *v = NULL;
		AUTO(sched_view) struct sched_view *back = NULL;
		AUTO(json) json *j = NULL;
		AUTO_FREE char *text = NULL;
		AUTO_FREE char *first = NULL;
		AUTO_FREE char *other = NULL;
		struct err e = ERR_INIT;

		make_parts(seed, &p);
		v = view_of(&p, IN_ORDER);
		j = sched_view_to_json(v);
		text = json_text(j);
		assert_int_equal(
		    sched_view_from_json(text, strlen(text), "view", &back, &e), 0);
		first = plan_bytes(v);
		other = plan_bytes(back);
		assert_string_equal(first, other);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans_are_sound_and_complete),
		cmocka_unit_test(test_same_bytes_whatever_the_order),
		cmocka_unit_test(test_same_bytes_after_a_trip_through_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

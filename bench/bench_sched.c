/*
 * bench_sched: what the scheduler's calls take, "name value unit most" a line: CPU time
 * of one core, and the most that it may be.
 *
 * Placement: 2,500 hosts of two sizes, 45,000 running guests of 1 to 8 vCPU, 500 more
 * to be placed; the same guests in 500 pools, two levels deep, sharing less than they
 * want.  Balancing: hosts of three sizes, some hot and some cold, with 55 % of the CPU
 * and 60 % of the memory in use, or 88 % where it is tight.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "base/assert.h"
#include "base/rng.h"
#include "scheduler/divvy.h"
#include "scheduler/sched.h"

#define HOSTS      2500
#define RUNNING    45000
#define UNPLACED   500
#define DATASTORES 50
#define NEAR       8    /* datastores that a host reaches */
#define SINGLES    50   /* guests placed one at a time */
#define CAPACITY   8192 /* MB of one more */
#define POOLS      500
#define OUTER      20 /* of the pools, with the others in them */

static void
add_datastores(struct sched_view *v)
{
	for (uint64_t id = 1; id <= DATASTORES; id++) {
		struct sched_datastore d = {
			.id = id, .name = "ds", .total_mb = 1 << 24, .free_mb = 1 << 23
		};

		ASSERT(sched_view_add_datastore(v, &d, NULL) == 0);
	}
}

static void
add_hosts(struct sched_view *v)
{
	for (uint64_t id = 1; id <= HOSTS; id++) {
		uint64_t large = id % 2, reached[NEAR];
		struct sched_host h = {
			.id = id,
			.name = "host",
			.state = SCHED_HOST_CONNECTED,
			.cpu_mhz = large ? 64 * 2450 : 32 * 2800,
			.cpu_cores = large ? 64 : 32,
			.memory_mb = large ? 768 << 10 : 384 << 10,
			.memory_overhead_mb = 4096,
			.engines = 1U << SCHED_ENGINE_QEMU,
			.datastores = reached,
			.datastore_count = NEAR,
		};

		for (uint64_t i = 0; i < NEAR; i++)
			reached[i] = 1 + (id / 50 + i) % DATASTORES;
		ASSERT(sched_view_add_host(v, &h, NULL) == 0);
	}
}

static void
add_guests(struct sched_view *v)
{
	struct rng r;

	rng_seed(&r, 1);
	for (uint64_t id = 1; id <= RUNNING + UNPLACED; id++) {
		struct sched_disk disk = { .need_mb = 20480 };
		struct sched_guest g = {
			.id = id,
			.name = "guest",
			.num_cpu = UINT64_C(1) << rng_below(&r, 4),
			.memory_mb = UINT64_C(2048) << rng_below(&r, 4),
			.engines = 1U << SCHED_ENGINE_QEMU,
			.disks = &disk,
			.disk_count = 1,
		};

		if (id <= RUNNING) {
			g.host = 1 + rng_below(&r, HOSTS);
			g.state = SCHED_GUEST_RUNNING;
			disk = (struct sched_disk){ .datastore =
							1 + rng_below(&r, DATASTORES) };
		}
		ASSERT(sched_view_add_guest(v, &g, NULL) == 0);
	}
}

static uint64_t
now_us(void)
{
	return (uint64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

static void
print_time(const char *name, uint64_t start_us, double most_ms)
{
	printf(
	    "%s %.3f ms %.3f\n", name, (double)(now_us() - start_us) / 1000, most_ms);
}

static void
place(const struct sched_view *v, const uint64_t *guests, size_t count,
    enum sched_detail detail)
{
	struct sched_plan *plan;

	ASSERT(sched_place_many(v, guests, count, detail, &plan, NULL) == 0);
	ASSERT(plan->refused == 0);
	sched_plan_free(plan);
}

/* Of one guest. */
static void
print_each(const char *name, uint64_t start_us, size_t guests, double most_ms)
{
	printf("%s %.3f ms %.3f\n", name,
	    (double)(now_us() - start_us) / 1000 / (double)guests, most_ms);
}

static struct divvy_node nodes[POOLS + RUNNING];

static void
bench_divvy(void)
{
	uint64_t start_us, wants = 0;
	struct rng r;

	rng_seed(&r, 1);
	for (uint32_t i = 0; i < POOLS + RUNNING; i++) {
		struct divvy_node *d = &nodes[i];

		*d = (struct divvy_node){ .id = i + 1,
			.parent = DIVVY_ROOT,
			.kind = i < POOLS ? DIVVY_POOL : DIVVY_GUEST,
			.limit = DIVVY_NO_LIMIT,
			.shares = 500 + 500 * rng_below(&r, 8) };
		if (i >= POOLS)
			d->demand = rng_below(&r, 4000);
		if (i >= OUTER)
			d->parent = (uint32_t)rng_below(&r, i < POOLS ? OUTER : POOLS);
		if (i >= POOLS && !rng_below(&r, 8))
			d->reservation = rng_below(&r, 1000);
		wants += d->demand;
	}
	start_us = now_us();
	ASSERT(divvy(nodes, POOLS + RUNNING, wants / 2, NULL, NULL) == 0);
	print_time("divvy_45000_guests", start_us, 50);
}

static void
bench_place(void)
{
	struct sched_view *v = sched_view_new();
	uint64_t start_us = now_us();
	const uint64_t *guests;
	size_t count;

	add_datastores(v);
	add_hosts(v);
	add_guests(v);
	ASSERT(sched_view_finish(v, NULL) == 0);
	print_time("sched_view_build", start_us, 1000);
	guests = sched_view_unplaced(v, &count);
	ASSERT(count == UNPLACED);
	start_us = now_us();
	for (size_t i = 0; i < SINGLES; i++)
		place(v, &guests[i], 1, SCHED_BRIEF);
	print_each("sched_place_one", start_us, SINGLES, 2);
	start_us = now_us();
	for (size_t i = 0; i < SINGLES; i++)
		place(v, &guests[i], 1, SCHED_EXPLAIN);
	print_each("sched_place_one_explained", start_us, SINGLES, 2);
	start_us = now_us();
	place(v, guests, count, SCHED_BRIEF);
	print_time("sched_place_batch_500", start_us, 500);
	sched_view_free(v);
}

/* ---- balancing ---- */

struct size {
	const char *name;
	uint64_t hosts, guests;
	uint64_t memory_permille;
};

static const struct model {
	uint64_t cores, mhz, memory_mb;
} models[] = { { 24, 2600, 192 << 10 }, { 32, 2800, 384 << 10 },
	{ 64, 2450, 768 << 10 } };

struct room {
	uint64_t mhz, memory_mb, free_mb, heat;
};

/* Hosts, and how much of the load each draws: 1 to 9. */
static void
add_models(
    struct sched_view *v, const struct size *s, struct rng *r, struct room *rooms)
{
	for (uint64_t i = 0; i < s->hosts; i++) {
		const struct model *m = &models[rng_below(r, 3)];
		struct sched_host h = { .id = i + 1,
			.name = "host",
			.cpu_cores = m->cores,
			.cpu_mhz = m->cores * m->mhz,
			.memory_mb = m->memory_mb };

		rooms[i] = (struct room){ h.cpu_mhz, h.memory_mb, h.memory_mb,
			1 + rng_below(r, 9) };
		ASSERT(sched_view_add_host(v, &h, NULL) == 0);
	}
}

/* The first of a few by chance that has room, the hotter the more likely. */
static uint64_t
draw_host(const struct size *s, struct rng *r, const struct room *rooms, uint64_t mb)
{
	for (;;) {
		const uint64_t h = rng_below(r, s->hosts);

		if (rooms[h].free_mb >= mb && rng_below(r, 9) < rooms[h].heat)
			return h;
	}
}

static struct sched_view *
make_cluster(const struct size *s)
{
	struct sched_view *v = sched_view_new();
	struct room *rooms = xcalloc(s->hosts, sizeof(*rooms));
	uint64_t mhz = 0, memory_mb = 0;
	struct rng r;

	rng_seed(&r, 1);
	add_models(v, s, &r, rooms);
	for (uint64_t i = 0; i < s->hosts; i++) {
		mhz += rooms[i].mhz;
		memory_mb += rooms[i].memory_mb;
	}
	mhz = mhz * 55 / 100 / s->guests;
	memory_mb = memory_mb * s->memory_permille / 1000 / s->guests;
	for (uint64_t i = 0; i < s->guests; i++) {
		struct sched_guest g = { .id = i + 1,
			.name = "guest",
			.state = SCHED_GUEST_RUNNING,
			.num_cpu = 4,
			.memory_mb = memory_mb / 4 + rng_below(&r, memory_mb * 3 / 2),
			.is_measured = true,
			.cpu_demand_mhz = rng_below(&r, mhz * 2) };
		uint64_t h = draw_host(s, &r, rooms, g.memory_mb);

		rooms[h].free_mb -= g.memory_mb;
		g.host = h + 1;
		ASSERT(sched_view_add_guest(v, &g, NULL) == 0);
	}
	ASSERT(sched_view_finish(v, NULL) == 0);
	free(rooms);
	return v;
}

static void
balance(const struct size *s, bool keeps_spare, double most_ms)
{
	struct sched_view *v = make_cluster(s);
	struct sched_ask ask = sched_ask_default();
	struct sched_plan *plan;
	char name[80];
	uint64_t start_us;

	ask.detail = SCHED_BRIEF;
	ask.target_ppm = 100000;
	ask.keeps_spare = keeps_spare;
	start_us = now_us();
	ASSERT(sched_balance(v, &ask, &plan, NULL) == 0);
	snprintf(
	    name, sizeof(name), "balance_%s%s", s->name, keeps_spare ? "_safe" : "");
	print_time(name, start_us, most_ms);
	printf("%s_moves %zu moves -\n", name, plan->move_count);
	sched_plan_free(plan);
	sched_view_free(v);
}

static void
bench_safe_place(void)
{
	const struct size size = { "100_4000", 100, 4000, 600 };
	struct sched_view *v = make_cluster(&size);
	struct sched_plan *plan;
	uint64_t start_us = now_us();

	for (uint64_t id = 1; id <= SINGLES; id++) {
		const struct sched_safe s = {
			.guests = &id, .count = 1, .detail = SCHED_BRIEF
		};

		ASSERT(sched_place_safe(v, &s, &plan, NULL) == 0);
		sched_plan_free(plan);
	}
	print_each("sched_place_safe_100_4000", start_us, SINGLES, 1);
	sched_view_free(v);
}

static void
bench_capacity(void)
{
	const struct size size = { "20_400", 20, 400, 600 };
	const struct sched_size one = { 0, CAPACITY, 1 };
	struct sched_view *v = make_cluster(&size);
	struct sched_capacity c;
	uint64_t start_us = now_us();

	ASSERT(sched_capacity(v, 0, &one, &c, NULL) == 0);
	print_time("sched_capacity_20_400", start_us, 50);
	printf("sched_capacity_20_400_of_bound %u/%u guests -\n", c.count, c.bound);
	free(c.rooms);
	sched_view_free(v);
}

int
main(void)
{
	static const struct size sizes[] = { { "20_400", 20, 400, 600 },
		{ "100_4000", 100, 4000, 600 }, { "400_16000", 400, 16000, 600 },
		{ "tight_20_400", 20, 400, 880 }, { "tight_100_4000", 100, 4000, 880 },
		{ "tight_400_16000", 400, 16000, 880 } };
	static const double most_ms[] = { 1, 20, 500 };
	const struct size large = { "2500_45000", HOSTS, RUNNING, 600 };
	struct rusage used;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		balance(&sizes[i], false, most_ms[i % 3]);
	balance(&large, true, 1000);
	getrusage(RUSAGE_SELF, &used);
	printf("balance_2500_45000_safe_memory %.0f MB 300\n",
	    (double)used.ru_maxrss / 1024);
	bench_safe_place();
	bench_capacity();
	bench_place();
	bench_divvy();
	return 0;
}

/*
 * bench_sched: placement in a large cluster, "name value unit" a line.
 *
 * 2,500 hosts of two sizes, 45,000 running guests of 1 to 8 vCPU, 500 more to be
 * placed; the same guests in 500 pools, two levels deep, sharing less than they want.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/rng.h"
#include "scheduler/divvy.h"
#include "scheduler/sched.h"

#define HOSTS      2500
#define RUNNING    45000
#define UNPLACED   500
#define DATASTORES 50
#define NEAR       8  /* datastores that a host reaches */
#define SINGLES    50 /* guests placed one at a time */
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
	return clock_mono_us(clock_system());
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

static void
print_per_guest(const char *name, uint64_t start_us, size_t guests)
{
	printf("%s %.1f us\n", name, (double)(now_us() - start_us) / (double)guests);
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
	print_per_guest("divvy_45000_guests", start_us, 1);
}

int
main(void)
{
	struct sched_view *v = sched_view_new();
	uint64_t start_us = now_us();
	const uint64_t *guests;
	size_t count;

	add_datastores(v);
	add_hosts(v);
	add_guests(v);
	ASSERT(sched_view_finish(v, NULL) == 0);
	print_per_guest("sched_view_build", start_us, 1);
	guests = sched_view_unplaced(v, &count);
	ASSERT(count == UNPLACED);
	start_us = now_us();
	for (size_t i = 0; i < SINGLES; i++)
		place(v, &guests[i], 1, SCHED_BRIEF);
	print_per_guest("sched_place_one", start_us, SINGLES);
	start_us = now_us();
	for (size_t i = 0; i < SINGLES; i++)
		place(v, &guests[i], 1, SCHED_EXPLAIN);
	print_per_guest("sched_place_one_explained", start_us, SINGLES);
	start_us = now_us();
	place(v, guests, count, SCHED_BRIEF);
	print_per_guest("sched_place_batch_500", start_us, 1);
	sched_view_free(v);
	bench_divvy();
	return 0;
}

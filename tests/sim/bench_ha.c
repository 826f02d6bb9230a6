/*
 * bench_ha: how soon HA acts, in the simulator's time, "name value unit" a line.
 *
 * These are the protocol's own waits with the default terms, with 0.1 to 0.4 s for a
 * copy to start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/storm.h"

#define RUNS      1000u
#define HOUR_RUNS 10u
#define HOUR_MS   3600000u

struct sample {
	uint64_t ordered[RUNS], running[RUNS], led[RUNS];
	size_t n;
};

typedef void (*plan_fn)(struct storm *w, struct storm_schedule *s);

static void
add(struct storm_schedule *s, enum storm_fault_kind kind, uint64_t at_ms,
    uint64_t for_ms, uint32_t a)
{
	s->list[s->n++] = (struct storm_fault){
		.kind = kind, .at_ms = at_ms, .for_ms = for_ms, .a = a
	};
}

static uint64_t
some_time(struct storm *w)
{
	return STORM_START_MS + storm_between(w, 20000, 30000);
}

static void
host_dies(struct storm *w, struct storm_schedule *s)
{
	add(s, FAULT_HOST_DIES, some_time(w), 0, 0);
}

static void
host_and_leader_die(struct storm *w, struct storm_schedule *s)
{
	uint64_t at = some_time(w);
	add(s, FAULT_HOST_DIES, at, 0, 0);
	add(s, FAULT_LEADER_DIES, at, 60000, 0);
}

static void
host_loses_storage(struct storm *w, struct storm_schedule *s)
{
	add(s, FAULT_STALL, some_time(w), 60000, 0);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void
print(const char *name, const char *what, uint64_t *list, size_t n)
{
	qsort(list, n, sizeof(list[0]), compare);
	size_t p50 = n / 2, p99 = n * 99 / 100;
	printf("ha_%s_%s_p50 %.1f s\n", name, what, (double)list[p50] / 1000);
	printf("ha_%s_%s_p99 %.1f s\n", name, what, (double)list[p99] / 1000);
}

static bool
is_default(const struct storm *w)
{
	return w->servers >= 2 && w->terms.watchdog_ms == 0;
}

static bool
run(struct sample *x, uint64_t seed, plan_fn plan)
{
	struct storm *w = storm_new(seed, PLANT_NONE);
	struct storm_schedule s = { 0 };

	if (!is_default(w)) {
		storm_free(w);
		return true;
	}
	plan(w, &s);
	storm_use(w, &s);
	uint64_t from = w->figures.from_ms = s.list[0].at_ms;
	storm_run(w);
	bool well = !w->failure.is && w->figures.ordered_ms && w->figures.running_ms;
	if (well) {
		x->ordered[x->n] = w->figures.ordered_ms - from;
		x->running[x->n] = w->figures.running_ms - from;
		x->led[x->n] = w->figures.led_ms ? w->figures.led_ms - from : 0;
		x->n++;
	} else {
		fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed,
		    w->failure.is ? w->failure.text : "nothing was started");
	}
	storm_free(w);
	return well;
}

static bool
measure(const char *name, plan_fn plan)
{
	static struct sample x;

	x.n = 0;
	for (uint64_t seed = 1; x.n < RUNS; seed++)
		if (!run(&x, seed, plan))
			return false;
	print(name, "order", x.ordered, x.n);
	print(name, "running", x.running, x.n);
	if (plan == host_and_leader_die)
		print(name, "leader", x.led, x.n);
	return true;
}

/* Every server is gone for an hour; each guest dies once meanwhile. */
static bool
measure_hour(void)
{
	uint64_t touched = 0, in_place = 0;
	bool well = true;

	for (uint64_t seed = 1; well && seed <= HOUR_RUNS; seed++) {
		struct storm *w = storm_new(seed, PLANT_NONE);
		struct storm_schedule s = { 0 };
		for (uint32_t i = 0; i < w->servers; i++)
			add(&s, FAULT_SERVER_DIES, STORM_START_MS + 10000, HOUR_MS,
			    storm_server_node(w, i));
		for (uint32_t g = 0; g < w->guests; g++)
			add(&s, FAULT_GUEST_DIES,
			    STORM_START_MS + storm_between(w, 60000, HOUR_MS / 2), 0,
			    g);
		storm_use(w, &s);
		storm_run(w);
		touched += w->figures.touched;
		if (w->figures.in_place_ms > in_place)
			in_place = w->figures.in_place_ms;
		well = !w->failure.is;
		storm_free(w);
	}
	printf("ha_manager_down_1h_touched %llu guests\n", (unsigned long long)touched);
	printf("ha_manager_down_1h_in_place_max %.1f s\n", (double)in_place / 1000);
	return well;
}

int
main(void)
{
	bool well = measure("host_loss", host_dies) &&
		    measure("host_and_leader_loss", host_and_leader_die) &&
		    measure("storage_loss", host_loses_storage) && measure_hour();
	return well ? 0 : 1;
}

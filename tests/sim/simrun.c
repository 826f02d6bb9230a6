/*
 * simrun: seeds through the simulator.
 *
 *   simrun [--start S] --seeds N        fails at the first seed that breaks an
 * invariant, with its schedule cut down simrun --plant BUG --seeds N        succeeds if
 * the planted bug is found simrun --plant list                 the bugs simrun [--plant
 * BUG] --trace SEED   what happens in one run simrun [--plant BUG] --shrink SEED  the
 * least that fails
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/storm_shrink.h"

static const struct {
	const char *name, *breaks, *text;
} plants[PLANTS_] = {
	[PLANT_NONE] = { "none", "", "" },

#define PLANT(id, name, breaks, text) [PLANT_##id] = { name, breaks, text },
#include "tests/sim/plant.def"
#undef PLANT
};

enum order { RUN_SEEDS, TRACE_SEED, SHRINK_SEED };

struct wish {
	enum order order;
	uint64_t start, seeds;
	enum storm_plant plant;
};

static int
usage(void)
{
	fputs("usage: simrun [--plant BUG|list] [--start S] --seeds N | --trace SEED | "
	      "--shrink SEED\n",
	    stderr);
	return 2;
}

static bool
find_plant(const char *name, enum storm_plant *ret)
{
	for (int p = 0; p < PLANTS_; p++) {
		if (strcmp(plants[p].name, name) == 0) {
			*ret = (enum storm_plant)p;
			return true;
		}
	}
	return false;
}

static int
list_plants(void)
{
	for (int p = PLANT_NONE + 1; p < PLANTS_; p++)
		printf(
		    "%-18s %s  %s\n", plants[p].name, plants[p].breaks, plants[p].text);
	return 0;
}

static int
run_one(const struct wish *wish, const struct storm_schedule *schedule)
{
	struct storm *w = storm_new(wish->start, wish->plant);

	if (schedule)
		storm_use(w, schedule);
	w->trace = true;
	printf("seed %llu: %u hosts, %u servers, %u guests, D %u ms\n",
	    (unsigned long long)wish->start, w->hosts, w->servers, w->guests,
	    w->terms.dead_ms);
	schedule_print(&w->schedule);
	storm_run(w);
	bool failed = w->failure.is;
	printf("%s\n", failed ? w->failure.text : "all is well");
	storm_free(w);
	return failed;
}

static int
shrink(const struct wish *wish)
{
	struct storm *w = storm_new(wish->start, wish->plant);
	struct storm_schedule s = w->schedule;

	storm_run(w);
	bool failed = w->failure.is;
	storm_free(w);
	if (!failed) {
		printf("seed %llu does not fail\n", (unsigned long long)wish->start);
		return 1;
	}
	storm_shrink(wish->start, wish->plant, &s);
	return run_one(wish, &s);
}

static double
seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static int
found(const struct wish *wish, uint64_t seed, const char *text)
{
	struct wish one = { SHRINK_SEED, seed, 0, wish->plant };

	printf("seed %llu: %s\n", (unsigned long long)seed, text);
	if (wish->plant != PLANT_NONE) {
		printf("%s found after %llu seeds\n", plants[wish->plant].name,
		    (unsigned long long)(seed - wish->start + 1));
		return 0;
	}
	shrink(&one);
	return 1;
}

/* A planted bug may break more than what it must break. */
static bool
is_wanted(const struct wish *wish, const char *text)
{
	const char *breaks = plants[wish->plant].breaks;
	return strncmp(text, breaks, strlen(breaks)) == 0 &&
	       (!breaks[0] || text[strlen(breaks)] == ':');
}

static int
run_seeds(const struct wish *wish)
{
	uint64_t hours_ms = 0, starts = 0, fences = 0, late = 0;

	for (uint64_t seed = wish->start; seed < wish->start + wish->seeds; seed++) {
		struct storm *w = storm_new(seed, wish->plant);
		storm_run(w);
		struct storm_failure failure = w->failure;
		hours_ms += w->now_ms - STORM_START_MS;
		starts += w->figures.starts;
		fences += w->figures.fences;
		if (w->figures.guard_late_ms > late)
			late = w->figures.guard_late_ms;
		storm_free(w);
		if (failure.is && is_wanted(wish, failure.text))
			return found(wish, seed, failure.text);
	}
	printf(
	    "%llu seeds, %.1f cluster-hours in %.1f s of CPU: %llu starts, %llu fences, "
	    "guards at most %llu ms late\n",
	    (unsigned long long)wish->seeds, (double)hours_ms / 3600000, seconds(),
	    (unsigned long long)starts, (unsigned long long)fences,
	    (unsigned long long)late);
	if (wish->plant == PLANT_NONE)
		return 0;
	printf("%s was NOT found\n", plants[wish->plant].name);
	return 1;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seeds", required_argument, NULL, 'n' },
		{ "start", required_argument, NULL, 's' },
		{ "plant", required_argument, NULL, 'p' },
		{ "trace", required_argument, NULL, 't' },
		{ "shrink", required_argument, NULL, 'k' },
		{ 0 },
	};
	struct wish wish = { .start = 1 };

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'n') {
			wish.seeds = strtoull(optarg, NULL, 10);
		} else if (o == 's') {
			wish.start = strtoull(optarg, NULL, 10);
		} else if (o == 't' || o == 'k') {
			wish.order = o == 't' ? TRACE_SEED : SHRINK_SEED;
			wish.start = strtoull(optarg, NULL, 10);
		} else if (o == 'p' && strcmp(optarg, "list") == 0) {
			return list_plants();
		} else if (o != 'p' || !find_plant(optarg, &wish.plant)) {
			return usage();
		}
	}
	if (wish.order == TRACE_SEED)
		return run_one(&wish, NULL);
	if (wish.order == SHRINK_SEED)
		return shrink(&wish);
	return wish.seeds ? run_seeds(&wish) : usage();
}

/* A scenario, from anybody: a few steps of a plan must not hurt. */
#include <stddef.h>
#include <stdint.h>

#include "scheduler/drs_file.h"
#include "scheduler/restart.h"
#include "scheduler/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
plan(const struct sched_view *v)
{
	const struct sched_size size = { 1, 4096, 1 };
	const uint64_t first = 1;
	const struct restart_ask lost = {
		.lost = &first, .lost_count = 1, .at_once = 2, .waits = true
	};
	struct sched_ask ask = sched_ask_default();
	struct sched_plan *p = NULL;
	struct sched_capacity c;

	ask.keeps_spare = true;
	ask.max_moves = 8;
	ask.tries = 50;
	ask.at_once = 2;
	if (!sched_balance(v, &ask, &p, NULL))
		sched_plan_free(p);
	if (!sched_evacuate(v, &first, 1, &ask, &p, NULL))
		sched_plan_free(p);
	if (!sched_power(v, &ask, &p, NULL))
		sched_plan_free(p);
	if (!sched_restart(v, &lost, &p, NULL))
		sched_plan_free(p);
	if (!sched_capacity(v, 0, &size, &c, NULL))
		free(c.rooms);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sched_view *v = NULL;

	if (!drs_file_read((const char *)data, size, "fuzz", &v, NULL))
		plan(v);
	sched_view_free(v);
	return 0;
}

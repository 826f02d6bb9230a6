#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "scheduler/sched.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static char *
written(const struct sched_view *v)
{
	AUTO(json) json *j = sched_view_to_json(v);
	return json_text(j);
}

/* What is read is written back the same, and can be placed or is refused politely. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_view) struct sched_view *back = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;
	if (sched_view_from_json((const char *)p, n, "view", &v, &e))
		return 0;
	AUTO_FREE char *first = written(v);
	ASSERT(sched_view_from_json(first, strlen(first), "view", &back, &e) == 0);
	AUTO_FREE char *second = written(back);
	ASSERT(strcmp(first, second) == 0);
	size_t count;
	const uint64_t *guests = sched_view_unplaced(v, &count);
	ASSERT(sched_place_many(v, guests, count, SCHED_EXPLAIN, &plan, &e) == 0);
	return 0;
}

/* A snapshot → the explained placement of all its unplaced guests. */
#include "scheduler/sched.h"
#include "tests/golden/run_golden.h"

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;
	const uint64_t *guests;
	size_t count;

	if (sched_view_from_json(text, n, "snapshot", &v, &e)) {
		str_addf(out, "%s: %s\n", err_name(e.code), e.msg);
		return;
	}
	guests = sched_view_unplaced(v, &count);
	if (sched_place_many(v, guests, count, SCHED_EXPLAIN, &plan, &e)) {
		str_addf(out, "%s: %s\n", err_name(e.code), e.msg);
		return;
	}
	sched_plan_text(plan, out);
}

/* A snapshot → itself as written back, and the plan for its unplaced guests, as JSON.
 */
#include "base/assert.h"
#include "scheduler/sched.h"
#include "tests/golden/run_golden.h"

static void
add_json(json *j_take, struct str *out)
{
	AUTO(json) json *j = j_take;
	AUTO_FREE char *text = json_text_pretty(j);

	str_addf(out, "%s\n", text);
}

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
	ASSERT(sched_place_many(v, guests, count, SCHED_EXPLAIN, &plan, &e) == 0);
	add_json(sched_view_to_json(v), out);
	add_json(sched_plan_json(plan), out);
}

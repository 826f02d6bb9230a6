#include "host-agent/engine/engine_guard.h"

#include <inttypes.h>

#include "host-agent/engine/engine_int.h"

struct engine_guard
engine_guest_guard(const struct engine_guest *g)
{
	if (!g->engine->ops->guard || g->state == ENGINE_DOWN)
		return (struct engine_guard){ .guarded = false };
	return g->engine->ops->guard(g);
}

int
engine_guard_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e)
{
	int rc;

	if (g->state == ENGINE_DOWN)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 ": cannot set a deadline: it is down", g->number);
	if (!engine_guest_guard(g).guarded)
		return err_set(e, ERR_UNSUPPORTED,
		    "vm-%" PRIu64 ": cannot set a deadline: it was started without a"
		    " guard",
		    g->number);
	rc = g->engine->ops->arm(g, deadline_us, e);
	return rc ? err_wrap(e, "vm-%" PRIu64 ": cannot set a deadline", g->number) : 0;
}

int
engine_guard_check(const struct engine *en, const struct engine_boot *b, struct err *e)
{
	const struct engine_cap_fact *can = &en->facts.caps[ENGINE_CAP_GUARD];

	if (!b->guard_until_us || can->able)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "it cannot have a guard: %s", can->why_not);
}

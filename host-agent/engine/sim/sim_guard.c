#include <inttypes.h>

#include "host-agent/engine/sim/sim_int.h"
#include "loop/timer.h"

#define US_PER_MS 1000u

static void
on_deadline(void *arg)
{
	struct sim_guest *s = arg;
	struct err e = ERR_INIT;
	enum engine_state was = s->g.state;
	bool busy = s->g.busy;
	/* What has not come or was given away is the other side's. */
	bool ours = was != ENGINE_ARRIVING && was != ENGINE_GIVEN;

	if (was == ENGINE_DOWN)
		return;
	timer_stop(s->timer);
	sim_move_drop(s);
	sim_end(s, ENGINE_END_DIED, ENGINE_LEASE_OVER);
	if (busy) {
		err_set(&e, ERR_LOST, "vm-%" PRIu64 ": " ENGINE_LEASE_OVER " during %s",
		    s->g.number, engine_verb_name(s->g.verb));
		engine_done(&s->g, e.code, &e);
	}
	if (ours && (!busy || s->g.verb != ENGINE_START))
		engine_emit(&s->g, ENGINE_EV_DOWN, s->g.reason);
}

void
sim_guard_init(struct sim_guest *s)
{
	s->guard_timer = timer_new(s->g.engine->loop, on_deadline, s);
}

void
sim_guard_set(struct sim_guest *s, uint64_t until_us)
{
	uint64_t now_us = clock_mono_us(loop_clock(s->g.engine->loop));

	s->guard_until_us = until_us;
	timer_stop(s->guard_timer);
	if (!until_us || until_us == GUARD_NO_DEADLINE)
		return;
	timer_after(s->guard_timer,
	    until_us > now_us ? (until_us - now_us + US_PER_MS - 1) / US_PER_MS : 0);
}

bool
sim_guard_is_over(const struct sim_guest *s)
{
	return s->guard_until_us &&
	       s->guard_until_us <= clock_mono_us(loop_clock(s->g.engine->loop));
}

int
sim_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);

	sim_guard_set(s, deadline_us);
	sim_save(s);
	return 0;
}

struct engine_guard
sim_op_guard(const struct engine_guest *g)
{
	const struct sim_guest *s = (const struct sim_guest *)g;

	return (struct engine_guard){ .guarded = s->guard_until_us != 0,
		.heard = s->guard_until_us != 0,
		.deadline_us = s->guard_until_us };
}

#include "host-agent/guest/guest_copy.h"

#include <inttypes.h>

#include "host-agent/engine/engine_guard.h"
#include "host-agent/guest/guest_int.h"
#include "host-agent/guest/guest_job.h"

static struct fence_copy
copy_of(const struct guest *g)
{
	struct fence_copy c = {
		.guest = g->number,
		.run_gen = g->generation,
		.busy = g->job != NULL,
		.wanted = g->state == GUEST_FAILED,
		.alive = guest_is_live(g),
		.moves = g->state == GUEST_ARRIVING || g->state == GUEST_GIVEN,
	};

	if (c.alive) {
		const struct engine_guard guard = engine_guest_guard(g->handle);

		c.guarded = guard.guarded;
		c.heard = guard.heard;
		c.guard_us = guard.deadline_us;
	} else if (g->state == GUEST_UNKNOWN && !g->tentative) {
		/* Not even the engine can tell: it may run. */
		c.alive = true;
	}
	return c;
}

bool
guest_copy(struct guests *gs, uint64_t guest, struct fence_copy *ret_c)
{
	const struct guest *g = guests_find(gs, guest);

	if (!g)
		return false;
	*ret_c = copy_of(g);
	return true;
}

void
guest_copies_each(struct guests *gs, fence_copy_fn fn, void *to)
{
	MAP_EACH(gs->by_number, it) {
		const struct fence_copy c = copy_of(it.value);

		fn(to, &c);
	}
}

int
guest_copy_arm(struct guests *gs, uint64_t guest, uint64_t deadline_us, struct err *e)
{
	const struct guest *g = guests_find(gs, guest);

	if (!g || !guest_is_live(g))
		return err_set(
		    e, ERR_BAD_STATE, "vm-%" PRIu64 " does not run here", guest);
	return engine_guard_arm(g->handle, deadline_us, e);
}

static void
begin(struct guest *g, const char *what, const struct flow_step *steps, const char *why)
{
	struct guest_job *j = guest_job_new_internal(g, what);

	j->why = why;
	guest_job_start(j, steps);
}

void
guest_copy_kill(struct guests *gs, uint64_t guest, const char *why)
{
	struct guest *g = guests_find(gs, guest);

	if (!g || !guest_is_live(g))
		return;
	if (!g->job)
		begin(g, "fencing", guest_fence_steps, why);
	else if (g->job->steps != guest_fence_steps)
		/* What it interrupts fails, and finds the guest down. */
		engine_kill(g->handle, WAKE_NONE);
}

void
guest_copy_shut_down(struct guests *gs, uint64_t guest, const char *why)
{
	struct guest *g = guests_find(gs, guest);

	/* Where that comes to nothing, it is killed when its time is over. */
	if (g && guest_is_live(g) && !g->job)
		begin(g, "shutdown", guest_isolate_steps, why);
}

int
guest_copy_restart(struct guests *gs, uint64_t guest, struct err *e)
{
	struct guest *g = guests_find(gs, guest);

	if (!g || g->state != GUEST_FAILED || guest_is_live(g))
		return err_set(
		    e, ERR_BAD_STATE, "vm-%" PRIu64 " has not died here", guest);
	if (g->job)
		return err_set(
		    e, ERR_BUSY, "vm %s is busy: %s", g->spec->name, g->job->what);
	begin(g, "restart", guest_revive_steps, NULL);
	return 0;
}

#include "tests/lib/waiter.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"

#define PATIENCE_MS 10000u

static enum flow_rc
wait_start(struct flow *f, void *arg)
{
	struct waiter *w = arg;

	w->wake = flow_wake(f);
	w->ready = true;
	return FLOW_WAIT;
}

static enum flow_rc
wait_finish(struct flow *f, void *arg, int rc)
{
	struct waiter *w = arg;

	w->rc = rc;
	w->e = *flow_err(f);
	w->ended = true;
	return FLOW_NEXT;
}

static const struct flow_step steps[] = {
	{ "wait", wait_start, wait_finish, NULL, 0 },
	{ NULL },
};

struct wake
waiter_start(struct waiter *w, struct loop *l, struct flows *fs)
{
	*w = (struct waiter){ .rc = 0 };
	flow_start(flow_new(fs, "waiter", steps, w, NULL, NULL));
	while (!w->ready)
		loop_turn(l, 5);
	return w->wake;
}

int
waiter_end(struct waiter *w, struct loop *l)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (!w->ended) {
		ASSERT(clock_mono_ms(clock_system()) < end);
		loop_turn(l, 5);
	}
	return w->rc;
}

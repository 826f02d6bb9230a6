#include "tests/sim/storm.h"

static uint64_t
guard_arg(const struct storm_copy *c, uint32_t guest, uint32_t host)
{
	return c->id << 16 | guest << 8 | host;
}

static void
post_guard(struct storm *w, uint32_t guest, uint32_t host, uint64_t at_ms)
{
	const struct storm_copy *c = &w->copies[guest][host];
	storm_post(w, at_ms, EV_GUARD, host, guard_arg(c, guest, host));
}

void
copy_start(
    struct storm *w, uint32_t guest, uint32_t host, uint64_t gen, uint64_t guard_ms)
{
	struct storm_copy *c = &w->copies[guest][host];

	if (c->died_ms && c->gen == gen &&
	    w->now_ms - c->died_ms > w->figures.in_place_ms)
		w->figures.in_place_ms = w->now_ms - c->died_ms;
	*c = (struct storm_copy){
		.alive = true, .gen = gen, .guard_ms = guard_ms, .id = ++w->copy_ids
	};
	w->figures.starts++;
	storm_trace(
	    w, "host %u: guest %u gen %llu runs", host, guest, (unsigned long long)gen);
	post_guard(w, guest, host, storm_true_ms(w, host, guard_ms));
	oracle_started(w, guest, host);
}

/* A timer that has gone off is not called back. */
void
copy_arm(struct storm *w, uint32_t guest, uint32_t host, uint64_t guard_ms)
{
	struct storm_copy *c = &w->copies[guest][host];

	if (c->alive && lease_holds(c->guard_ms, storm_clock_ms(w, host)))
		c->guard_ms = guard_ms;
}

void
copy_end(struct storm *w, uint32_t guest, uint32_t host, enum copy_end how)
{
	static const char *const hows[] = { "killed by its agent",
		"killed by its guard", "gone" };
	struct storm_copy *c = &w->copies[guest][host];

	if (!c->alive)
		return;
	c->alive = false;
	storm_trace(w, "host %u: guest %u gen %llu is %s", host, guest,
	    (unsigned long long)c->gen, hows[how]);
	if (how == COPY_FAULT)
		c->died_ms = w->now_ms;
	else
		oracle_ended(w, guest, host);
}

static uint64_t
lateness(struct storm *w, uint32_t host)
{
	if (fault_on(w, FAULT_OVERLOAD, host))
		return storm_between(w, 0, w->terms.kill_ms * 9ull / 10);
	return storm_between(w, 0, 5);
}

void
copy_on_guard(struct storm *w, const struct storm_event *ev)
{
	uint32_t guest = ev->arg >> 8 & 0xff, host = ev->arg & 0xff;
	struct storm_copy *c = &w->copies[guest][host];

	if (!c->alive || c->id != ev->arg >> 16 || w->plant == PLANT_NO_GUARD)
		return;
	if (c->ending_ms) {
		oracle_guard(w, w->now_ms - storm_true_ms(w, host, c->guard_ms));
		copy_end(w, guest, host, COPY_GUARDED);
	} else if (lease_holds(c->guard_ms, storm_clock_ms(w, host))) {
		post_guard(w, guest, host, storm_true_ms(w, host, c->guard_ms));
	} else {
		c->ending_ms = w->now_ms + lateness(w, host);
		post_guard(w, guest, host, c->ending_ms);
	}
}

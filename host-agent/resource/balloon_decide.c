#include "host-agent/resource/balloon_decide.h"

#define TAKE_PART  16 /* of its size, that it is asked for in one turn */
#define HARD_TIMES 2  /* as much, when the host is very short */
#define GIVE_PART  8  /* that it gets back in one turn after a shortage */
#define NEAR_PART  32 /* so near counts as there: a driver works in larger pages */
#define IDLE_PART  4

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
part_of(uint64_t size, uint64_t part)
{
	return larger(size / part, 1);
}

static uint64_t
ceiling_of(const struct balloon_view *v)
{
	return v->most ? least(v->most, v->size) : v->size;
}

/* What no shortage takes. */
static uint64_t
floor_of(const struct balloon_view *v)
{
	uint64_t keeps = larger(v->reserved, part_of(v->size, BALLOON_LEAST_PART));

	return least(keeps, v->size);
}

/* Where it is to come to, as things are. */
static uint64_t
goal_of(const struct balloon_view *v, const struct balloon_state *s)
{
	uint64_t goal = ceiling_of(v), floor = floor_of(v);
	uint64_t entitled = v->entitled ? larger(v->entitled, floor) : goal;

	switch (v->pressure) {
	case PRESSURE_NONE:
		if (s->short_ms && v->now_ms - s->short_ms < BALLOON_REST_MS)
			goal = least(goal, s->target);
		break;
	case PRESSURE_SHORT:
		goal = least(goal, least(entitled, s->target));
		break;
	case PRESSURE_HARD:
		goal = least(goal, floor);
		break;
	}
	return larger(goal, floor);
}

/* A limit is not crept up to: it holds for everybody in the pool. */
static uint64_t
next_target(const struct balloon_view *v, const struct balloon_state *s)
{
	uint64_t goal = goal_of(v, s), from = least(s->target, ceiling_of(v));
	uint64_t take = part_of(v->size, TAKE_PART);

	if (v->pressure == PRESSURE_HARD)
		take *= HARD_TIMES;
	from = larger(from, floor_of(v));
	if (goal < from)
		return larger(goal, from > take ? from - take : 0);
	/* What a limit had taken: nobody else lacks it. */
	if (!s->short_ms)
		return goal;
	return least(goal, from + part_of(v->size, GIVE_PART));
}

static bool
is_near(const struct balloon_view *v, uint64_t target)
{
	return v->actual <= target + part_of(v->size, NEAR_PART);
}

static enum balloon_trust
trust_of(const struct balloon_view *v, struct balloon_state *s)
{
	bool taken = s->target < v->size;

	/* What comes and goes gets no nearer: a driver that takes memory back at need.
	 */
	if (v->actual < s->nearest || is_near(v, s->target)) {
		s->moved_ms = v->now_ms;
		s->nearest = v->actual;
	}
	if (is_near(v, s->target))
		return taken ? BALLOON_FOLLOWS : s->trust;
	if (v->now_ms - s->moved_ms >= BALLOON_STILL_MS)
		return BALLOON_STUCK;
	return s->trust;
}

void
balloon_decide(
    const struct balloon_view *v, struct balloon_state *s, struct balloon_order *out)
{
	enum balloon_trust was = s->trust;
	uint64_t target;

	*out = (struct balloon_order){ .target = 0 };
	if (!v->actual || !v->size)
		return;
	if (!s->target) {
		s->target = least(v->actual, v->size);
		s->moved_ms = v->now_ms;
		s->nearest = v->actual;
	}
	if (v->pressure != PRESSURE_NONE)
		s->short_ms = v->now_ms;
	s->trust = trust_of(v, s);
	out->is_news = s->trust != was;
	target = next_target(v, s);
	if (target != s->target || (s->trust == BALLOON_STUCK && !is_near(v, target)))
		out->target = target;
	if (target < s->target && is_near(v, s->target))
		s->moved_ms = v->now_ms;
	s->target = target;
	if (v->pressure == PRESSURE_NONE && target == ceiling_of(v))
		s->short_ms = 0;
	if (ceiling_of(v) == v->size)
		return;
	/* As far as it still has more it is on its way. */
	if (s->trust != BALLOON_UNTRIED)
		out->limit = larger(ceiling_of(v), floor_of(v));
	if (s->trust == BALLOON_FOLLOWS)
		out->limit = larger(out->limit, v->actual);
}

uint64_t
balloon_demand(const struct balloon_figures *f)
{
	uint64_t free = least(f->free, f->actual);
	uint64_t available = larger(least(f->available, f->actual), free);

	return f->actual - available + (available - free) / IDLE_PART;
}

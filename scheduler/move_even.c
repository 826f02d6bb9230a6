/* sched_balance: what must be, then what evens the hosts out. */
#include "scheduler/moves.h"
#include "scheduler/policy.h"

#define GAIN_TINY 1e-6

struct evening {
	struct moves *m;
	struct bal_limits limits;
	uint32_t *per_host; /* moves from or to it */
};

static struct bal_limits
limits_of(const struct moves *m)
{
	const struct sched_ask *ask = m->ask;

	return (struct bal_limits){
		.max_moved = ask->max_moves,
		.target = (double)ask->target_ppm / 1e6,
		.min_gain = ask->threshold
				? policy_least_gain(ask->threshold, m->x.b.host_count)
				: GAIN_TINY,
	};
}

/* Those that were moved because they had to be, and those that rest, stay. */
static void
fix_resting(struct moves *m)
{
	struct bal *b = &m->x.b;

	for (uint32_t i = 0; i < b->guest_count; i++) {
		struct bal_guest *g = &b->guests[i];

		if (m->ask->threshold && g->at != g->home)
			g->fixed = true;
		if (view_guest_at(m->v, m->x.guest_of[i])->in.resting)
			g->fixed = true;
	}
}

/* What a change's moves bring together; those that are kept together go together. */
static int64_t
net_of(const struct moves *m, const struct bal_change *c)
{
	const struct bal *b = &m->x.b;
	int64_t net = 0;

	for (uint32_t g = c->guest;;) {
		net += worth_of(m, g, c->to).net;
		g = b->guests[g].next;
		if (g == c->guest)
			break;
	}
	if (c->back != BAL_NONE)
		net += worth_of(m, c->back, b->guests[c->guest].at).net;
	return net;
}

static bool
is_worth_it(const struct evening *x, const struct bal_change *c)
{
	const struct sched_ask *ask = x->m->ask;
	uint32_t from = x->m->x.b.guests[c->guest].at;

	if (x->per_host[from] >= ask->max_per_host ||
	    x->per_host[c->to] >= ask->max_per_host)
		return false;
	return !ask->must_pay || c->gain >= POLICY_OVERRIDES || net_of(x->m, c) > 0;
}

/* No guest is looked at twice. */
static void
fix_change(struct bal *b, const struct bal_change *c)
{
	for (uint32_t g = c->guest; !b->guests[g].fixed; g = b->guests[g].next)
		b->guests[g].fixed = true;
	if (c->back != BAL_NONE)
		b->guests[c->back].fixed = true;
}

static bool
make(struct evening *x, const struct bal_change *c)
{
	struct bal *b = &x->m->x.b;
	uint32_t from = b->guests[c->guest].at, before = b->step_count;

	if (!bal_make(b, c))
		return false;
	x->per_host[from] += b->step_count - before;
	x->per_host[c->to] += b->step_count - before;
	return true;
}

/* One change after the other, each looked at. */
static void
even_by_worth(struct evening *x)
{
	struct bal *b = &x->m->x.b;
	uint32_t threshold = x->m->ask->threshold, refused = 0;
	struct bal_change c;

	while (refused < POLICY_MAX_REFUSED && b->score > x->limits.target) {
		struct even_sums now = even_sum(b);

		if (threshold && even_priority(b, &now) > threshold)
			return;
		if (!bal_next(b, &x->limits, &c))
			return;
		bool worth = is_worth_it(x, &c) && make(x, &c);

		refused += !worth;
		if (threshold || !worth)
			fix_change(b, &c);
	}
}

static void
even_out(struct moves *m)
{
	const struct sched_ask *ask = m->ask;
	struct bal *b = &m->x.b;
	struct evening x = { .m = m, .limits = limits_of(m) };

	if (b->host_count < 2 || !b->guest_count)
		return;
	fix_resting(m);
	x.per_host =
	    arena_array(m->scratch, (size_t)b->host_count + 1, sizeof(*x.per_host));
	if (ask->threshold || ask->must_pay || ask->max_per_host < UINT32_MAX)
		even_by_worth(&x);
	else
		bal_greedy(b, &x.limits);
	if (!ask->tries)
		return;
	b->steps = NULL;
	b->step_count = b->step_room = 0;
	bal_search(b, &x.limits, ask->tries, ask->seed);
	bal_prune(b, &x.limits);
}

/* Has it to go from where it is now? */
static bool
is_misplaced(const struct moves *m, uint32_t guest)
{
	const struct bal *b = &m->x.b;
	const struct bal_host *h = &b->hosts[b->guests[guest].at];
	const struct view_rule *r = moves_broken(m, guest, b->guests[guest].at);

	return h->closed || h->mem > h->mem_cap ||
	       (r && (rule_is_strict(r->in.kind) || r->in.kind == SCHED_RULE_TOGETHER));
}

int
sched_balance(const struct sched_view *v, const struct sched_ask *ask,
    struct sched_plan **ret_plan, struct err *e)
{
	struct moves m;
	int rc = moves_begin(&m, v, ask, NULL, e);

	if (rc)
		return rc;
	bal_repair(&m.x.b);
	if (ask->threshold != 1)
		even_out(&m);
	for (uint32_t g = 0; g < m.x.b.guest_count; g++) {
		if (is_misplaced(&m, g))
			moves_refuse(&m, g);
	}
	*ret_plan = moves_finish(&m);
	return 0;
}

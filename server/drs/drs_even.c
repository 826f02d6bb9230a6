/*
 * Evening out: the scheduler's balancer over the hosts that stay.
 */
#include <math.h>

#include "base/str.h"
#include "scheduler/balance.h"
#include "server/drs/drs_int.h"

#define MAX_PER_HOST 8u /* moves from or to one host in a run */
#define MAX_MOVES                                                           \
	64u /* in a plan: what comes then is planned with the loads of then \
	     */

struct even {
	struct drs_run *r;
	struct bal b;
	uint32_t *host_of;  /* the balancer's hosts and guests, in ours */
	uint32_t *guest_of; /* the same of guests */
	uint32_t *bal_host; /* and the other way round; BAL_NONE: not in it */
	uint32_t *bal_guest;
	uint32_t *per_host; /* moves from or to it, of ours */
	struct bal_rule *rules;
};

static void
take_hosts(struct even *x)
{
	const struct drs_view *v = x->r->v;

	for (uint32_t h = 0; h < v->host_count; h++) {
		const struct drs_host *host = &v->hosts[h];
		x->bal_host[h] = BAL_NONE;
		if (host->is_leaving || host->is_closed)
			continue;
		x->bal_host[h] = x->b.host_count;
		x->host_of[x->b.host_count] = h;
		x->b.hosts[x->b.host_count++] = (struct bal_host){
			.cpu_cap = host->cpu_mhz,
			.mem_cap = host->mem_mb,
			.busy = host->busy != NULL,
		};
	}
}

static void
take_guests(struct even *x)
{
	const struct drs_run *r = x->r;

	for (uint32_t g = 0; g < r->v->guest_count; g++) {
		const struct drs_guest *guest = &r->v->guests[g];
		uint32_t at = x->bal_host[r->at[g]];
		x->bal_guest[g] = BAL_NONE;
		if (at == BAL_NONE)
			continue;
		x->bal_guest[g] = x->b.guest_count;
		x->guest_of[x->b.guest_count] = g;
		x->b.guests[x->b.guest_count++] = (struct bal_guest){
			.cpu = guest->cpu_mhz,
			.mem = guest->mem_mb,
			.home = at,
			.at = at,
			.fixed = guest->pinned || guest->resting || r->has_moved[g],
		};
	}
}

static bool *
hosts_there(struct even *x, const bool *ours)
{
	bool *hosts = arena_array(x->r->mem, x->b.host_count + 1, sizeof(bool));

	for (uint32_t h = 0; h < x->b.host_count; h++)
		hosts[h] = ours[x->host_of[h]];
	return hosts;
}

static void
take_rules(struct even *x)
{
	static const enum bal_rule_kind kinds[] = {
		[RULE_TOGETHER] = BAL_TOGETHER,
		[RULE_APART] = BAL_APART,
		[RULE_MUST_RUN_ON] = BAL_ONLY_ON,
		[RULE_MUST_NOT_RUN_ON] = BAL_NEVER_ON,
		[RULE_SHOULD_RUN_ON] = BAL_ONLY_ON,
		[RULE_SHOULD_NOT_RUN_ON] = BAL_NEVER_ON,
	};

	for (uint32_t i = 0; i < x->r->v->rule_count; i++) {
		const struct drs_rule *rule = &x->r->v->rules[i];
		uint32_t n = 0, *list = arena_array(
				    x->r->mem, rule->guest_count + 1, sizeof(*list));
		for (uint32_t k = 0; k < rule->guest_count; k++) {
			if (x->bal_guest[rule->guests[k]] != BAL_NONE)
				list[n++] = x->bal_guest[rule->guests[k]];
		}
		x->rules[x->b.rule_count++] = (struct bal_rule){
			.kind = kinds[rule->type],
			.guests = list,
			.guest_count = n,
			.hosts = rule->hosts ? hosts_there(x, rule->hosts) : NULL,
		};
	}
}

/* Guests that do not reach every host have a rule of their own for the balancer. */
static void
take_reaches(struct even *x)
{
	const struct drs_view *v = x->r->v;

	for (uint32_t i = 0; i < v->reach_count; i++) {
		uint32_t n = 0, missing = 0;
		for (uint32_t h = 0; h < x->b.host_count; h++)
			missing += !v->reaches[i].hosts[x->host_of[h]];
		if (!missing)
			continue;
		uint32_t *list =
		    arena_array(x->r->mem, x->b.guest_count + 1, sizeof(*list));
		for (uint32_t g = 0; g < x->b.guest_count; g++) {
			if (v->guests[x->guest_of[g]].reach == i)
				list[n++] = g;
		}
		x->rules[x->b.rule_count++] = (struct bal_rule){
			.kind = BAL_ONLY_ON,
			.guests = list,
			.guest_count = n,
			.hosts = hosts_there(x, v->reaches[i].hosts),
		};
	}
}

/* Nor do they go back at once to where they came from. */
static void
take_returns(struct even *x)
{
	const struct drs_view *v = x->r->v;

	for (uint32_t g = 0; g < x->b.guest_count; g++) {
		const struct drs_host *from = v->guests[x->guest_of[g]].came_from;
		if (!from || x->bal_host[from - v->hosts] == BAL_NONE)
			continue;
		uint32_t *list = arena_array(x->r->mem, 1, sizeof(*list));
		bool *hosts = arena_array(x->r->mem, x->b.host_count + 1, sizeof(bool));
		*list = g;
		hosts[x->bal_host[from - v->hosts]] = true;
		x->rules[x->b.rule_count++] = (struct bal_rule){
			.kind = BAL_NEVER_ON,
			.guests = list,
			.guest_count = 1,
			.hosts = hosts,
		};
	}
}

static void
even_init(struct even *x, struct drs_run *r)
{
	uint32_t hosts = r->v->host_count + 1, guests = r->v->guest_count + 1;
	uint32_t rules = r->v->rule_count + r->v->reach_count + guests;

	*x = (struct even){ .r = r };
	x->b.arena = r->mem;
	x->b.hosts = arena_array(r->mem, hosts, sizeof(struct bal_host));
	x->b.guests = arena_array(r->mem, guests, sizeof(struct bal_guest));
	x->host_of = arena_array(r->mem, hosts, sizeof(uint32_t));
	x->bal_host = arena_array(r->mem, hosts, sizeof(uint32_t));
	x->per_host = arena_array(r->mem, hosts, sizeof(uint32_t));
	x->guest_of = arena_array(r->mem, guests, sizeof(uint32_t));
	x->bal_guest = arena_array(r->mem, guests, sizeof(uint32_t));
	x->rules = arena_array(r->mem, rules, sizeof(struct bal_rule));
	take_hosts(x);
	take_guests(x);
	take_rules(x);
	take_reaches(x);
	take_returns(x);
	x->b.rules = x->rules;
	if (x->b.host_count && x->b.guest_count)
		bal_init(&x->b);
}

static enum drs_reason
reason_of(const struct drs_move *m)
{
	const struct drs_sums *a = &m->before, *b = &m->after;
	double cpu = policy_deviation(a->cpu, a->cpu_squares, m->hosts) -
		     policy_deviation(b->cpu, b->cpu_squares, m->hosts);
	double mem = policy_deviation(a->mem, a->mem_squares, m->hosts) -
		     policy_deviation(b->mem, b->mem_squares, m->hosts);

	return cpu >= mem ? DRS_BALANCE_CPU : DRS_BALANCE_MEMORY;
}

/* What the balancer would do next: one guest goes, or several do that are kept
 * together, or two change places. */
static bool
next_change(struct even *x, struct bal_change *ret)
{
	const struct bal_limits l = {
		.max_moved = x->b.guest_count,
		.min_gain = policy_least_gain(x->r->v->threshold, x->b.host_count),
	};

	return bal_next(&x->b, &l, ret);
}

static void
move_one(struct even *x, uint32_t g, uint32_t h, uint32_t priority)
{
	struct drs_run *r = x->r;
	uint32_t guest = x->guest_of[g], to = x->host_of[h];

	x->per_host[r->at[guest]]++;
	x->per_host[to]++;
	struct drs_move *m = drs_take(r, guest, to, priority, DRS_BALANCE_CPU);
	m->reason = reason_of(m);
}

/* In an order in which each has room at its turn. */
static void
exchange(struct even *x, const struct bal_change *c, uint32_t priority)
{
	const struct bal *b = &x->b;
	uint32_t from = b->guests[c->guest].at;
	const struct bal_host *to = &b->hosts[c->to];
	bool is_first = to->mem + b->guests[c->guest].mem <= to->mem_cap;

	if (is_first)
		move_one(x, c->guest, c->to, priority);
	move_one(x, c->back, from, priority);
	if (!is_first)
		move_one(x, c->guest, c->to, priority);
}

/* Try it in the plan. */
static void
take_change(struct even *x, const struct bal_change *c, uint32_t priority)
{
	const struct bal *b = &x->b;
	uint32_t g = c->guest;

	if (c->back != BAL_NONE) {
		exchange(x, c, priority);
		return;
	}
	do {
		move_one(x, g, c->to, priority);
		g = b->guests[g].next;
	} while (g != c->guest);
}

/* Do moves of the plan, from the first of them on, bring more than they cost? */
static bool
is_worth_it(const struct even *x, uint32_t first)
{
	const struct drs_plan *p = x->r->plan;
	double net = 0, worst = 0, gain;

	for (uint32_t i = first; i < p->move_count; i++) {
		const struct drs_move *m = &p->moves[i];
		net += m->worth.benefit - m->worth.cost;
		worst += m->worth.worst;
		if (x->per_host[m->from] > MAX_PER_HOST ||
		    x->per_host[m->to] > MAX_PER_HOST)
			return false;
	}
	const struct drs_move *last = &p->moves[p->move_count - 1];
	gain = drs_imbalance(&p->moves[first].before, last->hosts) -
	       drs_imbalance(&last->after, last->hosts);
	return net + fmin(0, worst) > 0 || (gain >= POLICY_OVERRIDES && worst >= 0);
}

static void
drop_from(struct even *x, uint32_t first)
{
	const struct drs_plan *p = x->r->plan;

	while (p->move_count > first) {
		const struct drs_move *m = &p->moves[p->move_count - 1];
		x->per_host[m->from]--;
		x->per_host[m->to]--;
		drs_untake(x->r);
	}
}

/* Those of a plan that make sense only together say so. */
static void
name_company(struct even *x, const struct bal_change *c, uint32_t first)
{
	struct drs_plan *p = x->r->plan;
	uint32_t n = p->move_count - first;

	for (uint32_t i = first; n > 1 && i < p->move_count; i++) {
		uint32_t other = i == first ? first + 1 : first;
		p->moves[i].company = arena_printf(x->r->mem, "%s \"%s\"",
		    c->back == BAL_NONE ? "together with" : "in exchange for",
		    x->r->v->guests[p->moves[other].guest].name);
	}
}

/* No guest is looked at twice in a plan. */
static void
settle(struct even *x, const struct bal_change *c, uint32_t first)
{
	struct bal *b = &x->b;
	const struct drs_plan *p = x->r->plan;

	for (uint32_t g = c->guest; !b->guests[g].fixed; g = b->guests[g].next)
		b->guests[g].fixed = true;
	if (c->back != BAL_NONE)
		b->guests[c->back].fixed = true;
	for (uint32_t i = first; i < p->move_count; i++)
		bal_apply(
		    b, x->bal_guest[p->moves[i].guest], x->bal_host[p->moves[i].to]);
	/* What was screened is of the time before. */
	if (p->move_count > first)
		b->screen = NULL;
}

/* Is one alone against a rule?  The balancer has asked for all else, but knows only of
 * guests on hosts that stay. */
static bool
is_alone_against(const struct even *x, const struct bal_change *c)
{
	const char *text;

	return x->b.guests[c->guest].next == c->guest && c->back == BAL_NONE &&
	       drs_against(x->r, x->guest_of[c->guest], x->host_of[c->to], true, &text);
}

void
drs_even_out(struct drs_run *r)
{
	struct even x;
	struct bal_change c;
	uint32_t refused = 0, most = r->plan->move_count + MAX_MOVES;

	even_init(&x, r);
	while (x.b.host_count > 1 && x.b.guest_count && refused < POLICY_MAX_REFUSED &&
	       r->plan->move_count < most) {
		uint32_t n, first = r->plan->move_count;
		struct drs_sums now = drs_sum(r, &n);
		uint32_t priority = drs_priority(r, &now, n);
		if (priority > r->v->threshold || !next_change(&x, &c))
			return;
		if (!is_alone_against(&x, &c))
			take_change(&x, &c, priority);
		if (r->plan->move_count > first && !is_worth_it(&x, first))
			drop_from(&x, first);
		refused += r->plan->move_count == first;
		name_company(&x, &c, first);
		settle(&x, &c, first);
	}
}

#include "server/drs/drs_decide.h"

#include "scheduler/balance_int.h"
#include "server/drs/drs_int.h"

#define MAX_PER_HOST   8u  /* moves from or to one host in a run */
#define MAX_REFUSED    64u /* moves that were looked at and not worth it */
#define GAIN_LEAST     0.005
#define GAIN_ANY       0.001
#define GAIN_OVERRIDES 0.2 /* so much evenness is worth any cost */
#define AGGRESSIVE     5u  /* threshold at which any gain is taken */

static const struct {
	const char *code, *text;
} reasons[] = {
	[DRS_HOST_MAINTENANCE] = { "hostMaint", "its host goes into maintenance" },
	[DRS_RULE_APART] = { "antiAffin", "a rule keeps it apart from others" },
	[DRS_RULE_TOGETHER] = { "jointAffin", "a rule keeps it together with others" },
	[DRS_RULE_HOST] = { "vmHostHardAffinity", "a rule says where it must run" },
	[DRS_RULE_HOST_SOFT] = { "vmHostSoftAffinity",
	    "a rule says where it should run" },
	[DRS_MEMORY_SHORT] = { "reservationMem",
	    "its host has given away more memory than it has" },
	[DRS_BALANCE_CPU] = { "fairnessCpuAvg", "CPU load is uneven" },
	[DRS_BALANCE_MEMORY] = { "fairnessMemAvg", "memory load is uneven" },
};

const char *
drs_reason_code(enum drs_reason r)
{
	return reasons[r].code;
}

const char *
drs_reason_text(enum drs_reason r)
{
	return reasons[r].text;
}

/* Load from which on guests may have to wait, by threshold. */
static const double knees[] = { 0.5, 0.5, 0.5, 0.5, 0.3, 0 };

static void
begin(struct drs_run *r)
{
	const struct drs_view *v = r->v;

	r->at = arena_array(r->mem, v->guest_count + 1, sizeof(uint32_t));
	r->has_moved = arena_array(r->mem, v->guest_count + 1, sizeof(bool));
	r->is_stuck = arena_array(r->mem, v->guest_count + 1, sizeof(bool));
	r->cpu = arena_array(r->mem, v->host_count + 1, sizeof(double));
	r->given = arena_array(r->mem, v->host_count + 1, sizeof(double));
	r->peak = arena_array(r->mem, v->host_count + 1, sizeof(double));
	r->plan->moves =
	    arena_array(r->mem, v->guest_count + 1, sizeof(struct drs_move));
	r->plan->blockers =
	    arena_array(r->mem, v->guest_count + 1, sizeof(struct drs_blocker));
	r->knee = knees[v->threshold <= AGGRESSIVE ? v->threshold : AGGRESSIVE];
	for (uint32_t g = 0; g < v->guest_count; g++) {
		uint32_t h = v->guests[g].host;
		r->at[g] = h;
		r->cpu[h] += v->guests[g].cpu_mhz;
		r->given[h] += v->guests[g].mem_mb;
		r->peak[h] += drs_peak(&v->guests[g]);
	}
}

/* ---- evening out: the scheduler's balancer over the hosts that stay ---- */

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
reason_of(const struct drs_sums *a, const struct drs_sums *b, uint32_t hosts)
{
	double cpu = drs_deviation(a->cpu, a->cpu_squares, hosts) -
		     drs_deviation(b->cpu, b->cpu_squares, hosts);
	double mem = drs_deviation(a->mem, a->mem_squares, hosts) -
		     drs_deviation(b->mem, b->mem_squares, hosts);

	return cpu >= mem ? DRS_BALANCE_CPU : DRS_BALANCE_MEMORY;
}

static bool
is_worth_it(const struct even *x, uint32_t guest, uint32_t to)
{
	const struct drs_run *r = x->r;
	uint32_t from = r->at[guest], n;
	struct drs_sums before = drs_sum(r, &n), after = drs_sum_after(r, guest, to);
	double gain = drs_imbalance(&before, n) - drs_imbalance(&after, n);
	const char *text;

	/* Guests that stay together would have to go together. */
	if (drs_against(r, guest, to, true, &text))
		return false;
	if (x->per_host[from] >= MAX_PER_HOST || x->per_host[to] >= MAX_PER_HOST)
		return false;
	struct drs_worth w = drs_worth_of(r, guest, to);
	return w.net > 0 || (gain >= GAIN_OVERRIDES && w.risk >= 0);
}

/* The balancer's next move, in ours; false if none gains. */
static bool
next_move(struct even *x, uint32_t *ret_guest, uint32_t *ret_to)
{
	double least = x->r->v->threshold >= AGGRESSIVE ? GAIN_ANY : GAIN_LEAST;
	double gain = bal_best_move(&x->b, true, ret_guest, ret_to);

	return *ret_guest != BAL_NONE && gain >= least;
}

static void
take_move(struct even *x, uint32_t g, uint32_t h, uint32_t priority)
{
	struct drs_run *r = x->r;
	uint32_t guest = x->guest_of[g], to = x->host_of[h], from = r->at[guest], n;
	struct drs_sums before = drs_sum(r, &n), after = drs_sum_after(r, guest, to);

	x->per_host[from]++;
	x->per_host[to]++;
	drs_take(r, guest, to, priority, reason_of(&before, &after, n));
	bal_apply(&x->b, g, h);
	/* It is looked at anew: what was screened is of the time before. */
	x->b.screen = NULL;
}

static void
even_out(struct drs_run *r)
{
	struct even x;
	uint32_t refused = 0;

	even_init(&x, r);
	while (x.b.host_count > 1 && x.b.guest_count && refused < MAX_REFUSED) {
		uint32_t n, g, h;
		struct drs_sums now = drs_sum(r, &n);
		uint32_t priority = drs_priority(r, &now, n);
		if (priority > r->v->threshold || !next_move(&x, &g, &h))
			return;
		bool worth = is_worth_it(&x, x.guest_of[g], x.host_of[h]);
		/* No guest is moved twice in a plan. */
		x.b.guests[g].fixed = true;
		refused += !worth;
		if (worth)
			take_move(&x, g, h, priority);
	}
}

void
drs_decide(const struct drs_view *v, struct arena *mem, struct drs_plan *ret)
{
	struct drs_run r = { .v = v, .mem = mem, .plan = ret };

	*ret = (struct drs_plan){ 0 };
	begin(&r);
	ret->before = drs_sum(&r, &ret->hosts);
	ret->is_uneven = drs_priority(&r, &ret->before, ret->hosts) <= v->threshold;
	drs_mandatory(&r);
	if (v->may_balance)
		even_out(&r);
	ret->after = drs_sum(&r, &ret->hosts);
}

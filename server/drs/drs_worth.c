/*
 * What a move changes, costs and brings.
 */
#include <math.h>

#include "scheduler/policy.h"
#include "server/drs/drs_int.h"

double
drs_imbalance(const struct drs_sums *s, uint32_t hosts)
{
	return policy_deviation(s->cpu, s->cpu_squares, hosts) +
	       policy_deviation(s->mem, s->mem_squares, hosts);
}

static bool
stays(const struct drs_host *h)
{
	return !h->is_leaving && !h->is_closed;
}

static void
add(struct drs_sums *s, const struct drs_host *h, double cpu, double mem, double sign)
{
	double x = cpu / h->cpu_mhz, y = mem / h->mem_mb;

	if (!stays(h))
		return;
	s->cpu += sign * x;
	s->cpu_squares += sign * x * x;
	s->mem += sign * y;
	s->mem_squares += sign * y * y;
}

struct drs_sums
drs_sum(const struct drs_run *r, uint32_t *ret_hosts)
{
	struct drs_sums s = { 0 };

	*ret_hosts = 0;
	for (uint32_t h = 0; h < r->v->host_count; h++) {
		*ret_hosts += stays(&r->v->hosts[h]);
		add(&s, &r->v->hosts[h], r->cpu[h], r->given[h], 1);
	}
	return s;
}

struct drs_sums
drs_sum_after(
    const struct drs_run *r, const struct drs_sums *now, uint32_t guest, uint32_t to)
{
	const struct drs_guest *g = &r->v->guests[guest];
	uint32_t from = r->at[guest];
	const struct drs_host *hf = &r->v->hosts[from], *ht = &r->v->hosts[to];
	struct drs_sums s = *now;

	if (from == to)
		return s;
	add(&s, hf, r->cpu[from], r->given[from], -1);
	add(&s, hf, r->cpu[from] - g->cpu_mhz, r->given[from] - g->mem_mb, 1);
	add(&s, ht, r->cpu[to], r->given[to], -1);
	add(&s, ht, r->cpu[to] + g->cpu_mhz, r->given[to] + g->mem_mb, 1);
	return s;
}

/* The widest gap between two hosts that stay, over both resources. */
static double
widest_gap(const struct drs_run *r)
{
	double lo[2] = { HUGE_VAL, HUGE_VAL }, hi[2] = { 0, 0 };

	for (uint32_t h = 0; h < r->v->host_count; h++) {
		const struct drs_host *host = &r->v->hosts[h];
		double x[2] = { r->cpu[h] / host->cpu_mhz, r->given[h] / host->mem_mb };
		for (unsigned i = 0; stays(host) && i < 2; i++) {
			lo[i] = fmin(lo[i], x[i]);
			hi[i] = fmax(hi[i], x[i]);
		}
	}
	return fmax(hi[0] - lo[0], hi[1] - lo[1]);
}

uint32_t
drs_priority(const struct drs_run *r, const struct drs_sums *s, uint32_t hosts)
{
	double worst = fmax(policy_deviation(s->cpu, s->cpu_squares, hosts),
	    policy_deviation(s->mem, s->mem_squares, hosts));
	uint32_t p = policy_priority(worst, hosts);
	uint32_t q = policy_priority_of_gap(hosts ? widest_gap(r) : 0);

	return p < q ? p : q;
}

double
drs_peak(const struct drs_guest *g)
{
	return fmax(g->peak_mhz, g->cpu_mhz);
}

static struct policy_host
host_of(const struct drs_run *r, uint32_t host)
{
	const struct drs_host *h = &r->v->hosts[host];

	return (struct policy_host){
		.cpu = r->cpu[host],
		.mem = r->given[host],
		.peak = r->peak[host],
		.cpu_cap = h->cpu_mhz,
		.mem_cap = h->mem_mb,
		.core_mhz = h->core_mhz,
	};
}

struct policy_worth
drs_worth_of(const struct drs_run *r, uint32_t guest, uint32_t to)
{
	const struct drs_guest *g = &r->v->guests[guest];
	const struct policy_move m = {
		.from = host_of(r, r->at[guest]),
		.to = host_of(r, to),
		.guest = {
			.cpu = g->cpu_mhz,
			.mem = g->mem_mb,
			.peak = drs_peak(g),
			.dirty_mb_s = g->dirty_mb_s,
			.stable_s = g->stable_s,
		},
		.link_mb_s = r->v->link_mb_s,
		.knee = r->knee,
	};

	return policy_worth_of(&m);
}

/* The hosts that it does not go to, best first. */
static void
find_alternatives(struct drs_run *r, struct drs_move *m)
{
	for (uint32_t h = 0; h < r->v->host_count; h++) {
		struct drs_alt a = { .host = h };
		uint32_t at = m->alt_count;
		if (h == m->from || h == m->to)
			continue;
		struct drs_sums s = drs_sum_after(r, &m->before, m->guest, h);
		a.imbalance = drs_imbalance(&s, m->hosts);
		while (at > 0 && m->alts[at - 1].imbalance > a.imbalance)
			at--;
		if (at == DRS_MAX_ALTS)
			continue;
		for (uint32_t k = DRS_MAX_ALTS - 1; k > at; k--)
			m->alts[k] = m->alts[k - 1];
		m->alts[at] = a;
		m->alt_count += m->alt_count < DRS_MAX_ALTS;
	}
	for (uint32_t i = 0; i < m->alt_count; i++) {
		struct drs_alt *a = &m->alts[i];
		a->term = drs_against(r, m->guest, a->host, true, &a->text);
		if (a->term)
			continue;
		a->term = "gain";
		a->text = arena_printf(r->mem,
		    "leaves an imbalance of %.4f instead of "
		    "%.4f",
		    a->imbalance, drs_imbalance(&m->after, m->hosts));
	}
}

static uint32_t
find_predecessor(const struct drs_run *r, uint32_t to)
{
	for (uint32_t i = r->plan->move_count; i > 0; i--) {
		if (r->plan->moves[i - 1].from == to)
			return i - 1;
	}
	return DRS_NONE;
}

static void
put(struct drs_run *r, uint32_t guest, uint32_t to)
{
	const struct drs_guest *g = &r->v->guests[guest];
	uint32_t from = r->at[guest];

	r->at[guest] = to;
	r->cpu[from] -= g->cpu_mhz;
	r->given[from] -= g->mem_mb;
	r->peak[from] -= drs_peak(g);
	r->cpu[to] += g->cpu_mhz;
	r->given[to] += g->mem_mb;
	r->peak[to] += drs_peak(g);
}

struct drs_move *
drs_take(struct drs_run *r, uint32_t guest, uint32_t to, uint32_t priority,
    enum drs_reason reason)
{
	uint32_t from = r->at[guest];
	struct drs_move *m = &r->plan->moves[r->plan->move_count];

	*m = (struct drs_move){
		.guest = guest,
		.from = from,
		.to = to,
		.priority = priority,
		.reason = reason,
		.from_before = { r->cpu[from], r->given[from], r->peak[from] },
		.to_before = { r->cpu[to], r->given[to], r->peak[to] },
		.worth = drs_worth_of(r, guest, to),
		.knee = r->knee,
		.waits_for = find_predecessor(r, to),
	};
	m->before = drs_sum(r, &m->hosts);
	m->after = drs_sum_after(r, &m->before, guest, to);
	find_alternatives(r, m);
	r->plan->move_count++;
	put(r, guest, to);
	r->has_moved[guest] = true;
	return m;
}

void
drs_untake(struct drs_run *r)
{
	const struct drs_move *m = &r->plan->moves[--r->plan->move_count];

	put(r, m->guest, m->from);
	r->has_moved[m->guest] = false;
}

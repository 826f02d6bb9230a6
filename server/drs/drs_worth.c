/*
 * What a move changes, costs and brings.
 */
#include <math.h>

#include "server/drs/drs_int.h"

#define STEP_PRIORITY 0.1  /* imbalance that is worth one step of priority */
#define CORE_SHARE    0.3  /* of a core that sending or taking memory keeps busy */
#define SLOWED        0.05 /* of its demand a guest loses while it is copied */
#define RESUME_S      0.2
#define DIRTY_MAX     0.9    /* of the link; above that a copy would never end */
#define SWITCH_MB     32.0   /* what is left to send when it is paused */
#define AHEAD_S       3600.0 /* so far ahead a move is judged */

double
drs_deviation(double sum, double squares, uint32_t n)
{
	double mean = n ? sum / n : 0;
	double variance = n ? squares / n - mean * mean : 0;

	return variance > 0 ? sqrt(variance) : 0;
}

double
drs_imbalance(const struct drs_sums *s, uint32_t hosts)
{
	return drs_deviation(s->cpu, s->cpu_squares, hosts) +
	       drs_deviation(s->mem, s->mem_squares, hosts);
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

/* The deviation hides a few hot hosts among many: each pair of hosts counts too. */
static uint32_t
priority_of_gap(double gap)
{
	static const double over[] = { [2] = 0.30, [3] = 0.20, [4] = 0.10, [5] = 0.05 };
	uint32_t p = 2;

	while (p <= 5 && !(gap > over[p]))
		p++;
	return p;
}

uint32_t
drs_priority(const struct drs_run *r, const struct drs_sums *s, uint32_t hosts)
{
	double worst = fmax(drs_deviation(s->cpu, s->cpu_squares, hosts),
	    drs_deviation(s->mem, s->mem_squares, hosts));
	double steps = ceil(worst / STEP_PRIORITY * sqrt(hosts));
	uint32_t p = steps < 1 ? 6 : steps > 4 ? 2 : 6 - (uint32_t)steps;
	uint32_t q = priority_of_gap(hosts ? widest_gap(r) : 0);

	return p < q ? p : q;
}

/* Load above the knee is what guests may have to wait for, in MHz. */
static double
unmet(const struct drs_host *h, double cpu, double mem, double knee)
{
	double x = fmax(0, cpu / h->cpu_mhz - knee),
	       y = fmax(0, mem / h->mem_mb - knee);

	return (x * x + y * y) * h->cpu_mhz;
}

double
drs_peak(const struct drs_guest *g)
{
	return fmax(g->peak_mhz, g->cpu_mhz);
}

/* How much less would be unmet with guest on host to; cpu: what the hosts' guests want,
 * mhz: what it wants. */
static double
less_unmet(
    const struct drs_run *r, uint32_t guest, uint32_t to, const double *cpu, double mhz)
{
	uint32_t from = r->at[guest];
	const struct drs_host *hf = &r->v->hosts[from], *ht = &r->v->hosts[to];
	double mb = r->v->guests[guest].mem_mb;

	return unmet(hf, cpu[from], r->given[from], r->knee) +
	       unmet(ht, cpu[to], r->given[to], r->knee) -
	       unmet(hf, cpu[from] - mhz, r->given[from] - mb, r->knee) -
	       unmet(ht, cpu[to] + mhz, r->given[to] + mb, r->knee);
}

struct drs_worth
drs_worth_of(const struct drs_run *r, uint32_t guest, uint32_t to)
{
	const struct drs_guest *g = &r->v->guests[guest];
	uint32_t from = r->at[guest];
	const struct drs_host *hf = &r->v->hosts[from], *ht = &r->v->hosts[to];
	double dirty = fmin(g->dirty_mb_s / r->v->link_mb_s, DIRTY_MAX);
	struct drs_worth w = { 0 };

	w.copy_s = g->mem_mb / (r->v->link_mb_s * (1 - dirty));
	w.stop_s = fmin(g->mem_mb, SWITCH_MB) / r->v->link_mb_s + RESUME_S;
	w.cost = w.copy_s * CORE_SHARE * (hf->core_mhz + ht->core_mhz) +
		 w.copy_s * SLOWED * g->cpu_mhz + w.stop_s * g->cpu_mhz;
	w.benefit = less_unmet(r, guest, to, r->cpu, g->cpu_mhz) *
		    fmax(0, g->stable_s - w.copy_s);
	w.worst = less_unmet(r, guest, to, r->peak, drs_peak(g)) *
		  fmax(0, AHEAD_S - g->stable_s);
	w.risk = fmin(0, w.worst);
	w.net = w.benefit + w.risk - w.cost;
	return w;
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

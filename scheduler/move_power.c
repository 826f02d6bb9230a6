/* sched_power: hosts that could be in standby, and those that are needed. */
#include <math.h>

#include "scheduler/balance_spare.h"
#include "scheduler/moves.h"

#define AIM_LOW  0.45
#define AIM      0.63
#define AIM_HIGH 0.81

struct powering {
	struct moves *m;
	struct sched_power_advice *list;
	size_t count;
};

static double
load_of(const struct bal_host *h)
{
	return fmax(h->cpu / h->cpu_cap, h->mem / h->mem_cap);
}

/* Load of all hosts that stay, were so much more capacity there. */
static double
load_with(const struct bal *b, double cpu_more, double mem_more)
{
	double cpu = 0, mem = 0, cpu_cap = cpu_more, mem_cap = mem_more;

	for (uint32_t i = 0; i < b->host_count; i++) {
		const struct bal_host *h = &b->hosts[i];

		cpu += h->cpu;
		mem += h->mem;
		cpu_cap += h->closed ? 0 : h->cpu_cap;
		mem_cap += h->closed ? 0 : h->mem_cap;
	}
	return cpu_cap > 0 ? fmax(cpu / cpu_cap, mem / mem_cap) : 0;
}

static bool
is_any_hot(const struct bal *b)
{
	for (uint32_t i = 0; i < b->host_count; i++) {
		if (!b->hosts[i].closed && load_of(&b->hosts[i]) > AIM_HIGH)
			return true;
	}
	return false;
}

static void
advise(struct powering *p, uint32_t host_ix, enum sched_power power, const char *text)
{
	const struct sched_host *h = &view_host_at(p->m->v, host_ix)->in;
	struct arena *a = p->m->plan->arena;

	p->list[p->count++] = (struct sched_power_advice){
		.host = h->id,
		.host_name = arena_strdup(a, h->name),
		.power = power,
		.text = text,
	};
}

static const char *
why_wake(const struct powering *p, double load, uint32_t unsafe)
{
	struct arena *a = p->m->plan->arena;

	if (!unsafe)
		return arena_printf(a, "hosts are loaded to %.1f %%", load * 100);
	return arena_printf(a,
	    "hosts are loaded to %.1f %%, and %u guests would have nowhere to go if "
	    "their host were lost",
	    load * 100, unsafe);
}

/* Hosts in standby, by id, until all together would be loaded as they should be. */
static void
wake(struct powering *p, uint32_t cluster_ix)
{
	struct bal *b = &p->m->x.b;
	uint32_t unsafe = b->spare ? bal_spare_missing(b) : 0;
	double cpu_more = 0, mem_more = 0;

	if (!is_any_hot(b) && !unsafe)
		return;
	for (uint32_t i = 0; i < p->m->v->hosts.count; i++) {
		const struct view_host *h = view_host_at(p->m->v, i);
		double now = load_with(b, cpu_more, mem_more);

		if (h->in.state != SCHED_HOST_STANDBY || h->cluster_ix != cluster_ix)
			continue;
		if (p->count && now <= AIM)
			return;
		advise(p, i, SCHED_POWER_WAKE, why_wake(p, now, unsafe));
		cpu_more += (double)h->in.cpu_mhz;
		mem_more += (double)bal_view_memory_mb(h);
	}
}

/* The least loaded host that nobody has looked at. */
static uint32_t
find_idlest(const struct bal *b, const bool *seen)
{
	uint32_t best = BAL_NONE;

	for (uint32_t i = 0; i < b->host_count; i++) {
		if (!seen[i] && (best == BAL_NONE ||
				    load_of(&b->hosts[i]) < load_of(&b->hosts[best])))
			best = i;
	}
	return best;
}

/* Nobody counts on a host that has closed. */
static void
renew_spare(struct bal *b)
{
	if (b->spare)
		bal_spare_init(b);
}

/* Its guests elsewhere by every rule, no host hot, nobody less safe; or as it was. */
static bool
can_sleep(struct bal *b, uint32_t host, uint32_t unsafe_before)
{
	struct bal_host *h = &b->hosts[host];
	uint32_t before = b->step_count, broken = bal_rules_broken(b);

	h->closed = true;
	renew_spare(b);
	bal_empty_host(b, host);
	if (!h->guest_count && !is_any_hot(b) && bal_rules_broken(b) <= broken &&
	    (!b->spare || bal_spare_missing(b) <= unsafe_before))
		return true;
	bal_undo(b, before);
	h->closed = false;
	renew_spare(b);
	return false;
}

static void
sleep_idle(struct powering *p)
{
	struct bal *b = &p->m->x.b;
	uint32_t unsafe = b->spare ? bal_spare_missing(b) : 0, host;
	bool *seen =
	    arena_array(p->m->scratch, (size_t)b->host_count + 1, sizeof(*seen));
	double now;

	while ((now = load_with(b, 0, 0)) < AIM_LOW &&
	       (host = find_idlest(b, seen)) != BAL_NONE) {
		double own = load_of(&b->hosts[host]);

		seen[host] = true;
		if (!can_sleep(b, host, unsafe))
			continue;
		advise(p, p->m->x.host_of[host], SCHED_POWER_STANDBY,
		    arena_printf(p->m->plan->arena,
			"it is loaded to %.1f %%; without it the others are, to %.1f "
			"%% instead of %.1f %%",
			own * 100, load_with(b, 0, 0) * 100, now * 100));
	}
}

int
sched_power(const struct sched_view *v, const struct sched_ask *ask,
    struct sched_plan **ret_plan, struct err *e)
{
	struct moves m;
	struct powering p = { .m = &m };
	int rc = moves_begin(&m, v, ask, NULL, e);

	if (rc)
		return rc;
	m.leaving_why = m.even_why = SCHED_WHY_STANDBY;
	p.list = arena_array(m.plan->arena, v->hosts.count + 1, sizeof(*p.list));
	wake(&p, ask->cluster ? view_find(&v->clusters, ask->cluster) : NO_IX);
	if (!p.count)
		sleep_idle(&p);
	m.plan->powers = p.list;
	m.plan->power_count = p.count;
	*ret_plan = moves_finish(&m);
	return 0;
}

/*
 * Which hosts could be in standby, and which are needed: the scheduler's word on the
 * view.
 */
#include "scheduler/sched.h"
#include "server/advice/advice.h"
#include "server/drs/drs_int.h"

#define CLUSTER  1u
#define AT_ONCE  4u
#define KB_OF_MB 1024.0

/* What counts as demand: now, or the most of an hour. */
enum demand { DEMAND_NOW, DEMAND_PEAK };

/* Places in the view as the scheduler's ids. */
static uint64_t
id_of(uint32_t place)
{
	return (uint64_t)place + 1;
}

static enum sched_host_state
state_of(const struct drs_host *h)
{
	if (h->is_asleep)
		return SCHED_HOST_STANDBY;
	return h->is_closed || h->is_leaving ? SCHED_HOST_DISCONNECTED
					     : SCHED_HOST_CONNECTED;
}

/* What guests of one kind reach is a network to the scheduler. */
static int
add_hosts(const struct drs_run *r, struct sched_view *sv, struct err *e)
{
	const struct drs_view *v = r->v;
	uint64_t *reached = arena_array(r->mem, v->reach_count + 1, sizeof(*reached));
	int rc = 0;

	for (uint32_t i = 0; !rc && i < v->reach_count; i++)
		rc = sched_view_add_network(
		    sv, &(struct sched_network){ .id = id_of(i), .name = "reach" }, e);
	for (uint32_t h = 0; !rc && h < v->host_count; h++) {
		const struct drs_host *host = &v->hosts[h];
		struct sched_host s = {
			.id = id_of(h),
			.name = host->name,
			.cluster = CLUSTER,
			.state = state_of(host),
			.cpu_mhz = (uint64_t)host->cpu_mhz,
			.cpu_cores = (uint64_t)(host->cpu_mhz / host->core_mhz + 0.5),
			.memory_mb = (uint64_t)host->mem_mb,
			.networks = reached,
		};

		for (uint32_t i = 0; i < v->reach_count; i++) {
			if (v->reaches[i].hosts[h])
				reached[s.network_count++] = id_of(i);
		}
		rc = sched_view_add_host(sv, &s, e);
	}
	return rc;
}

static int
add_guests(
    const struct drs_run *r, enum demand demand, struct sched_view *sv, struct err *e)
{
	int rc = 0;

	for (uint32_t g = 0; !rc && g < r->v->guest_count; g++) {
		const struct drs_guest *guest = &r->v->guests[g];
		uint64_t reach = id_of(guest->reach);
		double mhz = demand == DEMAND_NOW ? guest->cpu_mhz : drs_peak(guest);
		struct sched_guest s = {
			.id = id_of(g),
			.name = guest->name,
			.host = id_of(r->at[g]),
			.state = SCHED_GUEST_RUNNING,
			/* Demand counts, and was asked for already. */
			.num_cpu = 1,
			.is_measured = true,
			.cpu_demand_mhz = (uint64_t)mhz,
			.memory_mb = (uint64_t)guest->mem_mb,
			.dirty_kb_s = (uint64_t)(guest->dirty_mb_s * KB_OF_MB),
			.stable_s = (uint64_t)guest->stable_s,
			.networks = &reach,
			.network_count = 1,
			.pinned = guest->pinned,
		};

		rc = sched_view_add_guest(sv, &s, e);
	}
	return rc;
}

static uint64_t *
ids_of(const struct drs_run *r, const uint32_t *places, uint32_t n)
{
	uint64_t *ids = arena_array(r->mem, n + 1, sizeof(*ids));

	for (uint32_t i = 0; i < n; i++)
		ids[i] = id_of(places[i]);
	return ids;
}

static int
add_rules(const struct drs_run *r, struct sched_view *sv, struct err *e)
{
	int rc = 0;

	for (uint32_t i = 0; !rc && i < r->v->rule_count; i++) {
		const struct drs_rule *rule = &r->v->rules[i];
		uint32_t n = 0,
			 *on = arena_array(r->mem, r->v->host_count + 1, sizeof(*on));
		struct sched_rule s = {
			.id = id_of(i),
			.name = rule->name,
			.kind = advice_rule_kind(rule->type),
			.guests = ids_of(r, rule->guests, rule->guest_count),
			.guest_count = rule->guest_count,
		};

		for (uint32_t h = 0; rule->hosts && h < r->v->host_count; h++) {
			if (rule->hosts[h])
				on[n++] = h;
		}
		s.hosts = ids_of(r, on, n);
		s.host_count = n;
		/* One whose hosts are none of the cluster's says nothing here. */
		if (!rule->hosts || n)
			rc = sched_view_add_rule(sv, &s, e);
	}
	return rc;
}

static int
power_plan(const struct drs_run *r, enum demand demand, struct sched_plan **ret_plan,
    struct err *e)
{
	AUTO(sched_view) struct sched_view *sv = sched_view_new();
	struct sched_ask ask = sched_ask_default();
	const struct sched_cluster cluster = {
		.id = CLUSTER, .name = "cluster", .policy = sched_policy_default()
	};
	int rc = sched_view_add_cluster(sv, &cluster, e);

	if (!rc)
		rc = add_hosts(r, sv, e);
	if (!rc)
		rc = add_guests(r, demand, sv, e);
	if (!rc)
		rc = add_rules(r, sv, e);
	if (!rc)
		rc = sched_view_finish(sv, e);
	ask.cluster = CLUSTER;
	ask.detail = SCHED_BRIEF;
	ask.at_once = AT_ONCE;
	ask.link_mb_s = (uint64_t)r->v->link_mb_s;
	ask.keeps_spare = r->v->keeps_spare;
	return rc ? rc : sched_power(sv, &ask, ret_plan, e);
}

static void
add_power(struct drs_run *r, enum demand demand, const struct sched_power_advice *a)
{
	struct drs_power *p = &r->plan->powers[r->plan->power_count++];

	*p = (struct drs_power){
		.host = (uint32_t)(a->host - 1),
		.action = a->power == SCHED_POWER_WAKE ? REC_WAKE : REC_STANDBY,
		.text = arena_strdup(r->mem, a->text),
	};
	for (uint32_t g = 0; g < r->v->guest_count; g++) {
		const struct drs_guest *guest = &r->v->guests[g];
		p->mhz += demand == DEMAND_NOW ? guest->cpu_mhz : drs_peak(guest);
		p->mem_mb += guest->mem_mb;
	}
	for (uint32_t h = 0; h < r->v->host_count; h++) {
		const struct drs_host *host = &r->v->hosts[h];
		p->cap_mhz += host->is_closed ? 0 : host->cpu_mhz;
		p->cap_mem_mb += host->is_closed ? 0 : host->mem_mb;
	}
}

/* One host at a time goes into standby, and what is needed wakes together. */
static void
take_powers(struct drs_run *r, enum demand demand, enum sched_power power)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct err e = ERR_INIT;

	/* A view that is beyond the scheduler's bounds has no advice. */
	if (power_plan(r, demand, &plan, &e))
		return;
	for (size_t i = 0; i < plan->power_count; i++) {
		if (plan->powers[i].power != power)
			continue;
		add_power(r, demand, &plan->powers[i]);
		if (power == SCHED_POWER_STANDBY)
			return;
	}
}

void
drs_find_powers(struct drs_run *r)
{
	r->plan->powers =
	    arena_array(r->mem, r->v->host_count + 1, sizeof(*r->plan->powers));
	take_powers(r, DEMAND_NOW, SCHED_POWER_WAKE);
	/* What is about to move is not where it will be. */
	if (!r->plan->power_count && !r->plan->move_count && !r->plan->blocker_count)
		take_powers(r, DEMAND_PEAK, SCHED_POWER_STANDBY);
}

#include "server/drs/drs_decide.h"

#include "server/drs/drs_int.h"

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
	[DRS_HOST_DEGRADED] = { DRS_DEGRADED,
	    "its host reports failing hardware, and is in quarantine" },
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
	r->plan->breaches =
	    arena_array(r->mem, v->rule_count + 1, sizeof(struct drs_breach));
	r->knee = policy_knee(v->threshold);
	for (uint32_t g = 0; g < v->guest_count; g++) {
		uint32_t h = v->guests[g].host;
		r->at[g] = h;
		r->cpu[h] += v->guests[g].cpu_mhz;
		r->given[h] += v->guests[g].mem_mb;
		r->peak[h] += drs_peak(&v->guests[g]);
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
	drs_find_breaches(&r);
	drs_mandatory(&r);
	drs_leave_quarantine(&r);
	if (v->may_balance)
		drs_even_out(&r);
	if (v->may_power)
		drs_find_powers(&r);
	ret->after = drs_sum(&r, &ret->hosts);
}

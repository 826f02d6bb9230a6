#include "server/drs/drs_json.h"

#include <math.h>

#include "base/mem.h"
#include "base/str.h"

static void
set_id(json *o, const char *key, obj_id id)
{
	char text[OBJ_ID_TEXT];

	json_set_str(o, key, obj_id_text(id, text));
}

static json *
imbalance_json(const struct drs_sums *s, uint32_t hosts)
{
	json *o = json_new_object();

	json_set_real(o, "cpu", policy_deviation(s->cpu, s->cpu_squares, hosts));
	json_set_real(o, "memory", policy_deviation(s->mem, s->mem_squares, hosts));
	return o;
}

static json *
load_json(
    const struct drs_host *h, const struct drs_load *before, double cpu, double mem)
{
	json *o = json_new_object();

	json_set_real(o, "cpu_before", before->cpu_mhz / h->cpu_mhz);
	json_set_real(o, "cpu_after", (before->cpu_mhz + cpu) / h->cpu_mhz);
	json_set_real(o, "memory_before", before->mem_mb / h->mem_mb);
	json_set_real(o, "memory_after", (before->mem_mb + mem) / h->mem_mb);
	return o;
}

static json *
alternatives_json(const struct drs_view *v, const struct drs_move *m)
{
	json *list = json_new_array();

	for (uint32_t i = 0; i < m->alt_count; i++) {
		const struct drs_alt *a = &m->alts[i];
		json *o = json_new_object();
		set_id(o, "host", v->hosts[a->host].id);
		json_set_str(o, "host_name", v->hosts[a->host].name);
		json_set_str(o, "term", a->term);
		json_set_str(o, "text", a->text);
		json_set_real(o, "imbalance", a->imbalance);
		json_add_json(list, o);
	}
	return list;
}

/* The rules that name the guest. */
static json *
rules_json(const struct drs_view *v, const struct drs_move *m)
{
	json *list = json_new_array();

	for (uint32_t i = 0; i < v->rule_count; i++) {
		const struct drs_rule *r = &v->rules[i];
		for (uint32_t k = 0; k < r->guest_count; k++) {
			if (r->guests[k] == m->guest)
				json_add_str(list, r->name);
		}
	}
	return list;
}

json *
drs_factors(const struct drs_view *v, const struct drs_move *m)
{
	const struct drs_guest *g = &v->guests[m->guest];
	json *o = json_new_object();

	json_set_json(o, "imbalance_before", imbalance_json(&m->before, m->hosts));
	json_set_json(o, "imbalance_after", imbalance_json(&m->after, m->hosts));
	json_set_json(o, "from_load",
	    load_json(&v->hosts[m->from], &m->from_before, -g->cpu_mhz, -g->mem_mb));
	json_set_json(o, "to_load",
	    load_json(&v->hosts[m->to], &m->to_before, g->cpu_mhz, g->mem_mb));
	json_set_json(o, "rules", rules_json(v, m));
	json_set_str(o, "broken_rule", m->rule);
	json_set_str(o, "company", m->company);
	json_set_real(o, "copy_s", m->worth.copy_s);
	json_set_real(o, "pause_s", m->worth.stop_s);
	json_set_real(o, "cost_mhz_s", m->worth.cost);
	json_set_real(o, "benefit_mhz_s", m->worth.benefit);
	json_set_real(o, "risk_mhz_s", m->worth.risk);
	json_set_real(o, "net_benefit_mhz_s", m->worth.net);
	json_set_json(o, "alternatives", alternatives_json(v, m));
	return o;
}

static json *
host_json(const struct drs_host *h, const struct drs_load *l)
{
	json *o = json_new_object();

	json_set_real(o, "cpu_mhz", l->cpu_mhz);
	json_set_real(o, "cpu_peak_mhz", l->peak_mhz);
	json_set_real(o, "cpu_capacity_mhz", h->cpu_mhz);
	json_set_real(o, "memory_mb", l->mem_mb);
	json_set_real(o, "memory_capacity_mb", h->mem_mb);
	json_set_real(o, "core_mhz", h->core_mhz);
	return o;
}

static json *
guest_json(const struct drs_guest *g)
{
	json *o = json_new_object();

	json_set_real(o, "cpu_mhz", g->cpu_mhz);
	json_set_real(o, "cpu_peak_mhz", fmax(g->peak_mhz, g->cpu_mhz));
	json_set_real(o, "memory_mb", g->mem_mb);
	json_set_bool(o, "measured", g->is_measured);
	json_set_real(o, "stable_s", g->stable_s);
	json_set_real(o, "dirty_mb_s", g->dirty_mb_s);
	json_set_str(o, "dirty_from", g->is_dirty_measured ? "last move" : "cpu use");
	return o;
}

json *
drs_inputs(const struct drs_view *v, const struct drs_move *m)
{
	json *o = json_new_object(), *sums = json_new_object();

	json_set_u64(sums, "hosts", m->hosts);
	json_set_real(sums, "cpu", m->before.cpu);
	json_set_real(sums, "cpu_squares", m->before.cpu_squares);
	json_set_real(sums, "memory", m->before.mem);
	json_set_real(sums, "memory_squares", m->before.mem_squares);
	json_set_json(o, "load_sums", sums);
	json_set_json(o, "guest", guest_json(&v->guests[m->guest]));
	json_set_json(o, "from", host_json(&v->hosts[m->from], &m->from_before));
	json_set_json(o, "to", host_json(&v->hosts[m->to], &m->to_before));
	json_set_bool(o, "from_stays",
	    !v->hosts[m->from].is_leaving && !v->hosts[m->from].is_closed);
	json_set_real(o, "link_mb_s", v->link_mb_s);
	json_set_real(o, "knee", m->knee);
	json_set_u64(o, "threshold", v->threshold);
	return o;
}

char *
drs_move_name(const struct drs_view *v, const struct drs_move *m)
{
	return xasprintf("Move %s from %s to %s", v->guests[m->guest].name,
	    v->hosts[m->from].name, v->hosts[m->to].name);
}

char *
drs_move_text(const struct drs_view *v, const struct drs_move *m)
{
	const struct drs_guest *g = &v->guests[m->guest];
	const char *doubt =
	    g->is_measured ? ""
			   : "; it has no figures, or only old ones, and counts as its "
			     "full size";

	if (m->rule)
		return xasprintf(
		    "rule \"%s\": %s%s", m->rule, drs_reason_text(m->reason), doubt);
	if (m->reason != DRS_BALANCE_CPU && m->reason != DRS_BALANCE_MEMORY)
		return xasprintf("%s%s", drs_reason_text(m->reason), doubt);
	return xasprintf(
	    "%s%s%s: deviation over %u hosts %.3f CPU and %.3f memory, then "
	    "%.3f and %.3f%s",
	    drs_reason_text(m->reason), m->company ? "; it goes " : "",
	    m->company ? m->company : "", m->hosts,
	    policy_deviation(m->before.cpu, m->before.cpu_squares, m->hosts),
	    policy_deviation(m->before.mem, m->before.mem_squares, m->hosts),
	    policy_deviation(m->after.cpu, m->after.cpu_squares, m->hosts),
	    policy_deviation(m->after.mem, m->after.mem_squares, m->hosts), doubt);
}

static json *
move_json(const struct drs_view *v, const struct drs_move *m)
{
	json *o = json_new_object();
	AUTO_FREE char *name = drs_move_name(v, m), *text = drs_move_text(v, m);

	json_set_str(o, "name", name);
	json_set_str(o, "action", rec_action_text(REC_MOVE));
	set_id(o, "vm", v->guests[m->guest].id);
	set_id(o, "from_host", v->hosts[m->from].id);
	set_id(o, "to_host", v->hosts[m->to].id);
	json_set_u64(o, "priority", m->priority);
	json_set_str(o, "reason", drs_reason_code(m->reason));
	json_set_str(o, "text", text);
	json_set_json(o, "factors", drs_factors(v, m));
	json_set_json(o, "inputs", drs_inputs(v, m));
	return o;
}

const char *
drs_power_reason(const struct drs_power *p)
{
	return p->action == REC_WAKE ? "increaseCapacity" : "powerSaving";
}

char *
drs_power_name(const struct drs_view *v, const struct drs_power *p)
{
	const char *host = v->hosts[p->host].name;

	return p->action == REC_WAKE ? xasprintf("Wake %s", host)
				     : xasprintf("Put %s into standby", host);
}

json *
drs_power_inputs(const struct drs_view *v, const struct drs_power *p)
{
	const struct drs_host *h = &v->hosts[p->host];
	json *o = json_new_object();

	json_set_real(o, "cpu_mhz", p->mhz);
	json_set_real(o, "memory_mb", p->mem_mb);
	json_set_real(o, "cpu_capacity_mhz", p->cap_mhz);
	json_set_real(o, "memory_capacity_mb", p->cap_mem_mb);
	json_set_real(o, "host_cpu_capacity_mhz", h->cpu_mhz);
	json_set_real(o, "host_memory_capacity_mb", h->mem_mb);
	json_set_bool(o, "keeps_spare", v->keeps_spare);
	return o;
}

static json *
power_json(const struct drs_view *v, const struct drs_power *p)
{
	json *o = json_new_object();
	AUTO_FREE char *name = drs_power_name(v, p);

	json_set_str(o, "name", name);
	json_set_str(o, "action", rec_action_text(p->action));
	set_id(
	    o, p->action == REC_WAKE ? "to_host" : "from_host", v->hosts[p->host].id);
	json_set_str(o, "reason", drs_power_reason(p));
	json_set_str(o, "text", p->text);
	json_set_json(o, "inputs", drs_power_inputs(v, p));
	return o;
}

json *
drs_plan_json(const struct drs_view *v, const struct drs_plan *p)
{
	json *o = json_new_object(), *items = json_new_array(),
	     *blockers = json_new_array();

	for (uint32_t i = 0; i < p->move_count; i++)
		json_add_json(items, move_json(v, &p->moves[i]));
	for (uint32_t i = 0; i < p->power_count; i++)
		json_add_json(items, power_json(v, &p->powers[i]));
	for (uint32_t i = 0; i < p->blocker_count; i++) {
		const struct drs_blocker *b = &p->blockers[i];
		json *one = json_new_object();
		set_id(one, "vm", v->guests[b->guest].id);
		json_set_str(one, "name", v->guests[b->guest].name);
		json_set_str(one, "reason", drs_reason_code(b->reason));
		json_set_str(one, "text", b->text);
		json_add_json(blockers, one);
	}
	json_set_json(o, "imbalance", imbalance_json(&p->before, p->hosts));
	json_set_json(o, "imbalance_after", imbalance_json(&p->after, p->hosts));
	json_set_bool(o, "uneven", p->is_uneven);
	json_set_json(o, "items", items);
	json_set_json(o, "blockers", blockers);
	return o;
}

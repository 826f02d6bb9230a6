/*
 * body_ha: the parameters of HA, in PowerCLI's words and in ours (see body.h).
 */
#include <string.h>

#include "shell/body.h"

/* What PowerCLI calls otherwise than the server. */
static const struct {
	const char *key, *theirs, *ours;
} words[] = {
	{ "ha_restart_priority", "Disabled", "off" },
	{ "ha_restart_priority", "ClusterRestartPriority", "cluster" },
	{ "ha_isolation_response", "DoNothing", "leave_on" },
	{ "ha_isolation_response", "Shutdown", "shut_down" },
	{ "ha_admission", "FailoverHosts", "hosts" },
};

static void
put_word(struct stage *st, json *body, const char *param, const char *key)
{
	const char *given = get_text(st, param);

	body_name(st, body, param, key);
	for (size_t i = 0; given && i < ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i].key, key) && !strcasecmp(words[i].theirs, given))
			json_set_str(body, key, words[i].ours);
	}
}

/* How much is kept free, and how that is counted. */
static enum run
put_admission(struct stage *st, json *body)
{
	bool is_on = val_truth(get_arg(st, "HAAdmissionControlEnabled"));
	bool has_policy = has_arg(st, "HAAdmissionControlPolicy");

	if (has_arg(st, "HAAdmissionControlEnabled") && !is_on && has_policy)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-HAAdmissionControlPolicy has no place where admission control is "
		    "switched off");
	if (has_arg(st, "HAAdmissionControlEnabled"))
		json_set_str(body, "ha_admission", is_on ? "percentage" : "off");
	put_word(st, body, "HAAdmissionControlPolicy", "ha_admission");
	body_number(st, body, "HAFailoverLevel", "ha_failover_level");
	body_number(st, body, "HACpuPercent", "ha_cpu_percent");
	body_number(st, body, "HAMemoryPercent", "ha_memory_percent");
	body_number(st, body, "HASlotCpuMHz", "ha_slot_cpu_mhz");
	body_number(st, body, "HASlotMemoryMB", "ha_slot_memory_mb");
	body_number(st, body, "HADegradationPercent", "ha_degradation_percent");
	return RUN_OK;
}

enum run
body_ha_hosts(struct stage *st, json *body)
{
	if (!has_arg(st, "HAFailoverHost"))
		return RUN_OK;
	if (!json_get(body, "ha_admission"))
		json_set_str(body, "ha_admission", "hosts");
	if (!json_get(body, "ha_enabled"))
		json_set_bool(body, "ha_enabled", true);
	return body_ids(
	    st, body, "HAFailoverHost", KIND_BIT(HOST), "ha_failover_hosts");
}

static void
put_isolation(struct stage *st, json *body)
{
	struct val list = get_arg(st, "HAIsolationAddress");
	AUTO(str) struct str all = STR_INIT;

	put_word(st, body, "HAIsolationResponse", "ha_isolation_response");
	body_number(st, body, "HAIsolationSeconds", "ha_isolation_s");
	for (size_t i = 0; i < val_count(list); i++) {
		AUTO_FREE char *one = val_cstr(val_at(list, i));
		str_addf(&all, "%s%s", i ? "," : "", one);
	}
	if (has_arg(st, "HAIsolationAddress"))
		json_set_str(body, "ha_isolation_addresses", str_cstr(&all));
}

enum run
body_ha_cluster(struct stage *st, json *body)
{
	AUTO(json) json *ha = json_new_object();
	enum run rc = put_admission(st, ha);

	if (rc != RUN_OK)
		return rc;
	put_isolation(st, ha);
	put_word(st, ha, "HARestartPriority", "ha_restart_priority");
	body_name(st, ha, "HARestartGate", "ha_gate");
	body_number(st, ha, "HARestartGateSeconds", "ha_gate_limit_s");
	body_word(st, ha, "VMMonitoring", "ha_monitoring");
	body_word(st, ha, "HALeaseTerms", "ha_terms");
	/* As PowerCLI does: who sets something of HA wants it. */
	if (json_count(ha))
		json_set_bool(ha, "ha_enabled", true);
	body_bool(st, ha, "HAEnabled", "ha_enabled");
	/* Failing hosts are DRS's business as well: that needs no HA. */
	body_word(st, ha, "HAProactive", "ha_proactive");
	body_word(st, ha, "HAProactiveModerate", "ha_proactive_moderate");
	body_word(st, ha, "HAProactiveSevere", "ha_proactive_severe");
	for (void *it = json_iter(ha); it; it = json_iter_next(ha, it))
		json_set_json(body, json_iter_key(it), json_ref(json_iter_value(it)));
	return RUN_OK;
}

/* -HADependsOn db, cache: all with the same gate. */
static enum run
put_depends(struct stage *st, json *body)
{
	struct val vms = VAL_NONE;
	struct err e = ERR_INIT;

	if (resolve_all(st, get_arg(st, "HADependsOn"), KIND_BIT(VM), &vms, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	json *list = json_new_array();
	for (size_t i = 0; i < val_count(vms); i++) {
		json *one = json_new_object();
		json_set_str(one, "vm", record_id(val_at(vms, i)));
		body_name(st, one, "HADependsGate", "gate");
		body_number(st, one, "HADependsSeconds", "limit_s");
		json_add_json(list, one);
	}
	val_free(vms);
	json_set_json(body, "ha_depends", list);
	return RUN_OK;
}

enum run
body_ha_guest(struct stage *st, json *body)
{
	put_word(st, body, "HARestartPriority", "ha_restart_priority");
	put_word(st, body, "HAIsolationResponse", "ha_isolation_response");
	body_name(st, body, "HAVMMonitoring", "ha_monitoring");
	body_number(st, body, "HAReadyPort", "ha_ready_port");
	if (has_arg(st, "HADependsOn"))
		return put_depends(st, body);
	if (has_arg(st, "HADependsGate") || has_arg(st, "HADependsSeconds"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-HADependsGate and -HADependsSeconds want -HADependsOn");
	return RUN_OK;
}

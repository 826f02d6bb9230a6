/*
 * cmd_drs: where guests run best: clusters, recommendations, hosts in maintenance.
 */
#include <string.h>

#include "shell/body.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

#define LEAST_PRIORITY 5

/* ---- clusters ---- */

static enum run
cluster_begin(struct stage *st)
{
	return changes_of(st, KIND_CLUSTER);
}

static enum run
set_cluster_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_ha_cluster(st, body);

	if (rc == RUN_OK)
		rc = body_ha_hosts(st, body);
	if (rc != RUN_OK)
		return rc;
	body_text(st, body, "Name", "name");
	body_bool(st, body, "DrsEnabled", "drs_enabled");
	body_name(st, body, "DrsAutomationLevel", "drs_automation_level");
	body_number(st, body, "DrsMigrationThreshold", "drs_threshold");
	body_name(st, body, "PowerManagement", "dpm_automation");
	body_texts(st, body, "WakeCommand", "dpm_wake");
	body_texts(st, body, "StandbyCommand", "dpm_standby");
	body_number(st, body, "MemoryOvercommitPermille", "memory_overcommit_permille");
	body_number(st, body, "VCpusPerCore", "vcpus_per_core");
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-Cluster wants something to change");
	return change_named(st, "Cluster", KIND_BIT(CLUSTER), "PATCH", NULL, body);
}

const struct cmd_ops ops_set_cluster = { sizeof(struct changes), cluster_begin,
	set_cluster_process, changes_finish, changes_fini };

/* ---- recommendations ---- */

/* A copy of what the factors say, flat, and the rest as it is. */
static struct val
explained(struct stage *st, const json *rec)
{
	struct val r = record_from(st->sh, KIND_REC, rec);
	AUTO(json) json *factors = json_dup(json_get(rec, "factors"));
	AUTO(json) json *inputs = json_dup(json_get(rec, "inputs"));

	table_set(r.table, "Factors", val_from_json(factors, TABLE_RECORD));
	table_set(r.table, "Inputs", val_from_json(inputs, TABLE_RECORD));
	return r;
}

static const char *
name_of(struct stage *st, const json *o, const char *key)
{
	const char *id = json_str_value(json_get(o, key), NULL);
	const struct known *k = id ? known_get(st->sh, id) : NULL;

	return k ? k->name : id ? id : "";
}

static double
number_in(const json *o, const char *group, const char *key)
{
	const json *v = json_get(group ? json_get(o, group) : o, key);

	return v && json_what(v) != JSON_IS_NULL ? json_number(v) : 0;
}

static void
print_loads(FILE *f, const json *factors, const char *group, const char *host)
{
	fprintf(f, "  %-14s CPU %5.1f %% -> %5.1f %%   memory %5.1f %% -> %5.1f %%\n",
	    host, number_in(factors, group, "cpu_before") * 100,
	    number_in(factors, group, "cpu_after") * 100,
	    number_in(factors, group, "memory_before") * 100,
	    number_in(factors, group, "memory_after") * 100);
}

/* How fast it rewrites its memory while that is copied, and how that is known. */
static void
print_writes(FILE *f, const json *guest)
{
	const json *from = json_get(guest, "dirty_from");

	if (from)
		fprintf(f, "  rewrites %.1f MB/s of its %.0f MB, by its %s\n",
		    number_in(guest, NULL, "dirty_mb_s"),
		    number_in(guest, NULL, "memory_mb"), json_str_value(from, NULL));
}

/* Of a host that had better sleep, or wake, or that is failing. */
static void
print_host(FILE *f, const json *rec)
{
	const json *in = json_get(rec, "inputs");

	fprintf(f, "%s (priority %.0f)\n  because %s\n",
	    json_str_value(json_get(rec, "name"), NULL),
	    number_in(rec, NULL, "priority"),
	    json_str_value(json_get(rec, "text"), NULL));
	if (!in || json_what(in) != JSON_IS_OBJECT)
		return;
	fprintf(f, "  guests want %.0f of %.0f MHz, %.0f of %.0f MB\n",
	    number_in(in, NULL, "cpu_mhz"), number_in(in, NULL, "cpu_capacity_mhz"),
	    number_in(in, NULL, "memory_mb"),
	    number_in(in, NULL, "memory_capacity_mb"));
}

static bool
is_move(const json *rec)
{
	const char *action = json_str_value(json_get(rec, "action"), NULL);

	return !action || !strcmp(action, "move");
}

/* The numbers behind it, for people. */
static void
print_move(struct stage *st, const json *rec)
{
	FILE *f = st->sh->screen.err;
	const json *k = json_get(rec, "factors"), *alts = json_get(k, "alternatives");
	const json *rules = json_get(k, "rules");

	fprintf(f, "%s (priority %.0f)\n  because %s\n",
	    json_str_value(json_get(rec, "name"), NULL),
	    number_in(rec, NULL, "priority"),
	    json_str_value(json_get(rec, "text"), NULL));
	print_loads(f, k, "from_load", name_of(st, rec, "from_host"));
	print_loads(f, k, "to_load", name_of(st, rec, "to_host"));
	fprintf(f,
	    "  costs %.0f MHz s in %.1f s, brings %.0f, peaks take %.0f: net %.0f\n",
	    number_in(k, NULL, "cost_mhz_s"), number_in(k, NULL, "copy_s"),
	    number_in(k, NULL, "benefit_mhz_s"), 0 - number_in(k, NULL, "risk_mhz_s"),
	    number_in(k, NULL, "net_benefit_mhz_s"));
	print_writes(f, json_get(json_get(rec, "inputs"), "guest"));
	fprintf(f, "  rules checked: %zu\n", rules ? json_count(rules) : 0);
	for (size_t i = 0; alts && i < json_count(alts); i++) {
		const json *a = json_at(alts, i);
		fprintf(f, "  not %s: %s\n",
		    json_str_value(json_get(a, "host_name"), NULL),
		    json_str_value(json_get(a, "text"), NULL));
	}
}

static void
print_why(struct stage *st, const json *rec)
{
	if (is_move(rec))
		print_move(st, rec);
	else
		print_host(st->sh->screen.err, rec);
}

/* Which are put out. */
struct wanted {
	const char *cluster, *state; /* NULL: of any */
	int64_t most;                /* priority */
	struct val vms;              /* none: of any */
	struct val start, finish;
};

static bool
names_vm(const struct wanted *w, const json *rec)
{
	const char *vm = json_str_value(json_get(rec, "vm"), NULL);

	for (size_t i = 0; i < val_count(w->vms); i++) {
		if (vm && !strcmp(record_id(val_at(w->vms, i)), vm))
			return true;
	}
	return !val_count(w->vms);
}

static bool
is_of_time(const struct wanted *w, struct val record)
{
	const struct val *at = table_get(record.table, "CreateDate");

	if (!at || at->type != VAL_TIME)
		return true;
	return !(w->start.type == VAL_TIME && at->i < w->start.i) &&
	       !(w->finish.type == VAL_TIME && at->i > w->finish.i);
}

static bool
is_wanted(const struct wanted *w, const json *rec)
{
	const json *state = json_get(rec, "state"), *parent = json_get(rec, "parent");

	if (w->state && strcasecmp(json_str_value(state, NULL), w->state) != 0)
		return false;
	if (w->cluster && strcmp(json_str_value(parent, NULL), w->cluster) != 0)
		return false;
	return number_in(rec, NULL, "priority") <= (double)w->most && names_vm(w, rec);
}

static enum run
put_recs(struct stage *st, const json *items, const struct wanted *w)
{
	bool explain = get_switch(st, "Explain");
	enum run rc = RUN_OK;

	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK; i++) {
		const json *r = json_at(items, i);
		if (!is_wanted(w, r))
			continue;
		struct val record =
		    explain ? explained(st, r) : record_from(st->sh, KIND_REC, r);
		if (!is_of_time(w, record)) {
			val_free(record);
			continue;
		}
		if (explain)
			print_why(st, r);
		rc = put(st, record);
	}
	return rc;
}

/* Have the server look now; NULL answer on failure, which is reported. */
static enum run
run_drs(struct stage *st, const char *cluster, bool simulate, json **ret_answer)
{
	AUTO_FREE char *path = object_path(cluster, "drs");
	AUTO(json) json *body = json_new_object();
	struct err e = ERR_INIT;

	json_set_bool(body, "simulate", simulate);
	if (rest_change(st->sh, "POST", path, body, ret_answer, &e) < 0)
		return stage_error(st, &e, get_arg(st, "Cluster"));
	return RUN_OK;
}

static const char *
wanted_state(struct stage *st)
{
	const char *state = get_text(st, "State");

	if (get_switch(st, "Applied"))
		return "Applied";
	if (!state)
		return "Pending";
	return strcasecmp(state, "All") ? state : NULL;
}

static enum run
get_rec_process(struct stage *st, struct val v)
{
	struct wanted w = {
		.state = wanted_state(st),
		.most = get_int(st, "Priority", LEAST_PRIORITY),
		.vms = VAL_NONE,
		.start = get_arg(st, "Start"),
		.finish = get_arg(st, "Finish"),
	};
	AUTO(json) json *items = NULL, *answer = NULL;
	struct val keep = VAL_NONE;
	struct err e = ERR_INIT;
	enum run rc = resolve_one(st, "Cluster", KIND_BIT(CLUSTER), &w.cluster, &keep);

	if (rc == RUN_OK && has_arg(st, "VM"))
		rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &w.vms);
	if (rc == RUN_OK && w.cluster && get_switch(st, "Refresh"))
		rc = run_drs(st, w.cluster, false, &answer);
	if (rc == RUN_OK && inventory_list(st->sh, KIND_REC, NULL, &items, &e) < 0)
		rc = throw_err(st->sh, st->node, &e);
	if (rc == RUN_OK)
		rc = put_recs(st, items, &w);
	val_free(w.vms);
	val_free(keep);
	return rc;
}

const struct cmd_ops ops_get_rec = { 0, NULL, get_rec_process, NULL, NULL };

static enum run
simulate_process(struct stage *st, struct val v)
{
	const struct wanted all = {
		.most = LEAST_PRIORITY,
		.vms = VAL_NONE,
		.start = VAL_NONE,
		.finish = VAL_NONE,
	};
	AUTO(json) json *answer = NULL;
	struct val keep = VAL_NONE;
	const char *cluster = NULL;
	enum run rc = resolve_one(st, "Cluster", KIND_BIT(CLUSTER), &cluster, &keep);

	if (rc == RUN_OK && cluster)
		rc = run_drs(st, cluster, true, &answer);
	if (rc == RUN_OK && answer)
		rc = put_recs(st, json_get(answer, "items"), &all);
	val_free(keep);
	return rc;
}

const struct cmd_ops ops_simulate_drs = { 0, NULL, simulate_process, NULL, NULL };

/* What is carried out is a move: its task is of the guest. */
static enum run
rec_begin(struct stage *st)
{
	return changes_of(st, get_switch(st, "Dismiss") ? KIND_REC : KIND_VM);
}

static enum run
apply_rec_process(struct stage *st, struct val v)
{
	return change_named(st, "DrsRecommendation", KIND_BIT(REC), "POST",
	    get_switch(st, "Dismiss") ? "dismiss" : "apply", NULL);
}

const struct cmd_ops ops_apply_rec = { sizeof(struct changes), rec_begin,
	apply_rec_process, changes_finish, changes_fini };

/* ---- hosts ---- */

static enum run
host_begin(struct stage *st)
{
	return changes_of(st, KIND_HOST);
}

/* -WhatIf: who would go where, and who could not. */
static enum run
show_plan(struct stage *st, struct val ref)
{
	AUTO_FREE char *path = object_path(record_id(ref), "maintenance-check");
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	FILE *f = st->sh->screen.out;

	if (rest_change(st->sh, "POST", path, NULL, &answer, &e) < 0)
		return stage_error(st, &e, ref);
	const json *items = json_get(answer, "items");
	const json *blockers = json_get(answer, "blockers");
	for (size_t i = 0; items && i < json_count(items); i++)
		fprintf(f, "         %s\n",
		    json_str_value(json_get(json_at(items, i), "name"), NULL));
	for (size_t i = 0; blockers && i < json_count(blockers); i++) {
		const json *b = json_at(blockers, i);
		fprintf(f, "         %s cannot leave: %s\n",
		    json_str_value(json_get(b, "name"), NULL),
		    json_str_value(json_get(b, "text"), NULL));
	}
	if (items && !json_count(items) && blockers && !json_count(blockers))
		fprintf(f, "         no guest runs on it\n");
	return RUN_OK;
}

static enum run
set_host(struct stage *st, struct val ref, bool enter)
{
	AUTO_FREE char *name = val_cstr(ref);
	AUTO_FREE char *path = object_path(record_id(ref), "maintenance");
	enum should should = stage_should(st, name, get_text(st, "State"));

	if (should == SHOULD_FAIL)
		return RUN_THROW;
	if (should == SHOULD_SKIP)
		return enter ? show_plan(st, ref) : RUN_OK;
	json *body = enter ? json_new_object() : NULL;
	if (enter)
		json_set_bool(body, "evacuate", get_switch(st, "Evacuate"));
	return change_send(st, st->state, enter ? "POST" : "DELETE", path, body, name);
}

static enum run
set_host_process(struct stage *st, struct val v)
{
	bool enter = !strcasecmp(get_text(st, "State"), "Maintenance");
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &refs);

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = set_host(st, val_at(refs, i), enter);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_host = { sizeof(struct changes), host_begin,
	set_host_process, changes_finish, changes_fini };

/* Into standby, and out of it. */
static enum run
suspend_host_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();

	json_set_bool(body, "evacuate", get_switch(st, "Evacuate"));
	return change_named(st, "VMHost", KIND_BIT(HOST), "POST", "standby", body);
}

const struct cmd_ops ops_suspend_host = { sizeof(struct changes), host_begin,
	suspend_host_process, changes_finish, changes_fini };

static enum run
start_host_process(struct stage *st, struct val v)
{
	return change_named(st, "VMHost", KIND_BIT(HOST), "DELETE", "standby", NULL);
}

const struct cmd_ops ops_start_host = { sizeof(struct changes), host_begin,
	start_host_process, changes_finish, changes_fini };

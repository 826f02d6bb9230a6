#include "server/ops/ha_settings.h"

#include "base/arena.h"
#include "base/map.h"
#include "server/ops/net_plan.h"
#include "server/ops/ops_int.h"

#define PRESET_GATE_S      600u
#define PRESET_ISOLATION_S 30u
#define PRESET_DEPEND_GATE "powered_on"

static bool
is_any_given(const json *args, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (arg_has(args, names[i]))
			return true;
	}
	return false;
}

bool
ha_cluster_given(const json *args)
{
	static const char *const names[] = { "ha_enabled", "ha_admission",
		"ha_failover_level", "ha_cpu_percent", "ha_memory_percent",
		"ha_slot_cpu_mhz", "ha_slot_memory_mb", "ha_failover_hosts",
		"ha_degradation_percent", "ha_restart_priority", "ha_gate",
		"ha_gate_limit_s", "ha_isolation_response", "ha_isolation_addresses",
		"ha_isolation_s", "ha_monitoring", "ha_terms", "ha_proactive",
		"ha_proactive_moderate", "ha_proactive_severe" };

	return is_any_given(args, names, ARRAY_SIZE(names));
}

bool
ha_guest_given(const json *args)
{
	static const char *const names[] = { "ha_restart_priority",
		"ha_isolation_response", "ha_monitoring", "ha_depends",
		"ha_ready_port" };

	return is_any_given(args, names, ARRAY_SIZE(names));
}

/* ---- clusters ---- */

void
ha_cluster_preset(struct cluster *cl)
{
	cl->ha_failover_level = 1;
	cl->ha_admission = HA_ADMIT_PERCENTAGE;
	cl->ha_degradation_percent = 100;
	cl->ha_restart_priority = HA_PRIORITY_MEDIUM;
	cl->ha_gate = HA_GATE_NONE;
	cl->ha_gate_limit_s = PRESET_GATE_S;
	cl->ha_isolation_response = HA_RESPONSE_LEAVE_ON;
	cl->ha_isolation_s = PRESET_ISOLATION_S;
	cl->ha_monitoring = HA_MONITOR_OFF;
	cl->ha_terms = HA_TERMS_SOFTWARE;
	cl->ha_proactive = HA_PROACTIVE_OFF;
	cl->ha_proactive_moderate = HA_REMEDY_QUARANTINE;
	cl->ha_proactive_severe = HA_REMEDY_QUARANTINE;
}

/* A transaction's copy has no kids, and a new cluster none yet. */
static size_t
count_hosts(const struct inv *inv, const struct cluster *copy)
{
	const struct cluster *cl = inv_cluster(inv, copy->o.id);
	size_t n = 0;

	for (size_t i = 0; cl && i < cl->o.n_kids; i++)
		n += inv_host(inv, cl->o.kids[i]) != NULL;
	return n;
}

/* One that has no host yet may be set up for those to come. */
static int
check_level(const struct inv *inv, const struct cluster *cl, struct err *e)
{
	size_t hosts = count_hosts(inv, cl);

	if (!hosts || !cl->ha_failover_level || cl->ha_failover_level < hosts)
		return 0;
	return err_set(e, ERR_INVALID,
	    "ha_failover_level: cluster \"%s\" has %zu host%s, so at most %zu may be "
	    "lost, not %u",
	    cl->o.name, hosts, hosts == 1 ? "" : "s", hosts - 1, cl->ha_failover_level);
}

static int
check_failover_hosts(const struct inv *inv, const struct cluster *cl, struct err *e)
{
	const struct id_list *l = &cl->ha_failover_hosts;
	char id[OBJ_ID_TEXT];

	for (size_t i = 0; i < l->n; i++) {
		const struct host *h = inv_host(inv, l->v[i]);
		if (!h)
			return err_set(e, ERR_NOT_FOUND,
			    "ha_failover_hosts: there is no %s",
			    obj_id_text(l->v[i], id));
		if (!obj_id_is(h->o.parent, cl->o.id)) {
			return err_set(e, ERR_INVALID,
			    "ha_failover_hosts: host \"%s\" is of cluster \"%s\", not "
			    "of \"%s\"",
			    h->o.name, inv_name(inv, h->o.parent), cl->o.name);
		}
	}
	if (l->n && l->n >= count_hosts(inv, cl)) {
		return err_set(e, ERR_INVALID,
		    "ha_failover_hosts: with every host of cluster \"%s\" kept free no "
		    "guest could run",
		    cl->o.name);
	}
	return 0;
}

/* Which hosts are kept free goes with keeping hosts free. */
static int
lay_admission(
    const struct inv *inv, struct cluster *cl, const json *args, struct err *e)
{
	const char *policy = arg_str(args, "ha_admission");

	if (policy)
		cl->ha_admission = (enum ha_admission)ha_admission_parse(policy);
	if (arg_has(args, "ha_failover_hosts") && cl->ha_admission != HA_ADMIT_HOSTS)
		return err_set(e, ERR_INVALID,
		    "ha_failover_hosts: want ha_admission \"hosts\", not \"%s\"",
		    ha_admission_text(cl->ha_admission));
	if (cl->ha_admission != HA_ADMIT_HOSTS) {
		id_list_set(&cl->ha_failover_hosts, NULL, 0);
		return 0;
	}
	arg_ids(args, "ha_failover_hosts", &cl->ha_failover_hosts);
	if (!cl->ha_failover_hosts.n)
		return err_set(e, ERR_INVALID,
		    "ha_admission: \"hosts\" wants ha_failover_hosts, those to be kept "
		    "free");
	return check_failover_hosts(inv, cl, e);
}

static int
lay_isolation(struct cluster *cl, const json *args, struct err *e)
{
	const char *response = arg_str(args, "ha_isolation_response");
	const char *addresses = arg_str(args, "ha_isolation_addresses");
	int rc = addresses ? ipv4_list_check(addresses, "ha_isolation_addresses",
				 HA_MAX_ADDRESSES, e)
			   : 0;

	if (rc)
		return rc;
	if (addresses)
		text_set(&cl->ha_isolation_addresses, addresses);
	if (response)
		cl->ha_isolation_response =
		    (enum ha_response)ha_response_parse(response);
	cl->ha_isolation_s =
	    (uint32_t)arg_u64(args, "ha_isolation_s", cl->ha_isolation_s);
	return 0;
}

static void
lay_numbers(struct cluster *cl, const json *args)
{
	cl->ha_failover_level =
	    (uint32_t)arg_u64(args, "ha_failover_level", cl->ha_failover_level);
	cl->ha_cpu_percent =
	    (uint32_t)arg_u64(args, "ha_cpu_percent", cl->ha_cpu_percent);
	cl->ha_memory_percent =
	    (uint32_t)arg_u64(args, "ha_memory_percent", cl->ha_memory_percent);
	cl->ha_slot_cpu_mhz = arg_u64(args, "ha_slot_cpu_mhz", cl->ha_slot_cpu_mhz);
	cl->ha_slot_memory_mb =
	    arg_u64(args, "ha_slot_memory_mb", cl->ha_slot_memory_mb);
	cl->ha_degradation_percent = (uint32_t)arg_u64(
	    args, "ha_degradation_percent", cl->ha_degradation_percent);
	cl->ha_gate_limit_s =
	    (uint32_t)arg_u64(args, "ha_gate_limit_s", cl->ha_gate_limit_s);
}

static int
lay_proactive(struct cluster *cl, const json *args, struct err *e)
{
	const char *mode = arg_str(args, "ha_proactive");
	const char *moderate = arg_str(args, "ha_proactive_moderate");
	const char *severe = arg_str(args, "ha_proactive_severe");

	if (mode)
		cl->ha_proactive = (enum proactive_mode)proactive_mode_parse(mode);
	if (moderate)
		cl->ha_proactive_moderate = (enum ha_remedy)ha_remedy_parse(moderate);
	if (severe)
		cl->ha_proactive_severe = (enum ha_remedy)ha_remedy_parse(severe);
	if (cl->ha_proactive_severe >= cl->ha_proactive_moderate)
		return 0;
	return err_set(e, ERR_INVALID,
	    "ha_proactive_severe: a host that may fail at any time cannot be left with "
	    "more guests (%s) than one that reports errors (%s)",
	    ha_remedy_text(cl->ha_proactive_severe),
	    ha_remedy_text(cl->ha_proactive_moderate));
}

int
ha_cluster_lay(
    const struct inv *inv, struct cluster *cl, const json *args, struct err *e)
{
	const char *priority = arg_str(args, "ha_restart_priority");
	const char *gate = arg_str(args, "ha_gate");
	const char *monitoring = arg_str(args, "ha_monitoring");
	const char *terms = arg_str(args, "ha_terms");
	int rc = lay_admission(inv, cl, args, e);

	if (!rc)
		rc = lay_isolation(cl, args, e);
	if (!rc)
		rc = lay_proactive(cl, args, e);
	if (rc)
		return rc;
	cl->ha_enabled = arg_bool(args, "ha_enabled", cl->ha_enabled);
	lay_numbers(cl, args);
	if (priority)
		cl->ha_restart_priority = (enum ha_priority)ha_priority_parse(priority);
	if (gate)
		cl->ha_gate = (enum ha_gate)ha_gate_parse(gate);
	if (monitoring)
		cl->ha_monitoring = (enum ha_monitoring)ha_monitoring_parse(monitoring);
	if (terms)
		cl->ha_terms = (enum ha_terms)ha_terms_parse(terms);
	return arg_has(args, "ha_failover_level") ? check_level(inv, cl, e) : 0;
}

/* ---- guests ---- */

static obj_id
depends_at(const json *list, size_t i)
{
	return arg_id(json_at(list, i), "vm");
}

static bool
depends_on(const json *list, obj_id vm)
{
	for (size_t i = 0; list && i < json_count(list); i++) {
		if (obj_id_is(depends_at(list, i), vm))
			return true;
	}
	return false;
}

/* A guest on the way along dependencies, and from which place in the list it came. */
struct hop {
	obj_id vm;
	size_t from;
};

#define NOWHERE SIZE_MAX

struct walk {
	const struct inv *inv;
	struct hop *hops;
	size_t n;
	struct map *seen;
};

static void
go_on_to(struct walk *w, const json *list, size_t from)
{
	for (size_t i = 0; list && i < json_count(list); i++) {
		obj_id vm = depends_at(list, i);
		if (map_get(w->seen, vm.v) || !inv_vm(w->inv, vm))
			continue;
		map_put(w->seen, vm.v, w);
		w->hops[w->n++] = (struct hop){ vm, from };
	}
}

static int
tell_circle(const struct walk *w, const struct vm *vm, size_t last, struct err *e)
{
	AUTO(str) struct str way = STR_INIT;

	for (size_t i = last; i != NOWHERE; i = w->hops[i].from) {
		AUTO_FREE char *after = str_take(&way);
		str_addf(&way, "\"%s\"%s%s", inv_name(w->inv, w->hops[i].vm),
		    i == last ? "" : " waits for ", i == last ? "" : after);
	}
	return err_set(e, ERR_INVALID,
	    "ha_depends: goes round: \"%s\" waits for %.200s", vm->o.name,
	    str_cstr(&way));
}

/* Does one of those that it shall wait for wait for it? */
static int
check_circle(
    const struct inv *inv, const struct vm *vm, const json *list, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct walk w = {
		.inv = inv,
		.hops = arena_array(a, inv_count(inv, KIND_VM) + 1, sizeof(*w.hops)),
		.seen = map_new_u64(),
	};
	int rc = 0;

	go_on_to(&w, list, NOWHERE);
	for (size_t i = 0; !rc && i < w.n; i++) {
		if (obj_id_is(w.hops[i].vm, vm->o.id))
			rc = tell_circle(&w, vm, i, e);
		else
			go_on_to(&w, inv_vm(inv, w.hops[i].vm)->ha_depends, i);
	}
	map_free(w.seen);
	return rc;
}

static int
check_other(const struct inv *inv, const struct vm *vm, const struct vm *other,
    const char *gate, struct err *e)
{
	obj_id mine = inv_ancestor(inv, vm->host, KIND_CLUSTER);
	obj_id its = inv_ancestor(inv, other->host, KIND_CLUSTER);

	if (!obj_id_is(mine, its))
		return err_set(e, ERR_INVALID,
		    "ha_depends: \"%s\" is in cluster \"%s\", \"%s\" in \"%s\"",
		    other->o.name, inv_name(inv, its), vm->o.name, inv_name(inv, mine));
	if (str_same(gate, ha_gate_text(HA_GATE_PORT)) && !other->ha_ready_port) {
		return err_set(e, ERR_INVALID,
		    "ha_depends: \"%s\" has no ha_ready_port that gate port could wait "
		    "for",
		    other->o.name);
	}
	return 0;
}

/* One entry, with all that it may leave out. */
static int
lay_depend(const struct inv *inv, const struct vm *vm, const json *entry, json *list,
    struct err *e)
{
	static const char *const known[] = { "vm", "gate", "limit_s", NULL };
	const char *id = NULL, *gate = PRESET_DEPEND_GATE;
	uint64_t limit_s = PRESET_GATE_S;
	obj_id other;
	int rc = json_what(entry) == JSON_IS_OBJECT
		     ? json_only(entry, known, e)
		     : err_set(e, ERR_INVALID, "wants objects {vm, gate, limit_s}");

	if (!rc)
		rc = json_read_str(entry, "vm", JSON_REQUIRED, OBJ_ID_TEXT, &id, e);
	if (!rc)
		rc = obj_id_parse(id, KIND_VM, &other, e);
	if (!rc)
		rc = json_read_str(entry, "gate", JSON_OPTIONAL, 32, &gate, e);
	if (!rc)
		rc = json_read_u64(
		    entry, "limit_s", JSON_OPTIONAL, 1, HA_MAX_SECONDS, &limit_s, e);
	if (!rc && ha_gate_parse(gate) < 0)
		rc = err_set(e, ERR_INVALID, "gate: wants one of %s, got \"%.40s\"",
		    HA_GATES, gate);
	if (rc)
		return err_wrap(e, "ha_depends");
	if (!inv_vm(inv, other))
		return err_set(e, ERR_NOT_FOUND, "ha_depends: there is no %s", id);
	if (depends_on(list, other))
		return err_set(e, ERR_INVALID, "ha_depends: has \"%s\" twice",
		    inv_name(inv, other));
	json *o = json_new_object();
	json_set_str(o, "vm", id);
	json_set_str(o, "gate", gate);
	json_set_u64(o, "limit_s", limit_s);
	json_add_json(list, o);
	return check_other(inv, vm, inv_vm(inv, other), gate, e);
}

static int
lay_depends(const struct inv *inv, struct vm *vm, const json *args, struct err *e)
{
	const json *given = json_get(args, "ha_depends");
	AUTO(json) json *list = json_new_array();
	int rc = 0;

	for (size_t i = 0; !rc && i < json_count(given); i++)
		rc = lay_depend(inv, vm, json_at(given, i), list, e);
	if (!rc)
		rc = check_circle(inv, vm, list, e);
	if (rc)
		return rc;
	json_free(vm->ha_depends);
	vm->ha_depends = json_count(list) ? MOVE(list) : NULL;
	return 0;
}

/* "cluster": as its cluster again. */
static void
lay_word(char **field, const json *args, const char *name)
{
	const char *word = arg_str(args, name);

	if (word)
		text_set(field, str_same(word, "cluster") ? NULL : word);
}

/* Nobody may be left waiting for a port that is not there any more. */
static int
check_port(const struct inv *inv, const struct vm *vm, struct err *e)
{
	if (vm->ha_ready_port)
		return 0;
	INV_EACH(inv, KIND_VM, o)
	{
		const json *list = inv_vm(inv, o->id)->ha_depends;
		for (size_t i = 0; list && i < json_count(list); i++) {
			if (obj_id_is(depends_at(list, i), vm->o.id) &&
			    str_same(arg_str(json_at(list, i), "gate"),
				ha_gate_text(HA_GATE_PORT)))
				return err_set(e, ERR_INVALID,
				    "ha_ready_port: \"%s\" waits for it", o->name);
		}
	}
	return 0;
}

int
ha_guest_lay(const struct inv *inv, struct vm *vm, const json *args, struct err *e)
{
	bool has_port = arg_has(args, "ha_ready_port");

	lay_word(&vm->ha_restart_priority, args, "ha_restart_priority");
	lay_word(&vm->ha_isolation_response, args, "ha_isolation_response");
	lay_word(&vm->ha_monitoring, args, "ha_monitoring");
	vm->ha_ready_port = (uint32_t)arg_u64(args, "ha_ready_port", vm->ha_ready_port);
	int rc = has_port ? check_port(inv, vm, e) : 0;
	return rc || !arg_has(args, "ha_depends") ? rc : lay_depends(inv, vm, args, e);
}

/* ---- who goes ---- */

static void
forget_host(const struct inv *inv, struct txn *t, obj_id host)
{
	INV_EACH(inv, KIND_CLUSTER, o)
	{
		if (!id_list_has(&inv_cluster(inv, o->id)->ha_failover_hosts, host))
			continue;
		struct cluster *cl = txn_edit(t, o->id);
		id_list_drop(&cl->ha_failover_hosts, host);
		if (cl->ha_failover_hosts.n)
			continue;
		cl->ha_admission = HA_ADMIT_PERCENTAGE;
		txn_event(t, EV_OBJECT_CHANGED, o->id, OBJ_ID_NONE, NULL,
		    "Cluster %s keeps a percentage free for lost hosts: its last "
		    "failover host, %s, is gone",
		    o->name, inv_name(inv, host));
	}
}

static void
forget_guest(const struct inv *inv, struct txn *t, obj_id vm)
{
	INV_EACH(inv, KIND_VM, o)
	{
		const json *list = inv_vm(inv, o->id)->ha_depends;
		if (!depends_on(list, vm) || obj_id_is(o->id, vm))
			continue;
		struct vm *edit = txn_edit(t, o->id);
		AUTO(json) json *left = json_new_array();
		for (size_t i = 0; i < json_count(edit->ha_depends); i++) {
			if (!obj_id_is(depends_at(edit->ha_depends, i), vm))
				json_add_json(
				    left, json_dup(json_at(edit->ha_depends, i)));
		}
		json_free(edit->ha_depends);
		edit->ha_depends = json_count(left) ? MOVE(left) : NULL;
	}
}

void
ha_settings_forget(const struct inv *inv, struct txn *t, obj_id gone)
{
	if (obj_id_kind(gone) == KIND_HOST)
		forget_host(inv, t, gone);
	else if (obj_id_kind(gone) == KIND_VM)
		forget_guest(inv, t, gone);
}

#include "server/protect/protect.h"

#include "base/str.h"

#define SECOND_MS 1000u
#define HOUR_MS   (3600u * SECOND_MS)

/* Those of vSphere: the more sensitive, the sooner, and the shorter it remembers. */
static const struct protect_monitor monitors[] = {
	[HA_MONITOR_OFF] = { 0, 0, 0 },
	[HA_MONITOR_LOW] = { 120 * SECOND_MS, 3, 7 * 24 * HOUR_MS },
	[HA_MONITOR_MEDIUM] = { 60 * SECOND_MS, 3, 24 * HOUR_MS },
	[HA_MONITOR_HIGH] = { 30 * SECOND_MS, 3, HOUR_MS },
};

static const struct cluster *
cluster_of(const struct inv *inv, const struct vm *vm)
{
	return inv_cluster(inv, inv_ancestor(inv, vm->host, KIND_CLUSTER));
}

enum ha_priority
protect_priority(const struct inv *inv, const struct vm *vm)
{
	const struct cluster *cl = cluster_of(inv, vm);
	int own =
	    vm->ha_restart_priority ? ha_priority_parse(vm->ha_restart_priority) : -1;

	if (own >= 0)
		return (enum ha_priority)own;
	return cl ? cl->ha_restart_priority : HA_PRIORITY_OFF;
}

enum ha_response
protect_response(const struct inv *inv, const struct vm *vm)
{
	const struct cluster *cl = cluster_of(inv, vm);
	int own = vm->ha_isolation_response
		      ? ha_response_parse(vm->ha_isolation_response)
		      : -1;

	if (own >= 0)
		return (enum ha_response)own;
	return cl ? cl->ha_isolation_response : HA_RESPONSE_LEAVE_ON;
}

enum ha_monitoring
protect_monitoring(const struct inv *inv, const struct vm *vm)
{
	const struct cluster *cl = cluster_of(inv, vm);
	int own = vm->ha_monitoring ? ha_monitoring_parse(vm->ha_monitoring) : -1;

	if (own >= 0)
		return (enum ha_monitoring)own;
	return cl ? cl->ha_monitoring : HA_MONITOR_OFF;
}

const struct protect_monitor *
protect_monitor_of(enum ha_monitoring level)
{
	return &monitors[level];
}

static const struct datastore *
store_of(const struct inv *inv, const json *disk)
{
	const char *s = json_str_value(json_get(disk, "datastore"), NULL);
	obj_id id = OBJ_ID_NONE;
	struct err ignored = ERR_INIT;

	if (!s || obj_id_parse(s, KIND_DATASTORE, &id, &ignored))
		return NULL;
	return inv_datastore(inv, id);
}

/* Another host must find all of it. */
static int
check_disks(const struct inv *inv, const struct vm *vm, struct err *e)
{
	size_t n = vm->disks ? json_count(vm->disks) : 0;

	if (n == 0)
		return err_set(e, ERR_UNSUPPORTED,
		    "it has no disk that could keep others from running it");
	for (size_t i = 0; i < n; i++) {
		const struct datastore *ds = store_of(inv, json_at(vm->disks, i));
		if (!ds)
			return err_set(e, ERR_UNSUPPORTED,
			    "the datastore of its disk %zu is not known", i + 1);
		if (!ds->shared)
			return err_set(e, ERR_UNSUPPORTED,
			    "datastore \"%s\" of its disks is not shared", ds->o.name);
	}
	return 0;
}

int
protect_wanted(const struct inv *inv, const struct vm *vm, struct err *e)
{
	const struct cluster *cl = cluster_of(inv, vm);

	if (!cl)
		return err_set(e, ERR_UNSUPPORTED, "it is in no cluster");
	if (!cl->ha_enabled)
		return err_set(e, ERR_UNSUPPORTED, "cluster \"%s\" has HA switched off",
		    cl->o.name);
	if (protect_priority(inv, vm) == HA_PRIORITY_OFF)
		return err_set(e, ERR_UNSUPPORTED, "its restart priority is off");
	return check_disks(inv, vm, e);
}

int
protect_check(const struct inv *inv, const struct vm *vm, obj_id host, struct err *e)
{
	const struct host *h = inv_host(inv, host);
	int rc = protect_wanted(inv, vm, e);

	if (rc)
		return rc;
	if (!h || !h->ha_slot || !h->ha_inc)
		return err_set(e, ERR_UNSUPPORTED, "host \"%s\" holds no leases yet",
		    inv_name(inv, host));
	if (h->ha_fenced_inc >= h->ha_inc)
		return err_set(e, ERR_BAD_STATE, "host \"%s\" is fenced", h->o.name);
	return 0;
}

void
protect_begin(const struct inv *inv, struct vm *edit, obj_id host)
{
	const struct host *h = inv_host(inv, host);
	struct err ignored = ERR_INIT;

	edit->ha_protected = !protect_check(inv, edit, host, &ignored);
	edit->ha_inc = edit->ha_protected && h ? h->ha_inc : 0;
}

void
protect_end(struct vm *edit)
{
	edit->ha_protected = false;
	edit->ha_inc = 0;
}

void
protect_fill(const struct inv *inv, const struct vm *vm, Drover__HaGuest *to)
{
	static const Drover__HaResponse responses[] = {
		[HA_RESPONSE_LEAVE_ON] = DROVER__HA_RESPONSE__HA_LEAVE_ON,
		[HA_RESPONSE_SHUT_DOWN] = DROVER__HA_RESPONSE__HA_SHUT_DOWN,
		[HA_RESPONSE_POWER_OFF] = DROVER__HA_RESPONSE__HA_POWER_OFF,
	};
	const struct protect_monitor *m =
	    protect_monitor_of(protect_monitoring(inv, vm));
	const json *first = vm->disks ? json_at(vm->disks, 0) : NULL;
	const struct datastore *ds = first ? store_of(inv, first) : NULL;

	drover__ha_guest__init(to);
	to->guest = obj_id_number(vm->o.id);
	to->authority = DROVER__HA_AUTHORITY__HA_AUTHORITY_SHARED;
	to->response = responses[protect_response(inv, vm)];
	to->datastore = ds ? obj_id_number(ds->o.id) : 0;
	to->restart = true;
	to->monitor_ms = m->quiet_ms;
	to->monitor_resets = m->resets;
	to->monitor_window_ms = m->window_ms;
}

void
protect_attest(struct arena *mem, Drover__RunClaim *claim, Drover__ClaimProof proof,
    const struct host *h, uint64_t inc_or_gen)
{
	Drover__ClaimAttest *a = arena_alloc(mem, sizeof(*a));

	drover__claim_attest__init(a);
	a->proof = proof;
	a->slot = h->ha_slot;
	if (proof == DROVER__CLAIM_PROOF__CLAIM_PROOF_REAPED)
		a->run_gen = inc_or_gen;
	else
		a->inc = inc_or_gen;
	claim->attests[claim->n_attests++] = a;
}

/* What is in the database alone: it holds whoever leads. */
static void
attest_host(struct arena *mem, Drover__RunClaim *claim, const struct host *h)
{
	if (h->ha_fenced_inc)
		protect_attest(mem, claim, DROVER__CLAIM_PROOF__CLAIM_PROOF_NETFENCED,
		    h, h->ha_fenced_inc);
	if (h->ha_off_inc)
		protect_attest(mem, claim, DROVER__CLAIM_PROOF__CLAIM_PROOF_POWERED_OFF,
		    h, h->ha_off_inc);
}

static Drover__RunClaim *
claim_new(struct arena *mem, const struct inv *inv, const struct vm *vm)
{
	Drover__RunClaim *claim = arena_alloc(mem, sizeof(*claim));

	drover__run_claim__init(claim);
	claim->guest = arena_alloc(mem, sizeof(*claim->guest));
	protect_fill(inv, vm, claim->guest);
	return claim;
}

Drover__RunClaim *
protect_claim(
    struct arena *mem, const struct inv *inv, const struct vm *vm, obj_id host)
{
	const struct obj *to = inv_get(inv, host);

	if (!to || !vm->ha_protected)
		return NULL;
	Drover__RunClaim *claim = claim_new(mem, inv, vm);
	/* Two of the database's a host, and one of the caller's. */
	claim->attests = arena_array(
	    mem, 3 * inv_count(inv, KIND_HOST) + 1, sizeof(Drover__ClaimAttest *));
	INV_EACH(inv, KIND_HOST, o)
	{
		const struct host *h = inv_host(inv, o->id);
		if (obj_id_is(o->parent, to->parent) && !obj_id_is(o->id, host) &&
		    h->ha_slot)
			attest_host(mem, claim, h);
	}
	return claim;
}

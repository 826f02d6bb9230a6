/*
 * The machine is there: the inventory follows, its old host forgets it.
 */
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "server/migrate/migrate_int.h"
#include "server/ops/ha_settings.h"
#include "server/ops/vm_spec.h"
#include "server/protect/protect.h"
#include "server/rules/rules.h"

#define RELEASE_MS 60000u

static obj_id
root_pool(const struct inv *inv, obj_id cluster)
{
	INV_EACH(inv, KIND_POOL, o)
	{
		if (obj_id_is(o->parent, cluster) && inv_pool(inv, o->id)->is_root)
			return o->id;
	}
	return OBJ_ID_NONE;
}

static void
write_host(struct task_run *r, struct txn *t, struct vm *vm)
{
	obj_id to = inv_ancestor(r->inv, mig_to(r), KIND_CLUSTER);

	/* Pools, rules and who waits for whom are a cluster's. */
	if (!obj_id_is(to, inv_ancestor(r->inv, vm->host, KIND_CLUSTER))) {
		vm->pool = root_pool(r->inv, to);
		rules_forget(r->inv, t, vm->o.id);
		ha_settings_forget(r->inv, t, vm->o.id);
		json_free(vm->ha_depends);
		vm->ha_depends = NULL;
	}
	vm->host = mig_to(r);
}

static const char *
span_text(uint64_t ms, char *out, size_t n)
{
	if (ms < 1000)
		snprintf(out, n, "%llu ms", (unsigned long long)ms);
	else
		snprintf(out, n, "%llu.%llu s", (unsigned long long)ms / 1000,
		    (unsigned long long)ms % 1000 / 100);
	return out;
}

/* By the source's clock if it said, else by ours. */
static uint64_t
total_ms(const struct task_run *r)
{
	const json *facts = json_get(r->args, "facts");
	uint64_t now_ms = clock_wall_ms(loop_clock(inv_loop(r->inv)));
	uint64_t began_ms = arg_u64(r->args, "began_ms", now_ms);

	return facts ? arg_u64(facts, "total_ms", 0)
		     : (now_ms > began_ms ? now_ms - began_ms : 0);
}

static void
add_event(struct task_run *r, struct txn *t, const struct vm *vm)
{
	const char *from = inv_name(r->inv, mig_from(r));
	const char *to = inv_name(r->inv, mig_to(r));
	const char *store = inv_name(r->inv, arg_id(r->args, "datastore"));
	uint64_t outage_us = arg_u64(r->args, "outage_us", 0);
	char took[40], outage[40] = "";

	span_text(total_ms(r), took, sizeof(took));
	if (outage_us)
		snprintf(outage, sizeof(outage), ", %llu ms without answer",
		    (unsigned long long)(outage_us + 999) / 1000);
	if (mig_way(r) == MIG_DISKS)
		txn_event(t, EV_VM_MIGRATED, r->entity, r->id, r->who.name,
		    "%s moved to datastore %s in %s", vm->o.name, store, took);
	else
		txn_event(t, EV_VM_MIGRATED, r->entity, r->id, r->who.name,
		    "%s moved from %s to %s%s%s in %s%s", vm->o.name, from, to,
		    *store ? ", to datastore " : "", store, took, outage);
}

/* What the source is to delete when it has forgotten the machine; before the row
 * changes. */
static void
note_old_disks(struct task_run *r, const struct vm *vm)
{
	json *old = json_new_array();

	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		const json *d = json_at(vm->disks, i);
		if (mig_disk_moves(d, r->args))
			json_add_json(old, json_dup(d));
	}
	json_set_json(r->args, "old_disks", old);
}

void
mig_settle_store(struct task_run *r, struct txn *t)
{
	const struct vm *before = inv_vm(r->inv, r->entity);
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (mig_way(r) == MIG_LIVE)
		vm->power_state =
		    arg_bool(r->args, "running", true) ? POWER_ON : POWER_PAUSED;
	if (mig_way(r) == MIG_LIVE || mig_sends(r))
		note_old_disks(r, before);
	/* Whatever the old host has of it is older than what may run from now on. */
	if (mig_way(r) == MIG_COLD)
		json_set_u64(r->args, "generation", ++vm->run_gen);
	json_free(vm->disks);
	vm->disks = json_dup(json_get(r->args, "disks"));
	mig_set_stores(vm);
	write_host(r, t, vm);
	if (mig_way(r) == MIG_LIVE)
		protect_begin(r->inv, vm, vm->host);
	text_set(&vm->power_reason, NULL);
	add_event(r, t, vm);
}

static void
fill_old_disks(struct task_run *r, struct arena *mem, Drover__GuestRelease *release)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	json *old = json_get(r->args, "old_disks");

	if (!vm || !old || !json_count(old))
		return;
	struct vm was = *vm;
	was.disks = old;
	Drover__GuestSpec *spec = vm_spec(mem, r->inv, &was);
	release->delete_disks = spec->disks;
	release->n_delete_disks = spec->n_disks;
}

enum flow_rc
mig_settle_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestRelease release = DROVER__GUEST_RELEASE__INIT;
	const struct vm *vm = inv_vm(r->inv, r->entity);

	/* One that is away is told when it is back (host_sync). */
	if (mig_way(r) == MIG_DISKS || mig_host_is_away(r, mig_from(r)))
		return FLOW_NEXT;
	release.guest = obj_id_number(r->entity);
	release.generation = arg_u64(r->args, "generation", vm ? vm->run_gen : 0);
	fill_old_disks(r, mem, &release);
	o.verb_case = DROVER__ORDER__VERB_GUEST_RELEASE;
	o.guest_release = &release;
	mig_order(r, mig_from(r), &o, ORDER_STEP(MIG_SETTLE), RELEASE_MS);
	hosts_wait(run_ops(r)->hosts, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
mig_settle_finish(struct task_run *r, int rc)
{
	if (!rc && !run_reply(r, mig_from(r), MIG_SETTLE))
		return FLOW_AGAIN; /* some host came or went */
	if (rc)
		log_warn("migrate", "host \"%s\" does not release %s: %s",
		    inv_name(r->inv, mig_from(r)), r->entity_name, task_err(r)->msg);
	return FLOW_NEXT;
}

static json *
result_json(const struct task_run *r)
{
	const json *facts = json_get(r->args, "facts");
	const char *why_not = arg_str(r->args, "outage_why_not");
	uint64_t outage_us = arg_u64(r->args, "outage_us", 0);
	json *j = facts ? json_dup(facts) : json_new_object();

	arg_set_id(j, "from", mig_from(r));
	arg_set_id(j, "to", mig_to(r));
	json_set_bool(j, "live", mig_way(r) == MIG_LIVE);
	if (arg_has(r->args, "checksums"))
		json_set_json(j, "checksums", json_dup(json_get(r->args, "checksums")));
	json_set_u64(j, "total_ms", total_ms(r));
	if (outage_us)
		json_set_u64(j, "outage_ms", (outage_us + 999) / 1000);
	else
		json_set_null(j, "outage_ms");
	if (!outage_us && mig_way(r) == MIG_LIVE)
		json_set_str(j, "outage_why_not",
		    why_not && *why_not ? why_not : "the target did not say");
	return j;
}

void
mig_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!rc) {
		r->result = result_json(r);
		return;
	}
	if (vm && mig_way(r) == MIG_DISKS)
		txn_event(t, EV_VM_MIGRATE_FAILED, r->entity, r->id, r->who.name,
		    "The disks of %s could not be moved: %s", vm->o.name, e->msg);
	else if (vm)
		txn_event(t, EV_VM_MIGRATE_FAILED, r->entity, r->id, r->who.name,
		    "%s could not be moved from %s: %s", vm->o.name,
		    inv_name(r->inv, mig_from(r)), e->msg);
}

/*
 * Which guests are under leases, as their hosts say; and why the others are not.
 */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/ha/ha_int.h"
#include "server/inventory/txn.h"
#include "server/protect/protect.h"

static void
on_stored(void *arg, int rc, const struct err *e)
{
	obj_id none;
	struct ha *ha = ha_wait_end(arg, &none);

	ha->busy_guests = false;
	if (rc)
		log_warn(
		    "ha", "which guests are protected is not stored yet: %s", e->msg);
}

static bool
is_off(const struct vm *vm)
{
	return vm->power_state == POWER_OFF || vm->power_state == POWER_SUSPENDED;
}

/* It has a claim and a guard there, though its row does not say so yet. */
static bool
is_taken(const struct ha *ha, const struct vm *vm)
{
	const struct ha_node *n = ha_node_find(ha, vm->host);
	const struct host *row = inv_host(ha->o.inv, vm->host);
	const struct ha_run *run = n ? ha_run_of(n, vm->o.id) : NULL;
	struct err ignored = ERR_INIT;

	return run && row && ha_runs_there(n, row, vm) && run->guarded &&
	       run->phase == DROVER__RUN_PHASE__RUN_RUN &&
	       !(vm->ha_protected && vm->ha_inc == row->ha_inc) &&
	       !protect_check(ha->o.inv, vm, vm->host, &ignored);
}

/* It could be protected where it runs, and is not yet. */
static const char *
why_not_yet(const struct ha *ha, const struct vm *vm)
{
	const struct ha_node *n = ha_node_find(ha, vm->host);
	const struct ha_run *run = n ? ha_run_of(n, vm->o.id) : NULL;

	if (run && run->bare)
		return "not protected: it runs without a guard; its next start or move "
		       "gives it one";
	if (run && run->alive && run->phase != DROVER__RUN_PHASE__RUN_NONE)
		return "not protected yet: its host is claiming it";
	return "not protected yet: its host has not claimed it";
}

/* Those that were lost are to be started with a claim, whatever was changed since. */
static bool
is_let_go(const struct ha *ha, const struct vm *vm)
{
	struct err ignored = ERR_INIT;

	return vm->ha_protected && protect_wanted(ha->o.inv, vm, &ignored) &&
	       !ha_is_lost(ha, vm);
}

static void
store(struct ha *ha)
{
	AUTO(map) struct map *busy = ha_busy_guests(ha);
	struct txn *t = txn_new(ha->o.inv);
	unsigned n = 0;

	INV_EACH(ha->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(ha->o.inv, o->id);
		bool taken = is_taken(ha, vm);
		if (map_get(busy, o->id.v) || (!taken && !is_let_go(ha, vm)))
			continue;
		struct vm *edit = txn_edit(t, o->id);
		if (taken)
			protect_begin(ha->o.inv, edit, vm->host);
		else
			protect_end(edit);
		n++;
	}
	if (!n) {
		txn_free(t);
		return;
	}
	ha->busy_guests = true;
	txn_commit(t, on_stored, ha_wait_new(ha, OBJ_ID_NONE));
}

/* Why it is not protected, or does not start; "" where there is nothing to say. */
static void
tell(const struct ha *ha, const struct vm *vm, char out[240])
{
	const struct ha_guest *g = ha_guest_find(ha, vm->o.id);
	struct err e = ERR_INIT;

	out[0] = '\0';
	if (!ha_enabled_of(ha, vm->host) || vm->lifecycle != LIFE_READY)
		return;
	if (vm->ha_protected) {
		if (g && g->g.lost_ms && g->g.is != RESTART_RUNNING)
			snprintf(out, 240, "lost with host %.60s%s%.150s",
			    inv_name(ha->o.inv, g->from), g->why[0] ? ": " : "",
			    g->why);
		return;
	}
	if (is_off(vm))
		return;
	if (protect_check(ha->o.inv, vm, vm->host, &e))
		snprintf(out, 240, "not protected: %.200s", e.msg);
	else
		snprintf(out, 240, "%s", why_not_yet(ha, vm));
}

static void
note_status(struct ha *ha)
{
	INV_EACH(ha->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(ha->o.inv, o->id);
		char text[240];
		tell(ha, vm, text);
		if (str_same(vm->ha_status ? vm->ha_status : "", text))
			continue;
		struct vm *note = inv_note_begin(ha->o.inv, o->id);
		text_set(&note->ha_status, text);
		inv_note_end(ha->o.inv, o->id);
	}
}

void
ha_protect_look(struct ha *ha)
{
	if (!ha->busy_guests)
		store(ha);
	note_status(ha);
}

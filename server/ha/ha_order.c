/*
 * ha.restart: run a guest elsewhere that its host has lost; and what an operator may
 * say about a host that nobody hears.
 */
#include <stdio.h>

#include "base/arena.h"
#include "server/ha/ha_int.h"
#include "server/ops/vm_spec.h"
#include "server/ops/vm_step.h"
#include "server/protect/protect.h"

enum { STEP_START };

static const struct caller self = { .name = "ha", .role = ROLE_ADMINISTRATOR };

/*
 * With the step, so that nobody else was given that generation, and whoever leads next
 * looks for the guest there.
 */
static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);
	const struct host *to = inv_host(r->inv, run_arg_id(r, "host"));

	if (!vm || !to)
		return;
	vm->host = to->o.id;
	vm_begin_start(r, t);
	/* Whatever has become of its settings: without a claim it must not start. */
	vm->ha_protected = true;
	vm->ha_inc = to->ha_inc;
}

/* Generations that were reaped, by host, as it told us. */
static void
attest_reaped(struct arena *mem, const struct task_run *r, Drover__RunClaim *claim)
{
	json *reaped = json_get(r->args, "reaped");

	for (void *it = reaped ? json_iter(reaped) : NULL; it;
	     it = json_iter_next(reaped, it)) {
		obj_id id = OBJ_ID_NONE;
		struct err ignored = ERR_INIT;
		int rc = obj_id_parse(json_iter_key(it), KIND_HOST, &id, &ignored);
		const struct host *h = rc ? NULL : inv_host(r->inv, id);
		if (h && h->ha_slot)
			protect_attest(mem, claim,
			    DROVER__CLAIM_PROOF__CLAIM_PROOF_REAPED, h,
			    (uint64_t)json_int_value(json_iter_value(it)));
	}
}

static enum flow_rc
order_start(struct task_run *r)
{
	AUTO(arena) struct arena *mem = arena_new();
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart start = DROVER__GUEST_START__INIT;
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	start.claim =
	    vm->ha_protected ? protect_claim(mem, r->inv, vm, vm->host) : NULL;
	if (!start.claim) {
		err_set(task_err(r), ERR_BAD_STATE,
		    "host \"%s\" has gone: \"%s\" cannot be claimed for it",
		    inv_name(r->inv, vm->host), vm->o.name);
		return FLOW_FAIL;
	}
	attest_reaped(mem, r, start.claim);
	start.guest = obj_id_number(vm->o.id);
	start.generation = vm->run_gen;
	start.spec = vm_spec(mem, r->inv, vm);
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &start;
	return run_order(r, vm->host, &o, VM_ORDER_MS);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (!rc) {
		vm->power_state = POWER_ON;
		text_set(&vm->power_reason, NULL);
		vm_take_status(vm, run_reply(r, vm->host, STEP_START));
		return;
	}
	if (vm->power_state == POWER_STARTING)
		vm->power_state = POWER_UNKNOWN;
	text_set(&vm->power_reason, e->msg);
}

static void
on_recover(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	obj_id host = run_arg_id(r, "host");

	if (!vm)
		return;
	struct advice_hold hold = {
		.vm = vm->o.id,
		.host = host,
		.cluster = inv_ancestor(r->inv, host, KIND_CLUSTER),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
	};
	advice_hold_take(run_ops(r)->advice, &hold);
}

static const struct task_step restart_steps[] = {
	[STEP_START] = { .name = "start",
	    .start = order_start,
	    .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind restart_kind = {
	.op = "ha.restart",
	.title = "Restart after a failure",
	.steps = restart_steps,
	.locks = vm_locks,
	.on_step = on_step,
	.on_recover = on_recover,
	.on_end = on_end,
	.on_gone = run_forget,
};

static int
ha_restart(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	const struct host *to = inv_host(c->inv, arg_id(c->args, "host"));
	int rc = vm_need_ready(vm, e);

	if (rc)
		return rc;
	if (!vm->ha_protected)
		return err_set(e, ERR_BAD_STATE, "\"%s\" is not protected", vm->o.name);
	if (!to || !to->ha_slot || ha_is_fenced(to))
		return err_set(e, ERR_BAD_STATE, "host: \"%s\" holds no leases",
		    inv_name(c->inv, arg_id(c->args, "host")));
	return 0;
}

/* ---- a host that somebody knows to be dead ---- */

static int
host_confirm_dead(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *row = inv_host(c->inv, c->entity);

	if (hosts_is_up(c->hosts, c->entity))
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" is connected: it is not without power", row->o.name);
	if (!row->ha_inc)
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" never held leases: nothing waits for its end",
		    row->o.name);
	struct host *edit = txn_edit(t, c->entity);
	edit->ha_off_inc = row->ha_inc;
	txn_event(t, EV_HOST_CONFIRMED_DEAD, c->entity, OBJ_ID_NONE, c->who.name,
	    "Host %s is confirmed to be without power: nothing of it runs any more",
	    row->o.name);
	return 0;
}

/* clang-format off */
static const struct op_arg restart_args[] = {
	{ .name = "host", .type = ARG_ID, .required = true, .kinds = KIND_BIT(HOST), .help = "where" },
	{ .name = "reaped", .type = ARG_OBJECT, .help = "generations that have ended, by host" },
	{ 0 } };

static const struct op_def ha_defs[] = {
	{ .info = { "ha.restart", "Restart after a failure", KIND_VM, ROLE_ADMINISTRATOR, true, restart_args },
	  .apply = ha_restart, .task = &restart_kind },
	{ .info = { "host.confirm_dead", "Confirm that a host is without power", KIND_HOST, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = host_confirm_dead },
	{ .info = { .name = NULL } },
};

/* clang-format on */

void
ha_register(void)
{
	ops_register(ha_defs);
}

/* ---- ordering it ---- */

static json *
reaped_json(const struct ha *ha, obj_id vm, obj_id to)
{
	json *j = json_new_object();
	char text[OBJ_ID_TEXT];

	MAP_EACH(ha->nodes, it) {
		const struct ha_node *n = it.value;
		const struct ha_run *run = ha_run_of(n, vm);
		if (run && !run->alive && !obj_id_is(n->id, to) &&
		    run->phase == DROVER__RUN_PHASE__RUN_NONE)
			json_set_u64(j, obj_id_text(n->id, text), run->gen);
	}
	return j;
}

static void
on_ordered(const struct op_result *res, void *arg)
{
	obj_id vm;
	struct ha *ha = ha_wait_end(arg, &vm);
	struct ha_guest *g = ha_guest_find(ha, vm);

	if (!g)
		return;
	g->asked = false;
	if (!res->rc)
		return;
	snprintf(g->why, sizeof(g->why), "%.190s", res->err.msg);
	advice_hold_drop(ha->o.advice, vm);
}

void
ha_order(struct ha *ha, struct ha_guest *g, obj_id host)
{
	AUTO(json) json *args = json_new_object();
	char text[OBJ_ID_TEXT];

	json_set_str(args, "host", obj_id_text(host, text));
	json_set_json(args, "reaped", reaped_json(ha, g->id, host));
	g->asked = true;
	g->to = host;
	struct op_request r = {
		.op = "ha.restart",
		.entity = g->id,
		.args = args,
		.who = &self,
	};
	op_submit(ha->o.ops, &r, on_ordered, ha_wait_new(ha, g->id));
}

/*
 * Power on: room on the host first, then a higher generation and the order, in one
 * stored step.
 */
#include "server/admission/admission.h"
#include "server/ops/vm_step.h"
#include "server/ops/wake_room.h"
#include "server/pools/pool_tree.h"
#include "server/protect/protect.h"

enum { STEP_PLACE, STEP_START };

#define MAY_START \
	(POWER_BIT(POWER_OFF) | POWER_BIT(POWER_SUSPENDED) | POWER_BIT(POWER_UNKNOWN))

static int
admit(const struct inv *inv, const struct vm *vm, struct err *e)
{
	struct pool_claim claim = pool_claim_of(vm);
	int rc = pool_admit_guest(inv, vm->pool, vm->o.id, &claim, e);

	return rc ? rc : admission_start(inv, vm, e);
}

/* Would it be admitted if the cluster had more hosts? */
static bool
is_for_want_of_hosts(const struct inv *inv, const struct vm *vm)
{
	struct pool_claim claim = pool_claim_of(vm);
	struct err ignored = ERR_INIT;

	if (pool_admit_guest(inv, vm->pool, vm->o.id, &claim, &ignored))
		return pool_wants_hosts(inv, vm->pool, vm->o.id, &claim);
	return !admission_is_kept(inv, vm->host);
}

/* What is left of a run under leases gives way to a claim alone. */
static int
need_claim(const struct inv *inv, const struct vm *vm, struct err *e)
{
	if (!vm->ha_protected || !protect_check(inv, vm, vm->host, e))
		return 0;
	return err_wrap(e, "\"%s\" ran under leases and has to be claimed", vm->o.name);
}

static struct advice_guest
guest_of(const struct inv *inv, const struct vm *vm)
{
	return (struct advice_guest){
		.vm = vm->o.id,
		.name = vm->o.name,
		.cluster = inv_ancestor(inv, vm->host, KIND_CLUSTER),
		.want_host = vm->host,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.engine = vm->engine,
		.datastore = vm->datastores.n ? vm->datastores.v[0] : OBJ_ID_NONE,
		.network = vm->networks.n ? vm->networks.v[0] : OBJ_ID_NONE,
	};
}

static enum flow_rc
place_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	struct err *e = task_err(r);

	if (!vm || vm_need_ready(vm, e) || vm_need_power(vm, MAY_START, e) ||
	    need_claim(r->inv, vm, e))
		return FLOW_FAIL;
	struct advice_guest g = guest_of(r->inv, vm), anywhere = g;
	if (wake_is_asleep(r->inv, vm->host)) {
		err_set(e, ERR_NO_CAPACITY, "host \"%s\" of \"%s\" is in standby",
		    inv_name(r->inv, vm->host), vm->o.name);
		return run_wake_for_room(r, &g);
	}
	if (hosts_need_up(run_ops(r)->hosts, vm->host, e))
		return FLOW_FAIL;
	/* What the cluster lacks any of its hosts can bring. */
	anywhere.want_host = OBJ_ID_NONE;
	if (admit(r->inv, vm, e))
		return is_for_want_of_hosts(r->inv, vm)
			   ? run_wake_for_room(r, &anywhere)
			   : FLOW_FAIL;
	if (!run_hold_room(r, &g, 0, e))
		return FLOW_NEXT;
	run_tell_where(r, &g);
	return run_wait_for_host(r);
}

static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (step == STEP_START)
		vm_begin_start(r, t);
}

static enum flow_rc
order_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);

	/* Another start may have been admitted at the same moment: both count by now.
	 */
	if (!vm || admit(r->inv, vm, task_err(r)))
		return FLOW_FAIL;
	return run_spec_order(r, VERB_START, vm, VM_ORDER_MS);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (rc) {
		vm_failed_start(vm, rc, e);
		return;
	}
	vm->power_state = POWER_ON;
	text_set(&vm->power_reason, NULL);
	vm_take_status(vm, run_reply(r, vm->host, STEP_START));
	txn_event(t, EV_VM_POWERED_ON, r->entity, r->id, r->who.name,
	    "%s runs on host %s", vm->o.name, inv_name(r->inv, vm->host));
}

/* clang-format off */
static const struct task_step start_steps[] = {
	[STEP_PLACE] = { .name = "place", .start = place_start, .finish = run_again },
	[STEP_START] = { .name = "start", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};
/* clang-format on */

static const struct task_kind start_kind = {
	.op = "vm.start",
	.title = "Power on virtual machine",
	.steps = start_steps,
	.locks = vm_locks,
	.on_step = on_step,
	.on_recover = run_recover_hold,
	.on_end = on_end,
	.on_gone = run_forget,
};

static int
need_open_host(const struct inv *inv, const struct vm *vm, struct err *e)
{
	const struct host *h = inv_host(inv, vm->host);

	if (h && h->standby != STANDBY_NONE)
		return err_set(e, ERR_BAD_STATE, "host \"%s\" of \"%s\" is in standby",
		    h->o.name, vm->o.name);
	if (!h || h->maintenance == MAINT_NONE)
		return 0;
	return err_set(e, ERR_BAD_STATE, "host \"%s\" of \"%s\" is %s maintenance",
	    h->o.name, vm->o.name, h->maintenance == MAINT_IN ? "in" : "going into");
}

/* What a host that wakes could bring its first step will find out. */
static int
check_room(const struct op_call *c, const struct vm *vm, struct err *e)
{
	bool may_wake =
	    wake_may_help(c->inv, inv_ancestor(c->inv, vm->host, KIND_CLUSTER));
	int rc;

	if (may_wake && wake_is_asleep(c->inv, vm->host))
		return 0;
	rc = need_open_host(c->inv, vm, e);
	if (!rc)
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (!rc)
		rc = admit(c->inv, vm, e);
	if (rc == ERR_NO_CAPACITY && may_wake && is_for_want_of_hosts(c->inv, vm))
		return 0;
	return rc;
}

static int
vm_start(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	obj_id host = arg_id(c->args, "host");
	int rc = arg_exists(c->inv, c->args, "host", e);

	if (!rc && !obj_id_none(host) && !obj_id_is(host, vm->host))
		return err_set(e, ERR_UNSUPPORTED,
		    "host: machine \"%s\" is on host \"%s\" and starts there",
		    vm->o.name, inv_name(c->inv, vm->host));
	/* Behind another task it takes its turn: what it finds then counts. */
	if (rc || task_works_on(c->tasks, c->entity))
		return rc;
	rc = vm_need_ready(vm, e);
	if (!rc)
		rc = vm_need_power(vm, MAY_START, e);
	return rc ? rc : check_room(c, vm, e);
}

/* clang-format off */
static const struct op_arg start_args[] = {
	{ .name = "host", .type = ARG_ID, .kinds = KIND_BIT(HOST), .help = "where; must be the host it is on" },
	{ 0 } };

const struct op_def op_vm_start_defs[] = {
	{ .info = { "vm.start", "Power on virtual machine", KIND_VM, ROLE_OPERATOR, true, start_args },
	  .apply = vm_start, .task = &start_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

#include "server/migrate/migrate_int.h"
#include "server/migrate/migrate_limit.h"

#define STORES_LOCKED 8
#define MAX_MB_PER_S  100000
#define MAX_DOWN_MS   60000

static const char *const way_names[] = {
	[MIG_LIVE] = "live",
	[MIG_COLD] = "cold",
	[MIG_DISKS] = "disks",
};

obj_id
mig_from(const struct task_run *r)
{
	return run_arg_id(r, "from");
}

obj_id
mig_to(const struct task_run *r)
{
	return run_arg_id(r, "to");
}

enum mig_way
mig_way(const struct task_run *r)
{
	const char *name = arg_str(r->args, "way");

	for (size_t i = 0; i < ARRAY_SIZE(way_names); i++) {
		if (str_same(name, way_names[i]))
			return (enum mig_way)i;
	}
	return MIG_LIVE;
}

bool
mig_host_is_away(const struct task_run *r, obj_id host)
{
	const struct hosts *hosts = run_ops(r)->hosts;

	return !hosts_is_up(hosts, host) && !hosts_is_expected(hosts, host);
}

enum flow_rc
mig_order(struct task_run *r, obj_id host, Drover__Order *o, uint32_t step,
    uint32_t deadline_ms)
{
	o->task = obj_id_number(r->id);
	o->step = step;
	host_call_patient(run_ops(r)->hosts, host, o, deadline_ms, task_wake(r));
	return FLOW_WAIT;
}

void
mig_note_begin(struct task_run *r)
{
	if (!arg_has(r->args, "began_ms"))
		json_set_u64(
		    r->args, "began_ms", clock_wall_ms(loop_clock(inv_loop(r->inv))));
}

struct vm
mig_vm_after(const struct task_run *r, const struct vm *vm)
{
	struct vm after = *vm;

	after.host = mig_to(r);
	after.disks = json_get(r->args, "disks");
	return after;
}

static void
migrate_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	const struct vm *vm = inv_vm(inv, entity);

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "from"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "to"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
	if (!vm)
		return;
	lock_set_add(out, vm->template_, LOCK_SHARED);
	for (size_t i = 0; i < vm->datastores.n && i < STORES_LOCKED; i++)
		lock_set_add(out, vm->datastores.v[i], LOCK_SHARED);
}

static bool
moves_disks(const struct vm *vm, const json *args)
{
	for (size_t i = 0; vm->disks && i < json_count(vm->disks); i++) {
		if (mig_disk_moves(json_at(vm->disks, i), args))
			return true;
	}
	return false;
}

static bool
reaches_store(const struct mig_env *env, const struct vm *vm, const json *args)
{
	const struct datastore *ds = inv_datastore(env->inv, arg_id(args, "datastore"));

	return ds && id_list_has(&ds->reachable_hosts, vm->host);
}

void
mig_note_disks(const struct inv *inv, const struct vm *vm, json *args)
{
	bool is_live = str_same(arg_str(args, "way"), way_names[MIG_LIVE]);
	bool sends = arg_bool(args, "sends", false);

	json_set_json(args, "disks",
	    mig_disks_after(inv, vm, args,
		is_live ? MIG_CHAIN_FLAT
		: sends ? MIG_CHAIN_KEPT
			: MIG_CHAIN_DROPPED));
}

/* Where it goes and how, into the arguments. */
static int
choose(const struct mig_env *env, const struct vm *vm, json *args, struct err *e)
{
	struct mig_place p;
	int rc = mig_place(env, vm, args, &p, e);

	if (rc)
		return rc;
	bool disks_move = moves_disks(vm, args);
	bool sends = p.way == MIG_COLD && disks_move && !reaches_store(env, vm, args);
	arg_set_id(args, "from", vm->host);
	arg_set_id(args, "to", p.host);
	json_set_str(args, "way", way_names[p.way]);
	json_set_bool(args, "disks_move", disks_move);
	json_set_bool(args, "sends", sends);
	json_set_bool(args, "brings_template", p.brings_template);
	mig_note_disks(env->inv, vm, args);
	return 0;
}

static void
hold(const struct task_run *r, const struct vm *vm)
{
	struct advice_hold h = {
		.vm = vm->o.id,
		.host = mig_to(r),
		.cluster = inv_ancestor(r->inv, mig_to(r), KIND_CLUSTER),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
	};

	if (mig_way(r) == MIG_LIVE)
		advice_hold_take(run_ops(r)->advice, &h);
}

/* For people to see. */
static void
tell_where(const struct task_run *r)
{
	struct task *row = inv_note_begin(r->inv, r->id);

	if (!row)
		return;
	row->to_host = mig_to(r);
	inv_note_end(r->inv, r->id);
}

static struct mig_env
env_of(const struct task_run *r)
{
	return (struct mig_env){ r->inv, run_ops(r)->hosts, run_ops(r)->advice, r->id };
}

static enum flow_rc
place_start(struct task_run *r)
{
	const struct mig_env env = env_of(r);
	const struct vm *vm = run_vm(r);

	if (!vm)
		return FLOW_FAIL;
	/* A host that is about to be back has not yet said what it reaches. */
	if (choose(&env, vm, r->args, task_err(r)))
		return run_wait_for_host(r);
	hold(r, vm);
	tell_where(r);
	return FLOW_NEXT;
}

static struct slot_set
slots_of(const struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	struct mig_cost cost = {
		.from = mig_from(r),
		.to = mig_to(r),
		.over_link =
		    mig_way(r) == MIG_LIVE || arg_bool(r->args, "sends", false),
		.with_disks = arg_bool(r->args, "disks_move", false),
		.store = run_arg_id(r, "datastore"),
		.haste = str_same(arg_str(r->args, "priority"), "high") ? HASTE_HIGH
									: HASTE_NORMAL,
	};
	struct slot_set s;

	if (vm)
		cost.stores = vm->datastores;
	migrate_limit(&cost, &s);
	return s;
}

static enum flow_rc
turn_start(struct task_run *r)
{
	struct slot_set s = slots_of(r);
	enum flow_rc rc = task_slots_take(r, &s);

	return rc == FLOW_NEXT && arg_bool(r->args, "early", false)
		   ? run_wait_for_host(r)
		   : rc;
}

/* Much may have changed while it waited; after a restart of the server it may be its
 * turn before the hosts are back. */
static enum flow_rc
turn_finish(struct task_run *r, int rc)
{
	const struct mig_env env = env_of(r);
	const struct vm *vm = rc ? NULL : run_vm(r);
	AUTO(json) json *args = json_dup(r->args);
	struct mig_place p;

	if (!vm)
		return FLOW_FAIL;
	arg_set_id(args, "host", mig_to(r));
	if (mig_place(&env, vm, args, &p, task_err(r))) {
		json_set_bool(r->args, "early", hosts_any_expected(env.hosts));
		return arg_bool(r->args, "early", false) ? FLOW_AGAIN : FLOW_FAIL;
	}
	if (p.way == mig_way(r))
		return FLOW_NEXT;
	err_set(task_err(r), ERR_BAD_STATE,
	    "machine \"%s\" became %s while it waited for its turn", vm->o.name,
	    power_state_text(vm->power_state));
	return FLOW_FAIL;
}

static bool
is_live(struct task_run *r)
{
	return mig_way(r) == MIG_LIVE;
}

static bool
is_cold(struct task_run *r)
{
	return mig_way(r) == MIG_COLD;
}

static bool
moves_disks_here(struct task_run *r)
{
	return !is_live(r) && arg_bool(r->args, "disks_move", false) &&
	       !arg_bool(r->args, "sends", false);
}

bool
mig_sends(struct task_run *r)
{
	return arg_bool(r->args, "sends", false);
}

/* Its disks lie elsewhere already, whatever becomes of the rest. */
static void
write_moved_disks(struct task_run *r, struct txn *t)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm || !arg_bool(r->args, "disks_moved", false))
		return;
	json_free(vm->disks);
	vm->disks = json_dup(json_get(r->args, "disks"));
	mig_set_stores(vm);
}

static void
on_step(struct task_run *r, unsigned step, struct txn *t)
{
	switch (step) {
	case MIG_PREPARE:
		mig_prepare_store(r, t);
		break;
	case MIG_SEND:
		mig_send_store(r);
		break;
	case MIG_REGISTER:
		write_moved_disks(r, t);
		break;
	case MIG_SETTLE:
		mig_settle_store(r, t);
		break;
	default:
		break;
	}
	if (step > MIG_PLACE)
		task_set_args(r, t, json_dup(r->args));
}

static void
on_recover(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	const struct task *row = inv_task(r->inv, r->id);
	struct slot_set s = slots_of(r);

	if (!vm || row->step_index <= MIG_PLACE)
		return;
	hold(r, vm);
	tell_where(r);
	if (row->step_index > MIG_TURN)
		task_slots_recover(r, &s);
}

/* clang-format off */
static const struct task_step migrate_steps[] = {
	[MIG_PLACE] = { .name = "place", .start = place_start, .finish = run_again },
	[MIG_TEMPLATE] = { .name = "template", .start = mig_template_start, .finish = mig_template_finish,
		.needed = mig_brings_template },
	[MIG_TURN] = { .name = "wait", .start = turn_start, .finish = turn_finish },
	[MIG_OFFER] = { .name = "offer", .start = mig_offer_start, .finish = mig_offer_finish, .needed = is_live },
	[MIG_PREPARE] = { .name = "prepare", .start = mig_prepare_start, .finish = mig_prepare_finish,
		.undo = mig_prepare_undo, .needed = is_live },
	[MIG_COPY] = { .name = "copy", .start = mig_copy_start, .finish = mig_copy_finish,
		.undo = mig_copy_undo, .needed = is_live, .cancel = FLOW_CANCEL_ASKS },
	[MIG_SWITCH] = { .name = "switch", .start = mig_switch_start, .finish = mig_switch_finish,
		.needed = is_live, .cancel = FLOW_CANCEL_LATE },
	[MIG_MOVE_DISKS] = { .name = "disks", .start = mig_move_disks_start, .finish = mig_move_disks_finish,
		.needed = moves_disks_here, .cancel = FLOW_CANCEL_LATE },
	[MIG_SEND] = { .name = "send", .start = mig_send_start, .finish = mig_send_finish,
		.undo = mig_send_undo, .needed = mig_sends, .cancel = FLOW_CANCEL_ASKS },
	[MIG_REGISTER] = { .name = "register", .start = mig_register_start, .finish = run_order_finish,
		.undo = mig_register_undo, .needed = is_cold, .cancel = FLOW_CANCEL_LATE },
	[MIG_SETTLE] = { .name = "settle", .start = mig_settle_start, .finish = mig_settle_finish,
		.cancel = FLOW_CANCEL_LATE },
	{ .name = NULL },
};
/* clang-format on */

static const struct task_kind migrate_kind = {
	.op = "vm.migrate",
	.title = "Move virtual machine",
	.steps = migrate_steps,
	.locks = migrate_locks,
	.on_step = on_step,
	.on_recover = on_recover,
	.on_end = mig_end,
	.on_gone = run_forget,
};

static int
vm_migrate(struct op_call *c, struct txn *t, struct err *e)
{
	static const char *const ids[] = { "host", "datastore", "cluster" };
	const struct mig_env env = { c->inv, c->hosts, c->advice, OBJ_ID_NONE };
	const struct vm *vm = inv_vm(c->inv, c->entity);
	bool is_any = false;
	int rc = 0;

	for (size_t i = 0; !rc && i < ARRAY_SIZE(ids); i++) {
		is_any = is_any || arg_has(c->args, ids[i]);
		rc = arg_exists(c->inv, c->args, ids[i], e);
	}
	if (!rc && !is_any)
		rc = err_set(e, ERR_INVALID, "wants a host, a datastore or a cluster");
	/* A task that is on it is named by the lock. */
	if (rc || task_works_on(c->tasks, c->entity))
		return rc;
	return choose(&env, vm, c->args, e);
}

/* clang-format off */
static const struct op_arg migrate_args[] = {
	{ .name = "host", .type = ARG_ID, .kinds = KIND_BIT(HOST), .help = "where to; without it the best one" },
	{ .name = "datastore", .type = ARG_ID, .kinds = KIND_BIT(DATASTORE), .help = "its disks go there too" },
	{ .name = "cluster", .type = ARG_ID, .kinds = KIND_BIT(CLUSTER), .help = "to its best other host" },
	{ .name = "bandwidth_mb", .type = ARG_U64, .min = 1, .max = MAX_MB_PER_S, .help = "at most so many MiB a second" },
	{ .name = "downtime_ms", .type = ARG_U32, .min = 1, .max = MAX_DOWN_MS, .help = "goal for the pause at the switch" },
	{ .name = "post_copy", .type = ARG_BOOL, .help = "fetch the rest on demand if nothing else helps" },
	{ .name = "auto_converge", .type = ARG_BOOL, .help = "slow the machine down if it writes too fast (default)" },
	{ .name = "keep_chain", .type = ARG_BOOL, .help = "keep a linked clone linked where its template is there too" },
	{ .name = "priority", .type = ARG_WORD, .words = "normal|high", .help = "high: before others that wait" },
	{ 0 } };

const struct op_def migrate_defs[] = {
	{ .info = { "vm.migrate", "Move virtual machine", KIND_VM, ROLE_OPERATOR, true, migrate_args },
	  .apply = vm_migrate, .task = &migrate_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

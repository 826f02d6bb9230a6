/*
 * Making a machine: place and addresses, the template's image where it is wanted, disks
 * on the host, and if wanted the first start.
 *
 * What it is made of is in the arguments: "template" (with "from", the datastore whose
 * image it is a clone or a copy of, and "full"), or "sources", the frozen disks of
 * another machine, with "chain", the layers that a container's copy stands on.
 */
#include "server/admission/admission.h"
#include "server/advice/engine_pick.h"
#include "server/ops/net_plan.h"
#include "server/ops/template_chain.h"
#include "server/ops/vm_address.h"
#include "server/ops/vm_spec.h"
#include "server/ops/wake_room.h"
#include "server/template/template_int.h"

#define STOP_MS  30000u
#define CLONE_MB 1 /* a linked clone takes its header; it grows as it is written */
#define MB_BYTES UINT64_C(0x100000)

#define MAKES_AT_START "makes_at_start"

/* Shared with moves: what a host and a datastore do at a time, as vSphere has it. */
#define SLOT_NAME  "moves"
#define SLOT_COST  1u
#define HOST_SLOTS 8u
#define DISK_SLOTS 128u

void
deploy_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	static const char *const leans_on[] = { "template", "source", "base",
		"snapshot", "datastore", "from", "network", "cluster", "host" };

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	for (size_t i = 0; i < ARRAY_SIZE(leans_on); i++)
		lock_set_add(out, arg_id(args, leans_on[i]), LOCK_SHARED);
}

static bool
wants_power(const struct task_run *r)
{
	return arg_bool(r->args, "power_on", false);
}

static bool
is_copy(const struct task_run *r)
{
	return arg_bool(r->args, "full", false) || arg_has(r->args, "sources");
}

/* As place_start has found: the agent may be another one by the next step. */
static bool
makes_at_start(const struct task_run *r)
{
	return arg_bool(r->args, MAKES_AT_START, false);
}

/* With nothing to copy, and no firmware that takes its time, a start makes the disks on
 * its way: the step before it and the order of its own would be a good part of what the
 * whole takes. An agent that is older does not know how, and does not say that it does.
 */
static bool
may_make_at_start(const struct task_run *r, const struct vm *vm)
{
	const struct advice_hold *hold =
	    advice_hold_find(run_ops(r)->advice, r->entity);
	const struct host *h = hold ? inv_host(r->inv, hold->host) : NULL;

	return h && vm->guest_type == GUEST_CONTAINER && wants_power(r) &&
	       !is_copy(r) &&
	       engine_is_able(h, engine_of_host(h, vm->guest_type), "make_disks");
}

/*
 * A free address of the network; 0 if it gives none, or the guest finds its own: the
 * host would let nothing out that it sends under another.
 */
static int
pick_address(struct task_run *r, obj_id network, uint32_t *ret_ip, struct err *e)
{
	const json *custom = json_get(r->args, "customize");
	const char *mode = arg_str(custom, "address_mode");
	const char *asked = arg_has(r->args, "ip_address")
				? arg_str(r->args, "ip_address")
				: arg_str(custom, "address");

	*ret_ip = 0;
	if (!asked && mode && !str_same(mode, "network"))
		return 0;
	return vm_address_pick(run_ops(r), network, asked, ret_ip, e);
}

/* What the disks take at first. */
static uint64_t
need_mb(const struct task_run *r)
{
	const struct template *tpl = inv_template(r->inv, run_arg_id(r, "template"));

	if (!is_copy(r))
		return CLONE_MB;
	if (tpl)
		return tpl->file_bytes / MB_BYTES + 1;
	return arg_u64(r->args, "source_mb", CLONE_MB);
}

enum flow_rc
place_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	uint32_t address;

	if (!vm)
		return FLOW_FAIL;
	struct advice_guest g = {
		.vm = vm->o.id,
		.name = vm->o.name,
		.cluster = run_arg_id(r, "cluster"),
		.want_host = run_arg_id(r, "host"),
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.datastore = run_arg_id(r, "datastore"),
		.disk_mb = need_mb(r),
		.source = is_copy(r) ? run_arg_id(r, "from") : OBJ_ID_NONE,
		.network = run_arg_id(r, "network"),
	};
	if (engine_of_cluster(
		r->inv, g.cluster, vm->guest_type, &g.engine, task_err(r)))
		return run_wait_for_host(r);
	if (pick_address(r, g.network, &address, task_err(r)))
		return FLOW_FAIL;
	if (wants_power(r) && admission_guest(r->inv, g.cluster, vm, task_err(r))) {
		g.want_host = OBJ_ID_NONE;
		return run_wake_for_room(r, &g);
	}
	if (run_hold_room(r, &g, address, task_err(r)))
		return run_wake_for_room(r, &g);
	json_set_bool(r->args, MAKES_AT_START, may_make_at_start(r, vm));
	return FLOW_NEXT;
}

/* ---- the template's image where it is wanted ---- */

static bool
has_image(const struct task_run *r)
{
	const struct template *tpl = inv_template(r->inv, run_arg_id(r, "template"));
	struct tpl_place there;

	return tpl && tpl_place_on(tpl, run_arg_id(r, "from"), &there);
}

bool
tpl_copy_needed(struct task_run *r)
{
	return !has_image(r);
}

enum flow_rc
tpl_copy_start(struct task_run *r)
{
	return copy_await(r, run_arg_id(r, "template"), run_arg_id(r, "from"));
}

enum flow_rc
tpl_copy_finish(struct task_run *r, int rc)
{
	task_set_waiting(r, NULL);
	if (has_image(r))
		return FLOW_NEXT;
	/* Asked for, or over just when it was to be waited for. */
	if (!rc || rc == ERR_NOT_FOUND)
		return FLOW_AGAIN;
	err_wrap(task_err(r), "the template's copy on \"%s\"",
	    inv_name(r->inv, run_arg_id(r, "from")));
	return FLOW_FAIL;
}

/* ---- its turn on the host and the datastore ---- */

static obj_id
host_of(const struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	const struct advice_hold *hold =
	    advice_hold_find(run_ops(r)->advice, r->entity);

	if (vm && !obj_id_none(vm->host))
		return vm->host;
	return hold ? hold->host : OBJ_ID_NONE;
}

static struct slot_set
slots_of(const struct task_run *r)
{
	struct slot_set s = { .n = 0 };
	const struct slot_want host = { host_of(r), SLOT_NAME, SLOT_COST, HOST_SLOTS };
	const struct slot_want store = { run_arg_id(r, "datastore"), SLOT_NAME,
		SLOT_COST, DISK_SLOTS };

	slot_set_add(&s, &host);
	slot_set_add(&s, &store);
	return s;
}

/* Only when it does not get its turn at once there is something to wait for. */
bool
queue_needed(struct task_run *r)
{
	struct slot_set s = slots_of(r);

	return !task_slots_try(r, &s);
}

enum flow_rc
queue_start(struct task_run *r)
{
	struct slot_set s = slots_of(r);

	return task_slots_take(r, &s);
}

void
deploy_on_recover(struct task_run *r)
{
	const struct task *row = inv_task(r->inv, r->id);
	struct slot_set s = slots_of(r);

	run_recover_hold(r);
	if (str_same(row->step, "create") || str_same(row->step, "start"))
		task_slots_recover(r, &s);
}

/* ---- what is stored with the steps ---- */

/* With the storing of the next step the placement becomes the machine's. */
static void
write_placement(struct task_run *r, struct vm *vm)
{
	const struct advice_hold *hold =
	    advice_hold_find(run_ops(r)->advice, r->entity);
	obj_id network = run_arg_id(r, "network");
	char mac[18], ip[IPV4_TEXT];

	if (!hold)
		return;
	vm->host = hold->host;
	text_set(
	    &vm->engine, engine_of_host(inv_host(r->inv, hold->host), vm->guest_type));
	if (!obj_id_none(network)) {
		vm_mac_pick(r->inv, r->entity, hold->cluster, mac);
		json_free(vm->nics);
		vm->nics = vm_nics_one(network, mac, hold->address);
	}
	if (hold->address)
		text_set(&vm->ip_address, ipv4_text(hold->address, ip));
	seed_write(r, vm);
}

static json *
new_disk(
    const struct task_run *r, const struct vm *vm, const char *name, uint64_t bytes)
{
	bool is_container = vm->guest_type == GUEST_CONTAINER;
	const char *format = is_container ? FORMAT_CONTAINER : FORMAT_MACHINE;
	json *d = json_new_object();
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *path =
	    xasprintf("vms/%s/%s.%s", obj_id_text(r->entity, id), name, format);

	json_set_str(d, "name", name);
	json_set_str(d, "datastore", obj_id_text(run_arg_id(r, "datastore"), id));
	json_set_str(d, "path", path);
	json_set_str(d, "format", format);
	json_set_u64(d, "size_bytes", bytes);
	return d;
}

static uint64_t
first_disk_bytes(const struct task_run *r, uint64_t source_bytes)
{
	uint64_t asked = arg_u64(r->args, "disk_mb", 0) * MB_BYTES;

	return asked ? asked : source_bytes;
}

static json *
disk_of_template(const struct task_run *r, const struct vm *vm)
{
	const struct template *tpl = inv_template(r->inv, run_arg_id(r, "template"));
	json *chain = tpl ? template_chain_on(tpl, run_arg_id(r, "from")) : NULL;

	if (!chain)
		return NULL;
	uint64_t preset = vm->guest_type == GUEST_CONTAINER
			      ? CONTAINER_DISK_MB * MB_BYTES
			      : tpl->virtual_bytes;
	json *d = new_disk(r, vm, VM_DISK_ONE, first_disk_bytes(r, preset));
	if (is_copy(r))
		json_free(chain);
	else
		json_set_json(d, "backing", chain);
	return d;
}

/* One like another machine's; a container's stands on the same layers. */
static json *
disk_like(const struct task_run *r, const struct vm *vm, const json *source, bool first)
{
	const json *chain = json_get(r->args, "chain");
	uint64_t bytes = arg_u64(source, "size_bytes", 0);
	json *d = new_disk(
	    r, vm, arg_str(source, "name"), first ? first_disk_bytes(r, bytes) : bytes);

	if (chain)
		json_set_json(d, "backing", json_dup(chain));
	return d;
}

static void
write_disks(const struct task_run *r, struct vm *vm)
{
	const json *sources = json_get(r->args, "sources");
	json *list = json_new_array();

	for (size_t i = 0; sources && i < json_count(sources); i++)
		json_add_json(list, disk_like(r, vm, json_at(sources, i), i == 0));
	json *one = sources ? NULL : disk_of_template(r, vm);
	if (one)
		json_add_json(list, one);
	json_free(vm->disks);
	vm->disks = list;
}

static void
write_started(struct task_run *r, struct txn *t, struct vm *vm)
{
	vm->lifecycle = LIFE_READY;
	txn_event(t, EV_VM_CREATED, r->entity, r->id, r->who.name,
	    "Created %s on host %s", vm->o.name, inv_name(r->inv, vm->host));
}

void
deploy_on_step(struct task_run *r, unsigned step, struct txn *t)
{
	struct vm *vm = step > step_named(r, "place") ? txn_edit(t, r->entity) : NULL;

	if (!vm)
		return;
	if (obj_id_none(vm->host)) {
		write_placement(r, vm);
		task_set_args(r, t, json_dup(r->args));
	}
	if (step_is(r, step, makes_at_start(r) ? "start" : "create"))
		write_disks(r, vm);
	if (step_is(r, step, "start")) {
		write_started(r, t, vm);
		vm_begin_start(r, t);
	}
}

/* ---- the disks ---- */

static Drover__DiskSource *
source_of_template(struct arena *a, const struct task_run *r)
{
	const struct template *tpl = inv_template(r->inv, run_arg_id(r, "template"));
	Drover__DiskSource *s = arena_alloc(a, sizeof(*s));
	struct tpl_place from;

	if (!tpl || !tpl_place_on(tpl, run_arg_id(r, "from"), &from))
		return NULL;
	drover__disk_source__init(s);
	s->datastore = obj_id_number(from.datastore);
	s->path = arena_strdup(a, from.path);
	s->format = arena_strdup(a, from.format);
	return s;
}

/* Where each disk's content comes from; it is no part of what the machine is. */
static void
fill_sources(struct arena *a, const struct task_run *r, Drover__GuestSpec *spec)
{
	const json *sources = json_get(r->args, "sources");

	for (size_t i = 0; sources && i < spec->n_disks && i < json_count(sources); i++)
		spec->disks[i]->source = disk_source(a, json_at(sources, i));
	if (!sources && is_copy(r) && spec->n_disks)
		spec->disks[0]->source = source_of_template(a, r);
}

enum flow_rc
create_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	AUTO(arena) struct arena *a = arena_new();
	Drover__GuestCreate create = DROVER__GUEST_CREATE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm)
		return FLOW_FAIL;
	create.spec = vm_spec(a, r->inv, vm);
	fill_sources(a, r, create.spec);
	o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
	o.guest_create = &create;
	return run_order(r, vm->host, &o, is_copy(r) ? IMAGE_MS : VM_ORDER_MS);
}

bool
create_needed(struct task_run *r)
{
	return !makes_at_start(r);
}

enum flow_rc
create_undo(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);

	if (!vm || obj_id_none(vm->host))
		return FLOW_NEXT;
	return run_undo_delete(r, vm, VM_ORDER_MS);
}

/* ---- the first start ---- */

bool
first_start_needed(struct task_run *r)
{
	return wants_power(r);
}

enum flow_rc
first_start(struct task_run *r)
{
	enum vm_verb verb = makes_at_start(r) ? VERB_FIRST_START : VERB_START;
	const struct vm *vm = run_vm(r);
	obj_id cluster =
	    inv_ancestor(r->inv, vm ? vm->host : OBJ_ID_NONE, KIND_CLUSTER);

	/* Others may have been placed at the same moment: all count by now. */
	if (!vm || admission_guest(r->inv, cluster, vm, task_err(r)))
		return FLOW_FAIL;
	return run_spec_order(r, verb, vm, VM_ORDER_MS);
}

/* It may run, whatever the answer was, and must not when its disks go. */
enum flow_rc
first_start_undo(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	Drover__GuestStop stop = DROVER__GUEST_STOP__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm || obj_id_none(vm->host) || !wants_power(r))
		return FLOW_NEXT;
	stop.guest = obj_id_number(r->entity);
	stop.mode = DROVER__STOP_MODE__STOP_KILL;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &stop;
	return run_undo_order(r, vm->host, &o, STOP_MS);
}

/* ---- the end ---- */

static void
end_well(struct task_run *r, struct txn *t, struct vm *vm)
{
	char id[OBJ_ID_TEXT];

	if (wants_power(r)) {
		vm->power_state = POWER_ON;
		vm_take_status(vm, run_reply(r, vm->host, step_named(r, "start")));
		txn_event(t, EV_VM_POWERED_ON, r->entity, r->id, r->who.name,
		    "%s runs on host %s", vm->o.name, inv_name(r->inv, vm->host));
	} else {
		write_started(r, t, vm);
	}
	r->result = json_new_object();
	json_set_str(r->result, "vm", obj_id_text(r->entity, id));
	json_set_str(r->result, "host", obj_id_text(vm->host, id));
}

/* Are there disks on a host that could not be told to delete them? */
static bool
left_behind(const struct task_run *r, const struct vm *vm)
{
	return vm->disks && !obj_id_none(vm->host) &&
	       !run_undo_reply(r, vm->host, step_named(r, "create"));
}

static void
end_badly(struct task_run *r, struct txn *t, struct vm *vm, const struct err *e)
{
	txn_event(t, EV_VM_CREATE_FAILED, r->entity, r->id, r->who.name,
	    "%s was not created: %s", vm->o.name, e->msg);
	if (!left_behind(r, vm)) {
		txn_del(t, r->entity);
		return;
	}
	vm->lifecycle = LIFE_ORPHANED;
	vm->power_state = POWER_UNKNOWN;
	text_set(
	    &vm->power_reason, "its creation failed and its host did not clean up");
}

void
deploy_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct vm *vm = txn_edit(t, r->entity);

	if (!vm)
		return;
	if (rc)
		end_badly(r, t, vm, e);
	else
		end_well(r, t, vm);
}

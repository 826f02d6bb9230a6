/*
 * A machine becomes a template, or an appliance in a file.
 */
#include "server/ops/ha_settings.h"
#include "server/rules/rules.h"
#include "server/template/template_int.h"

static Drover__DiskLayer *
layer_of(struct arena *a, const json *j)
{
	Drover__DiskLayer *l = arena_alloc(a, sizeof(*l));

	drover__disk_layer__init(l);
	l->path = arena_strdup(a, arg_str(j, "path"));
	l->format = arena_strdup(a, arg_str(j, "format"));
	return l;
}

Drover__DiskLayer **
layers_of(struct arena *a, const json *list, size_t *ret_n)
{
	size_t n = list ? json_count(list) : 0;
	Drover__DiskLayer **v = arena_array(a, n + 1, sizeof(Drover__DiskLayer *));

	for (size_t i = 0; i < n; i++)
		v[i] = layer_of(a, json_at(list, i));
	*ret_n = n;
	return v;
}

Drover__DiskSource *
disk_source(struct arena *a, const json *disk)
{
	Drover__DiskSource *s = arena_alloc(a, sizeof(*s));

	drover__disk_source__init(s);
	s->datastore = obj_id_number(arg_id(disk, "datastore"));
	s->path = arena_strdup(a, arg_str(disk, "path"));
	s->format = arena_strdup(a, arg_str(disk, "format"));
	s->backing = layers_of(a, json_get(disk, "backing"), &s->n_backing);
	return s;
}

/* The machine of the arguments, or NULL with the error filled. */
static const struct vm *
source_vm(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, run_arg_id(r, "source"));

	if (!vm)
		err_set(task_err(r), ERR_NOT_FOUND, "the machine of \"%s\" is gone",
		    r->entity_name);
	return vm;
}

/* One disk, that nobody writes to, and a host that reaches both ends. */
static int
check_source(struct op_call *c, const struct vm *vm, obj_id datastore, struct err *e)
{
	int rc = vm_need_ready(vm, e);

	if (!rc)
		rc = vm_need_power(vm, POWER_BIT(POWER_OFF), e);
	if (!rc)
		rc = hosts_need_up(c->hosts, vm->host, e);
	if (rc)
		return rc;
	size_t n = vm->disks ? json_count(vm->disks) : 0;
	if (n != 1)
		return err_set(e, ERR_UNSUPPORTED,
		    "machine \"%s\" has %zu disks, a template or an appliance has one",
		    vm->o.name, n);
	if (!reaches(c->inv, vm->host, datastore)) {
		return err_set(e, ERR_BAD_STATE,
		    "datastore: host \"%s\", where machine \"%s\" is, does not reach "
		    "\"%s\"",
		    inv_name(c->inv, vm->host), vm->o.name,
		    inv_name(c->inv, datastore));
	}
	return 0;
}

/* ---- machine to template ---- */

static void
to_template_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	const struct vm *vm = inv_vm(inv, arg_id(args, "source"));

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "source"), LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
	if (vm)
		lock_set_add(out, vm->template_, LOCK_SHARED);
}

static enum flow_rc
take_start(struct task_run *r)
{
	const struct vm *vm = source_vm(r);
	AUTO(arena) struct arena *a = arena_new();
	Drover__TemplateFromDisk make = DROVER__TEMPLATE_FROM_DISK__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm)
		return FLOW_FAIL;
	make.template_ = obj_id_number(r->entity);
	make.datastore = obj_id_number(run_arg_id(r, "datastore"));
	make.source = disk_source(a, json_at(vm->disks, 0));
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_FROM_DISK;
	o.template_from_disk = &make;
	return run_order(r, vm->host, &o, IMAGE_MS);
}

static enum flow_rc
take_undo(struct task_run *r)
{
	const struct vm *vm = inv_vm(r->inv, run_arg_id(r, "source"));
	struct tpl_delete_order d;

	if (!vm)
		return FLOW_NEXT;
	tpl_delete_fill(&d, r->entity, run_arg_id(r, "datastore"));
	return run_undo_order(r, vm->host, &d.o, REMOVE_MS);
}

static bool
remove_needed(struct task_run *r)
{
	return !arg_bool(r->args, "keep", false);
}

static enum flow_rc
remove_start(struct task_run *r)
{
	const struct vm *vm = source_vm(r);

	return vm ? run_spec_order(r, VERB_DELETE, vm, VM_ORDER_MS) : FLOW_NEXT;
}

/* The template is whole by now; a machine that cannot be removed just stays. */
static enum flow_rc
remove_finish(struct task_run *r, int rc)
{
	return rc == ERR_LOST ? FLOW_AGAIN : FLOW_NEXT;
}

static void
write_template(struct task_run *r, struct txn *t)
{
	struct template *tpl = txn_edit(t, r->entity);
	const struct vm *vm = inv_vm(r->inv, run_arg_id(r, "source"));

	if (!tpl || !vm || tpl->lifecycle == LIFE_READY)
		return;
	tpl->lifecycle = LIFE_READY;
	tpl_take_facts(tpl, run_reply(r, vm->host, step_named(r, "copy")));
	txn_event(t, EV_TEMPLATE_ADDED, r->entity, r->id, r->who.name,
	    "Made template %s of %s %s", tpl->o.name, guest_type_text(vm->guest_type),
	    vm->o.name);
}

/* From here on the template is what counts: the machine may go. */
static void
to_template_on_step(struct task_run *r, unsigned step, struct txn *t)
{
	if (step_is(r, step, "remove"))
		write_template(r, t);
}

static void
forget_vm(struct task_run *r, struct txn *t, const struct vm *vm)
{
	txn_event(t, EV_VM_REMOVED, vm->o.id, r->id, r->who.name,
	    "Removed %s, which became template %s", vm->o.name, r->entity_name);
	rules_forget(r->inv, t, vm->o.id);
	ha_settings_forget(r->inv, t, vm->o.id);
	txn_del(t, vm->o.id);
}

static void
to_template_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct vm *vm = inv_vm(r->inv, run_arg_id(r, "source"));
	bool removed = vm && remove_needed(r) && !rc &&
		       run_reply(r, vm->host, step_named(r, "remove"));
	char id[OBJ_ID_TEXT];

	if (rc) {
		txn_del(t, r->entity);
		return;
	}
	write_template(r, t);
	if (removed)
		forget_vm(r, t, vm);
	r->result = json_new_object();
	json_set_str(r->result, "template", obj_id_text(r->entity, id));
	json_set_bool(r->result, "machine_removed", removed);
}

static const struct task_step to_template_steps[] = {
	{ .name = "copy",
	    .start = take_start,
	    .finish = run_order_finish,
	    .undo = take_undo },
	{ .name = "remove",
	    .start = remove_start,
	    .finish = remove_finish,
	    .cancel = FLOW_CANCEL_LATE,
	    .needed = remove_needed },
	{ .name = NULL },
};

static const struct task_kind to_template_kind = {
	.op = "vm.to_template",
	.title = "Make template of virtual machine",
	.steps = to_template_steps,
	.locks = to_template_locks,
	.on_step = to_template_on_step,
	.on_end = to_template_on_end,
	.on_gone = run_forget,
};

static int
check_no_snapshots(const struct op_call *c, const struct vm *vm, struct err *e)
{
	if (!vm->o.n_kids || arg_bool(c->args, "keep", false))
		return 0;
	return err_set(e, ERR_BAD_STATE,
	    "machine \"%s\" has snapshots, such as \"%s\"; delete them or keep the "
	    "machine",
	    vm->o.name, inv_name(c->inv, vm->o.kids[0]));
}

/* What its containers begin with: all but what is one container's own. */
static json *
container_preset(const struct vm *vm)
{
	json *preset = vm->container ? json_dup(vm->container) : NULL;

	if (preset) {
		json_del(preset, "host_name");
		json_del(preset, "dns");
	}
	return preset;
}

static int
vm_to_template(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	obj_id datastore = arg_id(c->args, "datastore");
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (obj_id_none(datastore) && vm->datastores.n)
		datastore = vm->datastores.v[0];
	arg_set_id(c->args, "datastore", datastore);
	arg_set_id(c->args, "source", c->entity);
	if (!rc)
		rc = check_source(c, vm, datastore, e);
	if (!rc)
		rc = check_no_snapshots(c, vm, e);
	if (!rc)
		rc = txn_add(
		    t, KIND_TEMPLATE, vm->o.parent, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct template *tpl = obj;
	tpl->lifecycle = LIFE_CREATING;
	tpl->datastore = datastore;
	tpl->guest_type = vm->guest_type;
	tpl->container = container_preset(vm);
	tpl->format = xstrdup(
	    vm->guest_type == GUEST_CONTAINER ? FORMAT_CONTAINER : FORMAT_MACHINE);
	tpl->num_cpu = vm->num_cpu;
	tpl->memory_mb = vm->memory_mb;
	text_set(&tpl->version, arg_str(c->args, "version"));
	text_set(&tpl->notes,
	    arg_has(c->args, "notes") ? arg_str(c->args, "notes") : vm->notes);
	c->object = tpl->o.id;
	return 0;
}

/* ---- machine to appliance ---- */

static void
export_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	vm_locks(inv, entity, args, out);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
}

static enum flow_rc
export_start(struct task_run *r)
{
	const struct vm *vm = run_vm(r);
	AUTO(arena) struct arena *a = arena_new();
	Drover__ApplianceExport export = DROVER__APPLIANCE_EXPORT__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	if (!vm)
		return FLOW_FAIL;
	export.datastore = obj_id_number(run_arg_id(r, "datastore"));
	export.path = arena_strdup(a, arg_str(r->args, "path"));
	export.source = disk_source(a, json_at(vm->disks, 0));
	export.name = arena_strdup(a, vm->o.name);
	export.num_cpu = vm->num_cpu;
	export.memory_mb = vm->memory_mb;
	export.description = arena_strdup(a, vm->notes ? vm->notes : "");
	export.num_nics = vm->nics ? (uint32_t)json_count(vm->nics) : 0;
	o.verb_case = DROVER__ORDER__VERB_APPLIANCE_EXPORT;
	o.appliance_export = &export;
	return run_order(r, vm->host, &o, IMAGE_MS);
}

static void
export_on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	const Drover__Reply *reply =
	    vm ? run_reply(r, vm->host, step_named(r, "export")) : NULL;
	char id[OBJ_ID_TEXT];

	if (rc)
		return;
	r->result = json_new_object();
	json_set_str(
	    r->result, "datastore", obj_id_text(run_arg_id(r, "datastore"), id));
	json_set_str(r->result, "path", arg_str(r->args, "path"));
	if (reply && reply->result_case == DROVER__REPLY__RESULT_FILE)
		json_set_u64(r->result, "size_bytes", reply->file->size_bytes);
}

/* The file's name appears last: what fails leaves nothing to undo. */
static const struct task_step export_steps[] = {
	{ .name = "export", .start = export_start, .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind export_kind = {
	.op = "vm.export",
	.title = "Export virtual machine",
	.steps = export_steps,
	.locks = export_locks,
	.on_end = export_on_end,
	.on_gone = run_forget,
};

/* Two that wrote one file would publish each other's halves. */
static int
check_no_other_writes(const struct op_call *c, struct err *e)
{
	const char *path = arg_str(c->args, "path");
	obj_id store = arg_id(c->args, "datastore");
	char id[OBJ_ID_TEXT];

	INV_EACH(c->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(c->inv, o->id);

		if ((row->state == TASK_QUEUED || row->state == TASK_RUNNING) &&
		    str_same(row->op, "vm.export") &&
		    str_same(arg_str(row->args, "path"), path) &&
		    obj_id_is(arg_id(row->args, "datastore"), store))
			return err_set(e, ERR_BUSY,
			    "path: \"%.80s\" is being written by %s", path,
			    obj_id_text(o->id, id));
	}
	return 0;
}

static int
vm_export(struct op_call *c, struct txn *t, struct err *e)
{
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (vm->guest_type == GUEST_CONTAINER) {
		return err_set(e, ERR_UNSUPPORTED,
		    "\"%s\" is a container, and an appliance is a machine: make a "
		    "template of it instead",
		    vm->o.name);
	}
	if (!rc)
		rc = check_source(c, vm, arg_id(c->args, "datastore"), e);
	return rc ? rc : check_no_other_writes(c, e);
}

/* clang-format off */
static const struct op_arg to_template_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "of the template, unique in the machine's folder" },
	{ .name = "datastore", .type = ARG_ID, .kinds = KIND_BIT(DATASTORE), .help = "without: the machine's" },
	{ .name = "version", .type = ARG_TEXT, .max = 80, .help = "of the image, for people" },
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "without: the machine's" },
	{ .name = "keep", .type = ARG_BOOL, .help = "the machine stays" },
	{ 0 } };
static const struct op_arg export_args[] = {
	{ .name = "datastore", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATASTORE), .help = "where the file is written" },
	{ .name = "path", .type = ARG_TEXT, .required = true, .min = 1, .max = 1024, .help = "of the file, below the datastore" },
	{ 0 } };

const struct op_def convert_defs[] = {
	{ .info = { "vm.to_template", "Make template of virtual machine", KIND_VM, ROLE_OPERATOR, true, to_template_args },
	  .apply = vm_to_template, .task = &to_template_kind },
	{ .info = { "vm.export", "Export virtual machine", KIND_VM, ROLE_OPERATOR, true, export_args },
	  .apply = vm_export, .task = &export_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

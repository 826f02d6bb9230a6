/*
 * Templates: an image on a datastore is checked by a host and moved to where templates
 * lie.
 */
#include "server/ops/ops_int.h"

#define IMPORT_MS (30u * 60 * 1000) /* a copy of a large image */
#define DELETE_MS 60000u

enum { STEP_IMPORT };

static void
import_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
}

static void
delete_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	const struct template *tpl = inv_template(inv, entity);

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	if (tpl)
		lock_set_add(out, tpl->datastore, LOCK_SHARED);
}

static enum flow_rc
import_start(struct task_run *r)
{
	obj_id datastore = run_arg_id(r, "datastore");
	Drover__TemplateImport import = DROVER__TEMPLATE_IMPORT__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(arg_str(r->args, "path"));
	AUTO_FREE char *format = xstrdup(arg_str(r->args, "format"));

	import.template_ = obj_id_number(r->entity);
	import.datastore = obj_id_number(datastore);
	import.path = path;
	import.format = format;
	import.keep_source = arg_bool(r->args, "keep_source", false);
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_IMPORT;
	o.template_import = &import;
	return run_order(r, run_arg_id(r, "by_host"), &o, IMPORT_MS);
}

static enum flow_rc
send_delete(struct task_run *r, obj_id host, obj_id datastore)
{
	Drover__TemplateDelete del = DROVER__TEMPLATE_DELETE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	del.template_ = obj_id_number(r->entity);
	del.datastore = obj_id_number(datastore);
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_DELETE;
	o.template_delete = &del;
	if (strcmp(r->kind->op, "template.delete") == 0)
		return run_order(r, host, &o, DELETE_MS);
	return run_undo_order(r, host, &o, DELETE_MS);
}

static enum flow_rc
import_undo(struct task_run *r)
{
	return send_delete(r, run_arg_id(r, "by_host"), run_arg_id(r, "datastore"));
}

static void
import_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const Drover__Reply *reply =
	    run_reply(r, run_arg_id(r, "by_host"), STEP_IMPORT);
	struct template *tpl = txn_edit(t, r->entity);

	if (!tpl)
		return;
	if (rc) {
		txn_del(t, r->entity);
		return;
	}
	tpl->lifecycle = LIFE_READY;
	if (reply && reply->result_case == DROVER__REPLY__RESULT_TEMPLATE) {
		const Drover__TemplateFacts *f = reply->template_;
		text_set(&tpl->path, f->path);
		text_set(&tpl->format, f->format);
		text_set(&tpl->sha256, f->sha256);
		tpl->virtual_bytes = f->virtual_bytes;
		tpl->file_bytes = f->file_bytes;
	}
	txn_event(t, EV_TEMPLATE_ADDED, r->entity, r->id, r->who.name,
	    "Added template %s on datastore %s", tpl->o.name,
	    inv_name(r->inv, tpl->datastore));
}

static const struct task_step import_steps[] = {
	[STEP_IMPORT] = { .name = "import",
	    .start = import_start,
	    .finish = run_order_finish,
	    .undo = import_undo },
	{ .name = NULL },
};

static const struct task_kind import_kind = {
	.op = "template.import",
	.title = "Import template",
	.steps = import_steps,
	.locks = import_locks,
	.on_end = import_end,
	.on_gone = run_forget,
};

/* The host that does the work; the same one as long as the task lives. */
static int
choose_host(struct op_call *c, obj_id datastore, struct err *e)
{
	obj_id host = hosts_reaching(c->hosts, datastore);

	if (obj_id_none(host))
		return err_set(e, ERR_BAD_STATE,
		    "no connected host reaches datastore \"%s\"",
		    inv_name(c->inv, datastore));
	arg_set_id(c->args, "by_host", host);
	return 0;
}

static int
template_import(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id datastore = arg_id(c->args, "datastore");
	obj_id parent = arg_id(c->args, "parent");
	obj_id dc = inv_ancestor(c->inv, datastore, KIND_DATACENTER);
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (!rc)
		rc = arg_exists(c->inv, c->args, "parent", e);
	if (!rc && obj_id_none(parent))
		parent = dc;
	if (!rc && !obj_id_is(inv_ancestor(c->inv, parent, KIND_DATACENTER), dc))
		return err_set(e, ERR_INVALID,
		    "parent: \"%s\" is in another datacenter than the datastore",
		    inv_name(c->inv, parent));
	if (!rc)
		rc = choose_host(c, datastore, e);
	if (!rc)
		rc = txn_add(
		    t, KIND_TEMPLATE, parent, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct template *tpl = obj;
	tpl->lifecycle = LIFE_CREATING;
	tpl->datastore = datastore;
	tpl->format = xstrdup(arg_str(c->args, "format"));
	tpl->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", 0);
	tpl->memory_mb = arg_u64(c->args, "memory_mb", 0);
	text_set(&tpl->notes, arg_str(c->args, "notes"));
	c->object = tpl->o.id;
	return 0;
}

static enum flow_rc
delete_start(struct task_run *r)
{
	const struct template *tpl = inv_template(r->inv, r->entity);

	if (!tpl)
		return FLOW_NEXT;
	return send_delete(r, run_arg_id(r, "by_host"), tpl->datastore);
}

static void
delete_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct template *tpl = txn_edit(t, r->entity);

	if (!tpl)
		return;
	if (rc) {
		tpl->lifecycle = LIFE_READY;
		return;
	}
	txn_event(t, EV_TEMPLATE_REMOVED, r->entity, r->id, r->who.name,
	    "Removed template %s", r->entity_name);
	txn_del(t, r->entity);
}

static const struct task_step delete_steps[] = {
	{ .name = "delete", .start = delete_start, .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind delete_kind = {
	.op = "template.delete",
	.title = "Delete template",
	.steps = delete_steps,
	.locks = delete_locks,
	.on_end = delete_end,
	.on_gone = run_forget,
};

static int
template_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct template *tpl = inv_template(c->inv, c->entity);

	INV_EACH(c->inv, KIND_VM, o)
	{
		if (obj_id_is(inv_vm(c->inv, o->id)->template_, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "template \"%s\" carries the disk of machine \"%s\"",
			    tpl->o.name, o->name);
	}
	int rc = choose_host(c, tpl->datastore, e);
	if (rc)
		return rc;
	struct template *edit = txn_edit(t, c->entity);
	edit->lifecycle = LIFE_DELETING;
	return 0;
}

static int
template_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct template *tpl = txn_edit(t, c->entity);

	tpl->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", tpl->num_cpu);
	tpl->memory_mb = arg_u64(c->args, "memory_mb", tpl->memory_mb);
	if (arg_has(c->args, "notes"))
		text_set(&tpl->notes, arg_str(c->args, "notes"));
	return apply_rename(c, t, e);
}

/* clang-format off */
#define SIZES \
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs where a machine names none" }, \
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory where a machine names none" }, \
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" }
#define PARENT(what) { .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER), .help = what }

static const struct op_arg import_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its folder" },
	{ .name = "datastore", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATASTORE),
	  .help = "datastore where the image lies" },
	{ .name = "path", .type = ARG_TEXT, .required = true, .min = 1, .max = 1024, .help = "of the image, below the datastore" },
	{ .name = "format", .type = ARG_WORD, .required = true, .words = "qcow2|raw", .help = "format of the image" },
	PARENT("folder or datacenter to put it into"),
	SIZES,
	{ .name = "keep_source", .type = ARG_BOOL, .help = "copy the image instead of moving it" },
	{ 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	PARENT("folder or datacenter to move it into"),
	SIZES, { 0 } };

const struct op_def op_template_defs[] = {
	{ .info = { "template.import", "Import template", KIND_NONE, ROLE_OPERATOR, true, import_args },
	  .apply = template_import, .task = &import_kind },
	{ .info = { "template.update", "Change template", KIND_TEMPLATE, ROLE_OPERATOR, false, update_args },
	  .apply = template_update },
	{ .info = { "template.delete", "Delete template", KIND_TEMPLATE, ROLE_OPERATOR, true, NULL },
	  .apply = template_delete, .task = &delete_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

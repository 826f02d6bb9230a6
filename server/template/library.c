/*
 * The library of templates: an image on a datastore is checked by a host and moved to
 * where templates lie; it goes with all its copies.
 */
#include "base/log.h"
#include "server/template/template_int.h"

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

static bool
is_container_format(const char *format)
{
	return str_same(format, "tar") || str_same(format, "oci") ||
	       str_same(format, "docker");
}

static enum flow_rc
import_start(struct task_run *r)
{
	obj_id datastore = run_arg_id(r, "datastore");
	Drover__TemplateImport import = DROVER__TEMPLATE_IMPORT__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	AUTO_FREE char *path = xstrdup(arg_str(r->args, "path"));
	AUTO_FREE char *format = xstrdup(arg_str(r->args, "format"));
	AUTO_FREE char *reference = xstrdup(
	    arg_has(r->args, "reference") ? arg_str(r->args, "reference") : "");

	import.template_ = obj_id_number(r->entity);
	import.datastore = obj_id_number(datastore);
	import.path = path;
	import.format = format;
	import.keep_source = arg_bool(r->args, "keep_source", false);
	import.container = is_container_format(format);
	import.reference = reference;
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_IMPORT;
	o.template_import = &import;
	return run_order(r, run_arg_id(r, "by_host"), &o, IMAGE_MS);
}

void
tpl_delete_fill(struct tpl_delete_order *d, obj_id tpl, obj_id datastore)
{
	drover__order__init(&d->o);
	drover__template_delete__init(&d->del);
	d->del.template_ = obj_id_number(tpl);
	d->del.datastore = obj_id_number(datastore);
	d->o.verb_case = DROVER__ORDER__VERB_TEMPLATE_DELETE;
	d->o.template_delete = &d->del;
}

static enum flow_rc
import_undo(struct task_run *r)
{
	struct tpl_delete_order d;

	tpl_delete_fill(&d, r->entity, run_arg_id(r, "datastore"));
	return run_undo_order(r, run_arg_id(r, "by_host"), &d.o, REMOVE_MS);
}

/* What the image's own description asks for, where nobody asked for something else. */
static void
take_description(struct template *tpl, const Drover__TemplateFacts *f)
{
	if (!tpl->num_cpu && f->num_cpu <= VM_MAX_CPU)
		tpl->num_cpu = f->num_cpu;
	if (!tpl->memory_mb && f->memory_mb >= VM_MIN_MB && f->memory_mb <= VM_MAX_MB)
		tpl->memory_mb = f->memory_mb;
	if (!tpl->notes && strlen(f->description) <= NOTES_MAX)
		text_set(&tpl->notes, f->description);
	if (!tpl->notes && strlen(f->name) <= NOTES_MAX)
		text_set(&tpl->notes, f->name);
}

void
tpl_take_facts(struct template *tpl, const Drover__Reply *reply)
{
	if (!reply || reply->result_case != DROVER__REPLY__RESULT_TEMPLATE)
		return;
	const Drover__TemplateFacts *f = reply->template_;
	text_set(&tpl->path, f->path);
	text_set(&tpl->format, f->format);
	text_set(&tpl->sha256, f->sha256);
	tpl->virtual_bytes = f->virtual_bytes;
	tpl->file_bytes = f->file_bytes;
	if (f->n_layers) {
		json_free(tpl->layers);
		tpl->layers = layers_json(f->layers, f->n_layers);
	}
	take_description(tpl, f);
}

/* The image says how it wants to be run, as far as nobody asked for something else. */
static void
take_container(struct task_run *r, struct template *tpl, const Drover__Reply *reply)
{
	bool is_said = reply && reply->result_case == DROVER__REPLY__RESULT_TEMPLATE &&
		       reply->template_->container;
	struct err e = ERR_INIT;

	if (tpl->guest_type != GUEST_CONTAINER || !is_said)
		return;
	json_free(tpl->container);
	tpl->container = container_json(reply->template_->container);
	/* Checked when it was asked for. */
	if (container_conf_lay(tpl->container, r->args, &e))
		log_warn("template", "template \"%s\": %s", tpl->o.name, e.msg);
}

static void
import_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct template *tpl = txn_edit(t, r->entity);

	if (!tpl)
		return;
	if (rc) {
		txn_del(t, r->entity);
		return;
	}
	tpl->lifecycle = LIFE_READY;
	const Drover__Reply *reply =
	    run_reply(r, run_arg_id(r, "by_host"), STEP_IMPORT);
	tpl_take_facts(tpl, reply);
	take_container(r, tpl, reply);
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

static int
check_parent(
    const struct op_call *c, obj_id datastore, obj_id *ret_parent, struct err *e)
{
	obj_id parent = arg_id(c->args, "parent");
	obj_id dc = inv_ancestor(c->inv, datastore, KIND_DATACENTER);

	if (obj_id_none(parent))
		parent = dc;
	if (!obj_id_is(inv_ancestor(c->inv, parent, KIND_DATACENTER), dc))
		return err_set(e, ERR_INVALID,
		    "parent: \"%s\" is in another datacenter than the datastore",
		    inv_name(c->inv, parent));
	*ret_parent = parent;
	return 0;
}

/* The format says of which kind its guests are; *ret_conf: of containers. */
static int
check_kind(const json *args, json **ret_conf, struct err *e)
{
	bool is_container = is_container_format(arg_str(args, "format"));
	const char *asked = arg_str(args, "guest_type");
	const char *kind = guest_type_text(is_container ? GUEST_CONTAINER : GUEST_MACHINE);
	const char *only = arg_has(args, "reference") ? "reference"
						      : container_arg_given(args);

	if (asked && !str_same(asked, kind))
		return err_set(e, ERR_INVALID, "guest_type: format %s is of %ss",
		    arg_str(args, "format"), kind);
	if (!is_container && only)
		return err_set(e, ERR_INVALID,
		    "%s: is of containers, and format %s is of machines", only,
		    arg_str(args, "format"));
	if (!is_container)
		return 0;
	AUTO(json) json *conf = json_new_object();
	int rc = container_conf_lay(conf, args, e);
	if (!rc)
		*ret_conf = MOVE(conf);
	return rc;
}

static int
template_import(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id datastore = arg_id(c->args, "datastore");
	obj_id parent = OBJ_ID_NONE, host = OBJ_ID_NONE;
	AUTO(json) json *container = NULL;
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (!rc)
		rc = check_kind(c->args, &container, e);

	if (!rc)
		rc = arg_exists(c->inv, c->args, "parent", e);
	if (!rc)
		rc = check_parent(c, datastore, &parent, e);
	if (!rc)
		rc = need_reachable(c, datastore, &host, e);
	if (!rc)
		rc = txn_add(
		    t, KIND_TEMPLATE, parent, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	/* The host that does the work; the same one as long as the task lives. */
	arg_set_id(c->args, "by_host", host);
	struct template *tpl = obj;
	tpl->lifecycle = LIFE_CREATING;
	tpl->datastore = datastore;
	tpl->guest_type = container ? GUEST_CONTAINER : GUEST_MACHINE;
	tpl->format = xstrdup(
	    container ? FORMAT_CONTAINER : arg_str(c->args, "format"));
	tpl->container = MOVE(container);
	tpl->num_cpu = (uint32_t)arg_u64(c->args, "num_cpu", 0);
	tpl->memory_mb = arg_u64(c->args, "memory_mb", 0);
	text_set(&tpl->notes, arg_str(c->args, "notes"));
	text_set(&tpl->version, arg_str(c->args, "version"));
	c->object = tpl->o.id;
	return 0;
}

int
removals_plan(struct op_call *c, const struct template *tpl, struct err *e)
{
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);
	AUTO(json) json *list = json_new_array();
	char text[OBJ_ID_TEXT];

	/* Its own image last: a template that loses only copies is still one. */
	for (size_t i = n; i-- > 0;) {
		obj_id host;
		int rc = need_reachable(c, all[i].datastore, &host, e);
		if (rc)
			return rc;
		json *one = json_new_object();
		json_set_str(one, "host", obj_id_text(host, text));
		json_set_str(one, "datastore", obj_id_text(all[i].datastore, text));
		json_add_json(list, one);
	}
	json_set_json(c->args, "removals", MOVE(list));
	return 0;
}

/* The first that has not been answered; n when all have. */
static size_t
next_removal(const struct task_run *r, size_t n)
{
	const json *list = json_get(r->args, "removals");
	size_t i = 0;

	while (
	    i < n && run_part_reply(r, arg_id(json_at(list, i), "host"), (unsigned)i))
		i++;
	return i;
}

static size_t
count_removals(const struct task_run *r)
{
	const json *list = json_get(r->args, "removals");

	return list ? json_count(list) : 0;
}

bool
removals_done(const struct task_run *r)
{
	size_t n = count_removals(r);

	return next_removal(r, n) == n;
}

enum flow_rc
removals_start(struct task_run *r)
{
	size_t n = count_removals(r), i = next_removal(r, n);
	struct tpl_delete_order d;

	if (i == n)
		return FLOW_NEXT;
	const json *one = json_at(json_get(r->args, "removals"), i);
	obj_id tpl = obj_id_kind(r->entity) == KIND_TEMPLATE
			 ? r->entity
			 : run_arg_id(r, "template");
	tpl_delete_fill(&d, tpl, arg_id(one, "datastore"));
	return run_part(r, arg_id(one, "host"), (unsigned)i, &d.o, REMOVE_MS);
}

enum flow_rc
removals_finish(struct task_run *r, int rc)
{
	return rc && rc != ERR_LOST ? FLOW_FAIL : FLOW_AGAIN;
}

void
tpl_forget(struct task_run *r, struct txn *t, obj_id tpl)
{
	/* Full copies were made of it, and need it no more. */
	INV_EACH(r->inv, KIND_VM, o)
	{
		if (!obj_id_is(inv_vm(r->inv, o->id)->template_, tpl))
			continue;
		struct vm *vm = txn_edit(t, o->id);
		vm->template_ = OBJ_ID_NONE;
	}
	txn_event(t, EV_TEMPLATE_REMOVED, tpl, r->id, r->who.name,
	    "Removed template %s", inv_name(r->inv, tpl));
	txn_del(t, tpl);
}

/* Those that are gone are copies no more. */
static void
keep_rest(const struct task_run *r, struct template *tpl)
{
	const json *list = json_get(r->args, "removals");

	for (size_t i = 0; i < next_removal(r, count_removals(r)); i++)
		tpl_drop_copy(tpl, arg_id(json_at(list, i), "datastore"));
}

static void
delete_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct template *tpl = txn_edit(t, r->entity);

	if (!tpl)
		return;
	if (!rc) {
		tpl_forget(r, t, r->entity);
		return;
	}
	tpl->lifecycle = LIFE_READY;
	keep_rest(r, tpl);
}

static const struct task_step delete_steps[] = {
	{ .name = "delete", .start = removals_start, .finish = removals_finish },
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
	const struct obj *user = tpl_user(c->inv, tpl);

	if (user)
		return err_set(e, ERR_BAD_STATE,
		    "template \"%s\" carries the disk of %s \"%s\"", tpl->o.name,
		    tpl_user_kind(user), user->name);
	int rc = removals_plan(c, tpl, e);
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
	if (arg_has(c->args, "version"))
		text_set(&tpl->version, arg_str(c->args, "version"));
	return apply_rename(c, t, e);
}

/* clang-format off */
#define SIZES \
	{ .name = "num_cpu", .type = ARG_U32, .min = 1, .max = VM_MAX_CPU, .help = "virtual CPUs where a machine names none" }, \
	{ .name = "memory_mb", .type = ARG_U64, .min = VM_MIN_MB, .max = VM_MAX_MB, .help = "memory where a machine names none" }, \
	{ .name = "version", .type = ARG_TEXT, .max = 80, .help = "of the image, for people" }, \
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" }
#define PARENT(what) { .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(DATACENTER) | KIND_BIT(FOLDER), .help = what }

static const struct op_arg import_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its folder" },
	{ .name = "datastore", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATASTORE),
	  .help = "datastore where the image lies" },
	{ .name = "path", .type = ARG_TEXT, .required = true, .min = 1, .max = 1024, .help = "of the image, below the datastore" },
	{ .name = "format", .type = ARG_WORD, .required = true, .words = "qcow2|raw|vmdk|vhdx|vhd|ova|tar|oci|docker",
	  .help = "format of the image; of a machine all but qcow2 and raw are converted; tar, oci and docker hold the root of containers" },
	{ .name = "guest_type", .type = ARG_WORD, .words = "machine|container", .help = "what is made of it; refused if the format is of the other" },
	{ .name = "reference", .type = ARG_TEXT, .min = 1, .max = 300, .help = "of a container: which image, where the file holds several" },
	CONTAINER_ARGS,
	PARENT("folder or datacenter to put it into"),
	SIZES,
	{ .name = "keep_source", .type = ARG_BOOL, .help = "copy the image instead of moving it" },
	{ 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	PARENT("folder or datacenter to move it into"),
	SIZES, { 0 } };

const struct op_def library_defs[] = {
	{ .info = { "template.import", "Import template", KIND_NONE, ROLE_OPERATOR, true, import_args },
	  .apply = template_import, .task = &import_kind },
	{ .info = { "template.update", "Change template", KIND_TEMPLATE, ROLE_OPERATOR, false, update_args },
	  .apply = template_update },
	{ .info = { "template.delete", "Delete template", KIND_TEMPLATE, ROLE_OPERATOR, true, NULL },
	  .apply = template_delete, .task = &delete_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

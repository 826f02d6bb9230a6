/*
 * Copies of a template's image on other datastores, so that linked clones can lie
 * there; of one of containers with the layers that are its own.
 *
 * One task at a time makes copies of a template: where the copies lie is one field,
 * and one disk is read.  A host that reaches both datastores makes the copy; where none
 * does, one sends and another receives.
 */
#include "base/rng.h"
#include "server/template/template_int.h"

#define KEY_BYTES 32
#define MINUTE_MS 60000u

/* Of each file that is sent; the last is in a step of its own. */
enum { PART_RECEIVE, PART_SEND, PARTS };

struct pair {
	obj_id tpl, datastore;
};

static void
copy_locks(const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_SHARED);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
	lock_set_add(out, arg_id(args, "from"), LOCK_SHARED);
}

static const struct template *
run_template(struct task_run *r)
{
	const struct template *tpl = inv_template(r->inv, r->entity);

	if (!tpl)
		err_set(task_err(r), ERR_NOT_FOUND, "template \"%s\" is gone",
		    r->entity_name);
	return tpl;
}

static struct slot_set
one_at_a_time(const struct task_run *r)
{
	struct slot_set s = { .n = 0 };
	const struct slot_want w = { r->entity, "copies", 1, 1 };

	slot_set_add(&s, &w);
	return s;
}

static enum flow_rc
turn_start(struct task_run *r)
{
	struct slot_set s = one_at_a_time(r);

	return task_slots_take(r, &s);
}

static void
copy_on_recover(struct task_run *r)
{
	const struct task *row = inv_task(r->inv, r->id);
	struct slot_set s = one_at_a_time(r);

	if (row->step && !str_same(row->step, "queue"))
		task_slots_recover(r, &s);
}

/* One host does it alone. */
static bool
alone_needed(struct task_run *r)
{
	return arg_has(r->args, "by_host");
}

static bool
pair_needed(struct task_run *r)
{
	return !alone_needed(r);
}

static int
find_source(struct task_run *r, struct tpl_place *ret, struct err *e)
{
	const struct template *tpl = run_template(r);

	if (!tpl)
		return ERR_NOT_FOUND;
	if (tpl_place_on(tpl, run_arg_id(r, "from"), ret))
		return 0;
	return err_set(e, ERR_NOT_FOUND, "template \"%s\" lies no longer on \"%s\"",
	    tpl->o.name, inv_name(r->inv, run_arg_id(r, "from")));
}

static enum flow_rc
alone_start(struct task_run *r)
{
	Drover__TemplateFromDisk make = DROVER__TEMPLATE_FROM_DISK__INIT;
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	struct tpl_place from;

	if (find_source(r, &from, task_err(r)))
		return FLOW_FAIL;
	AUTO(arena) struct arena *a = arena_new();
	source.datastore = obj_id_number(from.datastore);
	source.path = arena_strdup(a, from.path);
	source.format = arena_strdup(a, from.format);
	source.backing = layers_of(a, from.layers, &source.n_backing);
	make.template_ = obj_id_number(r->entity);
	make.datastore = obj_id_number(run_arg_id(r, "datastore"));
	make.source = &source;
	o.verb_case = DROVER__ORDER__VERB_TEMPLATE_FROM_DISK;
	o.template_from_disk = &make;
	return run_order(r, run_arg_id(r, "by_host"), &o, IMAGE_MS);
}

static enum flow_rc
undo_on(struct task_run *r, const char *host)
{
	struct tpl_delete_order d;

	if (!arg_has(r->args, host))
		return FLOW_NEXT;
	tpl_delete_fill(&d, r->entity, run_arg_id(r, "datastore"));
	return run_undo_order(r, run_arg_id(r, host), &d.o, REMOVE_MS);
}

static enum flow_rc
alone_undo(struct task_run *r)
{
	return undo_on(r, "by_host");
}

/* Each file has its own. */
static void
read_key(const struct task_run *r, unsigned file, uint8_t key[KEY_BYTES])
{
	struct err ignored = ERR_INIT;

	/* It is ours: written by make_key. */
	int rc = hex_decode(arg_str(r->args, "key"), key, KEY_BYTES, &ignored);
	(void)rc;
	key[KEY_BYTES - 1] ^= (uint8_t)file;
}

/* One of those that are sent; what others stand on comes first. */
struct file {
	unsigned number;
	const char *path, *format;
};

/* One that lies in another template's folder is there already. */
static bool
is_own_layer(const struct tpl_place *from, const char *path)
{
	size_t folder = (size_t)(strrchr(from->path, '/') + 1 - from->path);

	return strncmp(from->path, path, folder) == 0;
}

/* The number-th; false behind the last. */
static bool
file_at(const struct tpl_place *from, unsigned number, struct file *ret)
{
	size_t i = from->layers ? json_count(from->layers) : 0;
	unsigned left = number;

	while (i-- > 0) {
		const json *l = json_at(from->layers, i);
		if (!is_own_layer(from, arg_str(l, "path")) || left-- > 0)
			continue;
		*ret =
		    (struct file){ number, arg_str(l, "path"), arg_str(l, "format") };
		return true;
	}
	*ret = (struct file){ number, from->path, from->format };
	return left == 0;
}

static enum flow_rc
ask_receiver(struct task_run *r, const struct file *f)
{
	Drover__ImageReceive receive = DROVER__IMAGE_RECEIVE__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	const struct host *sender = inv_host(r->inv, run_arg_id(r, "sender"));
	const struct template *tpl = inv_template(r->inv, r->entity);
	AUTO_FREE char *path = xstrdup(f->path);
	AUTO_FREE char *format = xstrdup(f->format);
	AUTO_FREE char *uuid = xstrdup(sender && sender->uuid ? sender->uuid : "");
	uint8_t key[KEY_BYTES];

	read_key(r, f->number, key);
	receive.datastore = obj_id_number(run_arg_id(r, "datastore"));
	receive.path = path;
	receive.format = format;
	receive.key = (ProtobufCBinaryData){ sizeof(key), key };
	receive.source_uuid = uuid;
	receive.size_bytes = tpl->file_bytes;
	o.verb_case = DROVER__ORDER__VERB_IMAGE_RECEIVE;
	o.image_receive = &receive;
	return run_part(r, run_arg_id(r, "receiver"), PARTS * f->number + PART_RECEIVE,
	    &o, MINUTE_MS);
}

static enum flow_rc
ask_sender(struct task_run *r, const struct file *f, const Drover__ArriveReady *ready)
{
	Drover__ImageSend send = DROVER__IMAGE_SEND__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	const struct host *to = inv_host(r->inv, run_arg_id(r, "receiver"));
	AUTO_FREE char *path = xstrdup(f->path);
	AUTO_FREE char *uuid = xstrdup(to && to->uuid ? to->uuid : "");
	uint8_t key[KEY_BYTES];

	read_key(r, f->number, key);
	send.datastore = obj_id_number(run_arg_id(r, "from"));
	send.path = path;
	send.key = (ProtobufCBinaryData){ sizeof(key), key };
	send.target_uuid = uuid;
	send.n_addresses = ready->n_addresses;
	send.addresses = ready->addresses;
	send.port = ready->port;
	o.verb_case = DROVER__ORDER__VERB_IMAGE_SEND;
	o.image_send = &send;
	return run_part(
	    r, run_arg_id(r, "sender"), PARTS * f->number + PART_SEND, &o, IMAGE_MS);
}

/* The first that the sender has not answered for; false: all have been sent. */
static bool
next_unsent(const struct task_run *r, const struct tpl_place *from, struct file *ret)
{
	unsigned n = 0;

	while (file_at(from, n, ret)) {
		if (!run_part_reply(r, run_arg_id(r, "sender"), PARTS * n + PART_SEND))
			return true;
		n++;
	}
	return false;
}

/*
 * Two orders in one step: after a restart of the server the receiver is asked once
 * more, and says again where it listens.
 */
static enum flow_rc
send_start(struct task_run *r)
{
	struct tpl_place from;
	struct file f;

	if (find_source(r, &from, task_err(r)))
		return FLOW_FAIL;
	if (!next_unsent(r, &from, &f))
		return FLOW_NEXT;
	const Drover__Reply *reply = run_part_reply(
	    r, run_arg_id(r, "receiver"), PARTS * f.number + PART_RECEIVE);
	if (!reply)
		return ask_receiver(r, &f);
	if (reply->result_case != DROVER__REPLY__RESULT_ARRIVE_READY) {
		err_set(task_err(r), ERR_INTERNAL,
		    "host %s does not say where it listens",
		    inv_name(r->inv, run_arg_id(r, "receiver")));
		return FLOW_FAIL;
	}
	return ask_sender(r, &f, reply->arrive_ready);
}

static enum flow_rc
send_finish(struct task_run *r, int rc)
{
	return rc && rc != ERR_LOST ? FLOW_FAIL : FLOW_AGAIN;
}

static enum flow_rc
send_undo(struct task_run *r)
{
	return undo_on(r, "receiver");
}

/* Only the receiver knows that all of it has come. */
static enum flow_rc
receive_start(struct task_run *r)
{
	Drover__ImageReceived received = DROVER__IMAGE_RECEIVED__INIT;
	Drover__Order o = DROVER__ORDER__INIT;
	obj_id receiver = run_arg_id(r, "receiver");
	uint8_t key[KEY_BYTES];
	struct tpl_place from;
	struct file f;
	unsigned n = 0;

	if (find_source(r, &from, task_err(r)))
		return FLOW_FAIL;
	while (file_at(&from, n, &f) && run_part_reply(r, receiver, n))
		n++;
	if (!file_at(&from, n, &f))
		return FLOW_NEXT;
	read_key(r, n, key);
	received.key = (ProtobufCBinaryData){ sizeof(key), key };
	o.verb_case = DROVER__ORDER__VERB_IMAGE_RECEIVED;
	o.image_received = &received;
	return run_part(r, receiver, n, &o, IMAGE_MS);
}

static void
add_copy(struct template *tpl, obj_id datastore, const char *path, const char *format,
    json *layers_take)
{
	json *list = tpl->copies ? json_dup(tpl->copies) : json_new_array();
	json *one = json_new_object();
	char text[OBJ_ID_TEXT];

	json_set_str(one, "datastore", obj_id_text(datastore, text));
	json_set_str(one, "path", path);
	json_set_str(one, "format", format);
	if (layers_take)
		json_set_json(one, "layers", layers_take);
	json_add_json(list, one);
	json_free(tpl->copies);
	tpl->copies = list;
}

/* As the host that made the copy says, else as they were sent. */
static json *
layers_after(const Drover__TemplateFacts *f, const struct tpl_place *from)
{
	if (f)
		return f->n_layers ? layers_json(f->layers, f->n_layers) : NULL;
	return from->layers ? json_dup(from->layers) : NULL;
}

static void
copy_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct template *tpl = rc ? NULL : txn_edit(t, r->entity);
	obj_id datastore = run_arg_id(r, "datastore");
	const Drover__Reply *reply = NULL;
	struct tpl_place from;
	struct err ignored = ERR_INIT;

	if (!tpl || find_source(r, &from, &ignored))
		return;
	if (alone_needed(r))
		reply = run_reply(r, run_arg_id(r, "by_host"), step_named(r, "copy"));
	const Drover__TemplateFacts *f =
	    reply && reply->result_case == DROVER__REPLY__RESULT_TEMPLATE
		? reply->template_
		: NULL;
	add_copy(tpl, datastore, f ? f->path : from.path, f ? f->format : from.format,
	    layers_after(f, &from));
	txn_event(t, EV_TEMPLATE_ADDED, r->entity, r->id, r->who.name,
	    "Copied template %s to datastore %s", tpl->o.name,
	    inv_name(r->inv, datastore));
}

static const struct task_step copy_steps[] = {
	{ .name = "queue", .start = turn_start },
	{ .name = "copy",
	    .start = alone_start,
	    .finish = run_order_finish,
	    .undo = alone_undo,
	    .needed = alone_needed },
	{ .name = "send",
	    .start = send_start,
	    .finish = send_finish,
	    .undo = send_undo,
	    .needed = pair_needed },
	{ .name = "receive",
	    .start = receive_start,
	    .finish = send_finish,
	    .needed = pair_needed },
	{ .name = NULL },
};

static const struct task_kind copy_kind = {
	.op = "template.copy",
	.title = "Copy template",
	.steps = copy_steps,
	.locks = copy_locks,
	.on_recover = copy_on_recover,
	.on_end = copy_end,
	.on_gone = run_forget,
};

static bool
is_copy_of(const struct task_run *r, const void *arg)
{
	const struct pair *p = arg;

	return str_same(r->kind->op, copy_kind.op) && obj_id_is(r->entity, p->tpl) &&
	       obj_id_is(run_arg_id(r, "datastore"), p->datastore);
}

/* Can somebody write there and somebody read one of the images? */
static bool
is_reached(const struct task_run *r, obj_id tpl, obj_id datastore)
{
	const struct hosts *hosts = run_ops(r)->hosts;
	const struct template *row = inv_template(r->inv, tpl);
	struct tpl_place all[PLACES_MAX];
	size_t n = row ? tpl_places(row, all) : 0, i = 0;

	while (i < n && obj_id_none(hosts_reaching(hosts, all[i].datastore)))
		i++;
	return i < n && !obj_id_none(hosts_reaching(hosts, datastore));
}

/* A template that one stands on, at from, and that is not on the other datastore; NULL
 * if there is none. */
static const struct template *
missing_below(const struct inv *inv, const struct template *tpl,
    const struct tpl_place *from, obj_id to)
{
	INV_EACH(inv, KIND_TEMPLATE, o)
	{
		const struct template *other = inv_template(inv, o->id);
		struct tpl_place below, there;
		if (!obj_id_is(o->id, tpl->o.id) &&
		    tpl_place_on(other, from->datastore, &below) &&
		    tpl_stands_on(from, below.path) && !tpl_place_on(other, to, &there))
			return other;
	}
	return NULL;
}

/* The one to copy first: the lowest that is not there. */
static obj_id
first_to_go(const struct inv *inv, obj_id id, obj_id to)
{
	const struct template *tpl = inv_template(inv, id);
	struct tpl_place all[PLACES_MAX];

	/* Each that is found stands lower. */
	while (tpl && tpl_places(tpl, all)) {
		id = tpl->o.id;
		tpl = missing_below(inv, tpl, &all[0], to);
	}
	return id;
}

bool
copy_may_go(const struct inv *inv, const struct template *tpl, obj_id datastore)
{
	return tpl->lifecycle == LIFE_READY &&
	       obj_id_is(inv_ancestor(inv, datastore, KIND_DATACENTER),
		   inv_ancestor(inv, tpl->o.id, KIND_DATACENTER));
}

enum flow_rc
copy_await(struct task_run *r, obj_id wanted, obj_id datastore)
{
	obj_id tpl = first_to_go(r->inv, wanted, datastore);
	const struct pair p = { tpl, datastore };
	const struct task_run *at_it = task_run_search(r->tasks, is_copy_of, &p);
	AUTO(json) json *args = NULL;
	AUTO_FREE char *what = NULL;

	if (at_it) {
		what = xasprintf("waiting for a copy of template \"%s\" on \"%s\"",
		    inv_name(r->inv, tpl), inv_name(r->inv, datastore));
		task_set_waiting(r, what);
		task_await(r->tasks, at_it->id, task_wake(r));
		return FLOW_WAIT;
	}
	if (!is_reached(r, tpl, datastore) && hosts_any_expected(run_ops(r)->hosts))
		return run_wait_for_host(r);
	args = json_new_object();
	arg_set_id(args, "datastore", datastore);
	const struct op_request request = {
		.op = copy_kind.op,
		.entity = tpl,
		.args = args,
		.who = &r->who,
	};
	op_submit_wake(run_ops(r), &request, task_wake(r));
	return FLOW_WAIT;
}

/* One host that reaches both, else the first that sends and the first that receives. */
static int
plan_hosts(struct op_call *c, const struct template *tpl, struct err *e)
{
	obj_id to = arg_id(c->args, "datastore");
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);
	obj_id receiver, sender = OBJ_ID_NONE;
	int rc = need_reachable(c, to, &receiver, e);

	for (size_t i = 0; !rc && i < n; i++) {
		obj_id host =
		    host_reaching(c, all[i].datastore, to, OBJ_ID_NONE, OBJ_ID_NONE);
		if (obj_id_none(host))
			continue;
		arg_set_id(c->args, "from", all[i].datastore);
		arg_set_id(c->args, "by_host", host);
		return 0;
	}
	for (size_t i = 0; !rc && i < n && obj_id_none(sender); i++) {
		rc = need_reachable(c, all[i].datastore, &sender, e);
		arg_set_id(c->args, "from", all[i].datastore);
		if (rc && i + 1 < n)
			rc = 0;
	}
	if (rc)
		return rc;
	arg_set_id(c->args, "sender", sender);
	arg_set_id(c->args, "receiver", receiver);
	return 0;
}

/* What a template made of a container stands on is another's, and must be there. */
static int
need_others_there(
    const struct op_call *c, const struct template *tpl, obj_id to, struct err *e)
{
	const struct template *below;
	struct tpl_place from;

	if (!tpl_place_on(tpl, arg_id(c->args, "from"), &from))
		return 0;
	below = missing_below(c->inv, tpl, &from, to);
	if (!below)
		return 0;
	return err_set(e, ERR_BAD_STATE,
	    "template \"%s\" stands on template \"%s\", which is not on "
	    "datastore \"%s\": copy that there first",
	    tpl->o.name, below->o.name, inv_name(c->inv, to));
}

static void
make_key(struct op_call *c)
{
	uint8_t key[KEY_BYTES];
	char text[2 * KEY_BYTES + 1];

	rng_secret(key, sizeof(key));
	hex_encode(key, sizeof(key), text);
	json_set_str(c->args, "key", text);
}

static int
template_copy(struct op_call *c, struct txn *t, struct err *e)
{
	const struct template *tpl = inv_template(c->inv, c->entity);
	obj_id to = arg_id(c->args, "datastore");
	const struct pair p = { c->entity, to };
	struct tpl_place there;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (!rc)
		rc = tpl_need_ready(tpl, e);
	if (rc)
		return rc;
	if (!obj_id_is(inv_ancestor(c->inv, to, KIND_DATACENTER),
		inv_ancestor(c->inv, c->entity, KIND_DATACENTER)))
		return err_set(e, ERR_INVALID,
		    "datastore: \"%s\" is in another datacenter than the template",
		    inv_name(c->inv, to));
	if (tpl_place_on(tpl, to, &there))
		return err_set(e, ERR_EXISTS,
		    "template \"%s\" lies on datastore \"%s\" already", tpl->o.name,
		    inv_name(c->inv, to));
	if (tpl->copies && json_count(tpl->copies) + 1 >= PLACES_MAX)
		return err_set(e, ERR_NO_CAPACITY,
		    "template \"%s\" has %u copies, which is all it may have",
		    tpl->o.name, PLACES_MAX - 1);
	if (task_run_search(c->tasks, is_copy_of, &p))
		return err_set(e, ERR_BUSY,
		    "template \"%s\" is being copied to datastore \"%s\" already",
		    tpl->o.name, inv_name(c->inv, to));
	make_key(c);
	rc = plan_hosts(c, tpl, e);
	return rc ? rc : need_others_there(c, tpl, to, e);
}

/* ---- a copy goes ---- */

static void
uncopy_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	lock_set_add(out, arg_id(args, "datastore"), LOCK_SHARED);
}

static enum flow_rc
uncopy_start(struct task_run *r)
{
	struct tpl_delete_order d;

	tpl_delete_fill(&d, r->entity, run_arg_id(r, "datastore"));
	return run_order(r, run_arg_id(r, "by_host"), &d.o, REMOVE_MS);
}

void
tpl_drop_copy(struct template *tpl, obj_id datastore)
{
	json *left = json_new_array();

	for (size_t i = 0; tpl->copies && i < json_count(tpl->copies); i++) {
		const json *one = json_at(tpl->copies, i);
		if (!obj_id_is(arg_id(one, "datastore"), datastore))
			json_add_json(left, json_dup(one));
	}
	json_free(tpl->copies);
	tpl->copies = left;
}

static void
uncopy_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	struct template *tpl = rc ? NULL : txn_edit(t, r->entity);
	obj_id datastore = run_arg_id(r, "datastore");

	if (!tpl)
		return;
	tpl_drop_copy(tpl, datastore);
	txn_event(t, EV_TEMPLATE_REMOVED, r->entity, r->id, r->who.name,
	    "Removed the copy of template %s on datastore %s", tpl->o.name,
	    inv_name(r->inv, datastore));
}

static const struct task_step uncopy_steps[] = {
	{ .name = "delete", .start = uncopy_start, .finish = run_order_finish },
	{ .name = NULL },
};

static const struct task_kind uncopy_kind = {
	.op = "template.delete_copy",
	.title = "Delete a template's copy",
	.steps = uncopy_steps,
	.locks = uncopy_locks,
	.on_end = uncopy_end,
	.on_gone = run_forget,
};

static int
template_delete_copy(struct op_call *c, struct txn *t, struct err *e)
{
	const struct template *tpl = inv_template(c->inv, c->entity);
	obj_id datastore = arg_id(c->args, "datastore"), host;
	struct tpl_place there;
	int rc = arg_exists(c->inv, c->args, "datastore", e);

	if (rc)
		return rc;
	if (obj_id_is(datastore, tpl->datastore)) {
		return err_set(e, ERR_BAD_STATE,
		    "\"%s\" is the own datastore of template \"%s\", not that of a "
		    "copy",
		    inv_name(c->inv, datastore), tpl->o.name);
	}
	if (!tpl_place_on(tpl, datastore, &there))
		return err_set(e, ERR_NOT_FOUND,
		    "template \"%s\" has no copy on datastore \"%s\"", tpl->o.name,
		    inv_name(c->inv, datastore));
	const struct obj *user = tpl_user_on(c->inv, tpl, datastore);
	if (user) {
		return err_set(e, ERR_BAD_STATE,
		    "the copy of template \"%s\" on \"%s\" carries the disk of %s "
		    "\"%s\"",
		    tpl->o.name, inv_name(c->inv, datastore), tpl_user_kind(user),
		    user->name);
	}
	rc = need_reachable(c, datastore, &host, e);
	if (!rc)
		arg_set_id(c->args, "by_host", host);
	return rc;
}

/* clang-format off */
static const struct op_arg copy_args[] = {
	{ .name = "datastore", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATASTORE), .help = "where the copy lies" },
	{ 0 } };

const struct op_def copy_defs[] = {
	{ .info = { "template.copy", "Copy template", KIND_TEMPLATE, ROLE_OPERATOR, true, copy_args },
	  .apply = template_copy, .task = &copy_kind },
	{ .info = { "template.delete_copy", "Delete a template's copy", KIND_TEMPLATE, ROLE_OPERATOR, true, copy_args },
	  .apply = template_delete_copy, .task = &uncopy_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */

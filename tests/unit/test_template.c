#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/inv_json.h"
#include "tests/lib/lab.h"

#define MAX_SEEN 200
#define MB_BYTES UINT64_C(0x100000)

/* What the agents were told. */
struct seen_disk {
	uint64_t guest, datastore, source_store, bytes;
	char path[80], base[80], source[80];
	bool seeded;
};

static struct {
	struct seen_disk disk[MAX_SEEN];
	unsigned n;
	unsigned copies, sends, receives, deletes, exports;
	char user_data[2000], meta_data[200], network[1000];
} seen;

static void
see_create(const Drover__GuestSpec *s)
{
	const Drover__DiskSpec *d = s->disks[0];
	struct seen_disk *to = &seen.disk[seen.n++];

	assert_true(seen.n < MAX_SEEN);
	*to = (struct seen_disk){ .guest = s->guest,
		.datastore = d->datastore,
		.bytes = d->size_bytes,
		.seeded = s->seed != NULL };
	snprintf(to->path, sizeof(to->path), "%s", d->path);
	if (d->n_backing)
		snprintf(to->base, sizeof(to->base), "%s", d->backing[0]->path);
	if (d->source) {
		to->source_store = d->source->datastore;
		snprintf(to->source, sizeof(to->source), "%s", d->source->path);
	}
	if (!s->seed)
		return;
	snprintf(seen.user_data, sizeof(seen.user_data), "%s", s->seed->user_data);
	snprintf(seen.meta_data, sizeof(seen.meta_data), "%s", s->seed->meta_data);
	snprintf(seen.network, sizeof(seen.network), "%s", s->seed->network_config);
}

static void
on_order(const Drover__Order *o, void *arg)
{
	seen.copies += o->verb_case == DROVER__ORDER__VERB_TEMPLATE_FROM_DISK;
	seen.sends += o->verb_case == DROVER__ORDER__VERB_IMAGE_SEND;
	seen.receives += o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVE;
	seen.deletes += o->verb_case == DROVER__ORDER__VERB_TEMPLATE_DELETE;
	seen.exports += o->verb_case == DROVER__ORDER__VERB_APPLIANCE_EXPORT;
	if (o->verb_case == DROVER__ORDER__VERB_GUEST_CREATE)
		see_create(o->guest_create->spec);
}

static struct lab *
lab_watched(unsigned n_hosts, uint64_t memory_mb)
{
	struct lab *l = lab_new(n_hosts, memory_mb);

	memset(&seen, 0, sizeof(seen));
	for (unsigned i = 0; i < n_hosts; i++)
		agent_fake_watch(l->agent[i], on_order, NULL);
	return l;
}

static void
ok(struct lab *l, const char *op, obj_id entity, const char *args)
{
	int rc = lab_do(l, op, entity, args);

	if (rc)
		fail_msg("%s %s: %s %s", op, args ? args : "", err_name(rc),
		    obj_id_none(l->task) ? l->msg : lab_task_error(l));
}

static void
refused(struct lab *l, const char *op, obj_id entity, const char *args, const char *why)
{
	int rc = lab_op(l, op, entity, args);

	if (!rc || !strstr(l->msg, why))
		fail_msg("%s %s: %d %s", op, args ? args : "", rc, l->msg);
}

/* datastore-2 is seen by both hosts; datastore-3 by the first alone, -4 by the second.
 */
static void
make_stores(struct lab *l)
{
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'second','datacenter':'dc-1','path':'/srv/second',"
	    "'shared':true,'hosts':['host-1','host-2']}");
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'local-1','datacenter':'dc-1','path':'/srv/1','hosts':['host-1']}");
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'local-2','datacenter':'dc-1','path':'/srv/2','hosts':['host-2']}");
}

static obj_id
vm_named(const struct lab *l, const char *name)
{
	const struct obj *o = inv_find(l->inv, l->dc, KIND_VM, name);

	return o ? o->id : OBJ_ID_NONE;
}

static size_t
n_copies(const struct lab *l, obj_id tpl)
{
	const struct template *row = inv_template(l->inv, tpl);

	return row->copies ? json_count(row->copies) : 0;
}

static unsigned
n_tasks(const struct lab *l, const char *op)
{
	unsigned n = 0;

	INV_EACH(l->inv, KIND_TASK, o)
	{
		n += str_same(inv_task(l->inv, o->id)->op, op);
	}
	return n;
}

static bool
all_tasks_ended(const struct lab *l)
{
	INV_EACH(l->inv, KIND_TASK, o)
	{
		enum task_state s = inv_task(l->inv, o->id)->state;
		if (s == TASK_QUEUED || s == TASK_RUNNING)
			return false;
	}
	return tasks_live(l->tasks) == 0;
}

static void
wait_for_all(struct lab *l)
{
	for (unsigned i = 0; i < 3000 && !all_tasks_ended(l); i++) {
		lab_dial(l);
		lab_advance(l, 100);
	}
	assert_true(all_tasks_ended(l));
}

static void
a_linked_clone_elsewhere_has_the_template_copied_once(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	lab_submit(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{1..4}','template':'template-1','datastore':'datastore-2'}");
	lab_settle(l);
	wait_for_all(l);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.copies, 1);
	assert_int_equal(n_tasks(l, "template.copy"), 1);
	assert_int_equal(n_copies(l, l->tmpl), 1);
	for (unsigned i = 0; i < seen.n; i++) {
		assert_int_equal(seen.disk[i].datastore, 2);
		assert_string_not_equal(seen.disk[i].base, "");
		assert_string_equal(seen.disk[i].source, "");
	}
	/* The next finds it there. */
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'more','template':'template-1','datastore':'datastore-2'}");
	assert_int_equal(seen.copies, 1);
	lab_free(l);
}

static void
a_copy_goes_from_host_to_host_where_none_reaches_both(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	ok(l, "template.import", OBJ_ID_NONE,
	    "{'name':'local','datastore':'datastore-3','path':'a.vmdk',"
	    "'format':'vmdk','version':'1.2'}");
	obj_id tpl = l->object;
	assert_string_equal(inv_template(l->inv, tpl)->version, "1.2");
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-2','datastore':'datastore-4'}");
	assert_int_equal(seen.copies, 0);
	assert_int_equal(seen.receives, 1);
	assert_int_equal(seen.sends, 1);
	assert_int_equal(seen.disk[0].datastore, 4);
	assert_int_equal(n_copies(l, tpl), 1);
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "web"));
	assert_int_equal(vm->host.v, l->host[1].v);
	lab_free(l);
}

static void
a_full_copy_lies_where_it_is_wanted(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-1','datastore':'datastore-4',"
	    "'full':true,'disk_mb':2048}");
	assert_int_equal(seen.copies, 0);
	assert_int_equal(seen.disk[0].datastore, 4);
	assert_int_equal(seen.disk[0].source_store, 1);
	assert_int_equal(seen.disk[0].bytes, 2048 * MB_BYTES);
	assert_string_equal(seen.disk[0].base, "");
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "web"));
	assert_int_equal(vm->host.v, l->host[1].v);
	assert_null(json_get(json_at(vm->disks, 0), "source"));
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'small','template':'template-1','disk_mb':1023}",
	    "cannot become smaller");

	/* Where no host reaches both, the template comes first. */
	ok(l, "template.import", OBJ_ID_NONE,
	    "{'name':'local','datastore':'datastore-3','path':'a.raw','format':'raw'}");
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'far','template':'template-2','datastore':'datastore-4',"
	    "'full':true}");
	assert_int_equal(seen.sends, 1);
	assert_int_equal(seen.disk[1].source_store, 4);
	lab_free(l);
}

static void
a_copy_that_fails_fails_those_that_wait(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'second','datacenter':'dc-1','path':'/srv/2','hosts':['host-1']}");
	agent_fake_fail_next(l->agent[0], ERR_IO, "no space left on second");
	lab_submit(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{1..3}','template':'template-1','datastore':'datastore-2'}");
	lab_settle(l);
	wait_for_all(l);
	assert_int_equal(inv_count(l->inv, KIND_VM), 0);
	assert_int_equal(n_copies(l, l->tmpl), 0);
	unsigned told = 0;
	INV_EACH(l->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(l->inv, o->id);
		told += row->error_message && strstr(row->error_message, "no space");
	}
	assert_int_equal(told, 4);
	lab_free(l);
}

/* ---- many at once ---- */

static struct op_part listed[2][MAX_SEEN];
static size_t n_listed[2];

static void
on_list(const struct op_result *r, void *arg)
{
	size_t at = *(size_t *)arg;

	assert_int_equal(r->rc, 0);
	assert_non_null(r->parts);
	n_listed[at] = r->n_parts;
	memcpy(listed[at], r->parts, r->n_parts * sizeof(*r->parts));
}

static void
same_lists(void)
{
	assert_int_equal(n_listed[0], n_listed[1]);
	for (size_t i = 0; i < n_listed[0]; i++) {
		assert_int_equal(listed[0][i].task.v, listed[1][i].task.v);
		assert_int_equal(listed[0][i].object.v, listed[1][i].object.v);
	}
}

static void
one_op_id_gives_one_list(void **state)
{
	struct lab *l = lab_watched(2, 8192);
	struct caller who = caller_server;
	AUTO(json) json *args = json_new_object();
	struct op_request r = {
		.op = "vm.create", .args = args, .who = &who, .op_id = "batch"
	};
	size_t first = 0, second = 1;

	json_set_str(args, "name", "web-{08..12}");
	json_set_str(args, "template", "template-1");
	op_submit(l->ops, &r, on_list, &first);
	op_submit(l->ops, &r, on_list, &second);
	lab_advance(l, 1000);
	assert_int_equal(n_listed[0], 5);
	same_lists();
	lab_crash(l);
	lab_dial(l);
	lab_advance(l, 1000);
	n_listed[1] = 0;
	op_submit(l->ops, &r, on_list, &second);
	lab_advance(l, 1000);
	same_lists();
	assert_int_equal(inv_count(l->inv, KIND_VM), 5);
	assert_false(obj_id_none(vm_named(l, "web-08")));
	assert_false(obj_id_none(vm_named(l, "web-12")));
	lab_free(l);
}

static void
on_one(const struct op_result *r, void *arg)
{
	assert_int_equal(r->rc, 0);
	*(obj_id *)arg = r->task;
}

static void
an_op_id_of_a_clone_is_known_for_ever(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id from = lab_vm(l, "web", false), first = OBJ_ID_NONE, again = OBJ_ID_NONE;
	struct caller who = caller_server;
	AUTO(json) json *args = json_new_object();
	struct op_request r = { .op = "vm.clone",
		.entity = from,
		.args = args,
		.who = &who,
		.op_id = "clone" };

	json_set_str(args, "name", "two");
	op_submit(l->ops, &r, on_one, &first);
	lab_advance(l, 1000);
	lab_crash(l);
	lab_dial(l);
	lab_advance(l, 1000);
	op_submit(l->ops, &r, on_one, &again);
	lab_advance(l, 1000);
	assert_false(obj_id_none(first));
	assert_int_equal(first.v, again.v);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	lab_free(l);
}

static void
a_list_is_made_whole_or_not_at_all(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	lab_vm(l, "web-3", false);
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{1..5}','template':'template-1'}", "web-3");
	assert_int_equal(inv_count(l->inv, KIND_VM), 1);
	assert_int_equal(tasks_live(l->tasks), 0);
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{1..2','template':'template-1'}", "one range in braces");
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{1..2}','template':'template-1',"
	    "'customize':{'address':'10.1.0.12'}}",
	    "for one machine");
	lab_free(l);
}

static void
fifty_at_once_queue_and_are_spread(void **state)
{
	struct lab *l = lab_watched(3, 65536);
	unsigned before[3], waiting = 0, most = 0;

	ok(l, "network.create", OBJ_ID_NONE,
	    "{'name':'wide','datacenter':'dc-1','bridge':'br0','cidr':'10.2.0.0/24',"
	    "'range_first':'10.2.0.10','range_last':'10.2.0.250'}");
	for (unsigned i = 0; i < 3; i++) {
		before[i] = agent_fake_orders(l->agent[i]);
		agent_fake_hold(l->agent[i]);
	}
	lab_submit(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{01..50}','template':'template-1','network':'network-2',"
	    "'power_on':true}");
	lab_advance(l, 1000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(agent_fake_orders(l->agent[i]) - before[i], 8);
	INV_EACH(l->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(l->inv, o->id);
		if (row->state == TASK_RUNNING && row->waiting_for)
			waiting++;
	}
	assert_int_equal(waiting, 50 - 24);
	for (unsigned i = 0; i < 3; i++)
		agent_fake_release(l->agent[i]);
	wait_for_all(l);
	for (unsigned i = 0; i < 3; i++) {
		unsigned n = agent_fake_running(l->agent[i]);
		most = n > most ? n : most;
		assert_in_range(n, 16, 17);
	}
	assert_int_equal(most, 17);
	assert_int_equal(inv_count(l->inv, KIND_VM), 50);
	lab_free(l);
}

/* ---- customisation ---- */

static void
a_customised_machine_gets_a_seed(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	lab_vm(l, "plain", false);
	assert_false(seen.disk[0].seeded);
	ok(l, "custspec.create", OBJ_ID_NONE,
	    "{'name':'web','host_name':'{name}-x','domain':'example.org',"
	    "'user_name':'ops'}");
	assert_int_equal(obj_id_kind(l->object), KIND_CUSTSPEC);
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'Web 01','template':'template-1','custspec':'custspec-1',"
	    "'customize':{'user_name':'ann','address':'10.1.0.77'}}");
	assert_true(seen.disk[1].seeded);
	assert_non_null(strstr(seen.meta_data, "local-hostname: \"web-01-x\""));
	assert_non_null(strstr(seen.user_data, "- name: \"ann\""));
	assert_non_null(strstr(seen.network, "- \"10.1.0.77/24\""));
	assert_non_null(strstr(seen.network, "via: \"10.1.0.1\""));
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "Web 01"));
	assert_string_equal(vm->ip_address, "10.1.0.77");
	assert_non_null(strstr(seen.meta_data, vm->uuid));
	AUTO(json) json *shown = inv_json(l->inv, &vm->o);
	assert_null(json_get(shown, "seed"));

	assert_int_not_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
				 "{'name':'twin','template':'template-1',"
				 "'customize':{'address':'10.1.0.77'}}"),
	    0);
	assert_non_null(strstr(lab_task_error(l), "in use"));
	lab_free(l);
}

static void
a_bad_customisation_is_refused_at_once(void **state)
{
	static const struct {
		const char *args, *why;
	} rows[] = {
		{ "'customize':{'host_name':'a b'}", "host_name" },
		{ "'customize':{'colour':'blue'}", "colour" },
		{ "'customize':{'user_data':'hello'}", "user_data" },
		{ "'customize':{'address':'10.9.0.1'}", "no free address of network" },
		{ "'customize':{'address':'10.1.0.1'}", "no free address of network" },
		{ "'customize':[]", "wants an object" },
		{ "'custspec':'custspec-9'", "there is no custspec-9" },
		{ "'customize':{'host_name':'{name}-{name}-{name}-{name}-{name}-{name}"
		  "-{name}-{name}-{name}-{name}'}",
		    "host_name" },
	};
	struct lab *l = lab_watched(1, 8192);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *args = xasprintf(
		    "{'name':'machine','template':'template-1',%s}", rows[i].args);
		refused(l, "vm.create", OBJ_ID_NONE, args, rows[i].why);
	}
	refused(
	    l, "custspec.create", OBJ_ID_NONE, "{'name':'x','dns':'nowhere'}", "dns");
	ok(l, "custspec.create", OBJ_ID_NONE, "{'name':'x','dns':'10.0.0.1'}");
	obj_id spec = l->object;
	refused(l, "custspec.update", spec, "{'ssh_keys':'none'}", "ssh_keys: line 1");
	ok(l, "custspec.update", spec, "{'dns':'','domain':'example.org'}");
	assert_null(inv_custspec(l->inv, spec)->dns);
	ok(l, "custspec.delete", spec, NULL);
	assert_int_equal(inv_count(l->inv, KIND_VM), 0);
	lab_free(l);
}

/* ---- the library ---- */

static void
a_template_goes_with_its_copies_once_nothing_stands_on_it(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	ok(l, "template.copy", l->tmpl, "{'datastore':'datastore-2'}");
	refused(l, "template.copy", l->tmpl, "{'datastore':'datastore-2'}", "already");
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-1','datastore':'datastore-2'}");
	obj_id web = l->object;
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'whole','template':'template-1','full':true}");
	obj_id whole = l->object;
	refused(l, "template.delete", l->tmpl, NULL, "machine \"web\"");
	refused(l, "template.delete_copy", l->tmpl, "{'datastore':'datastore-2'}",
	    "machine \"web\"");
	refused(l, "template.delete_copy", l->tmpl, "{'datastore':'datastore-1'}",
	    "own datastore");
	ok(l, "vm.delete", web, NULL);
	ok(l, "template.delete_copy", l->tmpl, "{'datastore':'datastore-2'}");
	assert_int_equal(n_copies(l, l->tmpl), 0);
	assert_int_equal(seen.deletes, 1);
	ok(l, "template.copy", l->tmpl, "{'datastore':'datastore-2'}");
	ok(l, "template.copy", l->tmpl, "{'datastore':'datastore-3'}");
	ok(l, "template.delete", l->tmpl, NULL);
	assert_int_equal(seen.deletes, 4);
	assert_null(inv_template(l->inv, l->tmpl));
	assert_true(obj_id_none(inv_vm(l->inv, whole)->template_));
	lab_free(l);
}

static void
a_template_that_is_half_removed_keeps_what_is_left(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	ok(l, "template.copy", l->tmpl, "{'datastore':'datastore-2'}");
	ok(l, "template.copy", l->tmpl, "{'datastore':'datastore-4'}");
	/* The copy on datastore-4 goes first, through the second host. */
	agent_fake_fail_next(l->agent[0], ERR_IO, "stale file handle");
	assert_int_equal(lab_do(l, "template.delete", l->tmpl, NULL), ERR_IO);
	assert_int_equal(inv_template(l->inv, l->tmpl)->lifecycle, LIFE_READY);
	assert_int_equal(n_copies(l, l->tmpl), 1);
	ok(l, "template.delete", l->tmpl, NULL);
	lab_free(l);
}

/* ---- machines into machines and templates ---- */

static void
a_clone_is_a_machine_of_its_own(void **state)
{
	struct lab *l = lab_watched(2, 8192);
	obj_id from = lab_vm(l, "web", true);

	refused(l, "vm.clone", from, "{'name':'two-{1..2}'}", "writes to its disks");
	ok(l, "vm.stop", from, "{'mode':'kill'}");
	refused(l, "vm.clone", from, "{'name':'two','linked':true}", "template of it");
	ok(l, "vm.clone", from,
	    "{'name':'two-{1..2}','power_on':true,'num_cpu':2,'disk_mb':4096}");
	wait_for_all(l);
	const struct vm *a = inv_vm(l->inv, from);
	const struct vm *b = inv_vm(l->inv, vm_named(l, "two-1"));
	assert_string_not_equal(a->uuid, b->uuid);
	assert_string_not_equal(a->ip_address, b->ip_address);
	assert_int_equal(b->power_state, POWER_ON);
	assert_int_equal(b->num_cpu, 2);
	assert_int_equal(b->memory_mb, a->memory_mb);
	assert_string_equal(seen.disk[1].source, "vms/vm-1/disk-0.qcow2");
	assert_string_equal(seen.disk[1].base, "");
	assert_int_equal(seen.disk[1].bytes, 4096 * MB_BYTES);
	assert_int_equal(inv_count(l->inv, KIND_VM), 3);
	lab_free(l);
}

/* ---- of a machine that runs; snapshots as far as a clone sees them ---- */

static void
snapshot_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out)
{
	const struct obj *o = inv_get(inv, entity);

	lock_set_add(out, entity, LOCK_EXCLUSIVE);
	if (o && obj_id_kind(entity) == KIND_SNAPSHOT)
		lock_set_add(out, o->parent, LOCK_EXCLUSIVE);
}

static enum flow_rc
nothing_to_do(struct task_run *r)
{
	return FLOW_NEXT;
}

static void
take_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct vm *vm = inv_vm(r->inv, r->entity);
	struct err ignored = ERR_INIT;
	void *obj;

	if (rc || txn_add(t, KIND_SNAPSHOT, r->entity,
		      json_str_value(json_get(r->args, "name"), NULL), &obj, &ignored))
		return;
	struct snapshot *snap = obj;
	snap->lifecycle = LIFE_READY;
	snap->disks = json_dup(vm->disks);
}

static void
delete_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	if (!rc)
		txn_del(t, r->entity);
}

static int
apply_nothing(struct op_call *c, struct txn *t, struct err *e)
{
	return 0;
}

static const struct task_step one_step[] = {
	{ .name = "work", .start = nothing_to_do },
	{ .name = NULL },
};
static const struct task_kind take_kind = { .op = "vm.snapshot",
	.title = "Take snapshot",
	.steps = one_step,
	.locks = snapshot_locks,
	.on_end = take_end };
static const struct task_kind drop_kind = { .op = "snapshot.delete",
	.title = "Delete snapshot",
	.steps = one_step,
	.locks = snapshot_locks,
	.on_end = delete_end };
static const struct op_arg take_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name" },
	{ .name = "description", .type = ARG_TEXT, .max = 1000, .help = "for people" },
	{ 0 },
};
static const struct op_def snapshot_ops[] = {
	{ .info = { "vm.snapshot", "Take snapshot", KIND_VM, ROLE_OPERATOR, true,
	      take_args },
	    .apply = apply_nothing,
	    .task = &take_kind },
	{ .info = { "snapshot.delete", "Delete snapshot", KIND_SNAPSHOT, ROLE_OPERATOR,
	      true, NULL },
	    .apply = apply_nothing,
	    .task = &drop_kind },
	{ .info = { .name = NULL } },
};

static void
a_running_machine_is_frozen_for_its_clone(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id from = lab_vm(l, "web", true);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.clone", from, "{'name':'two'}"), 0);
	obj_id task = l->task;
	lab_advance(l, 500);
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 1);
	obj_id snap = inv_next(l->inv, KIND_SNAPSHOT, OBJ_ID_NONE)->id;
	/* What is read just now is not merged away. */
	assert_int_equal(lab_op(l, "snapshot.delete", snap, NULL), ERR_BUSY);
	assert_int_equal(lab_op(l, "vm.stop", from, "{'mode':'kill'}"), ERR_BUSY);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, task), 0);
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 0);
	assert_int_equal(lab_power(l, from), POWER_ON);
	assert_string_equal(seen.disk[1].source, "vms/vm-1/disk-0.qcow2");
	assert_null(json_get(inv_task(l->inv, task)->result, "snapshot_left"));

	/* It is merged again too when nothing comes of the clone. */
	agent_fake_fail_next(l->agent[0], ERR_IO, "no space left on shared");
	assert_int_equal(lab_do(l, "vm.clone", from, "{'name':'three'}"), ERR_IO);
	lab_advance(l, 1000);
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 0);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	lab_free(l);
}

static void
a_machine_becomes_a_template_and_a_machine_again(void **state)
{
	struct lab *l = lab_watched(2, 8192);
	obj_id vm = lab_vm(l, "web", true);

	refused(l, "vm.to_template", vm, "{'name':'golden'}", "powered_on");
	ok(l, "vm.stop", vm, "{'mode':'kill'}");
	ok(l, "vm.to_template", vm, "{'name':'golden','keep':true,'version':'2'}");
	obj_id kept = l->object;
	assert_string_equal(inv_template(l->inv, kept)->version, "2");
	assert_int_equal(inv_template(l->inv, kept)->memory_mb, 256);
	assert_non_null(inv_vm(l->inv, vm));
	ok(l, "vm.to_template", vm, "{'name':'silver'}");
	obj_id tpl = l->object;
	assert_int_equal(inv_template(l->inv, tpl)->lifecycle, LIFE_READY);
	assert_null(inv_vm(l->inv, vm));
	assert_int_equal(
	    agent_fake_guests(l->agent[0]) + agent_fake_guests(l->agent[1]), 0);

	ok(l, "template.to_vm", tpl, "{'name':'again','power_on':true}");
	assert_null(inv_template(l->inv, tpl));
	assert_int_equal(lab_power(l, vm_named(l, "again")), POWER_ON);
	assert_int_equal(seen.deletes, 1);
	lab_free(l);
}

static void
a_machine_that_cannot_be_removed_stays_beside_its_template(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id vm = lab_vm(l, "web", false);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.to_template", vm, "{'name':'golden'}"), 0);
	obj_id task = l->task, tpl = l->object;
	lab_advance(l, 200);
	agent_fake_release(l->agent[0]);
	agent_fake_fail_next(l->agent[0], ERR_IO, "read-only file system");
	assert_int_equal(lab_wait(l, task), 0);
	assert_non_null(inv_vm(l->inv, vm));
	assert_int_equal(inv_template(l->inv, tpl)->lifecycle, LIFE_READY);
	assert_false(json_bool_value(
	    json_get(inv_task(l->inv, task)->result, "machine_removed")));
	lab_free(l);
}

static void
an_export_wants_a_machine_that_is_off(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id vm = lab_vm(l, "web", true);
	const char *args = "{'datastore':'datastore-1','path':'out/web.ova'}";

	refused(l, "vm.export", vm, args, "powered_on");
	ok(l, "vm.stop", vm, "{'mode':'kill'}");
	ok(l, "vm.export", vm, args);
	assert_int_equal(seen.exports, 1);
	lab_free(l);
}

/* ---- the server is cut off anywhere ---- */

struct cut {
	const char *op, *args;

	enum { ON_NOTHING, ON_TEMPLATE, ON_VM, ON_RUNNING } on;

	unsigned vms, templates; /* when it was accepted */
};

static obj_id
entity_of(struct lab *l, const struct cut *m)
{
	switch (m->on) {
	case ON_NOTHING:
		break;
	case ON_TEMPLATE:
		return l->tmpl;
	case ON_VM:
		return lab_vm(l, "from", false);
	case ON_RUNNING:
		return lab_vm(l, "from", true);
	}
	return OBJ_ID_NONE;
}

static void
check_sound(struct lab *l, const struct cut *m, unsigned turns, bool accepted)
{
	unsigned guests = 0;

	for (unsigned i = 0; i < l->n_hosts; i++)
		guests += agent_fake_guests(l->agent[i]);
	INV_EACH(l->inv, KIND_VM, o)
	{
		assert_int_equal(inv_vm(l->inv, o->id)->lifecycle, LIFE_READY);
	}
	INV_EACH(l->inv, KIND_TEMPLATE, o)
	{
		assert_int_equal(inv_template(l->inv, o->id)->lifecycle, LIFE_READY);
	}
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 0);
	if (guests != inv_count(l->inv, KIND_VM))
		fail_msg("%s cut after %u turns: %u guests of %zu machines", m->op,
		    turns, guests, inv_count(l->inv, KIND_VM));
	if (accepted && (inv_count(l->inv, KIND_VM) != m->vms ||
			    inv_count(l->inv, KIND_TEMPLATE) != m->templates))
		fail_msg("%s cut after %u turns: %zu machines, %zu templates", m->op,
		    turns, inv_count(l->inv, KIND_VM),
		    inv_count(l->inv, KIND_TEMPLATE));
}

/* False once it was over before the cut. */
static bool
cut_after(const struct cut *m, unsigned turns)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id entity = entity_of(l, m);
	lab_submit(l, m->op, entity, m->args);
	for (unsigned i = 0; i < turns; i++)
		loop_turn(l->loop, 0);
	bool over = l->answered && all_tasks_ended(l) && n_tasks(l, m->op);
	lab_crash(l);
	bool accepted = n_tasks(l, m->op) > 0;
	lab_advance(l, 3000);
	wait_for_all(l);
	check_sound(l, m, turns, accepted);
	if (accepted && strstr(m->args, "datastore-2"))
		assert_int_equal(n_copies(l, l->tmpl), 1);
	lab_free(l);
	return !over;
}

static void
what_is_cut_anywhere_ends_whole(void **state)
{
	static const struct cut rows[] = {
		{ "vm.create",
		    "{'name':'web-{1..2}','template':'template-1',"
		    "'datastore':'datastore-2','power_on':true}",
		    ON_NOTHING, 2, 1 },
		{ "vm.create",
		    "{'name':'web','template':'template-1','datastore':'datastore-4',"
		    "'full':true,'customize':{'domain':'example.org'}}",
		    ON_NOTHING, 1, 1 },
		{ "template.copy", "{'datastore':'datastore-2'}", ON_TEMPLATE, 0, 1 },
		{ "template.delete", "{}", ON_TEMPLATE, 0, 0 },
		{ "template.to_vm", "{'name':'web','power_on':true}", ON_TEMPLATE, 1,
		    0 },
		{ "vm.clone", "{'name':'web','power_on':true}", ON_VM, 2, 1 },
		{ "vm.clone", "{'name':'web','power_on':true}", ON_RUNNING, 2, 1 },
		{ "vm.to_template", "{'name':'golden'}", ON_VM, 0, 2 },
		{ "vm.export", "{'datastore':'datastore-1','path':'a.ova'}", ON_VM, 1,
		    1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned turns = 0;
		while (turns < 400 && cut_after(&rows[i], turns))
			turns++;
		assert_in_range(turns, 4, 399);
		printf("%-16s cut after each of %u turns: whole\n", rows[i].op, turns);
	}
}

static void
a_transfer_between_hosts_is_cut_anywhere(void **state)
{
	bool over = false;

	for (unsigned turns = 0; turns < 200 && !over; turns++) {
		struct lab *l = lab_watched(2, 8192);
		make_stores(l);
		ok(l, "template.import", OBJ_ID_NONE,
		    "{'name':'local','datastore':'datastore-3','path':'a.raw',"
		    "'format':'raw'}");
		obj_id tpl = l->object;
		lab_submit(l, "template.copy", tpl, "{'datastore':'datastore-4'}");
		for (unsigned i = 0; i < turns; i++)
			loop_turn(l->loop, 0);
		over = l->answered && all_tasks_ended(l) && n_tasks(l, "template.copy");
		lab_crash(l);
		bool accepted = n_tasks(l, "template.copy") > 0;
		lab_advance(l, 3000);
		wait_for_all(l);
		assert_int_equal(n_copies(l, tpl), accepted ? 1 : 0);
		assert_int_equal(seen.receives, accepted ? 1 : 0);
		lab_free(l);
	}
	assert_true(over);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	ops_register(snapshot_ops);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linked_clone_elsewhere_has_the_template_copied_once),
		cmocka_unit_test(a_copy_goes_from_host_to_host_where_none_reaches_both),
		cmocka_unit_test(a_full_copy_lies_where_it_is_wanted),
		cmocka_unit_test(a_copy_that_fails_fails_those_that_wait),
		cmocka_unit_test(one_op_id_gives_one_list),
		cmocka_unit_test(an_op_id_of_a_clone_is_known_for_ever),
		cmocka_unit_test(a_list_is_made_whole_or_not_at_all),
		cmocka_unit_test(fifty_at_once_queue_and_are_spread),
		cmocka_unit_test(a_customised_machine_gets_a_seed),
		cmocka_unit_test(a_bad_customisation_is_refused_at_once),
		cmocka_unit_test(
		    a_template_goes_with_its_copies_once_nothing_stands_on_it),
		cmocka_unit_test(a_template_that_is_half_removed_keeps_what_is_left),
		cmocka_unit_test(a_clone_is_a_machine_of_its_own),
		cmocka_unit_test(a_running_machine_is_frozen_for_its_clone),
		cmocka_unit_test(a_machine_becomes_a_template_and_a_machine_again),
		cmocka_unit_test(
		    a_machine_that_cannot_be_removed_stays_beside_its_template),
		cmocka_unit_test(an_export_wants_a_machine_that_is_off),
		cmocka_unit_test(what_is_cut_anywhere_ends_whole),
		cmocka_unit_test(a_transfer_between_hosts_is_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

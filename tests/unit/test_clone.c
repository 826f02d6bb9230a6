#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/deploy_bed.h"

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

/* Turns the loop until the clone's snapshot is whole, and not further. */
static obj_id
frozen(struct lab *l)
{
	for (unsigned i = 0; i < 400; i++) {
		const struct obj *o = inv_next(l->inv, KIND_SNAPSHOT, OBJ_ID_NONE);
		if (o && inv_snapshot(l->inv, o->id)->lifecycle == LIFE_READY)
			return o->id;
		loop_turn(l->loop, 0);
	}
	fail_msg("no snapshot is taken");
	return OBJ_ID_NONE;
}

static void
a_running_machine_is_frozen_for_its_clone(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id from = lab_vm(l, "web", true);

	lab_submit(l, "vm.clone", from, "{'name':'two'}");
	obj_id snap = frozen(l), task = l->task;
	agent_fake_hold(l->agent[0]);
	lab_advance(l, 500);
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
	lab_submit(l, "vm.clone", from, "{'name':'three'}");
	frozen(l);
	task = l->task;
	agent_fake_fail_next(l->agent[0], ERR_IO, "no space left on shared");
	assert_int_equal(lab_wait(l, task), ERR_IO);
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

	refused(l, "vm.to_template", vm, "{'name':'golden'}", "powered on");
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

	refused(l, "vm.export", vm, args, "powered on");
	ok(l, "vm.stop", vm, "{'mode':'kill'}");
	ok(l, "vm.export", vm, args);
	assert_int_equal(seen.exports, 1);
	lab_free(l);
}

static void
a_running_machine_is_cloned_twice_at_once(void **state)
{
	struct lab *l = lab_watched(1, 16384);
	obj_id vm = lab_vm(l, "web", true);

	assert_int_equal(lab_op(l, "vm.clone", vm, "{'name':'one'}"), 0);
	obj_id task = l->task;
	assert_int_equal(lab_op(l, "vm.clone", vm, "{'name':'two'}"), 0);
	assert_int_equal(lab_wait(l, l->task), 0);
	assert_int_equal(lab_wait(l, task), 0);
	lab_advance(l, 5000);
	assert_int_equal(inv_count(l->inv, KIND_VM), 3);
	lab_free(l);
}

static bool
is_copying(struct lab *l, obj_id task)
{
	return str_same(inv_task(l->inv, task)->step, "create");
}

static void
begin_clone(struct lab *l, obj_id vm, const char *args)
{
	if (lab_op(l, "vm.clone", vm, args))
		fail_msg("%s: %s", args, l->msg);
	lab_advance(l, 3000);
}

/* It cannot be merged as long as another clone copies from the machine. */
static void
a_clone_that_fails_leaves_no_snapshot(void **state)
{
	struct lab *l = lab_watched(3, 8192);
	obj_id vm = lab_vm(l, "web", true), live, other;
	struct err e = ERR_INIT;

	ok(l, "vm.snapshot", vm, "{'name':'base'}");
	assert_true(obj_id_is(inv_vm(l->inv, vm)->host, l->host[0]));
	agent_fake_hold(l->agent[1]);
	agent_fake_hold(l->agent[2]);
	begin_clone(l, vm, "{'name':'live','host':'host-2'}");
	live = l->task;
	begin_clone(l, vm, "{'name':'other','host':'host-3','snapshot':'snap-1'}");
	other = l->task;
	assert_true(is_copying(l, live) && is_copying(l, other));
	assert_int_equal(op_cancel(l->ops, live, &caller_server, &e), 0);
	agent_fake_release(l->agent[1]);
	assert_int_equal(lab_wait(l, live), ERR_CANCELLED);
	lab_advance(l, 5000);
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 2);
	agent_fake_release(l->agent[2]);
	assert_int_equal(lab_wait(l, other), 0);
	lab_advance(l, 5000);
	wait_for_all(l);
	/* The one that somebody took stays. */
	assert_int_equal(inv_count(l->inv, KIND_SNAPSHOT), 1);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	lab_free(l);
}

static void
two_exports_write_two_files(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id one = lab_vm(l, "one", false), two = lab_vm(l, "two", false);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.export", one,
			     "{'datastore':'datastore-1','path':'out/web.ova'}"),
	    0);
	obj_id task = l->task;
	refused(l, "vm.export", two, "{'datastore':'datastore-1','path':'out/web.ova'}",
	    "is being written by task-");
	assert_int_equal(
	    lab_op(l, "vm.export", two, "{'datastore':'datastore-1','path':'b.ova'}"),
	    0);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, task), 0);
	assert_int_equal(lab_wait(l, l->task), 0);
	ok(l, "vm.export", two, "{'datastore':'datastore-1','path':'out/web.ova'}");
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
		cmocka_unit_test(a_clone_is_a_machine_of_its_own),
		cmocka_unit_test(a_running_machine_is_frozen_for_its_clone),
		cmocka_unit_test(a_machine_becomes_a_template_and_a_machine_again),
		cmocka_unit_test(
		    a_machine_that_cannot_be_removed_stays_beside_its_template),
		cmocka_unit_test(an_export_wants_a_machine_that_is_off),
		cmocka_unit_test(a_running_machine_is_cloned_twice_at_once),
		cmocka_unit_test(a_clone_that_fails_leaves_no_snapshot),
		cmocka_unit_test(two_exports_write_two_files),
		cmocka_unit_test(what_is_cut_anywhere_ends_whole),
		cmocka_unit_test(a_transfer_between_hosts_is_cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/lib/lab.h"

static void
a_machine_lives_from_create_to_delete(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id vm = lab_vm(l, "web", true);

	assert_int_equal(lab_power(l, vm), POWER_ON);
	const struct vm *row = inv_vm(l->inv, vm);
	assert_int_equal(row->lifecycle, LIFE_READY);
	assert_int_equal(row->run_gen, 1);
	assert_string_equal(row->ip_address, "10.1.0.10");
	assert_string_equal(row->engine, "sim");
	assert_int_equal(
	    agent_fake_running(l->agent[0]) + agent_fake_running(l->agent[1]), 1);

	assert_int_equal(lab_do(l, "vm.pause", vm, NULL), 0);
	assert_int_equal(lab_power(l, vm), POWER_PAUSED);
	assert_int_equal(lab_do(l, "vm.resume", vm, NULL), 0);
	assert_int_equal(lab_do(l, "vm.restart", vm, "{'mode':'reset'}"), 0);
	assert_int_equal(lab_do(l, "vm.delete", vm, NULL), ERR_BAD_STATE);
	assert_int_equal(lab_do(l, "vm.stop", vm, "{'mode':'kill'}"), 0);
	assert_int_equal(lab_power(l, vm), POWER_OFF);
	assert_int_equal(lab_do(l, "vm.start", vm, NULL), 0);
	assert_int_equal(inv_vm(l->inv, vm)->run_gen, 2);
	assert_int_equal(lab_do(l, "vm.suspend", vm, NULL), 0);
	assert_int_equal(lab_power(l, vm), POWER_SUSPENDED);
	assert_int_equal(lab_do(l, "vm.delete", vm, NULL), 0);
	assert_null(inv_vm(l->inv, vm));
	assert_int_equal(
	    agent_fake_guests(l->agent[0]) + agent_fake_guests(l->agent[1]), 0);
	assert_int_equal(lab_do(l, "vm.delete", vm, NULL), ERR_NOT_FOUND);
	assert_int_equal(lab_events(l, "VmCreatedEvent"), 1);
	assert_int_equal(lab_events(l, "VmRemovedEvent"), 1);
	lab_free(l);
}

static void
machines_are_spread_and_get_addresses_of_their_own(void **state)
{
	struct lab *l = lab_new(2, 8192);

	for (unsigned i = 0; i < 4; i++) {
		AUTO_FREE char *args = xasprintf(
		    "{'name':'m%u','template':'template-1','power_on':true}", i);
		lab_submit(l, "vm.create", OBJ_ID_NONE, args);
		loop_turn(l->loop, 0);
	}
	lab_advance(l, 2000);
	assert_int_equal(inv_count(l->inv, KIND_VM), 4);
	assert_int_equal(agent_fake_running(l->agent[0]), 2);
	assert_int_equal(agent_fake_running(l->agent[1]), 2);
	INV_EACH(l->inv, KIND_VM, a)
	{
		const char *ip = inv_vm(l->inv, a->id)->ip_address;
		INV_EACH(l->inv, KIND_VM, b)
		{
			if (!obj_id_is(a->id, b->id))
				assert_string_not_equal(
				    ip, inv_vm(l->inv, b->id)->ip_address);
		}
	}
	lab_free(l);
}

static void
an_address_is_given_again_after_a_delete(void **state)
{
	struct lab *l = lab_new(1, 65536);
	obj_id first = lab_vm(l, "m0", false);

	for (unsigned i = 1; i < 10; i++) {
		char name[16];
		snprintf(name, sizeof(name), "m%u", i);
		lab_vm(l, name, false);
	}
	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
			     "{'name':'one more','template':'template-1'}"),
	    ERR_NO_CAPACITY);
	assert_non_null(strstr(lab_task_error(l), "no free address in 10.1.0.10"));
	assert_int_equal(inv_count(l->inv, KIND_VM), 10);
	assert_int_equal(lab_do(l, "vm.delete", first, NULL), 0);
	obj_id again = lab_vm(l, "again", false);
	assert_string_equal(inv_vm(l->inv, again)->ip_address, "10.1.0.10");
	lab_free(l);
}

static void
a_full_host_says_what_is_short_and_where(void **state)
{
	struct lab *l = lab_new(1, 1024);
	obj_id vm = lab_vm(l, "second", false);

	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
			     "{'name':'big','template':'template-1','memory_mb':1000,"
			     "'power_on':true}"),
	    0);
	assert_int_equal(lab_do(l, "vm.start", vm, NULL), ERR_NO_CAPACITY);
	const char *why = lab_task_error(l);
	if (!strstr(why, "memory") || !strstr(why, "256 MB asked") ||
	    !strstr(why, "24 MB free") || !strstr(why, "h1"))
		fail_msg("%s", why);
	assert_int_equal(lab_power(l, vm), POWER_OFF);
	assert_int_equal(inv_vm(l->inv, vm)->run_gen, 0);

	assert_int_equal(
	    lab_do(l, "vm.create", OBJ_ID_NONE,
		"{'name':'third','template':'template-1','power_on':true}"),
	    ERR_NO_CAPACITY);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	assert_int_equal(lab_events(l, "VmCreateFailedEvent"), 1);
	lab_free(l);
}

static void
room_that_was_given_is_not_given_twice(void **state)
{
	struct lab *l = lab_new(1, 600);

	agent_fake_hold(l->agent[0]);
	for (unsigned i = 0; i < 4; i++) {
		AUTO_FREE char *args = xasprintf(
		    "{'name':'m%u','template':'template-1','power_on':true}", i);
		lab_submit(l, "vm.create", OBJ_ID_NONE, args);
	}
	lab_advance(l, 500);
	agent_fake_release(l->agent[0]);
	lab_advance(l, 2000);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	assert_int_equal(agent_fake_running(l->agent[0]), 2);
	lab_free(l);
}

static void
names_are_unique_in_their_folder(void **state)
{
	struct lab *l = lab_new(1, 4096);
	const char *args = "{'name':'web','template':'template-1'}";

	lab_submit(l, "vm.create", OBJ_ID_NONE, args);
	assert_int_equal(lab_op(l, "vm.create", OBJ_ID_NONE, args), ERR_EXISTS);
	lab_advance(l, 1000);
	assert_int_equal(lab_op(l, "vm.create", OBJ_ID_NONE, args), ERR_EXISTS);
	assert_int_equal(
	    lab_op(l, "folder.create", OBJ_ID_NONE, "{'name':'f','parent':'dc-1'}"), 0);
	assert_int_equal(
	    lab_do(l, "vm.create", OBJ_ID_NONE,
		"{'name':'web','template':'template-1','parent':'folder-1'}"),
	    0);
	assert_int_equal(inv_count(l->inv, KIND_VM), 2);
	lab_free(l);
}

static void
delete_while_starting_is_refused_and_names_the_task(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", false);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.start", vm, NULL), 0);
	obj_id start = l->task;
	lab_advance(l, 200);
	assert_int_equal(lab_power(l, vm), POWER_STARTING);
	assert_int_equal(lab_op(l, "vm.delete", vm, NULL), ERR_BUSY);
	char id[OBJ_ID_TEXT];
	assert_non_null(strstr(l->msg, obj_id_text(start, id)));
	assert_non_null(strstr(l->msg, "vm.start"));
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, start), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	lab_free(l);
}

static void
a_start_takes_its_turn_behind_the_creation(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_hold(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE, "{'name':'web','template':'template-1'}");
	obj_id vm = l->object;
	assert_int_equal(lab_op(l, "vm.start", vm, NULL), 0);
	obj_id start = l->task;
	assert_int_equal(inv_task(l->inv, start)->state, TASK_QUEUED);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, start), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	lab_free(l);
}

static void
a_kill_does_not_wait_for_the_polite_stop(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(
	    lab_op(l, "vm.stop", vm, "{'mode':'acpi','timeout_s':3600}"), 0);
	obj_id polite = l->task;
	lab_advance(l, 200);
	assert_int_equal(lab_op(l, "vm.stop", vm, "{'mode':'acpi'}"), ERR_BUSY);
	assert_int_equal(lab_op(l, "vm.stop", vm, "{'mode':'kill'}"), 0);
	obj_id kill = l->task;
	lab_advance(l, 200);
	assert_int_equal(lab_wait(l, polite), ERR_CANCELLED);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, kill), 0);
	assert_int_equal(lab_power(l, vm), POWER_OFF);
	lab_free(l);
}

static void
a_lost_reply_is_asked_for_again(void **state)
{
	struct lab *l = lab_new(1, 4096);

	/* The disks are made, the link breaks, the agent comes back. */
	agent_fake_lose_next(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-1','power_on':true}");
	obj_id vm = l->object, task = l->task;
	lab_advance(l, 1000);
	assert_int_equal(inv_task(l->inv, task)->state, TASK_RUNNING);
	unsigned works = agent_fake_works(l->agent[0]);
	agent_fake_restart(l->agent[0]);
	agent_fake_dial(l->agent[0], l->hosts);
	agent_fake_lose_next(l->agent[0]);
	lab_advance(l, 1000);
	assert_int_equal(agent_fake_works(l->agent[0]), works);
	agent_fake_dial(l->agent[0], l->hosts);
	assert_int_equal(lab_wait(l, task), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_int_equal(agent_fake_starts(l->agent[0], 1), 1);
	assert_int_equal(agent_fake_guests(l->agent[0]), 1);
	lab_free(l);
}

static void
a_fault_undoes_the_creation(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_fail_next(l->agent[0], ERR_IO, "no space left on datastore shared");
	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
			     "{'name':'web','template':'template-1'}"),
	    ERR_IO);
	assert_non_null(strstr(lab_task_error(l), "no space left"));
	assert_int_equal(inv_count(l->inv, KIND_VM), 0);
	assert_int_equal(agent_fake_guests(l->agent[0]), 0);

	/* The same name again: nothing is left of the first. */
	lab_vm(l, "web", true);
	lab_free(l);
}

static void
what_cannot_be_undone_is_kept_as_an_orphan(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_lose_next(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE, "{'name':'web','template':'template-1'}");
	obj_id vm = l->object, task = l->task;
	assert_int_not_equal(lab_wait(l, task), 0);
	assert_int_equal(inv_vm(l->inv, vm)->lifecycle, LIFE_ORPHANED);
	assert_int_equal(lab_op(l, "vm.delete", vm, NULL), ERR_BAD_STATE);

	agent_fake_dial(l->agent[0], l->hosts);
	lab_advance(l, 1000);
	assert_int_equal(lab_do(l, "vm.delete", vm, NULL), 0);
	assert_int_equal(agent_fake_guests(l->agent[0]), 0);
	assert_int_equal(inv_count(l->inv, KIND_VM), 0);
	lab_free(l);
}

static void
a_cancelled_creation_leaves_nothing(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct caller who = caller_server;
	struct err e = ERR_INIT;

	who.role = ROLE_OPERATOR;
	agent_fake_hold(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE, "{'name':'web','template':'template-1'}");
	obj_id task = l->task;
	assert_int_equal(op_cancel(l->ops, task, &who, &e), 0);
	lab_settle(l);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, task), ERR_CANCELLED);
	assert_int_equal(inv_count(l->inv, KIND_VM), 0);
	assert_int_equal(agent_fake_guests(l->agent[0]), 0);
	assert_int_equal(op_cancel(l->ops, task, &who, &e), ERR_BAD_STATE);
	lab_free(l);
}

static void
sizes_change_hot_or_say_that_they_cannot(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);

	agent_fake_fail_next(l->agent[0], ERR_UNSUPPORTED, "needs power off");
	assert_int_equal(lab_do(l, "vm.update", vm, "{'num_cpu':2}"), ERR_UNSUPPORTED);
	assert_non_null(strstr(lab_task_error(l), "needs power off"));
	assert_int_equal(inv_vm(l->inv, vm)->num_cpu, 1);
	assert_int_equal(
	    lab_do(l, "vm.update", vm, "{'memory_mb':999999}"), ERR_NO_CAPACITY);
	assert_int_equal(lab_do(l, "vm.update", vm, "{'memory_mb':512}"), 0);
	assert_int_equal(inv_vm(l->inv, vm)->memory_mb, 512);
	assert_int_equal(
	    lab_do(l, "vm.update", vm, "{'name':'www','notes':'hello'}"), 0);
	assert_string_equal(inv_name(l->inv, vm), "www");
	assert_string_equal(inv_vm(l->inv, vm)->notes, "hello");
	lab_free(l);
}

static void
assert_words(const struct lab *l, const char *msg, const char *want)
{
	AUTO_FREE char *got = task_words(l->inv, msg);

	assert_string_equal(got, want);
}

static void
what_a_host_says_of_a_number_is_told_of_a_name(void **state)
{
	struct lab *l = lab_new(1, 8192);
	char id[OBJ_ID_TEXT];

	obj_id_text(lab_vm(l, "web", false), id);
	AUTO_FREE char *said = xasprintf("%s: it is full", id);
	AUTO_FREE char *longer = xasprintf("%s0: it is full", id);
	assert_words(l, said, "machine \"web\": it is full");
	assert_words(l, longer, longer);
	assert_words(l, id, id);
	assert_words(l, "disk-0: it is full", "disk-0: it is full");
	assert_words(l, "", "");
	lab_free(l);
}

static void
only_what_is_empty_and_unused_is_removed(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", false);

	static const struct {
		const char *op;
		size_t at;
	} rows[] = {
		{ "datacenter.delete", offsetof(struct lab, dc) },
		{ "cluster.delete", offsetof(struct lab, cluster) },
		{ "network.delete", offsetof(struct lab, network) },
		{ "datastore.delete", offsetof(struct lab, datastore) },
		{ "template.delete", offsetof(struct lab, tmpl) },
		{ "host.delete", offsetof(struct lab, host) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		obj_id id = *(obj_id *)(void *)((char *)l + rows[i].at);
		if (lab_op(l, rows[i].op, id, NULL) != ERR_BAD_STATE)
			fail_msg("%s: %s", rows[i].op, l->msg);
	}
	assert_int_equal(lab_do(l, "vm.delete", vm, NULL), 0);
	assert_int_equal(lab_do(l, "template.delete", l->tmpl, NULL), 0);
	assert_int_equal(lab_do(l, "datastore.delete", l->datastore, NULL), 0);
	assert_int_equal(lab_do(l, "network.delete", l->network, NULL), 0);
	agent_fake_cut(l->agent[0]);
	lab_advance(l, 10000);
	assert_int_equal(
	    inv_host(l->inv, l->host[0])->connection_state, CONN_NOT_RESPONDING);
	assert_int_equal(lab_do(l, "host.delete", l->host[0], NULL), 0);
	assert_int_equal(lab_do(l, "cluster.delete", l->cluster, NULL), 0);
	assert_int_equal(lab_do(l, "datacenter.delete", l->dc, NULL), 0);
	lab_free(l);
}

static void
a_disk_does_not_grow_under_a_snapshot(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);
	const char *grow = "{'name':'disk-0','size_mb':4096}";

	assert_int_equal(lab_do(l, "vm.snapshot", vm, "{'name':'before'}"), 0);
	obj_id snapshot = l->object;
	assert_int_equal(lab_do(l, "vm.disk_update", vm, grow), ERR_BAD_STATE);
	assert_non_null(strstr(l->msg, "cannot grow while snapshot \"before\""));
	assert_int_equal(
	    lab_do(l, "vm.disk_remove", vm, "{'name':'disk-0'}"), ERR_UNSUPPORTED);
	/* What stands on nothing, and what stands no more, grows. */
	assert_int_equal(lab_do(l, "vm.disk_add", vm, "{'size_mb':10}"), 0);
	assert_int_equal(
	    lab_do(l, "vm.disk_update", vm, "{'name':'disk-1','size_mb':20}"), 0);
	assert_int_equal(lab_do(l, "snapshot.delete", snapshot, NULL), 0);
	assert_int_equal(lab_do(l, "vm.disk_update", vm, grow), 0);
	lab_free(l);
}

static void
a_snapshot_holds_its_machine(void **state)
{
	static const char *const ops[] = { "vm.stop", "vm.delete", "vm.suspend",
		"vm.disk_add", "vm.snapshot" };
	static const char *const args[] = { "{'mode':'kill'}", NULL, NULL,
		"{'size_mb':10}", "{'name':'other'}" };
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);

	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.snapshot", vm, "{'name':'one'}"), 0);
	obj_id task = l->task;
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		int rc = lab_op(l, ops[i], vm, args[i]);

		if (rc != ERR_BUSY && rc != ERR_BAD_STATE)
			fail_msg("%s: %d %s", ops[i], rc, l->msg);
	}
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, task), 0);
	/* And it is held by others. */
	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "vm.suspend", vm, NULL), 0);
	task = l->task;
	assert_int_equal(lab_op(l, "vm.snapshot", vm, "{'name':'two'}"), ERR_BUSY);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, task), 0);
	lab_free(l);
}

static void
a_snapshot_that_is_half_merged_is_not_gone_back_to(void **state)
{
	struct lab *l = lab_new(1, 4096);
	obj_id vm = lab_vm(l, "web", true);
	struct caller who = caller_server;
	struct err e = ERR_INIT;

	assert_int_equal(lab_do(l, "vm.snapshot", vm, "{'name':'one'}"), 0);
	obj_id one = l->object;
	agent_fake_fail_next(l->agent[0], ERR_IO, "the disk broke");
	assert_int_equal(lab_do(l, "snapshot.delete", one, NULL), ERR_IO);
	assert_true(inv_vm(l->inv, vm)->needs_consolidation);
	assert_int_equal(lab_do(l, "snapshot.revert", one, NULL), ERR_BAD_STATE);
	/* Once begun there is no way back. */
	agent_fake_hold(l->agent[0]);
	assert_int_equal(lab_op(l, "snapshot.delete", one, NULL), 0);
	lab_settle(l);
	assert_int_equal(op_cancel(l->ops, l->task, &who, &e), ERR_BAD_STATE);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, l->task), 0);
	assert_null(inv_snapshot(l->inv, one));

	assert_int_equal(lab_do(l, "vm.snapshot", vm, "{'name':'two'}"), 0);
	obj_id two = l->object;
	agent_fake_fail_next(l->agent[0], ERR_IO, "the disk broke");
	assert_int_equal(lab_do(l, "snapshot.delete", two, NULL), ERR_IO);
	assert_int_equal(lab_do(l, "vm.consolidate", vm, NULL), 0);
	assert_null(inv_snapshot(l->inv, two));
	assert_false(inv_vm(l->inv, vm)->needs_consolidation);
	lab_free(l);
}

static unsigned replies;
static obj_id replied_task[2];

static void
on_reply(const struct op_result *r, void *arg)
{
	assert_int_equal(r->rc, 0);
	replied_task[replies++ % 2] = r->task;
}

static unsigned refused;

static void
on_other_use(const struct op_result *r, void *arg)
{
	assert_int_equal(r->rc, ERR_INVALID);
	refused++;
}

static void
the_same_op_id_makes_one_machine(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct caller who = caller_server;
	AUTO(json) json *args = json_new_object();
	struct op_request r = { .op = "vm.create",
		.args = args,
		.who = &who,
		.op_id = "11112222-3333-4444-8555-666677778888" };

	who.role = ROLE_OPERATOR;
	json_set_str(args, "name", "web");
	json_set_str(args, "template", "template-1");
	replies = 0;
	op_submit(l->ops, &r, on_reply, NULL);
	op_submit(l->ops, &r, on_reply, NULL);
	lab_advance(l, 1000);
	assert_int_equal(replies, 2);
	assert_int_equal(replied_task[0].v, replied_task[1].v);

	/* What asks for something else is not answered with the first. */
	AUTO(json) json *other = json_dup(args);
	json_set_str(other, "name", "other");
	r.args = other;
	op_submit(l->ops, &r, on_other_use, NULL);
	lab_settle(l);
	assert_int_equal(refused, 1);
	r.args = args;

	/* Another server knows it from the task's row. */
	obj_id first = replied_task[0];
	lab_crash(l);
	lab_dial(l);
	lab_advance(l, 1000);
	op_submit(l->ops, &r, on_reply, NULL);
	lab_advance(l, 1000);
	assert_int_equal(replies, 3);
	assert_int_equal(replied_task[0].v, first.v);
	assert_int_equal(inv_count(l->inv, KIND_VM), 1);

	/* And what was asked for under it. */
	r.args = other;
	op_submit(l->ops, &r, on_other_use, NULL);
	lab_settle(l);
	assert_int_equal(refused, 2);
	lab_free(l);
}

static void
a_role_that_is_too_low_is_denied(void **state)
{
	struct lab *l = lab_new(1, 4096);
	unsigned n;
	const struct op_info *ops = ops_list(&n);

	assert_true(n > 25);
	for (unsigned i = 0; i < n; i++)
		assert_true(ops[i].min_role >= ROLE_OPERATOR);
	assert_non_null(op_find("vm.create"));
	assert_null(op_find("vm.explode"));
	lab_free(l);
}

static obj_id
add_administrator(struct lab *l, const char *name)
{
	struct txn *t = txn_new(l->inv);
	struct err e = ERR_INIT;
	void *o = NULL;

	assert_int_equal(txn_add(t, KIND_USER, OBJ_ID_NONE, name, &o, &e), 0);
	struct user *u = o;
	u->role = ROLE_ADMINISTRATOR;
	u->enabled = true;
	obj_id id = u->o.id;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(l);
	return id;
}

static void
two_administrators_cannot_lower_each_other(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id ann = add_administrator(l, "ann"), bob = add_administrator(l, "bob");

	lab_submit(l, "user.update", ann, "{'role':'operator'}");
	lab_submit(l, "user.update", bob, "{'role':'operator'}");
	lab_settle(l);
	assert_int_equal(inv_user(l->inv, ann)->role, ROLE_OPERATOR);
	assert_int_equal(inv_user(l->inv, bob)->role, ROLE_ADMINISTRATOR);
	assert_int_equal(
	    lab_op(l, "user.update", bob, "{'role':'operator'}"), ERR_BAD_STATE);
	assert_int_equal(lab_op(l, "user.update", ann, "{'role':'administrator'}"), 0);
	assert_int_equal(lab_op(l, "user.update", bob, "{'role':'operator'}"), 0);
	lab_free(l);
}

static void
the_database_may_be_away_for_a_while(void **state)
{
	struct lab *l = lab_new(1, 4096);

	agent_fake_hold(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-1','power_on':true}");
	obj_id vm = l->object, task = l->task;
	db_fake_down(l->db);
	agent_fake_release(l->agent[0]);
	lab_advance(l, 30000);
	assert_int_equal(
	    lab_op(l, "folder.create", OBJ_ID_NONE, "{'name':'f','parent':'dc-1'}"),
	    ERR_UNAVAILABLE);
	assert_int_equal(agent_fake_running(l->agent[0]), 0);
	db_fake_up(l->db);
	assert_int_equal(lab_wait(l, task), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_int_equal(agent_fake_starts(l->agent[0], 1), 1);
	lab_free(l);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_machine_lives_from_create_to_delete),
		cmocka_unit_test(machines_are_spread_and_get_addresses_of_their_own),
		cmocka_unit_test(an_address_is_given_again_after_a_delete),
		cmocka_unit_test(a_full_host_says_what_is_short_and_where),
		cmocka_unit_test(room_that_was_given_is_not_given_twice),
		cmocka_unit_test(names_are_unique_in_their_folder),
		cmocka_unit_test(delete_while_starting_is_refused_and_names_the_task),
		cmocka_unit_test(a_start_takes_its_turn_behind_the_creation),
		cmocka_unit_test(a_kill_does_not_wait_for_the_polite_stop),
		cmocka_unit_test(a_lost_reply_is_asked_for_again),
		cmocka_unit_test(a_fault_undoes_the_creation),
		cmocka_unit_test(what_cannot_be_undone_is_kept_as_an_orphan),
		cmocka_unit_test(a_cancelled_creation_leaves_nothing),
		cmocka_unit_test(sizes_change_hot_or_say_that_they_cannot),
		cmocka_unit_test(what_a_host_says_of_a_number_is_told_of_a_name),
		cmocka_unit_test(only_what_is_empty_and_unused_is_removed),
		cmocka_unit_test(a_disk_does_not_grow_under_a_snapshot),
		cmocka_unit_test(a_snapshot_holds_its_machine),
		cmocka_unit_test(a_snapshot_that_is_half_merged_is_not_gone_back_to),
		cmocka_unit_test(the_same_op_id_makes_one_machine),
		cmocka_unit_test(a_role_that_is_too_low_is_denied),
		cmocka_unit_test(two_administrators_cannot_lower_each_other),
		cmocka_unit_test(the_database_may_be_away_for_a_while),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/lab.h"

#define MAX_TURNS 400

/* One operation, cut after each of its turns in its turn. */
struct matrix {
	const char *op;
	const char *args;
	bool needs_vm, vm_runs; /* what there is before */
	bool lose_replies;      /* the agent does the work, its reply is lost too */
	unsigned want_vms;      /* after it, once it has been accepted */
	enum power_state want_power;
};

static obj_id
begin(struct lab *l, const struct matrix *m)
{
	obj_id vm = OBJ_ID_NONE;

	if (m->needs_vm)
		vm = lab_vm(l, "web", m->vm_runs);
	if (m->lose_replies)
		agent_fake_lose_next(l->agent[0]);
	lab_submit(l, m->op, vm, m->args);
	return vm;
}

static bool
all_tasks_ended(const struct lab *l)
{
	INV_EACH(l->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(l->inv, o->id);
		if (row->state == TASK_QUEUED || row->state == TASK_RUNNING)
			return false;
	}
	return true;
}

static void
run_to_the_end(struct lab *l)
{
	/* Agents take a while to find the new server. */
	lab_advance(l, 3000);
	for (unsigned i = 0; i < 3000 && !all_tasks_ended(l); i++) {
		lab_dial(l);
		lab_advance(l, 100);
	}
	assert_true(all_tasks_ended(l));
	assert_int_equal(tasks_live(l->tasks), 0);
}

/* The inventory and the hosts agree, and nothing is there twice. */
static void
check_one_or_none(struct lab *l, unsigned turns)
{
	unsigned guests = 0, running = 0, on = 0;

	for (unsigned i = 0; i < l->n_hosts; i++) {
		guests += agent_fake_guests(l->agent[i]);
		running += agent_fake_running(l->agent[i]);
	}
	INV_EACH(l->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(l->inv, o->id);
		assert_int_equal(vm->lifecycle, LIFE_READY);
		on += vm->power_state == POWER_ON;
	}
	if (guests != inv_count(l->inv, KIND_VM) || running != on)
		fail_msg("cut after %u turns: %u guests of %zu machines, %u running, "
			 "%u on",
		    turns, guests, inv_count(l->inv, KIND_VM), running, on);
}

static bool
is_accepted(const struct lab *l, const char *op)
{
	INV_EACH(l->inv, KIND_TASK, o)
	{
		if (str_same(inv_task(l->inv, o->id)->op, op))
			return true;
	}
	return false;
}

/* Returns false once the operation was over before the cut. */
static bool
cut_after(const struct matrix *m, unsigned turns)
{
	struct lab *l = lab_new(1, 8192);
	unsigned before = inv_count(l->inv, KIND_TASK);
	obj_id vm = begin(l, m);

	for (unsigned i = 0; i < turns; i++)
		loop_turn(l->loop, 0);
	bool over = l->answered && all_tasks_ended(l) && !tasks_live(l->tasks) &&
		    inv_count(l->inv, KIND_TASK) > before;
	lab_crash(l);
	bool accepted = is_accepted(l, m->op);
	run_to_the_end(l);
	check_one_or_none(l, turns);
	if (accepted && inv_count(l->inv, KIND_VM) != m->want_vms)
		fail_msg("%s cut after %u turns: %zu machines, want %u", m->op, turns,
		    inv_count(l->inv, KIND_VM), m->want_vms);
	if (accepted && m->want_vms) {
		if (obj_id_none(vm))
			vm = inv_next(l->inv, KIND_VM, OBJ_ID_NONE)->id;
		assert_int_equal(lab_power(l, vm), m->want_power);
	}
	lab_free(l);
	return !over;
}

/* Cut when so many transactions were let through; the agent may not have seen an order
 * yet. */
static void
cut_at_commit(const struct matrix *m, unsigned commits, bool agent_works)
{
	struct lab *l = lab_new(1, 8192);
	obj_id vm = OBJ_ID_NONE;

	if (m->needs_vm)
		vm = lab_vm(l, "web", m->vm_runs);
	if (!agent_works)
		agent_fake_hold(l->agent[0]);
	db_fake_hold(l->db);
	db_fake_release(l->db, commits);
	lab_submit(l, m->op, vm, m->args);
	lab_advance(l, 300);
	lab_crash(l);
	agent_fake_release(l->agent[0]);
	bool accepted = is_accepted(l, m->op);
	run_to_the_end(l);
	check_one_or_none(l, commits);
	assert_int_equal(accepted, commits > 0);
	if (accepted)
		assert_int_equal(inv_count(l->inv, KIND_VM), m->want_vms);
	lab_free(l);
}

static void
cut_everywhere(const struct matrix *m)
{
	unsigned turns = 0;

	while (turns < MAX_TURNS && cut_after(m, turns))
		turns++;
	assert_in_range(turns, 5, MAX_TURNS - 1);
	for (unsigned commits = 0; commits < 8; commits++) {
		cut_at_commit(m, commits, true);
		cut_at_commit(m, commits, false);
	}
}

static void
a_creation_cut_anywhere_ends_with_one_machine(void **state)
{
	struct matrix m = {
		.op = "vm.create",
		.args = "{'name':'web','template':'template-1','power_on':true}",
		.want_vms = 1,
		.want_power = POWER_ON,
	};

	cut_everywhere(&m);
	m.lose_replies = true;
	for (unsigned turns = 0; turns < 40; turns++)
		cut_after(&m, turns);
}

static void
a_start_cut_anywhere_ends_with_one_running(void **state)
{
	struct matrix m = {
		.op = "vm.start",
		.needs_vm = true,
		.want_vms = 1,
		.want_power = POWER_ON,
	};

	cut_everywhere(&m);
	m.lose_replies = true;
	for (unsigned turns = 0; turns < 40; turns++)
		cut_after(&m, turns);
}

static void
a_deletion_cut_anywhere_ends_with_none(void **state)
{
	struct matrix m = {
		.op = "vm.delete",
		.needs_vm = true,
		.want_vms = 0,
	};

	cut_everywhere(&m);
	m.lose_replies = true;
	for (unsigned turns = 0; turns < 40; turns++)
		cut_after(&m, turns);
}

static void
an_undoing_cut_anywhere_ends_with_none(void **state)
{
	for (unsigned turns = 0; turns < 80; turns++) {
		struct lab *l = lab_new(1, 8192);
		agent_fake_fail_next(l->agent[0], ERR_IO, "disk full");
		lab_submit(l, "vm.create", OBJ_ID_NONE,
		    "{'name':'web','template':'template-1','power_on':true}");
		for (unsigned i = 0; i < turns; i++)
			loop_turn(l->loop, 0);
		lab_crash(l);
		run_to_the_end(l);
		check_one_or_none(l, turns);
		lab_free(l);
	}
}

static void
steps_are_stored_before_they_start(void **state)
{
	struct lab *l = lab_new(1, 8192);
	char id[OBJ_ID_TEXT];

	agent_fake_hold(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web','template':'template-1','power_on':true}");
	lab_settle(l);
	obj_id_text(l->task, id);
	assert_string_equal(db_fake_value(l->db, "tasks", id, "step"), "create");
	assert_string_equal(db_fake_value(l->db, "tasks", id, "state"), "running");
	assert_string_equal(
	    db_fake_value(l->db, "vms", "vm-1", "lifecycle"), "creating");
	assert_string_equal(db_fake_value(l->db, "vms", "vm-1", "host"), "host-1");
	agent_fake_release(l->agent[0]);
	agent_fake_hold(l->agent[0]);
	lab_settle(l);
	assert_string_equal(db_fake_value(l->db, "tasks", id, "step"), "start");
	assert_string_equal(db_fake_value(l->db, "vms", "vm-1", "run_gen"), "1");
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, l->task), 0);
	assert_string_equal(db_fake_value(l->db, "tasks", id, "state"), "success");
	assert_string_equal(db_fake_value(l->db, "tasks", id, "progress"), "100");
	lab_free(l);
}

static void
queued_tasks_keep_their_turn_over_a_crash(void **state)
{
	struct lab *l = lab_new(1, 8192);

	agent_fake_hold(l->agent[0]);
	lab_op(l, "vm.create", OBJ_ID_NONE, "{'name':'web','template':'template-1'}");
	obj_id vm = l->object;
	lab_op(l, "vm.start", vm, NULL);
	obj_id start = l->task;
	lab_settle(l);
	lab_crash(l);
	lab_dial(l);
	agent_fake_release(l->agent[0]);
	assert_int_equal(lab_wait(l, start), 0);
	assert_int_equal(lab_power(l, vm), POWER_ON);
	assert_true(lab_events(l, "TaskResumedEvent") <= 1);
	lab_free(l);
}

static void
a_commit_whose_outcome_was_open_happens_once(void **state)
{
	enum db_fake_outcome truth[] = { DB_FAKE_WRITTEN, DB_FAKE_NOT_WRITTEN };

	for (unsigned t = 0; t < ARRAY_SIZE(truth); t++) {
		struct lab *l = lab_new(1, 8192);
		agent_fake_hold(l->agent[0]);
		lab_op(l, "vm.create", OBJ_ID_NONE,
		    "{'name':'web','template':'template-1','power_on':true}");
		obj_id task = l->task;
		lab_settle(l);
		db_fake_lose_next(l->db, truth[t]);
		agent_fake_release(l->agent[0]);
		lab_advance(l, 2000);
		db_fake_up(l->db);
		assert_int_equal(lab_wait(l, task), 0);
		check_one_or_none(l, 0);
		assert_int_equal(agent_fake_starts(l->agent[0], 1), 1);
		lab_free(l);
	}
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_stored_before_they_start),
		cmocka_unit_test(a_creation_cut_anywhere_ends_with_one_machine),
		cmocka_unit_test(a_start_cut_anywhere_ends_with_one_running),
		cmocka_unit_test(a_deletion_cut_anywhere_ends_with_none),
		cmocka_unit_test(an_undoing_cut_anywhere_ends_with_none),
		cmocka_unit_test(queued_tasks_keep_their_turn_over_a_crash),
		cmocka_unit_test(a_commit_whose_outcome_was_open_happens_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

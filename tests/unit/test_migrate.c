#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/migrate/migrate.h"
#include "tests/lib/move_bed.h"

#define V(x) DROVER__ORDER__VERB_##x
#define S(x) DROVER__GUEST_STATE__GUEST_##x

static const json *
result_of(const struct lab *l)
{
	return inv_task(l->inv, l->task)->result;
}

static void
a_running_machine_moves(void **state)
{
	struct bed b = bed_new(2, true);
	uint64_t gen = inv_vm(b.l->inv, b.vm)->run_gen;

	assert_int_equal(bed_move(&b), 0);
	assert_string_equal(bed_check_end(&b, "move"), "moved");
	const struct vm *vm = inv_vm(b.l->inv, b.vm);
	assert_int_equal(vm->run_gen, gen + 1);
	assert_int_equal(agent_fake_starts(b.l->agent[b.to], obj_id_number(b.vm)), 0);
	const json *r = result_of(b.l);
	assert_non_null(r);
	assert_int_equal(json_int_value(json_get(r, "total_ms")), 1234);
	assert_int_equal(json_int_value(json_get(r, "downtime_ms")), 12);
	assert_int_equal(json_int_value(json_get(r, "outage_ms")), 31);
	assert_int_equal(json_int_value(json_get(r, "rounds")), 3);
	assert_true(json_bool_value(json_get(r, "live")));
	assert_int_equal(lab_events(b.l, "VmMigratedEvent"), 1);
	assert_int_equal(lab_events(b.l, "VmUnknownOnHostEvent"), 0);
	const json *ev;
	AUTO_FREE char *want =
	    xasprintf("web moved from h%u to h%u in 1.2 s, 31 ms without answer",
		b.from + 1, b.to + 1);
	for (size_t i = 0; (ev = event_recent(b.l->inv, i)); i++) {
		if (str_same(
			json_str_value(json_get(ev, "type"), NULL), "VmMigratedEvent"))
			assert_string_equal(
			    json_str_value(json_get(ev, "message"), NULL), want);
	}
	lab_free(b.l);
}

static void
a_machine_moves_there_and_back(void **state)
{
	struct bed b = bed_new(2, true);

	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(bed_move(&b), 0);
		assert_string_equal(bed_check_end(&b, "move"), "moved");
		unsigned to = b.from;
		b.from = b.to;
		b.to = to;
	}
	lab_free(b.l);
}

static void
the_best_host_of_a_cluster_is_chosen(void **state)
{
	struct bed b = bed_new(3, true);

	agent_fake_cut(b.l->agent[b.to]);
	lab_advance(b.l, 30000);
	assert_int_equal(lab_do(b.l, "vm.migrate", b.vm, "{'cluster':'cluster-1'}"), 0);
	obj_id host = inv_vm(b.l->inv, b.vm)->host;
	assert_false(obj_id_is(host, b.l->host[b.from]));
	assert_false(obj_id_is(host, b.l->host[b.to]));
	assert_true(obj_id_is(inv_task(b.l->inv, b.l->task)->to_host, host));
	lab_free(b.l);
}

static void
what_cannot_move_is_told_at_once(void **state)
{
	struct bed b = bed_new(2, true);
	unsigned to = b.to;

	b.to = b.from;
	assert_int_equal(bed_move(&b), ERR_INVALID);
	assert_non_null(strstr(b.l->msg, "\"web\" is on host"));
	assert_int_equal(lab_do(b.l, "vm.migrate", b.vm, "{}"), ERR_INVALID);
	b.to = to;
	agent_fake_cut(b.l->agent[to]);
	lab_advance(b.l, 30000);
	assert_int_equal(bed_move(&b), ERR_BAD_STATE);
	assert_non_null(strstr(b.l->msg, "is not_responding"));
	assert_non_null(strstr(b.l->msg, "does not reach datastore \"shared\""));
	assert_int_equal(inv_vm(b.l->inv, b.vm)->run_gen, 1);
	lab_free(b.l);
}

static void
an_obstacle_of_the_source_ends_it(void **state)
{
	struct bed b = bed_new(2, true);

	agent_fake_obstruct(b.l->agent[b.from], "disk-1 is a medium of this host");
	assert_int_equal(bed_move(&b), ERR_BAD_STATE);
	assert_string_equal(lab_task_error(b.l), "disk-1 is a medium of this host");
	assert_string_equal(bed_check_end(&b, "obstacle"), "stayed");
	assert_int_equal(lab_events(b.l, "VmFailedMigrateEvent"), 1);
	assert_int_equal(inv_vm(b.l->inv, b.vm)->run_gen, 1);
	lab_free(b.l);
}

static void
submit(struct bed *b)
{
	AUTO_FREE char *args = bed_to_host(b);

	lab_submit(b->l, "vm.migrate", b->vm, args);
	lab_settle(b->l);
	assert_int_equal(b->l->rc, 0);
}

static int
cancel(struct bed *b)
{
	static const struct caller admin = { .name = "admin",
		.role = ROLE_ADMINISTRATOR };
	struct err e = ERR_INIT;

	return op_cancel(b->l->ops, b->l->task, &admin, &e);
}

static const char *
waiting_for(const struct bed *b)
{
	const char *what = inv_task(b->l->inv, b->l->task)->waiting_for;

	return what ? what : "";
}

static void
a_cancel_while_it_copies_leaves_it_at_its_source(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake *source = b.l->agent[b.from];

	/* The source has the order to leave, and has not begun. */
	struct agent_fake_trap t = { .verb = V(GUEST_OFFER),
		.when = FAKE_AFTER,
		.harm = FAKE_WIRE_BREAKS,
		.victim = source };
	agent_fake_set_trap(source, &t);
	submit(&b);
	agent_fake_heal(source);
	assert_int_equal(lab_wait(b.l, b.l->task), ERR_LOST);

	agent_fake_hold(b.l->agent[b.to]);
	submit(&b);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "prepare");
	agent_fake_hold(source);
	agent_fake_release(b.l->agent[b.to]);
	lab_settle(b.l);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "copy");
	assert_int_equal(cancel(&b), 0);
	lab_settle(b.l);
	agent_fake_release(source);
	assert_int_equal(lab_wait(b.l, b.l->task), ERR_CANCELLED);
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "cancel"), "stayed");
	lab_free(b.l);
}

static void
a_cancel_that_comes_too_late_is_refused(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake *target = b.l->agent[b.to];

	agent_fake_hold(b.l->agent[b.from]);
	submit(&b);
	agent_fake_release(b.l->agent[b.from]);
	struct agent_fake_trap t = { .verb = V(GUEST_ARRIVED),
		.when = FAKE_BEFORE,
		.harm = FAKE_LINK_BREAKS,
		.victim = target };
	agent_fake_set_trap(target, &t);
	lab_settle(b.l);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "switch");
	assert_string_equal(
	    waiting_for(&b), b.to ? "waiting for h2 to say whether it has web"
				  : "waiting for h1 to say whether it has web");
	assert_int_equal(cancel(&b), ERR_BAD_STATE);

	/* However long it takes: nobody guesses. */
	lab_advance(b.l, 120000);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "switch");
	lab_dial(b.l);
	assert_int_equal(lab_wait(b.l, b.l->task), 0);
	assert_string_equal(waiting_for(&b), "");
	assert_string_equal(bed_check_end(&b, "late cancel"), "moved");
	lab_free(b.l);
}

static struct agent_fake_trap
when_given(const struct bed *b, enum agent_fake_harm harm)
{
	return (struct agent_fake_trap){ .verb = V(GUEST_LEAVE),
		.when = FAKE_AFTER,
		.harm = harm,
		.victim = b->l->agent[b->from] };
}

static void
a_cancel_of_what_is_there_already_settles_it_there(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake_trap t = when_given(&b, FAKE_LINK_BREAKS);

	agent_fake_set_trap(b.l->agent[b.from], &t);
	submit(&b);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "copy");
	assert_int_equal(cancel(&b), 0);
	lab_dial(b.l);
	assert_int_equal(lab_wait(b.l, b.l->task), 0);
	assert_string_equal(bed_check_end(&b, "cancel of what is there"), "moved");
	lab_free(b.l);
}

static void
a_cancel_right_after_a_restart_asks_the_target_too(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake_trap t = when_given(&b, FAKE_TELL);

	agent_fake_set_trap(b.l->agent[b.from], &t);
	submit(&b);
	lab_crash(b.l);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "copy");
	assert_true(
	    obj_id_is(inv_task(b.l->inv, b.l->task)->to_host, b.l->host[b.to]));
	assert_int_equal(cancel(&b), 0);
	lab_dial(b.l);
	assert_int_equal(lab_wait(b.l, b.l->task), 0);
	assert_string_equal(bed_check_end(&b, "cancel after a restart"), "moved");
	lab_free(b.l);
}

static void
what_did_not_come_whole_runs_on_at_its_source(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake_trap t = { .verb = V(GUEST_LEAVE),
		.when = FAKE_BEFORE,
		.harm = FAKE_TEAR,
		.victim = b.l->agent[b.from] };

	agent_fake_set_trap(b.l->agent[b.from], &t);
	assert_int_equal(bed_move(&b), ERR_LOST);
	assert_non_null(strstr(lab_task_error(b.l), "did not come whole"));
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "torn"), "stayed");

	/* Its death afterwards is news, though its generation is not the newest. */
	agent_fake_happen(b.l->agent[b.from], obj_id_number(b.vm), S(FAILED), "died",
	    "killed by SIGKILL");
	lab_settle(b.l);
	assert_int_equal(lab_power(b.l, b.vm), POWER_OFF);
	assert_int_equal(lab_events(b.l, "VmDiedEvent"), 1);
	lab_free(b.l);
}

/* A source sees its stream break; the reason is with the target. */
static void
the_targets_reason_reaches_the_task(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake *target = b.l->agent[b.to];
	struct agent_fake_trap t = { .verb = V(GUEST_OFFER),
		.when = FAKE_AFTER,
		.harm = FAKE_WIRE_BREAKS,
		.victim = b.l->agent[b.from] };

	agent_fake_set_trap(b.l->agent[b.from], &t);
	agent_fake_obstruct(target, "disk-0: no room in datastore ds-2");
	assert_int_equal(bed_move(&b), ERR_LOST);
	assert_non_null(
	    strstr(lab_task_error(b.l), ": disk-0: no room in datastore ds-2 ("));
	assert_non_null(
	    strstr(lab_task_error(b.l), inv_name(b.l->inv, b.l->host[b.to])));
	agent_fake_heal(b.l->agent[b.from]);
	agent_fake_fail_next(target, ERR_NO_CAPACITY, "no room in datastore ds-2");
	assert_int_equal(bed_move(&b), ERR_NO_CAPACITY);
	assert_string_equal(lab_task_error(b.l), "host h2: no room in datastore ds-2");
	lab_free(b.l);
}

/* A source that is away when its target says no is told when it is back. */
static void
a_source_that_was_away_takes_it_back_later(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake *source = b.l->agent[b.from], *target = b.l->agent[b.to];
	struct agent_fake_trap tear = { .verb = V(GUEST_LEAVE),
		.when = FAKE_BEFORE,
		.harm = FAKE_TEAR,
		.victim = source };
	struct agent_fake_trap cut = { .verb = V(GUEST_ARRIVED),
		.when = FAKE_BEFORE,
		.harm = FAKE_LINK_BREAKS,
		.victim = target };

	agent_fake_set_trap(source, &tear);
	agent_fake_set_trap(target, &cut);
	submit(&b);
	assert_int_equal(agent_fake_state(source, obj_id_number(b.vm)), S(GIVEN));
	agent_fake_cut(source);
	lab_advance(b.l, 30000);
	agent_fake_dial(target, b.l->hosts);
	assert_int_equal(lab_wait(b.l, b.l->task), ERR_LOST);
	assert_int_equal(agent_fake_state(source, obj_id_number(b.vm)), S(GIVEN));
	agent_fake_heal(source);
	lab_dial(b.l);
	lab_advance(b.l, 1000);
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "away"), "stayed");
	lab_free(b.l);
}

static void
an_answer_that_says_nothing_is_asked_again(void **state)
{
	struct bed b = bed_new(2, true);
	struct agent_fake *source = b.l->agent[b.from], *target = b.l->agent[b.to];
	struct agent_fake_trap t = { .verb = V(GUEST_LEAVE),
		.when = FAKE_BEFORE,
		.harm = FAKE_WIRE_BREAKS,
		.victim = source };

	agent_fake_hold(target);
	submit(&b);
	agent_fake_hold(source);
	agent_fake_release(target);
	lab_settle(b.l);
	agent_fake_set_trap(source, &t);
	agent_fake_fail_next(target, ERR_IO, "the book cannot be written");
	agent_fake_release(source);
	lab_settle(b.l);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "switch");
	lab_advance(b.l, 4000);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "switch");
	assert_int_equal(lab_wait(b.l, b.l->task), ERR_LOST);
	assert_non_null(strstr(lab_task_error(b.l), "takes no connection"));
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "asked again"), "stayed");
	lab_free(b.l);
}

/* Another one that runs where the bed's does. */
static obj_id
machine_beside(struct bed *b, unsigned number)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'m%u','template':'template-1','power_on':true,"
		      "'host':'%s','memory_mb':64}",
		number, obj_id_text(b->l->host[b->from], id));

	assert_int_equal(lab_do(b->l, "vm.create", OBJ_ID_NONE, args), 0);
	return b->l->object;
}

static void
what_waited_is_looked_at_again(void **state)
{
	struct bed b = bed_new(2, true);
	obj_id vms[5], tasks[5];

	vms[0] = b.vm;
	for (unsigned i = 1; i < 5; i++)
		vms[i] = machine_beside(&b, i);
	agent_fake_hold(b.l->agent[b.from]);
	for (unsigned i = 0; i < 5; i++) {
		b.vm = vms[i];
		submit(&b);
		tasks[i] = b.l->task;
	}
	assert_string_equal(inv_task(b.l->inv, tasks[4])->step, "wait");
	agent_fake_cut(b.l->agent[b.to]);
	lab_advance(b.l, 30000);
	agent_fake_release(b.l->agent[b.from]);
	assert_int_equal(lab_wait(b.l, tasks[4]), ERR_BAD_STATE);
	b.l->task = tasks[4];
	assert_non_null(strstr(lab_task_error(b.l), "is not_responding"));
	lab_dial(b.l);
	for (unsigned i = 0; i < 4; i++)
		(void)lab_wait(b.l, tasks[i]);
	assert_int_equal(tasks_live(b.l->tasks), 0);
	lab_free(b.l);
}

/* A new server's first look comes before its hosts have said what they reach. */
static void
what_was_accepted_moves_though_the_server_dies(void **state)
{
	bool answered = false;

	for (unsigned turns = 1; !answered || turns < 12; turns++) {
		struct bed b = bed_new(2, true);
		AUTO_FREE char *args = bed_to_host(&b);

		lab_submit(b.l, "vm.migrate", b.vm, args);
		for (unsigned i = 0; i < turns; i++)
			loop_turn(b.l->loop, 0);
		answered = b.l->answered;
		obj_id task = b.l->task;
		lab_crash(b.l);
		lab_settle(b.l);
		lab_dial(b.l);
		if (answered) {
			assert_int_equal(lab_wait(b.l, task), 0);
			assert_string_equal(bed_check_end(&b, "move"), "moved");
		}
		assert_in_range(turns, 1, 1000);
		lab_free(b.l);
	}
}

static void
whose_turn_comes_before_the_hosts_are_back(void **state)
{
	struct bed b = bed_new(2, true);
	obj_id vms[5], tasks[5];

	vms[0] = b.vm;
	for (unsigned i = 1; i < 5; i++)
		vms[i] = machine_beside(&b, i);
	agent_fake_hold(b.l->agent[b.from]);
	for (unsigned i = 0; i < 5; i++) {
		b.vm = vms[i];
		submit(&b);
		tasks[i] = b.l->task;
	}
	assert_string_equal(inv_task(b.l->inv, tasks[4])->step, "wait");
	lab_crash(b.l);
	lab_settle(b.l);
	/* Those whose turn it was end, and nobody has linked yet. */
	for (unsigned i = 0; i < 4; i++) {
		struct err e = ERR_INIT;

		assert_int_equal(task_cancel(b.l->tasks, tasks[i], "admin", &e), 0);
	}
	lab_settle(b.l);
	agent_fake_release(b.l->agent[b.from]);
	lab_dial(b.l);
	assert_int_equal(lab_wait(b.l, tasks[4]), 0);
	lab_free(b.l);
}

static void
moves_take_their_turn(void **state)
{
	struct bed b = bed_new(2, true);
	obj_id tasks[7];
	unsigned running = 0, waiting = 0;

	/* All from one host: of them four go at once. */
	for (unsigned i = 0; i < 6; i++)
		(void)machine_beside(&b, i);
	agent_fake_hold(b.l->agent[b.from]);
	unsigned n = 0;
	INV_EACH(b.l->inv, KIND_VM, o)
	{
		b.vm = o->id;
		submit(&b);
		tasks[n++] = b.l->task;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct task *row = inv_task(b.l->inv, tasks[i]);
		running += str_same(row->step, "offer");
		waiting += row->waiting_for &&
			   strstr(row->waiting_for, "waiting for other transfers");
		assert_int_equal(str_same(row->step, "offer"), i < 4);
	}
	assert_int_equal(running, 4);
	assert_int_equal(waiting, 3);
	agent_fake_release(b.l->agent[b.from]);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(lab_wait(b.l, tasks[i]), 0);
	assert_int_equal(agent_fake_running(b.l->agent[b.to]), 7);
	lab_free(b.l);
}

static void
set_host(json *body, obj_id host)
{
	char id[OBJ_ID_TEXT];

	json_set_str(body, "host", obj_id_text(host, id));
}

static void
a_check_names_every_reason(void **state)
{
	struct bed b = bed_new(3, true);
	const struct mig_env env = { b.l->inv, b.l->hosts, b.l->advice, OBJ_ID_NONE };
	AUTO(json) json *body = json_new_object();
	AUTO(json) json *all = NULL;
	AUTO(json) json *one = NULL;
	struct err e = ERR_INIT;

	agent_fake_cut(b.l->agent[b.to]);
	lab_advance(b.l, 30000);
	assert_int_equal(migrate_check_request(&env, b.vm, body, &all, &e), 0);
	assert_int_equal(json_count(json_get(all, "items")), 2);
	set_host(body, b.l->host[b.to]);
	assert_int_equal(migrate_check_request(&env, b.vm, body, &one, &e), 0);
	assert_false(json_bool_value(json_get(one, "possible")));
	assert_int_equal(json_count(json_get(one, "obstacles")), 2);
	set_host(body, obj_id_make(KIND_HOST, 99));
	AUTO(json) json *none = NULL;
	assert_int_equal(
	    migrate_check_request(&env, b.vm, body, &none, &e), ERR_NOT_FOUND);
	lab_free(b.l);
}

static void
a_machine_that_is_off_moves_by_its_book(void **state)
{
	struct bed b = bed_new(2, false);

	assert_int_equal(bed_move(&b), 0);
	assert_string_equal(bed_check_end(&b, "cold"), "off, moved");
	assert_true(obj_id_is(inv_vm(b.l->inv, b.vm)->host, b.l->host[b.to]));
	assert_int_equal(lab_do(b.l, "vm.start", b.vm, NULL), 0);
	assert_int_equal(agent_fake_running(b.l->agent[b.to]), 1);

	assert_int_equal(lab_do(b.l, "vm.suspend", b.vm, NULL), 0);
	b.to = b.from;
	assert_int_equal(bed_move(&b), ERR_BAD_STATE);
	assert_non_null(strstr(b.l->msg, "is suspended"));
	lab_free(b.l);
}

static void
expect_disk(const struct bed *b, obj_id store, bool has_base)
{
	const struct vm *vm = inv_vm(b->l->inv, b->vm);
	const json *d = json_at(vm->disks, 0);
	char id[OBJ_ID_TEXT];

	assert_string_equal(
	    json_str_value(json_get(d, "datastore"), NULL), obj_id_text(store, id));
	assert_int_equal(json_get(d, "backing") != NULL, has_base);
	assert_int_equal(vm->datastores.n, 1);
	assert_true(obj_id_is(vm->datastores.v[0], store));
}

static void
disks_move_while_the_machine_stays(void **state)
{
	struct bed b = bed_new(2, true);
	obj_id fast = bed_local_store(&b, b.from, "fast");

	assert_int_equal(bed_move_disks(&b, fast), 0);
	assert_string_equal(bed_check_end(&b, "disks"), "stayed");
	expect_disk(&b, fast, false);
	assert_int_equal(bed_move_disks(&b, fast), ERR_INVALID);
	assert_int_equal(bed_move(&b), ERR_BAD_STATE);
	assert_non_null(strstr(b.l->msg, "does not reach datastore \"fast\""));
	lab_free(b.l);
}

static void
a_machine_follows_its_disks_to_where_they_are_reached(void **state)
{
	struct bed b = bed_new(2, true);
	obj_id there = bed_local_store(&b, b.to, "there");

	assert_int_equal(bed_move_disks(&b, there), 0);
	assert_string_equal(bed_check_end(&b, "combined"), "moved");
	expect_disk(&b, there, false);
	lab_free(b.l);
}

static void
what_is_off_is_sent_with_its_checksums(void **state)
{
	struct bed b = bed_new(2, false);
	obj_id here = bed_local_store(&b, b.from, "here");
	obj_id there = bed_local_store(&b, b.to, "there");

	/* Linked to a template that is not there: nobody can flatten it on the way. */
	assert_int_equal(bed_move_disks(&b, here), 0);
	expect_disk(&b, here, false);
	assert_int_equal(bed_move_disks(&b, there), 0);
	assert_string_equal(bed_check_end(&b, "sent"), "off, moved");
	expect_disk(&b, there, false);
	const json *sums = json_get(result_of(b.l), "checksums");
	assert_non_null(sums);
	assert_int_equal(json_count(sums), 1);
	assert_true(obj_id_is(inv_vm(b.l->inv, b.vm)->host, b.l->host[b.to]));
	lab_free(b.l);
}

/* What the last release to a host said stays. */
static char kept[200];

static void
note_release(const Drover__Order *o, void *arg)
{
	const Drover__GuestRelease *r = o->guest_release;

	if (o->verb_case != DROVER__ORDER__VERB_GUEST_RELEASE)
		return;
	assert_int_equal(r->n_kept_disks, 1);
	snprintf(kept, sizeof(kept), "%llu/%s",
	    (unsigned long long)r->kept_disks[0]->datastore, r->kept_disks[0]->path);
}

/* It still has the images that went elsewhere, and is told which are in use. */
static void
a_source_that_was_away_is_told_what_stays(void **state)
{
	struct bed b = bed_new(2, false);
	struct agent_fake *source = b.l->agent[b.from];
	obj_id here = bed_local_store(&b, b.from, "here");
	obj_id there = bed_local_store(&b, b.to, "there");
	struct agent_fake_trap cut = { .verb = V(GUEST_RELEASE),
		.when = FAKE_BEFORE,
		.harm = FAKE_LINK_BREAKS,
		.victim = source };

	assert_int_equal(bed_move_disks(&b, here), 0);
	agent_fake_set_trap(source, &cut);
	assert_int_equal(bed_move_disks(&b, there), 0);
	agent_fake_watch(source, note_release, NULL);
	lab_dial(b.l);
	lab_advance(b.l, 1000);
	bed_report(b.l);
	lab_settle(b.l);
	AUTO_FREE char *want = xasprintf(
	    "%llu/vms/vm-1/disk-0.qcow2", (unsigned long long)obj_id_number(there));
	assert_string_equal(kept, want);
	lab_free(b.l);
}

static void
a_cold_move_that_fails_changes_nothing(void **state)
{
	struct bed b = bed_new(2, false);
	obj_id here = bed_local_store(&b, b.from, "here");
	obj_id there = bed_local_store(&b, b.to, "there");

	agent_fake_fail_next(b.l->agent[b.to], ERR_IO, "the disk is full");
	assert_int_equal(bed_move(&b), ERR_IO);
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "cold"), "off, stayed");

	assert_int_equal(bed_move_disks(&b, here), 0);
	agent_fake_fail_next(b.l->agent[b.to], ERR_NO_CAPACITY, "no room");
	assert_int_equal(bed_move_disks(&b, there), ERR_NO_CAPACITY);
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "sent"), "off, stayed");
	expect_disk(&b, here, false);
	lab_free(b.l);
}

static void
images_that_cannot_be_sent_are_given_up(void **state)
{
	struct bed b = bed_new(2, false);
	char id[OBJ_ID_TEXT];

	assert_int_equal(bed_move_disks(&b, bed_local_store(&b, b.from, "here")), 0);
	obj_id there = bed_local_store(&b, b.to, "there");
	AUTO_FREE char *args = xasprintf("{'datastore':'%s'}", obj_id_text(there, id));
	agent_fake_hold(b.l->agent[b.from]);
	lab_submit(b.l, "vm.migrate", b.vm, args);
	lab_settle(b.l);
	assert_string_equal(inv_task(b.l->inv, b.l->task)->step, "send");
	agent_fake_cut(b.l->agent[b.from]);
	assert_int_equal(lab_wait(b.l, b.l->task), ERR_BAD_STATE);
	agent_fake_release(b.l->agent[b.from]);
	lab_dial(b.l);
	bed_report(b.l);
	assert_string_equal(bed_check_end(&b, "given up"), "off, stayed");
	lab_free(b.l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_machine_moves),
		cmocka_unit_test(a_machine_moves_there_and_back),
		cmocka_unit_test(the_best_host_of_a_cluster_is_chosen),
		cmocka_unit_test(what_cannot_move_is_told_at_once),
		cmocka_unit_test(an_obstacle_of_the_source_ends_it),
		cmocka_unit_test(a_cancel_while_it_copies_leaves_it_at_its_source),
		cmocka_unit_test(a_cancel_that_comes_too_late_is_refused),
		cmocka_unit_test(a_cancel_of_what_is_there_already_settles_it_there),
		cmocka_unit_test(a_cancel_right_after_a_restart_asks_the_target_too),
		cmocka_unit_test(what_did_not_come_whole_runs_on_at_its_source),
		cmocka_unit_test(the_targets_reason_reaches_the_task),
		cmocka_unit_test(a_source_that_was_away_takes_it_back_later),
		cmocka_unit_test(an_answer_that_says_nothing_is_asked_again),
		cmocka_unit_test(moves_take_their_turn),
		cmocka_unit_test(what_waited_is_looked_at_again),
		cmocka_unit_test(what_was_accepted_moves_though_the_server_dies),
		cmocka_unit_test(whose_turn_comes_before_the_hosts_are_back),
		cmocka_unit_test(a_check_names_every_reason),
		cmocka_unit_test(a_machine_that_is_off_moves_by_its_book),
		cmocka_unit_test(disks_move_while_the_machine_stays),
		cmocka_unit_test(a_machine_follows_its_disks_to_where_they_are_reached),
		cmocka_unit_test(what_is_off_is_sent_with_its_checksums),
		cmocka_unit_test(a_source_that_was_away_is_told_what_stays),
		cmocka_unit_test(a_cold_move_that_fails_changes_nothing),
		cmocka_unit_test(images_that_cannot_be_sent_are_given_up),
	};
	log_set_level(LOG_LEVEL_ERR);
	ops_register(migrate_defs);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

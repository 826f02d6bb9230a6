/* Hosts that go into standby and are woken, in a cluster of played hosts. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/drs/drs.h"
#include "server/inventory/inv_drs.h"
#include "server/migrate/migrate.h"
#include "server/ops/power_hook.h"
#include "tests/lib/lab.h"

#define ROUND_MS  UINT64_C(10000)
#define REAL_MS   20000u /* that a hook may take, of the real clock */
#define TURN_MS   10u
#define HOOKS     "'dpm_wake':['true','{host}'],'dpm_standby':['true','{host}']"
#define SLEEPLESS "'dpm_wake':['true'],'dpm_standby':['sh','-c','echo no >&2; exit 3']"

static const struct caller admin = { .name = "admin", .role = ROLE_ADMINISTRATOR };

struct play {
	struct lab *l;
	struct drs *d;
	obj_id vm;
};

static struct play
play_new(const char *settings)
{
	struct play p = { .l = lab_new(3, 8192) };
	AUTO_FREE char *args = xasprintf("{'drs_enabled':true,%s}", settings);

	lab_meet(p.l);
	p.vm = lab_vm(p.l, "a", true);
	assert_int_equal(lab_op(p.l, "cluster.update", p.l->cluster, args), 0);
	const struct drs_opts o = {
		.inv = p.l->inv,
		.hosts = p.l->hosts,
		.tasks = p.l->tasks,
		.ops = p.l->ops,
		.interval_ms = ROUND_MS,
	};

	p.d = drs_new(&o);
	return p;
}

static void
play_end(struct play *p)
{
	drs_free(p->d);
	lab_free(p->l);
}

static unsigned
number_of(const struct play *p, obj_id host)
{
	unsigned i = 0;

	while (!obj_id_is(p->l->host[i], host))
		i++;
	return i;
}

static obj_id
home(const struct play *p)
{
	return inv_vm(p->l->inv, p->vm)->host;
}

static enum standby_state
standby_of(const struct play *p, obj_id host)
{
	return inv_host(p->l->inv, host)->standby;
}

static const struct rec *
find_rec(const struct play *p, enum rec_action action)
{
	INV_EACH(p->l->inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(p->l->inv, o->id);
		if (r && r->action == action && r->state != REC_STALE)
			return r;
	}
	return NULL;
}

static struct rec
need_rec(const struct play *p, enum rec_action action)
{
	const struct rec *r = find_rec(p, action);

	assert_non_null(r);
	return r ? *r : (struct rec){ 0 };
}

/* Hooks are real processes, and what comes before them takes its time, too. */
static void
await_step(struct play *p, obj_id task, const char *step)
{
	const uint64_t deadline_ms = clock_mono_ms(clock_system()) + REAL_MS;

	while (clock_mono_ms(clock_system()) < deadline_ms) {
		const struct task *t = inv_task(p->l->inv, task);
		if (t && (t->state == TASK_ERROR || t->state == TASK_SUCCESS ||
			     str_same(t->step, step)))
			return;
		loop_turn(p->l->loop, TURN_MS);
		clock_advance(p->l->clock, 1);
	}
	fail_msg("the task does not come to step %s", step);
}

/* As its power goes. */
static void
put_to_sleep(struct play *p, obj_id host, obj_id task)
{
	await_step(p, task, "gone");
	agent_fake_die(p->l->agent[number_of(p, host)]);
	assert_int_equal(lab_wait(p->l, task), 0);
}

static obj_id
begin(struct play *p, const char *op, obj_id host)
{
	assert_int_equal(lab_op(p->l, op, host, NULL), 0);
	return p->l->task;
}

static void
test_a_host_is_emptied_sleeps_and_wakes(void **state)
{
	struct play p = play_new(HOOKS);
	obj_id host = home(&p), task = begin(&p, "host.standby", host);

	put_to_sleep(&p, host, task);
	assert_int_equal(standby_of(&p, host), STANDBY_IN);
	assert_false(obj_id_is(home(&p), host));
	assert_int_equal(lab_power(p.l, p.vm), POWER_ON);
	assert_int_equal(lab_events(p.l, "EnteredStandbyModeEvent"), 1);
	assert_int_equal(lab_events(p.l, "HostConnectionLostEvent"), 0);
	assert_int_equal(lab_op(p.l, "host.standby", host, NULL), ERR_BAD_STATE);
	task = begin(&p, "host.wake", host);
	await_step(&p, task, "up");
	assert_int_equal(standby_of(&p, host), STANDBY_WAKING);
	lab_dial(p.l);
	assert_int_equal(lab_wait(p.l, task), 0);
	assert_int_equal(standby_of(&p, host), STANDBY_NONE);
	assert_int_equal(lab_op(p.l, "host.wake", host, NULL), ERR_BAD_STATE);
	play_end(&p);
}

static void
test_one_that_is_switched_on_by_hand_is_back(void **state)
{
	struct play p = play_new(HOOKS);
	obj_id host = home(&p);

	put_to_sleep(&p, host, begin(&p, "host.standby", host));
	lab_dial(p.l);
	lab_advance(p.l, ROUND_MS);
	assert_int_equal(standby_of(&p, host), STANDBY_NONE);
	assert_int_equal(lab_events(p.l, "ExitedStandbyModeEvent"), 1);
	play_end(&p);
}

static void
test_a_hook_that_fails_is_quoted(void **state)
{
	struct play p = play_new(SLEEPLESS);
	obj_id host = home(&p), task = begin(&p, "host.standby", host);

	await_step(&p, task, "gone");
	assert_int_equal(lab_wait(p.l, task), ERR_IO);
	assert_non_null(strstr(lab_task_error(p.l), "exited with 3: no"));
	assert_int_equal(standby_of(&p, host), STANDBY_NONE);
	assert_int_equal(lab_events(p.l, "EnterStandbyModeFailedEvent"), 1);
	play_end(&p);
}

static void
expect_refusal(struct play *p, const char *op, obj_id host, const char *why)
{
	assert_int_not_equal(lab_op(p->l, op, host, NULL), 0);
	if (!strstr(p->l->msg, why))
		fail_msg("\"%s\" is not in: %s", why, p->l->msg);
}

static void
test_refusals_say_why(void **state)
{
	struct play p = play_new("'dpm_wake':['true']");
	obj_id host = home(&p);

	expect_refusal(&p, "host.standby", host, "has no standby hook");
	expect_refusal(&p, "host.wake", host, "is not in standby");
	assert_int_equal(lab_op(p.l, "cluster.update", p.l->cluster,
			     "{'dpm_automation':'automatic'}"),
	    ERR_INVALID);
	assert_int_equal(
	    lab_op(p.l, "cluster.update", p.l->cluster, "{'dpm_standby':['../sh']}"),
	    ERR_INVALID);
	assert_int_equal(lab_op(p.l, "cluster.update", p.l->cluster, "{" HOOKS "}"), 0);
	assert_int_equal(
	    lab_op(p.l, "vm.update", p.vm, "{'drs_automation':'disabled'}"), 0);
	expect_refusal(&p, "host.standby", host, "\"a\" cannot leave: DRS is disabled");
	for (unsigned i = 0; i < 3; i++) {
		if (!obj_id_is(p.l->host[i], host))
			agent_fake_cut(p.l->agent[i]);
	}
	lab_advance(p.l, 60000);
	expect_refusal(&p, "host.standby", host, "is the last one of its cluster");
	play_end(&p);
}

static struct op_result last;

static void
on_applied(const struct op_result *r, void *arg)
{
	last = *r;
}

static void
test_idle_hosts_are_recommended(void **state)
{
	struct play p = play_new("'dpm_automation':'manual'," HOOKS);

	lab_advance(p.l, 3 * ROUND_MS);
	assert_null(find_rec(&p, REC_STANDBY));
	lab_advance(p.l, 4 * ROUND_MS);
	const struct rec r = need_rec(&p, REC_STANDBY);
	assert_int_equal(r.state, REC_PENDING);
	assert_string_equal(r.reason, "powerSaving");
	assert_false(obj_id_is(r.from, home(&p)));
	obj_id host = r.from;

	drs_apply(p.d, r.o.id, &admin, on_applied, NULL);
	lab_settle(p.l);
	assert_int_equal(last.rc, 0);
	put_to_sleep(&p, host, last.task);
	assert_int_equal(standby_of(&p, host), STANDBY_IN);
	play_end(&p);
}

/* As a report would have it, on hosts that it fills. */
static void
load(struct play *p)
{
	struct vm *row = inv_note_begin(p->l->inv, p->vm);

	row->cpu_usage_mhz = 1900;
	row->memory_usage_mb = 128;
	inv_note_end(p->l->inv, p->vm);
	for (unsigned i = 0; i < p->l->n_hosts; i++) {
		struct txn *t = txn_new(p->l->inv);
		struct host *h = txn_edit(t, p->l->host[i]);
		h->cpu_cores = 1;
		h->cpu_total_mhz = 2000;
		txn_commit_wake(t, WAKE_NONE);
	}
	lab_settle(p->l);
}

static void
test_what_is_needed_wakes(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic'," HOOKS);
	unsigned asleep = (number_of(&p, home(&p)) + 1) % 3;
	obj_id host = p.l->host[asleep];

	put_to_sleep(&p, host, begin(&p, "host.standby", host));
	load(&p);
	lab_advance(p.l, 6 * ROUND_MS);
	const struct rec r = need_rec(&p, REC_WAKE);
	assert_int_equal(r.state, REC_APPLIED);
	assert_true(obj_id_is(r.to, host));
	await_step(&p, r.task, "up");
	lab_dial(p.l);
	assert_int_equal(lab_wait(p.l, r.task), 0);
	assert_int_equal(standby_of(&p, host), STANDBY_NONE);
	play_end(&p);
}

/* The one that wakes a host, once it has begun. */
static obj_id
waking_task(struct play *p, obj_id host)
{
	const uint64_t deadline_ms = clock_mono_ms(clock_system()) + REAL_MS;

	while (clock_mono_ms(clock_system()) < deadline_ms) {
		INV_EACH(p->l->inv, KIND_TASK, o)
		{
			const struct task *t = inv_task(p->l->inv, o->id);
			if (str_same(t->op, "host.wake") && obj_id_is(t->entity, host))
				return o->id;
		}
		loop_turn(p->l->loop, TURN_MS);
		clock_advance(p->l->clock, 1);
	}
	fail_msg("nobody wakes host \"%s\"", inv_name(p->l->inv, host));
	return OBJ_ID_NONE;
}

static void
let_wake(struct play *p, obj_id host)
{
	await_step(p, waking_task(p, host), "up");
	lab_dial(p->l);
}

static obj_id
sleeper(struct play *p, obj_id host)
{
	put_to_sleep(p, host, begin(p, "host.standby", host));
	return host;
}

/* A machine that is off on a host which then sleeps. */
static obj_id
left_behind(struct play *p)
{
	obj_id off = lab_vm(p->l, "off", false);

	sleeper(p, inv_vm(p->l->inv, off)->host);
	return off;
}

static void
test_a_start_wakes_its_host(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic'," HOOKS);
	obj_id off = left_behind(&p), host = inv_vm(p.l->inv, off)->host;
	obj_id start = begin(&p, "vm.start", off);

	let_wake(&p, host);
	assert_int_equal(lab_wait(p.l, start), 0);
	assert_int_equal(lab_power(p.l, off), POWER_ON);
	assert_int_equal(standby_of(&p, host), STANDBY_NONE);
	play_end(&p);
}

/* A machine of so much memory; the code of its task. */
static int
create(struct play *p, const char *name, unsigned memory_mb)
{
	AUTO_FREE char *args = xasprintf("{'name':'%s','template':'template-1',"
					 "'power_on':true,'memory_mb':%u}",
	    name, memory_mb);

	return lab_do(p->l, "vm.create", OBJ_ID_NONE, args);
}

static void
expect_error(const struct play *p, const char *why)
{
	if (!strstr(lab_task_error(p->l), why))
		fail_msg("\"%s\" is not in: %s", why, lab_task_error(p->l));
}

static void
test_nobody_wakes_where_that_is_not_wanted(void **state)
{
	struct play p = play_new("'dpm_automation':'manual'," HOOKS);
	obj_id off = left_behind(&p);

	expect_refusal(&p, "vm.start", off, "of \"off\" is in standby");
	assert_int_equal(create(&p, "big-1", 6000), 0);
	assert_int_equal(create(&p, "big-2", 6000), 0);
	assert_int_equal(create(&p, "big-3", 6000), ERR_NO_CAPACITY);
	expect_error(&p, "would take it, but is in standby and not woken by itself");
	play_end(&p);
}

static void
test_a_new_machine_wakes_a_host(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic'," HOOKS);
	obj_id host = sleeper(&p, p.l->host[(number_of(&p, home(&p)) + 1) % 3]);

	assert_int_equal(create(&p, "big-0", 6000), 0);
	assert_int_equal(create(&p, "big-1", 6000), 0);
	assert_int_equal(standby_of(&p, host), STANDBY_IN);
	assert_int_equal(lab_op(p.l, "vm.create", OBJ_ID_NONE,
			     "{'name':'big-2','template':'template-1',"
			     "'power_on':true,'memory_mb':6000}"),
	    0);
	obj_id task = p.l->task, vm = p.l->object;
	let_wake(&p, host);
	assert_int_equal(lab_wait(p.l, task), 0);
	assert_true(obj_id_is(inv_vm(p.l->inv, vm)->host, host));
	assert_int_equal(lab_power(p.l, vm), POWER_ON);
	play_end(&p);
}

static void
test_what_no_host_in_standby_would_take(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic'," HOOKS);
	obj_id host = sleeper(&p, p.l->host[(number_of(&p, home(&p)) + 1) % 3]);

	assert_int_equal(create(&p, "huge", 9000), ERR_NO_CAPACITY);
	expect_error(&p, "is in standby and would not take it, either");
	assert_int_equal(standby_of(&p, host), STANDBY_IN);
	play_end(&p);
}

static void
test_a_host_that_does_not_wake_is_told(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic','dpm_standby':['true'],"
				 "'dpm_wake':['sh','-c','echo no bmc >&2; exit 1']");
	obj_id off = left_behind(&p), host = inv_vm(p.l->inv, off)->host;
	obj_id start = begin(&p, "vm.start", off);

	await_step(&p, waking_task(&p, host), "up");
	assert_int_equal(lab_wait(p.l, start), ERR_NO_CAPACITY);
	expect_error(&p, "did not wake: ");
	expect_error(&p, "no bmc");
	assert_int_equal(lab_power(p.l, off), POWER_OFF);
	play_end(&p);
}

/* Its pool refuses it: no host would change that. */
static void
test_no_host_wakes_for_a_pool(void **state)
{
	struct play p = play_new("'dpm_automation':'automatic'," HOOKS);
	obj_id vm = lab_vm(p.l, "b", false), asleep;
	char id[OBJ_ID_TEXT];

	asleep = p.l->host[(number_of(&p, inv_vm(p.l->inv, vm)->host) + 1) % 3];
	sleeper(&p, asleep);
	AUTO_FREE char *pool =
	    xasprintf("{'name':'dev','parent':'%s','cpu_expandable':false}",
		obj_id_text(p.l->cluster, id));
	assert_int_equal(lab_op(p.l, "pool.create", OBJ_ID_NONE, pool), 0);
	AUTO_FREE char *args = xasprintf(
	    "{'pool':'%s','cpu_reservation_mhz':100}", obj_id_text(p.l->object, id));
	assert_int_equal(lab_do(p.l, "vm.update", vm, args), 0);
	expect_refusal(&p, "vm.start", vm, "pool \"dev\" lacks 100 MHz");
	assert_int_equal(standby_of(&p, asleep), STANDBY_IN);
	play_end(&p);
}

static void
test_hooks_are_checked(void **state)
{
	static const struct {
		const char *hook;
		bool is_fine;
	} cases[] = {
		{ "[]", true },
		{ "[\"ipmi\", \"{address}\", \"{host}-bmc\", \"{uuid}\"]", true },
		{ "[\"/bin/sh\"]", false },
		{ "[\"..\"]", false },
		{ "[\"\"]", false },
		{ "[\"ipmi\", \"{name}\"]", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(json) json *hook = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(
		    json_parse(cases[i].hook, strlen(cases[i].hook), "hook", &hook, &e),
		    0);
		assert_int_equal(
		    !power_hook_check(hook, "dpm_wake", &e), cases[i].is_fine);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_host_is_emptied_sleeps_and_wakes),
		cmocka_unit_test(test_one_that_is_switched_on_by_hand_is_back),
		cmocka_unit_test(test_a_hook_that_fails_is_quoted),
		cmocka_unit_test(test_refusals_say_why),
		cmocka_unit_test(test_idle_hosts_are_recommended),
		cmocka_unit_test(test_what_is_needed_wakes),
		cmocka_unit_test(test_a_start_wakes_its_host),
		cmocka_unit_test(test_nobody_wakes_where_that_is_not_wanted),
		cmocka_unit_test(test_a_new_machine_wakes_a_host),
		cmocka_unit_test(test_what_no_host_in_standby_would_take),
		cmocka_unit_test(test_a_host_that_does_not_wake_is_told),
		cmocka_unit_test(test_no_host_wakes_for_a_pool),
		cmocka_unit_test(test_hooks_are_checked),
	};

	ops_register(migrate_defs);
	drs_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

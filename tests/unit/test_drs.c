/* Rules, rounds and maintenance in a cluster of played hosts. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/drs/drs.h"
#include "server/inventory/inv_drs.h"
#include "server/migrate/migrate.h"
#include "tests/lib/move_bed.h"

#define ROUND_MS 10000u

struct play {
	struct lab *l;
	struct drs *d;
	obj_id a, b;
};

static obj_id
host_of(const struct play *p, obj_id vm)
{
	return inv_vm(p->l->inv, vm)->host;
}

/* As a report would have it. */
static void
use(struct play *p, obj_id vm, uint32_t mhz)
{
	struct vm *row = inv_note_begin(p->l->inv, vm);

	row->cpu_usage_mhz = mhz;
	row->memory_usage_mb = 128;
	inv_note_end(p->l->inv, vm);
}

static int
op_on(struct play *p, const char *op, obj_id entity, const char *fmt, obj_id id)
{
	char text[OBJ_ID_TEXT];
	AUTO_FREE char *args = fmt ? xstrdup(fmt) : NULL;
	char *hole = args ? strchr(args, '%') : NULL;

	if (hole) {
		*hole = '\0';
		char *all = xasprintf("%s%s%s", args, obj_id_text(id, text), hole + 1);
		free(args);
		args = all;
	}
	return lab_do(p->l, op, entity, args);
}

static void
drs_begin(struct play *p)
{
	const struct drs_opts o = {
		.inv = p->l->inv,
		.hosts = p->l->hosts,
		.tasks = p->l->tasks,
		.ops = p->l->ops,
		.interval_ms = ROUND_MS,
	};

	p->d = drs_new(&o);
}

/* Two guests that run on one host of three. */
static struct play
play_new(const char *level)
{
	struct play p = { .l = lab_new(3, 8192) };
	AUTO_FREE char *args =
	    xasprintf("{'drs_enabled':true,'drs_automation_level':'%s'}", level);

	lab_meet(p.l);
	p.a = lab_vm(p.l, "a", true);
	p.b = lab_vm(p.l, "b", true);
	if (!obj_id_is(host_of(&p, p.a), host_of(&p, p.b)))
		assert_int_equal(
		    op_on(&p, "vm.migrate", p.b, "{'host':'%'}", host_of(&p, p.a)), 0);
	assert_true(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	assert_int_equal(lab_op(p.l, "cluster.update", p.l->cluster, args), 0);
	drs_begin(&p);
	return p;
}

static void
play_end(struct play *p)
{
	drs_free(p->d);
	lab_free(p->l);
}

static void
load_both(struct play *p)
{
	use(p, p->a, 900);
	use(p, p->b, 900);
	/* Guests with one CPU of 2000 MHz on hosts with eight: make them count. */
	for (unsigned i = 0; i < p->l->n_hosts; i++) {
		struct txn *t = txn_new(p->l->inv);
		struct host *h = txn_edit(t, p->l->host[i]);
		h->cpu_cores = 1;
		h->cpu_total_mhz = 2000;
		txn_commit_wake(t, WAKE_NONE);
	}
	lab_settle(p->l);
}

static const struct rec *
only_rec(const struct play *p)
{
	const struct obj *o = inv_next(p->l->inv, KIND_REC, OBJ_ID_NONE);

	assert_non_null(o);
	assert_int_equal(inv_count(p->l->inv, KIND_REC), 1);
	return inv_rec(p->l->inv, o->id);
}

static void
test_fully_automated_moves_one_in_two_rounds(void **state)
{
	struct play p = play_new("fully_automated");

	load_both(&p);
	lab_advance(p.l, ROUND_MS);
	assert_true(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	lab_advance(p.l, ROUND_MS);
	assert_false(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	const struct rec *r = only_rec(&p);
	assert_int_equal(r->state, REC_APPLIED);
	assert_int_equal(inv_task(p.l->inv, r->task)->state, TASK_SUCCESS);
	/* It is even now, and stays as it is. */
	lab_advance(p.l, 5 * ROUND_MS);
	assert_int_equal(inv_count(p.l->inv, KIND_REC), 1);
	play_end(&p);
}

struct answer {
	int rc;
	char msg[240];
};

static void
on_applied(const struct op_result *r, void *arg)
{
	struct answer *a = arg;

	a->rc = r->rc;
	strcpy(a->msg, r->err.msg);
}

static void
test_manual_only_recommends(void **state)
{
	static const struct caller admin = { .name = "admin",
		.role = ROLE_ADMINISTRATOR };
	struct play p = play_new("manual");
	struct answer a = { .rc = 1 };

	load_both(&p);
	lab_advance(p.l, 3 * ROUND_MS);
	assert_int_equal(only_rec(&p)->state, REC_PENDING);
	obj_id id = only_rec(&p)->o.id;
	drs_apply(p.d, id, &admin, on_applied, &a);
	lab_advance(p.l, ROUND_MS / 2);
	assert_int_equal(a.rc, 0);
	assert_int_equal(only_rec(&p)->state, REC_APPLIED);
	assert_false(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	drs_apply(p.d, id, &admin, on_applied, &a);
	assert_int_equal(a.rc, ERR_BAD_STATE);
	assert_string_equal(a.msg, "the recommendation is applied");
	play_end(&p);
}

static void
test_dismissed_does_not_come_back(void **state)
{
	struct play p = play_new("manual");

	load_both(&p);
	lab_advance(p.l, 3 * ROUND_MS);
	assert_int_equal(op_on(&p, "rec.dismiss", only_rec(&p)->o.id, NULL, p.a), 0);
	lab_advance(p.l, 3 * ROUND_MS);
	assert_int_equal(only_rec(&p)->state, REC_DISMISSED);
	play_end(&p);
}

static void
test_what_gains_nothing_any_more_is_stale(void **state)
{
	struct play p = play_new("manual");

	load_both(&p);
	lab_advance(p.l, 3 * ROUND_MS);
	use(&p, p.a, 0);
	use(&p, p.b, 0);
	lab_advance(p.l, 10 * ROUND_MS);
	assert_int_equal(only_rec(&p)->state, REC_STALE);
	play_end(&p);
}

static void
test_disabled_guests_stay(void **state)
{
	struct play p = play_new("fully_automated");

	load_both(&p);
	assert_int_equal(
	    op_on(&p, "vm.update", p.a, "{'drs_automation':'disabled'}", p.a), 0);
	assert_int_equal(
	    op_on(&p, "vm.update", p.b, "{'drs_automation':'disabled'}", p.a), 0);
	lab_advance(p.l, 4 * ROUND_MS);
	assert_int_equal(inv_count(p.l->inv, KIND_REC), 0);
	play_end(&p);
}

/* What a simulation finds, kept for the test. */
static void
on_simulated(void *arg, int rc, const struct err *e, const json *plan)
{
	*(json **)arg = rc ? NULL : json_dup(plan);
}

static json *
simulate(struct play *p)
{
	json *plan = NULL;

	drs_go(p->d, p->l->cluster, DRS_SIMULATED, on_simulated, &plan);
	lab_settle(p->l);
	assert_non_null(plan);
	return plan;
}

static const json *
first_input(const json *plan, const char *group, const char *key)
{
	const json *first = json_at(json_get(plan, "items"), 0);

	return json_get(json_get(json_get(first, "inputs"), group), key);
}

static void
test_figures_that_are_hours_old(void **state)
{
	struct play p = play_new("manual");

	load_both(&p);
	lab_advance(p.l, 2 * ROUND_MS);
	AUTO(json) json *fresh = simulate(&p);
	assert_true(json_bool_value(first_input(fresh, "guest", "measured")));
	struct host *h = inv_note_begin(p.l->inv, host_of(&p, p.a));
	h->last_seen = clock_wall_ms(p.l->clock) - 3 * 3600000;
	inv_note_end(p.l->inv, host_of(&p, p.a));
	AUTO(json) json *old = simulate(&p);
	assert_false(json_bool_value(first_input(old, "guest", "measured")));
	/* One CPU of 2000 MHz each. */
	assert_true(json_number(first_input(old, "guest", "cpu_mhz")) == 2000);
	assert_non_null(strstr(
	    json_str_value(json_get(json_at(json_get(old, "items"), 0), "text"), NULL),
	    "no figures, or only old ones"));
	play_end(&p);
}

/* Did its guest go back within an hour? */
static bool
comes_back(const struct inv *inv, const struct rec *there)
{
	INV_EACH(inv, KIND_REC, o)
	{
		const struct rec *back = inv_rec(inv, o->id);
		if (o->id.v > there->o.id.v && obj_id_is(back->vm, there->vm) &&
		    obj_id_is(back->to, there->from) &&
		    o->created_ms < there->o.created_ms + 3600000)
			return true;
	}
	return false;
}

/* Six hours of four guests of which two are busy, another two every ten minutes. */
static void
test_load_that_goes_to_and_fro(void **state)
{
	struct play p = play_new("fully_automated");
	obj_id vms[] = { p.a, p.b, lab_vm(p.l, "c", true), lab_vm(p.l, "d", true) };

	load_both(&p);
	assert_int_equal(
	    lab_op(p.l, "cluster.update", p.l->cluster, "{'drs_threshold':5}"), 0);
	for (unsigned i = 0; i < 36; i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(vms); k++)
			use(&p, vms[k], k == 0 || k == 1 + i % 3 ? 1200 : 100);
		lab_advance(p.l, 600000);
	}
	assert_true(inv_count(p.l->inv, KIND_REC) > 4);
	INV_EACH(p.l->inv, KIND_REC, o)
	{
		assert_false(comes_back(p.l->inv, inv_rec(p.l->inv, o->id)));
	}
	play_end(&p);
}

static unsigned
other_than(const struct play *p, obj_id host)
{
	unsigned i = 0;

	while (obj_id_is(p->l->host[i], host))
		i++;
	return i;
}

static void
test_a_host_that_comes_and_goes_gets_nobody(void **state)
{
	struct play p = play_new("manual");
	unsigned i = other_than(&p, host_of(&p, p.a));

	load_both(&p);
	for (unsigned n = 0; n < 3; n++) {
		agent_fake_cut(p.l->agent[i]);
		lab_advance(p.l, 60000);
		lab_dial(p.l);
		lab_advance(p.l, 1000);
	}
	AUTO(json) json *plan = simulate(&p);
	const json *move = json_at(json_get(plan, "items"), 0);
	char id[OBJ_ID_TEXT];
	assert_string_not_equal(json_str_value(json_get(move, "to_host"), NULL),
	    obj_id_text(p.l->host[i], id));
	AUTO_FREE char *text = json_text(move);
	assert_non_null(strstr(text, "comes and goes"));
	play_end(&p);
}

#define ALL_ON                                                      \
	"{'name':'all','cluster':'cluster-1','type':'must_run_on'," \
	"'vms':['vm-1','vm-2','vm-3','vm-4','vm-5','vm-6'],'hosts':['%']}"

static void
test_a_host_that_vanishes_amid_a_plan(void **state)
{
	static const char *const more[] = { "c", "d", "e", "f" };
	struct play p = play_new("fully_automated");
	obj_id from = host_of(&p, p.a);
	unsigned to = other_than(&p, from), source = 0, ended = 0;

	while (!obj_id_is(p.l->host[source], from))
		source++;
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		obj_id vm = lab_vm(p.l, more[i], true);
		if (!obj_id_is(host_of(&p, vm), from))
			assert_int_equal(
			    op_on(&p, "vm.migrate", vm, "{'host':'%'}", from), 0);
	}
	agent_fake_hold(p.l->agent[source]);
	AUTO_FREE char *id = xstrdup(ALL_ON);
	char *hole = strchr(id, '%'), text[OBJ_ID_TEXT];
	*hole = '\0';
	AUTO_FREE char *args =
	    xasprintf("%s%s%s", id, obj_id_text(p.l->host[to], text), hole + 1);
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, args), 0);
	lab_advance(p.l, ROUND_MS / 2);
	agent_fake_die(p.l->agent[to]);
	agent_fake_release(p.l->agent[source]);
	lab_advance(p.l, 6 * ROUND_MS);
	INV_EACH(p.l->inv, KIND_REC, o)
	{
		const struct rec *r = inv_rec(p.l->inv, o->id);
		ended += r->note && strstr(r->note, "another move of its plan");
		assert_true(r->state == REC_STALE || r->state == REC_FAILED);
	}
	/* Four of six had begun; the fifth finds the host gone, and that ends the plan.
	 */
	assert_int_equal(ended, 1);
	INV_EACH(p.l->inv, KIND_VM, o)
	{
		assert_true(obj_id_is(host_of(&p, o->id), from));
	}
	play_end(&p);
}

static void
begin_anew(struct play *p)
{
	drs_free(p->d);
	drs_begin(p);
}

/* As its task tells in the end. */
static void
tell_of_move(struct play *p, obj_id vm, uint64_t dirty_bytes_per_s)
{
	struct txn *t = txn_new(p->l->inv);
	struct err e = ERR_INIT;
	void *obj;

	assert_int_equal(txn_add(t, KIND_TASK, OBJ_ID_NONE, "Migrate", &obj, &e), 0);
	struct task *task = obj;
	task->op = xstrdup("vm.migrate");
	task->entity = vm;
	task->state = TASK_SUCCESS;
	task->result = json_new_object();
	json_set_u64(task->result, "dirty_bytes_per_s", dirty_bytes_per_s);
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(p->l);
}

static void
test_the_last_move_tells_how_it_writes(void **state)
{
	struct play p = play_new("manual");

	load_both(&p);
	AUTO(json) json *before = simulate(&p);
	assert_string_equal(
	    json_str_value(first_input(before, "guest", "dirty_from"), NULL),
	    "cpu use");
	tell_of_move(&p, p.a, 5 << 20);
	tell_of_move(&p, p.b, 5 << 20);
	AUTO(json) json *after = simulate(&p);
	assert_string_equal(
	    json_str_value(first_input(after, "guest", "dirty_from"), NULL),
	    "last move");
	assert_true(json_number(first_input(after, "guest", "dirty_mb_s")) == 5);
	play_end(&p);
}

static void
test_rules_that_are_broken_and_kept_again(void **state)
{
	struct play p = play_new("manual");
	char args[160], id[OBJ_ID_TEXT];

	snprintf(args, sizeof(args),
	    "{'name':'off','cluster':'cluster-1','type':'should_not_run_on',"
	    "'vms':['vm-1'],'hosts':['%s']}",
	    obj_id_text(host_of(&p, p.a), id));
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, args), 0);
	lab_advance(p.l, 4 * ROUND_MS);
	assert_int_equal(lab_events(p.l, "DrsSoftRuleViolationEvent"), 1);
	assert_int_equal(lab_events(p.l, "DrsRuleComplianceEvent"), 0);
	unsigned to = other_than(&p, host_of(&p, p.a));
	assert_int_equal(
	    op_on(&p, "vm.migrate", p.a, "{'host':'%'}", p.l->host[to]), 0);
	lab_advance(p.l, 2 * ROUND_MS);
	assert_int_equal(lab_events(p.l, "DrsRuleComplianceEvent"), 1);
	assert_int_equal(lab_events(p.l, "DrsSoftRuleViolationEvent"), 1);
	play_end(&p);
}

static void
test_a_guest_does_not_go_back_at_once(void **state)
{
	struct play p = play_new("fully_automated");
	obj_id was = host_of(&p, p.a);

	load_both(&p);
	lab_advance(p.l, 2 * ROUND_MS);
	bool a_went = !obj_id_is(host_of(&p, p.a), was);
	obj_id went = a_went ? p.a : p.b, stayed = a_went ? p.b : p.a;
	/* Also where another server has taken over. */
	begin_anew(&p);
	/* Only the one that went may move, and two hosts are as good for it. */
	assert_int_equal(
	    op_on(&p, "vm.update", stayed, "{'drs_automation':'disabled'}", was), 0);
	obj_id to = host_of(&p, went);
	assert_int_equal(op_on(&p, "vm.migrate", stayed, "{'host':'%'}", to), 0);
	lab_advance(p.l, 1200000);
	assert_false(obj_id_is(host_of(&p, went), to));
	assert_false(obj_id_is(host_of(&p, went), was));
	play_end(&p);
}

static void
test_a_guests_own_level_counts_first(void **state)
{
	struct play p = play_new("fully_automated");

	load_both(&p);
	assert_int_equal(
	    op_on(&p, "vm.update", p.a, "{'drs_automation':'manual'}", p.a), 0);
	assert_int_equal(
	    op_on(&p, "vm.update", p.b, "{'drs_automation':'disabled'}", p.a), 0);
	lab_advance(p.l, 4 * ROUND_MS);
	assert_int_equal(only_rec(&p)->state, REC_PENDING);
	assert_true(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	/* As the cluster's again, and it goes. */
	assert_int_equal(
	    op_on(&p, "vm.update", p.a, "{'drs_automation':'cluster'}", p.a), 0);
	lab_advance(p.l, 4 * ROUND_MS);
	assert_false(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	play_end(&p);
}

#define APART "{'name':'ha','cluster':'cluster-1','type':'apart','vms':['vm-1','vm-2']}"

static void
test_rule_is_mended_at_once(void **state)
{
	struct play p = play_new("fully_automated");

	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, APART), 0);
	lab_advance(p.l, ROUND_MS / 2);
	assert_false(obj_id_is(host_of(&p, p.a), host_of(&p, p.b)));
	assert_string_equal(only_rec(&p)->reason, "antiAffin");
	/* And nobody may undo it. */
	assert_int_equal(op_on(&p, "vm.migrate", p.b, "{'host':'%'}", host_of(&p, p.a)),
	    ERR_NO_CAPACITY);
	assert_non_null(strstr(p.l->msg, "rule \"ha\" keeps it apart from \"a\""));
	play_end(&p);
}

static void
refused(struct play *p, const char *args, const char *why)
{
	int rc = lab_op(p->l, "rule.create", OBJ_ID_NONE, args);

	if (!rc || !strstr(p->l->msg, why))
		fail_msg("%s: %s, not \"%s\"", args, p->l->msg, why);
}

static void
test_rules_that_make_no_sense(void **state)
{
	struct play p = play_new("manual");

	refused(&p, "{'name':'x','cluster':'cluster-1','type':'apart','vms':['vm-1']}",
	    "at least two");
	refused(&p,
	    "{'name':'x','cluster':'cluster-1','type':'apart','vms':['vm-1','vm-9']}",
	    "there is no vm-9");
	refused(&p,
	    "{'name':'x','cluster':'cluster-1','type':'apart','vms':['vm-1','vm-1']}",
	    "has vm-1 twice");
	refused(&p,
	    "{'name':'x','cluster':'cluster-1','type':'must_run_on','vms':['vm-1']}",
	    "at least one");
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, APART), 0);
	refused(&p,
	    "{'name':'x','cluster':'cluster-1','type':'together',"
	    "'vms':['vm-1','vm-2']}",
	    "contradicts rule \"ha\"");
	play_end(&p);
}

static void
test_the_older_of_two_host_rules_wins(void **state)
{
	struct play p = play_new("manual");

	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE,
			     "{'name':'old','cluster':'cluster-1','type':'must_run_on',"
			     "'vms':['vm-1'],'hosts':['host-1']}"),
	    0);
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE,
			     "{'name':'new','cluster':'cluster-1',"
			     "'type':'must_not_run_on','vms':['vm-1'],"
			     "'hosts':['host-1']}"),
	    0);
	obj_id id = p.l->object;
	const struct rule *r = inv_rule(p.l->inv, id);
	assert_false(r->enabled);
	assert_string_equal(r->conflict,
	    "rule \"old\" is older, and with both no host is left for \"a\"");
	assert_int_equal(lab_events(p.l, "DrsRuleConflictEvent"), 1);
	assert_int_equal(
	    lab_op(p.l, "rule.update", id, "{'enabled':true}"), ERR_BAD_STATE);
	/* Its members go, and it with them. */
	assert_int_equal(lab_do(p.l, "vm.stop", p.a, "{'mode':'kill'}"), 0);
	assert_int_equal(lab_do(p.l, "vm.delete", p.a, NULL), 0);
	assert_int_equal(inv_count(p.l->inv, KIND_RULE), 0);
	play_end(&p);
}

#define GUESTS "{'name':'web','cluster':'cluster-1','vms':['vm-1']}"
#define HOSTS  "{'name':'rack','cluster':'cluster-1','hosts':['host-1','host-2']}"
#define HELD                                                                              \
	"{'name':'held','cluster':'cluster-1','type':'must_run_on','vm_group':'group-1'," \
	"'host_group':'group-2'}"

static void
test_rules_follow_their_groups(void **state)
{
	struct play p = play_new("manual");

	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, GUESTS), 0);
	obj_id web = p.l->object;
	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, HOSTS), 0);
	obj_id rack = p.l->object;
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, HELD), 0);
	obj_id held = p.l->object;
	assert_int_equal(inv_rule(p.l->inv, held)->vms.n, 1);
	assert_int_equal(inv_rule(p.l->inv, held)->hosts.n, 2);
	assert_int_equal(
	    lab_op(p.l, "group.update", web, "{'add':['vm-2','vm-1']}"), 0);
	assert_int_equal(inv_rule(p.l->inv, held)->vms.n, 2);
	assert_int_equal(op_on(&p, "vm.migrate", p.b, "{'host':'%'}", p.l->host[2]),
	    ERR_NO_CAPACITY);
	assert_int_equal(lab_op(p.l, "group.update", web, "{'remove':['vm-2']}"), 0);
	assert_int_equal(op_on(&p, "vm.migrate", p.b, "{'host':'%'}", p.l->host[2]), 0);
	assert_int_equal(lab_op(p.l, "group.delete", rack, NULL), ERR_BAD_STATE);
	assert_string_equal(
	    p.l->msg, "rule \"held\" names group \"rack\": remove that first");
	/* Its last member goes: the rule stays, and says nothing. */
	assert_int_equal(lab_do(p.l, "vm.stop", p.a, "{'mode':'kill'}"), 0);
	assert_int_equal(lab_do(p.l, "vm.delete", p.a, NULL), 0);
	assert_int_equal(inv_drs_group(p.l->inv, web)->members.n, 0);
	assert_int_equal(inv_rule(p.l->inv, held)->vms.n, 0);
	assert_int_equal(lab_op(p.l, "rule.delete", held, NULL), 0);
	assert_int_equal(lab_op(p.l, "group.delete", rack, NULL), 0);
	play_end(&p);
}

static void
test_who_leaves_the_cluster_leaves_its_groups(void **state)
{
	struct play p = play_new("manual");
	struct err e = ERR_INIT;

	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, GUESTS), 0);
	obj_id web = p.l->object;
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, APART), 0);
	assert_int_equal(lab_op(p.l, "cluster.create", OBJ_ID_NONE,
			     "{'name':'other','datacenter':'dc-1'}"),
	    0);
	obj_id other = p.l->object, to = p.l->host[other_than(&p, host_of(&p, p.a))];
	struct txn *t = txn_new(p.l->inv);
	assert_int_equal(txn_rename(t, to, other, inv_name(p.l->inv, to), &e), 0);
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(p.l);
	assert_int_equal(op_on(&p, "vm.migrate", p.a, "{'host':'%'}", to), 0);
	assert_int_equal(inv_drs_group(p.l->inv, web)->members.n, 0);
	assert_int_equal(inv_count(p.l->inv, KIND_RULE), 0);
	play_end(&p);
}

static void
test_a_group_that_brings_a_contradiction(void **state)
{
	struct play p = play_new("manual");

	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE,
			     "{'name':'old','cluster':'cluster-1','type':'must_run_on',"
			     "'vms':['vm-2'],'hosts':['host-3']}"),
	    0);
	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, GUESTS), 0);
	obj_id web = p.l->object;
	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, HOSTS), 0);
	assert_int_equal(lab_op(p.l, "rule.create", OBJ_ID_NONE, HELD), 0);
	obj_id held = p.l->object;
	assert_true(inv_rule(p.l->inv, held)->enabled);
	assert_int_equal(lab_op(p.l, "group.update", web, "{'add':['vm-2']}"), 0);
	assert_false(inv_rule(p.l->inv, held)->enabled);
	assert_string_equal(inv_rule(p.l->inv, held)->conflict,
	    "rule \"old\" is older, and with both no host is left for \"b\"");
	assert_int_equal(lab_events(p.l, "DrsRuleConflictEvent"), 1);
	play_end(&p);
}

static void
test_groups_that_make_no_sense(void **state)
{
	static const struct {
		const char *op, *args, *why;
	} bad[] = {
		{ "group.create", "{'name':'x','cluster':'cluster-1'}",
		    "either vms or" },
		{ "group.create", "{'name':'x','cluster':'cluster-1','vms':['vm-9']}",
		    "there is no vm-9" },
		{ "rule.create",
		    "{'name':'x','cluster':'cluster-1','type':'apart',"
		    "'vm_group':'group-1'}",
		    "has no place in a rule of type apart" },
		{ "rule.create",
		    "{'name':'x','cluster':'cluster-1','type':'must_run_on',"
		    "'vm_group':'group-2','host_group':'group-2'}",
		    "\"rack\" is a group of hosts" },
		{ "rule.create",
		    "{'name':'x','cluster':'cluster-1','type':'must_run_on',"
		    "'vms':['vm-1'],'vm_group':'group-1','hosts':['host-1']}",
		    "together with vms" },
		{ "rule.create",
		    "{'name':'x','cluster':'cluster-1','type':'must_run_on',"
		    "'vm_group':'group-9','hosts':['host-1']}",
		    "there is no group-9" },
	};
	struct play p = play_new("manual");

	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, GUESTS), 0);
	obj_id web = p.l->object;
	assert_int_equal(lab_op(p.l, "group.create", OBJ_ID_NONE, HOSTS), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		int rc = lab_op(p.l, bad[i].op, OBJ_ID_NONE, bad[i].args);
		if (!rc || !strstr(p.l->msg, bad[i].why))
			fail_msg("%s: %s", bad[i].args, p.l->msg);
	}
	assert_int_equal(
	    lab_op(p.l, "group.update", web, "{'add':['host-1']}"), ERR_INVALID);
	assert_string_equal(
	    p.l->msg, "group \"web\" is one of vms, and \"h1\" is none");
	play_end(&p);
}

static void
test_maintenance_empties_a_host(void **state)
{
	struct play p = play_new("manual");
	obj_id host = host_of(&p, p.a);

	AUTO(json)
	json *plan = drs_maintenance_plan(p.l->inv, p.l->hosts, p.l->tasks, host);
	assert_int_equal(json_count(json_get(plan, "items")), 2);
	assert_int_equal(json_count(json_get(plan, "blockers")), 0);
	assert_int_equal(lab_do(p.l, "host.maintenance", host, NULL), 0);
	assert_int_equal(inv_host(p.l->inv, host)->maintenance, MAINT_IN);
	assert_false(obj_id_is(host_of(&p, p.a), host));
	assert_false(obj_id_is(host_of(&p, p.b), host));
	assert_int_equal(lab_power(p.l, p.a), POWER_ON);
	/* Nothing gets on it, and nothing comes back by itself. */
	assert_int_not_equal(op_on(&p, "vm.migrate", p.a, "{'host':'%'}", host), 0);
	assert_int_equal(lab_op(p.l, "host.maintenance", host, NULL), ERR_BAD_STATE);
	assert_int_equal(lab_op(p.l, "host.maintenance_leave", host, NULL), 0);
	lab_advance(p.l, 3 * ROUND_MS);
	assert_false(obj_id_is(host_of(&p, p.a), host));
	play_end(&p);
}

static void
test_guests_that_are_off_stay_unless_asked(void **state)
{
	struct play p = play_new("manual");
	obj_id host = host_of(&p, p.a);

	assert_int_equal(lab_do(p.l, "vm.stop", p.b, "{'mode':'kill'}"), 0);
	assert_int_equal(lab_do(p.l, "host.maintenance", host, NULL), 0);
	assert_true(obj_id_is(host_of(&p, p.b), host));
	assert_int_equal(lab_op(p.l, "vm.start", p.b, NULL), ERR_BAD_STATE);
	assert_non_null(strstr(p.l->msg, "is in maintenance"));
	assert_int_equal(lab_op(p.l, "host.maintenance_leave", host, NULL), 0);
	assert_int_equal(lab_do(p.l, "host.maintenance", host, "{'evacuate':true}"), 0);
	assert_false(obj_id_is(host_of(&p, p.b), host));
	play_end(&p);
}

static void
test_blockers_are_named(void **state)
{
	struct play p = play_new("manual");
	obj_id host = host_of(&p, p.a);

	assert_int_equal(
	    op_on(&p, "vm.update", p.a, "{'drs_automation':'disabled'}", p.a), 0);
	assert_int_equal(lab_op(p.l, "host.maintenance", host, NULL), ERR_BAD_STATE);
	assert_string_equal(p.l->msg, "\"a\" cannot leave: DRS is disabled for it");
	assert_int_equal(inv_host(p.l->inv, host)->maintenance, MAINT_NONE);
	play_end(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fully_automated_moves_one_in_two_rounds),
		cmocka_unit_test(test_manual_only_recommends),
		cmocka_unit_test(test_dismissed_does_not_come_back),
		cmocka_unit_test(test_what_gains_nothing_any_more_is_stale),
		cmocka_unit_test(test_disabled_guests_stay),
		cmocka_unit_test(test_a_guests_own_level_counts_first),
		cmocka_unit_test(test_figures_that_are_hours_old),
		cmocka_unit_test(test_a_host_that_comes_and_goes_gets_nobody),
		cmocka_unit_test(test_a_host_that_vanishes_amid_a_plan),
		cmocka_unit_test(test_load_that_goes_to_and_fro),
		cmocka_unit_test(test_the_last_move_tells_how_it_writes),
		cmocka_unit_test(test_rules_that_are_broken_and_kept_again),
		cmocka_unit_test(test_a_guest_does_not_go_back_at_once),
		cmocka_unit_test(test_rule_is_mended_at_once),
		cmocka_unit_test(test_rules_that_make_no_sense),
		cmocka_unit_test(test_the_older_of_two_host_rules_wins),
		cmocka_unit_test(test_rules_follow_their_groups),
		cmocka_unit_test(test_who_leaves_the_cluster_leaves_its_groups),
		cmocka_unit_test(test_a_group_that_brings_a_contradiction),
		cmocka_unit_test(test_groups_that_make_no_sense),
		cmocka_unit_test(test_maintenance_empties_a_host),
		cmocka_unit_test(test_guests_that_are_off_stay_unless_asked),
		cmocka_unit_test(test_blockers_are_named),
	};
	ops_register(migrate_defs);
	drs_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What outlives a server: the demand of the last day; and who sees that a host
 * flaps, or is busy.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/drs/drs.h"
#include "server/drs/drs_demand.h"
#include "server/drs/drs_past.h"
#include "server/migrate/migrate.h"
#include "tests/lib/lab.h"

#define ROUND_MS 10000u
#define HOUR_MS  UINT64_C(3600000)
#define DAY_MS   (24 * HOUR_MS)

struct seen {
	unsigned n;
	uint64_t vm, mhz;
};

static void
see(void *arg, obj_id vm, uint32_t mhz)
{
	struct seen *s = arg;

	s->n++;
	s->vm = obj_id_number(vm);
	s->mhz = mhz;
}

static void
test_rows_are_read_as_far_as_they_make_sense(void **state)
{
	static const struct {
		const char *row;
		unsigned n;
		uint64_t vm, mhz; /* the last */
	} cases[] = {
		{ "", 0, 0, 0 },
		{ "7:1200", 1, 7, 1200 },
		{ "7:1200 12:90", 2, 12, 90 },
		{ "7:1200 12", 1, 7, 1200 },
		{ "7:1200 twelve:9", 1, 7, 1200 },
		{ "7:99999999999", 0, 0, 0 },
		{ ":5", 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct seen s = { 0 };

		drs_demand_read(cases[i].row, see, &s);
		assert_int_equal(s.n, cases[i].n);
		assert_int_equal(s.vm, cases[i].vm);
		assert_int_equal(s.mhz, cases[i].mhz);
	}
}

static struct drs *
drs_begin(struct lab *l)
{
	const struct drs_opts o = {
		.inv = l->inv,
		.hosts = l->hosts,
		.tasks = l->tasks,
		.ops = l->ops,
		.interval_ms = ROUND_MS,
	};

	return drs_new(&o);
}

static void
on_plan(void *arg, int rc, const struct err *e, const json *plan)
{
	*(json **)arg = json_dup(plan);
}

static json *
simulate(struct lab *l, struct drs *d)
{
	json *plan = NULL;

	drs_go(d, l->cluster, DRS_SIMULATED, on_plan, &plan);
	lab_settle(l);
	assert_non_null(plan);
	return plan;
}

static void
on_recalled(void *arg)
{
	*(bool *)arg = true;
}

/* As a report would have it. */
static void
use(struct lab *l, obj_id vm, uint32_t mhz)
{
	struct vm *row = inv_note_begin(l->inv, vm);

	row->cpu_usage_mhz = mhz;
	row->memory_usage_mb = 128;
	inv_note_end(l->inv, vm);
}

static void
test_demand_is_stored_each_quarter_of_an_hour(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct drs *d = drs_begin(l);

	use(l, lab_vm(l, "a", true), 900);
	lab_advance(l, HOUR_MS);
	assert_in_range(db_fake_ran(l->db, STMT_DEMAND_PUT), 3, 4);
	assert_int_equal(
	    db_fake_ran(l->db, STMT_DEMAND_PRUNE), db_fake_ran(l->db, STMT_DEMAND_PUT));
	drs_free(d);
	lab_free(l);
}

/* Two guests that want little now, and wanted much at this time yesterday. */
static void
test_another_server_expects_what_came_yesterday(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", true), b = lab_vm(l, "b", true);
	char quarter[24], row[64];
	const char *values[] = { quarter, row };
	struct drs *d = drs_begin(l);
	bool recalled = false;

	snprintf(quarter, sizeof(quarter), "%llu",
	    (unsigned long long)((clock_wall_ms(l->clock) - DAY_MS) / DRS_SLOT_MS));
	snprintf(row, sizeof(row), "%llu:1700 %llu:1700 999:5",
	    (unsigned long long)obj_id_number(a), (unsigned long long)obj_id_number(b));
	db_fake_answer(l->db, STMT_DEMAND_LOAD_ALL, 2, 1, values);
	drs_recall(d, on_recalled, &recalled);
	lab_settle(l);
	assert_true(recalled);
	use(l, a, 100);
	use(l, b, 100);
	lab_advance(l, ROUND_MS);
	AUTO(json) json *plan = NULL;
	lab_meet(l);
	assert_int_equal(lab_op(l, "rule.create", OBJ_ID_NONE,
			     "{'name':'near','cluster':'cluster-1','type':'together',"
			     "'vms':['vm-1','vm-2']}"),
	    0);
	plan = simulate(l, d);
	AUTO_FREE char *text = json_text(plan);
	assert_non_null(strstr(text, "\"cpu_peak_mhz\":1700"));
	drs_free(d);
	lab_free(l);
}

static void
test_maintenance_sends_nobody_to_a_host_that_flaps(void **state)
{
	struct lab *l = lab_new(3, 8192);
	struct drs *d = drs_begin(l);
	obj_id vm = lab_vm(l, "a", true), home = inv_vm(l->inv, vm)->host;
	unsigned i = obj_id_is(l->host[0], home) ? 1 : 0;
	char id[OBJ_ID_TEXT];

	for (unsigned n = 0; n < 3; n++) {
		agent_fake_cut(l->agent[i]);
		lab_advance(l, 60000);
		lab_dial(l);
		lab_advance(l, 1000);
	}
	assert_true(inv_host(l->inv, l->host[i])->flapping);
	AUTO(json)
	json *plan = drs_maintenance_plan(l->inv, l->hosts, l->tasks, home);
	const json *move = json_at(json_get(plan, "items"), 0);
	assert_string_not_equal(json_str_value(json_get(move, "to_host"), NULL),
	    obj_id_text(l->host[i], id));
	lab_advance(l, HOUR_MS);
	assert_false(inv_host(l->inv, l->host[i])->flapping);
	drs_free(d);
	lab_free(l);
}

/* Two guests of 900 MHz on the first of three hosts of 2000. */
static struct lab *
uneven_lab(void)
{
	struct lab *l = lab_new(3, 8192);
	obj_id vm[2];
	char id[OBJ_ID_TEXT];

	lab_meet(l);
	AUTO_FREE char *args = xasprintf("{'host':'%s'}", obj_id_text(l->host[0], id));
	for (unsigned i = 0; i < 2; i++) {
		vm[i] = lab_vm(l, i ? "b" : "a", true);
		if (!obj_id_is(inv_vm(l->inv, vm[i])->host, l->host[0]))
			assert_int_equal(lab_do(l, "vm.migrate", vm[i], args), 0);
		use(l, vm[i], 900);
	}
	for (unsigned i = 0; i < l->n_hosts; i++) {
		struct txn *t = txn_new(l->inv);
		struct host *h = txn_edit(t, l->host[i]);
		h->cpu_cores = 1;
		h->cpu_total_mhz = 2000;
		txn_commit_wake(t, WAKE_NONE);
	}
	lab_settle(l);
	return l;
}

/* As five minutes of samples would have it. */
static void
keep_busy(struct lab *l, obj_id host, uint32_t network, uint32_t disk)
{
	struct host *h = inv_note_begin(l->inv, host);

	h->network_busy_permille = network;
	h->disk_busy_permille = disk;
	inv_note_end(l->inv, host);
}

static void
test_hosts_that_are_busy_get_nobody(void **state)
{
	struct lab *l = uneven_lab();
	struct drs *d = drs_begin(l);

	keep_busy(l, l->host[1], 914, 0);
	keep_busy(l, l->host[2], 0, 801);
	AUTO(json) json *none = simulate(l, d);
	assert_int_equal(json_count(json_get(none, "items")), 0);
	keep_busy(l, l->host[2], 800, 800);
	AUTO(json) json *plan = simulate(l, d);
	const json *move = json_at(json_get(plan, "items"), 0);
	const json *no =
	    json_at(json_get(json_get(move, "factors"), "alternatives"), 0);
	assert_string_equal(json_str_value(json_get(move, "to_host"), NULL), "host-3");
	assert_string_equal(json_str_value(json_get(no, "host"), NULL), "host-2");
	assert_string_equal(json_str_value(json_get(no, "term"), NULL), "busy");
	assert_string_equal(json_str_value(json_get(no, "text"), NULL),
	    "its network is busy to 91.4 %");
	drs_free(d);
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_read_as_far_as_they_make_sense),
		cmocka_unit_test(test_demand_is_stored_each_quarter_of_an_hour),
		cmocka_unit_test(test_another_server_expects_what_came_yesterday),
		cmocka_unit_test(test_hosts_that_are_busy_get_nobody),
		cmocka_unit_test(test_maintenance_sends_nobody_to_a_host_that_flaps),
	};

	ops_register(migrate_defs);
	drs_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

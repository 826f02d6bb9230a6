/* What may be set of HA, and what a refusal says. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/lab.h"

static void
refused(struct lab *l, const char *op, obj_id entity, const char *args, const char *why)
{
	assert_int_not_equal(lab_op(l, op, entity, args), 0);
	if (!strstr(l->msg, why))
		fail_msg("%s: got \"%s\", wants \"%s\"", args, l->msg, why);
}

static void
a_new_cluster_restarts_its_guests_once_it_is_on(void **state)
{
	struct lab *l = lab_new(3, 8192);
	const struct cluster *cl = inv_cluster(l->inv, l->cluster);

	assert_false(cl->ha_enabled);
	assert_int_equal(cl->ha_failover_level, 1);
	assert_int_equal(cl->ha_admission, HA_ADMIT_PERCENTAGE);
	assert_int_equal(cl->ha_restart_priority, HA_PRIORITY_MEDIUM);
	assert_int_equal(cl->ha_gate_limit_s, 600);
	assert_int_equal(cl->ha_isolation_s, 30);
	assert_int_equal(cl->ha_degradation_percent, 100);
	lab_free(l);
}

static void
a_cluster_takes_what_is_given_and_keeps_the_rest(void **state)
{
	struct lab *l = lab_new(3, 8192);

	assert_int_equal(
	    lab_op(l, "cluster.update", l->cluster,
		"{'ha_enabled':true,'ha_failover_level':2,'ha_gate':'port',"
		"'ha_isolation_response':'power_off',"
		"'ha_isolation_addresses':'10.0.0.1,10.0.0.2',"
		"'ha_monitoring':'high','ha_terms':'tolerant'}"),
	    0);
	const struct cluster *cl = inv_cluster(l->inv, l->cluster);
	assert_true(cl->ha_enabled);
	assert_int_equal(cl->ha_failover_level, 2);
	assert_int_equal(cl->ha_gate, HA_GATE_PORT);
	assert_int_equal(cl->ha_isolation_response, HA_RESPONSE_POWER_OFF);
	assert_string_equal(cl->ha_isolation_addresses, "10.0.0.1,10.0.0.2");
	assert_int_equal(cl->ha_monitoring, HA_MONITOR_HIGH);
	assert_int_equal(cl->ha_terms, HA_TERMS_TOLERANT);
	assert_int_equal(cl->ha_restart_priority, HA_PRIORITY_MEDIUM);
	assert_int_equal(
	    lab_op(l, "cluster.update", l->cluster, "{'ha_isolation_addresses':''}"),
	    0);
	cl = inv_cluster(l->inv, l->cluster);
	assert_null(cl->ha_isolation_addresses);
	assert_true(cl->ha_enabled);
	lab_free(l);
}

static void
a_cluster_refuses_what_cannot_be(void **state)
{
	struct lab *l = lab_new(3, 8192);

	static const struct {
		const char *args, *why;
	} cases[] = {
		{ "{'ha_failover_level':3}",
		    "ha_failover_level: cluster \"cl\" has 3 hosts, so at most 2 may be "
		    "lost, not 3" },
		{ "{'ha_cpu_percent':101}", "ha_cpu_percent" },
		{ "{'ha_admission':'magic'}",
		    "ha_admission: wants one of percentage|slots|hosts|off, got "
		    "\"magic\"" },
		{ "{'ha_terms':'short'}",
		    "ha_terms: wants one of software|watchdog|tolerant" },
		{ "{'ha_isolation_addresses':'10.0.0.300'}", "ha_isolation_addresses" },
		{ "{'ha_failover_hosts':['host-1']}", "want ha_admission \"hosts\"" },
		{ "{'ha_admission':'hosts'}", "wants ha_failover_hosts" },
		{ "{'ha_admission':'hosts','ha_failover_hosts':['host-77']}",
		    "there is no host-77" },
		{ "{'ha_admission':'hosts','ha_failover_hosts':['host-1','host-2',"
		  "'host-3']}",
		    "no guest could run" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(l, "cluster.update", l->cluster, cases[i].args, cases[i].why);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_failover_level, 1);
	lab_free(l);
}

static void
failover_hosts_are_of_the_cluster_and_go_with_their_policy(void **state)
{
	struct lab *l = lab_new(3, 8192);

	assert_int_equal(lab_op(l, "cluster.create", OBJ_ID_NONE,
			     "{'name':'other','datacenter':'dc-1'}"),
	    0);
	refused(l, "cluster.update", l->object,
	    "{'ha_admission':'hosts','ha_failover_hosts':['host-1']}",
	    "host \"h1\" is of cluster \"cl\", not of \"other\"");
	assert_int_equal(lab_op(l, "cluster.update", l->cluster,
			     "{'ha_admission':'hosts','ha_failover_hosts':['host-1']}"),
	    0);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_failover_hosts.n, 1);
	assert_int_equal(
	    lab_op(l, "cluster.update", l->cluster, "{'ha_admission':'slots'}"), 0);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_failover_hosts.n, 0);
	lab_free(l);
}

static void
a_guest_has_its_own_and_goes_back(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id vm = lab_vm(l, "web", false);

	assert_int_equal(
	    lab_do(l, "vm.update", vm,
		"{'ha_restart_priority':'high','ha_isolation_response':'shut_down',"
		"'ha_monitoring':'low','ha_ready_port':80}"),
	    0);
	const struct vm *row = inv_vm(l->inv, vm);
	assert_string_equal(row->ha_restart_priority, "high");
	assert_string_equal(row->ha_isolation_response, "shut_down");
	assert_string_equal(row->ha_monitoring, "low");
	assert_int_equal(row->ha_ready_port, 80);
	assert_int_equal(
	    lab_do(l, "vm.update", vm, "{'ha_restart_priority':'cluster'}"), 0);
	assert_null(inv_vm(l->inv, vm)->ha_restart_priority);
	refused(l, "vm.update", vm, "{'ha_restart_priority':'urgent'}",
	    "wants one of cluster|off|lowest|low|medium|high|highest");
	lab_free(l);
}

static void
dependencies_that_go_round_are_named(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", false), b = lab_vm(l, "b", false);
	obj_id c = lab_vm(l, "c", false);

	assert_int_equal(
	    lab_do(l, "vm.update", a, "{'ha_depends':[{'vm':'vm-2'}]}"), 0);
	assert_int_equal(lab_do(l, "vm.update", b,
			     "{'ha_depends':[{'vm':'vm-3','gate':'heartbeat',"
			     "'limit_s':30}]}"),
	    0);
	refused(l, "vm.update", c, "{'ha_depends':[{'vm':'vm-1'}]}",
	    "goes round: \"c\" waits for \"a\" waits for \"b\" waits for \"c\"");
	refused(l, "vm.update", c, "{'ha_depends':[{'vm':'vm-3'}]}",
	    "goes round: \"c\" waits for \"c\"");
	const json *d = json_at(inv_vm(l->inv, a)->ha_depends, 0);
	assert_string_equal(json_str_value(json_get(d, "gate"), NULL), "powered_on");
	assert_int_equal(json_int_value(json_get(d, "limit_s")), 600);
	lab_free(l);
}

static void
dependencies_are_checked(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", false), b = lab_vm(l, "b", false);

	static const struct {
		const char *args, *why;
	} cases[] = {
		{ "{'ha_depends':[{'vm':'vm-9'}]}", "there is no vm-9" },
		{ "{'ha_depends':['vm-2']}", "wants objects {vm, gate, limit_s}" },
		{ "{'ha_depends':[{'vm':'host-1'}]}", "ha_depends" },
		{ "{'ha_depends':[{'vm':'vm-2','gate':'soon'}]}",
		    "gate: wants one of none|powered_on|heartbeat|port, got \"soon\"" },
		{ "{'ha_depends':[{'vm':'vm-2','gate':'port'}]}",
		    "\"b\" has no ha_ready_port" },
		{ "{'ha_depends':[{'vm':'vm-2'},{'vm':'vm-2'}]}", "has \"b\" twice" },
		{ "{'ha_depends':[{'vm':'vm-2','limit_s':0}]}", "limit_s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refused(l, "vm.update", a, cases[i].args, cases[i].why);
	assert_int_equal(lab_do(l, "vm.update", b, "{'ha_ready_port':5432}"), 0);
	assert_int_equal(
	    lab_do(l, "vm.update", a, "{'ha_depends':[{'vm':'vm-2','gate':'port'}]}"),
	    0);
	refused(l, "vm.update", b, "{'ha_ready_port':0}", "\"a\" waits for it");
	assert_int_equal(lab_do(l, "vm.delete", b, NULL), 0);
	assert_null(inv_vm(l->inv, a)->ha_depends);
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_cluster_restarts_its_guests_once_it_is_on),
		cmocka_unit_test(a_cluster_takes_what_is_given_and_keeps_the_rest),
		cmocka_unit_test(a_cluster_refuses_what_cannot_be),
		cmocka_unit_test(
		    failover_hosts_are_of_the_cluster_and_go_with_their_policy),
		cmocka_unit_test(a_guest_has_its_own_and_goes_back),
		cmocka_unit_test(dependencies_that_go_round_are_named),
		cmocka_unit_test(dependencies_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

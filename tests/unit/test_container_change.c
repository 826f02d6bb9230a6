/*
 * Settings of containers that change, as the server sees to it.
 */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/deploy_bed.h"

static obj_id
container(struct lab *l, const char *more)
{
	AUTO_FREE char *args =
	    xasprintf("{'name':'ct-1','template':'template-2','num_cpu':1,"
		      "'memory_mb':128%s}",
		more);

	ok(l, "template.import", OBJ_ID_NONE,
	    "{'name':'busybox','datastore':'datastore-1','path':'busybox.tar',"
	    "'format':'tar'}");
	ok(l, "vm.create", OBJ_ID_NONE, args);
	return vm_named(l, "ct-1");
}

static void
is_container(const struct lab *l, obj_id id, const char *want)
{
	const struct vm *vm = inv_vm(l->inv, id);
	AUTO_FREE char *text = vm->container ? json_text(vm->container) : xstrdup("");

	assert_string_equal(text, want);
}

static void
limits_change_while_it_runs(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id id = container(l, ",'power_on':true,'pids_limit':50");

	seen.container[0] = '\0';
	ok(l, "vm.update", id,
	    "{'swap_limit_mb':64,'pids_limit':100,'io_weight':10,"
	    "'host_name':'web','dns':['10.0.0.9']}");
	assert_string_equal(
	    seen.container, "/bin/init; swap 64, pids 100, weight 10, web, 10.0.0.9");
	is_container(l, id,
	    "{\"args\":[\"/bin/init\"],\"pids_limit\":100,\"host_name\":\"web\","
	    "\"dns\":[\"10.0.0.9\"],\"swap_limit_mb\":64,\"io_weight\":10}");
	assert_int_equal(lab_events(l, "VmReconfiguredEvent"), 1);
	lab_free(l);
}

static void
one_that_is_off_has_them_at_its_next_start(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id id = container(l, "");

	seen.container[0] = '\0';
	ok(l, "vm.update", id, "{'memory_mb':256,'env':['A=1']}");
	assert_string_equal(seen.container, "");
	assert_int_equal(inv_vm(l->inv, id)->memory_mb, 256);
	is_container(l, id, "{\"args\":[\"/bin/init\"],\"env\":[\"A=1\"]}");
	ok(l, "vm.update", id, "{'env':['A=2','B=3']}");
	is_container(l, id, "{\"args\":[\"/bin/init\"],\"env\":[\"A=2\",\"B=3\"]}");
	lab_free(l);
}

static void
what_the_host_refuses_stays_as_it_was(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id id = container(l, ",'power_on':true");

	agent_fake_fail_next(
	    l->agent[0], ERR_BUSY, "cannot do with 64 MB of memory: 100 MB are in use");
	assert_int_equal(
	    lab_do(l, "vm.update", id, "{'memory_mb':64,'pids_limit':20}"), ERR_BUSY);
	assert_non_null(strstr(lab_task_error(l), "100 MB are in use"));
	assert_int_equal(inv_vm(l->inv, id)->memory_mb, 128);
	is_container(l, id, "{\"args\":[\"/bin/init\"]}");
	lab_free(l);
}

static void
what_a_host_says_is_told_of_a_container(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *said =
	    xasprintf("%s: it is full", obj_id_text(container(l, ""), id));
	AUTO_FREE char *told = task_words(l->inv, said);

	assert_true(str_starts(told, "container \""));
	lab_free(l);
}

static void
what_makes_no_sense_is_named(void **state)
{
	static const struct {
		const char *args, *why;
	} rows[] = {
		{ "{'io_weight':0}", "io_weight" },
		{ "{'io_weight':1001}", "io_weight" },
		{ "{'pids_limit':4194305}", "pids_limit" },
		{ "{'pids_limit':15}", "pids_limit: with fewer than 16" },
		{ "{'swap_limit_mb':-1}", "swap_limit_mb" },
		{ "{'dns':['here']}", "dns" },
		{ "{'env':['x']}", "env: \"x\" is not NAME=value" },
		{ "{'devices':['/etc/passwd']}", "devices" },
	};
	struct lab *l = lab_watched(1, 8192);
	obj_id id = container(l, "");
	obj_id vm = lab_vm(l, "web", false);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(l, "vm.update", id, rows[i].args, rows[i].why);
	refused(l, "vm.update", vm, "{'pids_limit':5}",
	    "pids_limit: \"web\" is a machine, no container");
	is_container(l, id, "{\"args\":[\"/bin/init\"]}");
	lab_free(l);
}

static void
limits_of_its_disk_change(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	obj_id id = container(l, ",'power_on':true");

	ok(l, "vm.disk_update", id,
	    "{'name':'disk-0','iops_limit':100,'mb_per_s_limit':5}");
	AUTO_FREE char *disks = json_text(inv_vm(l->inv, id)->disks);
	assert_non_null(strstr(disks, "\"iops_limit\":100"));
	assert_non_null(strstr(disks, "\"bytes_per_s_limit\":5242880"));
	lab_free(l);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_change_while_it_runs),
		cmocka_unit_test(one_that_is_off_has_them_at_its_next_start),
		cmocka_unit_test(what_the_host_refuses_stays_as_it_was),
		cmocka_unit_test(what_a_host_says_is_told_of_a_container),
		cmocka_unit_test(what_makes_no_sense_is_named),
		cmocka_unit_test(limits_of_its_disk_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/inv_custspec.h"
#include "server/inventory/inv_json.h"
#include "tests/lib/deploy_bed.h"

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

/* A host lets nothing out of it that it sends under another address than its own. */
static void
one_that_finds_its_address_is_held_to_none(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	ok(l, "vm.create", OBJ_ID_NONE, "{'name':'given','template':'template-1'}");
	assert_string_not_equal(seen.address, "");
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'asks','template':'template-1',"
	    "'customize':{'address_mode':'dhcp'}}");
	assert_string_equal(seen.address, "");
	assert_non_null(strstr(seen.network, "dhcp4: true"));
	assert_null(inv_vm(l->inv, vm_named(l, "asks"))->ip_address);
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'by-hand','template':'template-1',"
	    "'customize':{'address_mode':'none'}}");
	assert_string_equal(seen.address, "");
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

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
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
		cmocka_unit_test(one_that_finds_its_address_is_held_to_none),
		cmocka_unit_test(a_bad_customisation_is_refused_at_once),
		cmocka_unit_test(
		    a_template_goes_with_its_copies_once_nothing_stands_on_it),
		cmocka_unit_test(a_template_that_is_half_removed_keeps_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

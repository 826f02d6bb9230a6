#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/inv_json.h"
#include "server/migrate/migrate.h"
#include "tests/lib/deploy_bed.h"

/* A template of containers on the first datastore: template-2. */
static obj_id
import_root(struct lab *l, const char *more)
{
	AUTO_FREE char *args = xasprintf(
	    "{'name':'busybox','datastore':'datastore-1','path':'busybox.tar',"
	    "'format':'tar'%s}",
	    more);

	ok(l, "template.import", OBJ_ID_NONE, args);
	return l->object;
}

static const struct vm *
made(struct lab *l, const char *name, const char *more)
{
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','template':'template-2'%s}", name, more);

	ok(l, "vm.create", OBJ_ID_NONE, args);
	return inv_vm(l->inv, vm_named(l, name));
}

static void
is_json(const json *j, const char *want)
{
	AUTO_FREE char *text = j ? json_text(j) : xstrdup("");

	assert_string_equal(text, want);
}

static void
a_template_of_containers_says_how_they_are_run(void **state)
{
	struct lab *l = lab_watched(1, 8192);
	const struct template *tpl = inv_template(
	    l->inv, import_root(l, ",'env':['A=1'],'guest_type':'container'"));

	assert_int_equal(tpl->guest_type, GUEST_CONTAINER);
	assert_string_equal(tpl->format, "ext4");
	is_json(tpl->layers,
	    "[{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]");
	is_json(tpl->container, "{\"args\":[\"/bin/init\"],\"env\":[\"A=1\"]}");
	assert_int_equal(inv_template(l->inv, l->tmpl)->guest_type, GUEST_MACHINE);
	lab_free(l);
}

static void
imports_that_fit_no_kind_are_refused(void **state)
{
	static const struct {
		const char *more, *why;
	} rows[] = {
		{ "'format':'tar','guest_type':'machine'",
		    "guest_type: format tar is of containers" },
		{ "'format':'raw','guest_type':'container'",
		    "guest_type: format raw is of machines" },
		{ "'format':'raw','reference':'a:1'", "reference: is of containers" },
		{ "'format':'qcow2','args':['/init']", "args: is of containers" },
		{ "'format':'oci','env':['A']", "env: \"A\" is not NAME=value" },
	};
	struct lab *l = lab_watched(1, 8192);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *args =
		    xasprintf("{'name':'a','datastore':'datastore-1','path':'a',%s}",
			rows[i].more);
		refused(l, "template.import", OBJ_ID_NONE, args, rows[i].why);
	}
	lab_free(l);
}

static void
a_container_stands_on_its_templates_layers(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	import_root(l, "");
	const struct vm *vm = made(l, "ct-1",
	    ",'power_on':true,'host_name':'web','dns':['10.0.0.9'],'pids_limit':50,"
	    "'swap_limit_mb':64,'io_weight':10,'devices':['/dev/net/tun']");
	assert_int_equal(vm->guest_type, GUEST_CONTAINER);
	assert_string_equal(vm->engine, "oci");
	assert_int_equal(vm->power_state, POWER_ON);
	is_json(vm->disks,
	    "[{\"name\":\"disk-0\",\"datastore\":\"datastore-1\","
	    "\"path\":\"vms/vm-1/disk-0.ext4\",\"format\":\"ext4\","
	    "\"size_bytes\":8589934592,\"backing\":["
	    "{\"path\":\"templates/1/disk.ext4\",\"format\":\"ext4\"},"
	    "{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]}]");
	is_json(vm->container,
	    "{\"args\":[\"/bin/init\"],\"host_name\":\"web\",\"dns\":[\"10.0.0.9\"],"
	    "\"swap_limit_mb\":64,\"pids_limit\":50,\"io_weight\":10,"
	    "\"devices\":[\"/dev/net/tun\"]}");
	assert_string_equal(seen.container,
	    "/bin/init; swap 64, pids 50, weight 10, web, 10.0.0.9, /dev/net/tun");
	assert_string_equal(seen.engine, "oci");
	refused(l, "template.delete", inv_vm(l->inv, vm->o.id)->template_, NULL,
	    "carries the disk of machine \"ct-1\"");
	lab_free(l);
}

static void
a_machine_is_told_nothing_of_containers(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	ok(l, "vm.create", OBJ_ID_NONE, "{'name':'web','template':'template-1'}");
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "web"));
	assert_int_equal(vm->guest_type, GUEST_MACHINE);
	assert_null(vm->container);
	assert_string_equal(vm->engine, "sim");
	assert_string_equal(seen.container, "");
	lab_free(l);
}

static void
what_only_one_kind_takes_is_refused_on_the_other(void **state)
{
	static const struct {
		const char *tpl, *more, *why;
	} rows[] = {
		{ "template-1", "'guest_type':'container'",
		    "guest_type: \"tiny\" makes machines, not containers" },
		{ "template-2", "'guest_type':'machine'",
		    "guest_type: \"busybox\" makes containers, not machines" },
		{ "template-1", "'pids_limit':50", "pids_limit: is of containers" },
		{ "template-1", "'ip_address':'10.0.0.5'",
		    "ip_address: is of containers" },
		{ "template-2", "'full':true", "full: a container always stands" },
		{ "template-2", "'disk_mb':15", "disk_mb: the file system" },
		{ "template-2", "'env':['1=2']", "env: \"1=2\" is not NAME=value" },
		{ "template-2", "'customize':{'user_data':'#!/bin/sh'}",
		    "customize: user_data: of a container only" },
		{ "template-2", "'customize':{'ssh_keys':'ssh-ed25519 AAAA'}",
		    "ssh_keys" },
		{ "template-2", "'customize':{'domain':'example.org'}",
		    "customize: domain: of a container only" },
		{ "template-2", "'customize':{'address_mode':'dhcp'}",
		    "customize: address_mode: a container has" },
	};
	struct lab *l = lab_watched(1, 8192);

	import_root(l, "");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO_FREE char *args = xasprintf(
		    "{'name':'a','template':'%s',%s}", rows[i].tpl, rows[i].more);
		refused(l, "vm.create", OBJ_ID_NONE, args, rows[i].why);
	}
	refused(l, "template.to_vm", obj_id_make(KIND_TEMPLATE, 2), "{'name':'a'}",
	    "is what its containers stand on");
	lab_free(l);
}

static void
its_address_is_the_one_asked_for_while_it_is_free(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	import_root(l, "");
	const struct vm *vm = made(l, "ct-1", ",'ip_address':'10.1.0.99'");
	assert_string_equal(vm->ip_address, "10.1.0.99");
	vm = made(l, "ct-2",
	    ",'customize':{'host_name':'h-{name}','address':'10.1.0.98',"
	    "'dns':'10.0.0.1,10.0.0.2'}");
	assert_string_equal(vm->ip_address, "10.1.0.98");
	assert_null(vm->seed);
	is_json(vm->container, "{\"args\":[\"/bin/init\"],\"host_name\":\"h-ct-2\","
			       "\"dns\":[\"10.0.0.1\",\"10.0.0.2\"]}");
	assert_string_equal(made(l, "ct-3", "")->ip_address, "10.1.0.10");

	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'a','template':'template-2','ip_address':'10.1.0.99'}",
	    "ip_address: address: 10.1.0.99 of network \"lan\" is in use");
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'a','template':'template-2','ip_address':'10.1.3.1'}",
	    "ip_address: 10.1.3.1 is no free address");
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'a','template':'template-2','ip_address':'10.1.0.1'}",
	    "ip_address: 10.1.0.1 is no free address");
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'a-{1..2}','template':'template-2','ip_address':'10.1.0.50'}",
	    "ip_address: is for one container, not for 2");
	lab_free(l);
}

static void
many_of_a_pattern_are_spread_like_machines(void **state)
{
	struct lab *l = lab_watched(2, 8192);
	unsigned on_first = 0;

	import_root(l, "");
	lab_submit(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'web-{01..10}','template':'template-2','memory_mb':512}");
	lab_settle(l);
	wait_for_all(l);
	assert_int_equal(inv_count(l->inv, KIND_VM), 10);
	INV_EACH(l->inv, KIND_VM, o)
	{
		on_first += obj_id_is(inv_vm(l->inv, o->id)->host, l->host[0]);
	}
	assert_int_equal(on_first, 5);
	lab_free(l);
}

/* Hosts say what they can when they dial. */
static void
redial(struct lab *l, unsigned i, const char *why_no_containers)
{
	agent_fake_no_containers(l->agent[i], why_no_containers);
	agent_fake_cut(l->agent[i]);
	lab_settle(l);
	lab_dial(l);
	lab_settle(l);
}

/* It would start it without a disk, or refuse what it does not know. */
static void
an_old_agent_is_told_to_create_first(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	import_root(l, "");
	assert_int_equal(made(l, "ct-1", ",'power_on':true")->power_state, POWER_ON);
	assert_int_equal(seen.creates, 0);
	assert_int_equal(seen.starts, 1);
	agent_fake_age(l->agent[0]);
	redial(l, 0, "");
	assert_int_equal(made(l, "ct-2", ",'power_on':true")->power_state, POWER_ON);
	assert_int_equal(seen.creates, 1);
	assert_int_equal(seen.starts, 2);
	assert_int_equal(seen.n, 2);
	lab_free(l);
}

/* False once it was over before the cut. */
static bool
first_start_cut_after(unsigned turns)
{
	struct lab *l = lab_watched(1, 8192);
	static const char args[] =
	    "{'name':'ct','template':'template-2','power_on':true}";

	import_root(l, "");
	lab_submit(l, "vm.create", OBJ_ID_NONE, args);
	for (unsigned i = 0; i < turns; i++)
		loop_turn(l->loop, 0);
	bool over = l->answered && all_tasks_ended(l) && n_tasks(l, "vm.create") == 1;
	lab_crash(l);
	bool accepted = n_tasks(l, "vm.create") > 0;
	lab_advance(l, 3000);
	wait_for_all(l);
	if (accepted)
		assert_int_equal(lab_power(l, vm_named(l, "ct")), POWER_ON);
	assert_int_equal(agent_fake_guests(l->agent[0]), accepted);
	assert_int_equal(seen.creates, 0);
	/* Each start was one that makes the disks. */
	assert_int_equal(seen.n, seen.starts);
	lab_free(l);
	return !over;
}

/* Whoever goes on knows how it was begun. */
static void
a_first_start_is_cut_anywhere(void **state)
{
	unsigned turns = 0;

	while (turns < 400 && first_start_cut_after(turns))
		turns++;
	assert_in_range(turns, 4, 399);
}

static void
only_hosts_that_run_containers_are_candidates(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	import_root(l, "");
	redial(l, 0, "runc is not installed");
	for (unsigned i = 1; i <= 3; i++) {
		AUTO_FREE char *name = xasprintf("ct-%u", i);
		assert_int_equal(made(l, name, "")->host.v, l->host[1].v);
	}
	redial(l, 1, "criu is too old");
	int rc = lab_do(
	    l, "vm.create", OBJ_ID_NONE, "{'name':'ct-9','template':'template-2'}");
	assert_int_equal(rc, ERR_NO_CAPACITY);
	assert_string_equal(lab_task_error(l),
	    "no host of cluster \"cl\" has a usable oci engine: h1: runc is "
	    "not installed; h2: criu is too old");
	lab_free(l);
}

static void
a_placement_says_why_a_host_runs_no_containers(void **state)
{
	struct lab *l = lab_watched(2, 8192);
	AUTO(json) json *body = NULL;
	AUTO(json) json *plan = NULL;
	struct err e = ERR_INIT;
	static const char text[] = "{\"cluster\":\"cluster-1\",\"num_cpu\":1,"
				   "\"memory_mb\":64,\"guest_type\":\"container\"}";

	redial(l, 0, "runc is not installed");
	assert_int_equal(json_parse(text, sizeof(text) - 1, "body", &body, &e), 0);
	assert_int_equal(advice_place_request(l->advice, body, &plan, &e), 0);
	AUTO_FREE char *got = json_text(plan);
	assert_non_null(
	    strstr(got, "cannot use its oci engine: runc is not installed"));
	json_set_str(body, "guest_type", "zone");
	assert_int_equal(advice_place_request(l->advice, body, &plan, &e), ERR_INVALID);
	assert_string_equal(
	    e.msg, "guest_type: wants machine or container, got \"zone\"");
	lab_free(l);
}

static void
a_clone_is_a_copy_on_the_same_layers(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	import_root(l, "");
	obj_id first = made(l, "ct-1", ",'pids_limit':50")->o.id;
	ok(l, "vm.clone", first, "{'name':'ct-2','pids_limit':60}");
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "ct-2"));
	assert_int_equal(vm->guest_type, GUEST_CONTAINER);
	is_json(vm->container, "{\"args\":[\"/bin/init\"],\"pids_limit\":60}");
	assert_string_equal(seen.disk[1].source, "vms/vm-1/disk-0.ext4");
	assert_string_equal(seen.disk[1].path, "vms/vm-2/disk-0.ext4");
	assert_string_equal(seen.disk[1].base, "templates/1/disk.ext4");
	is_json(json_get(json_at(vm->disks, 0), "backing"),
	    "[{\"path\":\"templates/1/disk.ext4\",\"format\":\"ext4\"},"
	    "{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]");

	refused(l, "vm.clone", first, "{'name':'a','linked':true}", "linked: ");
	refused(l, "vm.clone", first, "{'name':'a','datastore':'datastore-2'}",
	    "copy it there first");
	ok(l, "vm.start", first, NULL);
	refused(l, "vm.clone", first, "{'name':'a'}", "this wants it powered off");
	lab_free(l);
}

static void
a_container_becomes_a_template_that_stands_on_the_first(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	obj_id first = import_root(l, "");
	obj_id ct = made(l, "ct-1", ",'host_name':'own','pids_limit':50")->o.id;
	ok(l, "vm.to_template", ct, "{'name':'golden','keep':true}");
	const struct template *tpl = inv_template(l->inv, l->object);
	assert_int_equal(tpl->guest_type, GUEST_CONTAINER);
	is_json(tpl->container, "{\"args\":[\"/bin/init\"],\"pids_limit\":50}");
	is_json(tpl->layers,
	    "[{\"path\":\"templates/1/disk.ext4\",\"format\":\"ext4\"},"
	    "{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]");
	ok(l, "vm.delete", ct, NULL);
	refused(l, "template.delete", first, NULL,
	    "template \"busybox\" carries the disk of template \"golden\"");
	refused(l, "vm.export", made(l, "ct-2", "")->o.id,
	    "{'datastore':'datastore-1','path':'a.ova'}", "is a container");
	lab_free(l);
}

static void
a_copy_over_the_wire_brings_the_layers_along(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	ok(l, "template.import", OBJ_ID_NONE,
	    "{'name':'local','datastore':'datastore-3','path':'a.tar','format':'oci'}");
	obj_id tpl = l->object;
	ok(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'ct','template':'template-2','datastore':'datastore-4'}");
	assert_int_equal(seen.copies, 0);
	assert_int_equal(seen.receives, 2);
	assert_int_equal(seen.sends, 2);
	is_json(inv_template(l->inv, tpl)->copies,
	    "[{\"datastore\":\"datastore-4\",\"path\":\"templates/1/disk.ext4\","
	    "\"format\":\"ext4\",\"layers\":["
	    "{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]}]");
	const struct vm *vm = inv_vm(l->inv, vm_named(l, "ct"));
	assert_int_equal(vm->host.v, l->host[1].v);
	assert_int_equal(json_count(json_get(json_at(vm->disks, 0), "backing")), 2);
	lab_free(l);
}

static void
what_only_machines_can_is_refused_with_a_reason(void **state)
{
	struct lab *l = lab_watched(1, 8192);

	import_root(l, "");
	obj_id ct = made(l, "ct-1", "")->o.id;
	refused(l, "vm.snapshot", ct, "{'name':'a'}", "there are no snapshots");
	refused(l, "vm.consolidate", ct, "{}", "there are no snapshots");
	refused(l, "vm.disk_add", ct, "{'size_mb':100}", "its one disk is its root");
	refused(
	    l, "vm.disk_remove", ct, "{'name':'disk-0'}", "its one disk is its root");
	lab_free(l);
}

static void
a_container_lives_and_moves_like_a_machine(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	agent_fake_meet(l->agent[0], l->agent[1]);
	import_root(l, "");
	obj_id ct = made(l, "ct-1", ",'power_on':true,'host':'host-1'")->o.id;
	ok(l, "vm.migrate", ct, "{'host':'host-2'}");
	assert_int_equal(inv_vm(l->inv, ct)->host.v, l->host[1].v);
	assert_int_equal(lab_power(l, ct), POWER_ON);
	ok(l, "vm.pause", ct, NULL);
	refused(l, "vm.migrate", ct, "{'host':'host-1'}", "is paused");
	ok(l, "vm.resume", ct, NULL);

	/* With its disk: on the layers that are there, or come before it. */
	ok(l, "vm.migrate", ct, "{'host':'host-1','datastore':'datastore-2'}");
	const struct vm *vm = inv_vm(l->inv, ct);
	assert_int_equal(vm->host.v, l->host[0].v);
	is_json(vm->disks,
	    "[{\"name\":\"disk-0\",\"datastore\":\"datastore-2\","
	    "\"path\":\"vms/vm-1/disk-0.ext4\",\"format\":\"ext4\","
	    "\"size_bytes\":8589934592,\"backing\":["
	    "{\"path\":\"templates/1/disk.ext4\",\"format\":\"ext4\"},"
	    "{\"path\":\"templates/1/layer-1.ext4\",\"format\":\"ext4\"}]}]");
	ok(l, "vm.stop", ct, "{'mode':'kill'}");
	ok(l, "vm.migrate", ct, "{'datastore':'datastore-1'}");
	ok(l, "vm.suspend", made(l, "ct-2", ",'power_on':true")->o.id, NULL);
	ok(l, "vm.delete", ct, NULL);
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_template_of_containers_says_how_they_are_run),
		cmocka_unit_test(imports_that_fit_no_kind_are_refused),
		cmocka_unit_test(a_container_stands_on_its_templates_layers),
		cmocka_unit_test(a_machine_is_told_nothing_of_containers),
		cmocka_unit_test(what_only_one_kind_takes_is_refused_on_the_other),
		cmocka_unit_test(its_address_is_the_one_asked_for_while_it_is_free),
		cmocka_unit_test(many_of_a_pattern_are_spread_like_machines),
		cmocka_unit_test(an_old_agent_is_told_to_create_first),
		cmocka_unit_test(a_first_start_is_cut_anywhere),
		cmocka_unit_test(only_hosts_that_run_containers_are_candidates),
		cmocka_unit_test(a_placement_says_why_a_host_runs_no_containers),
		cmocka_unit_test(a_clone_is_a_copy_on_the_same_layers),
		cmocka_unit_test(
		    a_container_becomes_a_template_that_stands_on_the_first),
		cmocka_unit_test(a_copy_over_the_wire_brings_the_layers_along),
		cmocka_unit_test(what_only_machines_can_is_refused_with_a_reason),
		cmocka_unit_test(a_container_lives_and_moves_like_a_machine),
	};

	ops_register(migrate_defs);
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

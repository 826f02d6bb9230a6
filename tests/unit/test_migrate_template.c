/* Moves to where the template is not: what the disk stands on goes first. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/migrate/migrate.h"
#include "tests/lib/deploy_bed.h"

/* A template of that kind on the first host's own datastore. */
static obj_id
import_there(struct lab *l, const char *name, const char *file)
{
	AUTO_FREE char *args = xasprintf("{'name':'%s','datastore':'datastore-3',"
					 "'path':'%s','format':'%s'}",
	    name, file, strstr(file, ".tar") ? "tar" : "qcow2");

	ok(l, "template.import", OBJ_ID_NONE, args);
	return l->object;
}

static obj_id
made(struct lab *l, const char *name, obj_id tpl)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','template':'%s'}", name, obj_id_text(tpl, id));

	ok(l, "vm.create", OBJ_ID_NONE, args);
	return vm_named(l, name);
}

static void
expect_on(const struct lab *l, obj_id vm, const char *store, size_t n_below)
{
	const json *disk = json_at(inv_vm(l->inv, vm)->disks, 0);
	const json *below = json_get(disk, "backing");

	assert_string_equal(json_str_value(json_get(disk, "datastore"), NULL), store);
	assert_int_equal(below ? json_count(below) : 0, n_below);
}

static bool
check_says(struct lab *l, obj_id vm, const char *text, const char *what)
{
	const struct mig_env env = { l->inv, l->hosts, l->advice, OBJ_ID_NONE };
	AUTO_FREE char *body_text = xstrdup(text);
	AUTO(json) json *body = NULL;
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;

	for (char *p = body_text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(
	    json_parse(body_text, strlen(body_text), "body", &body, &e), 0);
	if (migrate_check_request(&env, vm, body, &answer, &e))
		fail_msg("%s", e.msg);
	AUTO_FREE char *got = json_text(answer);
	if (!strstr(got, what))
		fail_msg("%s", got);
	return true;
}

static void
a_linked_clone_takes_its_template_along(void **state)
{
	static const char move[] = "{'host':'host-2','datastore':'datastore-4'}";
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id tpl = import_there(l, "local", "a.qcow2"), vm = made(l, "m", tpl);
	expect_on(l, vm, "datastore-3", 1);
	check_says(l, vm, move, "\"copies_template\":true");
	ok(l, "vm.migrate", vm, move);
	assert_int_equal(n_copies(l, tpl), 1);
	assert_int_equal(n_tasks(l, "template.copy"), 1);
	expect_on(l, vm, "datastore-4", 1);
	check_says(l, vm, "{'host':'host-1','datastore':'datastore-3'}",
	    "\"copies_template\":false");
	lab_free(l);
}

/* Where its host copies the disk it is flattened, unless the link was asked for. */
static void
a_disk_that_may_be_flattened_brings_nothing_unasked(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id tpl = import_there(l, "local", "a.qcow2");
	obj_id flat = made(l, "flat", tpl), linked = made(l, "linked", tpl);
	ok(l, "vm.migrate", flat, "{'datastore':'datastore-2'}");
	assert_int_equal(n_copies(l, tpl), 0);
	expect_on(l, flat, "datastore-2", 0);
	ok(l, "vm.migrate", linked, "{'datastore':'datastore-2','keep_chain':true}");
	assert_int_equal(n_copies(l, tpl), 1);
	expect_on(l, linked, "datastore-2", 1);
	lab_free(l);
}

static void
a_container_takes_its_layers_along(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	agent_fake_meet(l->agent[0], l->agent[1]);
	obj_id tpl = import_there(l, "root", "a.tar"), ct = made(l, "ct", tpl);
	ok(l, "vm.start", ct, NULL);
	ok(l, "vm.migrate", ct, "{'host':'host-2','datastore':'datastore-4'}");
	assert_int_equal(lab_power(l, ct), POWER_ON);
	assert_int_equal(n_copies(l, tpl), 1);
	expect_on(l, ct, "datastore-4", 2);
	lab_free(l);
}

/* The template of a container stands on the one that was its own: the lower first. */
static void
templates_below_go_before_those_that_stand_on_them(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id low = import_there(l, "root", "a.tar"), first = made(l, "ct-1", low);
	ok(l, "vm.to_template", first, "{'name':'high','keep':true}");
	obj_id high = l->object, ct = made(l, "ct-2", high);
	ok(l, "vm.migrate", ct, "{'host':'host-2','datastore':'datastore-4'}");
	assert_int_equal(n_copies(l, low), 1);
	assert_int_equal(n_copies(l, high), 1);
	expect_on(l, ct, "datastore-4", 3);
	lab_free(l);
}

static void
a_copy_that_fails_fails_the_move(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id tpl = import_there(l, "root", "a.tar"), ct = made(l, "ct", tpl);
	agent_fake_fail_next(l->agent[1], ERR_NO_CAPACITY, "the disk is full");
	assert_int_equal(
	    lab_do(l, "vm.migrate", ct, "{'host':'host-2','datastore':'datastore-4'}"),
	    ERR_NO_CAPACITY);
	AUTO_FREE char *why = xstrdup(lab_task_error(l));
	if (!strstr(why, "the copy of template \"root\" on \"local-2\"") ||
	    !strstr(why, "the disk is full"))
		fail_msg("%s", why);
	assert_int_equal(n_copies(l, tpl), 0);
	expect_on(l, ct, "datastore-3", 2);
	lab_free(l);
}

static void
two_that_move_share_one_copy(void **state)
{
	struct lab *l = lab_watched(2, 8192);

	make_stores(l);
	obj_id tpl = import_there(l, "root", "a.tar");
	obj_id a = made(l, "a", tpl), b = made(l, "b", tpl);
	const char move[] = "{'host':'host-2','datastore':'datastore-4'}";
	assert_int_equal(lab_op(l, "vm.migrate", a, move), 0);
	assert_int_equal(lab_op(l, "vm.migrate", b, move), 0);
	wait_for_all(l);
	assert_int_equal(n_tasks(l, "template.copy"), 1);
	expect_on(l, a, "datastore-4", 2);
	expect_on(l, b, "datastore-4", 2);
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_linked_clone_takes_its_template_along),
		cmocka_unit_test(a_disk_that_may_be_flattened_brings_nothing_unasked),
		cmocka_unit_test(a_container_takes_its_layers_along),
		cmocka_unit_test(templates_below_go_before_those_that_stand_on_them),
		cmocka_unit_test(a_copy_that_fails_fails_the_move),
		cmocka_unit_test(two_that_move_share_one_copy),
	};

	ops_register(migrate_defs);
	log_set_level(LOG_LEVEL_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

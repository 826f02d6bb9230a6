/* Resource pools through their verbs, on a server in memory. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/pools/pool_tree.h"
#include "tests/lib/lab.h"

static const struct pool *
pool_of(const struct lab *l, obj_id id)
{
	const struct pool *p = inv_pool(l->inv, id);

	assert_non_null(p);
	return p;
}

static obj_id
make(struct lab *l, obj_id parent, const char *name, const char *more)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args = xasprintf("{'name':'%s','parent':'%s'%s%s}", name,
	    obj_id_text(parent, id), *more ? "," : "", more);

	if (lab_op(l, "pool.create", OBJ_ID_NONE, args))
		fail_msg("%s: %s", name, l->msg);
	return l->object;
}

static void
expect_refused(struct lab *l, const char *op, obj_id entity, const char *args, int rc,
    const char *why)
{
	int got = lab_op(l, op, entity, args);

	if (got != rc || !strstr(l->msg, why))
		fail_msg("%s: %d \"%s\", not %d \"%s\"", op, got, l->msg, rc, why);
}

/* What the two hosts of the lab have together. */
static uint64_t
cpu_capacity(const struct lab *l)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < l->n_hosts; i++)
		sum += inv_host(l->inv, l->host[i])->cpu_total_mhz;
	return sum;
}

static void
a_pool_is_made_with_vspheres_presets(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id id = make(l, l->cluster, "dev", "'cpu_shares_level':'high'");
	const struct pool *p = pool_of(l, id);

	assert_true(inv_pool(l->inv, p->o.parent)->is_root);
	assert_int_equal(p->cpu_shares, 8000);
	assert_int_equal(p->mem_shares, 163840);
	assert_true(p->cpu_expandable);
	assert_true(p->mem_expandable);
	assert_int_equal(p->cpu_limit_mhz, 0);
	assert_int_equal(lab_op(l, "pool.update", id, "{'cpu_shares':1234}"), 0);
	assert_string_equal(pool_of(l, id)->cpu_shares_level, "custom");
	assert_int_equal(pool_of(l, id)->cpu_shares, 1234);
	assert_int_equal(lab_op(l, "pool.update", id, "{'cpu_shares_level':'low'}"), 0);
	assert_int_equal(pool_of(l, id)->cpu_shares, 2000);
	lab_free(l);
}

static void
settings_that_contradict_are_refused(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id id = make(l, l->cluster, "dev", "");

	expect_refused(l, "pool.update", id, "{'cpu_shares_level':'custom'}",
	    ERR_INVALID, "cpu_shares_level: custom wants cpu_shares");
	expect_refused(l, "pool.update", id,
	    "{'cpu_shares_level':'low','cpu_shares':5}", ERR_INVALID,
	    "cpu_shares: has no place beside");
	expect_refused(l, "pool.update", id,
	    "{'mem_reservation_mb':200,'mem_limit_mb':100}", ERR_INVALID,
	    "the memory limit of 100 MB is below the reservation of 200");
	expect_refused(l, "pool.update", id, "{'cpu_limit_mhz':9223372036854775807}",
	    ERR_INVALID, "cpu_limit_mhz");
	assert_int_equal(pool_of(l, id)->mem_reservation_mb, 0);
	lab_free(l);
}

static void
no_more_is_reserved_than_there_is(void **state)
{
	struct lab *l = lab_new(2, 8192);
	uint64_t all = cpu_capacity(l);
	AUTO_FREE char *most =
	    xasprintf("'cpu_reservation_mhz':%lu", (unsigned long)all);
	AUTO_FREE char *parent = xasprintf("{'name':'b','parent':'cluster-%lu',"
					   "'cpu_reservation_mhz':500}",
	    (unsigned long)obj_id_number(l->cluster));
	obj_id a = make(l, l->cluster, "a", most);

	expect_refused(l, "pool.create", OBJ_ID_NONE, parent, ERR_NO_CAPACITY,
	    "the cluster lacks 500 MHz of CPU");
	assert_int_equal(
	    lab_op(l, "pool.update", a, "{'cpu_reservation_mhz':1000}"), 0);
	assert_int_equal(lab_op(l, "pool.create", OBJ_ID_NONE, parent), 0);
	lab_free(l);
}

static void
a_fixed_pool_gives_no_more_than_it_has(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = make(
	    l, l->cluster, "a", "'mem_reservation_mb':1000,'mem_expandable':false");
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *more = xasprintf(
	    "{'name':'c','parent':'%s','mem_reservation_mb':500}", obj_id_text(a, id));

	make(l, a, "b", "'mem_reservation_mb':700");
	expect_refused(l, "pool.create", OBJ_ID_NONE, more, ERR_NO_CAPACITY,
	    "pool \"a\" lacks 200 MB of memory: 300 of its 1000 are free and 500 are "
	    "asked for; a reservation of 1200 would do, or an expandable one");
	assert_int_equal(lab_op(l, "pool.update", a, "{'mem_expandable':true}"), 0);
	assert_int_equal(lab_op(l, "pool.create", OBJ_ID_NONE, more), 0);
	expect_refused(l, "pool.update", a, "{'mem_expandable':false}", ERR_NO_CAPACITY,
	    "pool \"a\" has 1200 MB of memory reserved in it");
	expect_refused(l, "pool.update", a, "{'mem_limit_mb':1100}", ERR_NO_CAPACITY,
	    "the memory limit of 1100 MB is below the 1200 that are reserved");
	lab_free(l);
}

static void
a_pool_moves_with_what_it_claims(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = make(
	    l, l->cluster, "a", "'cpu_reservation_mhz':500,'cpu_expandable':false");
	obj_id b = make(l, l->cluster, "b", "'cpu_reservation_mhz':800");
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *into_a = xasprintf("{'parent':'%s'}", obj_id_text(a, id));
	AUTO_FREE char *into_b = xasprintf("{'parent':'%s'}", obj_id_text(b, id));

	expect_refused(l, "pool.update", b, into_a, ERR_NO_CAPACITY,
	    "pool \"a\" lacks 300 MHz of CPU");
	assert_int_equal(lab_op(l, "pool.update", a, into_b), 0);
	assert_true(obj_id_is(pool_of(l, a)->o.parent, b));
	expect_refused(
	    l, "pool.update", b, into_a, ERR_INVALID, "cannot be put into itself");
	lab_free(l);
}

static void
pools_lie_at_most_eight_deep(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id at = l->cluster;
	char id[OBJ_ID_TEXT];

	for (unsigned i = 0; i < POOL_MAX_DEPTH; i++)
		at = make(l, at, "p", "");
	AUTO_FREE char *args =
	    xasprintf("{'name':'q','parent':'%s'}", obj_id_text(at, id));
	expect_refused(l, "pool.create", OBJ_ID_NONE, args, ERR_INVALID,
	    "would lie 9 deep, at most 8");
	lab_free(l);
}

static void
what_a_pool_held_goes_to_its_parent(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id a = make(l, l->cluster, "a", ""), b = make(l, a, "b", "");
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args = xasprintf(
	    "{'name':'web','template':'template-1','pool':'%s'}", obj_id_text(a, id));

	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE, args), 0);
	obj_id vm = l->object, root = pool_of(l, a)->o.parent;
	assert_int_equal(lab_op(l, "pool.delete", a, NULL), 0);
	assert_null(inv_pool(l->inv, a));
	assert_true(obj_id_is(pool_of(l, b)->o.parent, root));
	assert_true(obj_id_is(inv_vm(l->inv, vm)->pool, root));
	expect_refused(l, "pool.delete", root, NULL, ERR_INVALID, "is the root pool");
	expect_refused(l, "pool.update", root, "{'cpu_limit_mhz':5}", ERR_INVALID,
	    "is the root pool");
	lab_free(l);
}

static void
a_lost_host_makes_the_tree_invalid(void **state)
{
	struct lab *l = lab_new(2, 8192);
	uint64_t all = cpu_capacity(l);
	AUTO_FREE char *most =
	    xasprintf("'cpu_reservation_mhz':%lu", (unsigned long)all);
	AUTO_FREE char *why = NULL;

	make(l, l->cluster, "a", most);
	assert_int_equal(pool_tree_health(l->inv, l->cluster, NULL), POOL_HEALTH_VALID);
	agent_fake_free(MOVE(l->agent[1]));
	lab_advance(l, 60000);
	assert_int_equal(
	    pool_tree_health(l->inv, l->cluster, &why), POOL_HEALTH_INVALID);
	assert_non_null(strstr(why, "of CPU are reserved in pool \"Resources\""));
	lab_free(l);
}

/* ---- guests ---- */

static obj_id
make_guest(struct lab *l, obj_id pool, const char *name)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','template':'template-1','pool':'%s'}", name,
		obj_id_text(pool, id));

	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE, args), 0);
	return l->object;
}

static void
set_guest(struct lab *l, obj_id vm, const char *args)
{
	if (lab_do(l, "vm.update", vm, args))
		fail_msg("%s: %s", args, l->msg);
}

static void
a_guest_keeps_what_it_is_given(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id vm = make_guest(l, make(l, l->cluster, "a", ""), "web");
	const struct vm *v;

	set_guest(l, vm,
	    "{'cpu_shares_level':'high','cpu_reservation_mhz':500,"
	    "'cpu_limit_mhz':900,'mem_shares':77}");
	v = inv_vm(l->inv, vm);
	assert_string_equal(v->cpu_shares_level, "high");
	assert_string_equal(v->mem_shares_level, "custom");
	assert_int_equal(v->mem_shares, 77);
	assert_int_equal(v->cpu_reservation_mhz, 500);
	expect_refused(l, "vm.update", vm, "{'cpu_limit_mhz':400}", ERR_INVALID,
	    "the CPU limit of 400 MHz is below the reservation of 500");
	expect_refused(l, "vm.update", vm, "{'mem_reservation_mb':999999}", ERR_INVALID,
	    "the memory reservation of 999999 MB is above");
	expect_refused(l, "vm.update", vm, "{'cpu_shares_level':'custom'}", ERR_INVALID,
	    "cpu_shares_level: custom wants cpu_shares");
	lab_free(l);
}

/* vSphere's first example, in hundreds of MHz: the second of the child's borrows. */
static void
a_start_borrows_what_the_parent_has_free(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id parent = make(l, l->cluster, "parent",
	    "'cpu_reservation_mhz':600,'cpu_expandable':false");
	obj_id child = make(l, parent, "child", "'cpu_reservation_mhz':200");
	obj_id beside = make_guest(l, parent, "beside");
	obj_id first = make_guest(l, child, "first");
	obj_id second = make_guest(l, child, "second");

	set_guest(l, beside, "{'cpu_reservation_mhz':300}");
	set_guest(l, first, "{'cpu_reservation_mhz':200}");
	set_guest(l, second, "{'cpu_reservation_mhz':200}");
	assert_int_equal(lab_do(l, "vm.start", beside, NULL), 0);
	assert_int_equal(lab_do(l, "vm.start", first, NULL), 0);
	expect_refused(l, "vm.start", second, NULL, ERR_NO_CAPACITY,
	    "pool \"parent\" lacks 100 MHz of CPU");
	set_guest(l, beside, "{'cpu_reservation_mhz':100}");
	assert_int_equal(lab_do(l, "vm.start", second, NULL), 0);
	expect_refused(l, "vm.update", beside, "{'cpu_reservation_mhz':300}",
	    ERR_NO_CAPACITY, "pool \"parent\" lacks 100 MHz of CPU");
	lab_free(l);
}

static void
a_guest_that_runs_moves_where_it_is_admitted(void **state)
{
	struct lab *l = lab_new(1, 8192);
	obj_id wide = make(l, l->cluster, "wide", "");
	obj_id narrow = make(l, l->cluster, "narrow",
	    "'cpu_reservation_mhz':100,'cpu_expandable':false");
	obj_id vm = make_guest(l, wide, "web");
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *move = xasprintf("{'pool':'%s'}", obj_id_text(narrow, id));

	set_guest(l, vm, "{'cpu_reservation_mhz':200}");
	assert_int_equal(lab_do(l, "vm.start", vm, NULL), 0);
	expect_refused(l, "vm.update", vm, move, ERR_NO_CAPACITY,
	    "pool \"narrow\" lacks 100 MHz of CPU");
	set_guest(l, vm, "{'cpu_reservation_mhz':100}");
	set_guest(l, vm, move);
	assert_true(obj_id_is(inv_vm(l->inv, vm)->pool, narrow));
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_is_made_with_vspheres_presets),
		cmocka_unit_test(settings_that_contradict_are_refused),
		cmocka_unit_test(no_more_is_reserved_than_there_is),
		cmocka_unit_test(a_fixed_pool_gives_no_more_than_it_has),
		cmocka_unit_test(a_pool_moves_with_what_it_claims),
		cmocka_unit_test(pools_lie_at_most_eight_deep),
		cmocka_unit_test(what_a_pool_held_goes_to_its_parent),
		cmocka_unit_test(a_lost_host_makes_the_tree_invalid),
		cmocka_unit_test(a_guest_keeps_what_it_is_given),
		cmocka_unit_test(a_start_borrows_what_the_parent_has_free),
		cmocka_unit_test(a_guest_that_runs_moves_where_it_is_admitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

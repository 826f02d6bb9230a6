#include <string.h>

#include "server/inventory/inv_place.h"
#include "tests/lib/inv_world.h"

/* dc1: outer folder, inner folder in it, machine in that; cluster with pool in pool and
 * host, where the machine runs. */
struct places {
	obj_id dc, outer, inner, cluster, root, pool, host, vm;
};

static void
make_places(struct world *w, struct places *p)
{
	struct txn *t;

	p->dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	p->outer = world_add(w, KIND_FOLDER, p->dc, "outer");
	p->inner = world_add(w, KIND_FOLDER, p->outer, "inner");
	p->cluster = world_add(w, KIND_CLUSTER, p->dc, "c1");
	p->root = world_add(w, KIND_POOL, p->cluster, "Resources");
	p->pool = world_add(w, KIND_POOL, p->root, "pool");
	p->host = world_add(w, KIND_HOST, p->cluster, "h1");
	p->vm = world_add(w, KIND_VM, p->inner, "vm1");
	t = txn_new(w->inv);
	struct vm *vm = txn_edit(t, p->vm);
	vm->host = p->host;
	vm->pool = p->pool;
	assert_int_equal(world_commit(w, t), 0);
}

static void
a_machine_is_in_all_that_holds_it(void **state)
{
	struct world *w = *state;
	obj_id ids[INV_PLACES_MAX];
	struct places p;
	size_t n;

	make_places(w, &p);
	n = inv_places(w->inv, p.vm, ids);
	const obj_id all[] = { p.vm, p.inner, p.host, p.pool, p.outer, p.cluster,
		p.root, p.dc };
	assert_int_equal(n, sizeof(all) / sizeof(*all));
	/* Of each kind the nearest comes first. */
	for (size_t i = 0; i < n; i++)
		assert_true(obj_id_is(ids[i], all[i]));
	for (size_t i = 0; i < n; i++)
		assert_true(inv_is_within(w->inv, p.vm, all[i]));
	assert_false(inv_is_within(w->inv, p.host, p.root));
	assert_false(inv_is_within(w->inv, p.cluster, p.vm));
	assert_true(inv_is_within(w->inv, p.pool, p.cluster));
}

static void
what_is_gone_is_in_itself_alone(void **state)
{
	struct world *w = *state;
	obj_id ids[INV_PLACES_MAX], gone = obj_id_make(KIND_VM, 4711);

	assert_int_equal(inv_places(w->inv, gone, ids), 1);
	assert_true(obj_id_is(ids[0], gone));
	assert_int_equal(inv_places(w->inv, OBJ_ID_NONE, ids), 0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_machine_is_in_all_that_holds_it),
		CASE(what_is_gone_is_in_itself_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

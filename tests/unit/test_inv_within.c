#include "server/inventory/inv_place.h"
#include "server/inventory/inv_within.h"
#include "tests/lib/inv_world.h"

#define GUESTS 40u

/* dc1: outer folder and inner one in it; cluster with pool in pool and two hosts; some
 * of the guests have none of them. */
struct places {
	obj_id dc, outer, inner, cluster, root, pool, hosts[2], vms[GUESTS];
};

static void
make_places(struct world *w, struct places *p)
{
	p->dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	p->outer = world_add(w, KIND_FOLDER, p->dc, "outer");
	p->inner = world_add(w, KIND_FOLDER, p->outer, "inner");
	p->cluster = world_add(w, KIND_CLUSTER, p->outer, "c1");
	p->root = world_add(w, KIND_POOL, p->cluster, "Resources");
	p->pool = world_add(w, KIND_POOL, p->root, "pool");
	p->hosts[0] = world_add(w, KIND_HOST, p->cluster, "h1");
	p->hosts[1] = world_add(w, KIND_HOST, p->cluster, "h2");
	for (unsigned i = 0; i < GUESTS; i++) {
		const obj_id folders[] = { p->dc, p->outer, p->inner };
		const obj_id pools[] = { OBJ_ID_NONE, p->root, p->pool };
		char name[16];

		snprintf(name, sizeof(name), "vm%u", i);
		p->vms[i] = world_add(w, KIND_VM, folders[i % 3], name);
		struct txn *t = txn_new(w->inv);
		struct vm *vm = txn_edit(t, p->vms[i]);
		vm->host = i % 4 ? p->hosts[i % 2] : OBJ_ID_NONE;
		vm->pool = pools[i / 3 % 3];
		assert_int_equal(world_commit(w, t), 0);
	}
}

static obj_id
nearest(const struct inv *inv, obj_id id, enum obj_kind kind)
{
	obj_id in[INV_PLACES_MAX];
	size_t n = inv_places(inv, id, in);

	for (size_t i = 0; i < n; i++) {
		if (obj_id_kind(in[i]) == kind)
			return in[i];
	}
	return OBJ_ID_NONE;
}

static void
the_nearest_of_a_kind_is_found(void **state)
{
	static const enum obj_kind kinds[] = { KIND_VM, KIND_POOL, KIND_CLUSTER,
		KIND_FOLDER, KIND_HOST, KIND_DATACENTER };
	struct world *w = *state;
	struct places p;

	make_places(w, &p);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		AUTO(inv_within)
		struct inv_within *in = inv_within_kind(w->inv, kinds[k]);

		for (unsigned i = 0; i < GUESTS; i++)
			assert_true(
			    obj_id_is(inv_within_find(in, inv_get(w->inv, p.vms[i])),
				nearest(w->inv, p.vms[i], kinds[k])));
		assert_true(obj_id_is(inv_within_find(in, inv_get(w->inv, p.pool)),
		    nearest(w->inv, p.pool, kinds[k])));
	}
}

static void
what_is_in_a_place_is_found(void **state)
{
	struct world *w = *state;
	struct places p;

	make_places(w, &p);
	const obj_id places[] = { p.dc, p.outer, p.inner, p.cluster, p.root, p.pool,
		p.hosts[0], p.vms[5], obj_id_make(KIND_POOL, 4711) };
	for (size_t k = 0; k < sizeof(places) / sizeof(*places); k++) {
		AUTO(inv_within)
		struct inv_within *in = inv_within_place(w->inv, places[k]);

		for (unsigned i = 0; i < GUESTS; i++) {
			obj_id found = inv_within_find(in, inv_get(w->inv, p.vms[i]));
			bool is = inv_is_within(w->inv, p.vms[i], places[k]);

			assert_true(
			    is ? obj_id_is(found, places[k]) : obj_id_none(found));
		}
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		CASE(the_nearest_of_a_kind_is_found),
		CASE(what_is_in_a_place_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

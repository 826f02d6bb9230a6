#include "server/inventory/feed.h"
#include "tests/lib/inv_world.h"

#define RING 65536u

static void
on_feed(void *arg)
{
	++*(unsigned *)arg;
}

static void
note(struct world *w, obj_id vm, uint32_t mhz)
{
	struct vm *v = inv_note_begin(w->inv, vm);
	v->cpu_usage_mhz = mhz;
	inv_note_end(w->inv, vm);
}

static void
test_changes_in_order(void **state)
{
	struct world *w = *state;
	uint64_t rev = inv_rev(w->inv);
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	note(w, vm, 5);
	struct txn *t = txn_new(w->inv);
	txn_del(t, vm);
	assert_int_equal(world_commit(w, t), 0);

	const struct change *c = feed_after(w->inv, rev, 0);
	assert_int_equal(c->kind, CHANGE_ADD);
	assert_int_equal(c->rev, rev + 1);
	assert_true(obj_id_is(c->id, dc));
	c = feed_after(w->inv, rev, 1);
	assert_int_equal(c->kind, CHANGE_ADD);
	assert_true(obj_id_is(c->parent, dc));
	c = feed_after(w->inv, rev, 2);
	assert_int_equal(c->kind, CHANGE_SET);
	assert_true(c->volatile_only);
	c = feed_after(w->inv, rev, 3);
	assert_int_equal(c->kind, CHANGE_DEL);
	assert_true(obj_id_is(c->id, vm));
	assert_null(feed_after(w->inv, rev, 4));
	assert_null(feed_after(w->inv, inv_rev(w->inv), 0));
}

static void
test_follower_is_told_once_a_turn(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	unsigned told = 0;
	feed_follow(w->inv, on_feed, &told);
	note(w, vm, 1);
	note(w, vm, 2);
	assert_int_equal(told, 0);
	loop_turn(w->loop, 0);
	assert_int_equal(told, 1);
	loop_turn(w->loop, 0);
	assert_int_equal(told, 1);
	feed_unfollow(w->inv, on_feed, &told);
	note(w, vm, 3);
	loop_turn(w->loop, 0);
	assert_int_equal(told, 1);
}

static void
test_ring_forgets_the_oldest(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	uint64_t rev = inv_rev(w->inv);
	for (unsigned i = 1; i <= RING; i++)
		note(w, vm, i);
	assert_true(feed_reaches(w->inv, rev));
	assert_int_equal(feed_after(w->inv, rev, 0)->rev, rev + 1);
	note(w, vm, 0);
	assert_false(feed_reaches(w->inv, rev));
	assert_null(feed_after(w->inv, rev, 0));
	assert_true(feed_reaches(w->inv, rev + 1));
	assert_int_equal(feed_after(w->inv, rev + 1, RING - 1)->rev, inv_rev(w->inv));
}

static void
test_the_future_is_not_reached(void **state)
{
	struct world *w = *state;
	assert_true(feed_reaches(w->inv, inv_rev(w->inv)));
	assert_false(feed_reaches(w->inv, inv_rev(w->inv) + 1));
	assert_null(feed_after(w->inv, inv_rev(w->inv) + 1, 0));
}

int
main(void)
{
#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_changes_in_order),
		WORLD_TEST(test_follower_is_told_once_a_turn),
		WORLD_TEST(test_ring_forgets_the_oldest),
		WORLD_TEST(test_the_future_is_not_reached),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

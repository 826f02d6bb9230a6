#include <string.h>

#include "base/mem.h"
#include "server/inventory/inv_wish.h"
#include "tests/lib/inv_world.h"

static obj_id
add_vm(struct world *w)
{
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");

	return world_add(w, KIND_VM, dc, "web");
}

static void
set_cpus(struct world *w, obj_id vm, uint32_t n, const char *by)
{
	struct txn *t = txn_new(w->inv);

	txn_by(t, by);
	((struct vm *)txn_edit(t, vm))->num_cpu = n;
	assert_int_equal(world_commit(w, t), 0);
}

static int
check(struct world *w, obj_id vm, uint64_t rev, char msg[240])
{
	struct err e = ERR_INIT;
	int rc = inv_wish_check(w->inv, vm, rev, &e);

	strcpy(msg, e.msg);
	return rc;
}

static void
test_who_changed_what_since(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	uint64_t read = inv_get(w->inv, vm)->rev;
	char msg[240];

	assert_int_equal(check(w, vm, read, msg), 0);
	set_cpus(w, vm, 8, "anna");
	assert_int_equal(check(w, vm, read, msg), ERR_CHANGED);
	assert_non_null(strstr(msg, "vm \"web\" is not as it was"));
	assert_non_null(strstr(msg, ": anna changed num_cpu"));
	/* Who has read it since may go on. */
	assert_int_equal(check(w, vm, inv_get(w->inv, vm)->rev, msg), 0);

	struct err e = ERR_INIT;
	struct txn *t = txn_new(w->inv);
	txn_by(t, "bert");
	assert_int_equal(txn_rename(t, vm, inv_get(w->inv, vm)->parent, "shop", &e), 0);
	text_set(&((struct vm *)txn_edit(t, vm))->notes, "mine");
	assert_int_equal(world_commit(w, t), 0);
	AUTO(json) json *all = inv_wish_json(w->inv, vm, read);
	assert_int_equal(json_count(all), 2);
	const json *last = json_at(all, 1);
	assert_string_equal(json_str_value(json_get(last, "user"), NULL), "bert");
	AUTO_FREE char *fields = json_text(json_get(last, "fields"));
	assert_string_equal(fields, "[\"name\",\"notes\"]");
}

static void
test_what_nobody_set_does_not_count(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	uint64_t read = inv_get(w->inv, vm)->rev;
	char msg[240];

	struct vm *v = inv_note_begin(w->inv, vm);
	v->cpu_usage_mhz = 700;
	inv_note_end(w->inv, vm);
	struct txn *t = txn_new(w->inv);
	((struct vm *)txn_edit(t, vm))->power_state = POWER_ON;
	assert_int_equal(world_commit(w, t), 0);
	assert_true(inv_get(w->inv, vm)->rev > read);
	assert_int_equal(check(w, vm, read, msg), 0);
}

static void
test_a_change_on_its_way_is_waited_for(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	uint64_t read = inv_get(w->inv, vm)->rev;
	struct ending end = { 0 };
	char msg[240];

	struct txn *t = txn_new(w->inv);
	((struct vm *)txn_edit(t, vm))->num_cpu = 8;
	db_fake_hold(w->db);
	txn_commit(t, on_end, &end);
	world_settle(w);
	assert_int_equal(check(w, vm, read, msg), ERR_BUSY);
	db_fake_release(w->db, 1);
	world_settle(w);
	assert_int_equal(check(w, vm, read, msg), ERR_CHANGED);
	assert_non_null(strstr(msg, ": drover changed num_cpu"));
}

static void
test_only_the_last_authors_are_kept(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	uint64_t read = inv_get(w->inv, vm)->rev;

	for (unsigned i = 1; i <= 40; i++)
		set_cpus(w, vm, i, "anna");
	AUTO(json) json *all = inv_wish_json(w->inv, vm, read);
	assert_int_equal(json_count(all), 8);
	AUTO(json) json *none = inv_wish_json(w->inv, vm, inv_rev(w->inv));
	assert_int_equal(json_count(none), 0);
}

static void
test_a_revision_of_another_life_is_too_old(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	char msg[240];

	assert_int_equal(check(w, vm, inv_rev(w->inv) + 1, msg), ERR_CHANGED);
	assert_non_null(strstr(msg, "who changed it is not known any more"));
	assert_int_equal(check(w, obj_id_make(KIND_VM, 99), 1, msg), ERR_NOT_FOUND);
}

static void
test_after_a_restart_everybody_reads_anew(void **state)
{
	struct world *w = *state;
	obj_id vm = add_vm(w);
	uint64_t read = inv_rev(w->inv);
	char msg[240];

	set_cpus(w, vm, 8, "anna");
	world_restart(w);
	assert_int_equal(check(w, vm, read, msg), ERR_CHANGED);
	assert_non_null(strstr(msg, "not known any more"));
	assert_int_equal(check(w, vm, inv_get(w->inv, vm)->rev, msg), 0);
}

int
main(void)
{
#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_who_changed_what_since),
		WORLD_TEST(test_what_nobody_set_does_not_count),
		WORLD_TEST(test_a_change_on_its_way_is_waited_for),
		WORLD_TEST(test_only_the_last_authors_are_kept),
		WORLD_TEST(test_a_revision_of_another_life_is_too_old),
		WORLD_TEST(test_after_a_restart_everybody_reads_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

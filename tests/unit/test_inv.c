#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/inv_world.h"

static void
test_tree(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id folder = world_add(w, KIND_FOLDER, dc, "web");
	obj_id inner = world_add(w, KIND_FOLDER, folder, "inner");
	obj_id vm = world_add(w, KIND_VM, inner, "a");
	obj_id b = world_add(w, KIND_VM, inner, "b");

	char buf[OBJ_ID_TEXT];
	assert_string_equal(obj_id_text(vm, buf), "vm-1");
	assert_int_equal(inv_get(w->inv, inner)->n_kids, 2);
	assert_true(obj_id_is(inv_get(w->inv, inner)->kids[0], vm));
	assert_true(obj_id_is(inv_ancestor(w->inv, vm, KIND_DATACENTER), dc));
	assert_true(obj_id_is(inv_ancestor(w->inv, vm, KIND_VM), vm));
	assert_true(obj_id_none(inv_ancestor(w->inv, vm, KIND_CLUSTER)));
	assert_ptr_equal(inv_find(w->inv, inner, KIND_VM, "b"), inv_get(w->inv, b));
	assert_null(inv_find(w->inv, inner, KIND_VM, "c"));
	assert_null(inv_find(w->inv, folder, KIND_VM, "b"));
	assert_null(inv_host(w->inv, vm));
	assert_string_equal(inv_name(w->inv, folder), "web");
	assert_string_equal(inv_name(w->inv, obj_id_make(KIND_VM, 99)), "");
	assert_int_equal(inv_count(w->inv, KIND_VM), 2);
	assert_int_equal(inv_vm(w->inv, vm)->o.created_ms, 1767323045678);
}

static void
test_each_is_in_id_order(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	struct err e = ERR_INIT;
	void *o;
	/* Ids are taken in one order and committed in the other. */
	struct txn *first = txn_new(w->inv), *second = txn_new(w->inv);
	assert_int_equal(txn_add(first, KIND_VM, dc, "one", &o, &e), 0);
	assert_int_equal(txn_add(second, KIND_VM, dc, "two", &o, &e), 0);
	assert_int_equal(world_commit(w, second), 0);
	assert_int_equal(world_commit(w, first), 0);
	AUTO(str) struct str names = STR_INIT;
	INV_EACH(w->inv, KIND_VM, vm)
	{
		str_add(&names, vm->name);
	}
	assert_string_equal(str_cstr(&names), "onetwo");
}

/* Two at a time over the same, and one of them goes meanwhile. */
static void
test_walks_do_not_disturb_each_other(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	AUTO(str) struct str pairs = STR_INIT;

	world_add(w, KIND_VM, dc, "a");
	obj_id b = world_add(w, KIND_VM, dc, "b");
	world_add(w, KIND_VM, dc, "c");
	INV_EACH(w->inv, KIND_VM, one)
	{
		INV_EACH(w->inv, KIND_VM, other)
		{
			str_addf(&pairs, "%s%s ", one->name, other->name);
		}
	}
	assert_string_equal(str_cstr(&pairs), "aa ab ac ba bb bc ca cb cc ");

	const struct obj *a = inv_next(w->inv, KIND_VM, OBJ_ID_NONE);
	assert_true(obj_id_is(inv_next(w->inv, KIND_VM, a->id)->id, b));
	struct txn *t = txn_new(w->inv);
	txn_del(t, b);
	assert_int_equal(world_commit(w, t), 0);
	assert_string_equal(inv_next(w->inv, KIND_VM, b)->name, "c");
	assert_string_equal(inv_next(w->inv, KIND_VM, a->id)->name, "c");
}

static void
test_rename_and_move(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id to = world_add(w, KIND_FOLDER, dc, "to");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	struct err e = ERR_INIT;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_rename(t, vm, to, "b", &e), 0);
	assert_string_equal(inv_name(w->inv, vm), "a");
	assert_int_equal(world_commit(w, t), 0);
	assert_null(inv_find(w->inv, dc, KIND_VM, "a"));
	assert_non_null(inv_find(w->inv, to, KIND_VM, "b"));
	assert_int_equal(inv_get(w->inv, dc)->n_kids, 1);
	assert_int_equal(inv_get(w->inv, to)->n_kids, 1);
	assert_string_equal(db_fake_value(w->db, "vms", "vm-1", "name"), "b");
	assert_string_equal(db_fake_value(w->db, "vms", "vm-1", "parent"), "folder-1");
}

static void
test_name_is_handed_on_in_one_txn(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id a = world_add(w, KIND_FOLDER, dc, "a");
	obj_id b = world_add(w, KIND_FOLDER, dc, "b");
	struct err e = ERR_INIT;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_rename(t, b, dc, "a", &e), ERR_EXISTS);
	assert_int_equal(txn_rename(t, a, dc, "c", &e), 0);
	assert_int_equal(txn_rename(t, b, dc, "a", &e), 0);
	assert_int_equal(world_commit(w, t), 0);
	assert_true(obj_id_is(inv_find(w->inv, dc, KIND_FOLDER, "a")->id, b));
	assert_true(obj_id_is(inv_find(w->inv, dc, KIND_FOLDER, "c")->id, a));
	assert_null(inv_find(w->inv, dc, KIND_FOLDER, "b"));
}

static void
test_notes_need_no_database(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	size_t commits = db_fake_commits(w->db);
	uint64_t rev = inv_rev(w->inv);

	struct vm *v = inv_note_begin(w->inv, vm);
	v->cpu_usage_mhz = 700;
	inv_note_end(w->inv, vm);
	assert_int_equal(inv_vm(w->inv, vm)->cpu_usage_mhz, 700);
	assert_int_equal(inv_rev(w->inv), rev + 1);
	assert_int_equal(inv_vm(w->inv, vm)->o.rev, rev + 1);

	assert_ptr_equal(inv_note_begin(w->inv, vm), v);
	inv_note_end(w->inv, vm);
	assert_int_equal(inv_rev(w->inv), rev + 1);
	assert_null(inv_note_begin(w->inv, obj_id_make(KIND_VM, 99)));
	world_settle(w);
	assert_int_equal(db_fake_commits(w->db), commits);
}

static void
fill(struct vm *v, obj_id dc)
{
	v->uuid = xstrdup("u-1");
	v->power_state = POWER_ON;
	v->num_cpu = 4;
	v->memory_mb = 1ULL << 40;
	v->host = obj_id_make(KIND_HOST, 7);
	v->disks = json_new_array();
	json_add_str(v->disks, "d");
	v->datastores.v = xcalloc(2, sizeof(obj_id));
	v->datastores.n = 2;
	v->datastores.v[0] = obj_id_make(KIND_DATASTORE, 1);
	v->datastores.v[1] = obj_id_make(KIND_DATASTORE, 12);
	v->started_at = 1767323045678;
	v->pid = 42;
}

static void
test_restart_brings_back_what_is_stored(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_VM, dc, "a", &o, &e), 0);
	fill(o, dc);
	obj_id id = ((struct obj *)o)->id;
	assert_int_equal(world_commit(w, t), 0);
	uint64_t rev = inv_rev(w->inv);

	world_restart(w);
	const struct vm *v = inv_vm(w->inv, id);
	assert_non_null(v);
	assert_string_equal(v->o.name, "a");
	assert_string_equal(v->uuid, "u-1");
	assert_null(v->notes);
	assert_int_equal(v->power_state, POWER_ON);
	assert_int_equal(v->num_cpu, 4);
	assert_int_equal(v->memory_mb, 1ULL << 40);
	assert_int_equal(obj_id_number(v->host), 7);
	assert_true(obj_id_none(v->pool));
	assert_int_equal(json_count(v->disks), 1);
	assert_null(v->nics);
	assert_int_equal(v->datastores.n, 2);
	assert_true(id_list_has(&v->datastores, obj_id_make(KIND_DATASTORE, 12)));
	assert_int_equal(v->started_at, 1767323045678);
	assert_int_equal(v->pid, 0);
	assert_int_equal(inv_get(w->inv, dc)->n_kids, 1);
	assert_true(inv_rev(w->inv) > rev);
}

static void
test_ids_are_never_used_again(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	struct txn *t = txn_new(w->inv);
	txn_del(t, vm);
	assert_int_equal(world_commit(w, t), 0);
	assert_null(inv_get(w->inv, vm));
	assert_int_equal(inv_get(w->inv, dc)->n_kids, 0);
	world_restart(w);
	obj_id again = world_add(w, KIND_VM, dc, "a");
	assert_int_equal(obj_id_number(again), 2);
}

static void
test_enum_texts(void **state)
{
	assert_string_equal(power_state_text(POWER_ON), "powered_on");
	assert_int_equal(power_state_parse("stalled"), POWER_STALLED);
	assert_int_equal(power_state_parse("Stalled"), -1);
	assert_string_equal(role_text(role_COUNT_), "");
}

int
main(void)
{
#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_tree),
		WORLD_TEST(test_each_is_in_id_order),
		WORLD_TEST(test_walks_do_not_disturb_each_other),
		WORLD_TEST(test_rename_and_move),
		WORLD_TEST(test_name_is_handed_on_in_one_txn),
		WORLD_TEST(test_notes_need_no_database),
		WORLD_TEST(test_restart_brings_back_what_is_stored),
		WORLD_TEST(test_ids_are_never_used_again),
		cmocka_unit_test(test_enum_texts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

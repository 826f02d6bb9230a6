#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/caller.h"
#include "tests/lib/inv_world.h"

static void
test_nothing_shows_before_the_commit(void **state)
{
	struct world *w = *state;
	struct ending end = { 0 };
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	db_fake_hold(w->db);
	txn_commit(t, on_end, &end);
	world_settle(w);
	assert_int_equal(end.calls, 0);
	assert_int_equal(inv_txns_open(w->inv), 1);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 0);
	db_fake_release(w->db, 1);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 1);
	assert_int_equal(inv_txns_open(w->inv), 0);
}

static void
test_names_are_reserved(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	void *o;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	world_add(w, KIND_VM, dc, "old");
	struct txn *a = txn_new(w->inv), *b = txn_new(w->inv);
	assert_int_equal(txn_add(a, KIND_VM, dc, "new", &o, &e), 0);
	assert_int_equal(txn_add(b, KIND_VM, dc, "new", &o, &e), ERR_EXISTS);
	assert_int_equal(txn_add(a, KIND_VM, dc, "new", &o, &e), ERR_EXISTS);
	assert_int_equal(txn_add(b, KIND_VM, dc, "old", &o, &e), ERR_EXISTS);
	assert_string_equal(
	    e.msg, "a vm named \"old\" exists already in \"dc1\" (vm-1)");
	/* Another kind, another parent: another name. */
	assert_int_equal(txn_add(b, KIND_TEMPLATE, dc, "new", &o, &e), 0);
	txn_free(a);
	assert_int_equal(txn_add(b, KIND_VM, dc, "new", &o, &e), 0);
	assert_int_equal(world_commit(w, b), 0);
	struct txn *c = txn_new(w->inv);
	assert_int_equal(txn_add(c, KIND_VM, dc, "new", &o, &e), ERR_EXISTS);
	assert_int_equal(
	    txn_rename(c, obj_id_make(KIND_VM, 1), dc, "new", &e), ERR_EXISTS);
	txn_free(c);
}

static void
test_tasks_may_share_a_name(void **state)
{
	struct world *w = *state;
	world_add(w, KIND_TASK, OBJ_ID_NONE, "Power on");
	world_add(w, KIND_TASK, OBJ_ID_NONE, "Power on");
	assert_int_equal(inv_count(w->inv, KIND_TASK), 2);
}

static void
test_name_is_free_after_a_failure(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	db_fake_fail_next(w->db, ERR_UNAVAILABLE);
	assert_int_equal(world_commit(w, t), ERR_UNAVAILABLE);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 0);
	world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
}

static void
test_edits_of_different_fields_merge(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	struct txn *a = txn_new(w->inv), *b = txn_new(w->inv);
	struct vm *x = txn_edit(a, vm), *y = txn_edit(b, vm);
	assert_ptr_not_equal(x, y);
	assert_ptr_equal(txn_edit(a, vm), x);
	x->num_cpu = 8;
	x->notes = xstrdup("n");
	y->power_state = POWER_ON;
	assert_int_equal(world_commit(w, a), 0);
	assert_int_equal(world_commit(w, b), 0);
	assert_int_equal(inv_vm(w->inv, vm)->num_cpu, 8);
	assert_int_equal(inv_vm(w->inv, vm)->power_state, POWER_ON);
	assert_string_equal(db_fake_value(w->db, "vms", "vm-1", "num_cpu"), "8");
	assert_string_equal(
	    db_fake_value(w->db, "vms", "vm-1", "power_state"), "powered_on");
	assert_string_equal(db_fake_value(w->db, "vms", "vm-1", "notes"), "n");
}

static void
test_text_can_become_null(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	struct txn *t = txn_new(w->inv);
	((struct vm *)txn_edit(t, vm))->notes = xstrdup("x");
	assert_int_equal(world_commit(w, t), 0);
	t = txn_new(w->inv);
	struct vm *v = txn_edit(t, vm);
	free(v->notes);
	v->notes = NULL;
	assert_int_equal(world_commit(w, t), 0);
	assert_null(inv_vm(w->inv, vm)->notes);
	assert_null(db_fake_value(w->db, "vms", "vm-1", "notes"));
}

static void
test_edit_of_nothing_writes_nothing(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	size_t commits = db_fake_commits(w->db);
	uint64_t rev = inv_rev(w->inv);
	struct txn *t = txn_new(w->inv);
	assert_non_null(txn_edit(t, dc));
	assert_null(txn_edit(t, obj_id_make(KIND_VM, 77)));
	assert_int_equal(world_commit(w, t), 0);
	assert_int_equal(db_fake_commits(w->db), commits);
	assert_int_equal(inv_rev(w->inv), rev);
}

static void
test_one_txn_sees_itself(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct obj *dc, *cluster, *pool;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(
	    txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc", (void **)&dc, &e), 0);
	assert_int_equal(
	    txn_add(t, KIND_CLUSTER, dc->id, "c", (void **)&cluster, &e), 0);
	assert_int_equal(
	    txn_add(t, KIND_POOL, cluster->id, "Resources", (void **)&pool, &e), 0);
	assert_ptr_equal(txn_edit(t, pool->id), pool);
	((struct pool *)pool)->is_root = true;
	obj_id id = pool->id;
	assert_int_equal(world_commit(w, t), 0);
	assert_true(inv_pool(w->inv, id)->is_root);
	assert_true(obj_id_is(inv_ancestor(w->inv, id, KIND_DATACENTER),
	    obj_id_make(KIND_DATACENTER, 1)));
}

static void
test_parent_has_to_be_there(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_VM, obj_id_make(KIND_FOLDER, 9), "a", &o, &e),
	    ERR_NOT_FOUND);
	assert_string_equal(e.msg, "there is no folder-9");
	assert_int_equal(txn_rename(t, obj_id_make(KIND_VM, 9), OBJ_ID_NONE, "a", &e),
	    ERR_NOT_FOUND);
	txn_free(t);
}

static void
test_only_the_empty_is_deleted(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	void *o;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id folder = world_add(w, KIND_FOLDER, dc, "f");
	struct txn *t = txn_new(w->inv);
	txn_del(t, dc);
	assert_int_equal(world_commit(w, t), ERR_BAD_STATE);
	assert_non_null(inv_get(w->inv, dc));

	/* A kid that is on its way counts, and a parent that is leaving takes none. */
	struct txn *adds = txn_new(w->inv);
	assert_int_equal(txn_add(adds, KIND_VM, folder, "a", &o, &e), 0);
	t = txn_new(w->inv);
	txn_del(t, folder);
	assert_int_equal(world_commit(w, t), ERR_BAD_STATE);
	txn_free(adds);
	t = txn_new(w->inv);
	txn_del(t, folder);
	adds = txn_new(w->inv);
	assert_int_equal(txn_add(adds, KIND_VM, folder, "a", &o, &e), ERR_BAD_STATE);
	assert_string_equal(e.msg, "folder \"f\" is being deleted");
	txn_free(adds);
	assert_int_equal(world_commit(w, t), 0);

	/* Both at once, the inner first. */
	folder = world_add(w, KIND_FOLDER, dc, "f");
	t = txn_new(w->inv);
	txn_del(t, folder);
	txn_del(t, dc);
	assert_int_equal(world_commit(w, t), 0);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 0);
	assert_int_equal(db_fake_rows(w->db, "datacenters"), 0);
}

static void
test_deleted_twice(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	struct txn *a = txn_new(w->inv), *b = txn_new(w->inv);
	txn_del(a, dc);
	txn_del(b, dc);
	assert_int_equal(world_commit(w, b), ERR_BAD_STATE);
	assert_int_equal(world_commit(w, a), 0);
}

static void
test_edit_of_what_is_gone_is_harmless(void **state)
{
	struct world *w = *state;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(w, KIND_VM, dc, "a");
	struct txn *edit = txn_new(w->inv), *del = txn_new(w->inv);
	((struct vm *)txn_edit(edit, vm))->num_cpu = 3;
	txn_del(del, vm);
	assert_int_equal(world_commit(w, del), 0);
	assert_int_equal(world_commit(w, edit), 0);
	assert_null(inv_get(w->inv, vm));
	assert_int_equal(db_fake_rows(w->db, "vms"), 0);
}

static void
test_deadline_while_the_database_is_away(void **state)
{
	struct world *w = *state;
	struct ending end = { 0 };
	struct err e = ERR_INIT;
	void *o;
	db_fake_down(w->db);
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	txn_commit(t, on_end, &end);
	clock_advance(w->clock, 4999);
	world_settle(w);
	assert_int_equal(end.calls, 0);
	clock_advance(w->clock, 1);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.rc, ERR_UNAVAILABLE);
	db_fake_up(w->db);
	world_settle(w);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 0);
	assert_int_equal(db_fake_rows(w->db, "datacenters"), 0);
}

static void
lose(struct world *w, enum db_fake_outcome truth, int wanted, size_t rows)
{
	struct ending end = { 0 };
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	db_fake_lose_next(w->db, truth);
	txn_commit(t, on_end, &end);
	clock_advance(w->clock, 30000);
	world_settle(w);
	/* Whether it is true is not known: nobody is told anything. */
	assert_int_equal(end.calls, 0);
	db_fake_up(w->db);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.rc, wanted);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), rows);
	assert_int_equal(db_fake_rows(w->db, "datacenters"), rows);
}

static void
test_lost_answer_of_a_commit(void **state)
{
	lose(*state, DB_FAKE_WRITTEN, 0, 1);
}

static void
test_lost_before_the_commit(void **state)
{
	lose(*state, DB_FAKE_NOT_WRITTEN, ERR_UNAVAILABLE, 0);
}

static void
test_stale_epoch(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	db_fake_fail_next(w->db, ERR_STALE);
	assert_int_equal(world_commit(w, t), ERR_STALE);
	assert_int_equal(inv_count(w->inv, KIND_DATACENTER), 0);
}

/* The order in which transactions ended, as digits. */
struct order {
	char text[16];
};

struct numbered {
	struct order *order;
	char digit;
};

static void
on_numbered(void *arg, int rc, const struct err *e)
{
	const struct numbered *n = arg;
	size_t len = strlen(n->order->text);
	n->order->text[len] = n->digit;
}

static void
test_ends_come_in_the_order_of_sending(void **state)
{
	struct world *w = *state;
	struct order order = { "" };
	struct numbered n[4];
	db_fake_hold(w->db);
	for (unsigned i = 0; i < 4; i++) {
		struct err e = ERR_INIT;
		void *o;
		char name[8] = { 'd', (char)('0' + i) };
		struct txn *t = txn_new(w->inv);
		assert_int_equal(
		    txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, name, &o, &e), 0);
		n[i] = (struct numbered){ &order, (char)('0' + i) };
		txn_commit(t, on_numbered, &n[i]);
	}
	db_fake_fail_next(w->db, ERR_UNAVAILABLE);
	db_fake_release(w->db, 2);
	world_settle(w);
	assert_string_equal(order.text, "01");
	db_fake_unhold(w->db);
	world_settle(w);
	assert_string_equal(order.text, "0123");
	assert_null(inv_find(w->inv, OBJ_ID_NONE, KIND_DATACENTER, "d0"));
	assert_non_null(inv_find(w->inv, OBJ_ID_NONE, KIND_DATACENTER, "d3"));
}

static void
test_statements_and_audit_go_along(void **state)
{
	struct world *w = *state;
	struct caller who = { .name = "root", .address = "10.0.0.7" };
	struct txn *t = txn_new(w->inv);
	txn_sql(t, STMT_SETTING_SET, 2, (const char *const[]){ "a", "b" });
	txn_audit(t, &who, "vm.create", OBJ_ID_NONE, "a", ERR_DENIED, NULL);
	txn_audit(t, NULL, "recover", OBJ_ID_NONE, NULL, 0, "x");
	assert_int_equal(world_commit(w, t), 0);
	assert_int_equal(db_fake_ran(w->db, STMT_SETTING_SET), 1);
	assert_int_equal(db_fake_ran(w->db, STMT_AUDIT_ADD), 2);
}

static void
test_inventory_may_end_before_its_txns(void **state)
{
	struct world *w = *state;
	struct ending end = { 0 };
	struct err e = ERR_INIT;
	void *o;
	db_fake_hold(w->db);
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc1", &o, &e), 0);
	txn_commit(t, on_end, &end);
	/* The teardown frees both; the sanitizer watches. */
}

int
main(void)
{
#define WORLD_TEST(fn) cmocka_unit_test_setup_teardown(fn, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_nothing_shows_before_the_commit),
		WORLD_TEST(test_names_are_reserved),
		WORLD_TEST(test_tasks_may_share_a_name),
		WORLD_TEST(test_name_is_free_after_a_failure),
		WORLD_TEST(test_edits_of_different_fields_merge),
		WORLD_TEST(test_text_can_become_null),
		WORLD_TEST(test_edit_of_nothing_writes_nothing),
		WORLD_TEST(test_one_txn_sees_itself),
		WORLD_TEST(test_parent_has_to_be_there),
		WORLD_TEST(test_only_the_empty_is_deleted),
		WORLD_TEST(test_deleted_twice),
		WORLD_TEST(test_edit_of_what_is_gone_is_harmless),
		WORLD_TEST(test_deadline_while_the_database_is_away),
		WORLD_TEST(test_lost_answer_of_a_commit),
		WORLD_TEST(test_lost_before_the_commit),
		WORLD_TEST(test_stale_epoch),
		WORLD_TEST(test_ends_come_in_the_order_of_sending),
		WORLD_TEST(test_statements_and_audit_go_along),
		WORLD_TEST(test_inventory_may_end_before_its_txns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

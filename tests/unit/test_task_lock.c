#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/task/task_lock.h"

static const obj_id vm = { (uint64_t)KIND_VM << 56 | 1 };
static const obj_id host = { (uint64_t)KIND_HOST << 56 | 1 };

static void
modes_exclude_each_other(void **state)
{
	static const struct {
		enum lock_mode a, b;
		bool conflict;
	} rows[] = {
		{ LOCK_SHARED, LOCK_SHARED, false },
		{ LOCK_SHARED, LOCK_EXCLUSIVE, true },
		{ LOCK_EXCLUSIVE, LOCK_SHARED, true },
		{ LOCK_EXCLUSIVE, LOCK_EXCLUSIVE, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lock_set a = { .n = 0 }, b = { .n = 0 };
		lock_set_add(&a, vm, rows[i].a);
		lock_set_add(&b, host, LOCK_EXCLUSIVE);
		assert_true(obj_id_none(lock_set_conflict(&a, &b)));
		lock_set_add(&b, vm, rows[i].b);
		obj_id got = lock_set_conflict(&a, &b);
		assert_int_equal(got.v, rows[i].conflict ? vm.v : 0);
	}
}

static void
an_object_twice_keeps_the_stronger_mode(void **state)
{
	struct lock_set s = { .n = 0 };
	lock_set_add(&s, vm, LOCK_SHARED);
	lock_set_add(&s, vm, LOCK_EXCLUSIVE);
	lock_set_add(&s, vm, LOCK_SHARED);
	lock_set_add(&s, OBJ_ID_NONE, LOCK_EXCLUSIVE);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.want[0].mode, LOCK_EXCLUSIVE);
}

static void
newcomers_are_refused_or_take_their_turn(void **state)
{
	static const struct {
		const char *running, *op, *mode;
		enum lock_turn turn;
	} rows[] = {
		{ "vm.start", "vm.delete", NULL, TURN_REFUSED },
		{ "vm.start", "vm.start", NULL, TURN_REFUSED },
		{ "vm.create", "vm.delete", NULL, TURN_REFUSED },
		{ "vm.create", "vm.start", NULL, TURN_QUEUED },
		{ "vm.stop", "vm.start", NULL, TURN_QUEUED },
		{ "vm.suspend", "vm.start", NULL, TURN_QUEUED },
		{ "vm.stop", "vm.stop", "acpi", TURN_REFUSED },
		{ "vm.stop", "vm.stop", NULL, TURN_REFUSED },
		{ "vm.stop", "vm.stop", "kill", TURN_QUEUED_CANCELLING },
		{ "vm.restart", "vm.stop", "kill", TURN_QUEUED_CANCELLING },
		{ "vm.start", "vm.stop", "kill", TURN_REFUSED },
		{ "template.delete", "vm.create", NULL, TURN_REFUSED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(
		    lock_turn(rows[i].running, rows[i].op, rows[i].mode), rows[i].turn);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_exclude_each_other),
		cmocka_unit_test(an_object_twice_keeps_the_stronger_mode),
		cmocka_unit_test(newcomers_are_refused_or_take_their_turn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

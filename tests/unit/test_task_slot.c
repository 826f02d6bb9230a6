#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/task/task_slot.h"

#define HOST(n)  obj_id_make(KIND_HOST, n)
#define STORE(n) obj_id_make(KIND_DATASTORE, n)

static struct slot_set
one(obj_id object, const char *what, uint32_t cost, uint32_t ceiling)
{
	struct slot_set s = { .n = 0 };
	struct slot_want w = { object, what, cost, ceiling };

	slot_set_add(&s, &w);
	return s;
}

static void
what_is_wanted_twice_adds_up(void **state)
{
	struct slot_set s = one(HOST(1), "moves", 1, 8);
	struct slot_want again = { HOST(1), "moves", 4, 8 };
	struct slot_want other = { HOST(1), "network moves", 1, 4 };
	struct slot_want none = { OBJ_ID_NONE, "moves", 1, 8 };

	slot_set_add(&s, &again);
	slot_set_add(&s, &other);
	slot_set_add(&s, &none);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.want[0].cost, 5);
}

static void
a_ceiling_is_kept_per_object_and_name(void **state)
{
	struct slot_set four = one(HOST(1), "moves", 4, 8);
	struct slot_set here = one(HOST(1), "moves", 4, 8);
	struct slot_set there = one(HOST(2), "moves", 4, 8);
	struct slot_set store = one(STORE(1), "moves", 4, 8);
	const struct slot_set *two[] = { &here, &four };
	const struct slot_set *spread[] = { &here, &there, &store };

	assert_non_null(slot_set_blocked(&four, two, 2));
	assert_ptr_equal(slot_set_blocked(&four, two, 2), &four.want[0]);
	assert_null(slot_set_blocked(&four, spread, 3));
	assert_null(slot_set_blocked(&four, NULL, 0));
}

static void
one_that_is_too_big_runs_alone(void **state)
{
	struct slot_set big = one(HOST(1), "moves", 9, 8);
	struct slot_set small = one(HOST(1), "moves", 1, 8);
	const struct slot_set *with[] = { &small };

	assert_null(slot_set_blocked(&big, NULL, 0));
	assert_non_null(slot_set_blocked(&big, with, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_twice_adds_up),
		cmocka_unit_test(a_ceiling_is_kept_per_object_and_name),
		cmocka_unit_test(one_that_is_too_big_runs_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The published examples of HA's admission control. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scheduler/failover.h"

#define GB 1024u

static const struct failover_host three[] = { { 9000, 9 * GB }, { 9000, 6 * GB },
	{ 6000, 6 * GB } };
static const struct failover_guest five[] = { { 2000, 1 * GB, 0 }, { 2000, 1 * GB, 0 },
	{ 1000, 2 * GB, 0 }, { 1000, 1 * GB, 0 }, { 1000, 1 * GB, 0 } };

static void
slots_of_three_hosts(void **state)
{
	struct failover_slots s = failover_slots(three, 3, five, 5, NULL, 1);

	assert_int_equal(s.slot.cpu_mhz, 2000);
	assert_int_equal(s.slot.memory_mb, 2 * GB);
	assert_int_equal(failover_host_slots(&three[0], &s.slot), 4);
	assert_int_equal(failover_host_slots(&three[1], &s.slot), 3);
	assert_int_equal(failover_host_slots(&three[2], &s.slot), 3);
	assert_int_equal(s.used, 5);
	assert_int_equal(s.survives, 1);
	assert_int_equal(s.free, 1);
}

static void
the_largest_host_is_the_one_that_is_lost(void **state)
{
	static const struct failover_host hosts[] = { { 1000000, 16 * GB },
		{ 1000000, 16 * GB }, { 1000000, 32 * GB } };
	static const struct failover_guest guest = { 0, 1 * GB, 0 };
	struct failover_slots s = failover_slots(hosts, 3, &guest, 1, NULL, 1);

	assert_int_equal(s.slot.cpu_mhz, FAILOVER_CPU_MHZ);
	assert_int_equal(s.total, 64);
	assert_int_equal(s.total - s.kept, 32);
	s = failover_slots(hosts, 3, &guest, 1, NULL, 2);
	assert_int_equal(s.total - s.kept, 16);
}

static void
a_capped_slot_makes_large_guests_take_several(void **state)
{
	static const struct failover_guest guest = { 0, 4 * GB, 0 };
	static const struct failover_slot cap = { 0, 1 * GB };
	struct failover_slot s = failover_slot_size(&guest, 1, &cap);

	assert_int_equal(s.memory_mb, 1 * GB);
	assert_int_equal(failover_guest_slots(&guest, &s), 4);
}

static void
overhead_makes_the_slot_where_nothing_is_reserved(void **state)
{
	static const struct failover_guest guests[] = { { 0, 0, 90 }, { 0, 0, 120 } };
	static const struct failover_host host = { 25 * 32, 5 * GB };
	static const struct failover_slot slot = { 32, 1 * GB };
	struct failover_slot s = failover_slot_size(guests, 2, NULL);

	assert_int_equal(s.cpu_mhz, 32);
	assert_int_equal(s.memory_mb, 120);
	assert_int_equal(failover_host_slots(&host, &slot), 5);
}

static void
nothing_at_all_is_fine(void **state)
{
	struct failover_slots s = failover_slots(NULL, 0, NULL, 0, NULL, 1);

	assert_int_equal(s.total, 0);
	assert_int_equal(s.survives, 0);
	assert_int_equal(failover_unreserved(NULL, 0, NULL, 0).cpu_permille, 0);
}

static void
more_guests_than_hosts_can_lose(void **state)
{
	struct failover_slots s = failover_slots(three, 2, five, 5, NULL, 1);

	assert_int_equal(s.total, 7);
	assert_int_equal(s.survives, 0);
	assert_int_equal(s.free, 0);
}

static void
percentages_of_three_hosts(void **state)
{
	struct failover_share s = failover_unreserved(three, 3, five, 5);
	struct failover_share keep = { 250, 250 };
	static const struct failover_guest one = { 1000, 1 * GB, 0 },
					   much = { 11001, 0, 0 };

	assert_int_equal(s.cpu_permille, 708);
	assert_int_equal(s.memory_permille, 714);
	assert_true(failover_share_admits(three, 3, five, 5, &one, &keep));
	assert_false(failover_share_admits(three, 3, five, 5, &much, &keep));
	keep = (struct failover_share){ 0, 0 };
	assert_true(failover_share_admits(three, 3, five, 5, &much, &keep));
}

static void
the_automatic_percentage_is_that_of_the_largest(void **state)
{
	struct failover_host equal[8];

	for (int i = 0; i < 8; i++)
		equal[i] = (struct failover_host){ 10000, 70 * GB };
	assert_int_equal(failover_automatic(equal, 8, 1).memory_permille, 130);
	assert_int_equal(failover_automatic(equal, 4, 1).cpu_permille, 250);
	assert_int_equal(failover_automatic(three, 3, 1).cpu_permille, 380);
	assert_int_equal(failover_automatic(three, 3, 1).memory_permille, 430);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_of_three_hosts),
		cmocka_unit_test(the_largest_host_is_the_one_that_is_lost),
		cmocka_unit_test(a_capped_slot_makes_large_guests_take_several),
		cmocka_unit_test(overhead_makes_the_slot_where_nothing_is_reserved),
		cmocka_unit_test(nothing_at_all_is_fine),
		cmocka_unit_test(more_guests_than_hosts_can_lose),
		cmocka_unit_test(percentages_of_three_hosts),
		cmocka_unit_test(the_automatic_percentage_is_that_of_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

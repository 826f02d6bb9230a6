/* What clusters keep free for lost hosts, on the published examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/admission/admission_check.h"

#define GB 1024u

static const struct failover_host three[] = { { 9000, 9 * GB }, { 9000, 6 * GB },
	{ 6000, 6 * GB } };
static const struct failover_guest five[] = { { 2000, 1 * GB, 0 }, { 2000, 1 * GB, 0 },
	{ 1000, 2 * GB, 0 }, { 1000, 1 * GB, 0 }, { 1000, 1 * GB, 0 } };

static struct admission_view
example(enum ha_admission policy, uint32_t level)
{
	return (struct admission_view){
		.cluster = "c",
		.policy = policy,
		.level = level,
		.hosts = three,
		.n_hosts = 3,
		.guests = five,
		.n_guests = 5,
	};
}

static void
admits(const struct admission_view *v, uint64_t mhz, uint64_t mb)
{
	const struct failover_guest more = { mhz, mb, 0 };
	struct err e = ERR_INIT;

	if (admission_check(v, "web", &more, &e))
		fail_msg("%s", e.msg);
}

static void
refuses(const struct admission_view *v, uint64_t mhz, uint64_t mb, const char *why)
{
	const struct failover_guest more = { mhz, mb, 0 };
	struct err e = ERR_INIT;

	assert_int_equal(admission_check(v, "web", &more, &e), ERR_NO_CAPACITY);
	assert_string_equal(e.msg, why);
}

static void
it_stands_as_published(void **state)
{
	const struct admission_view v = example(HA_ADMIT_PERCENTAGE, 1);
	struct admission_room r;

	admission_weigh(&v, &r);
	assert_int_equal(r.unreserved.cpu_permille, 708);
	assert_int_equal(r.unreserved.memory_permille, 714);
	assert_int_equal(r.cpu_mhz, 24000);
	assert_int_equal(r.reserved_mhz, 7000);
	assert_int_equal(r.slots.slot.cpu_mhz, 2000);
	assert_int_equal(r.slots.slot.memory_mb, 2 * GB);
	assert_int_equal(r.slots.total, 10);
	assert_int_equal(r.slots.used, 5);
	assert_int_equal(r.slots.kept, 4);
	assert_int_equal(r.slots.survives, 1);
}

static void
a_percentage_that_is_given_stays_unreserved(void **state)
{
	struct admission_view v = example(HA_ADMIT_PERCENTAGE, 1);

	v.cpu_percent = v.memory_percent = 25;
	/* 24000 - 6000 - 7000 MHz, 21504 - 5376 - 6144 MB */
	admits(&v, 11000, 1 * GB);
	refuses(&v, 11001, 1 * GB,
	    "\"web\" asks for 11001 MHz of CPU, 1 too many: cluster \"c\" keeps 6000 of "
	    "24000 for lost hosts, 7000 are reserved; it fits with a reservation of "
	    "11000 MHz");
	admits(&v, 0, 9984);
	refuses(&v, 0, 10000,
	    "\"web\" asks for 10000 MB of memory, 16 too many: cluster \"c\" keeps 5376 "
	    "of 21504 for lost hosts, 6144 are reserved; it fits with a reservation of "
	    "9984 MB");
	v.cpu_percent = v.memory_percent = 100;
	refuses(&v, 0, 0,
	    "\"web\" asks for 32 MHz of CPU, 7032 too many: cluster \"c\" keeps 24000 "
	    "of 24000 for lost hosts, 7000 are reserved; nothing fits while so much is "
	    "kept");
	v.cpu_percent = 71;
	refuses(&v, 0, 0,
	    "\"web\" asks for 32 MHz of CPU, 72 too many: cluster \"c\" keeps 17040 of "
	    "24000 for lost hosts, 7000 are reserved; it fits once others give back 72 "
	    "MHz");
}

static void
without_one_it_is_the_largest_hosts(void **state)
{
	struct admission_view v = example(HA_ADMIT_PERCENTAGE, 1);

	/* 9 of 24 GHz are 38 % */
	admits(&v, 24000 - 9120 - 7000, 0);
	refuses(&v, 24000 - 9120 - 7000 + 1, 0,
	    "\"web\" asks for 7881 MHz of CPU, 1 too many: cluster \"c\" keeps 9120 of "
	    "24000 for lost hosts, 7000 are reserved; it fits with a reservation of "
	    "7880 MHz");
	v.level = 0;
	admits(&v, 30000, 30 * GB);
}

static void
slots_of_the_hosts_that_may_be_lost_stay_free(void **state)
{
	struct admission_view v = example(HA_ADMIT_SLOTS, 1);

	admits(&v, 2000, 2 * GB);
	v.level = 2;
	refuses(&v, 1000, 1 * GB,
	    "with \"web\" cluster \"c\" has 10 slots of 2000 MHz and 2048 MB: 7 are "
	    "kept for lost hosts and 6 used, 3 too many; it fits once so many are free, "
	    "or with less reserved");
	v.level = 0;
	admits(&v, 1000, 1 * GB);
}

static void
a_large_guest_makes_slots_large_unless_they_are_bounded(void **state)
{
	struct admission_view v = example(HA_ADMIT_SLOTS, 1);

	/* 2 + 2 + 1 slots of 4 GHz, 2 of them kept */
	refuses(&v, 4000, 1 * GB,
	    "with \"web\" cluster \"c\" has 5 slots of 4000 MHz and 2048 MB: 2 are kept "
	    "for lost hosts and 6 used, 3 too many; it fits once so many are free, or "
	    "with less reserved");
	/* 9 + 6 + 6 slots of 1 GHz and 1 GB, 9 of them kept */
	v.caps = (struct failover_slot){ 1000, 1 * GB };
	admits(&v, 4000, 1 * GB);
	refuses(&v, 5000, 1 * GB,
	    "with \"web\" cluster \"c\" has 21 slots of 1000 MHz and 1024 MB: 9 are "
	    "kept for lost hosts and 13 used, 1 too many; it fits once so many are "
	    "free, or with less reserved");
}

static void
nothing_is_asked_where_it_is_off_or_whole_hosts_are_kept(void **state)
{
	const struct admission_view off = example(HA_ADMIT_OFF, 3);
	const struct admission_view hosts = example(HA_ADMIT_HOSTS, 3);

	admits(&off, 100000, 100 * GB);
	admits(&hosts, 100000, 100 * GB);
}

static void
what_guests_would_miss_is_of_the_scarcer(void **state)
{
	/* Without the largest there are 15000 MHz and 12 GB. */
	assert_int_equal(admission_miss(three, 3, 1, 15000, 12 * GB), 0);
	assert_int_equal(admission_miss(three, 3, 1, 20000, 12 * GB), 25);
	assert_int_equal(admission_miss(three, 3, 1, 20000, 24 * GB), 50);
	assert_int_equal(admission_miss(three, 3, 3, 1, 0), 100);
	assert_int_equal(admission_miss(three, 3, 0, 24000, 21 * GB), 0);
	assert_int_equal(admission_miss(NULL, 0, 1, 0, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_stands_as_published),
		cmocka_unit_test(a_percentage_that_is_given_stays_unreserved),
		cmocka_unit_test(without_one_it_is_the_largest_hosts),
		cmocka_unit_test(slots_of_the_hosts_that_may_be_lost_stay_free),
		cmocka_unit_test(
		    a_large_guest_makes_slots_large_unless_they_are_bounded),
		cmocka_unit_test(what_guests_would_miss_is_of_the_scarcer),
		cmocka_unit_test(
		    nothing_is_asked_where_it_is_off_or_whole_hosts_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

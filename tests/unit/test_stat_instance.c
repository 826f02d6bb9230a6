#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/stats/stat_instance.h"

#define SLOTS 10u

static struct stat_instance *
put(struct list *all, const char *name, uint64_t slot)
{
	struct stat_instance *i = stat_instance_at(all, name, SLOTS, slot);

	if (i)
		assert_true(stat_ring_put(i->ring, slot, METRIC_NET_RECEIVED, 1));
	return i;
}

static void
each_has_samples_of_its_own(void **state)
{
	struct list all;

	list_init(&all);
	assert_ptr_not_equal(put(&all, "nic-0", 100), put(&all, "nic-1", 100));
	assert_ptr_equal(put(&all, "nic-0", 101), stat_instance_find(&all, "nic-0"));
	assert_null(stat_instance_find(&all, "nic-2"));
	stat_instances_drop(&all);
	assert_null(stat_instance_find(&all, "nic-0"));
}

static void
an_object_has_so_many_and_no_more(void **state)
{
	struct list all;
	char name[METRIC_INSTANCE_TEXT];

	list_init(&all);
	for (unsigned i = 0; i < METRIC_INSTANCES_MAX; i++) {
		snprintf(name, sizeof(name), "cpu%u", i);
		assert_non_null(put(&all, name, 100));
	}
	assert_null(put(&all, "one-more", 100));
	assert_non_null(put(&all, "cpu0", 100 + SLOTS - 1));
	assert_null(put(&all, "one-more", 100 + SLOTS - 1));
	/* Those that nothing is kept of make room. */
	assert_non_null(put(&all, "one-more", 100 + SLOTS));
	assert_non_null(stat_instance_find(&all, "cpu0"));
	assert_null(stat_instance_find(&all, "cpu1"));
	stat_instances_drop(&all);
}

static void
bad_names_are_none(void **state)
{
	static const char *const bad[] = { "", "a,b", "a\"b", "a b", "a\nb", "*",
		"\xc3\xa4", "01234567890123456789012345678901" };
	struct list all;

	list_init(&all);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(put(&all, bad[i], 100));
	assert_non_null(put(&all, "0123456789012345678901234567890", 100));
	assert_non_null(put(&all, "bond0.12:1@x_y-z", 100));
	stat_instances_drop(&all);
}

static void
lists_name_some(void **state)
{
	assert_true(stat_instance_named("*", "nic-0"));
	assert_true(stat_instance_named("*", ""));
	assert_true(stat_instance_named("", ""));
	assert_false(stat_instance_named("", "nic-0"));
	assert_true(stat_instance_named("disk-1,NIC-*", "nic-0"));
	assert_false(stat_instance_named("disk-1,nic-*", "disk-0"));
	assert_false(stat_instance_named("disk-1,nic-*", ""));
	assert_true(stat_instance_named("disk-1,", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_samples_of_its_own),
		cmocka_unit_test(an_object_has_so_many_and_no_more),
		cmocka_unit_test(bad_names_are_none),
		cmocka_unit_test(lists_name_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

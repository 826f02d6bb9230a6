#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/access/login_decide.h"

static void
first_failures_are_free(void **state)
{
	struct login_count c = { 0 };

	for (int i = 1; i < LOGIN_FREE_USER; i++) {
		login_failed(&c, LOGIN_FREE_USER, 1000);
		assert_int_equal(login_wait_ms(&c, 1000), 0);
	}
	login_failed(&c, LOGIN_FREE_USER, 1000);
	assert_int_equal(login_wait_ms(&c, 1000), 1000);
	assert_int_equal(login_wait_ms(&c, 1999), 1);
	assert_int_equal(login_wait_ms(&c, 2000), 0);
}

static void
each_further_failure_doubles_the_wait(void **state)
{
	struct login_count c = { 0 };
	uint64_t now = 1000, want = 1000;

	for (int i = 1; i < LOGIN_FREE_USER; i++)
		login_failed(&c, LOGIN_FREE_USER, now);
	for (int i = 0; i < 40; i++) {
		login_failed(&c, LOGIN_FREE_USER, now);
		assert_int_equal(login_wait_ms(&c, now), want);
		now += want;
		want = want * 2 > LOGIN_MAX_WAIT_MS ? LOGIN_MAX_WAIT_MS : want * 2;
	}
}

static void
a_quiet_half_hour_forgives(void **state)
{
	struct login_count c = { 0 };

	for (int i = 0; i < 20; i++)
		login_failed(&c, LOGIN_FREE_USER, 5000);
	uint64_t later = 5000 + LOGIN_FORGET_MS;
	assert_false(login_stale(&c, later - 1));
	assert_true(login_stale(&c, later));
	login_failed(&c, LOGIN_FREE_USER, later);
	assert_int_equal(c.failures, 1);
	assert_int_equal(login_wait_ms(&c, later), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_failures_are_free),
		cmocka_unit_test(each_further_failure_doubles_the_wait),
		cmocka_unit_test(a_quiet_half_hour_forgives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

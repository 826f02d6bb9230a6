#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

static void
the_same_seed_gives_the_same_numbers(void **state)
{
	struct rng a, b, c;
	rng_seed(&a, 1);
	rng_seed(&b, 1);
	rng_seed(&c, 2);
	int same = 0;
	for (int i = 0; i < 100; i++) {
		uint64_t x = rng_next(&a);
		assert_true(x == rng_next(&b));
		same += x == rng_next(&c);
	}
	assert_int_equal(same, 0);
}

static void
the_generator_is_xoshiro(void **state)
{
	struct rng r = { { 1, 2, 3, 4 } };
	assert_int_equal(rng_next(&r), 11520);
	assert_int_equal(rng_next(&r), 0);
	assert_int_equal(rng_next(&r), 1509978240);
	assert_int_equal(rng_next(&r), 1215971899390074240);
}

static void
below_is_in_range_and_even(void **state)
{
	struct rng r;
	rng_seed(&r, 0);
	unsigned hits[7] = { 0 };
	for (int i = 0; i < 70000; i++) {
		uint64_t x = rng_below(&r, 7);
		assert_in_range(x, 0, 6);
		hits[x]++;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(hits[i], 9500, 10500);
	assert_int_equal(rng_below(&r, 1), 0);
	for (int i = 0; i < 100; i++)
		assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

static void
secrets_differ(void **state)
{
	unsigned char a[4096] = { 0 }, b[4096] = { 0 };
	rng_secret(a, sizeof(a));
	rng_secret(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_memory_not_equal(a + 4064, b + 4064, 32);
	rng_secret(a, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_numbers),
		cmocka_unit_test(the_generator_is_xoshiro),
		cmocka_unit_test(below_is_in_range_and_even),
		cmocka_unit_test(secrets_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

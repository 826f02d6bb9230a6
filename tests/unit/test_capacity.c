/* How many more fit, checked against what the lost host's guests need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/balance_spare.h"
#include "scheduler/capacity.h"
#include "tests/lib/drs_run.h"

/* Three hosts of 100 MB; 40, 30 and nothing there. */
static const char three[] = "H 0 a 1000 1 100\nH 1 b 1000 1 100\nH 2 c 1000 1 100\n"
			    "V 0 x 0 1 40 500 0 0 0 1 1 0\n"
			    "V 1 y 1 1 30 100 0 0 0 1 1 0\n";

static struct capacity
find(struct drs_run *f, double mem, double cpu, uint32_t failures)
{
	const struct capacity_ask ask = { mem, cpu, failures };

	drs_run_init(f, three);
	return capacity_find(&f->bal, &ask);
}

static void
without_a_loss_all_that_is_free_counts(void **state)
{
	struct drs_run f;
	struct capacity c = find(&f, 25, 0, 0);

	/* 60, 70 and 100 MB free. */
	assert_int_equal(c.count, 2 + 2 + 4);
	assert_int_equal(c.bound, c.count);
	assert_int_equal(c.on[0], 2);
	assert_int_equal(c.on[2], 4);
	drs_run_fini(&f);
}

static void
cpu_can_be_what_is_short(void **state)
{
	struct drs_run f;
	struct capacity c = find(&f, 1, 400, 0);

	/* 500, 900 and 1000 MHz free. */
	assert_int_equal(c.count, 1 + 2 + 2);
	drs_run_fini(&f);
}

static void
with_a_loss_the_others_hold_everything(void **state)
{
	struct drs_run f;
	struct capacity c = find(&f, 10, 0, 1);
	double total = 70 + 10.0 * c.count;

	assert_int_equal(c.bound, 13);
	assert_true(c.count >= 12 && c.count <= c.bound);
	assert_true(total <= 200);
	assert_int_equal(c.on[0] + c.on[1] + c.on[2], c.count);
	drs_run_fini(&f);
}

static void
what_is_larger_than_every_gap_does_not_fit(void **state)
{
	struct drs_run f;
	struct capacity c = find(&f, 101, 0, 0);

	assert_int_equal(c.count, 0);
	assert_int_equal(capacity_place(&f.bal, 101, 0), BAL_NONE);
	drs_run_fini(&f);
}

static void
one_more_goes_where_it_is_emptiest_and_safe(void **state)
{
	struct drs_run f;

	find(&f, 10, 0, 1);
	assert_int_equal(capacity_place(&f.bal, 95, 0), 2);
	bal_spare_init(&f.bal);
	assert_int_equal(bal_spare_missing(&f.bal), 0);
	/* It would fit on c, but nobody could take it from there. */
	assert_int_equal(capacity_place(&f.bal, 95, 0), BAL_NONE);
	assert_int_equal(capacity_place(&f.bal, 30, 100), 2);
	drs_run_fini(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_loss_all_that_is_free_counts),
		cmocka_unit_test(cpu_can_be_what_is_short),
		cmocka_unit_test(with_a_loss_the_others_hold_everything),
		cmocka_unit_test(what_is_larger_than_every_gap_does_not_fit),
		cmocka_unit_test(one_more_goes_where_it_is_emptiest_and_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

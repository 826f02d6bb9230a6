/* What the rounds remember. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/drs/drs_past.h"

#define MINUTE_MS UINT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)

/* The clock of a machine that has been up for a while. */
#define BEGIN_MS (1000 * HOUR_MS)

static void
use(struct drs_past *p, double mhz, uint64_t from_ms, uint64_t to_ms)
{
	for (uint64_t t = from_ms; t < to_ms; t += MINUTE_MS)
		drs_past_take(p, mhz, t);
}

static void
test_demand_is_smoothed(void **state)
{
	struct drs_past p = { 0 };

	drs_past_take(&p, 1000, BEGIN_MS);
	assert_true(fabs(p.cpu_mhz - 1000) < 1e-9);
	drs_past_take(&p, 2000, BEGIN_MS + MINUTE_MS);
	assert_true(fabs(p.cpu_mhz - 1500) < 1e-9);
	/* A jump begins a new time; what comes near it does not. */
	assert_true(p.since_ms == BEGIN_MS + MINUTE_MS);
	drs_past_take(&p, 1600, BEGIN_MS + 2 * MINUTE_MS);
	assert_true(p.since_ms == BEGIN_MS + MINUTE_MS);
}

static void
test_peak_of_the_last_hour(void **state)
{
	struct drs_past p = { 0 };
	uint64_t t = BEGIN_MS;

	use(&p, 2000, t, t + HOUR_MS / 2);
	use(&p, 100, t + HOUR_MS / 2, t + HOUR_MS);
	assert_true(drs_past_peak(&p, t + HOUR_MS - MINUTE_MS) >= 1999);
	use(&p, 100, t + HOUR_MS, t + 2 * HOUR_MS);
	assert_true(drs_past_peak(&p, t + 2 * HOUR_MS - MINUTE_MS) < 200);
}

static void
test_peak_of_the_same_time_yesterday(void **state)
{
	struct drs_past p = { 0 };
	uint64_t noon = BEGIN_MS + 12 * HOUR_MS, day = 24 * HOUR_MS;

	use(&p, 100, BEGIN_MS, noon);
	use(&p, 3000, noon, noon + HOUR_MS);
	use(&p, 100, noon + HOUR_MS, noon + day + 3 * HOUR_MS);
	struct drs_past at_night = p;
	assert_true(drs_past_peak(&at_night, noon + day + 3 * HOUR_MS) < 200);
	/* As it stood half an hour before the time. */
	p = (struct drs_past){ 0 };
	use(&p, 100, BEGIN_MS, noon);
	use(&p, 3000, noon, noon + HOUR_MS);
	use(&p, 100, noon + HOUR_MS, noon + day - HOUR_MS / 2);
	assert_true(drs_past_peak(&p, noon + day - HOUR_MS / 2) >= 2999);
	assert_true(drs_past_peak(&p, noon + day - 2 * HOUR_MS) < 200);
}

/* A server that saw nothing for days expects nothing of them. */
static void
test_a_gap_says_nothing(void **state)
{
	struct drs_past p = { 0 };
	uint64_t later = BEGIN_MS + 47 * HOUR_MS;

	use(&p, 3000, BEGIN_MS, BEGIN_MS + HOUR_MS);
	use(&p, 100, later, later + HOUR_MS);
	assert_true(drs_past_peak(&p, later + HOUR_MS) >= 100);
	use(&p, 100, later + HOUR_MS, later + 3 * HOUR_MS);
	assert_true(drs_past_peak(&p, later + 3 * HOUR_MS) < 200);
}

static void
test_a_host_that_comes_and_goes(void **state)
{
	struct drs_losses l = { { 0 } };

	drs_losses_note(&l, BEGIN_MS);
	drs_losses_note(&l, BEGIN_MS + MINUTE_MS);
	assert_false(drs_losses_are_many(&l, BEGIN_MS + MINUTE_MS));
	drs_losses_note(&l, BEGIN_MS + 2 * MINUTE_MS);
	assert_true(drs_losses_are_many(&l, BEGIN_MS + 3 * MINUTE_MS));
	assert_false(drs_losses_are_many(&l, BEGIN_MS + 2 * MINUTE_MS + DRS_FLAPS_MS));
	/* Three times in a day is another matter. */
	l = (struct drs_losses){ { 0 } };
	for (unsigned i = 0; i < DRS_FLAPS; i++)
		drs_losses_note(&l, BEGIN_MS + i * HOUR_MS);
	assert_false(drs_losses_are_many(&l, BEGIN_MS + 2 * HOUR_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_demand_is_smoothed),
		cmocka_unit_test(test_peak_of_the_last_hour),
		cmocka_unit_test(test_peak_of_the_same_time_yesterday),
		cmocka_unit_test(test_a_gap_says_nothing),
		cmocka_unit_test(test_a_host_that_comes_and_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"

/* RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void
known_sums_come_out(void **state)
{
	uint8_t zeros[32] = { 0 }, count[32];

	for (uint8_t i = 0; i < sizeof(count); i++)
		count[i] = i;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aau);
	assert_int_equal(crc32c(0, count, sizeof(count)), 0x46dd794eu);
	assert_int_equal(crc32c(0, "", 0), 0);
}

static void
pieces_sum_up_to_the_whole(void **state)
{
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_sums_come_out),
		cmocka_unit_test(pieces_sum_up_to_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

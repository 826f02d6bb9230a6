#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/access/password.h"

static void
a_hash_fits_its_password_only(void **state)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *h = NULL, *again = NULL;

	assert_int_equal(password_hash("correct horse", &h, &e), 0);
	assert_true(str_starts(h, "scrypt$15$8$1$"));
	assert_true(password_fits("correct horse", h));
	assert_false(password_fits("correct horsf", h));
	assert_false(password_fits("", h));
	assert_int_equal(password_hash("correct horse", &again, &e), 0);
	assert_string_not_equal(h, again);
}

static void
lengths_are_checked(void **state)
{
	struct err e = ERR_INIT;
	char longest[PASSWORD_MAX + 2];
	char *h = NULL;

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(password_hash("short", &h, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "8 to 256"));
	assert_int_equal(password_hash(longest, &h, &e), ERR_INVALID);
	assert_null(h);
}

static void
malformed_hashes_fit_nothing(void **state)
{
	static const char *const bad[] = {
		NULL,
		"",
		"plain",
		"scrypt$15$8$1$00$00",
		"scrypt$40$8$1$00112233445566778899aabbccddeeff$"
		"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(password_fits("whatever", bad[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hash_fits_its_password_only),
		cmocka_unit_test(lengths_are_checked),
		cmocka_unit_test(malformed_hashes_fit_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

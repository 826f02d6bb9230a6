#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/secret.h"

static void
bytes_come_back(void **state)
{
	AUTO(secret) struct secret *s = secret_new("a\0b", 3);
	size_t n = 0;
	assert_memory_equal(secret_bytes(s, &n), "a\0b\0", 4);
	assert_int_equal(n, 3);
	AUTO(secret) struct secret *t = secret_from_str("open sesame");
	assert_string_equal(secret_cstr(t), "open sesame");
	AUTO(secret) struct secret *none = secret_new(NULL, 0);
	assert_string_equal(secret_cstr(none), "");
	secret_free(NULL);
}

static void
comparison_looks_at_every_byte(void **state)
{
	assert_true(secret_equal("abc", "abc", 3));
	assert_false(secret_equal("abc", "abd", 3));
	assert_false(secret_equal("xbc", "abc", 3));
	assert_true(secret_equal("abc", "xyz", 0));
}

static void
wiping_leaves_nothing(void **state)
{
	char text[] = "password";
	secret_wipe(text, sizeof(text));
	for (size_t i = 0; i < sizeof(text); i++)
		assert_int_equal(text[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_back),
		cmocka_unit_test(comparison_looks_at_every_byte),
		cmocka_unit_test(wiping_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void
memory_is_zeroed_aligned_and_apart(void **state)
{
	AUTO(arena) struct arena *a = arena_new();
	char *blocks[300];
	for (size_t i = 0; i < 300; i++) {
		size_t n = i * 37 % 9000;
		blocks[i] = arena_alloc(a, n);
		assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
		for (size_t b = 0; b < n; b++)
			assert_int_equal(blocks[i][b], 0);
		memset(blocks[i], (int)(i % 256), n);
	}
	for (size_t i = 0; i < 300; i++) {
		size_t n = i * 37 % 9000;
		for (size_t b = 0; b < n; b++)
			assert_int_equal((unsigned char)blocks[i][b], i % 256);
	}
}

static void
large_things_fit(void **state)
{
	AUTO(arena) struct arena *a = arena_new();
	char *first = arena_alloc(a, 10);
	char *large = arena_alloc(a, 3 << 20);
	char *after = arena_alloc(a, 10);
	memset(large, 1, 3 << 20);
	memset(first, 2, 10);
	assert_int_equal(after[0], 0);
	assert_true(after > first && after - first < 64);
	assert_int_equal(arena_bytes(a), 20 + (3 << 20));
}

static void
text_is_copied_and_formatted(void **state)
{
	AUTO(arena) struct arena *a = arena_new();
	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_strdup(a, "moo"), "moo");
	assert_string_equal(arena_printf(a, "%s-%d", "vm", 42), "vm-42");
	assert_int_equal(strlen(arena_printf(a, "%05000d", 1)), 5000);
}

static void
empty_things_have_places_of_their_own(void **state)
{
	AUTO(arena) struct arena *a = arena_new();
	void *x = arena_alloc(a, 0), *y = arena_array(a, 0, 100);
	assert_non_null(x);
	assert_ptr_not_equal(x, y);
	assert_int_equal(arena_bytes(a), 0);
	arena_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(large_things_fit),
		cmocka_unit_test(text_is_copied_and_formatted),
		cmocka_unit_test(empty_things_have_places_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

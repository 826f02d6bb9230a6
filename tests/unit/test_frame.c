#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "loop/frame.h"

static void
a_head_is_big_endian(void **state)
{
	uint8_t head[FRAME_HEAD];

	frame_head(0x01020304, head);
	assert_memory_equal(head, "\1\2\3\4", 4);
	frame_head(UINT32_MAX, head);
	assert_memory_equal(head, "\377\377\377\377", 4);
}

static int
peek(const char *p, size_t n, uint32_t max, uint32_t *len)
{
	return frame_peek((const uint8_t *)p, n, max, len, NULL);
}

static void
a_frame_is_seen_when_it_is_whole(void **state)
{
	static const char bytes[] = "\0\0\0\3abc\0\0\0\1d";
	uint32_t len = 77;

	for (size_t n = 0; n < 7; n++)
		assert_int_equal(peek(bytes, n, MAX_FRAME, &len), 0);
	assert_int_equal(len, 77);
	assert_int_equal(peek(bytes, 7, MAX_FRAME, &len), 1);
	assert_int_equal(len, 3);
	assert_int_equal(peek(bytes, 12, MAX_FRAME, &len), 1);
	assert_int_equal(len, 3);
}

static void
bad_lengths_are_corrupt(void **state)
{
	uint32_t len = 77;
	struct err e = { 0 };

	assert_int_equal(peek("\0\0\0\0", 4, MAX_FRAME, &len), ERR_CORRUPT);
	assert_int_equal(peek("\0\0\0\13", 4, 10, &len), ERR_CORRUPT);
	assert_int_equal(peek("\0\0\0\12", 4, 10, &len), 0);
	assert_int_equal(peek("\1\0\0\0", 4, MAX_FRAME, &len), 0);
	assert_int_equal(peek("\1\0\0\1", 4, MAX_FRAME, &len), ERR_CORRUPT);
	assert_int_equal(
	    frame_peek((const uint8_t *)"\377\377\377\377", 4, MAX_FRAME, &len, &e),
	    ERR_CORRUPT);
	assert_string_equal(
	    e.msg, "frame: length 4294967295 is over the limit of 16777216");
	assert_int_equal(len, 77);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_big_endian),
		cmocka_unit_test(a_frame_is_seen_when_it_is_whole),
		cmocka_unit_test(bad_lengths_are_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

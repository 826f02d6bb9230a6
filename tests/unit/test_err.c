#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static void
set_records_code_and_text(void **state)
{
	struct err e = ERR_INIT;
	assert_int_equal(
	    err_set(&e, ERR_BAD_STATE, "vm %s is %s", "web", "on"), ERR_BAD_STATE);
	assert_int_equal(e.code, ERR_BAD_STATE);
	assert_int_equal(e.sys, 0);
	assert_string_equal(e.msg, "vm web is on");
	err_clear(&e);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.msg, "");
}

static void
no_code_is_minus_one(void **state)
{
	for (int code = ERR_FIRST_ + 1; code < ERR_LAST_; code++) {
		assert_true(code < -1);
		assert_int_equal(err_from_name(err_name(code)), code);
	}
}

static void
sys_appends_the_reason(void **state)
{
	struct err e = ERR_INIT;
	assert_int_equal(err_sys(&e, ERR_IO, ENOENT, "open %s", "/x"), ERR_IO);
	assert_int_equal(e.sys, ENOENT);
	assert_string_equal(e.msg, "open /x: No such file or directory");
	err_sys(&e, ERR_IO, 4242, "read");
	assert_string_equal(e.msg, "read: errno 4242");
}

static void
wrap_puts_context_in_front(void **state)
{
	struct err e = ERR_INIT;
	err_sys(&e, ERR_IO, EIO, "read");
	assert_int_equal(err_wrap(&e, "disk %d", 3), ERR_IO);
	assert_string_equal(e.msg, "disk 3: read: Input/output error");
	assert_int_equal(e.sys, EIO);
}

static void
a_message_may_quote_itself(void **state)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_IO, "inner");
	err_set(&e, ERR_LOST, "outer (%s)", e.msg);
	assert_string_equal(e.msg, "outer (inner)");
}

static void
long_messages_are_cut_between_characters(void **state)
{
	for (size_t pad = 0; pad < 4; pad++) {
		struct err e = ERR_INIT;
		AUTO(str) struct str s = STR_INIT;
		for (size_t i = 0; i < pad; i++)
			str_addc(&s, 'x');
		for (int i = 0; i < 100; i++)
			str_add(&s, "\xe2\x82\xac");
		err_set(&e, ERR_INVALID, "%s", str_cstr(&s));
		assert_true(strlen(e.msg) > sizeof(e.msg) - 5);
		assert_null(strchr(e.msg, '?'));
		assert_true(utf8_valid(e.msg, strlen(e.msg)));
		err_wrap(&e, "%.*s", (int)pad, "yyy");
		assert_true(utf8_valid(e.msg, strlen(e.msg)));
		assert_null(strchr(e.msg, '?'));
	}
}

static void
messages_are_one_line_of_utf8(void **state)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_INVALID,
	    "a\nb\tc\x7f"
	    "d\xff"
	    "e\xc3");
	assert_string_equal(e.msg, "a b c d?e?");
}

static void
nobody_has_to_ask_for_the_message(void **state)
{
	assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
	assert_int_equal(err_sys(NULL, ERR_BUSY, EIO, "x"), ERR_BUSY);
	assert_int_equal(err_wrap(NULL, "x"), ERR_INTERNAL);
	err_clear(NULL);
}

static void
codes_have_names_and_numbers(void **state)
{
	assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
	assert_int_equal(err_http(ERR_NOT_FOUND), 404);
	assert_int_equal(err_exit(ERR_UNAUTHENTICATED), 3);
	assert_int_equal(err_exit(ERR_CANCELLED), 130);
	assert_int_equal(err_from_name("stale"), ERR_STALE);
	assert_int_equal(err_from_name("nonsense"), ERR_INTERNAL);
	assert_int_equal(err_from_name(NULL), ERR_INTERNAL);
	assert_string_equal(err_name(7), "internal");
	assert_string_equal(err_name(ERR_LAST_), "internal");
	assert_string_equal(err_name(ERR_FIRST_), "internal");
	assert_string_equal(err_name(-1000), "internal");
	assert_int_equal(err_http(0), 200);
	assert_int_equal(err_exit(0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_records_code_and_text),
		cmocka_unit_test(no_code_is_minus_one),
		cmocka_unit_test(sys_appends_the_reason),
		cmocka_unit_test(wrap_puts_context_in_front),
		cmocka_unit_test(a_message_may_quote_itself),
		cmocka_unit_test(long_messages_are_cut_between_characters),
		cmocka_unit_test(messages_are_one_line_of_utf8),
		cmocka_unit_test(nobody_has_to_ask_for_the_message),
		cmocka_unit_test(codes_have_names_and_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/template/name_pattern.h"

static void
ranges_become_names(void **state)
{
	static const struct {
		const char *text, *first, *last;
		uint32_t count;
	} rows[] = {
		{ "web-{01..50}", "web-01", "web-50", 50 },
		{ "web-{1..50}", "web-1", "web-50", 50 },
		{ "web-{8..010}", "web-008", "web-010", 3 },
		{ "{0..0}", "0", "0", 1 },
		{ "a{00..9}b c", "a00b c", "a09b c", 10 },
		{ "x{500..999}", "x500", "x999", 500 },
		{ "%s{1..2}%n", "%s1%n", "%s2%n", 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct name_pattern p;
		struct err e = ERR_INIT;
		assert_true(name_is_pattern(rows[i].text));
		assert_int_equal(name_pattern_parse(rows[i].text, &p, &e), 0);
		assert_int_equal(p.count, rows[i].count);
		AUTO_FREE char *first = name_pattern_at(&p, 0);
		AUTO_FREE char *last = name_pattern_at(&p, p.count - 1);
		assert_string_equal(first, rows[i].first);
		assert_string_equal(last, rows[i].last);
	}
	assert_false(name_is_pattern("web-01..50"));
}

static void
what_is_no_range_is_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "web-{01..50", "one range in braces" },
		{ "web-01..50}", "one range in braces" },
		{ "{a}..{b}", "one range in braces" },
		{ "web-{1..2}{1..2}", "one range in braces" },
		{ "web-{{1..2}}", "one range in braces" },
		{ "web-{a,b}", "one range in braces" },
		{ "web-{}", "one range in braces" },
		{ "web-{..}", "whole numbers" },
		{ "web-{1..}", "whole numbers" },
		{ "web-{a..c}", "whole numbers" },
		{ "web-{-1..2}", "whole numbers" },
		{ "web-{1...2}", "whole numbers" },
		{ "web-{1..9999999999}", "whole numbers" },
		{ "web-{2..1}", "smaller number first" },
		{ "web-{1..501}", "501 names, at most 500" },
		{ "web-{0..999999999}", "at most 500" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct name_pattern p;
		struct err e = ERR_INIT;
		assert_int_equal(name_pattern_parse(rows[i].text, &p, &e), ERR_INVALID);
		if (!strstr(e.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].text, e.msg);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_become_names),
		cmocka_unit_test(what_is_no_range_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static void
grows_as_it_is_added_to(void **state)
{
	AUTO(str) struct str b = STR_INIT;
	assert_string_equal(str_cstr(&b), "");
	for (int i = 0; i < 1000; i++)
		str_addf(&b, "%d,", i);
	assert_int_equal(b.len, 3890);
	assert_true(str_ends(str_cstr(&b), "998,999,"));
	str_reset(&b);
	assert_string_equal(str_cstr(&b), "");
	str_addc(&b, 'a');
	str_addn(&b, "b\0c", 3);
	str_add(&b, "d");
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.s, "ab\0cd", 6);
}

static void
take_leaves_it_empty(void **state)
{
	struct str b = STR_INIT;
	AUTO_FREE char *none = str_take(&b);
	assert_string_equal(none, "");
	str_addf(&b, "%0500d", 7);
	AUTO_FREE char *s = str_take(&b);
	assert_int_equal(strlen(s), 500);
	assert_null(b.s);
	str_fini(&b);
	str_fini(&b);
}

static void
numbers_are_whole_strings_of_digits(void **state)
{
	struct err e = ERR_INIT;
	uint64_t v = 77;
	assert_int_equal(
	    parse_u64("18446744073709551615", 0, UINT64_MAX, "n", &v, &e), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("007", 1, 9, "n", &v, &e), 0);
	assert_int_equal(v, 7);
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "1x", "0x1",
		"1.0", "18446744073709551616", "99999999999999999999999", "0",
		"65536" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		v = 77;
		assert_int_equal(parse_u64(bad[i], 1, 65535, "n", &v, &e), ERR_INVALID);
		assert_int_equal(v, 77);
	}
	assert_string_equal(
	    e.msg, "n: wants a whole number between 1 and 65535, got \"65536\"");
}

static void
signed_numbers_reach_both_ends(void **state)
{
	struct err e = ERR_INIT;
	int64_t v = 0;
	assert_int_equal(
	    parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, "n", &v, &e), 0);
	assert_true(v == INT64_MIN);
	assert_int_equal(
	    parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, "n", &v, &e), 0);
	assert_true(v == INT64_MAX);
	assert_int_equal(
	    parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, "n", &v, &e),
	    ERR_INVALID);
	assert_int_equal(
	    parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, "n", &v, &e),
	    ERR_INVALID);
	assert_int_equal(parse_i64("-", -5, 5, "n", &v, &e), ERR_INVALID);
	assert_int_equal(parse_i64("--1", -5, 5, "n", &v, &e), ERR_INVALID);
	assert_int_equal(parse_i64("-6", -5, 5, "n", &v, &e), ERR_INVALID);
	assert_int_equal(parse_i64("-5", -5, 5, "n", &v, &e), 0);
	assert_int_equal(v, -5);
}

static void
sizes_take_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {
		{ "0", 0 },
		{ "512", 512 },
		{ "512 b", 512 },
		{ "4KB", 4096 },
		{ "4k", 4096 },
		{ "4 MiB", 4ULL << 20 },
		{ "2GB", 2ULL << 30 },
		{ "1T", 1ULL << 40 },
		{ "3pb", 3ULL << 50 },
		{ "15EiB", 15ULL << 60 },
	};

	static const char *const bad[] = { "", "KB", "4XB", "4KBs", "4 K B", "-1",
		"1.5GB", "16E", "4ib", "4KB ", "18446744073709551616" };
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint64_t v = 1;
		assert_int_equal(parse_bytes(good[i].text, "size", &v, &e), 0);
		assert_true(v == good[i].bytes);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint64_t v = 1;
		assert_int_equal(parse_bytes(bad[i], "size", &v, &e), ERR_INVALID);
		assert_int_equal(v, 1);
	}
}

static void
utf8_is_checked_strictly(void **state)
{
	static const char *const good[] = { "", "plain", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x90\x84", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf",
		"\xee\x80\x80" };
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xc3",
		"\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xe2\x28\xa1" };
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
}

static void
names_that_would_mislead_are_refused(void **state)
{
	static const char *const good[] = { "web", "Web server 1", "\xc3\xa9t\xc3\xa9",
		"...", ".hidden", "a'b\"c;d|e" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a\\b", "a\nb",
		"a\x7f", " a", "a ", "\xff", "a\xc2\x9b[31m" };
	struct err e = ERR_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(
		    name_check(good[i], strlen(good[i]), "vm name", &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
		    name_check(bad[i], strlen(bad[i]), "vm name", &e), ERR_INVALID);
	assert_int_equal(name_check("a\0b", 3, "vm name", &e), ERR_INVALID);
	assert_string_equal(e.msg, "vm name must not hold control characters");

	char name[82];
	memset(name, 'n', sizeof(name));
	assert_int_equal(name_check(name, 80, "vm name", &e), 0);
	assert_int_equal(name_check(name, 81, "vm name", &e), ERR_INVALID);
	assert_string_equal(e.msg, "vm name is 81 bytes long, at most 80");
}

static void
file_names_are_plain(void **state)
{
	char name[66] = { 0 };
	assert_true(name_is_file_safe("tiny-1.2_x.qcow2"));
	assert_false(name_is_file_safe(""));
	assert_false(name_is_file_safe("-rf"));
	assert_false(name_is_file_safe(".."));
	assert_false(name_is_file_safe("a/b"));
	assert_false(name_is_file_safe("a b"));
	memset(name, 'n', 64);
	assert_true(name_is_file_safe(name));
	name[64] = 'n';
	assert_false(name_is_file_safe(name));
}

static void
ends_and_equality(void **state)
{
	assert_true(str_starts("host-3", "host-"));
	assert_false(str_starts("ho", "host-"));
	assert_true(str_ends("disk.qcow2", ".qcow2"));
	assert_false(str_ends("w2", ".qcow2"));
	assert_true(str_same(NULL, NULL));
	assert_false(str_same(NULL, ""));
	assert_false(str_same("", NULL));
	assert_true(str_same("a", "a"));
}

static void
wildcards(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "***", "abc", true },
		{ "web*", "WEB-01", true },
		{ "*01", "web-01", true },
		{ "*b-0?", "web-01", true },
		{ "w*b*1", "web-web-01", true },
		{ "w*b*2", "web-web-01", false },
		{ "web-0[1-3]", "web-02", true },
		{ "web-0[1-3]", "web-04", false },
		{ "[A-F]x", "cX", true },
		{ "[ab-]", "-", true },
		{ "[]x", "x", false },
		{ "a[", "a[", true },
		{ "a[b", "a[b", true },
		{ "`*", "*", true },
		{ "`*", "a", false },
		{ "a`[1]", "a[1]", true },
		{ "[`]]", "]", true },
		{ "`", "`", true },
		{ "?", "\xe2\x82\xac", true },
		{ "?", "\xff", true },
		{ "??", "\xe2\x82\xac", false },
		{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true },
		{ "[\xc3\xa0-\xc3\xaf]", "\xc3\xb1", false },
		{ "*\xa9", "\xc3\xa9", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (wild_match(cases[i].pattern, cases[i].text) != cases[i].match)
			fail_msg("%s against %s", cases[i].pattern, cases[i].text);
	}
}

static void
wildcards_stay_quick_on_hostile_patterns(void **state)
{
	char text[4001] = { 0 };
	memset(text, 'a', 4000);
	assert_false(wild_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void
hex_goes_both_ways(void **state)
{
	struct err e = ERR_INIT;
	char text[9];
	unsigned char back[4] = { 0 };
	hex_encode("\x00\xff\x1a\x80", 4, text);
	assert_string_equal(text, "00ff1a80");
	assert_int_equal(hex_decode("00FF1a80", back, 4, &e), 0);
	assert_memory_equal(back, "\x00\xff\x1a\x80", 4);
	assert_int_equal(hex_decode("00ff1a8", back, 4, &e), ERR_INVALID);
	assert_int_equal(hex_decode("00ff1a801", back, 4, &e), ERR_INVALID);
	assert_int_equal(hex_decode("00ff1a8g", back, 4, &e), ERR_INVALID);
	assert_memory_equal(back, "\x00\xff\x1a\x80", 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_as_it_is_added_to),
		cmocka_unit_test(take_leaves_it_empty),
		cmocka_unit_test(numbers_are_whole_strings_of_digits),
		cmocka_unit_test(signed_numbers_reach_both_ends),
		cmocka_unit_test(sizes_take_units),
		cmocka_unit_test(utf8_is_checked_strictly),
		cmocka_unit_test(names_that_would_mislead_are_refused),
		cmocka_unit_test(file_names_are_plain),
		cmocka_unit_test(ends_and_equality),
		cmocka_unit_test(wildcards),
		cmocka_unit_test(wildcards_stay_quick_on_hostile_patterns),
		cmocka_unit_test(hex_goes_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

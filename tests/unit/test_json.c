#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/json_peek.h"
#include "base/str.h"

static json *
must_parse(const char *s)
{
	struct err e = ERR_INIT;
	json *j = NULL;
	assert_int_equal(json_parse(s, strlen(s), "test", &j, &e), 0);
	return j;
}

static void
text_comes_back_as_it_was(void **state)
{
	const char *text =
	    "{\"z\":1,\"a\":[true,null,\"x\\n\",0.1,-9223372036854775808]}";
	AUTO(json) json *j = must_parse(text);
	AUTO_FREE char *again = json_text(j);
	assert_string_equal(again, text);
	AUTO_FREE char *pretty = json_text_pretty(j);
	assert_true(str_starts(pretty, "{\n  \"z\": 1,\n"));
	AUTO(json) json *copy = json_dup(j);
	assert_true(json_same(j, copy));
	json_set_null(copy, "z");
	assert_false(json_same(j, copy));
}

static void
the_largest_number_comes_back(void **state)
{
	const char *text = "[1.7976931348623157e308]";
	AUTO(json) json *j = must_parse(text);
	AUTO_FREE char *again = json_text(j);
	assert_string_equal(again, text);
}

static void
what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = { "", "{", "[1,]", "{\"a\":1} x",
		"{\"a\":1,\"a\":2}", "{\"\\u0000\":1}", "\"\xff\"", "[1e999]",
		"9223372036854775808", "nul", "{'a':1}", "[\"a\nb\"]" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err e = ERR_INIT;
		json *j = NULL;
		assert_int_equal(
		    json_parse(bad[i], strlen(bad[i]), "body", &j, &e), ERR_INVALID);
		assert_true(str_starts(e.msg, "body: is no JSON: line "));
		assert_null(j);
	}
}

static void
depth_is_limited(void **state)
{
	struct err e = ERR_INIT;
	AUTO(str) struct str s = STR_INIT;
	for (int i = 0; i < 32; i++)
		str_addc(&s, '[');
	str_add(&s, "\"[[\\\"[[\"");
	for (int i = 0; i < 32; i++)
		str_addc(&s, ']');
	json_free(must_parse(str_cstr(&s)));
	AUTO(str) struct str deeper = STR_INIT;
	str_addf(&deeper, "{\"a\":%s}", str_cstr(&s));
	json *none = NULL;
	assert_int_equal(
	    json_parse(str_cstr(&deeper), deeper.len, "body", &none, &e), ERR_INVALID);
	assert_string_equal(e.msg, "body: is nested deeper than 32 levels");
}

static void
building_keeps_order_and_bounds(void **state)
{
	AUTO(json) json *o = json_new_object();
	json_set_str(o, "s", "x");
	json_set_str(o, "none", NULL);
	json_set_u64(o, "u", UINT64_MAX);
	json_set_i64(o, "i", INT64_MIN);
	json_set_real(o, "r", 0.25);
	json_set_real(o, "nan", (double)NAN);
	json_set_real(o, "inf", (double)INFINITY);
	json_set_bool(o, "b", true);
	json_set_str(o, "bad",
	    "a\xff"
	    "b");
	json_set_str(o, "k\xff", "v");
	json_set_null(o, "gone");
	json_del(o, "gone");
	json_del(o, "never");
	json *a = json_new_array();
	json_add_str(a, "e");
	json_add_json(a, json_new_object());
	json_add_json(a, NULL);
	json_set_json(o, "a", a);
	json_set_json(o, "nothing", NULL);
	AUTO_FREE char *text = json_text(o);
	assert_string_equal(text,
	    "{\"s\":\"x\",\"none\":null,\"u\":9223372036854775807,"
	    "\"i\":-9223372036854775808,\"r\":0.25,\"nan\":null,\"inf\":null,\"b\":true,"
	    "\"bad\":\"a\xef\xbf\xbd"
	    "b\",\"k\xef\xbf\xbd\":\"v\","
	    "\"a\":[\"e\",{},null],\"nothing\":null}");
}

static void
values_tell_what_they_are(void **state)
{
	const char *text = "[null,false,-3,2.5,\"a\\u0000b\",[],{\"k\":1}]";
	AUTO(json) json *a = must_parse(text);

	static const enum json_type want[] = { JSON_IS_NULL, JSON_IS_BOOL, JSON_IS_INT,
		JSON_IS_REAL, JSON_IS_STR, JSON_IS_ARRAY, JSON_IS_OBJECT };

	assert_int_equal(json_count(a), ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(json_what(json_at(a, i)), want[i]);
	assert_null(json_at(a, 7));
	assert_false(json_bool_value(json_at(a, 1)));
	assert_int_equal(json_int_value(json_at(a, 2)), -3);
	assert_true(json_number(json_at(a, 2)) < -2.9);
	assert_true(json_number(json_at(a, 3)) > 2.4);
	size_t n = 0;
	assert_memory_equal(json_str_value(json_at(a, 4), &n), "a\0b", 4);
	assert_int_equal(n, 3);
	assert_int_equal(json_count(json_at(a, 6)), 1);
	assert_null(json_get(json_at(a, 6), "x"));
	assert_int_equal(json_count(json_at(a, 2)), 0);
}

static void
members_come_in_order(void **state)
{
	AUTO(json) json *o = must_parse("{\"z\":1,\"a\":2,\"m\":3}");
	AUTO(str) struct str seen = STR_INIT;
	for (void *it = json_iter(o); it; it = json_iter_next(o, it))
		str_addf(&seen, "%s%d", json_iter_key(it),
		    (int)json_int_value(json_iter_value(it)));
	assert_string_equal(str_cstr(&seen), "z1a2m3");
	json_free(json_ref(o));
	json_free(NULL);
}

static void
fields_are_read_with_bounds(void **state)
{
	struct err e = ERR_INIT;
	const char *text =
	    "{\"s\":\"web\",\"n\":8,\"b\":true,\"x\":\"x\",\"neg\":-1,\"r\":1.0,"
	    "\"nul\":null,\"z\":\"a\\u0000b\"}";
	AUTO(json) json *o = must_parse(text);
	const char *s = "kept";
	uint64_t n = 7;
	bool b = false;
	assert_int_equal(json_read_str(o, "s", JSON_REQUIRED, 3, &s, &e), 0);
	assert_string_equal(s, "web");
	assert_int_equal(json_read_str(o, "s", JSON_REQUIRED, 2, &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "s: is 3 bytes long, at most 2");
	assert_int_equal(json_read_str(o, "n", JSON_REQUIRED, 9, &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "n: wants text");
	assert_int_equal(json_read_str(o, "z", JSON_REQUIRED, 9, &s, &e), ERR_INVALID);
	assert_string_equal(e.msg, "z: holds a NUL character");
	assert_int_equal(json_read_u64(o, "n", JSON_REQUIRED, 1, 128, &n, &e), 0);
	assert_int_equal(n, 8);
	static const char *const bad[] = { "x", "neg", "r", "b" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
		    json_read_u64(o, bad[i], JSON_REQUIRED, 1, 128, &n, &e),
		    ERR_INVALID);
	assert_int_equal(
	    json_read_u64(o, "n", JSON_REQUIRED, 9, 128, &n, &e), ERR_INVALID);
	assert_string_equal(
	    e.msg, "n: wants a whole number between 9 and 128, got \"8\"");
	assert_int_equal(
	    json_read_u64(o, "x", JSON_REQUIRED, 1, 128, &n, &e), ERR_INVALID);
	assert_string_equal(
	    e.msg, "x: wants a whole number between 1 and 128, got \"x\"");
	assert_int_equal(n, 8);
	assert_int_equal(json_read_bool(o, "b", JSON_REQUIRED, &b, &e), 0);
	assert_true(b);
	assert_int_equal(json_read_bool(o, "n", JSON_REQUIRED, &b, &e), ERR_INVALID);
	assert_string_equal(e.msg, "n: wants true or false, got \"8\"");
}

static void
absent_fields_keep_what_was_there(void **state)
{
	struct err e = ERR_INIT;
	AUTO(json) json *o = must_parse("{\"nul\":null}");
	const char *s = "kept";
	uint64_t n = 7;
	bool b = true;
	assert_int_equal(json_read_str(o, "none", JSON_OPTIONAL, 9, &s, &e), 0);
	assert_int_equal(json_read_u64(o, "nul", JSON_OPTIONAL, 0, 1, &n, &e), 0);
	assert_int_equal(json_read_bool(o, "none", JSON_OPTIONAL, &b, &e), 0);
	assert_string_equal(s, "kept");
	assert_int_equal(n, 7);
	assert_true(b);
	assert_int_equal(
	    json_read_u64(o, "nul", JSON_REQUIRED, 0, 1, &n, &e), ERR_INVALID);
	assert_string_equal(e.msg, "nul: is missing");
}

static void
unknown_fields_are_named(void **state)
{
	static const char *const known[] = { "a", "b", NULL };
	struct err e = ERR_INIT;
	AUTO(json) json *good = must_parse("{\"b\":1}");
	AUTO(json) json *bad = must_parse("{\"a\":1,\"x\":1}");
	AUTO(json) json *list = must_parse("[]");
	assert_int_equal(json_only(good, known, &e), 0);
	assert_int_equal(json_only(bad, known, &e), ERR_INVALID);
	assert_string_equal(e.msg, "unknown field \"x\"");
	assert_int_equal(json_only(list, known, &e), ERR_INVALID);
}

static void
what_is_absent_or_other_is_peeked_as_nothing(void **state)
{
	json *o = must_parse("{\"text\": \"a\", \"number\": -7}");

	assert_string_equal(json_peek_str(o, "text"), "a");
	assert_int_equal(json_peek_int(o, "number"), -7);
	assert_null(json_peek_str(o, "number"));
	assert_null(json_peek_str(o, "none"));
	assert_int_equal(json_peek_int(o, "text"), 0);
	assert_null(json_peek_str(json_get(o, "text"), "text"));
	assert_null(json_peek_str(NULL, "text"));
	assert_int_equal(json_peek_int(NULL, "number"), 0);
	json_free(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_comes_back_as_it_was),
		cmocka_unit_test(the_largest_number_comes_back),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(building_keeps_order_and_bounds),
		cmocka_unit_test(values_tell_what_they_are),
		cmocka_unit_test(members_come_in_order),
		cmocka_unit_test(fields_are_read_with_bounds),
		cmocka_unit_test(absent_fields_keep_what_was_there),
		cmocka_unit_test(unknown_fields_are_named),
		cmocka_unit_test(what_is_absent_or_other_is_peeked_as_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

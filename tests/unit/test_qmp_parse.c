#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/qemu/qmp_parse.h"

static int
parse(const char *line, struct qmp_msg *m, struct err *e)
{
	return qmp_parse(line, strlen(line), m, e);
}

static void
reads_each_kind(void **state)
{
	struct qmp_msg m;

	assert_int_equal(
	    parse("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r", &m, NULL), 0);
	assert_int_equal(m.kind, QMP_GREETING);
	qmp_msg_fini(&m);
	assert_int_equal(parse("{\"return\": {\"a\": 1}, \"id\": 7}", &m, NULL), 0);
	assert_int_equal(m.kind, QMP_RETURN);
	assert_true(m.has_id);
	assert_int_equal(m.id, 7);
	assert_int_equal(json_count(m.body), 1);
	qmp_msg_fini(&m);
	assert_int_equal(parse("{\"error\": {\"class\": \"GenericError\", \"desc\": "
			       "\"no\"}, \"id\": 8}",
			     &m, NULL),
	    0);
	assert_int_equal(m.kind, QMP_ERROR);
	assert_string_equal(m.name, "GenericError");
	assert_string_equal(m.text, "no");
	qmp_msg_fini(&m);
	assert_int_equal(
	    parse("{\"event\": \"STOP\", \"timestamp\": {}}", &m, NULL), 0);
	assert_int_equal(m.kind, QMP_EVENT);
	assert_string_equal(m.name, "STOP");
	assert_null(m.body);
	qmp_msg_fini(&m);
}

static void
refuses_everything_else(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "1", "{}", "{\"return\": 1",
		"{\"event\": 5}", "{\"event\": \"STOP\", \"data\": []}",
		"{\"error\": \"no\"}", "{\"error\": {\"class\": \"x\"}}",
		"{\"return\": 1, \"id\": -1}", "{\"return\": 1, \"id\": \"x\"}",
		"{\"QMP\": 1}", "{\"return\": {}} {\"return\": {}}", "\xff\xfe" };
	struct err e = ERR_INIT;
	struct qmp_msg m;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i], &m, &e), ERR_CORRUPT);
		assert_int_equal(e.code, ERR_CORRUPT);
		assert_true(strlen(e.msg) > 0);
	}
}

static void
commands_are_one_line(void **state)
{
	json *args = json_new_object();
	AUTO_FREE char *with = NULL;
	AUTO_FREE char *without = qmp_command("cont", NULL, 3);

	json_set_str(args, "fdname", "a\nb");
	with = qmp_command("getfd", args, 4);
	assert_string_equal(without, "{\"execute\":\"cont\",\"id\":3}\n");
	assert_string_equal(with, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":"
				  "\"a\\nb\"},\"id\":4}\n");
}

static void
figures_that_a_guest_has_not_told_are_less_than_nothing(void **state)
{
	static const char line[] =
	    "{\"return\": {\"a\": 18446744073709551615, \"b\": 7, \"c\": "
	    "18446744073709551615}, \"id\": 1}";
	struct qmp_msg m;
	struct err e = ERR_INIT;

	assert_int_equal(qmp_parse(line, sizeof(line) - 1, &m, &e), 0);
	assert_int_equal(json_int_value(json_get(m.body, "a")), -1);
	assert_int_equal(json_int_value(json_get(m.body, "b")), 7);
	assert_int_equal(json_int_value(json_get(m.body, "c")), -1);
	qmp_msg_fini(&m);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    figures_that_a_guest_has_not_told_are_less_than_nothing),
		cmocka_unit_test(reads_each_kind),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(commands_are_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

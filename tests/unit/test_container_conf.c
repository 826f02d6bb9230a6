#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/ops/container_conf.h"

static json *
parsed(const char *text)
{
	struct err e = ERR_INIT;
	json *j = NULL;

	if (json_parse(text, strlen(text), "test", &j, &e))
		fail_msg("%s: %s", text, e.msg);
	return j;
}

static void
what_is_given_is_laid_over_what_is_there(void **state)
{
	static const struct {
		const char *conf, *args, *want;
	} rows[] = {
		{ "{}", "{}", "{}" },
		{ "{}", "{\"name\":\"ct-1\",\"memory_mb\":64}", "{}" },
		{ "{}", "{\"host_name\":\"web-1.example.org\",\"pids_limit\":0}",
		    "{\"host_name\":\"web-1.example.org\",\"pids_limit\":0}" },
		{ "{\"swap_limit_mb\":1}", "{\"swap_limit_mb\":64,\"io_weight\":1000}",
		    "{\"swap_limit_mb\":64,\"io_weight\":1000}" },
		{ "{\"dns\":[\"10.0.0.1\"]}", "{\"dns\":[]}", "{\"dns\":[]}" },
		{ "{\"cwd\":\"/srv\"}", "{\"args\":[\"sleep\",\"\"],\"dns\":null}",
		    "{\"cwd\":\"/srv\",\"args\":[\"sleep\",\"\"]}" },
		{ "{\"env\":[\"A=1\",\"AB=2\"]}", "{\"env\":[\"A=3\",\"_c=\"]}",
		    "{\"env\":[\"AB=2\",\"A=3\",\"_c=\"]}" },
		{ "{\"env\":[\"A=1\"]}", "{\"env\":[]}", "{\"env\":[]}" },
		{ "{}", "{\"devices\":[\"/dev/net/tun\",\"/dev/fuse\"]}",
		    "{\"devices\":[\"/dev/net/tun\",\"/dev/fuse\"]}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(json) json *conf = parsed(rows[i].conf);
		AUTO(json) json *args = parsed(rows[i].args);
		struct err e = ERR_INIT;
		if (container_conf_lay(conf, args, &e))
			fail_msg("row %zu: %s", i, e.msg);
		AUTO_FREE char *got = json_text(conf);
		assert_string_equal(got, rows[i].want);
	}
}

static void
what_cannot_be_is_refused_by_field_and_changes_nothing(void **state)
{
	static const struct {
		const char *args, *why;
	} rows[] = {
		{ "{\"pids_limit\":15,\"host_name\":\"web\"}", "pids_limit: " },
		{ "{\"pids_limit\":16,\"host_name\":\"web_1\"}", "host_name: " },
		{ "{\"host_name\":\"-a\"}", "host_name: " },
		{ "{\"host_name\":\"a..b\"}", "host_name: " },
		{ "{\"dns\":[\"10.0.0.1\",\"dns.example\"]}", "dns: \"dns.example\"" },
		{ "{\"args\":[\"\"]}", "args: " },
		{ "{\"env\":[\"A\"]}", "env: \"A\" is not NAME=value" },
		{ "{\"env\":[\"=1\"]}", "env: " },
		{ "{\"env\":[\"1A=1\"]}", "env: " },
		{ "{\"env\":[\"A-B=1\"]}", "env: " },
		{ "{\"devices\":[\"/dev\"]}", "devices: " },
		{ "{\"devices\":[\"/dev/\"]}", "devices: " },
		{ "{\"devices\":[\"/etc/passwd\"]}", "devices: " },
		{ "{\"devices\":[\"/dev/../etc\"]}", "devices: " },
		{ "{\"devices\":[\"/dev//null\"]}", "devices: " },
		{ "{\"devices\":[\"/dev/a b\"]}", "devices: " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(json) json *conf = parsed("{}");
		AUTO(json) json *args = parsed(rows[i].args);
		struct err e = ERR_INIT;
		assert_int_equal(container_conf_lay(conf, args, &e), ERR_INVALID);
		if (strncmp(e.msg, rows[i].why, strlen(rows[i].why)) != 0)
			fail_msg("row %zu: %s", i, e.msg);
		assert_int_equal(json_count(conf), 0);
	}
}

static void
what_only_containers_take_is_named(void **state)
{
	AUTO(json) json *machine = parsed("{\"name\":\"a\",\"dns\":null}");
	AUTO(json) json *container = parsed("{\"name\":\"a\",\"io_weight\":5}");

	assert_null(container_arg_given(machine));
	assert_null(container_arg_given(NULL));
	assert_string_equal(container_arg_given(container), "io_weight");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_is_laid_over_what_is_there),
		cmocka_unit_test(
		    what_cannot_be_is_refused_by_field_and_changes_nothing),
		cmocka_unit_test(what_only_containers_take_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

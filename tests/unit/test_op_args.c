#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/ops/op_args.h"
#include "server/template/template.h"

/* args is JSON text with ' for "; op's table is asked. Returns the code. */
static int
check(const char *op, const char *args, size_t n, struct err *e)
{
	AUTO_FREE char *text = xmemdup(args, n);
	AUTO(json) json *j = NULL;

	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == '\'' ? '"' : text[i];
	int rc = json_parse(text, n, "body", &j, e);
	return rc ? rc : op_args_check(op_find(op), j, e);
}

static void
good_arguments_pass(void **state)
{
	static const struct {
		const char *op, *args;
	} rows[] = {
		{ "vm.create", "{'name':'web','template':'template-1'}" },
		{ "vm.create",
		    "{'name':'Zürich 1','template':'template-1','num_cpu':128,"
		    "'memory_mb':4194304,'power_on':false,'host':'host-3',"
		    "'notes':'two\\nlines'}" },
		{ "vm.create",
		    "{'name':'web','template':'template-1','host':null,'notes':null}" },
		{ "vm.stop", "{}" },
		{ "vm.stop", "{'mode':'acpi_then_kill','timeout_s':3600}" },
		{ "vm.delete", "{}" },
		{ "datastore.create",
		    "{'name':'d','datacenter':'dc-1','path':'/srv','hosts':['host-1',"
		    "'host-2'],'shared':true}" },
		{ "folder.create", "{'name':'f','parent':'folder-2'}" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		if (check(rows[i].op, rows[i].args, strlen(rows[i].args), &e))
			fail_msg("%s: %s", rows[i].args, e.msg);
	}
}

#define CREATE(more) "{'name':'web','template':'template-1'," more "}"

static void
bad_arguments_are_refused_by_name(void **state)
{
	static const struct {
		const char *op, *args;
		const char *part; /* of the message */
	} rows[] = {
		{ "vm.create", "{'template':'template-1'}", "name: is missing" },
		{ "vm.create", "{'name':null,'template':'template-1'}",
		    "name: is missing" },
		{ "vm.create", "{}", "name: is missing" },
		{ "vm.create", "[]", "wants an object" },
		{ "vm.create", CREATE("'colour':'red'"), "unknown field \"colour\"" },
		{ "vm.delete", "{'force':true}", "unknown field \"force\"" },
		{ "vm.create", CREATE("'num_cpu':0"), "num_cpu" },
		{ "vm.create", CREATE("'num_cpu':129"), "num_cpu" },
		{ "vm.create", CREATE("'num_cpu':-1"), "num_cpu" },
		{ "vm.create", CREATE("'num_cpu':1.5"), "num_cpu" },
		{ "vm.create", CREATE("'num_cpu':'2'"), "num_cpu" },
		{ "vm.create", CREATE("'num_cpu':true"), "num_cpu" },
		{ "vm.create", CREATE("'memory_mb':31"), "memory_mb" },
		{ "vm.create", CREATE("'memory_mb':4194305"), "memory_mb" },
		{ "vm.create", CREATE("'memory_mb':9223372036854775807"), "memory_mb" },
		{ "vm.create", CREATE("'memory_mb':9223372036854775808"), "" },
		{ "vm.create", CREATE("'power_on':1"), "power_on" },
		{ "vm.create", CREATE("'power_on':'yes'"), "power_on" },
		{ "vm.create", CREATE("'host':3"), "host" },
		{ "vm.create", CREATE("'host':'vm-3'"), "wants the id of a host" },
		{ "vm.create", CREATE("'host':'host-'"), "wants the id of a host" },
		{ "vm.create", CREATE("'host':'host-03'"), "wants the id of a host" },
		{ "vm.create", CREATE("'host':''"), "wants the id of a host" },
		{ "vm.create", CREATE("'parent':'cluster-1'"), "dc or folder" },
		{ "vm.create", CREATE("'notes':'bell \\u0007'"), "control character" },
		{ "vm.create", CREATE("'notes':'nul \\u0000'"), "" },
		{ "vm.create", "{'name':'a/b','template':'template-1'}", "name" },
		{ "vm.create", "{'name':'','template':'template-1'}", "name" },
		{ "vm.create", "{'name':'..','template':'template-1'}", "name" },
		{ "vm.create", "{'name':' a','template':'template-1'}", "name" },
		{ "vm.create", "{'name':'a\\u0000b','template':'template-1'}", "" },
		{ "vm.create", "{'name':'a\\nb','template':'template-1'}", "name" },
		{ "vm.create", "{'name':['web'],'template':'template-1'}", "name" },
		{ "vm.create", "{'name':'a','name':'b','template':'template-1'}", "" },
		{ "vm.create", "{'name':'\xc3\x28','template':'template-1'}", "" },
		{ "vm.stop", "{'mode':'softly'}", "acpi|acpi_then_kill|kill" },
		{ "vm.stop", "{'mode':'acpi|kill'}", "mode" },
		{ "vm.stop", "{'mode':''}", "mode" },
		{ "vm.stop", "{'timeout_s':0}", "timeout_s" },
		{ "vm.stop", "{'timeout_s':3601}", "timeout_s" },
		{ "datastore.create",
		    "{'name':'d','datacenter':'dc-1','path':'/srv','hosts':[]}",
		    "hosts" },
		{ "datastore.create",
		    "{'name':'d','datacenter':'dc-1','path':'/srv','hosts':'host-1'}",
		    "hosts" },
		{ "datastore.create",
		    "{'name':'d','datacenter':'dc-1','path':'/srv',"
		    "'hosts':['host-1','host-1']}",
		    "twice" },
		{ "datastore.create",
		    "{'name':'d','datacenter':'dc-1','path':'/srv','hosts':[7]}",
		    "entry 0" },
		{ "host.enroll_token", "{'cluster':'cluster-1','name':'h','ttl_s':0}",
		    "ttl_s" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		int rc = check(rows[i].op, rows[i].args, strlen(rows[i].args), &e);
		if (rc != ERR_INVALID || !strstr(e.msg, rows[i].part))
			fail_msg("%s %s: %s \"%s\", want \"%s\"", rows[i].op,
			    rows[i].args, err_name(rc), e.msg, rows[i].part);
	}
}

static void
a_name_of_ten_thousand_characters_is_refused(void **state)
{
	AUTO(str) struct str b = STR_INIT;
	struct err e = ERR_INIT;

	str_add(&b, "{'template':'template-1','name':'");
	for (unsigned i = 0; i < 10000; i++)
		str_addc(&b, 'x');
	str_add(&b, "'}");
	assert_int_equal(check("vm.create", str_cstr(&b), b.len, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "name"));
	assert_true(strlen(e.msg) < 200);
}

static char *
digest(const char *op, const char *args)
{
	AUTO(json) json *j = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(json_parse(args, strlen(args), "args", &j, &e), 0);
	return op_args_digest(op_find(op), j);
}

static void
a_digest_tells_arguments_apart_but_for_secrets(void **state)
{
	AUTO_FREE char *web = digest("vm.create", "{\"name\":\"web\"}");
	AUTO_FREE char *same = digest("vm.create", "{\"name\":\"web\"}");
	AUTO_FREE char *db = digest("vm.create", "{\"name\":\"db\"}");
	AUTO_FREE char *none = digest("vm.create", "[1]");
	AUTO_FREE char *one =
	    digest("user.create", "{\"name\":\"a\",\"password\":\"one\"}");
	AUTO_FREE char *two =
	    digest("user.create", "{\"name\":\"a\",\"password\":\"two\"}");

	assert_string_equal(web, same);
	assert_string_not_equal(web, db);
	assert_string_not_equal(web, none);
	assert_string_equal(one, two);
}

/* Every verb's table is sound, whoever wrote it. */
static void
tables_are_sound(void **state)
{
	unsigned n;
	const struct op_info *ops = ops_list(&n);

	for (unsigned i = 0; i < n; i++) {
		assert_non_null(ops[i].title);
		assert_ptr_equal(op_find(ops[i].name), &ops[i]);
		for (const struct op_arg *a = ops[i].args; a && a->name; a++) {
			bool number = a->type == ARG_U32 || a->type == ARG_U64;
			bool id = a->type == ARG_ID || a->type == ARG_IDS;
			if (!a->help || (number && a->min > a->max) ||
			    (a->type == ARG_U32 && a->max > UINT32_MAX) ||
			    (a->type == ARG_TEXT && !a->max) || id != (a->kinds != 0) ||
			    (a->type == ARG_WORD) != (a->words != NULL))
				fail_msg("%s: %s", ops[i].name, a->name);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_arguments_pass),
		cmocka_unit_test(bad_arguments_are_refused_by_name),
		cmocka_unit_test(a_name_of_ten_thousand_characters_is_refused),
		cmocka_unit_test(a_digest_tells_arguments_apart_but_for_secrets),
		cmocka_unit_test(tables_are_sound),
	};
	template_register();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

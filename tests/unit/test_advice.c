#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "tests/lib/lab.h"

static struct advice_guest
guest(const struct lab *l, uint64_t memory_mb)
{
	return (struct advice_guest){ .name = "m",
		.cluster = l->cluster,
		.num_cpu = 1,
		.memory_mb = memory_mb,
		.engine = "sim",
		.datastore = l->datastore,
		.network = l->network };
}

static const char *
text_of(const json *o, const char *key)
{
	return json_str_value(json_get(o, key), NULL);
}

static void
holds_keep_room_from_others(void **state)
{
	struct lab *l = lab_new(1, 1000);
	struct advice_guest g = guest(l, 600);
	struct advice_hold hold = { .vm = { 0 }, .num_cpu = 1, .memory_mb = 600 };
	struct err e = ERR_INIT;
	obj_id host;

	hold.vm = lab_vm(l, "held", false);
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), 0);
	hold.host = host;
	advice_hold_take(l->advice, &hold);
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), ERR_NO_CAPACITY);
	if (!strstr(e.msg, "400 MB free") || !strstr(e.msg, "h1"))
		fail_msg("%s", e.msg);
	advice_hold_drop(l->advice, hold.vm);
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), 0);
	lab_free(l);
}

static void
long_refusals_end_behind_a_whole_reason(void **state)
{
	struct lab *l = lab_new(4, 1000);
	struct advice_guest g = guest(l, 123456);
	struct err e = ERR_INIT;
	obj_id host;

	g.name =
	    "a-machine-with-a-name-that-leaves-little-room-for-the-reasons-of-hosts";
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), ERR_NO_CAPACITY);
	if (!str_ends(e.msg, " of 1000 MB; and more"))
		fail_msg("%s", e.msg);
	lab_free(l);
}

static void
hosts_that_cannot_are_told_apart(void **state)
{
	struct lab *l = lab_new(2, 4096);
	struct advice_guest g = guest(l, 256);
	struct err e = ERR_INIT;
	obj_id host;

	agent_fake_cut(l->agent[0]);
	lab_advance(l, 8000);
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), 0);
	assert_int_equal(host.v, l->host[1].v);
	g.want_host = l->host[0];
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), ERR_NO_CAPACITY);
	assert_non_null(strstr(e.msg, "not connected"));
	g = guest(l, 256);
	g.engine = "qemu";
	assert_int_equal(advice_find_host(l->advice, &g, &host, &e), ERR_NO_CAPACITY);
	lab_free(l);
}

static int
request(struct lab *l, const char *body, json **ret_j, struct err *e)
{
	AUTO_FREE char *text = xstrdup(body);
	AUTO(json) json *j = NULL;

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(json_parse(text, strlen(text), "body", &j, e), 0);
	return advice_place_request(l->advice, j, ret_j, e);
}

static void
a_start_that_finds_no_room_is_told_where_there_is(void **state)
{
	struct lab *l = lab_new(2, 1000);

	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
			     "{'name':'a','template':'template-1','host':'host-1',"
			     "'memory_mb':200,'power_on':true}"),
	    0);
	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE,
			     "{'name':'b','template':'template-1','host':'host-1',"
			     "'power_on':false}"),
	    0);
	assert_int_equal(lab_do(l, "vm.update", l->object, "{'memory_mb':900}"), 0);
	assert_int_equal(lab_do(l, "vm.start", l->object, NULL), ERR_NO_CAPACITY);
	if (!str_ends(lab_task_error(l), "; host \"h2\" has room: move it there first"))
		fail_msg("%s", lab_task_error(l));
	/* And one that is to grow. */
	assert_int_equal(lab_do(l, "vm.update", l->object, "{'memory_mb':200}"), 0);
	assert_int_equal(lab_do(l, "vm.start", l->object, NULL), 0);
	assert_int_equal(
	    lab_do(l, "vm.update", l->object, "{'memory_mb':900}"), ERR_NO_CAPACITY);
	if (!str_ends(lab_task_error(l), "; host \"h2\" has room: move it there first"))
		fail_msg("%s", lab_task_error(l));
	lab_free(l);
}

static void
placements_are_ranked_with_reasons(void **state)
{
	struct lab *l = lab_new(2, 1000);
	AUTO(json) json *j = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(request(l,
			     "{'cluster':'cluster-1','num_cpu':1,'memory_mb':600,"
			     "'count':3}",
			     &j, &e),
	    0);
	const json *items = json_get(j, "items");
	assert_int_equal(json_count(items), 3);
	assert_string_equal(text_of(json_at(items, 0), "host"), "host-1");
	assert_string_equal(text_of(json_at(items, 1), "host"), "host-2");
	assert_int_equal(json_what(json_get(json_at(items, 2), "host")), JSON_IS_NULL);
	const json *candidates = json_get(json_at(items, 1), "candidates");
	assert_int_equal(json_count(candidates), 2);
	assert_string_equal(text_of(json_at(candidates, 0), "host"), "host-2");
	const json *reasons = json_get(json_at(candidates, 1), "reasons");
	assert_string_equal(text_of(json_at(reasons, 0), "code"), "memory");
	lab_free(l);
}

static void
bad_placements_are_refused(void **state)
{
	struct lab *l = lab_new(1, 1000);

	static const struct {
		const char *body, *part;
		int code;
	} rows[] = {
		{ "{'num_cpu':1,'memory_mb':64}", "cluster", ERR_INVALID },
		{ "{'cluster':'cluster-9','num_cpu':1,'memory_mb':64}", "cluster",
		    ERR_NOT_FOUND },
		{ "{'cluster':'host-1','num_cpu':1,'memory_mb':64}", "cluster",
		    ERR_INVALID },
		{ "{'cluster':'cluster-1','num_cpu':0,'memory_mb':64}", "num_cpu",
		    ERR_INVALID },
		{ "{'cluster':'cluster-1','num_cpu':1}", "memory_mb", ERR_INVALID },
		{ "{'cluster':'cluster-1','num_cpu':1,'memory_mb':64,'count':101}",
		    "count", ERR_INVALID },
		{ "{'cluster':'cluster-1','num_cpu':1,'memory_mb':64,'x':1}", "x",
		    ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		json *j = NULL;
		int rc = request(l, rows[i].body, &j, &e);
		if (rc != rows[i].code || !strstr(e.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].body, e.msg);
		assert_null(j);
	}
	lab_free(l);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_keep_room_from_others),
		cmocka_unit_test(long_refusals_end_behind_a_whole_reason),
		cmocka_unit_test(hosts_that_cannot_are_told_apart),
		cmocka_unit_test(a_start_that_finds_no_room_is_told_where_there_is),
		cmocka_unit_test(placements_are_ranked_with_reasons),
		cmocka_unit_test(bad_placements_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

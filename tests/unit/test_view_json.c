#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/id.h"
#include "tests/lib/build_view.h"

static char *
written(const struct sched_view *v)
{
	AUTO(json) json *j = sched_view_to_json(v);

	return json_text(j);
}

static void
expect_round_trip(const struct sched_view *v)
{
	AUTO(sched_view) struct sched_view *back = NULL;
	AUTO_FREE char *first = written(v);
	AUTO_FREE char *second = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(
	    sched_view_from_json(first, strlen(first), "view", &back, &e), 0);
	second = written(back);
	assert_string_equal(first, second);
}

static void
expect_refused(const char *text, int code, const char *message)
{
	struct sched_view *v = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(
	    sched_view_from_json(text, strlen(text), "view", &v, &e), code);
	assert_string_equal(e.msg, message);
	assert_null(v);
}

static void
test_empty_view(void **state)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO_FREE char *text = NULL;

	assert_int_equal(
	    sched_view_from_json("{\"version\":1}", 13, "view", &v, NULL), 0);
	text = written(v);
	assert_string_equal(text,
	    "{\"version\":1,\"clusters\":[],\"networks\":[],\"datastores\":[],"
	    "\"hosts\":[],\"guests\":[]}");
}

static void
test_every_field_survives(void **state)
{
	static const uint64_t both[] = { 1, 2 };
	const struct sched_disk disks[] = { { 5, 1, 1 }, { 6, 2, 0 } };
	struct sched_host h = build_host(3, "h");
	struct sched_guest g = build_running(4, "g", 3);
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO_FREE char *text = NULL;

	h.cluster = 2;
	h.state = SCHED_HOST_ENTERING_MAINTENANCE;
	h.memory_overhead_mb = 9;
	h.engines = 7;
	h.datastores = h.networks = g.networks = both;
	h.datastore_count = h.network_count = g.network_count = 2;
	g.cluster = 1;
	g.want_host = 3;
	g.state = SCHED_GUEST_RESERVED;
	g.disks = disks;
	g.disk_count = 2;
	v = build_view(&h, 1, &g, 1);
	expect_round_trip(v);
	text = written(v);
	assert_non_null(strstr(text,
	    "{\"id\":\"3\",\"name\":\"h\",\"cluster\":\"2\","
	    "\"state\":\"entering_maintenance\",\"cpu_mhz\":9600,\"cpu_cores\":4,"
	    "\"memory_mb\":8192,\"memory_overhead_mb\":9,"
	    "\"engines\":[\"qemu\",\"oci\",\"libvirt\"],\"datastores\":[\"1\",\"2\"],"
	    "\"networks\":[\"1\",\"2\"]}"));
	assert_non_null(strstr(text,
	    "{\"id\":\"4\",\"name\":\"g\",\"host\":\"3\",\"cluster\":\"1\","
	    "\"want_host\":\"3\",\"state\":\"reserved\",\"num_cpu\":2,"
	    "\"memory_mb\":4096,\"engines\":[\"qemu\"],"
	    "\"disks\":[{\"need_mb\":5,\"datastore\":\"1\",\"backing_datastore\":\"1\"},"
	    "{\"need_mb\":6,\"datastore\":\"2\",\"backing_datastore\":null}],"
	    "\"networks\":[\"1\",\"2\"]}"));
}

static void
test_object_ids_are_written_as_people_know_them(void **state)
{
	const struct sched_guest g = build_guest(obj_id_make(KIND_VM, 42).v, "g");
	AUTO(sched_view) struct sched_view *v = build_view(NULL, 0, &g, 1);
	AUTO_FREE char *text = written(v);

	assert_non_null(strstr(text, "\"id\":\"vm-42\""));
	expect_round_trip(v);
}

static void
test_bad_ids(void **state)
{
	expect_refused("{\"version\":1,\"networks\":[{\"id\":0,\"name\":\"n\"}]}",
	    ERR_INVALID,
	    "view: networks[0]: id: wants an id, such as \"network-7\" or a number above "
	    "0");
	expect_refused("{\"version\":1,\"networks\":[{\"id\":true,\"name\":\"n\"}]}",
	    ERR_INVALID,
	    "view: networks[0]: id: wants an id, such as \"network-7\" or a number above "
	    "0");
	expect_refused("{\"version\":1,\"networks\":[{\"name\":\"n\"}]}", ERR_INVALID,
	    "view: networks[0]: id: is missing");
	expect_refused("{\"version\":1,\"networks\":[{\"id\":\"1\\u0000\",\"name\":"
		       "\"n\"}]}",
	    ERR_INVALID, "view: networks[0]: id: is no id");
}

static void
test_wrong_shapes(void **state)
{
	expect_refused("[]", ERR_INVALID, "view: wants an object");
	expect_refused("{\"version\":2}", ERR_INVALID,
	    "view: version: wants a whole number between 1 and 1, got \"2\"");
	expect_refused("{\"version\":1,\"hosts\":[3]}", ERR_INVALID,
	    "view: hosts[0]: wants an object");
	expect_refused(
	    "{\"version\":1,\"hosts\":3}", ERR_INVALID, "view: hosts: wants an array");
	expect_refused("{\"version\":1,\"clusters\":[{\"id\":1,\"name\":\"c\","
		       "\"policy\":[]}]}",
	    ERR_INVALID, "view: clusters[0]: policy: wants an object");
	expect_refused("{\"version\":1,\"guests\":[{\"id\":1,\"name\":\"g\","
		       "\"num_cpu\":1,\"memory_mb\":1,\"disks\":[{}]}]}",
	    ERR_INVALID, "view: guests[0]: disks[0]: need_mb: is missing");
	expect_refused("{\"version\":1,\"guests\":[{\"id\":1,\"name\":\"g\","
		       "\"num_cpu\":1,\"memory_mb\":1,\"engines\":[1]}]}",
	    ERR_INVALID, "view: guests[0]: engines: wants names");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_view),
		cmocka_unit_test(test_every_field_survives),
		cmocka_unit_test(test_object_ids_are_written_as_people_know_them),
		cmocka_unit_test(test_bad_ids),
		cmocka_unit_test(test_wrong_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/ops/device_plan.h"
#include "tests/lib/borrow.h"

static json *
parse(const char *text)
{
	struct err e = ERR_INIT;
	json *j = NULL;

	if (json_parse(text, strlen(text), "test", &j, &e))
		fail_msg("%s", e.msg);
	return j;
}

#define DISK_0                                                      \
	"{\"name\":\"disk-0\",\"datastore\":\"datastore-1\","       \
	"\"path\":\"vms/vm-42/disk-0.qcow2\",\"format\":\"qcow2\"," \
	"\"size_bytes\":1073741824}"
#define DISK_2                                                    \
	"{\"name\":\"disk-2\",\"datastore\":\"datastore-1\","     \
	"\"path\":\"vms/vm-42/disk-2-7.raw\",\"format\":\"raw\"," \
	"\"size_bytes\":1048576,\"iops_limit\":5}"
#define NIC_0 \
	"{\"name\":\"nic-0\",\"network\":\"network-1\",\"mac\":\"52:54:00:00:00:2a\",\"address\":\"10.0.0.2\"}"

struct row {
	enum device_verb verb;
	const char *args;
	const char *disks, *nics; /* afterwards */
	int rc;
	const char *why;
};

static const struct row rows[] = {
	{ DEVICE_DISK_ADD,
	    "{\"size_mb\":10,\"number\":9,\"datastore\":\"datastore-2\","
	    "\"mb_per_s_limit\":3}",
	    "[" DISK_0 "," DISK_2 ",{\"name\":\"disk-1\",\"datastore\":\"datastore-2\","
	    "\"path\":\"vms/vm-42/disk-1-9.qcow2\",\"format\":\"qcow2\","
	    "\"size_bytes\":10485760,\"bytes_per_s_limit\":3145728}]",
	    NULL, 0, NULL },
	{ DEVICE_DISK_UPDATE, "{\"name\":\"disk-2\",\"size_mb\":2,\"iops_limit\":0}",
	    "[" DISK_0 ",{\"name\":\"disk-2\",\"datastore\":\"datastore-1\","
	    "\"path\":\"vms/vm-42/disk-2-7.raw\",\"format\":\"raw\","
	    "\"size_bytes\":2097152}]",
	    NULL, 0, NULL },
	{ DEVICE_DISK_UPDATE, "{\"name\":\"disk-0\",\"size_mb\":1023}", NULL, NULL,
	    ERR_INVALID,
	    "machine \"web\": size_mb: disk-0 has 1024 MB and cannot shrink to 1023 "
	    "MB" },
	{ DEVICE_DISK_UPDATE, "{\"name\":\"disk-9\"}", NULL, NULL, ERR_NOT_FOUND,
	    "machine \"web\": it has no \"disk-9\"" },
	{ DEVICE_DISK_REMOVE, "{\"name\":\"disk-0\"}", "[" DISK_2 "]", NULL, 0, NULL },
	{ DEVICE_DISK_REMOVE, "{\"name\":\"nic-0\"}", NULL, NULL, ERR_NOT_FOUND,
	    "machine \"web\": it has no \"nic-0\"" },
	{ DEVICE_NIC_ADD,
	    "{\"network\":\"network-2\",\"mac\":\"52:54:00:00:00:2b\","
	    "\"address\":\"\",\"rx_mbit_limit\":4,\"vlan\":7}",
	    NULL,
	    "[" NIC_0 ",{\"name\":\"nic-1\",\"mac\":\"52:54:00:00:00:2b\","
	    "\"network\":\"network-2\",\"vlan\":7,\"rx_kbit_limit\":4000}]",
	    0, NULL },
	{ DEVICE_NIC_UPDATE,
	    "{\"name\":\"nic-0\",\"network\":\"network-2\",\"address\":\"10.9.0.5\"}",
	    NULL,
	    "[{\"name\":\"nic-0\",\"network\":\"network-2\","
	    "\"mac\":\"52:54:00:00:00:2a\",\"address\":\"10.9.0.5\"}]",
	    0, NULL },
	{ DEVICE_NIC_REMOVE, "{\"name\":\"nic-0\"}", NULL, "[]", 0, NULL },
};

static void
assert_same(const json *got, const char *wanted)
{
	AUTO(json) json *j = parse(wanted);
	AUTO_FREE char *text = json_text(got);

	if (!json_same(got, j))
		fail_msg("got %s\nwanted %s", text, wanted);
}

static void
lists_are_as_the_change_says(void **state)
{
	AUTO(json) json *disks = parse("[" DISK_0 "," DISK_2 "]");
	AUTO(json) json *nics = parse("[" NIC_0 "]");
	struct vm vm = { .disks = disks, .nics = nics };

	vm.o.id = obj_id_make(KIND_VM, 42);
	vm.o.name = borrow("web");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTO(json) json *args = parse(rows[i].args);
		struct device_lists next = { NULL, NULL, "" };
		struct err e = ERR_INIT;
		int rc = device_plan(&vm, rows[i].verb, args, &next, &e);

		assert_int_equal(rc, rows[i].rc);
		if (rc) {
			assert_string_equal(e.msg, rows[i].why);
			continue;
		}
		assert_same(next.disks,
		    rows[i].disks ? rows[i].disks : "[" DISK_0 "," DISK_2 "]");
		assert_same(next.nics, rows[i].nics ? rows[i].nics : "[" NIC_0 "]");
		device_lists_fini(&next);
	}
}

static void
only_so_many_fit(void **state)
{
	AUTO(json)
	json *args =
	    parse("{\"size_mb\":1,\"number\":1,\"datastore\":\"datastore-1\"}");
	struct vm vm = { .disks = NULL };
	struct device_lists next;
	struct err e = ERR_INIT;

	vm.o.id = obj_id_make(KIND_VM, 42);
	vm.o.name = borrow("web");
	for (unsigned i = 0; i < DEVICE_DISKS_MAX; i++) {
		assert_int_equal(device_plan(&vm, DEVICE_DISK_ADD, args, &next, &e), 0);
		json_free(vm.disks);
		vm.disks = MOVE(next.disks);
		device_lists_fini(&next);
	}
	assert_int_equal(
	    device_plan(&vm, DEVICE_DISK_ADD, args, &next, &e), ERR_NO_CAPACITY);
	assert_string_equal(
	    e.msg, "machine \"web\": it has 16 of them already, no more fit");
	json_free(vm.disks);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_as_the_change_says),
		cmocka_unit_test(only_so_many_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

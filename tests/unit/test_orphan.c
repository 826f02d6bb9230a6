#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/inventory/txn.h"
#include "server/ops/orphan.h"
#include "tests/lib/borrow.h"
#include "tests/lib/inv_world.h"

#define NOW UINT64_C(2000000000000)

static bool
nobody(const void *arg, obj_id id)
{
	return false;
}

static bool
everybody(const void *arg, obj_id id)
{
	return true;
}

static json *
parse(const char *text)
{
	json *j = NULL;

	assert_int_equal(json_parse(text, strlen(text), "test", &j, NULL), 0);
	return j;
}

/* A machine with a chain, a snapshot of it, a template with a copy. */
static obj_id
fill(struct world *w, obj_id *ret_vm, obj_id *ret_snap)
{
	struct txn *t = txn_new(w->inv);
	struct ending end = { 0 };
	struct err e = ERR_INIT;
	void *dc, *ds, *vm, *snap, *tpl;

	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "dc", &dc, &e), 0);
	obj_id dc_id = ((struct obj *)dc)->id;
	assert_int_equal(txn_add(t, KIND_DATASTORE, dc_id, "ds", &ds, &e), 0);
	assert_int_equal(txn_add(t, KIND_VM, dc_id, "web", &vm, &e), 0);
	assert_int_equal(
	    txn_add(t, KIND_SNAPSHOT, ((struct obj *)vm)->id, "s", &snap, &e), 0);
	assert_int_equal(txn_add(t, KIND_TEMPLATE, dc_id, "tiny", &tpl, &e), 0);
	obj_id id = ((struct obj *)ds)->id;
	((struct vm *)vm)->disks = parse(
	    "[{\"name\":\"disk-0\",\"datastore\":\"datastore-1\",\"path\":\"vms/vm-1/top\","
	    "\"backing\":[{\"path\":\"vms/vm-1/base\",\"format\":\"qcow2\"}]}]");
	((struct snapshot *)snap)->disks =
	    parse("[{\"name\":\"disk-0\",\"datastore\":\"datastore-1\","
		  "\"path\":\"vms/vm-1/frozen\"}]");
	((struct template *)tpl)->datastore = id;
	((struct template *)tpl)->path = xstrdup("templates/template-1/disk.raw");
	*ret_vm = ((struct obj *)vm)->id;
	*ret_snap = ((struct obj *)snap)->id;
	txn_commit(t, on_end, &end);
	world_settle(w);
	assert_int_equal(end.rc, 0);
	return id;
}

static void
assert_orphans(const struct orphan_view *v, const char *wanted)
{
	AUTO(json) json *j = orphan_find(v);
	AUTO(str) struct str got = STR_INIT;
	const json *list = json_get(j, "orphans");

	for (size_t i = 0; i < json_count(list); i++)
		str_addf(&got, "%s: %s\n",
		    json_str_value(json_get(json_at(list, i), "path"), NULL),
		    json_str_value(json_get(json_at(list, i), "why"), NULL));
	assert_string_equal(str_cstr(&got), wanted);
}

static void
only_what_belongs_to_nothing_is_told(void **state)
{
	static const char *const paths[] = { "vms/vm-1/top", "vms/vm-1/base",
		"vms/vm-1/frozen", "vms/vm-1/stray", "vms/vm-1/memory.img",
		"vms/vm-1/snapshot-1.mem", "vms/vm-1/snapshot-9.mem", "vms/vm-99/disk",
		"vms/loose", "templates/template-1/disk.raw",
		"templates/template-1/old.raw", "templates/template-9/disk.raw" };
	struct world *w = *state;
	Drover__FileFacts files[ARRAY_SIZE(paths)], *list[ARRAY_SIZE(paths)];
	Drover__ScanFacts scan = DROVER__SCAN_FACTS__INIT;
	obj_id vm, snap;
	struct orphan_view v = {
		.inv = w->inv, .scan = &scan, .now_ms = NOW, .is_busy = nobody
	};

	v.datastore = fill(w, &vm, &snap);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		drover__file_facts__init(&files[i]);
		files[i].path = borrow(paths[i]);
		files[i].modified_ms = NOW - ORPHAN_GRACE_MS - 1;
		list[i] = &files[i];
	}
	scan.files = list;
	scan.n_files = ARRAY_SIZE(paths);
	assert_orphans(&v,
	    "vms/vm-1/stray: neither the machine nor a snapshot of it uses it\n"
	    "vms/vm-1/memory.img: neither the machine nor a snapshot of it uses it\n"
	    "vms/vm-1/snapshot-9.mem: neither the machine nor a snapshot of it uses it\n"
	    "vms/vm-99/disk: there is no such machine\n"
	    "vms/loose: lies in the folder of nothing\n"
	    "templates/template-1/old.raw: the template does not use it here\n"
	    "templates/template-9/disk.raw: there is no such template\n");
	v.is_busy = everybody;
	assert_orphans(&v,
	    "vms/vm-99/disk: there is no such machine\n"
	    "vms/loose: lies in the folder of nothing\n"
	    "templates/template-9/disk.raw: there is no such template\n");
	/* Just written: something may be on its way. */
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		files[i].modified_ms = NOW - ORPHAN_GRACE_MS + 1;
	assert_orphans(&v, "");
	/* On another datastore the same names are nobody's. */
	v.datastore.v++;
	v.is_busy = nobody;
	files[0].modified_ms = 0;
	assert_orphans(
	    &v, "vms/vm-1/top: neither the machine nor a snapshot of it uses it\n");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    only_what_belongs_to_nothing_is_told, world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <string.h>

#include "base/mem.h"
#include "server/inventory/inv_int.h"
#include "tests/lib/inv_world.h"

static obj_id
add_vm(struct world *w, const char *name, uint32_t cpus)
{
	struct err e = ERR_INIT;
	struct vm *v;
	const struct obj *dc = inv_find(w->inv, OBJ_ID_NONE, KIND_DATACENTER, "dc1");
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_VM, dc->id, name, (void **)&v, &e), 0);
	v->num_cpu = cpus;
	v->memory_mb = 1024;
	v->host = obj_id_make(KIND_HOST, 3);
	v->started_at = 1767323045678;
	v->power_state = POWER_STALLED;
	v->disks = json_new_array();
	json_add_str(v->disks, "d");
	v->networks.v = xcalloc(2, sizeof(obj_id));
	v->networks.n = 2;
	v->networks.v[0] = obj_id_make(KIND_NETWORK, 1);
	v->networks.v[1] = obj_id_make(KIND_NETWORK, 2);
	obj_id id = v->o.id;
	assert_int_equal(world_commit(w, t), 0);
	return id;
}

static int
setup(void **state)
{
	int rc = world_setup(state);
	world_add(*state, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	return rc;
}

static void
test_whole_object(void **state)
{
	struct world *w = *state;
	obj_id id = add_vm(w, "a", 4);
	AUTO(json) json *j = inv_json(w->inv, inv_get(w->inv, id));
	json_set_u64(j, "rev", 0);
	AUTO_FREE char *text = json_text(j);
	assert_string_equal(text,
	    "{\"id\":\"vm-1\",\"kind\":\"vm\",\"name\":\"a\",\"parent\":\"dc-1\",\"rev\":0,"
	    "\"created_at\":\"2026-01-02T03:04:05.678Z\",\"uuid\":null,"
	    "\"lifecycle\":\"creating\",\"power_state\":\"stalled\",\"power_reason\":null,"
	    "\"host\":\"host-3\",\"pool\":null,\"template\":null,\"engine\":null,"
	    "\"guest_type\":\"machine\",\"container\":null,"
	    "\"num_cpu\":4,\"memory_mb\":1024,\"disks\":[\"d\"],\"nics\":null,"
	    "\"ip_address\":null,\"datastores\":[],\"networks\":[\"network-1\",\"network-2\"],"
	    "\"run_gen\":0,\"notes\":null,\"started_at\":\"2026-01-02T03:04:05.678Z\","
	    "\"snapshot\":null,\"needs_consolidation\":false,"
	    "\"cpu_shares_level\":null,\"cpu_shares\":0,\"cpu_reservation_mhz\":0,"
	    "\"cpu_limit_mhz\":0,\"mem_shares_level\":null,\"mem_shares\":0,"
	    "\"mem_reservation_mb\":0,\"mem_limit_mb\":0,"
	    "\"drs_automation\":null,\"ha_restart_priority\":null,"
	    "\"ha_isolation_response\":null,\"ha_monitoring\":null,"
	    "\"ha_depends\":null,\"ha_ready_port\":0,\"ha_protected\":false,"
	    "\"ha_status\":null,\"counters\":null,"
	    "\"pid\":0,\"cpu_usage_mhz\":0,\"memory_usage_mb\":0,\"disk_usage_bytes\":0,"
	    "\"guest_agent\":false,\"guest_heartbeat\":null,\"guest_host_name\":null,"
	    "\"guest_os\":null,\"guest_addresses\":null,\"tags\":[]}");
}

static void
test_secrets_stay_inside(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	struct user *u;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(
	    txn_add(t, KIND_USER, OBJ_ID_NONE, "root", (void **)&u, &e), 0);
	u->password_hash = xstrdup("hash");
	obj_id id = u->o.id;
	assert_int_equal(world_commit(w, t), 0);
	AUTO(json) json *whole = inv_json(w->inv, inv_get(w->inv, id));
	assert_null(json_get(whole, "password_hash"));
	AUTO(json)
	json *patch = inv_json_patch(w->inv, inv_get(w->inv, id), UINT64_MAX);
	assert_null(json_get(patch, "password_hash"));
	assert_non_null(json_get(patch, "role"));
	assert_null(field_find(KIND_USER, "password_hash"));
	assert_null(field_find(KIND_TASK, "args"));
}

static void
test_patch(void **state)
{
	struct world *w = *state;
	obj_id id = add_vm(w, "a", 4);
	uint64_t rev = inv_rev(w->inv);
	struct txn *t = txn_new(w->inv);
	struct err e = ERR_INIT;
	struct vm *v = txn_edit(t, id);
	v->num_cpu = 8;
	assert_int_equal(txn_rename(t, id, v->o.parent, "b", &e), 0);
	assert_int_equal(world_commit(w, t), 0);
	const struct change *c = feed_after(w->inv, rev, 0);
	assert_int_equal(c->volatile_only, 0);
	AUTO(json) json *j = inv_json_patch(w->inv, inv_get(w->inv, id), c->fields);
	json_set_u64(j, "rev", 0);
	AUTO_FREE char *text = json_text(j);
	assert_string_equal(text, "{\"name\":\"b\",\"rev\":0,\"num_cpu\":8}");
}

static void
test_fields_by_name(void **state)
{
	struct world *w = *state;
	obj_id id = add_vm(w, "a", 4);
	const struct obj *o = inv_get(w->inv, id);

	static const struct {
		const char *name, *text;
	} wanted[] = {
		{ "id", "vm-1" },
		{ "kind", "vm" },
		{ "name", "a" },
		{ "parent", "dc-1" },
		{ "created_at", "2026-01-02T03:04:05.678Z" },
		{ "num_cpu", "4" },
		{ "power_state", "stalled" },
		{ "host", "host-3" },
		{ "pool", "" },
		{ "notes", "" },
		{ "networks", "network-1,network-2" },
		{ "started_at", "2026-01-02T03:04:05.678Z" },
		{ "disks", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		char buf[64];
		const struct field *f = field_find(KIND_VM, wanted[i].name);
		assert_non_null(f);
		assert_string_equal(field_text(o, f, buf), wanted[i].text);
	}
	assert_null(field_find(KIND_VM, "cpu_cores"));
	assert_null(field_find(KIND_VM, ""));
	assert_int_equal(field_ids(o, field_find(KIND_VM, "networks"))->n, 2);
	assert_null(field_ids(o, field_find(KIND_VM, "host")));
}

static void
test_long_lists_are_cut_at_an_id(void **state)
{
	struct obj *o = obj_new(obj_id_make(KIND_VM, 1));
	struct vm *v = (struct vm *)o;
	char buf[64];
	v->networks.v = xcalloc(50, sizeof(obj_id));
	v->networks.n = 50;
	for (unsigned i = 0; i < 50; i++)
		v->networks.v[i] = obj_id_make(KIND_NETWORK, 1000 + i);
	assert_string_equal(field_text(o, field_find(KIND_VM, "networks"), buf),
	    "network-1000,network-1001,network-1002,network-1003");
	obj_free(o);
}

static void
test_order(void **state)
{
	struct world *w = *state;
	const struct obj *a = inv_get(w->inv, add_vm(w, "Web2", 10));
	const struct obj *b = inv_get(w->inv, add_vm(w, "web1", 9));
	const struct obj *c = inv_get(w->inv, add_vm(w, "web3", 9));
	const struct field *name = field_find(KIND_VM, "name");
	const struct field *cpus = field_find(KIND_VM, "num_cpu");
	assert_true(field_compare(a, b, name) > 0);
	assert_true(field_compare(b, a, name) < 0);
	assert_true(field_compare(a, b, cpus) > 0);
	assert_true(field_compare(b, c, cpus) < 0);
	assert_int_equal(field_compare(b, b, cpus), 0);
}

/* Every field is where the table says, and no kind has more than the bits of a change.
 */
static void
test_field_table_is_sound(void **state)
{
	unsigned seen = 0;
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		unsigned n;
		const struct field *f = fields_of(k, &n);
		assert_true(n <= MAX_FIELDS);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(f[i].index, i);
			assert_true(f[i].offset >= sizeof(struct obj));
			assert_true(f[i].offset < kind_size(k));
			assert_int_equal(!(f[i].flags & FIELD_STORED),
			    !!(f[i].flags & FIELD_VOLATILE));
			assert_int_equal(
			    f[i].type == FIELD_ENUM, f[i].enum_text != NULL);
		}
		seen += n;
	}
	unsigned wanted = 0;
#define FIELD(kind, member, type, name, flags) wanted++;
#include "server/inventory/inv_field.def"
#undef FIELD
	assert_int_equal(seen, wanted);
}

int
main(void)
{
#define VM_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, world_teardown)
	const struct CMUnitTest tests[] = {
		VM_TEST(test_whole_object),
		VM_TEST(test_secrets_stay_inside),
		VM_TEST(test_patch),
		VM_TEST(test_fields_by_name),
		cmocka_unit_test(test_long_lists_are_cut_at_an_id),
		VM_TEST(test_order),
		cmocka_unit_test(test_field_table_is_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

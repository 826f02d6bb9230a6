/* Where HA's room for lost hosts is asked for, and where it is not. */
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/admission/admission.h"
#include "server/drs/drs_view.h"
#include "tests/lib/lab.h"

static void
set(struct lab *l, const char *op, obj_id id, const char *args)
{
	if (lab_do(l, op, id, args))
		fail_msg("%s: %s %s", op, l->msg, lab_task_error(l));
}

static void
refused(struct lab *l, const char *op, obj_id id, const char *args, const char *why)
{
	int rc = lab_do(l, op, id, args);
	const char *msg = l->rc ? l->msg : lab_task_error(l);

	assert_int_equal(rc, ERR_NO_CAPACITY);
	if (!strstr(msg, why))
		fail_msg("got \"%s\", wants \"%s\"", msg, why);
}

/* Two machines of 4096 MB each are all that two hosts of 8192 MB take of which half is
 * kept; 96 MB of each are its process's own. */
#define HALF "{'memory_mb':4096,'mem_reservation_mb':4000}"

static void
power_on_leaves_what_is_kept(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", false), b = lab_vm(l, "b", false);
	obj_id c = lab_vm(l, "c", false);

	set(l, "vm.update", a, HALF);
	set(l, "vm.update", b, HALF);
	set(l, "cluster.update", l->cluster, "{'ha_enabled':true}");
	set(l, "vm.start", a, NULL);
	set(l, "vm.start", b, NULL);
	refused(l, "vm.start", c, NULL,
	    "\"c\" asks for 96 MB of memory, 96 too many: cluster \"cl\" keeps 8192 of "
	    "16384 for lost hosts, 8192 are reserved; it fits once others give back 96 "
	    "MB");
	assert_int_equal(lab_power(l, c), POWER_OFF);
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'d','template':'template-1','power_on':true}", "96 too many");
	set(l, "cluster.update", l->cluster, "{'ha_failover_level':0}");
	set(l, "vm.start", c, NULL);
	lab_free(l);
}

static void
it_is_asked_of_nobody_where_ha_is_off(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", false);

	set(l, "vm.update", a, "{'memory_mb':8000,'mem_reservation_mb':8000}");
	set(l, "cluster.update", l->cluster,
	    "{'ha_enabled':true,'ha_cpu_percent':100}");
	refused(l, "vm.start", a, NULL, "of CPU");
	set(l, "cluster.update", l->cluster, "{'ha_admission':'off'}");
	set(l, "vm.start", a, NULL);
	set(l, "vm.stop", a, "{'mode':'kill'}");
	set(l, "cluster.update", l->cluster,
	    "{'ha_admission':'percentage','ha_enabled':false}");
	set(l, "vm.start", a, NULL);
	lab_free(l);
}

static void
a_reservation_grows_as_far_as_there_is_room(void **state)
{
	struct lab *l = lab_new(2, 8192);
	obj_id a = lab_vm(l, "a", false), b = lab_vm(l, "b", false);

	set(l, "vm.update", a, HALF);
	set(l, "vm.update", b, "{'memory_mb':4100}");
	set(l, "cluster.update", l->cluster, "{'ha_enabled':true}");
	set(l, "vm.start", a, NULL);
	set(l, "vm.start", b, NULL);
	refused(l, "vm.update", b, "{'mem_reservation_mb':4001}",
	    "it fits with a reservation of 4000 MB");
	set(l, "vm.update", b, "{'mem_reservation_mb':4000}");
	/* What is too much already may become less. */
	set(l, "cluster.update", l->cluster, "{'ha_memory_percent':90}");
	set(l, "vm.update", b, "{'mem_reservation_mb':3999}");
	lab_free(l);
}

/* Neither what goes into standby nor what comes back is there for anybody. */
static void
hosts_on_their_way_into_standby_do_not_count(void **state)
{
	static const enum standby_state away[] = { STANDBY_ENTERING, STANDBY_IN,
		STANDBY_WAKING };
	struct lab *l = lab_new(2, 8192);
	struct admission_room room;

	set(l, "cluster.update", l->cluster, "{'ha_enabled':true}");
	admission_stand(l->inv, l->cluster, &room);
	assert_int_equal(room.memory_mb, 16384);
	for (size_t i = 0; i < ARRAY_SIZE(away); i++) {
		struct txn *t = txn_new(l->inv);
		((struct host *)txn_edit(t, l->host[1]))->standby = away[i];
		txn_commit_wake(t, WAKE_NONE);
		lab_settle(l);
		admission_stand(l->inv, l->cluster, &room);
		assert_int_equal(room.memory_mb, 8192);
	}
	lab_free(l);
}

/* Why DRS gives it no guest, or "". */
static char *
closed_to_drs(struct lab *l, obj_id host)
{
	AUTO(arena) struct arena *mem = arena_new();
	const struct drs_env env = {
		.inv = l->inv,
		.hosts = l->hosts,
		.tasks = l->tasks,
	};
	const struct drs_view *v = drs_view_of(&env, l->cluster, OBJ_ID_NONE, mem);

	for (uint32_t i = 0; i < v->host_count; i++) {
		if (obj_id_is(v->hosts[i].id, host) && v->hosts[i].is_closed)
			return xstrdup(v->hosts[i].why_closed);
	}
	return xstrdup("");
}

static void
failover_hosts_are_let_alone(void **state)
{
	struct lab *l = lab_new(3, 8192);
	obj_id a = lab_vm(l, "a", false);

	while (!obj_id_is(inv_vm(l->inv, a)->host, l->host[0])) {
		set(l, "vm.delete", a, NULL);
		a = lab_vm(l, "a", false);
	}
	set(l, "cluster.update", l->cluster,
	    "{'ha_enabled':true,'ha_admission':'hosts','ha_failover_hosts':['host-1']}");
	assert_true(admission_is_kept(l->inv, l->host[0]));
	refused(l, "vm.start", a, NULL,
	    "host \"h1\" is kept free for the guests of lost hosts: move \"a\"");
	refused(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'b','template':'template-1','host':'host-1'}",
	    "h1 is kept free for the guests of lost hosts");
	AUTO_FREE char *kept = closed_to_drs(l, l->host[0]);
	AUTO_FREE char *open = closed_to_drs(l, l->host[1]);
	assert_string_equal(kept, "is kept free for the guests of lost hosts");
	assert_string_equal(open, "");
	for (int i = 0; i < 4; i++) {
		AUTO_FREE char *name = xasprintf("n%d", i);
		obj_id vm = lab_vm(l, name, true);
		assert_false(obj_id_is(inv_vm(l->inv, vm)->host, l->host[0]));
	}
	lab_free(l);
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
}

/* What the host lacks for vm, or "". */
static char *
lacks(struct lab *l, obj_id vm, obj_id host)
{
	AUTO(arena) struct arena *mem = arena_new();
	const struct vm *row = inv_vm(l->inv, vm);
	const struct advice_guest g = {
		.vm = vm,
		.name = row->o.name,
		.want_host = host,
		.num_cpu = row->num_cpu,
		.memory_mb = row->memory_mb,
		.engine = row->engine,
	};
	struct advice_room *rooms;
	struct err e = ERR_INIT;
	size_t n;

	assert_int_equal(advice_rooms(l->advice, &g, mem, &rooms, &n, &e), 0);
	for (size_t i = 0; i < n; i++) {
		if (obj_id_is(rooms[i].host, host) && rooms[i].n_shortages)
			return xstrdup(rooms[i].shortages[0]);
	}
	return xstrdup("");
}

static void
one_that_runs_is_not_moved_into_what_is_kept(void **state)
{
	struct lab *l = lab_new(3, 8192);
	struct err e = ERR_INIT;

	set(l, "vm.create", OBJ_ID_NONE,
	    "{'name':'a','template':'template-1','host':'host-3','power_on':true}");
	obj_id vm = inv_find(l->inv, l->dc, KIND_VM, "a")->id;
	set(l, "cluster.create", OBJ_ID_NONE, "{'name':'other','datacenter':'dc-1'}");
	struct txn *t = txn_new(l->inv);
	assert_int_equal(txn_rename(t, l->host[2], l->object, "h3", &e), 0);
	txn_commit(t, on_stored, NULL);
	lab_settle(l);
	AUTO_FREE char *before = lacks(l, vm, l->host[0]);
	assert_string_equal(before, "");
	set(l, "cluster.update", l->cluster,
	    "{'ha_enabled':true,'ha_cpu_percent':100}");
	AUTO_FREE char *after = lacks(l, vm, l->host[0]);
	if (!strstr(after, "keeps room for lost hosts: \"a\" asks for 32 MHz of CPU"))
		fail_msg("%s", after);
	lab_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_on_leaves_what_is_kept),
		cmocka_unit_test(it_is_asked_of_nobody_where_ha_is_off),
		cmocka_unit_test(hosts_on_their_way_into_standby_do_not_count),
		cmocka_unit_test(a_reservation_grows_as_far_as_there_is_room),
		cmocka_unit_test(failover_hosts_are_let_alone),
		cmocka_unit_test(one_that_runs_is_not_moved_into_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

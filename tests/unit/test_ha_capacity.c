/* Which hosts a cluster can lose, and what would come. */
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/ha/ha_capacity.h"
#include "tests/lib/lab.h"

static struct lab *
setup(unsigned hosts, uint64_t memory_mb, struct ha_capacity **ret)
{
	struct lab *l = lab_new(hosts, memory_mb);
	const struct ha_capacity_opts o = { .inv = l->inv, .advice = l->advice };

	*ret = ha_capacity_new(&o);
	assert_int_equal(
	    lab_do(l, "cluster.update", l->cluster, "{'ha_enabled':true}"), 0);
	return l;
}

static void
down(struct lab *l, struct ha_capacity *c)
{
	ha_capacity_free(c);
	lab_free(l);
}

static const char *
text_of(const struct lab *l)
{
	const char *s = inv_cluster(l->inv, l->cluster)->ha_capacity;

	return s ? s : "";
}

static void
run_on(struct lab *l, const char *name, unsigned host, unsigned mb)
{
	AUTO_FREE char *args = xasprintf("{'name':'%s','template':'template-1',"
					 "'memory_mb':%u,'host':'host-%u','power_on':"
					 "true}",
	    name, mb, host + 1);

	assert_int_equal(lab_do(l, "vm.create", OBJ_ID_NONE, args), 0);
}

static void
any_host_may_be_lost_where_the_others_have_room(void **state)
{
	struct ha_capacity *c;
	struct lab *l = setup(3, 4096, &c);

	run_on(l, "a", 0, 1000);
	run_on(l, "b", 1, 1000);
	lab_advance(l, 5000);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_survives, 2);
	assert_string_equal(text_of(l), "survives 2 hosts, those that carry most");
	run_on(l, "c", 0, 3000);
	lab_advance(l, 5000);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_survives, 1);
	assert_string_equal(text_of(l), "survives 1 host, any of them");
	down(l, c);
}

static void
who_would_have_no_place_is_named(void **state)
{
	struct ha_capacity *c;
	struct lab *l = setup(2, 4096, &c);

	run_on(l, "a", 0, 2000);
	run_on(l, "b", 1, 3000);
	lab_advance(l, 5000);
	assert_int_equal(inv_cluster(l->inv, l->cluster)->ha_survives, 0);
	if (!strstr(
		text_of(l), "with h2 down 1 guest has no place: no host can take b"))
		fail_msg("%s", text_of(l));
	const json *k = ha_capacity_of(c, l->cluster);
	const json *losses = json_get(k, "losses");
	assert_int_equal(json_count(losses), 2);
	assert_int_equal(json_count(json_get(json_at(losses, 0), "unplaced")), 1);
	down(l, c);
}

static void
it_is_told_once_and_once_when_it_is_well_again(void **state)
{
	struct ha_capacity *c;
	struct lab *l = setup(2, 4096, &c);

	lab_advance(l, 61000);
	run_on(l, "a", 0, 2000);
	run_on(l, "b", 1, 3000);
	lab_advance(l, 5000);
	lab_advance(l, 120000);
	assert_int_equal(lab_events(l, "InsufficientFailoverLevelEvent"), 1);
	assert_int_equal(lab_events(l, "FailoverLevelRestoredEvent"), 0);
	const struct obj *b = inv_find(l->inv, l->dc, KIND_VM, "b");
	assert_int_equal(lab_do(l, "vm.stop", b->id, "{'mode':'kill'}"), 0);
	lab_advance(l, 5000);
	assert_int_equal(lab_events(l, "FailoverLevelRestoredEvent"), 1);
	down(l, c);
}

struct answer {
	unsigned calls;
	int rc;
	json *plan;
};

static void
on_answer(void *arg, int rc, const struct err *e, const json *plan)
{
	struct answer *a = arg;

	a->calls++;
	a->rc = rc;
	a->plan = plan ? json_dup(plan) : NULL;
}

static void
a_loss_is_tried_in_the_order_of_priorities(void **state)
{
	struct ha_capacity *c;
	struct lab *l = setup(2, 8192, &c);
	struct answer a = { 0 };

	run_on(l, "low", 0, 500);
	run_on(l, "high", 0, 300);
	run_on(l, "never", 0, 300);
	const struct obj *low = inv_find(l->inv, l->dc, KIND_VM, "low");
	const struct obj *high = inv_find(l->inv, l->dc, KIND_VM, "high");
	const struct obj *never = inv_find(l->inv, l->dc, KIND_VM, "never");
	lab_do(l, "vm.update", low->id, "{'ha_restart_priority':'low'}");
	lab_do(l, "vm.update", high->id, "{'ha_restart_priority':'high'}");
	lab_do(l, "vm.update", never->id, "{'ha_restart_priority':'off'}");
	ha_capacity_try(c, l->cluster, &l->host[0], 1, on_answer, &a);
	assert_int_equal(a.calls, 0);
	lab_settle(l);
	assert_int_equal(a.calls, 1);
	assert_int_equal(a.rc, 0);
	const json *items = json_get(a.plan, "items");
	assert_int_equal(json_count(items), 2);
	assert_string_equal(
	    json_str_value(json_get(json_at(items, 0), "name"), NULL), "high");
	assert_string_equal(
	    json_str_value(json_get(json_at(items, 0), "to"), NULL), "host-2");
	assert_string_equal(
	    json_str_value(json_get(json_at(items, 1), "priority"), NULL), "low");
	assert_int_equal(json_int_value(json_get(a.plan, "restarted")), 2);
	json_free(a.plan);
	down(l, c);
}

static void
failover_hosts_take_guests_when_it_comes_to_it(void **state)
{
	struct ha_capacity *c;
	struct lab *l = setup(2, 4096, &c);

	assert_int_equal(lab_do(l, "cluster.update", l->cluster,
			     "{'ha_admission':'hosts','ha_failover_hosts':['host-2']}"),
	    0);
	run_on(l, "a", 0, 3000);
	lab_advance(l, 5000);
	assert_string_equal(text_of(l), "survives 1 host, any of them");
	assert_int_equal(
	    lab_do(l, "cluster.update", l->cluster, "{'ha_enabled':false}"), 0);
	lab_advance(l, 5000);
	assert_string_equal(text_of(l), "");
	assert_null(ha_capacity_of(c, l->cluster));
	down(l, c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_host_may_be_lost_where_the_others_have_room),
		cmocka_unit_test(who_would_have_no_place_is_named),
		cmocka_unit_test(it_is_told_once_and_once_when_it_is_well_again),
		cmocka_unit_test(a_loss_is_tried_in_the_order_of_priorities),
		cmocka_unit_test(failover_hosts_take_guests_when_it_comes_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What hosts are told of pools, on a server in memory. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "server/pools/pool_driver.h"
#include "tests/lib/lab.h"

#define LOOKS_MS 3000u

/* What one host was told last, of its one pool. */
struct heard {
	unsigned times;
	size_t n_pools, n_guests;
	uint64_t limit, mem_limit;
	uint64_t mem_most, mem_entitlement; /* of all its guests */
};

struct bed {
	struct lab *l;
	struct pool_driver *d;
	struct heard of[LAB_MAX_HOSTS];
};

static void
on_order(const Drover__Order *o, void *arg)
{
	struct heard *h = arg;

	if (o->verb_case != DROVER__ORDER__VERB_HOST_POOLS)
		return;
	h->times++;
	h->n_pools = o->host_pools->n_pools;
	h->n_guests = o->host_pools->n_guests;
	h->limit = h->n_pools ? o->host_pools->pools[0]->cpu_limit_mhz : 0;
	h->mem_limit = h->n_pools ? o->host_pools->pools[0]->mem_limit_mb : 0;
	h->mem_most = h->mem_entitlement = 0;
	for (size_t i = 0; i < h->n_guests; i++) {
		h->mem_most += o->host_pools->guests[i]->mem_most_mb;
		h->mem_entitlement += o->host_pools->guests[i]->mem_entitlement_mb;
	}
}

static void
set_up(struct bed *b)
{
	*b = (struct bed){ .l = lab_new(2, 8192) };
	for (unsigned i = 0; i < b->l->n_hosts; i++)
		agent_fake_watch(b->l->agent[i], on_order, &b->of[i]);
	b->d = pool_driver_new(b->l->inv, b->l->hosts);
}

static void
tear_down(struct bed *b)
{
	pool_driver_free(b->d);
	lab_free(b->l);
}

static obj_id
make_pool(struct bed *b, uint64_t limit)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'dev','parent':'%s','cpu_limit_mhz':%lu}",
		obj_id_text(b->l->cluster, id), (unsigned long)limit);

	assert_int_equal(lab_op(b->l, "pool.create", OBJ_ID_NONE, args), 0);
	return b->l->object;
}

static obj_id
run_guest(struct bed *b, obj_id pool, unsigned host, const char *name)
{
	char p[OBJ_ID_TEXT], h[OBJ_ID_TEXT];
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','template':'template-1','pool':'%s','host':'%s',"
		      "'power_on':true}",
		name, obj_id_text(pool, p), obj_id_text(b->l->host[host], h));

	if (lab_do(b->l, "vm.create", OBJ_ID_NONE, args))
		fail_msg("%s: %s", name, lab_task_error(b->l));
	return b->l->object;
}

static void
a_limit_is_split_and_never_given_twice(void **state)
{
	struct bed b;

	set_up(&b);
	obj_id pool = make_pool(&b, 600);
	run_guest(&b, pool, 0, "a");
	lab_advance(b.l, LOOKS_MS);
	assert_int_equal(b.of[0].limit, 600);
	assert_int_equal(b.of[1].n_pools, 0);
	/* The first does not answer: until it does, the second has next to nothing. */
	agent_fake_hold(b.l->agent[0]);
	run_guest(&b, pool, 1, "b");
	lab_advance(b.l, LOOKS_MS);
	assert_int_equal(b.of[1].limit, 1);
	agent_fake_release(b.l->agent[0]);
	lab_advance(b.l, LOOKS_MS);
	assert_in_range(b.of[0].limit, 290, 310);
	assert_in_range(b.of[1].limit, 290, 310);
	assert_true(b.of[0].limit + b.of[1].limit <= 600);
	tear_down(&b);
}

/* Its agent measures nothing: each guest counts as what it is configured with. */
static void
memory_of_a_pool_is_split_over_hosts_and_guests(void **state)
{
	struct bed b;

	set_up(&b);
	obj_id pool = make_pool(&b, 600);
	obj_id vm = run_guest(&b, pool, 0, "a");
	run_guest(&b, pool, 1, "b");
	uint64_t size = inv_vm(b.l->inv, vm)->memory_mb;
	lab_advance(b.l, LOOKS_MS);
	/* Nothing limits it. */
	assert_int_equal(b.of[0].mem_most, 0);
	assert_in_range(b.of[0].mem_entitlement, size * 9 / 10, size);
	AUTO_FREE char *limit = xasprintf("{'mem_limit_mb':%lu}", (unsigned long)size);
	assert_int_equal(lab_op(b.l, "pool.update", pool, limit), 0);
	lab_advance(b.l, LOOKS_MS);
	assert_int_equal(b.of[0].mem_limit, size / 2);
	assert_true(b.of[0].mem_most > 0 && b.of[1].mem_most > 0);
	assert_in_range(b.of[0].mem_most + b.of[1].mem_most, size * 8 / 10, size);
	/* The one that does not answer keeps its part. */
	agent_fake_hold(b.l->agent[0]);
	assert_int_equal(lab_op(b.l, "vm.update", vm, "{'mem_shares_level':'low'}"), 0);
	run_guest(&b, pool, 1, "c");
	lab_advance(b.l, LOOKS_MS);
	assert_true(b.of[1].mem_most <= size - size / 2);
	tear_down(&b);
}

static void
a_host_is_told_what_is_news_and_again_after_its_link_broke(void **state)
{
	struct bed b;

	set_up(&b);
	run_guest(&b, make_pool(&b, 600), 0, "a");
	lab_advance(b.l, LOOKS_MS);
	unsigned times = b.of[0].times;
	assert_int_equal(b.of[0].n_guests, 1);
	lab_advance(b.l, LOOKS_MS * 3);
	assert_int_equal(b.of[0].times, times);
	agent_fake_restart(b.l->agent[0]);
	lab_dial(b.l);
	lab_advance(b.l, LOOKS_MS);
	assert_int_equal(b.of[0].times, times + 1);
	tear_down(&b);
}

static void
a_guest_that_leaves_a_pool_takes_it_along(void **state)
{
	struct bed b;

	set_up(&b);
	obj_id vm = run_guest(&b, make_pool(&b, 600), 0, "a");
	lab_advance(b.l, LOOKS_MS);
	assert_int_equal(b.of[0].n_pools, 1);
	AUTO_FREE char *root = xasprintf("{'pool':'pool-1'}");
	assert_int_equal(lab_do(b.l, "vm.update", vm, root), 0);
	lab_advance(b.l, 100);
	assert_int_equal(b.of[0].n_pools, 0);
	assert_int_equal(b.of[0].n_guests, 1);
	tear_down(&b);
}

static void
an_order_on_its_way_does_not_outlive_the_driver(void **state)
{
	struct bed b;

	set_up(&b);
	agent_fake_hold(b.l->agent[1]);
	obj_id pool = make_pool(&b, 600);
	run_guest(&b, pool, 0, "a");
	lab_submit(b.l, "pool.update", pool, "{'cpu_limit_mhz':500}");
	agent_fake_hold(b.l->agent[0]);
	lab_advance(b.l, LOOKS_MS);
	tear_down(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_limit_is_split_and_never_given_twice),
		cmocka_unit_test(memory_of_a_pool_is_split_over_hosts_and_guests),
		cmocka_unit_test(
		    a_host_is_told_what_is_news_and_again_after_its_link_broke),
		cmocka_unit_test(a_guest_that_leaves_a_pool_takes_it_along),
		cmocka_unit_test(an_order_on_its_way_does_not_outlive_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

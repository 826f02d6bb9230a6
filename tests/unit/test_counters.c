/*
 * What is counted of guests, from the kernel's files to what is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/net_dev.h"
#include "tests/lib/cg_tree.h"

static void
expect_counter(
    const struct counters *c, const char *name, uint64_t current, uint64_t failures)
{
	const struct counter *one = counters_find(c, name);

	if (!one) {
		fail_msg("no counter %s", name);
		return;
	}
	assert_int_equal(one->current, current);
	assert_int_equal(one->failures, failures);
}

static void
v1_counts_groups_below(void **state)
{
	struct tree *t = *state;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "memory/cgroup.procs", "");
	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "cpuacct/cgroup.procs", "");
	make_file(t, "pids/cgroup.procs", "");
	make_file(t, "memory/d/vm-1/memory.usage_in_bytes", "700");
	make_file(t, "memory/d/vm-1/memory.max_usage_in_bytes", "900");
	make_file(t, "memory/d/vm-1/memory.limit_in_bytes", "1000");
	make_file(t, "memory/d/vm-1/memory.memsw.usage_in_bytes", "750");
	make_file(
	    t, "memory/d/vm-1/memory.memsw.limit_in_bytes", "9223372036854771712");
	make_file(t, "memory/d/vm-1/memory.oom_control", "under_oom 0\noom_kill 1");
	make_file(t, "memory/d/vm-1/ct/memory.oom_control", "oom_kill 2");
	make_file(t, "cpu/d/vm-1/cpu.stat", "nr_periods 9\nnr_throttled 4");
	make_file(t, "cpuacct/d/vm-1/cpuacct.usage", "5000000");
	make_file(t, "pids/d/vm-1/pids.current", "12");
	make_file(t, "pids/d/vm-1/pids.max", "64");
	make_file(t, "pids/d/vm-1/ct/pids.events", "max 7");
	cg = open_cg(t, "d");
	if (cg_guest_counters(cg, 1, &c, &e))
		fail_msg("%s", e.msg);
	expect_counter(&c, "memory", 700, 3);
	assert_int_equal(counters_find(&c, "memory")->peak, 900);
	assert_int_equal(counters_find(&c, "memory")->limit, 1000);
	expect_counter(&c, "swap", 50, 0);
	assert_int_equal(counters_find(&c, "swap")->limit, 0);
	expect_counter(&c, "cpu", 5000, 4);
	expect_counter(&c, "processes", 12, 7);
	assert_null(counters_find(&c, "kernel_memory"));
	cg_free(cg);
}

static void
v2_counts(void **state)
{
	struct tree *t = *state;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cgroup.controllers", "cpu memory pids");
	make_file(t, "cgroup.subtree_control", "");
	make_file(t, "d/cgroup.controllers", "cpu memory pids");
	make_file(t, "d/cgroup.subtree_control", "");
	cg = open_cg(t, "d");
	make_file(t, "d/vm-1/memory.current", "800");
	make_file(t, "d/vm-1/memory.max", "max");
	make_file(t, "d/vm-1/memory.events", "max 5\noom 2\noom_kill 2");
	make_file(t, "d/vm-1/memory.stat", "anon 1\nkernel 300");
	make_file(t, "d/vm-1/pids.current", "3");
	make_file(t, "d/vm-1/pids.events", "max 9");
	make_file(t, "d/vm-1/cpu.stat", "usage_usec 77\nnr_throttled 5");
	if (cg_guest_counters(cg, 1, &c, &e))
		fail_msg("%s", e.msg);
	expect_counter(&c, "memory", 800, 2);
	assert_int_equal(counters_find(&c, "memory")->limit, 0);
	expect_counter(&c, "kernel_memory", 300, 0);
	expect_counter(&c, "processes", 3, 9);
	expect_counter(&c, "cpu", 77, 5);
	assert_null(counters_find(&c, "swap"));
	cg_free(cg);
}

static void
links_are_read(void **state)
{
	struct tree *t = *state;
	AUTO_FREE char *path = xasprintf("%s/dev", t->root);
	struct net_dev *all = NULL;
	const struct net_dev *d;
	struct err e = ERR_INIT;
	size_t n = 0;

	make_file(t, "dev",
	    "Inter-|   Receive    |  Transmit\n"
	    " face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"
	    "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
	    "dvt4n0: 10 1 0 2 0 0 0 0 30 1 0 4 0 0 0 0\n"
	    "broken: 10 1 0\n");
	if (net_dev_read(path, &all, &n, &e))
		fail_msg("%s", e.msg);
	assert_int_equal(n, 2);
	d = net_dev_find(all, n, "dvt4n0");
	assert_non_null(d);
	assert_int_equal(d->in_bytes, 10);
	assert_int_equal(d->in_dropped, 2);
	assert_int_equal(d->out_bytes, 30);
	assert_int_equal(d->out_dropped, 4);
	assert_null(net_dev_find(all, n, "broken"));
	free(all);
}

static void
peaks_are_kept(void **state)
{
	struct counters was = { .n = 1, .v = { { .name = "a", .peak = 9 } } };
	struct counters now = { .n = 0 };

	counters_add(&now, &(struct counter){ .name = "a", .current = 4 });
	counters_add(&now, &(struct counter){ .name = "b", .current = 4 });
	counters_add(&now, &(struct counter){ .name = "c", .current = 4, .peak = 5 });
	counters_follow(&now, &was);
	assert_int_equal(now.v[0].peak, 9);
	assert_int_equal(now.v[1].peak, 4);
	assert_int_equal(now.v[2].peak, 5);
}

static void
refusals_are_told_now_and_then(void **state)
{
	struct counters c = { .n = 1,
		.v = { { .name = "memory",
		    .unit = COUNTER_BYTES,
		    .limit = 1u << 20,
		    .failures = 3,
		    .tells = true } } };
	struct counter *m = &c.v[0];
	char text[64];

	assert_int_equal(counter_news(m, 1000), 3);
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS), 0);
	m->failures = 4;
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS - 1), 0);
	assert_int_equal(counter_news(m, 1000 + COUNTER_TELL_MS), 1);
	/* A new group counts from nothing. */
	m->failures = 1;
	assert_int_equal(counter_news(m, 1000 + 2 * COUNTER_TELL_MS), 1);
	m->failures = 5;
	counters_begin(&c);
	assert_int_equal(counter_news(m, 1000 + 3 * COUNTER_TELL_MS), 0);
	m->failures = 6;
	m->tells = false;
	assert_int_equal(counter_news(m, 1000 + 3 * COUNTER_TELL_MS), 0);
	counter_text(m, 2, text, sizeof(text));
	assert_string_equal(text, "memory 2 times: its limit is 1 MB");
}

static void
put_ready(struct counters *c, uint64_t us)
{
	const struct counter one = { .name = COUNTER_READY, .current = us };

	c->n = 0;
	counters_add(c, &one);
}

static void
what_ended_threads_have_waited_stays_counted(void **state)
{
	struct counters was = { .n = 0 }, now = { .n = 0 };
	uint64_t seen = 0;

	put_ready(&was, 500);
	counters_ready(&was, &now, &seen);
	assert_int_equal(was.v[0].current, 500);
	put_ready(&now, 700);
	counters_ready(&now, &was, &seen);
	assert_int_equal(now.v[0].current, 700);
	was = now;
	/* The one that had waited is gone; another has begun. */
	put_ready(&now, 30);
	counters_ready(&now, &was, &seen);
	assert_int_equal(now.v[0].current, 700);
	was = now;
	put_ready(&now, 90);
	counters_ready(&now, &was, &seen);
	assert_int_equal(now.v[0].current, 760);
	assert_int_equal(now.v[0].peak, 760);
}

static void
v1_tells_for_how_long_a_group_was_held_back(void **state)
{
	struct tree *t = *state;
	struct counters c = { .n = 0 };
	struct err e = ERR_INIT;
	struct cg *cg;

	make_file(t, "cpu/cgroup.procs", "");
	make_file(t, "cpu/d/vm-1/cpu.stat", "nr_throttled 3\nthrottled_time 5000000");
	make_file(t, "cpu/d/vm-1/cpu.stat.local", "throttled_time 9000000");
	cg = open_cg(t, "d");
	assert_int_equal(cg_guest_counters(cg, 1, &c, &e), 0);
	expect_counter(&c, "cpu_throttled", 9000, 0);
	cg_free(cg);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ended_threads_have_waited_stays_counted),
		TREE(v1_tells_for_how_long_a_group_was_held_back),
		TREE(v1_counts_groups_below),
		TREE(v2_counts),
		TREE(links_are_read),
		cmocka_unit_test(peaks_are_kept),
		cmocka_unit_test(refusals_are_told_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

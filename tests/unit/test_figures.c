#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host-agent/resource/figures.h"

#define S UINT64_C(1000000)

static struct figures
guest(uint64_t at_us)
{
	struct figures f;

	figures_init(&f, METRIC_OF_CONTAINER);
	f.run = 7;
	f.at_us = at_us;
	f.cpus = 2;
	f.mhz = 2000;
	f.memory_bytes = (uint64_t)64 << 20;
	return f;
}

/* In thousandths; -1: there is no such sample. */
static int64_t
value(const struct figures *was, const struct figures *is, uint32_t counter)
{
	struct sample all[METRIC_MAX];
	size_t n = figures_samples(was, is, all);

	for (size_t i = 0; i < n; i++) {
		if (all[i].counter == counter)
			return (int64_t)all[i].value;
	}
	return -1;
}

static void
shares_and_rates_are_over_the_time_between(void **state)
{
	struct figures a = guest(100 * S), b = guest(120 * S);

	a.v[FIG_CPU_US] = 50 * S;
	b.v[FIG_CPU_US] = 60 * S;
	a.v[FIG_CPU_READY_US] = 0;
	b.v[FIG_CPU_READY_US] = 2500000;
	a.v[FIG_NET_IN_BYTES] = 1024;
	b.v[FIG_NET_IN_BYTES] = 1024 + 20 * 2048;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), 25000);
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGEMHZ), 1000000);
	assert_int_equal(value(&a, &b, METRIC_CPU_READY), 2500000);
	assert_int_equal(value(&a, &b, METRIC_CPU_DEMAND), 1250000);
	assert_int_equal(value(&a, &b, METRIC_NET_RECEIVED), 2000);
	/* No more than it has CPUs for. */
	b.v[FIG_CPU_READY_US] = 500 * S;
	assert_int_equal(value(&a, &b, METRIC_CPU_DEMAND), 4000000);
}

static void
what_is_unknown_or_began_anew_is_a_gap(void **state)
{
	struct figures a = guest(100 * S), b = guest(120 * S);

	a.v[FIG_CPU_US] = 50 * S;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), -1);
	b.v[FIG_CPU_US] = 49 * S;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), -1);
	b.v[FIG_CPU_US] = 51 * S;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), 2500);
	assert_int_equal(value(NULL, &b, METRIC_CPU_USAGE), -1);
	b.run = 8;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), -1);
	b.run = 7;
	b.at_us = a.at_us;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), -1);
}

static void
memory_needs_one_look(void **state)
{
	struct figures g = guest(S), h = guest(S);

	g.v[FIG_MEM_BYTES] = (uint64_t)48 << 20;
	g.v[FIG_MEM_IDLE_BYTES] = (uint64_t)16 << 20;
	assert_int_equal(value(NULL, &g, METRIC_MEM_USAGE), 50000);
	assert_int_equal(value(NULL, &g, METRIC_MEM_CONSUMED), 48 * 1024 * 1000);
	assert_int_equal(value(NULL, &g, METRIC_MEM_ACTIVE), 32 * 1024 * 1000);
	assert_int_equal(value(NULL, &g, METRIC_MEM_GRANTED), 64 * 1024 * 1000);
	/* Containers have no balloon. */
	assert_int_equal(value(NULL, &g, METRIC_MEM_BALLOON), -1);
	h.object = METRIC_OF_HOST;
	h.v[FIG_MEM_BYTES] = g.v[FIG_MEM_BYTES];
	assert_int_equal(value(NULL, &h, METRIC_MEM_USAGE), 75000);
	assert_int_equal(value(NULL, &h, METRIC_MEM_ACTIVE), -1);
}

static void
every_counter_of_hosts_and_guests_has_its_rule(void **state)
{
	const unsigned objects[] = { METRIC_OF_HOST, METRIC_OF_MACHINE,
		METRIC_OF_CONTAINER };

	for (size_t k = 0; k < 3; k++) {
		struct figures a = guest(S), b = guest(2 * S);
		uint8_t numbers[METRIC_MAX];
		size_t n = metrics_of(objects[k], numbers);

		a.object = b.object = objects[k];
		memset(a.v, 0, sizeof(a.v));
		memset(b.v, 0, sizeof(b.v));
		b.v[FIG_DISK_READS_TIMED] = b.v[FIG_DISK_WRITES_TIMED] = 1;
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(value(&a, &b, numbers[i]), -1);
	}
}

static void
instances_have_counters_of_their_own(void **state)
{
	struct figures whole = guest(100 * S), a, b;

	figures_init_instance(&a, &whole);
	b = a;
	b.at_us = 120 * S;
	a.v[FIG_NET_IN_BYTES] = 1024;
	b.v[FIG_NET_IN_BYTES] = 1024 + 20 * 2048;
	b.v[FIG_MEM_BYTES] = 4096;
	a.v[FIG_CPU_US] = 0;
	b.v[FIG_CPU_US] = 10 * S;
	a.cpus = b.cpus = 1;
	b.memory_bytes = 8192;
	assert_int_equal(value(&a, &b, METRIC_NET_RECEIVED), 2000);
	assert_int_equal(value(&a, &b, METRIC_DISK_READ), -1);
	assert_int_equal(value(&a, &b, METRIC_MEM_CONSUMED), -1);
	assert_int_equal(value(&a, &b, METRIC_MEM_GRANTED), -1);
	/* A guest's CPUs are not told apart, a host's are. */
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), -1);
	a.object = b.object = METRIC_OF_HOST;
	assert_int_equal(value(&a, &b, METRIC_CPU_USAGE), 50000);
	assert_int_equal(value(&a, &b, METRIC_CPU_TOTALMHZ), -1);
}

/* How long one took; where there was none, that is no 0. */
static void
latency_is_of_what_there_was(void **state)
{
	struct figures a = guest(100 * S), b = guest(120 * S);

	figures_add_times(&a, &(struct figures_times){ 100, 5000, 7, 900 });
	figures_add_times(&b, &(struct figures_times){ 100, 5000, 7, 900 });
	assert_int_equal(value(&a, &b, METRIC_DISK_READ_LATENCY), -1);
	/* A second disk of it. */
	figures_add_times(&a, &(struct figures_times){ 0 });
	figures_add_times(&b, &(struct figures_times){ 4, 10000, 2, 500 });
	assert_int_equal(value(&a, &b, METRIC_DISK_READ_LATENCY), 2500);
	assert_int_equal(value(&a, &b, METRIC_DISK_WRITE_LATENCY), 250);
	assert_int_equal(value(&a, &b, METRIC_DISK_READ_TIME), 10000);
	assert_int_equal(value(&a, &b, METRIC_DISK_READS_TIMED), 4000);
	assert_int_equal(value(&a, &b, METRIC_DISK_WRITES_TIMED), 2000);
	figures_init(&b, METRIC_OF_CONTAINER);
	assert_int_equal(value(&a, &b, METRIC_DISK_READ_LATENCY), -1);
}

static void
power_is_energy_over_time(void **state)
{
	struct figures a, b;

	figures_init(&a, METRIC_OF_HOST);
	figures_init(&b, METRIC_OF_HOST);
	a.at_us = 100 * S;
	b.at_us = 120 * S;
	assert_int_equal(value(&a, &b, METRIC_POWER), -1);
	a.v[FIG_ENERGY_UJ] = 0;
	b.v[FIG_ENERGY_UJ] = 20 * 42500000;
	assert_int_equal(value(&a, &b, METRIC_POWER), 42500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_and_rates_are_over_the_time_between),
		cmocka_unit_test(instances_have_counters_of_their_own),
		cmocka_unit_test(what_is_unknown_or_began_anew_is_a_gap),
		cmocka_unit_test(memory_needs_one_look),
		cmocka_unit_test(latency_is_of_what_there_was),
		cmocka_unit_test(power_is_energy_over_time),
		cmocka_unit_test(every_counter_of_hosts_and_guests_has_its_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

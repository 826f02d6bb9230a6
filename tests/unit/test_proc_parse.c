#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/collect/col_host.h"
#include "host-agent/collect/proc_parse.h"
#include "host-agent/record/record.h"
#include "tests/lib/agent_bed.h"

static const char stat_text[] = "cpu  100 20 30 1000 50 5 6 7 0 0\n"
				"cpu0 50 10 15 500 25 2 3 3 0 0\n"
				"intr 12345\n"
				"btime 1767323045\n";

static const char cpuinfo_text[] = "processor\t: 0\n"
				   "model name\t: Some CPU @ 2.60GHz\n"
				   "cpu MHz\t\t: 2600.128\n"
				   "flags\t\t: vmx fpu avx2\n"
				   "\n"
				   "processor\t: 1\n"
				   "model name\t: Another\n"
				   "cpu MHz\t\t: 3100.9\n";

static const char meminfo_text[] = "MemTotal:       24000000 kB\n"
				   "MemFree:         1000000 kB\n"
				   "MemAvailable:   20000000 kB\n";

static void
cpu_times(void **state)
{
	struct proc_cpu c;

	assert_int_equal(proc_parse_cpu(stat_text, &c, NULL), 0);
	assert_int_equal(c.total, 1218);
	assert_int_equal(c.busy, 168);
	assert_int_equal(c.user, 120);
	assert_int_equal(c.system, 41);
	assert_int_equal(c.iowait, 50);
	assert_int_equal(c.steal, 7);
	assert_int_equal(c.boot_time_s, 1767323045);
	assert_int_equal(proc_parse_cpu("cpu  1 2 3 4\n", &c, NULL), 0);
	assert_int_equal(c.busy, 6);
	assert_int_equal(c.boot_time_s, 0);
	const char *const bad[] = { "", "cpu", "cpu \n", "cpu  1 2 3\n",
		"cpu  a b c d\n", "cpu0 1 2 3 4\n", "cpu  18446744073709551615 1 1 1\n",
		"cpu  99999999999999999999 1 1 1\n" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(proc_parse_cpu(bad[i], &c, NULL), ERR_CORRUPT);
}

static void
times_of_each_core(void **state)
{
	const char *at = "cpu  300 0 0 1000 0 0 0 0\n"
			 "cpu0 100 20 30 500 50 5 6 7 0 0\n"
			 "cpu3 200 0 0 500\n"
			 "cpu4 1\n"
			 "cpux 1 2 3 4\n"
			 "intr 12345\n"
			 "cpu99999999999 1 2 3 4\n";
	struct proc_cpu c;
	unsigned core;

	assert_true(proc_parse_core(&at, &core, &c));
	assert_int_equal(core, 0);
	assert_int_equal(c.busy, 168);
	assert_int_equal(c.steal, 7);
	assert_true(proc_parse_core(&at, &core, &c));
	assert_int_equal(core, 3);
	assert_int_equal(c.busy, 200);
	assert_false(proc_parse_core(&at, &core, &c));
	at = "";
	assert_false(proc_parse_core(&at, &core, &c));
}

static void
busy_share(void **state)
{
	struct proc_cpu a = { .busy = 100, .total = 1000 };
	struct proc_cpu b = { .busy = 150, .total = 1200 };

	assert_int_equal(proc_busy_permille(&a, &b), 250);
	assert_int_equal(proc_busy_permille(&a, &a), 0);
	assert_int_equal(proc_busy_permille(&b, &a), 0);
	b.busy = 5000;
	assert_int_equal(proc_busy_permille(&a, &b), 1000);
}

static void
memory(void **state)
{
	struct proc_memory m;

	assert_int_equal(proc_parse_memory(meminfo_text, &m, NULL), 0);
	assert_int_equal(m.total_bytes, 24000000ull * 1024);
	assert_int_equal(m.available_bytes, 20000000ull * 1024);
	assert_int_equal(proc_parse_memory("MemTotal: 5 kB\n", &m, NULL), ERR_CORRUPT);
	assert_int_equal(
	    proc_parse_memory("MemTotal: 5 MB\nMemAvailable: 1 kB\n", &m, NULL),
	    ERR_CORRUPT);
	assert_int_equal(
	    proc_parse_memory("MemTotal: 5 kB\nMemAvailable: 9 kB\n", &m, NULL), 0);
	assert_int_equal(m.available_bytes, 5 * 1024);
}

static void
cpus(void **state)
{
	struct proc_cpuinfo c;
	char long_model[400];

	assert_int_equal(proc_parse_cpuinfo(cpuinfo_text, &c, NULL), 0);
	assert_int_equal(c.cpus, 2);
	assert_int_equal(c.mhz, 3100);
	assert_string_equal(c.model, "Some CPU @ 2.60GHz");
	assert_string_equal(c.flags, "vmx fpu avx2");
	assert_int_equal(proc_parse_cpuinfo("model name : x\n", &c, NULL), ERR_CORRUPT);
	memset(long_model, 'x', sizeof(long_model));
	memcpy(long_model, "processor: 0\nmodel name: ", 25);
	long_model[sizeof(long_model) - 1] = '\0';
	assert_int_equal(proc_parse_cpuinfo(long_model, &c, NULL), 0);
	assert_int_equal(strlen(c.model), sizeof(c.model) - 1);
}

static void
one_number_files(void **state)
{
	uint64_t s;
	uint32_t permille;

	assert_int_equal(proc_parse_uptime("12345.67 999.0\n", &s, NULL), 0);
	assert_int_equal(s, 12345);
	assert_int_equal(proc_parse_uptime("x", &s, NULL), ERR_CORRUPT);
	assert_int_equal(proc_parse_load("1.25 0.5 0.1 1/99 1\n", &permille, NULL), 0);
	assert_int_equal(permille, 1250);
	assert_int_equal(proc_parse_load("0.01", &permille, NULL), 0);
	assert_int_equal(permille, 10);
	assert_int_equal(proc_parse_load("1", &permille, NULL), ERR_CORRUPT);
	assert_int_equal(
	    proc_parse_load("99999999999999999.0", &permille, NULL), ERR_CORRUPT);
}

static void
process_with_any_name(void **state)
{
	struct proc_pid p;
	static const char text[] =
	    "4711 (a) R 1 (b)) S 1 2 3 4 -1 5 6 7 8 9 110 220 10 11 -20 0 1 0 98765 "
	    "4096 333 18446744073709551615 1\n";

	assert_int_equal(proc_parse_pid(text, &p, NULL), 0);
	assert_int_equal(p.state, 'S');
	assert_int_equal(p.cpu_ticks, 330);
	assert_int_equal(p.start_ticks, 98765);
	assert_int_equal(p.rss_pages, 333);
	const char *const bad[] = { "", "1", "1 (x)", "1 (x) ", "1 (x) S",
		"1 (x) S 1 2 a", "1 (x) 5 1 2 3", "1 x S 1 2 3" };
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(proc_parse_pid(bad[i], &p, NULL), ERR_CORRUPT);
}

static void
put(const struct bed *b, const char *path, const char *text)
{
	AUTO_FREE char *dir = xstrdup(bed_path(b, path));

	*strrchr(dir, '/') = '\0';
	assert_int_equal(record_dir_make(dir, 0700, NULL), 0);
	bed_write(bed_path(b, path), text, strlen(text));
}

static void
machine_from_its_files(void **state)
{
	struct bed *b = bed_new();
	struct col_machine m;
	struct col_sample s;
	struct err e = ERR_INIT;

	assert_int_equal(col_machine_read(b->dir, &m, &e), ERR_NOT_FOUND);
	put(b, "proc/stat", stat_text);
	put(b, "proc/cpuinfo", cpuinfo_text);
	put(b, "proc/meminfo", meminfo_text);
	put(b, "proc/uptime", "77.1 1\n");
	put(b, "proc/loadavg", "0.50 0 0\n");
	assert_int_equal(col_machine_read(b->dir, &m, &e), 0);
	assert_int_equal(m.cpus, 2);
	assert_int_equal(m.mhz, 3100);
	assert_int_equal(m.boot_time_ms, 1767323045000);
	assert_string_equal(m.product, "");
	put(b, "sys/class/dmi/id/product_name", "Big Box\n");
	put(b, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3800000\n");
	assert_int_equal(col_machine_read(b->dir, &m, &e), 0);
	assert_string_equal(m.product, "Big Box");
	assert_int_equal(m.mhz, 3800);
	assert_int_equal(col_sample_read(b->dir, &s, &e), 0);
	assert_int_equal(s.memory_used_bytes, 4000000ull * 1024);
	assert_int_equal(s.uptime_s, 77);
	assert_int_equal(s.load_permille, 500);
	bed_free(b);
}

static void
share_of_the_machine(void **state)
{
	const struct col_machine m = {
		.cpus = 8, .mhz = 2000, .memory_bytes = 32ull << 30
	};
	struct col_share s;

	col_share_of(&m, 0, 0, 0, &s);
	assert_int_equal(s.cpus, 8);
	assert_false(s.partial);
	assert_true(s.memory_bytes < m.memory_bytes - COL_RESERVE_BYTES);
	assert_true(s.memory_bytes > 30ull << 30);
	col_share_of(&m, 2, 1000, 2048, &s);
	assert_int_equal(s.cpus, 2);
	assert_int_equal(s.mhz, 1000);
	assert_int_equal(s.memory_bytes, 2ull << 30);
	assert_true(s.partial);
}

static void
this_process_can_be_read(void **state)
{
	uint64_t cpu_us, rss;

	assert_int_equal(col_pid_read("", getpid(), &cpu_us, &rss, NULL), 0);
	assert_true(rss > 1 << 20);
	assert_int_equal(
	    col_pid_read("", 0x7fffffff, &cpu_us, &rss, NULL), ERR_NOT_FOUND);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_times),
		cmocka_unit_test(times_of_each_core),
		cmocka_unit_test(busy_share),
		cmocka_unit_test(memory),
		cmocka_unit_test(cpus),
		cmocka_unit_test(one_number_files),
		cmocka_unit_test(process_with_any_name),
		cmocka_unit_test(machine_from_its_files),
		cmocka_unit_test(share_of_the_machine),
		cmocka_unit_test(this_process_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Zones in a folder that stands for "/". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/collect/rapl.h"

static char root[] = "/tmp/test-rapl-XXXXXX";

static void
run(char *line_take)
{
	AUTO_FREE char *line = line_take;

	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
}

static void
put(const char *zone, const char *file, const char *text)
{
	AUTO_FREE char *path =
	    xasprintf("%s/sys/class/powercap/%s/%s", root, zone, file);
	FILE *f;

	run(xasprintf("mkdir -p %s/sys/class/powercap/%s", root, zone));
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s\n", text);
	fclose(f);
}

static void
add_zone(const char *zone, const char *name, const char *uj)
{
	put(zone, "name", name);
	put(zone, "energy_uj", uj);
	put(zone, "max_energy_range_uj", "262143328850");
}

static int
set_up(void **state)
{
	snprintf(root, sizeof(root), "/tmp/test-rapl-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int
tear_down(void **state)
{
	run(xasprintf("rm -rf '%s'", root));
	return 0;
}

static void
packages_and_memory_are_summed_up(void **state)
{
	struct rapl r = { 0 };

	add_zone("intel-rapl:0", "package-0", "1000");
	add_zone("intel-rapl:0:0", "core", "700");
	add_zone("intel-rapl:0:1", "dram", "100");
	add_zone("intel-rapl:1", "package-1", "5000");
	add_zone("intel-rapl-mmio:0", "package-0", "1000");
	rapl_look(&r, root);
	assert_true(r.is_known);
	assert_int_equal(r.used_uj, 0);
	put("intel-rapl:0", "energy_uj", "1500");
	put("intel-rapl:0:0", "energy_uj", "1100");
	put("intel-rapl:0:1", "energy_uj", "160");
	put("intel-rapl:1", "energy_uj", "5007");
	put("intel-rapl-mmio:0", "energy_uj", "1500");
	rapl_look(&r, root);
	assert_int_equal(r.used_uj, 500 + 60 + 7);
}

static void
a_counter_that_wraps_is_carried_on(void **state)
{
	struct rapl r = { 0 };

	add_zone("intel-rapl:0", "package-0", "262143328800");
	rapl_look(&r, root);
	put("intel-rapl:0", "energy_uj", "30");
	rapl_look(&r, root);
	assert_int_equal(r.used_uj, 50 + 30);
	/* It began anew, and nobody knows where it ended. */
	put("intel-rapl:0", "max_energy_range_uj", "x");
	put("intel-rapl:0", "energy_uj", "10");
	rapl_look(&r, root);
	put("intel-rapl:0", "energy_uj", "14");
	rapl_look(&r, root);
	assert_int_equal(r.used_uj, 80 + 4);
}

static void
what_is_not_there_is_not_known(void **state)
{
	struct rapl r = { 0 };

	rapl_look(&r, root);
	assert_false(r.is_known);
	add_zone("intel-rapl:0", "package-0", "nonsense");
	put("intel-rapl:1", "name", "package-1");
	rapl_look(&r, root);
	assert_false(r.is_known);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    packages_and_memory_are_summed_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_counter_that_wraps_is_carried_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    what_is_not_there_is_not_known, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

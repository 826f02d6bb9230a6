/* Failing hardware, in a folder that stands for "/". */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/health/health.h"
#include "host-agent/health/health_smart.h"
#include "host-agent/health/health_source.h"
#include "loop/timer.h"

#define DEADLINE_MS 20000

struct world {
	char root[64];
	struct loop *loop;
	unsigned changes;
	bool late;
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->root, sizeof(w->root), "/tmp/drover-health-XXXXXX");
	assert_non_null(mkdtemp(w->root));
	w->loop = loop_new(clock_system());
	*state = w;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	loop_free(w->loop);
	assert_int_equal(nftw(w->root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(w);
	return 0;
}

/* With the folders above it. */
static void
put(const struct world *w, const char *path, const char *text)
{
	AUTO_FREE char *full = xasprintf("%s%s", w->root, path);

	for (char *s = full + strlen(w->root) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		(void)mkdir(full, 0700);
		*s = '/';
	}
	FILE *f = fopen(full, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static struct health_view
view_of(const struct world *w)
{
	return (struct health_view){ .root = w->root, .test_file = "" };
}

static void
expect(const struct health_list *l, size_t i, enum health_component c,
    enum health_severity s, const char *text)
{
	assert_true(i < l->n);
	assert_int_equal(l->v[i].component, c);
	assert_int_equal(l->v[i].severity, s);
	assert_string_equal(l->v[i].text, text);
}

/* ---- the sources ---- */

static void
a_machine_without_any_says_so(void **state)
{
	const struct health_source *all[] = { &health_edac, &health_md, &health_hwmon };
	struct health_view v = view_of(*state);
	struct health_list l = { .n = 0 };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct err e = ERR_INIT;
		assert_int_equal(all[i]->read(&v, &l, &e), ERR_UNSUPPORTED);
		assert_true(e.msg[0]);
	}
	assert_int_equal(l.n, 0);
}

#define MC "/sys/devices/system/edac/mc"

static void
memory_errors_that_come_fast_or_are_lost(void **state)
{
	struct world *w = *state;
	struct health_view v = view_of(w);
	struct health_list l = { .n = 0 };
	struct err e = ERR_INIT;

	put(w, MC "/mc0/ce_count", "500\n");
	put(w, MC "/mc0/ue_count", "0\n");
	put(w, MC "/mc1/ce_count", "0\n");
	put(w, MC "/mc1/ue_count", "2\n");
	put(w, MC "/power/control", "auto\n");
	assert_int_equal(health_edac.read(&v, &l, &e), 0);
	assert_int_equal(l.n, 1);
	expect(&l, 0, HEALTH_MEMORY, HEALTH_SEVERE,
	    "memory controller mc1: 2 errors could not be corrected");

	put(w, MC "/mc0/ce_count", "512\n");
	v.now_ms = 60000;
	l.n = 0;
	assert_int_equal(health_edac.read(&v, &l, &e), 0);
	assert_int_equal(l.n, 2);
	expect(&l, 0, HEALTH_MEMORY, HEALTH_MODERATE,
	    "memory controller mc0: 12 errors were corrected within the last hour");
}

static void
corrected_errors_are_forgotten_in_time(void **state)
{
	struct edac_past p = { 0 };

	assert_int_equal(edac_growth(&p, 100, 0), 0);
	assert_int_equal(edac_growth(&p, 120, EDAC_TURN_MS - 1), 20);
	assert_int_equal(edac_growth(&p, 120, EDAC_TURN_MS), 20);
	assert_int_equal(edac_growth(&p, 121, EDAC_TURN_MS + 1), 21);
	assert_int_equal(edac_growth(&p, 121, 2ull * EDAC_TURN_MS), 1);
	assert_int_equal(edac_growth(&p, 121, 3ull * EDAC_TURN_MS), 0);
	/* Somebody has set the counter back. */
	assert_int_equal(edac_growth(&p, 5, 3ull * EDAC_TURN_MS + 1), 0);
	assert_int_equal(edac_growth(&p, 9, 3ull * EDAC_TURN_MS + 2), 4);
}

static void
arrays_that_lack_disks(void **state)
{
	struct world *w = *state;
	struct health_view v = view_of(w);
	struct health_list l = { .n = 0 };
	struct err e = ERR_INIT;

	put(w, "/sys/block/sda/size", "1\n");
	put(w, "/sys/block/md0/md/degraded", "0\n");
	put(w, "/sys/block/md0/md/array_state", "clean\n");
	put(w, "/sys/block/md1/md/degraded", "1\n");
	put(w, "/sys/block/md1/md/raid_disks", "3\n");
	put(w, "/sys/block/md1/md/array_state", "active\n");
	put(w, "/sys/block/md2/md/array_state", "broken\n");
	assert_int_equal(health_md.read(&v, &l, &e), 0);
	assert_int_equal(l.n, 2);
	expect(&l, 0, HEALTH_STORAGE, HEALTH_MODERATE,
	    "array md1 does without 1 of its 3 disks");
	expect(&l, 1, HEALTH_STORAGE, HEALTH_SEVERE,
	    "array md2 has lost more disks than it can do without");
}

static void
sensors_at_their_limits(void **state)
{
	struct world *w = *state;
	struct health_view v = view_of(w);
	struct health_list l = { .n = 0 };
	struct err e = ERR_INIT;

	put(w, "/sys/class/hwmon/hwmon0/name", "coretemp\n");
	put(w, "/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
	put(w, "/sys/class/hwmon/hwmon0/temp1_crit_alarm", "1\n");
	put(w, "/sys/class/hwmon/hwmon0/temp2_crit_alarm", "0\n");
	put(w, "/sys/class/hwmon/hwmon1/name", "board\n");
	put(w, "/sys/class/hwmon/hwmon1/fan2_fault", "1\n");
	put(w, "/sys/class/hwmon/hwmon1/in3_alarm", "1\n");
	put(w, "/sys/class/hwmon/hwmon1/in3_lcrit_alarm", "1\n");
	put(w, "/sys/class/hwmon/hwmon1/temp9_emergency_alarm", "1\n");
	assert_int_equal(health_hwmon.read(&v, &l, &e), 0);
	assert_int_equal(l.n, 4);
	expect(&l, 0, HEALTH_TEMPERATURE, HEALTH_MODERATE,
	    "Package id 0 (coretemp) has reached its critical temperature");
	expect(&l, 1, HEALTH_FAN, HEALTH_MODERATE, "fan2 (board) has failed");
	expect(&l, 2, HEALTH_POWER, HEALTH_MODERATE,
	    "in3 (board) is below its critical voltage");
	expect(&l, 3, HEALTH_TEMPERATURE, HEALTH_SEVERE,
	    "temp9 (board) is so hot that the hardware may switch off");
}

static void
the_test_file(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "memory\n", "line 1: \"\" is not moderate or severe" },
		{ "\n# x\nheart severe it aches\n", "line 3: \"heart\" is not memory" },
		{ "fan bad x\n", "line 1: \"bad\" is not moderate or severe" },
		{ "fan severe\n", "line 1: it does not say what is wrong" },
		{ "fan severe \xff\n", "line 1: it is no UTF-8" },
	};
	struct health_list l = { .n = 0 };
	struct err e = ERR_INIT;

	assert_int_equal(health_test_parse("# today\n\nmemory severe DIMM 3 fails\n"
					   "fan moderate fan 2 is slow",
			     &l, &e),
	    0);
	assert_int_equal(l.n, 2);
	expect(&l, 0, HEALTH_MEMORY, HEALTH_SEVERE, "DIMM 3 fails");
	expect(&l, 1, HEALTH_FAN, HEALTH_MODERATE, "fan 2 is slow");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(health_test_parse(bad[i].text, &l, &e), ERR_INVALID);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("\"%s\" does not say %s", e.msg, bad[i].says);
	}
}

static void
the_worst_have_room(void **state)
{
	struct health_list l = { .n = 0 };

	for (unsigned i = 0; i < HEALTH_CONDITIONS_MAX + 3; i++)
		health_add(
		    &l, "test", HEALTH_FAN, HEALTH_MODERATE, "fan %u has failed", i);
	assert_int_equal(l.n, HEALTH_CONDITIONS_MAX);
	health_add(&l, "test", HEALTH_MEMORY, HEALTH_SEVERE, "all is lost");
	assert_int_equal(l.n, HEALTH_CONDITIONS_MAX);
	expect(
	    &l, HEALTH_CONDITIONS_MAX - 1, HEALTH_MEMORY, HEALTH_SEVERE, "all is lost");
}

static void
no_text_ends_within_a_character(void **state)
{
	struct health_list l = { .n = 0 };
	struct str long_text = STR_INIT;

	for (unsigned i = 0; i < HEALTH_TEXT; i++)
		str_add(&long_text, "\xc3\xa4");
	health_add(&l, "test", HEALTH_FAN, HEALTH_MODERATE, "%s", str_cstr(&long_text));
	assert_true(utf8_valid(l.v[0].text, strlen(l.v[0].text)));
	assert_true(strlen(l.v[0].text) >= HEALTH_TEXT - 4);
	str_fini(&long_text);
}

/* ---- disks ---- */

#define GOOD "{\"smart_status\":{\"passed\":true}}"
#define BAD  "{\"smart_status\":{\"passed\":false}}"
#define ATTRIBUTE(id, value)                                          \
	"{\"smart_status\":{\"passed\":true},"                        \
	"\"ata_smart_attributes\":{\"table\":[{\"id\":5,\"raw\":"     \
	"{\"value\":9}},{\"id\":" id ",\"raw\":{\"value\":" value "}" \
	"}]}}"
#define NVME(passed, warning)                        \
	"{\"smart_status\":{\"passed\":" passed "}," \
	"\"nvme_smart_health_information_log\":"     \
	"{\"critical_warning\":" warning "}}"

static void
what_disks_say(void **state)
{
	static const struct {
		const char *text, *says; /* NULL: nothing is wrong */
		enum health_severity severity;
	} rows[] = {
		{ GOOD, NULL, HEALTH_MODERATE },
		{ BAD, "disk sda expects to fail soon", HEALTH_SEVERE },
		{ ATTRIBUTE("197", "0"), NULL, HEALTH_MODERATE },
		{ ATTRIBUTE("197", "8"), "disk sda cannot read 8 of its sectors",
		    HEALTH_MODERATE },
		{ ATTRIBUTE("198", "8"), NULL, HEALTH_MODERATE },
		{ NVME("true", "0"), NULL, HEALTH_MODERATE },
		{ NVME("false", "1"), "disk sda has few spare blocks left",
		    HEALTH_MODERATE },
		{ NVME("false", "5"), "disk sda has become unreliable", HEALTH_SEVERE },
		{ NVME("false", "8"), "disk sda takes no more writes", HEALTH_SEVERE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct health_list l = { .n = 0 };
		struct err e = ERR_INIT;
		assert_int_equal(
		    smart_parse(rows[i].text, strlen(rows[i].text), "sda", &l, &e), 0);
		assert_int_equal(l.n, rows[i].says ? 1 : 0);
		if (rows[i].says)
			expect(&l, 0, HEALTH_STORAGE, rows[i].severity, rows[i].says);
	}
}

static void
answers_that_say_nothing(void **state)
{
	static const char *const rows[] = { "", "{", "[]", "{}", "7",
		"{\"smart_status\":7}", "{\"smart_status\":{\"passed\":1}}",
		"{\"smart_status\":null,\"ata_smart_attributes\":[]}" };
	struct health_list l = { .n = 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		assert_true(smart_parse(rows[i], strlen(rows[i]), "sda", &l, &e) < 0);
		assert_true(e.msg[0]);
	}
	assert_int_equal(l.n, 0);
	/* What is of another type than it should be is not there. */
	const char *odd = "{\"smart_status\":{\"passed\":true},"
			  "\"ata_smart_attributes\":{\"table\":[7,{\"id\":197}]},"
			  "\"nvme_smart_health_information_log\":[4]}";
	struct err e = ERR_INIT;
	assert_int_equal(smart_parse(odd, strlen(odd), "sda", &l, &e), 0);
	assert_int_equal(l.n, 0);
}

/* ---- all of it ---- */

static void
on_changed(void *arg)
{
	((struct world *)arg)->changes++;
}

static void
on_late(void *arg)
{
	((struct world *)arg)->late = true;
}

static void
wait_for_change(struct world *w)
{
	unsigned before = w->changes;
	struct timer *t = timer_new(w->loop, on_late, w);

	timer_after(t, DEADLINE_MS);
	while (w->changes == before && !w->late)
		(void)loop_turn(w->loop, 100);
	timer_free(t);
	assert_false(w->late);
}

static struct health *
start(struct world *w, const char *sources, const char *test_file, const char *smartctl)
{
	const struct health_conf c = {
		.loop = w->loop,
		.root = w->root,
		.sources = sources,
		.test_file = test_file,
		.smartctl = smartctl,
		.interval_ms = HEALTH_MIN_MS,
		.disk_limit_ms = 300,
		.changed = on_changed,
		.arg = w,
	};
	struct health *h = health_new(&c);

	assert_null(health_status(h));
	health_start(h);
	return h;
}

static void
expect_status(const struct health *h, size_t n, const char *text)
{
	Drover__HostHealth *m = health_status(h);

	assert_non_null(m);
	assert_int_equal(m->n_conditions, n);
	if (n)
		assert_string_equal(m->conditions[0]->text, text);
	drover__host_health__free_unpacked(m, NULL);
}

static void
what_changes_is_told(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *path = xasprintf("%s/failing", w->root);
	struct health *h = start(w, "", path, "");

	wait_for_change(w);
	expect_status(h, 0, NULL);
	put(w, "/failing", "memory severe DIMM 3 fails\n");
	wait_for_change(w);
	expect_status(h, 1, "DIMM 3 fails");
	Drover__HostHealth *m = health_status(h);
	assert_string_equal(m->conditions[0]->source, "test");
	assert_string_equal(m->conditions[0]->component, "memory");
	assert_true(m->conditions[0]->severe);
	assert_int_equal(m->n_sources, 1);
	assert_string_equal(m->sources[0]->why_not, "");
	drover__host_health__free_unpacked(m, NULL);
	put(w, "/failing", "nonsense\n");
	wait_for_change(w);
	expect_status(h, 0, NULL);
	m = health_status(h);
	assert_non_null(strstr(m->sources[0]->why_not, "nonsense"));
	drover__host_health__free_unpacked(m, NULL);
	assert_int_equal(unlink(path), 0);
	wait_for_change(w);
	health_free(h);
}

static void
add_smartctl(struct world *w, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/smartctl", w->root);

	put(w, "/smartctl", text);
	assert_int_equal(chmod(path, 0700), 0);
}

/* One disk that fails and one that never answers. */
static void
disks_are_asked_by_children(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *path = xasprintf("%s/smartctl", w->root);
	struct health *h;

	put(w, "/sys/block/loop0/size", "1\n");
	put(w, "/sys/block/sda/device/model", "x\n");
	put(w, "/sys/block/sdb/device/model", "x\n");
	add_smartctl(w, "#!/bin/sh\n"
			"for last; do :; done\n"
			"[ $last = /dev/sda ] || exec sleep 60\n"
			"echo '" BAD "'\nexit 8\n");
	h = start(w, "smart", "", path);
	wait_for_change(w);
	Drover__HostHealth *m = health_status(h);
	while (m->n_conditions == 0) {
		drover__host_health__free_unpacked(m, NULL);
		wait_for_change(w);
		m = health_status(h);
	}
	assert_string_equal(m->conditions[0]->text, "disk sda expects to fail soon");
	assert_int_equal(m->n_sources, 1);
	assert_string_equal(
	    m->sources[0]->why_not, "disk sdb: it did not answer in time");
	drover__host_health__free_unpacked(m, NULL);
	health_free(h);
}

static void
without_the_program_it_is_said(void **state)
{
	struct world *w = *state;
	struct health *h = start(w, "smart,md", "", "/nowhere/smartctl");

	wait_for_change(w);
	Drover__HostHealth *m = health_status(h);
	assert_int_equal(m->n_sources, 2);
	assert_string_equal(m->sources[0]->name, "md");
	assert_string_equal(m->sources[1]->why_not,
	    "there is no /nowhere/smartctl (package smartmontools)");
	drover__host_health__free_unpacked(m, NULL);
	health_free(h);
}

/* Freed in the middle of both. */
static void
it_ends_at_any_time(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *path = xasprintf("%s/smartctl", w->root);

	put(w, "/sys/block/sda/device/model", "x\n");
	add_smartctl(w, "#!/bin/sh\nexec sleep 60\n");
	health_free(start(w, HEALTH_SOURCES, "", path));
}

static void
sources_have_names(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(health_sources_check("", &e), 0);
	assert_int_equal(health_sources_check(HEALTH_SOURCES, &e), 0);
	assert_int_equal(health_sources_check("md, edac", &e), 0);
	assert_int_equal(health_sources_check("md,ipmi", &e), ERR_INVALID);
	assert_string_equal(e.msg, "\"ipmi\" is none of " HEALTH_SOURCES);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_without_any_says_so),
		TEST(memory_errors_that_come_fast_or_are_lost),
		TEST(corrected_errors_are_forgotten_in_time),
		TEST(arrays_that_lack_disks),
		TEST(sensors_at_their_limits),
		TEST(the_test_file),
		TEST(the_worst_have_room),
		TEST(no_text_ends_within_a_character),
		TEST(what_disks_say),
		TEST(answers_that_say_nothing),
		TEST(what_changes_is_told),
		TEST(disks_are_asked_by_children),
		TEST(without_the_program_it_is_said),
		TEST(it_ends_at_any_time),
		TEST(sources_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

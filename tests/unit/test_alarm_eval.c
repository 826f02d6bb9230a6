/* Conditions of alarms: how long, how far, and what a gap is. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/str.h"
#include "server/alarm/alarm_default.h"
#include "server/alarm/alarm_parse.h"

#define STEP_S 20u

static json *
parse_json(const char *text)
{
	AUTO_FREE char *copy = xstrdup(text);
	struct err e = ERR_INIT;
	json *j;

	for (char *p = copy; *p; p++) {
		if (*p == '\'')
			*p = '"';
	}
	assert_int_equal(json_parse(copy, strlen(copy), "test", &j, &e), 0);
	return j;
}

static struct alarm_conds
conds_of(const char *text, enum alarm_target target)
{
	AUTO(json) json *j = parse_json(text);
	struct err e = ERR_INIT;
	struct alarm_conds c;

	if (alarm_conds_parse(j, target, &c, &e))
		fail_msg("%s", e.msg);
	return c;
}

/* ---- counters ---- */

#define CPU "'counter':'cpu.usage.average'"

/* A sample a letter: its tens; '.': none; and what it has come to after it. */
static const struct {
	const char *what, *conditions, *samples, *levels;
} counters[] = {
	{ "at once", "[{" CPU ",'yellow':50,'red':80}]", "3690", "-yr-" },
	{ "a limit that is just met is not exceeded", "[{" CPU ",'yellow':50}]", "565",
	    "-y-" },
	{ "red alone", "[{" CPU ",'red':80}]", "0790", "--r-" },
	{ "below", "[{" CPU ",'operator':'below','yellow':50,'red':20}]", "9401",
	    "-yrr" },
	{ "for a minute", "[{" CPU ",'yellow':50,'for_s':60}]", "6666", "--yy" },
	{ "one sample that is fine begins it anew",
	    "[{" CPU ",'yellow':50,'for_s':60}]", "664666", "-----y" },
	{ "each limit has its time", "[{" CPU ",'yellow':50,'red':80,'for_s':60}]",
	    "66699999", "--yyyrrr" },
	{ "it is over with the first sample that is fine",
	    "[{" CPU ",'yellow':50,'for_s':60}]", "66604", "--y--" },
	{ "hysteresis", "[{" CPU ",'yellow':50,'hysteresis':20}]", "64342346",
	    "yy-----y" },
	{ "from red to yellow", "[{" CPU ",'yellow':50,'red':80,'hysteresis':20}]",
	    "97650", "rryy-" },
	{ "hysteresis does not raise", "[{" CPU ",'yellow':50,'hysteresis':20}]",
	    "4444", "----" },
	{ "a short gap neither counts nor clears", "[{" CPU ",'yellow':50,'for_s':60}]",
	    "6.6.6", "----y" },
	{ "a long gap breaks it", "[{" CPU ",'yellow':50,'for_s':60}]", "66...66",
	    "-------" },
	{ "a gap leaves what is raised", "[{" CPU ",'yellow':50}]", "6..6", "yyyy" },
	{ "until nothing is known", "[{" CPU ",'yellow':50}]", "6.......6",
	    "yyyyyyy.y" },
	{ "nothing was ever measured", "[{" CPU ",'yellow':50}]", "....", "...." },
};

static enum alarm_status
level_of(char c)
{
	return c == 'r'   ? ALARM_RED
	       : c == 'y' ? ALARM_YELLOW
	       : c == '.' ? ALARM_GRAY
			  : ALARM_GREEN;
}

static void
test_counters(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++) {
		struct alarm_conds c = conds_of(counters[i].conditions, ALARM_OF_VM);
		struct alarm_state s = { 0 };
		bool known = false;

		for (size_t k = 0; counters[i].samples[k]; k++) {
			char sample = counters[i].samples[k];
			enum alarm_status want = level_of(counters[i].levels[k]);

			known |= sample != '.';
			alarm_eval_gap(&c.v[0], &s, 1000 + k, STEP_S);
			alarm_eval_sample(&c.v[0], &s, 1000 + k, STEP_S,
			    sample == '.' ? NAN : (float)(sample - '0') * 10);
			if (alarm_eval(&c, &s) != want)
				fail_msg("%s: %s after sample %zu, not %s",
				    counters[i].what,
				    alarm_status_text(alarm_eval(&c, &s)), k,
				    alarm_status_text(want));
		}
		alarm_conds_fini(&c);
	}
}

static void
test_samples_out_of_order_are_passed_over(void **state)
{
	struct alarm_conds c = conds_of("[{" CPU ",'yellow':50}]", ALARM_OF_VM);
	struct alarm_state s = { 0 };

	alarm_eval_sample(&c.v[0], &s, 1000, STEP_S, 60);
	alarm_eval_sample(&c.v[0], &s, 1000, STEP_S, 0);
	alarm_eval_sample(&c.v[0], &s, 999, STEP_S, 0);
	assert_int_equal(alarm_eval(&c, &s), ALARM_YELLOW);
	/* The clock was a day ahead. */
	s.slot += 86400 / STEP_S;
	alarm_eval_sample(&c.v[0], &s, 1001, STEP_S, 0);
	assert_int_equal(alarm_eval(&c, &s), ALARM_GREEN);
	alarm_conds_fini(&c);
}

static void
test_run_of_an_alarm_does_not_wrap(void **state)
{
	struct alarm_conds c =
	    conds_of("[{" CPU ",'yellow':50,'for_s':86400}]", ALARM_OF_VM);
	struct alarm_state s = { .slot = 999, .yellow_s = UINT32_MAX - 5 };

	alarm_eval_sample(&c.v[0], &s, 1000, STEP_S, 60);
	alarm_eval_sample(&c.v[0], &s, 1001, STEP_S, 60);
	assert_int_equal(alarm_eval(&c, &s), ALARM_YELLOW);
	alarm_conds_fini(&c);
}

static void
test_what_cannot_be_measured_is_not_known(void **state)
{
	struct alarm_conds c = conds_of("[{" CPU ",'red':50,'for_s':40}]", ALARM_OF_VM);
	struct alarm_state s = { 0 };

	alarm_eval_sample(&c.v[0], &s, 1000, STEP_S, 60);
	alarm_eval_sample(&c.v[0], &s, 1001, STEP_S, 60);
	assert_int_equal(alarm_eval(&c, &s), ALARM_RED);
	alarm_eval_unknown(&s);
	assert_int_equal(alarm_eval(&c, &s), ALARM_GRAY);
	alarm_eval_sample(&c.v[0], &s, 1002, STEP_S, 60);
	assert_int_equal(alarm_eval(&c, &s), ALARM_GREEN);
	alarm_conds_fini(&c);
}

/* ---- states ---- */

static void
test_states(void **state)
{
	struct alarm_conds c = conds_of(
	    "[{'property':'connection_state','is_not':['connected'],'for_s':60}]",
	    ALARM_OF_HOST);
	struct alarm_state s = { 0 };

	alarm_eval_state(&c.v[0], &s, "connected", 1000);
	assert_int_equal(s.level, ALARM_GREEN);
	assert_false(alarm_eval_waits(&c.v[0], &s));
	alarm_eval_state(&c.v[0], &s, "not_responding", 2000);
	assert_int_equal(s.level, ALARM_GREEN);
	assert_true(alarm_eval_waits(&c.v[0], &s));
	alarm_eval_state(&c.v[0], &s, "disconnected", 61999);
	assert_int_equal(s.level, ALARM_GREEN);
	alarm_eval_state(&c.v[0], &s, "disconnected", 62000);
	assert_int_equal(s.level, ALARM_RED);
	assert_false(alarm_eval_waits(&c.v[0], &s));
	alarm_eval_state(&c.v[0], &s, "Connected", 63000);
	assert_int_equal(s.level, ALARM_GREEN);
	/* A clock that is set back makes nobody wait for longer than said. */
	alarm_eval_state(&c.v[0], &s, "disconnected", 90000);
	alarm_eval_state(&c.v[0], &s, "disconnected", 10000);
	alarm_eval_state(&c.v[0], &s, "disconnected", 70000);
	assert_int_equal(s.level, ALARM_RED);
	alarm_conds_fini(&c);
}

/* ---- events ---- */

static void
test_events(void **state)
{
	struct alarm_conds c =
	    conds_of("[{'events':{'red':['VmDiedEvent'],'yellow':['VmStalledEvent'],"
		     "'green':['VmPoweredOnEvent']}}]",
		ALARM_OF_VM);
	struct alarm_state s = { 0 };

	assert_false(alarm_eval_event(&c.v[0], &s, "VmRenamedEvent"));
	assert_true(alarm_eval_event(&c.v[0], &s, "VmStalledEvent"));
	assert_int_equal(alarm_eval(&c, &s), ALARM_YELLOW);
	assert_true(alarm_eval_event(&c.v[0], &s, "VmDiedEvent"));
	assert_int_equal(alarm_eval(&c, &s), ALARM_RED);
	assert_true(alarm_eval_event(&c.v[0], &s, "VmPoweredOnEvent"));
	assert_int_equal(alarm_eval(&c, &s), ALARM_GREEN);
	assert_true(alarm_eval_event(&c.v[0], &s, "VmDiedEvent"));
	alarm_eval_reset(&c.v[0], &s);
	assert_int_equal(alarm_eval(&c, &s), ALARM_GREEN);
	alarm_conds_fini(&c);
}

/* ---- together ---- */

static void
test_together(void **state)
{
	static const struct {
		enum alarm_match match;
		enum alarm_status a, b, want;
	} cases[] = {
		{ ALARM_ANY, ALARM_GRAY, ALARM_GRAY, ALARM_GRAY },
		{ ALARM_ANY, ALARM_GRAY, ALARM_GREEN, ALARM_GREEN },
		{ ALARM_ANY, ALARM_GRAY, ALARM_RED, ALARM_RED },
		{ ALARM_ANY, ALARM_YELLOW, ALARM_RED, ALARM_RED },
		{ ALARM_ALL, ALARM_GRAY, ALARM_RED, ALARM_GRAY },
		{ ALARM_ALL, ALARM_GREEN, ALARM_RED, ALARM_GREEN },
		{ ALARM_ALL, ALARM_YELLOW, ALARM_RED, ALARM_YELLOW },
		{ ALARM_ALL, ALARM_RED, ALARM_RED, ALARM_RED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct alarm_cond v[2] = { { 0 } };
		struct alarm_conds c = { cases[i].match, v, 2 };
		struct alarm_state s[2] = { { .level = cases[i].a },
			{ .level = cases[i].b } };

		assert_int_equal(alarm_eval(&c, s), cases[i].want);
		assert_int_equal(
		    s[alarm_eval_cause(&c, s, cases[i].want)].level, cases[i].want);
	}
}

/* ---- what is refused ---- */

static void
test_refusals(void **state)
{
	static const struct {
		enum alarm_target target;
		const char *text, *why;
	} cases[] = {
		{ ALARM_OF_VM, "[]", "1 to 8 conditions" },
		{ ALARM_OF_VM, "{}", "1 to 8 conditions" },
		{ ALARM_OF_VM, "[7]", "wants an object" },
		{ ALARM_OF_VM, "[{}]", "\"counter\", \"property\" or \"events\"" },
		{ ALARM_OF_VM, "[{'counter':'cpu.usge.average','red':1}]",
		    "cpu.usage.average" },
		{ ALARM_OF_POOL, "[{'counter':'cpu.ready.summation','red':1}]",
		    "not counted of a pool" },
		{ ALARM_OF_VM, "[{" CPU "}]", "\"yellow\" or \"red\"" },
		{ ALARM_OF_VM, "[{" CPU ",'red':'x'}]", "red: wants a number" },
		{ ALARM_OF_VM, "[{" CPU ",'yellow':90,'red':80}]",
		    "comes before yellow" },
		{ ALARM_OF_VM, "[{" CPU ",'operator':'below','yellow':10,'red':20}]",
		    "comes before yellow" },
		{ ALARM_OF_VM, "[{" CPU ",'red':1,'hysteresis':-1}]", "negative" },
		{ ALARM_OF_VM, "[{" CPU ",'red':1,'operator':'over'}]",
		    "above or below" },
		{ ALARM_OF_VM, "[{" CPU ",'red':1,'for_s':-5}]", "for_s" },
		{ ALARM_OF_VM, "[{" CPU ",'red':1,'minutes':5}]", "minutes" },
		{ ALARM_OF_VM, "[{'property':'seed','is':['x']}]", "none \"seed\"" },
		{ ALARM_OF_VM, "[{'property':'disks','is':['x']}]", "none \"disks\"" },
		{ ALARM_OF_SERVER, "[{'property':'name','is':['x']}]",
		    "none \"name\"" },
		{ ALARM_OF_VM, "[{'property':'power_state','is':['off']}]",
		    "never \"off\"" },
		{ ALARM_OF_VM, "[{'property':'power_state'}]", "\"is\" or \"is_not\"" },
		{ ALARM_OF_VM,
		    "[{'property':'power_state','is':['powered_on'],'is_not':[]}]",
		    "\"is\" or \"is_not\"" },
		{ ALARM_OF_VM,
		    "[{'property':'power_state','is':['powered_on'],'status':'green'}]",
		    "yellow or red" },
		{ ALARM_OF_VM, "[{'events':{'red':['VmGoneEvent']}}]",
		    "no type \"VmGoneEvent\"" },
		{ ALARM_OF_VM, "[{'events':{'red':['AlarmClearedEvent']}}]",
		    "no type \"AlarmClearedEvent\"" },
		{ ALARM_OF_VM, "[{'events':{'green':['VmDiedEvent']}}]",
		    "yellow or for red" },
		{ ALARM_OF_VM, "[{" CPU ",'red':1},{'events':7}]", "conditions[1]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO(json) json *j = parse_json(cases[i].text);
		struct err e = ERR_INIT;
		struct alarm_conds c;

		if (!alarm_conds_parse(j, cases[i].target, &c, &e))
			fail_msg("%s was taken", cases[i].text);
		if (!strstr(e.msg, cases[i].why))
			fail_msg("%s: %s", cases[i].text, e.msg);
	}
}

static void
test_telling(void **state)
{
	struct alarm_conds c =
	    conds_of("[{'counter':'disk.used.latest','of':'disk.capacity.latest',"
		     "'yellow':75,'red':85,'for_s':300},"
		     "{'property':'accessible','is':['false']}]",
		ALARM_OF_DATASTORE);
	struct alarm_state s = { .level = ALARM_RED, .red = true, .value = 91.25f };
	struct alarm_state state_of = { .level = ALARM_RED };
	AUTO(str) struct str b = STR_INIT;

	alarm_cond_tell(&c.v[0], &s, &b);
	assert_string_equal(str_cstr(&b),
	    "disk.used.latest of disk.capacity.latest is 91.25 %, above 85 for 5 min");
	str_reset(&b);
	alarm_eval_unknown(&s);
	alarm_cond_tell(&c.v[0], &s, &b);
	assert_string_equal(str_cstr(&b), "disk.used.latest is not measured");
	str_reset(&b);
	alarm_cond_tell(&c.v[1], &state_of, &b);
	assert_string_equal(str_cstr(&b), "accessible is false");
	str_reset(&b);
	state_of.level = ALARM_GREEN;
	alarm_cond_tell(&c.v[1], &state_of, &b);
	assert_string_equal(str_cstr(&b), "accessible is not false");
	alarm_conds_fini(&c);
}

/* What a new installation gets must be what it takes. */
static void
test_defaults(void **state)
{
	size_t n;
	const struct alarm_default *d = alarm_defaults(&n);

	assert_true(n >= 20);
	for (size_t i = 0; i < n; i++) {
		AUTO(json) json *j = alarm_default_conditions(&d[i]);
		struct err e = ERR_INIT;
		struct alarm_conds c;

		if (!j || alarm_conds_parse(j, d[i].target, &c, &e))
			fail_msg("%s: %s", d[i].name, e.msg);
		alarm_conds_fini(&c);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(d[i].name, d[k].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_samples_out_of_order_are_passed_over),
		cmocka_unit_test(test_run_of_an_alarm_does_not_wrap),
		cmocka_unit_test(test_what_cannot_be_measured_is_not_known),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_telling),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

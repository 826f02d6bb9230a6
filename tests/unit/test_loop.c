#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/flow.h"
#include "loop/post.h"
#include "loop/timer.h"

struct world {
	struct clock *clock; /* virtual */
	struct loop *loop;
	struct str trace;
	uint64_t seen_ms[2];
	int left; /* posts to come of a chain */
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->clock = clock_virtual_new(5000, 0);
	w->loop = loop_new(w->clock);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	loop_free(w->loop);
	clock_free(w->clock);
	str_fini(&w->trace);
	free(w);
	return 0;
}

static void
say_one(void *arg)
{
	struct world *w = arg;

	str_add(&w->trace, "1");
}

static void
say_two(void *arg)
{
	struct world *w = arg;

	str_add(&w->trace, "2");
}

static void
say_three_later(void *arg)
{
	struct world *w = arg;

	str_add(&w->trace, "3");
	post_call(w->loop, say_one, w);
}

static void
posts_run_in_order_and_what_they_post_later(void **state)
{
	struct world *w = *state;

	post_call(w->loop, say_one, w);
	post_call(w->loop, say_three_later, w);
	post_call(w->loop, say_two, w);
	assert_string_equal(str_cstr(&w->trace), "");
	assert_int_equal(loop_turn(w->loop, 0), 3);
	assert_string_equal(str_cstr(&w->trace), "132");
	assert_int_equal(loop_turn(w->loop, 0), 1);
	assert_string_equal(str_cstr(&w->trace), "1321");
	assert_int_equal(loop_turn(w->loop, 0), 0);
}

static void
pushes_end_a_turn_that_did_something(void **state)
{
	struct world *w = *state;

	loop_on_turn_end(w->loop, say_two, w);
	loop_turn(w->loop, 0);
	assert_string_equal(str_cstr(&w->trace), "");
	post_call(w->loop, say_one, w);
	post_call(w->loop, say_one, w);
	loop_turn(w->loop, 0);
	assert_string_equal(str_cstr(&w->trace), "112");
}

static void
look_at_the_clock(void *arg)
{
	struct world *w = arg;

	w->seen_ms[0] = loop_now_ms(w->loop);
	clock_advance(w->clock, 10);
	w->seen_ms[1] = loop_now_ms(w->loop);
}

static void
time_stands_still_within_a_turn(void **state)
{
	struct world *w = *state;

	assert_int_equal(loop_now_ms(w->loop), 5000);
	clock_advance(w->clock, 7);
	assert_int_equal(loop_now_ms(w->loop), 5007);
	post_call(w->loop, look_at_the_clock, w);
	loop_turn(w->loop, 0);
	assert_int_equal(w->seen_ms[0], 5007);
	assert_int_equal(w->seen_ms[1], 5007);
	assert_int_equal(loop_now_ms(w->loop), 5017);
}

static void
a_virtual_clock_never_sleeps(void **state)
{
	struct world *w = *state;
	uint64_t begin_ms = clock_mono_ms(clock_system());
	struct timer *t = timer_new(w->loop, say_one, w);

	timer_after(t, 60000);
	assert_int_equal(loop_turn(w->loop, 60000), 0);
	assert_true(clock_mono_ms(clock_system()) - begin_ms < 10000);
	timer_free(t);
}

static void
be_slow(void *arg)
{
	struct world *w = arg;

	clock_advance(w->clock, 51);
}

static void
be_just_fast_enough(void *arg)
{
	struct world *w = arg;

	clock_advance(w->clock, 50);
}

static enum flow_rc
slow_step(struct flow *f, void *arg)
{
	be_slow(arg);
	return FLOW_NEXT;
}

static const struct flow_step slow_steps[] = {
	{ "copy", slow_step, NULL, NULL, 0 },
	{ .name = NULL },
};

/* What the log says about a piece of work; caller frees. */
static char *
logged(void (*work)(struct world *w), struct world *w)
{
	char path[] = "/tmp/drover-log-XXXXXX";
	int fd = mkstemp(path);
	char *text = xcalloc(1, 65536);

	assert_true(fd >= 0);
	assert_int_equal(log_to_file(path, NULL), 0);
	work(w);
	assert_int_equal(log_to_file(NULL, NULL), 0);
	assert_true(read(fd, text, 65535) >= 0);
	close(fd);
	unlink(path);
	return text;
}

static void
run_slow_callbacks(struct world *w)
{
	struct flows *fs = flows_new(w->loop);
	struct timer *t = timer_new(w->loop, be_slow, w);

	post_call(w->loop, be_just_fast_enough, w);
	loop_turn(w->loop, 0);
	loop_on_turn_end(w->loop, be_slow, w);
	timer_after(t, 0);
	flow_start(flow_new(fs, "test.slow", slow_steps, w, NULL, NULL));
	loop_turn(w->loop, 0);
	timer_free(t);
	flows_free(fs);
}

static void
slow_callbacks_are_named(void **state)
{
	AUTO_FREE char *text = logged(run_slow_callbacks, *state);

	assert_null(strstr(text, "be_just_fast_enough"));
	assert_non_null(strstr(text, "callback be_slow took 51 ms"));
	assert_non_null(strstr(text, "callback test.slow copy start took 51 ms"));
}

static void
stop_loop(void *arg)
{
	struct world *w = arg;

	str_add(&w->trace, "S");
	loop_stop(w->loop);
}

static void
chain(void *arg)
{
	struct world *w = arg;

	str_add(&w->trace, ".");
	if (--w->left > 0)
		post_call(w->loop, chain, w);
	else
		loop_stop(w->loop);
}

static void
run_ends_with_stop(void **state)
{
	struct world *w = *state;

	w->left = 5;
	post_call(w->loop, chain, w);
	loop_run(w->loop);
	assert_string_equal(str_cstr(&w->trace), ".....");
	/* A stop that came before the run counts, once. */
	loop_stop(w->loop);
	loop_run(w->loop);
	post_call(w->loop, stop_loop, w);
	loop_run(w->loop);
	assert_string_equal(str_cstr(&w->trace), ".....S");
}

static void
a_signal_runs_its_function(void **state)
{
	struct world *w = *state;

	assert_int_equal(loop_on_signal(w->loop, SIGUSR1, say_one, w, NULL), 0);
	assert_int_equal(loop_on_signal(w->loop, SIGUSR2, stop_loop, w, NULL), 0);
	raise(SIGUSR1);
	while (!w->trace.len)
		loop_turn(w->loop, 0);
	assert_string_equal(str_cstr(&w->trace), "1");
	raise(SIGUSR2);
	loop_run(w->loop);
	assert_string_equal(str_cstr(&w->trace), "1S");
	assert_int_equal(
	    loop_on_signal(w->loop, 4711, say_one, w, &(struct err)ERR_INIT),
	    ERR_INVALID);
}

static void
posts_that_never_ran_are_freed(void **state)
{
	struct world *w = *state;

	post_call(w->loop, say_one, w);
	post_wake(w->loop, (struct wake){ 1, 1 }, ERR_LOST, NULL);
}

static void
a_wake_without_flows_falls_on_the_floor(void **state)
{
	struct world *w = *state;

	post_wake(w->loop, (struct wake){ 1, 1 }, 0, NULL);
	assert_int_equal(loop_turn(w->loop, 0), 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(posts_run_in_order_and_what_they_post_later),
		CASE(pushes_end_a_turn_that_did_something),
		CASE(time_stands_still_within_a_turn),
		CASE(a_virtual_clock_never_sleeps),
		CASE(slow_callbacks_are_named),
		CASE(run_ends_with_stop),
		CASE(a_signal_runs_its_function),
		CASE(posts_that_never_ran_are_freed),
		CASE(a_wake_without_flows_falls_on_the_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/flow.h"
#include "loop/timer.h"

/* Everything that happens to an operation under test is written into a trace: "a. b?
 * b:0 -b end:0". */
struct op {
	struct clock *clock;
	struct loop *loop;
	struct flows *flows;
	struct flow *flow;
	struct str trace;
	enum flow_rc start_rc[3], finish_rc[3], undo_rc[3];
	struct wake wake; /* taken last */
	struct wake parts[4];
	unsigned n_parts;   /* of a join that step b makes */
	struct wake stored; /* the persist hook's, if it does not answer at once */
	bool hold_persist;
	int persist_rc;
	int again; /* so often finish says FLOW_AGAIN */
	bool cancel_in_start, wake_in_start;
	uint32_t own_timeout_ms;
	bool ended;
	int ended_rc;
	struct err ended_err;
	enum flow_phase ended_phase;
};

static enum flow_rc
start(struct flow *f, struct op *op, int i)
{
	str_addf(
	    &op->trace, "%c%s ", 'a' + i, op->start_rc[i] == FLOW_WAIT ? "?" : ".");
	if (op->start_rc[i] == FLOW_WAIT) {
		op->wake =
		    op->n_parts ? flow_join(f, op->n_parts, op->parts) : flow_wake(f);
		if (op->own_timeout_ms)
			flow_set_timeout(f, op->own_timeout_ms);
	}
	if (op->wake_in_start)
		post_wake(op->loop, flow_wake(f), 0, NULL);
	if (op->start_rc[i] == FLOW_FAIL)
		err_set(
		    flow_err(f), ERR_NO_CAPACITY, "no room in %s", flow_step_name(f));
	if (op->cancel_in_start)
		flow_cancel(f, "stop it");
	return op->start_rc[i];
}

static enum flow_rc
finish(struct flow *f, struct op *op, int i, int rc)
{
	str_addf(&op->trace, "%c:%s ", 'a' + i, rc ? err_name(rc) : "0");
	if (op->again > 0) {
		op->again--;
		return FLOW_AGAIN;
	}
	return rc && op->finish_rc[i] == FLOW_NEXT ? FLOW_FAIL : op->finish_rc[i];
}

static enum flow_rc
undo(struct flow *f, struct op *op, int i)
{
	str_addf(&op->trace, "-%c%s ", 'a' + i, op->undo_rc[i] == FLOW_WAIT ? "?" : "");
	if (op->undo_rc[i] == FLOW_WAIT)
		op->wake = flow_wake(f);
	return op->undo_rc[i];
}

#define STEP_FNS(name, i)                                                    \
	static enum flow_rc name##_start(struct flow *f, void *arg)          \
	{                                                                    \
		return start(f, arg, i);                                     \
	}                                                                    \
	static enum flow_rc name##_finish(struct flow *f, void *arg, int rc) \
	{                                                                    \
		return finish(f, arg, i, rc);                                \
	}                                                                    \
	static enum flow_rc name##_undo(struct flow *f, void *arg)           \
	{                                                                    \
		return undo(f, arg, i);                                      \
	}

STEP_FNS(a, 0)
STEP_FNS(b, 1)
STEP_FNS(c, 2)

static const struct flow_step steps[] = {
	{ "a", a_start, a_finish, a_undo, 0 },
	{ "b", b_start, b_finish, b_undo, 1000 },
	{ "c", c_start, c_finish, c_undo, 0 },
	{ .name = NULL },
};

/* As above, with b's answer judged by the flow and nothing to undo for it. */
static const struct flow_step plain_steps[] = {
	{ "a", a_start, a_finish, a_undo, 0 },
	{ "b", b_start, NULL, NULL, 0 },
	{ .name = NULL },
};

static enum flow_rc
b_goes_on(struct flow *f, void *arg, int rc)
{
	(void)finish(f, arg, 1, rc);
	return FLOW_NEXT;
}

/* As a move: b is asked how to stop, c has only one way. */
static const struct flow_step late_steps[] = {
	{ "a", a_start, a_finish, a_undo, 0 },
	{ "b", b_start, b_goes_on, b_undo, 0 },
	{ "c", c_start, c_finish, c_undo, 0 },
	{ .name = NULL },
};

static const enum flow_cancel_rule late_rules[] = { FLOW_CANCEL_ENDS, FLOW_CANCEL_ASKS,
	FLOW_CANCEL_LATE };

static void
on_persist(
    void *owner, struct flow *f, unsigned step, enum flow_phase phase, struct wake w)
{
	struct op *op = owner;

	str_addf(&op->trace, "%s%u ", phase == FLOW_RUNNING ? "+" : "~", step);
	op->stored = w;
	if (!op->hold_persist)
		post_wake(op->loop, w, op->persist_rc, NULL);
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct op *op = owner;

	str_addf(&op->trace, "end:%s", rc ? err_name(rc) : "0");
	op->ended = true;
	op->ended_rc = rc;
	op->ended_err = *e;
	op->ended_phase = flow_phase(f);
}

static const struct flow_hooks plain_hooks = { .ended = on_ended };
static const struct flow_hooks storing_hooks = { on_persist, on_ended };

static int
setup(void **state)
{
	struct op *op = xcalloc(1, sizeof(*op));

	op->clock = clock_virtual_new(1000, 0);
	op->loop = loop_new(op->clock);
	op->flows = flows_new(op->loop);
	op->flow = flow_new(op->flows, "test.op", steps, op, &plain_hooks, op);
	*state = op;
	return 0;
}

static int
teardown(void **state)
{
	struct op *op = *state;

	flows_free(op->flows);
	loop_free(op->loop);
	clock_free(op->clock);
	str_fini(&op->trace);
	free(op);
	return 0;
}

static void
settle(struct op *op)
{
	while (loop_turn(op->loop, 0))
		;
}

/* What happened since the last look. */
static void
expect(struct op *op, const char *trace)
{
	settle(op);
	assert_string_equal(str_cstr(&op->trace), trace);
	str_reset(&op->trace);
}

static void
use_hooks(struct op *op, const struct flow_step *table, const struct flow_hooks *hooks)
{
	flows_free(op->flows);
	op->flows = flows_new(op->loop);
	op->flow = flow_new(op->flows, "test.op", table, op, hooks, op);
}

static void
wake(struct op *op, int rc)
{
	struct err e = ERR_INIT;

	if (rc)
		err_set(&e, rc, "the other side says %s", err_name(rc));
	post_wake(op->loop, op->wake, rc, &e);
}

static void
steps_run_in_order(void **state)
{
	struct op *op = *state;

	flow_start(op->flow);
	assert_string_equal(str_cstr(&op->trace), "");
	expect(op, "a. b. c. end:0");
	assert_int_equal(op->ended_phase, FLOW_DONE);
	assert_int_equal(flows_live(op->flows), 0);
}

static void
a_wait_ends_with_its_wake(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b? ");
	assert_string_equal(flow_step_name(op->flow), "b");
	assert_int_equal(flow_step_index(op->flow), 1);
	wake(op, 0);
	expect(op, "b:0 c. end:0");
}

static void
a_wake_posted_within_start_is_not_lost(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	op->wake_in_start = true;
	flow_start(op->flow);
	/* Those of a and c are posted too, and nobody waits for them. */
	expect(op, "a. b? b:0 c. end:0");
}

static void
late_and_double_wakes_fall_on_the_floor(void **state)
{
	struct op *op = *state;
	struct wake first;

	op->start_rc[0] = op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a? ");
	first = op->wake;
	assert_true(wake_is_awaited(op->loop, first));
	wake(op, 0);
	wake(op, 0);
	expect(op, "a:0 b? ");
	assert_false(wake_is_awaited(op->loop, first));
	assert_false(wake_is_awaited(op->loop, WAKE_NONE));
	assert_true(wake_is_awaited(op->loop, op->wake));
	post_wake(op->loop, first, ERR_LOST, NULL);
	post_wake(op->loop, WAKE_NONE, 0, NULL);
	post_wake(op->loop, (struct wake){ 99999, 1 }, 0, NULL);
	expect(op, "");
	wake(op, 0);
	expect(op, "b:0 c. end:0");
	wake(op, 0);
	expect(op, "");
}

static void
a_deadline_ends_a_wait(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b? ");
	clock_advance(op->clock, 999);
	expect(op, "");
	clock_advance(op->clock, 1);
	expect(op, "b:timeout -b -a end:timeout");
	assert_string_equal(
	    op->ended_err.msg, "test.op: no answer to b within 1000 ms");
	wake(op, 0);
	expect(op, "");
}

static void
a_wake_that_comes_with_its_deadline_counts(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	settle(op);
	str_reset(&op->trace);
	clock_advance(op->clock, 1000);
	wake(op, 0);
	expect(op, "b:0 c. end:0");
}

static void
a_step_may_choose_its_deadline(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	op->own_timeout_ms = 5000;
	flow_start(op->flow);
	expect(op, "a. b? ");
	clock_advance(op->clock, 4999);
	expect(op, "");
	flow_set_timeout(op->flow, 100);
	clock_advance(op->clock, 99);
	expect(op, "");
	flow_set_timeout(op->flow, 0);
	clock_advance(op->clock, 100000);
	expect(op, "");
	wake(op, 0);
	expect(op, "b:0 c. end:0");
}

static void
again_starts_the_step_anew(void **state)
{
	struct op *op = *state;
	struct wake first;

	op->start_rc[1] = FLOW_WAIT;
	op->again = 2;
	flow_start(op->flow);
	expect(op, "a. b? ");
	first = op->wake;
	wake(op, ERR_BUSY);
	expect(op, "b:busy b? ");
	clock_advance(op->clock, 999);
	post_wake(op->loop, first, 0, NULL);
	expect(op, "");
	/* The second wait has a deadline of its own. */
	clock_advance(op->clock, 1);
	expect(op, "b:timeout b? ");
	clock_advance(op->clock, 999);
	wake(op, 0);
	expect(op, "b:0 c. end:0");
}

static void
a_failure_undoes_last_first(void **state)
{
	struct op *op = *state;

	op->start_rc[2] = FLOW_FAIL;
	flow_start(op->flow);
	expect(op, "a. b. c. -c -b -a end:no_capacity");
	assert_string_equal(op->ended_err.msg, "no room in c");
	assert_int_equal(op->ended_phase, FLOW_FAILED);
}

static void
an_answer_of_failure_keeps_its_message(void **state)
{
	struct op *op = *state;

	use_hooks(op, plain_steps, &plain_hooks);
	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	settle(op);
	wake(op, ERR_LOST);
	expect(op, "a. b? -a end:lost");
	assert_string_equal(op->ended_err.msg, "the other side says lost");
}

static void
undo_may_wait_and_may_fail(void **state)
{
	struct op *op = *state;

	op->start_rc[2] = FLOW_FAIL;
	op->undo_rc[2] = FLOW_FAIL;
	op->undo_rc[1] = op->undo_rc[0] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b. c. -c -b? ");
	assert_int_equal(flow_phase(op->flow), FLOW_UNDOING);
	flow_cancel(op->flow, "too late");
	expect(op, "");
	clock_advance(op->clock, 1000);
	expect(op, "-a? ");
	wake(op, ERR_LOST);
	wake(op, 0);
	expect(op, "end:no_capacity");
	assert_string_equal(op->ended_err.msg, "no room in c");
}

static void
every_step_is_stored_before_it_starts(void **state)
{
	struct op *op = *state;

	use_hooks(op, steps, &storing_hooks);
	op->start_rc[1] = FLOW_WAIT;
	op->start_rc[2] = FLOW_FAIL;
	flow_start(op->flow);
	expect(op, "+0 a. +1 b? ");
	wake(op, 0);
	expect(op, "b:0 +2 c. ~2 -c ~1 -b ~0 -a end:no_capacity");
}

static void
a_flow_stalls_until_its_step_is_stored(void **state)
{
	struct op *op = *state;

	use_hooks(op, steps, &storing_hooks);
	op->hold_persist = true;
	flow_start(op->flow);
	expect(op, "+0 ");
	post_wake(op->loop, op->stored, ERR_UNAVAILABLE, NULL);
	clock_advance(op->clock, 60000);
	expect(op, "");
	assert_int_equal(flows_live(op->flows), 1);
	post_wake(op->loop, op->stored, ERR_UNAVAILABLE, NULL);
	expect(op, "");
	op->hold_persist = false;
	post_wake(op->loop, op->stored, 0, NULL);
	expect(op, "a. +1 b. +2 c. end:0");
}

static void
an_undo_stalls_until_it_is_stored(void **state)
{
	struct op *op = *state;

	use_hooks(op, steps, &storing_hooks);
	flow_start_at(op->flow, 1, FLOW_UNDOING, NULL);
	op->hold_persist = true;
	expect(op, "~1 ");
	post_wake(op->loop, op->stored, ERR_UNAVAILABLE, NULL);
	expect(op, "");
	op->hold_persist = false;
	post_wake(op->loop, op->stored, 0, NULL);
	expect(op, "-b ~0 -a end:internal");
}

static void
a_new_leader_resumes_at_a_step(void **state)
{
	struct op *op = *state;

	use_hooks(op, steps, &storing_hooks);
	flow_start_at(op->flow, 1, FLOW_RUNNING, NULL);
	expect(op, "+1 b. +2 c. end:0");
}

static void
a_resumed_step_that_fails_undoes_the_earlier_ones(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_FAIL;
	flow_start_at(op->flow, 1, FLOW_RUNNING, NULL);
	expect(op, "b. -b -a end:no_capacity");
}

static void
a_new_leader_resumes_an_undo(void **state)
{
	struct op *op = *state;
	struct err why = ERR_INIT;

	err_set(&why, ERR_LOST, "host e1 was lost");
	flow_start_at(op->flow, 1, FLOW_UNDOING, &why);
	expect(op, "-b -a end:lost");
	assert_string_equal(op->ended_err.msg, "host e1 was lost");
	assert_int_equal(op->ended_phase, FLOW_FAILED);
}

static void
a_step_that_the_table_lacks_is_refused(void **state)
{
	struct op *op = *state;

	flow_start_at(op->flow, 7, FLOW_RUNNING, NULL);
	expect(op, "end:corrupt");
	assert_string_equal(op->ended_err.msg, "test.op has no step 7 to resume at");
}

static void
cancel_ends_the_wait(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	settle(op);
	flow_cancel(op->flow, "the user said so");
	flow_cancel(op->flow, "and again");
	wake(op, 0);
	expect(op, "a. b? b:cancelled -b -a end:cancelled");
	assert_string_equal(op->ended_err.msg, "the user said so");
}

static void
cancel_this(void *arg)
{
	struct op *op = arg;

	flow_cancel(op->flow, "stop it");
}

static void
cancel_after_the_wake_stops_before_the_next_step(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	settle(op);
	str_reset(&op->trace);
	wake(op, 0);
	post_call(op->loop, cancel_this, op);
	expect(op, "b:0 -b -a end:cancelled");
}

static void
cancel_before_the_start_undoes_nothing(void **state)
{
	struct op *op = *state;

	flow_start(op->flow);
	flow_cancel(op->flow, NULL);
	expect(op, "end:cancelled");
}

static void
cancel_of_a_resumed_flow_undoes_its_step(void **state)
{
	struct op *op = *state;

	flow_start_at(op->flow, 1, FLOW_RUNNING, NULL);
	flow_cancel(op->flow, NULL);
	expect(op, "-b -a end:cancelled");
}

static void
cancel_from_within_start_is_not_lost(void **state)
{
	struct op *op = *state;

	op->start_rc[0] = FLOW_WAIT;
	op->cancel_in_start = true;
	flow_start(op->flow);
	expect(op, "a? a:cancelled -a end:cancelled");
}

static void
a_cancelled_step_cannot_go_on_for_ever(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	op->again = 1000;
	flow_start(op->flow);
	settle(op);
	flow_cancel(op->flow, NULL);
	expect(op, "a. b? b:cancelled -b -a end:cancelled");
}

static void
cancel_waits_for_the_store(void **state)
{
	struct op *op = *state;

	use_hooks(op, steps, &storing_hooks);
	op->hold_persist = true;
	flow_start(op->flow);
	expect(op, "+0 ");
	flow_cancel(op->flow, NULL);
	expect(op, "");
	post_wake(op->loop, op->stored, 0, NULL);
	expect(op, "end:cancelled");
}

static void
a_step_may_say_itself_how_to_stop(void **state)
{
	struct op *op = *state;

	use_hooks(op, late_steps, &plain_hooks);
	flow_set_cancel_rules(op->flow, late_rules);
	op->start_rc[1] = op->start_rc[2] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b? ");
	assert_true(flow_may_cancel(op->flow));
	flow_cancel(op->flow, NULL);
	expect(op, "b:cancelled c? ");
	assert_false(flow_may_cancel(op->flow));
	wake(op, 0);
	expect(op, "c:0 end:0");
}

static void
a_cancel_that_comes_too_late_changes_nothing(void **state)
{
	struct op *op = *state;

	use_hooks(op, late_steps, &plain_hooks);
	flow_set_cancel_rules(op->flow, late_rules);
	op->start_rc[2] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b. c? ");
	flow_cancel(op->flow, NULL);
	expect(op, "");
	wake(op, 0);
	expect(op, "c:0 end:0");
}

static void
a_resumed_step_that_says_how_to_stop_is_begun_first(void **state)
{
	struct op *op = *state;

	use_hooks(op, late_steps, &plain_hooks);
	flow_set_cancel_rules(op->flow, late_rules);
	op->start_rc[1] = FLOW_WAIT;
	flow_start_at(op->flow, 1, FLOW_RUNNING, NULL);
	flow_cancel(op->flow, NULL);
	expect(op, "b? b:cancelled c. end:0");
}

static void
a_join_wakes_when_all_parts_are_in(void **state)
{
	struct op *op = *state;

	op->start_rc[0] = FLOW_WAIT;
	op->n_parts = 3;
	flow_start(op->flow);
	expect(op, "a? ");
	post_wake(op->loop, op->parts[2], 0, NULL);
	post_wake(op->loop, op->parts[0], 0, NULL);
	post_wake(op->loop, op->parts[0], 0, NULL);
	expect(op, "");
	post_wake(op->loop, op->parts[1], 0, NULL);
	expect(op, "a:0 b. c. end:0");
}

static void
a_join_tells_the_first_failure(void **state)
{
	struct op *op = *state;
	struct err e = ERR_INIT;

	op->start_rc[0] = FLOW_WAIT;
	op->n_parts = 3;
	flow_start(op->flow);
	settle(op);
	err_set(&e, ERR_NO_CAPACITY, "e2 is full");
	post_wake(op->loop, op->parts[1], ERR_NO_CAPACITY, &e);
	post_wake(op->loop, op->parts[2], ERR_LOST, NULL);
	expect(op, "a? ");
	post_wake(op->loop, op->parts[0], 0, NULL);
	expect(op, "a:no_capacity -a end:no_capacity");
	assert_string_equal(op->ended_err.msg, "e2 is full");
}

static void
parts_that_come_after_the_flow_fall_on_the_floor(void **state)
{
	struct op *op = *state;

	op->start_rc[1] = FLOW_WAIT;
	op->n_parts = 2;
	flow_start(op->flow);
	expect(op, "a. b? ");
	post_wake(op->loop, op->parts[0], 0, NULL);
	clock_advance(op->clock, 1000);
	expect(op, "b:timeout -b -a end:timeout");
	post_wake(op->loop, op->parts[1], 0, NULL);
	expect(op, "");
}

static void
live_flows_are_dropped_without_undo(void **state)
{
	struct op *op = *state;
	struct wake old;

	op->start_rc[1] = FLOW_WAIT;
	flow_start(op->flow);
	expect(op, "a. b? ");
	old = op->wake;
	use_hooks(op, steps, &plain_hooks);
	flow_start(op->flow);
	/* A wake from before the drop must not reach a flow that came after. */
	expect(op, "a. b? ");
	post_wake(op->loop, old, 0, NULL);
	expect(op, "");
	assert_false(op->ended);
}

static void
a_hundred_flows_run_side_by_side(void **state)
{
	struct op *op = *state;
	struct op each[100];

	memset(each, 0, sizeof(each));
	for (int i = 0; i < 100; i++) {
		each[i].loop = op->loop;
		each[i].start_rc[1] = FLOW_WAIT;
		each[i].flow = flow_new(
		    op->flows, "test.many", steps, &each[i], &plain_hooks, &each[i]);
		flow_start(each[i].flow);
	}
	settle(op);
	for (int i = 99; i >= 0; i--)
		post_wake(op->loop, each[i].wake, i % 2 ? ERR_LOST : 0, NULL);
	settle(op);
	for (int i = 0; i < 100; i++) {
		assert_true(each[i].ended);
		assert_int_equal(each[i].ended_rc, i % 2 ? ERR_LOST : 0);
		str_fini(&each[i].trace);
	}
	assert_int_equal(flows_live(op->flows), 1);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(steps_run_in_order),
		CASE(a_wait_ends_with_its_wake),
		CASE(a_wake_posted_within_start_is_not_lost),
		CASE(late_and_double_wakes_fall_on_the_floor),
		CASE(a_deadline_ends_a_wait),
		CASE(a_wake_that_comes_with_its_deadline_counts),
		CASE(a_step_may_choose_its_deadline),
		CASE(again_starts_the_step_anew),
		CASE(a_failure_undoes_last_first),
		CASE(an_answer_of_failure_keeps_its_message),
		CASE(undo_may_wait_and_may_fail),
		CASE(every_step_is_stored_before_it_starts),
		CASE(a_flow_stalls_until_its_step_is_stored),
		CASE(an_undo_stalls_until_it_is_stored),
		CASE(a_new_leader_resumes_at_a_step),
		CASE(a_resumed_step_that_fails_undoes_the_earlier_ones),
		CASE(a_new_leader_resumes_an_undo),
		CASE(a_step_that_the_table_lacks_is_refused),
		CASE(cancel_ends_the_wait),
		CASE(cancel_after_the_wake_stops_before_the_next_step),
		CASE(cancel_before_the_start_undoes_nothing),
		CASE(cancel_of_a_resumed_flow_undoes_its_step),
		CASE(cancel_from_within_start_is_not_lost),
		CASE(a_cancelled_step_cannot_go_on_for_ever),
		CASE(cancel_waits_for_the_store),
		CASE(a_step_may_say_itself_how_to_stop),
		CASE(a_cancel_that_comes_too_late_changes_nothing),
		CASE(a_resumed_step_that_says_how_to_stop_is_begun_first),
		CASE(a_join_wakes_when_all_parts_are_in),
		CASE(a_join_tells_the_first_failure),
		CASE(parts_that_come_after_the_flow_fall_on_the_floor),
		CASE(live_flows_are_dropped_without_undo),
		CASE(a_hundred_flows_run_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

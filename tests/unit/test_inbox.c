#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/link/inbox.h"
#include "proto/msg.h"
#include "tests/lib/agent_bed.h"

struct world {
	struct bed *bed;
	struct journal *journal;
	struct inbox *inbox;
	unsigned started, cancelled, sent;
	struct order_name last;
	Drover__Order__VerbCase verb;
	Drover__Reply *reply; /* the newest that was sent */
	bool answers;         /* the handler ends its orders at once */
};

static void
keep_reply(struct world *w, const Drover__Reply *r)
{
	size_t n = drover__reply__get_packed_size(r);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__reply__pack(r, p);
	drover__reply__free_unpacked(w->reply, NULL);
	w->reply = drover__reply__unpack(NULL, n, p);
	w->sent++;
}

static void
on_send(void *arg, const Drover__Reply *r)
{
	keep_reply(arg, r);
}

static void
finish(struct world *w, struct order_name name)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));

	drover__reply__init(r);
	r->result_case = DROVER__REPLY__RESULT_GUEST;
	r->guest = xcalloc(1, sizeof(*r->guest));
	drover__guest_status__init(r->guest);
	r->guest->generation = 100 + w->started;
	inbox_reply(w->inbox, name, r);
}

static void
on_start(void *arg, struct order_name name, const Drover__Order *o)
{
	struct world *w = arg;

	w->started++;
	w->last = name;
	w->verb = o->verb_case;
	if (w->answers)
		finish(w, name);
}

static void
on_cancel(void *arg, struct order_name name, const char *why)
{
	struct world *w = arg;
	struct err e = ERR_INIT;

	w->cancelled++;
	err_set(&e, ERR_CANCELLED, "given up");
	inbox_fail(w->inbox, name, &e);
}

static void
open_world(struct world *w)
{
	const struct inbox_handler h[INBOX_INBOX] = {
		[INBOX_GUESTS] = { on_start, on_cancel, w },
		[INBOX_STORES] = { on_start, NULL, w },
	};
	struct err e = ERR_INIT;

	assert_int_equal(journal_open(w->bed->loop, w->bed->workers,
			     bed_path(w->bed, "journal"), 100, &w->journal, &e),
	    0);
	w->inbox = inbox_new(w->bed->loop, w->journal, h, on_send, w);
}

static void
close_world(struct world *w)
{
	journal_free(w->journal);
	inbox_free(w->inbox);
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->bed = bed_new();
	w->answers = true;
	open_world(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	close_world(w);
	bed_free(w->bed);
	drover__reply__free_unpacked(w->reply, NULL);
	free(w);
	return 0;
}

static Drover__Envelope *
order(uint64_t task, uint32_t step)
{
	Drover__Envelope *m = xcalloc(1, sizeof(*m));

	drover__envelope__init(m);
	m->body_case = DROVER__ENVELOPE__BODY_ORDER;
	m->order = xcalloc(1, sizeof(*m->order));
	drover__order__init(m->order);
	m->order->task = task;
	m->order->step = step;
	m->order->verb_case = DROVER__ORDER__VERB_GUEST_PAUSE;
	m->order->guest_pause = xcalloc(1, sizeof(*m->order->guest_pause));
	drover__guest_pause__init(m->order->guest_pause);
	return m;
}

static Drover__Envelope *
query(uint64_t task, uint32_t step, uint64_t of_task)
{
	Drover__Envelope *m = order(task, step);

	drover__guest_pause__free_unpacked(m->order->guest_pause, NULL);
	m->order->verb_case = DROVER__ORDER__VERB_ORDER_QUERY;
	m->order->order_query = xcalloc(1, sizeof(*m->order->order_query));
	drover__order_query__init(m->order->order_query);
	m->order->order_query->task = of_task;
	m->order->order_query->step = 1;
	return m;
}

static void
order_is_carried_out_once_and_answered_again(void **state)
{
	struct world *w = *state;

	inbox_order(w->inbox, order(5, 1));
	assert_int_equal(w->started, 0); /* not before its begin is on disk */
	bed_until_count(w->bed, &w->sent, 1);
	assert_int_equal(w->started, 1);
	assert_int_equal(w->reply->task, 5);
	assert_int_equal(w->reply->guest->generation, 101);

	inbox_order(w->inbox, order(5, 1));
	assert_int_equal(w->sent, 2);
	assert_int_equal(w->started, 1);
	assert_int_equal(w->reply->guest->generation, 101);
	inbox_order(w->inbox, order(5, 2));
	bed_until_count(w->bed, &w->sent, 3);
	assert_int_equal(w->started, 2);
	assert_int_equal(inbox_last(w->inbox).step, 2);
}

static void
stored_reply_outlives_the_agent(void **state)
{
	struct world *w = *state;

	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->sent, 1);
	close_world(w);
	bed_restart(w->bed);
	open_world(w);
	inbox_order(w->inbox, order(5, 1));
	assert_int_equal(w->sent, 2);
	assert_int_equal(w->started, 1);
	assert_int_equal(w->reply->guest->generation, 101);
}

static void
order_begun_before_a_crash_runs_again(void **state)
{
	struct world *w = *state;

	w->answers = false;
	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->started, 1);
	close_world(w);
	bed_restart(w->bed);
	open_world(w);
	inbox_order(w->inbox, query(6, 1, 5));
	bed_until_count(w->bed, &w->sent, 1);
	assert_true(w->reply->order->known);
	assert_false(w->reply->order->running);
	assert_null(w->reply->order->reply);
	w->answers = true;
	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->sent, 2);
	assert_int_equal(w->started, 2);
}

static void
repeated_while_it_runs_gets_the_one_reply(void **state)
{
	struct world *w = *state;

	w->answers = false;
	inbox_order(w->inbox, order(5, 1));
	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->started, 1);
	inbox_order(w->inbox, order(5, 1));
	inbox_order(w->inbox, query(6, 1, 5));
	bed_until_count(w->bed, &w->sent, 1);
	assert_true(w->reply->order->running);
	finish(w, w->last);
	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->sent, 2);
	bed_settle(w->bed);
	assert_int_equal(w->sent, 2);
	assert_int_equal(w->started, 1);
	assert_int_equal(inbox_running(w->inbox), 0);
	inbox_order(w->inbox, query(6, 2, 5));
	assert_int_equal(w->reply->order->reply->guest->generation, 101);
}

static void
unknown_verb_is_unsupported(void **state)
{
	struct world *w = *state;
	Drover__Envelope *m = order(5, 1);

	drover__guest_pause__free_unpacked(m->order->guest_pause, NULL);
	m->order->verb_case = DROVER__ORDER__VERB__NOT_SET;
	inbox_order(w->inbox, m);
	assert_int_equal(w->sent, 1);
	assert_string_equal(w->reply->fault->code, "unsupported");
	assert_int_equal(
	    journal_find(w->journal, (struct order_name){ 5, 1 }), JOURNAL_UNKNOWN);
}

static void
deadline_ends_in_timeout(void **state)
{
	struct world *w = *state;
	Drover__Envelope *m = order(5, 1);

	w->answers = false;
	m->order->deadline_ms = 500;
	inbox_order(w->inbox, m);
	bed_until_count(w->bed, &w->started, 1);
	clock_advance(w->bed->clock, 499);
	bed_settle(w->bed);
	assert_int_equal(w->cancelled, 0);
	clock_advance(w->bed->clock, 1);
	bed_until_count(w->bed, &w->sent, 1);
	assert_int_equal(w->cancelled, 1);
	assert_string_equal(w->reply->fault->code, "timeout");
}

static void
reply_to_an_order_that_is_over_falls_on_the_floor(void **state)
{
	struct world *w = *state;

	inbox_order(w->inbox, order(5, 1));
	bed_until_count(w->bed, &w->sent, 1);
	finish(w, (struct order_name){ 5, 1 });
	finish(w, (struct order_name){ 77, 1 });
	bed_settle(w->bed);
	assert_int_equal(w->sent, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(order_is_carried_out_once_and_answered_again),
		T(stored_reply_outlives_the_agent),
		T(order_begun_before_a_crash_runs_again),
		T(repeated_while_it_runs_gets_the_one_reply),
		T(unknown_verb_is_unsupported),
		T(deadline_ends_in_timeout),
		T(reply_to_an_order_that_is_over_falls_on_the_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/handoff.h"

#define SENDERS     4
#define EACH        2000
#define DEADLINE_MS 20000

struct note {
	unsigned sender, number;
};

struct world {
	struct loop *loop;
	struct handoff *h;
	unsigned got;
	unsigned next[SENDERS]; /* number that each sender's next note must have */
	bool free_in_recv;
	pthread_t loop_thread;
};

static int dropped;

static void
drop_note(void *msg)
{
	dropped++;
	free(msg);
}

static void
on_note(void *msg, void *arg)
{
	struct world *w = arg;
	struct note *n = msg;

	assert_true(pthread_equal(pthread_self(), w->loop_thread));
	assert_int_equal(n->number, w->next[n->sender]);
	w->next[n->sender]++;
	w->got++;
	free(n);
	if (w->free_in_recv) {
		handoff_free(w->h);
		w->h = NULL;
	}
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	dropped = 0;
	w->loop_thread = pthread_self();
	w->loop = loop_new(clock_system());
	w->h = handoff_new(w->loop, 100, on_note, drop_note, w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	handoff_free(w->h);
	loop_free(w->loop);
	free(w);
	return 0;
}

static struct note *
new_note(unsigned sender, unsigned number)
{
	struct note *n = xcalloc(1, sizeof(*n));

	n->sender = sender;
	n->number = number;
	return n;
}

struct sender {
	pthread_t thread;
	struct handoff *h;
	unsigned index;
};

static void *
send_notes(void *arg)
{
	const struct sender *s = arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct note *n = new_note(s->index, i);

		/* Full: the receiver is slower for the moment. */
		while (!handoff_send(s->h, n))
			sched_yield();
	}
	return NULL;
}

static void
notes_of_many_threads_arrive_in_order(void **state)
{
	struct world *w = *state;
	struct sender s[SENDERS];
	uint64_t until = loop_now_ms(w->loop) + DEADLINE_MS;

	for (unsigned i = 0; i < SENDERS; i++) {
		s[i] = (struct sender){ .h = w->h, .index = i };
		assert_int_equal(
		    pthread_create(&s[i].thread, NULL, send_notes, &s[i]), 0);
	}
	while (w->got < SENDERS * EACH && loop_now_ms(w->loop) < until) {
		loop_turn(w->loop, 1000);
		assert_true(handoff_waiting(w->h) <= 100);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(s[i].thread, NULL);
	assert_int_equal(w->got, SENDERS * EACH);
	assert_int_equal(handoff_waiting(w->h), 0);
}

static void
a_full_queue_refuses(void **state)
{
	struct world *w = *state;
	struct note *over = new_note(0, 100);

	for (unsigned i = 0; i < 100; i++)
		assert_true(handoff_send(w->h, new_note(0, i)));
	assert_false(handoff_send(w->h, over));
	assert_int_equal(handoff_waiting(w->h), 100);
	while (w->got < 100)
		loop_turn(w->loop, 1000);
	assert_true(handoff_send(w->h, over));
	while (w->got < 101)
		loop_turn(w->loop, 1000);
}

static void
what_was_not_received_is_dropped(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 5; i++)
		assert_true(handoff_send(w->h, new_note(0, i)));
	handoff_free(w->h);
	w->h = NULL;
	loop_turn(w->loop, 0);
	assert_int_equal(dropped, 5);
	assert_int_equal(w->got, 0);
}

static void
the_receiver_may_free_it(void **state)
{
	struct world *w = *state;

	w->free_in_recv = true;
	for (unsigned i = 0; i < 5; i++)
		assert_true(handoff_send(w->h, new_note(0, i)));
	while (w->h)
		loop_turn(w->loop, 1000);
	assert_int_equal(w->got, 1);
	assert_int_equal(dropped, 4);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(notes_of_many_threads_arrive_in_order),
		CASE(a_full_queue_refuses),
		CASE(what_was_not_received_is_dropped),
		CASE(the_receiver_may_free_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

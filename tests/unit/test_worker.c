#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/worker.h"

#define DEADLINE_MS 20000

/* Holds jobs until the test opens it. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_open;
	unsigned inside;
};

struct tally {
	unsigned done, cancelled, failed;
	uint64_t sum;
	pthread_t loop_thread;
};

struct job {
	struct tally *tally;
	struct gate *gate; /* NULL: none */
	uint64_t in, out;
	int rc;
};

struct world {
	struct loop *loop;
	struct workers *workers;
	struct tally tally;
	struct gate gate;
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->loop = loop_new(clock_system());
	w->workers = workers_new(w->loop, 2, 10);
	w->tally.loop_thread = pthread_self();
	pthread_mutex_init(&w->gate.lock, NULL);
	pthread_cond_init(&w->gate.change, NULL);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	workers_free(w->workers);
	loop_free(w->loop);
	pthread_cond_destroy(&w->gate.change);
	pthread_mutex_destroy(&w->gate.lock);
	free(w);
	return 0;
}

static int
square(void *arg)
{
	struct job *j = arg;

	if (j->gate) {
		pthread_mutex_lock(&j->gate->lock);
		j->gate->inside++;
		pthread_cond_broadcast(&j->gate->change);
		while (!j->gate->is_open)
			pthread_cond_wait(&j->gate->change, &j->gate->lock);
		pthread_mutex_unlock(&j->gate->lock);
	}
	j->out = j->in * j->in;
	return j->rc;
}

static void
on_done(void *arg, int rc)
{
	struct job *j = arg;

	assert_true(pthread_equal(pthread_self(), j->tally->loop_thread));
	if (rc == ERR_CANCELLED) {
		j->tally->cancelled++;
	} else {
		assert_int_equal(rc, j->rc);
		j->tally->done++;
		j->tally->failed += rc != 0;
		j->tally->sum += j->out;
	}
	free(j);
}

static struct job *
new_job(struct world *w, uint64_t in, struct gate *gate)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->tally = &w->tally;
	j->gate = gate;
	j->in = in;
	return j;
}

static int
run(struct world *w, struct job *j)
{
	return worker_run(w->workers, square, on_done, j, NULL);
}

static void
wait_until_done(struct world *w, unsigned n)
{
	uint64_t until = loop_now_ms(w->loop) + DEADLINE_MS;

	while (w->tally.done < n && loop_now_ms(w->loop) < until)
		loop_turn(w->loop, 1000);
	assert_int_equal(w->tally.done, n);
}

static void
wait_until_inside(struct gate *g, unsigned n)
{
	pthread_mutex_lock(&g->lock);
	while (g->inside < n)
		pthread_cond_wait(&g->change, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void
open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->lock);
	g->is_open = true;
	pthread_cond_broadcast(&g->change);
	pthread_mutex_unlock(&g->lock);
}

static void
jobs_run_and_report(void **state)
{
	struct world *w = *state;
	struct job *bad = new_job(w, 0, NULL);
	uint64_t expected = 0;

	for (unsigned i = 1; i <= 500; i++) {
		struct job *j = new_job(w, i, NULL);

		while (run(w, j) == ERR_BUSY)
			loop_turn(w->loop, 10);
		expected += (uint64_t)i * i;
	}
	wait_until_done(w, 500);
	assert_int_equal(w->tally.sum, expected);
	bad->rc = ERR_IO;
	assert_int_equal(run(w, bad), 0);
	wait_until_done(w, 501);
	assert_int_equal(w->tally.failed, 1);
}

static void
a_full_queue_refuses(void **state)
{
	struct world *w = *state;
	struct job *over = new_job(w, 1, NULL);
	struct err e = ERR_INIT;

	for (int i = 0; i < 2; i++)
		assert_int_equal(run(w, new_job(w, 1, &w->gate)), 0);
	wait_until_inside(&w->gate, 2);
	for (int i = 0; i < 10; i++)
		assert_int_equal(run(w, new_job(w, 1, NULL)), 0);
	assert_int_equal(worker_run(w->workers, square, on_done, over, &e), ERR_BUSY);
	assert_string_equal(e.msg, "the workers' queue is full (10 jobs wait)");
	open_gate(&w->gate);
	wait_until_done(w, 12);
	assert_int_equal(run(w, over), 0);
	wait_until_done(w, 13);
}

static void *
open_later(void *arg)
{
	struct gate *g = arg;

	wait_until_inside(g, 2);
	open_gate(g);
	return NULL;
}

static void
the_end_waits_for_running_jobs_and_cancels_the_rest(void **state)
{
	struct world *w = *state;
	pthread_t opener;

	for (int i = 0; i < 2; i++)
		assert_int_equal(run(w, new_job(w, 1, &w->gate)), 0);
	wait_until_inside(&w->gate, 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(run(w, new_job(w, 1, NULL)), 0);
	assert_int_equal(pthread_create(&opener, NULL, open_later, &w->gate), 0);
	workers_free(w->workers);
	w->workers = NULL;
	pthread_join(opener, NULL);
	assert_true(w->tally.done >= 2);
	assert_int_equal(w->tally.done + w->tally.cancelled, 7);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(jobs_run_and_report),
		CASE(a_full_queue_refuses),
		CASE(the_end_waits_for_running_jobs_and_cancels_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

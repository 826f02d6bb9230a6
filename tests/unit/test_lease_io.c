#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/lease_io.h"
#include "tests/lib/agent_bed.h"

/* Storage as a pipe: a job waits until somebody writes a byte. */
struct world {
	struct bed *bed;
	struct lease_io *io;
	int storage[2];
	unsigned done;
	int rcs[8];
	char last[240];
	_Atomic unsigned ran, dropped;
};

struct data {
	struct world *world;
	int number;
};

static int
run_wait(void *data, struct err *e)
{
	struct data *d = data;
	char byte;
	ssize_t n = read(d->world->storage[0], &byte, 1);

	atomic_fetch_add(&d->world->ran, 1);
	return n == 1 && byte == '!' ? err_set(e, ERR_IO, "storage says no") : 0;
}

static void
on_done(void *data, int rc, const struct err *e)
{
	struct data *d = data;

	d->world->rcs[d->number] = rc;
	d->world->done++;
	snprintf(d->world->last, sizeof(d->world->last), "%s", e->msg);
}

static void
drop(void *data)
{
	struct data *d = data;

	atomic_fetch_add(&d->world->dropped, 1);
	free(d);
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->bed = bed_new();
	assert_int_equal(pipe(w->storage), 0);
	w->io = lease_io_new(w->bed->loop, 3);
	for (size_t i = 0; i < ARRAY_SIZE(w->rcs); i++)
		w->rcs[i] = 1;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	lease_io_free(w->io);
	close(w->storage[0]);
	close(w->storage[1]);
	bed_free(w->bed);
	free(w);
	return 0;
}

static int
ask(struct world *w, int number, struct err *e)
{
	struct data *d = xcalloc(1, sizeof(*d));
	struct lease_job job = { run_wait, on_done, drop, d, w };
	int rc;

	d->world = w;
	d->number = number;
	rc = lease_io_run(w->io, &job, 1000, e);
	if (rc)
		free(d);
	return rc;
}

static void
answer(const struct world *w, const char *bytes)
{
	assert_int_equal(
	    write(w->storage[1], bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static void
answers_come_in_order(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, 0, NULL), 0);
	assert_int_equal(ask(w, 1, NULL), 0);
	answer(w, ".!");
	bed_until_count(w->bed, &w->done, 2);
	assert_int_equal(w->rcs[0], 0);
	assert_int_equal(w->rcs[1], ERR_IO);
	assert_string_equal(w->last, "storage says no");
}

/* The loop goes on, and who asked hears by his deadline, once. */
static void
a_stall_is_told_by_the_deadline(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, 0, NULL), 0);
	bed_settle(w->bed);
	assert_int_equal(w->done, 0);
	clock_advance(w->bed->clock, 1000);
	bed_settle(w->bed);
	assert_int_equal(w->done, 1);
	assert_int_equal(w->rcs[0], ERR_TIMEOUT);
	assert_string_equal(w->last, "storage has not answered within 1000 ms");
	/* What comes after that is for nobody. */
	assert_int_equal(ask(w, 1, NULL), 0);
	answer(w, "..");
	bed_until_count(w->bed, &w->done, 2);
	assert_int_equal(w->rcs[0], ERR_TIMEOUT);
	assert_int_equal(w->rcs[1], 0);
}

static bool
is_taken(void *arg)
{
	struct world *w = arg;

	return atomic_load(&w->ran) > 0;
}

static void
no_more_wait_than_may(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;

	/* One is with the thread, sooner or later. */
	assert_int_equal(ask(w, 0, NULL), 0);
	answer(w, ".");
	bed_until(w->bed, is_taken, w);
	for (int i = 1; i < 4; i++)
		assert_int_equal(ask(w, i, &e), 0);
	while (!ask(w, 4, &e))
		;
	assert_int_equal(e.code, ERR_BUSY);
	assert_string_equal(e.msg, "storage has not answered 3 earlier requests");
	answer(w, "....");
}

static bool
all_dropped(void *arg)
{
	struct world *w = arg;

	return atomic_load(&w->dropped) == 2;
}

static void
nobody_waits_for_a_stalled_thread_to_end(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, 0, NULL), 0);
	assert_int_equal(ask(w, 1, NULL), 0);
	lease_io_free(MOVE(w->io));
	assert_int_equal(w->done, 0);
	answer(w, ".");
	bed_until(w->bed, all_dropped, w);
	bed_settle(w->bed);
	assert_int_equal(w->done, 0);
}

static void
a_forgotten_owner_hears_nothing(void **state)
{
	struct world *w = *state;

	assert_int_equal(ask(w, 0, NULL), 0);
	lease_io_forget(w->io, w);
	answer(w, ".");
	bed_until(w->bed, is_taken, w);
	clock_advance(w->bed->clock, 5000);
	bed_settle(w->bed);
	assert_int_equal(w->done, 0);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answers_come_in_order),
		TEST(a_stall_is_told_by_the_deadline),
		TEST(no_more_wait_than_may),
		TEST(nobody_waits_for_a_stalled_thread_to_end),
		TEST(a_forgotten_owner_hears_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

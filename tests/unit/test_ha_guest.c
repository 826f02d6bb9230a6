/* Guests that have stopped working, as their hosts tell of them. */
#include <string.h>

#include "base/mem.h"
#include "server/ha/ha_guest.h"
#include "tests/lib/lab.h"

#define S 1000u

/* The statistics' twin. */
struct figures {
	struct lab *lab;
	enum ha_guest_io io;
	unsigned asked;
	ha_io_fn done;
	void *arg;
};

static void
answer(void *arg)
{
	struct figures *f = arg;

	f->done(f->arg, f->io);
}

static void
ask(void *from, const struct inv *inv, obj_id vm, uint32_t ms, ha_io_fn done, void *arg)
{
	struct figures *f = from;

	assert_int_equal(ms, 90 * S);
	f->asked++;
	f->done = done;
	f->arg = arg;
	post_call(f->lab->loop, answer, f);
}

struct bed {
	struct lab *lab;
	struct ha_guests *guests;
	struct figures figures;
	obj_id vm;
	uint64_t beat;
};

static struct bed *
bed_new(const char *settings)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	b->lab = lab_new(1, 8192);
	b->figures = (struct figures){ .lab = b->lab, .io = HA_GUEST_IO_NONE };
	b->vm = lab_vm(b->lab, "web", true);
	assert_int_equal(
	    lab_do(b->lab, "cluster.update", b->lab->cluster, settings), 0);
	const struct ha_guests_opts o = {
		.inv = b->lab->inv,
		.hosts = b->lab->hosts,
		.ops = b->lab->ops,
		.ask_io = ask,
		.ask_from = &b->figures,
		.times = { 120 * S, 90 * S },
	};
	b->guests = ha_guests_new(&o);
	return b;
}

static void
bed_free(struct bed *b)
{
	ha_guests_free(b->guests);
	lab_free(b->lab);
	free(b);
}

/* So long, with something inside it answering or not; its host tells all the while. */
static void
go(struct bed *b, uint64_t ms, bool beats)
{
	for (uint64_t t = 0; t < ms; t += 5 * S) {
		lab_advance(b->lab, 5 * S);
		if (beats)
			b->beat++;
		struct vm *vm = inv_note_begin(b->lab->inv, b->vm);
		vm->guest_heartbeat = b->beat;
		inv_note_end(b->lab->inv, b->vm);
	}
}

static unsigned
resets(const struct bed *b)
{
	return lab_events(b->lab, "VmDasBeingResetEvent");
}

static void
one_that_is_silent_and_idle_is_reset(void **state)
{
	struct bed *b = bed_new("{'ha_enabled':true,'ha_monitoring':'high'}");

	go(b, 200 * S, true);
	assert_int_equal(b->figures.asked, 0);
	go(b, 60 * S, false);
	assert_int_equal(resets(b), 1);
	assert_int_equal(lab_events(b->lab, "VmResettingEvent"), 1);
	assert_int_equal(lab_power(b->lab, b->vm), POWER_ON);
	/* It never comes up again: then it is none of our business. */
	go(b, 600 * S, false);
	assert_int_equal(resets(b), 1);
	bed_free(b);
}

static void
one_that_works_is_let_alone(void **state)
{
	struct bed *b = bed_new("{'ha_enabled':true,'ha_monitoring':'high'}");

	b->figures.io = HA_GUEST_IO_SOME;
	go(b, 200 * S, true);
	go(b, 200 * S, false);
	assert_true(b->figures.asked > 1);
	assert_int_equal(resets(b), 0);
	bed_free(b);
}

static void
after_three_it_is_let_alone(void **state)
{
	struct bed *b = bed_new("{'ha_enabled':true,'ha_monitoring':'medium'}");

	for (unsigned i = 0; i < 5; i++) {
		go(b, 200 * S, true);
		go(b, 200 * S, false);
	}
	assert_int_equal(resets(b), 3);
	assert_int_equal(lab_events(b->lab, "VmMaxResetCountReachedEvent"), 1);
	bed_free(b);
}

static void
without_monitoring_nobody_looks(void **state)
{
	struct bed *b = bed_new("{'ha_enabled':true}");

	go(b, 200 * S, true);
	go(b, 300 * S, false);
	assert_int_equal(b->figures.asked, 0);
	assert_int_equal(
	    lab_do(b->lab, "vm.update", b->vm, "{'ha_monitoring':'high'}"), 0);
	go(b, 200 * S, true);
	go(b, 60 * S, false);
	assert_int_equal(resets(b), 1);
	bed_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_silent_and_idle_is_reset),
		cmocka_unit_test(one_that_works_is_let_alone),
		cmocka_unit_test(after_three_it_is_let_alone),
		cmocka_unit_test(without_monitoring_nobody_looks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

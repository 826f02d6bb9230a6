#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/stats/stat_live.h"
#include "server/stats/stats_int.h"
#include "tests/lib/lab.h"

#define STEP_MS 20000u

struct bed {
	struct lab *l;
	struct stats *stats;
	char dir[64];
	obj_id vm, on; /* a guest that runs, and its host */
	struct agent_fake *agent, *other;
	obj_id elsewhere; /* that one's host */
};

/* Whom samples are told. */
struct eye {
	struct stat_watcher *w;
	unsigned n;
	struct stat_live last;
};

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));
	struct stats_opts o = { .daemon = "", .interval_ms = STEP_MS, .write_s = 60 };
	struct err e = ERR_INIT;

	b->l = lab_new(2, 4096);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-stat-live-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	o.inv = b->l->inv;
	o.hosts = b->l->hosts;
	o.dir = b->dir;
	assert_int_equal(stats_new(&o, &b->stats, &e), 0);
	b->vm = lab_vm(b->l, "web", true);
	b->on = inv_vm(b->l->inv, b->vm)->host;
	unsigned at = obj_id_is(b->on, b->l->host[0]) ? 0 : 1;
	b->agent = b->l->agent[at];
	b->other = b->l->agent[!at];
	b->elsewhere = b->l->host[!at];
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);

	stats_free(b->stats);
	lab_free(b->l);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
	free(b);
	return 0;
}

static void
on_sample(void *arg, const struct stat_live *x)
{
	struct eye *y = arg;

	y->n++;
	y->last = *x;
}

static int
watch(struct bed *b, struct eye *y, obj_id id, bool is_close)
{
	const struct stat_watch_ask ask = { id, is_close, on_sample, y };
	struct err e = ERR_INIT;
	int rc = stats_watch(b->stats, &ask, &y->w, &e);

	lab_settle(b->l);
	return rc;
}

static void
unwatch(struct bed *b, struct eye *y)
{
	stats_unwatch(b->stats, y->w);
	lab_settle(b->l);
}

/* What an agent sampled of a guest in two seconds. */
static void
tell(struct bed *b, struct agent_fake *a, obj_id vm, uint64_t value)
{
	uint32_t counters[] = { METRIC_CPU_USAGE, METRIC_CPU_READY, METRIC_MAX - 1 };
	uint64_t values[] = { value, 2 * value, 1 };
	Drover__StatSet set = DROVER__STAT_SET__INIT, *guests[] = { &set };
	Drover__StatRound r = DROVER__STAT_ROUND__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	set.id = obj_id_number(vm);
	set.n_counters = set.n_values = 3;
	set.counters = counters;
	set.values = values;
	r.span_ms = STAT_LIVE_MS;
	r.n_guests = 1;
	r.guests = guests;
	m.body_case = DROVER__ENVELOPE__BODY_STAT_LIVE;
	m.stat_live = &r;
	agent_fake_say(a, &m);
	lab_settle(b->l);
}

static void
its_agent_is_asked_while_somebody_watches(void **state)
{
	struct bed *b = *state;
	const Drover__StatWatch *w;
	struct eye y = { 0 }, z = { 0 };

	assert_null(agent_fake_watched(b->agent));
	assert_int_equal(watch(b, &y, b->vm, true), 0);
	w = agent_fake_watched(b->agent);
	assert_non_null(w);
	assert_int_equal(w->n_objects, 1);
	assert_int_equal(w->objects[0], obj_id_number(b->vm));
	assert_int_equal(w->interval_ms, STAT_LIVE_MS);
	assert_in_range(w->lease_ms, 10000, 60000);
	assert_null(agent_fake_watched(b->other));
	assert_int_equal(stats_watch_ms(b->stats, y.w), STAT_LIVE_MS);

	tell(b, b->agent, b->vm, 12500);
	assert_int_equal(y.n, 1);
	assert_true(obj_id_is(y.last.id, b->vm));
	assert_true(y.last.v[METRIC_CPU_USAGE] == 12.5f);
	assert_true(y.last.v[METRIC_CPU_READY] == 25);
	assert_true(isnan(y.last.v[METRIC_MEM_USAGE]));
	assert_int_equal(y.last.span_ms, STAT_LIVE_MS);
	/* It is kept nowhere. */
	assert_true(isnan(stats_now(b->stats, b->vm, METRIC_CPU_USAGE)));
	assert_true(isnan(stats_total(b->stats, b->vm, METRIC_CPU_READY)));

	/* Another who watches changes nothing; the host itself is 0. */
	assert_int_equal(watch(b, &z, b->vm, true), 0);
	assert_int_equal(agent_fake_watches(b->agent), 1);
	unwatch(b, &z);
	assert_int_equal(watch(b, &z, b->on, true), 0);
	w = agent_fake_watched(b->agent);
	assert_int_equal(w->n_objects, 2);
	assert_true(w->objects[0] == 0 || w->objects[1] == 0);
	unwatch(b, &z);
	unwatch(b, &y);
	assert_int_equal(agent_fake_watched(b->agent)->n_objects, 0);
	tell(b, b->agent, b->vm, 12500);
	assert_int_equal(y.n, 1);
}

static void
the_lease_is_renewed_and_asked_for_anew(void **state)
{
	struct bed *b = *state;
	struct eye y = { 0 };
	unsigned n;

	assert_int_equal(watch(b, &y, b->vm, true), 0);
	for (unsigned i = 0; i < 15; i++) {
		lab_advance(b->l, STAT_LIVE_MS);
		tell(b, b->agent, b->vm, 1000);
	}
	assert_in_range(agent_fake_watches(b->agent), 3, 5);
	/* A new life of the agent knows nothing of it. */
	agent_fake_restart(b->agent);
	agent_fake_dial(b->agent, b->l->hosts);
	lab_settle(b->l);
	for (unsigned i = 0; i < 5; i++)
		lab_advance(b->l, STAT_LIVE_MS);
	assert_non_null(agent_fake_watched(b->agent));
	unwatch(b, &y);
	n = agent_fake_watches(b->agent);
	for (unsigned i = 0; i < 15; i++)
		lab_advance(b->l, STAT_LIVE_MS);
	assert_int_equal(agent_fake_watches(b->agent), n);
}

static void
a_guest_that_moves_is_watched_where_it_is(void **state)
{
	struct bed *b = *state;
	struct eye y = { 0 };
	struct txn *t;
	struct vm *vm;

	assert_int_equal(watch(b, &y, b->vm, true), 0);
	/* Another host says nothing of it. */
	tell(b, b->other, b->vm, 1000);
	assert_int_equal(y.n, 0);
	t = txn_new(b->l->inv);
	vm = txn_edit(t, b->vm);
	vm->host = b->elsewhere;
	txn_commit(t, NULL, NULL);
	lab_settle(b->l);
	assert_int_equal(agent_fake_watched(b->agent)->n_objects, 0);
	assert_int_equal(agent_fake_watched(b->other)->n_objects, 1);
	tell(b, b->other, b->vm, 1000);
	assert_int_equal(y.n, 1);
	unwatch(b, &y);
}

/* The one of everybody, where there is none closer. */
static void
go_to_slot(struct bed *b)
{
	uint64_t wall_ms = clock_wall_ms(b->l->clock);

	lab_advance(b->l, STEP_MS - wall_ms % STEP_MS + 3);
}

static void
put(struct bed *b, obj_id id, float cpu)
{
	uint64_t slot = clock_wall_ms(b->l->clock) / STEP_MS;

	stats_put(b->stats, id, slot, METRIC_CPU_USAGEMHZ, cpu);
	stats_put(b->stats, id, slot, METRIC_CPU_READY, cpu);
	stats_tell(b->stats, id, slot);
}

static void
what_nobody_samples_closely_is_told_all_the_same(void **state)
{
	struct bed *b = *state;
	struct eye y = { 0 }, far = { 0 }, pool = { 0 };
	obj_id id = inv_vm(b->l->inv, b->vm)->pool;

	agent_fake_be_unwatchable(b->agent);
	agent_fake_dial(b->agent, b->l->hosts);
	lab_advance(b->l, 1000);
	assert_int_equal(watch(b, &y, b->vm, true), 0);
	assert_int_equal(watch(b, &far, b->vm, false), 0);
	assert_int_equal(watch(b, &pool, id, true), 0);
	assert_null(agent_fake_watched(b->agent));
	assert_int_equal(stats_watch_ms(b->stats, y.w), STEP_MS);
	assert_int_equal(stats_watch_ms(b->stats, pool.w), STEP_MS);
	go_to_slot(b);
	put(b, b->vm, 8);
	put(b, id, 9);
	assert_int_equal(y.n, 1);
	assert_int_equal(far.n, 1);
	assert_int_equal(pool.n, 1);
	assert_int_equal(y.last.span_ms, STEP_MS);
	assert_true(y.last.v[METRIC_CPU_USAGEMHZ] == 8);
	/* Kept by the second, told over its span. */
	assert_true(y.last.v[METRIC_CPU_READY] == 8 * STEP_MS / 1000);
	unwatch(b, &y);
	unwatch(b, &far);
	unwatch(b, &pool);
}

static void
nobody_is_told_twice(void **state)
{
	struct bed *b = *state;
	struct eye y = { 0 }, far = { 0 };

	assert_int_equal(watch(b, &y, b->vm, true), 0);
	assert_int_equal(watch(b, &far, b->vm, false), 0);
	go_to_slot(b);
	tell(b, b->agent, b->vm, 1000);
	put(b, b->vm, 8);
	assert_int_equal(y.n, 1);
	assert_int_equal(far.n, 1);
	/* The host has fallen silent. */
	lab_advance(b->l, STEP_MS);
	put(b, b->vm, 8);
	assert_int_equal(y.n, 2);
	unwatch(b, &y);
	unwatch(b, &far);
}

static void
only_so_much_of_a_host_is_watched_closely(void **state)
{
	struct bed *b = *state;
	obj_id vms[STAT_LIVE_PER_HOST];
	struct eye eyes[STAT_LIVE_PER_HOST + 1] = { 0 };
	struct txn *t;

	for (unsigned i = 0; i < STAT_LIVE_PER_HOST; i++) {
		AUTO_FREE char *name = xasprintf("more-%u", i);
		struct err e = ERR_INIT;
		void *o = NULL;

		t = txn_new(b->l->inv);
		assert_int_equal(txn_add(t, KIND_VM, b->l->dc, name, &o, &e), 0);
		((struct vm *)o)->host = b->on;
		vms[i] = ((struct obj *)o)->id;
		txn_commit(t, NULL, NULL);
		lab_settle(b->l);
		assert_int_equal(watch(b, &eyes[i], vms[i], true), 0);
	}
	assert_int_equal(agent_fake_watched(b->agent)->n_objects, STAT_LIVE_PER_HOST);
	assert_int_equal(
	    watch(b, &eyes[STAT_LIVE_PER_HOST], b->vm, true), ERR_NO_CAPACITY);
	/* What is watched already may be watched by others, too. */
	assert_int_equal(watch(b, &eyes[STAT_LIVE_PER_HOST], vms[0], true), 0);
	for (unsigned i = 0; i <= STAT_LIVE_PER_HOST; i++)
		unwatch(b, &eyes[i]);
	assert_int_equal(watch(b, &eyes[0], b->l->datastore, true), 0);
	unwatch(b, &eyes[0]);
	assert_int_equal(watch(b, &eyes[0], b->l->network, true), ERR_INVALID);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(its_agent_is_asked_while_somebody_watches),
		T(the_lease_is_renewed_and_asked_for_anew),
		T(a_guest_that_moves_is_watched_where_it_is),
		T(what_nobody_samples_closely_is_told_all_the_same),
		T(nobody_is_told_twice),
		T(only_so_much_of_a_host_is_watched_closely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/engine/move_suite.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/engine/engine_move.h"
#include "tests/engine/wire.h"

#define SIM_CUTS   50
#define QEMU_CUTS  12
#define SLOW_BYTES (24u << 20) /* a second: less than memory_writer changes */

extern const unsigned char memory_writer_sector[512];

static enum suite_kind kind;

/* A guest, and who waits for it. */
struct pair {
	struct suite *suite;
	struct suite_guest *from, *to;
	struct engine_arrival arrival;
	struct engine_departure departure;
	struct wire *wire;
	struct suite_running *leaves, *comes;
};

static struct pair *at; /* what the verbs below work on */

static void
verb_offer(struct suite_guest *sg, struct wake w)
{
	engine_move_offer(sg->g, w);
}

static void
move_in_with(struct suite_guest *sg, const struct engine_boot *b, struct wake w)
{
	engine_move_in(sg->g, b, &at->arrival, w);
}

static void
verb_move_in(struct suite_guest *sg, struct wake w)
{
	suite_boot(sg, move_in_with, w);
}

static void
verb_move_wait(struct suite_guest *sg, struct wake w)
{
	engine_move_wait(sg->g, w);
}

static void
verb_move_out(struct suite_guest *sg, struct wake w)
{
	engine_move_out(sg->g, &at->departure, w);
}

static void
verb_take_back(struct suite_guest *sg, struct wake w)
{
	engine_move_take_back(sg->g, w);
}

static void
verb_adopt_in(struct suite_guest *sg, struct wake w)
{
	engine_adopt_moving(sg->g, &sg->spec, ENGINE_MOVES_IN, at->arrival.run, w);
}

static void
verb_adopt_out(struct suite_guest *sg, struct wake w)
{
	engine_adopt_moving(sg->g, &sg->spec, ENGINE_MOVES_OUT, true, w);
}

static void
run(struct suite_guest *sg, suite_verb verb)
{
	struct err e = ERR_INIT;

	if (suite_run(sg, verb, &e))
		fail_msg("verb: %s", e.msg);
}

static struct suite_guest *
new_target(struct suite *s, struct suite_guest *from, uint64_t number)
{
	struct suite_guest *to = suite_guest_new(s, number, NULL, NULL);

	unlink(to->disk_path);
	snprintf(to->disk_path, sizeof(to->disk_path), "%s", from->disk_path);
	return to;
}

static void
pair_start(struct pair *p, struct suite *s, const void *boot)
{
	struct err e = ERR_INIT;

	*p = (struct pair){ .suite = s };
	at = p;
	p->from = suite_guest_new(s, 31, NULL, boot);
	p->to = new_target(s, p->from, 32);
	p->arrival.run = true;
	p->departure.downtime_ms = 300;
	p->departure.downtime_max_ms = 1000;
	p->departure.give_up_ms = 30000;
	if (suite_start(p->from, -1, &e))
		fail_msg("start: %s", e.msg);
}

/* The target waits for its bytes. */
static void
connect_pair(struct pair *p, const struct wire_opts *o)
{
	const struct engine_offer *offer;

	run(p->from, verb_offer);
	offer = engine_move_offered(p->from->g);
	assert_int_equal(offer->n_obstacles, 0);
	assert_true(offer->memory_bytes >= 64u << 20);
	p->arrival.shape = offer->shape;
	p->arrival.n_shape = offer->n_shape;
	p->wire = wire_new(o, &p->departure.memory_fd, &p->arrival.memory_fd);
	run(p->to, verb_move_in);
	p->comes = suite_begin(p->to, verb_move_wait);
}

static uint64_t
disconnect_pair(struct pair *p)
{
	return wire_free(MOVE(p->wire));
}

static void
pair_end(struct pair *p)
{
	suite_guest_free(p->from);
	suite_guest_free(p->to);
	at = NULL;
}

static void
expect_state(const struct suite_guest *sg, enum engine_state want)
{
	enum engine_state is = engine_guest_state(sg->g);

	if (is != want)
		fail_msg("vm-%d is %s, not %s: %s", (int)sg->number,
		    engine_state_name(is), engine_state_name(want),
		    engine_guest_reason(sg->g));
}

static int
leave(struct pair *p, struct err *e)
{
	p->leaves = suite_begin(p->from, verb_move_out);
	return suite_end(p->leaves, e);
}

static const struct wire_opts whole = { .cut_at = WIRE_WHOLE };

/* ---- it goes well ---- */

static void
moves_and_runs(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;
	const struct engine_progress *g;

	pair_start(&p, *state, NULL);
	connect_pair(&p, &whole);
	if (leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	assert_true(disconnect_pair(&p) > 0);
	expect_state(p.from, ENGINE_GIVEN);
	expect_state(p.to, ENGINE_RUNNING);
	g = engine_progress(p.from->g);
	assert_true(g->done_bytes > 0 && g->done_bytes == g->total_bytes);
	assert_true(g->total_ms > 0);
	/* Once more: done already. */
	run(p.to, verb_move_wait);
	/* It is given for good: nothing but its end follows. */
	assert_int_equal(suite_run(p.from, verb_resume, &e), ERR_BAD_STATE);
	run(p.from, verb_kill);
	run(p.to, verb_pause);
	run(p.to, verb_resume);
	expect_state(p.to, ENGINE_RUNNING);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static void
moves_paused(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	run(p.from, verb_pause);
	p.arrival.run = false;
	connect_pair(&p, &whole);
	if (leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	disconnect_pair(&p);
	expect_state(p.from, ENGINE_GIVEN);
	expect_state(p.to, ENGINE_PAUSED);
	run(p.from, verb_kill);
	run(p.to, verb_resume);
	expect_state(p.to, ENGINE_RUNNING);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

/* There and back again, into the same handle. */
static void
moves_back(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;
	struct suite_guest *was;

	pair_start(&p, *state, NULL);
	for (int i = 0; i < 3; i++) {
		connect_pair(&p, &whole);
		if (leave(&p, &e) || suite_end(p.comes, &e))
			fail_msg("move %d: %s", i, e.msg);
		disconnect_pair(&p);
		expect_state(p.to, ENGINE_RUNNING);
		run(p.from, verb_kill);
		was = p.from;
		p.from = p.to;
		p.to = was;
	}
	pair_end(&p);
}

/* ---- it does not ---- */

/* Whoever has it: exactly one runs, or it can be taken back and then runs. */
static void
expect_one_runs(struct pair *p, int left, int came)
{
	if (left) {
		assert_true(came);
		expect_state(p->from, ENGINE_RUNNING);
		expect_state(p->to, ENGINE_DOWN);
		return;
	}
	expect_state(p->from, ENGINE_GIVEN);
	if (!came) {
		expect_state(p->to, ENGINE_RUNNING);
		return;
	}
	expect_state(p->to, ENGINE_DOWN);
	run(p->from, verb_take_back);
	expect_state(p->from, ENGINE_RUNNING);
	run(p->from, verb_take_back);
}

/* Cut the stream; returns whether the source has noticed. */
static int
move_over(struct pair *p, const struct wire_opts *o)
{
	struct err e = ERR_INIT;
	int left, came;

	connect_pair(p, o);
	left = leave(p, &e);
	if (left && left != ERR_LOST)
		fail_msg("left: %s", e.msg);
	came = suite_end(MOVE(p->comes), &e);
	if (came && came != ERR_LOST)
		fail_msg("came: %s", e.msg);
	disconnect_pair(p);
	expect_one_runs(p, left, came);
	assert_int_equal(p->suite->n_events, 0);
	if (!came) {
		struct suite_guest *was = p->from;

		run(p->from, verb_kill);
		p->from = p->to;
		p->to = was;
	}
	return left;
}

static void
one_runs_wherever_it_is_cut(void **state)
{
	struct pair p;
	struct rng r;
	struct wire_opts o = whole;
	uint64_t bytes;
	int n = kind == SUITE_SIM ? SIM_CUTS : QEMU_CUTS, noticed = 0;
	struct err e = ERR_INIT;

	rng_seed(&r, 7);
	pair_start(&p, *state, NULL);
	connect_pair(&p, &whole);
	if (leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	bytes = disconnect_pair(&p);
	run(p.from, verb_kill);
	pair_end(&p);
	(*(struct suite **)state)->n_events = 0;
	pair_start(&p, *state, NULL);
	for (int i = 0; i < n; i++) {
		o.cut_at = i % 3 ? rng_below(&r, bytes) : bytes - 1 - (uint64_t)i / 3;
		noticed += move_over(&p, &o) != 0;
	}
	assert_true(noticed > 0);
	pair_end(&p);
}

static void
last_bytes_are_needed(void **state)
{
	struct pair p;
	struct wire_opts o = whole;

	pair_start(&p, *state, NULL);
	for (o.hold_back = 1; o.hold_back <= 4; o.hold_back++)
		assert_int_equal(move_over(&p, &o), 0);
	/* The guest is still the one that it was. */
	expect_state(p.from, ENGINE_RUNNING);
	expect_state(p.to, ENGINE_DOWN);
	assert_int_equal(move_over(&p, &whole), 0);
	expect_state(p.from, ENGINE_RUNNING);
	pair_end(&p);
}

static void
paused_one_stays_paused(void **state)
{
	struct pair p;
	struct wire_opts o = { .cut_at = WIRE_WHOLE, .hold_back = 1 };
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	run(p.from, verb_pause);
	p.arrival.run = false;
	connect_pair(&p, &o);
	assert_int_equal(leave(&p, &e), 0);
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	disconnect_pair(&p);
	run(p.from, verb_take_back);
	expect_state(p.from, ENGINE_PAUSED);
	/* The agent ends: it is still paused, not given. */
	engine_guest_free(p.from->g);
	engine_guest_free(p.to->g);
	suite_restart(p.suite);
	suite_guest_handle(p.from);
	suite_guest_handle(p.to);
	run(p.from, verb_adopt);
	expect_state(p.from, ENGINE_PAUSED);
	run(p.from, verb_resume);
	expect_state(p.from, ENGINE_RUNNING);
	pair_end(&p);
}

static uint64_t
bytes_done(const struct pair *p)
{
	return engine_progress(p->from->g)->done_bytes;
}

static bool
is_under_way(void *arg)
{
	const struct pair *p = arg;

	return bytes_done(p) > 0 || suite_has_ended(p->leaves);
}

static void
is_cancelled(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	for (int moment = 0; moment < 2; moment++) {
		connect_pair(&p, &slow);
		p.leaves = suite_begin(p.from, verb_move_out);
		if (moment == 0)
			loop_turn(p.suite->loop, 0);
		else
			suite_await(p.suite, is_under_way, &p);
		engine_move_cancel(p.from->g);
		if (suite_end(p.leaves, &e) != ERR_CANCELLED)
			fail_msg("move: %s", e.msg);
		assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
		expect_state(p.from, ENGINE_RUNNING);
		expect_state(p.to, ENGINE_DOWN);
		disconnect_pair(&p);
	}
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

/* The target is given up before the guest is whole. */
static void
target_is_killed(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	connect_pair(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, is_under_way, &p);
	run(p.to, verb_kill);
	assert_int_equal(suite_end(p.comes, &e), ERR_CANCELLED);
	assert_int_equal(suite_end(p.leaves, &e), ERR_LOST);
	disconnect_pair(&p);
	expect_state(p.from, ENGINE_RUNNING);
	expect_state(p.to, ENGINE_DOWN);
	pair_end(&p);
}

static void
source_is_killed(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	connect_pair(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, is_under_way, &p);
	run(p.from, verb_kill);
	assert_int_equal(suite_end(p.leaves, &e), ERR_CANCELLED);
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	disconnect_pair(&p);
	expect_state(p.from, ENGINE_DOWN);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static void
restart(struct pair *p)
{
	engine_guest_free(p->from->g);
	engine_guest_free(p->to->g);
	suite_restart(p->suite);
	suite_guest_handle(p->from);
	suite_guest_handle(p->to);
	free(p->leaves);
	free(p->comes);
	p->leaves = p->comes = NULL;
}

/* The agent of both ends in mid-copy, and the stream with it. */
static void
stays_when_the_agent_ends(void **state)
{
	const struct wire_opts slow = { 400000, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	connect_pair(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, is_under_way, &p);
	restart(&p);
	disconnect_pair(&p);
	run(p.from, verb_adopt_out);
	expect_state(p.from, ENGINE_RUNNING);
	assert_int_equal(suite_run(p.to, verb_adopt_in, &e), ERR_NOT_FOUND);
	expect_state(p.to, ENGINE_DOWN);
	/* It can leave again. */
	assert_int_equal(move_over(&p, &whole), 0);
	pair_end(&p);
}

static void
given_stays_given_when_the_agent_ends(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;
	struct wire_opts o = { .cut_at = WIRE_WHOLE, .hold_back = 2 };

	pair_start(&p, *state, NULL);
	connect_pair(&p, &o);
	assert_int_equal(leave(&p, &e), 0);
	p.leaves = NULL;
	assert_int_equal(suite_end(MOVE(p.comes), &e), ERR_LOST);
	disconnect_pair(&p);
	restart(&p);
	run(p.from, verb_adopt_out);
	expect_state(p.from, ENGINE_GIVEN);
	restart(&p);
	/* Nor does an adoption that knows nothing of the move let it run. */
	run(p.from, verb_adopt);
	expect_state(p.from, ENGINE_GIVEN);
	run(p.from, verb_take_back);
	expect_state(p.from, ENGINE_RUNNING);
	assert_int_equal(move_over(&p, &whole), 0);
	pair_end(&p);
}

static void
whole_one_is_let_go_by_the_next_agent(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	/* It came, and nobody had let it go. */
	p.arrival.run = false;
	connect_pair(&p, &whole);
	assert_int_equal(leave(&p, &e), 0);
	p.leaves = NULL;
	assert_int_equal(suite_end(MOVE(p.comes), &e), 0);
	disconnect_pair(&p);
	restart(&p);
	p.arrival.run = true;
	run(p.to, verb_adopt_in);
	expect_state(p.to, kind == SUITE_SIM ? ENGINE_PAUSED : ENGINE_RUNNING);
	run(p.from, verb_adopt_out);
	expect_state(p.from, ENGINE_GIVEN);
	pair_end(&p);
}

static void
refuses_what_does_not_fit(void **state)
{
	static const char odd[] = "{\"num_cpu\":\"many\"}";
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	p.arrival.shape = (const uint8_t *)odd;
	p.arrival.n_shape = sizeof(odd) - 1;
	p.arrival.memory_fd = -1;
	assert_true(suite_run(p.to, verb_move_in, &e) != 0);
	expect_state(p.to, ENGINE_DOWN);
	assert_int_equal(suite_run(p.to, verb_move_wait, &e), ERR_LOST);
	pair_end(&p);
}

/* ---- with real processes ---- */

static void
gives_up_in_time(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, SLOW_BYTES };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	p.departure.give_up_ms = 4000;
	p.departure.downtime_ms = 50;
	p.departure.downtime_max_ms = 100;
	connect_pair(&p, &slow);
	if (leave(&p, &e) != ERR_TIMEOUT)
		fail_msg("move: %s", e.msg);
	assert_non_null(strstr(e.msg, "vm-31 stays: given up after 4 s: its memory"));
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	disconnect_pair(&p);
	expect_state(p.from, ENGINE_RUNNING);
	/* What held for that move does not hold for a suspend. */
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static void
other_machines_are_refused(void **state)
{
	static const struct {
		const char *shape, *why;
	} cases[] = {
		{ "{\"machine\":\"pc-q35-99.0\",\"accel\":\"tcg\",\"boot_cpus\":1,"
		  "\"max_cpus\":1,\"num_cpu\":1,\"boot_mb\":64,\"max_mb\":2048,"
		  "\"dimms\":[]}",
		    "machine type pc-q35-99.0" },
		{ "{\"machine\":\"pc-q35-7.2\",\"accel\":\"hvf\",\"boot_cpus\":1,"
		  "\"max_cpus\":1,\"num_cpu\":1,\"boot_mb\":64,\"max_mb\":2048,"
		  "\"dimms\":[]}",
		    "it runs under hvf" },
	};
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		p.arrival.shape = (const uint8_t *)cases[i].shape;
		p.arrival.n_shape = strlen(cases[i].shape);
		p.arrival.memory_fd = -1;
		assert_int_equal(suite_run(p.to, verb_move_in, &e), ERR_UNSUPPORTED);
		if (!strstr(e.msg, cases[i].why))
			fail_msg("move in: %s", e.msg);
	}
	pair_end(&p);
}

/* ---- scripted faults ---- */

static void
script_holds_for_moves(void **state)
{
	struct suite *s = suite_new(SUITE_SIM, "move_out:31=lost,move_in:33=stuck");
	struct suite_guest *stuck;
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, s, NULL);
	p.departure.give_up_ms = 200;
	connect_pair(&p, &whole);
	assert_int_equal(leave(&p, &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "given up"));
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	disconnect_pair(&p);
	expect_state(p.from, ENGINE_RUNNING);
	stuck = new_target(s, p.from, 33);
	p.arrival.memory_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(suite_run(stuck, verb_move_in, &e), ERR_BUSY);
	suite_guest_free(stuck);
	pair_end(&p);
	suite_free(s);
}

static int
set_up(void **state)
{
	*state = suite_new(kind, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	suite_free(*state);
	return 0;
}

#define BOTH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
move_suite_run(enum suite_kind k)
{
	static const struct CMUnitTest alike[] = {
		BOTH(moves_and_runs),
		BOTH(moves_paused),
		BOTH(moves_back),
		BOTH(one_runs_wherever_it_is_cut),
		BOTH(last_bytes_are_needed),
		BOTH(paused_one_stays_paused),
		BOTH(is_cancelled),
		BOTH(target_is_killed),
		BOTH(source_is_killed),
		BOTH(stays_when_the_agent_ends),
		BOTH(given_stays_given_when_the_agent_ends),
		BOTH(whole_one_is_let_go_by_the_next_agent),
		BOTH(refuses_what_does_not_fit),
	};
	static const struct CMUnitTest qemu_only[] = {
		BOTH(gives_up_in_time),
		BOTH(other_machines_are_refused),
	};
	static const struct CMUnitTest sim_only[] = {
		cmocka_unit_test(script_holds_for_moves),
	};
	int failed;

	kind = k;
	failed = cmocka_run_group_tests(alike, NULL, NULL);
	failed += k == SUITE_SIM ? cmocka_run_group_tests(sim_only, NULL, NULL)
				 : cmocka_run_group_tests(qemu_only, NULL, NULL);
	return failed;
}

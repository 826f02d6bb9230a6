#include "tests/engine/move_suite.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/engine/engine_console.h"
#include "tests/engine/pair.h"

#define SIM_CUTS   50
#define QEMU_CUTS  12
#define SLOW_BYTES (24u << 20) /* a second: less than memory_writer changes */

extern const unsigned char memory_writer_sector[512];

static enum suite_kind kind;

/* ---- it goes well ---- */

static void
moves_and_runs(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;
	const struct engine_progress *g;

	pair_start(&p, *state, NULL);
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	assert_true(pair_disconnect(&p) > 0);
	pair_expect(p.from, ENGINE_GIVEN);
	pair_expect(p.to, ENGINE_RUNNING);
	g = engine_progress(p.from->g);
	assert_true(g->done_bytes > 0 && g->done_bytes == g->total_bytes);
	assert_true(g->total_ms > 0);
	/* Once more: done already. */
	suite_must(p.to, verb_move_wait);
	/* It is given for good: nothing but its end follows. */
	assert_int_equal(suite_run(p.from, verb_resume, &e), ERR_BAD_STATE);
	suite_must(p.from, verb_kill);
	suite_must(p.to, verb_pause);
	suite_must(p.to, verb_resume);
	pair_expect(p.to, ENGINE_RUNNING);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static void
moves_paused(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	suite_must(p.from, verb_pause);
	p.arrival.run = false;
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_GIVEN);
	pair_expect(p.to, ENGINE_PAUSED);
	suite_must(p.from, verb_kill);
	suite_must(p.to, verb_resume);
	pair_expect(p.to, ENGINE_RUNNING);
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
		pair_connect(&p, &wire_whole);
		if (pair_leave(&p, &e) || suite_end(p.comes, &e))
			fail_msg("move %d: %s", i, e.msg);
		pair_disconnect(&p);
		pair_expect(p.to, ENGINE_RUNNING);
		suite_must(p.from, verb_kill);
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
		pair_expect(p->from, ENGINE_RUNNING);
		pair_expect(p->to, ENGINE_DOWN);
		return;
	}
	pair_expect(p->from, ENGINE_GIVEN);
	if (!came) {
		pair_expect(p->to, ENGINE_RUNNING);
		return;
	}
	pair_expect(p->to, ENGINE_DOWN);
	suite_must(p->from, verb_take_back);
	pair_expect(p->from, ENGINE_RUNNING);
	suite_must(p->from, verb_take_back);
}

/* Cut the stream; returns whether the source has noticed. */
static int
move_over(struct pair *p, const struct wire_opts *o)
{
	struct err e = ERR_INIT;
	int left, came;

	pair_connect(p, o);
	left = pair_leave(p, &e);
	if (left && left != ERR_LOST)
		fail_msg("left: %s", e.msg);
	came = suite_end(MOVE(p->comes), &e);
	if (came && came != ERR_LOST)
		fail_msg("came: %s", e.msg);
	pair_disconnect(p);
	expect_one_runs(p, left, came);
	assert_int_equal(p->suite->n_events, 0);
	if (!came) {
		struct suite_guest *was = p->from;

		suite_must(p->from, verb_kill);
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
	struct wire_opts o = wire_whole;
	uint64_t bytes;
	int n = kind == SUITE_SIM ? SIM_CUTS : QEMU_CUTS, noticed = 0;
	struct err e = ERR_INIT;

	rng_seed(&r, 7);
	pair_start(&p, *state, NULL);
	pair_connect(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(p.comes, &e))
		fail_msg("move: %s", e.msg);
	bytes = pair_disconnect(&p);
	suite_must(p.from, verb_kill);
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
	struct wire_opts o = wire_whole;

	pair_start(&p, *state, NULL);
	for (o.hold_back = 1; o.hold_back <= 4; o.hold_back++)
		assert_int_equal(move_over(&p, &o), 0);
	/* The guest is still the one that it was. */
	assert_int_equal(p.from->number, 31);
	pair_expect(p.from, ENGINE_RUNNING);
	pair_expect(p.to, ENGINE_DOWN);
	assert_int_equal(move_over(&p, &wire_whole), 0);
	pair_expect(p.from, ENGINE_RUNNING);
	pair_end(&p);
}

static void
paused_one_stays_paused(void **state)
{
	struct pair p;
	struct wire_opts o = { .cut_at = WIRE_WHOLE, .hold_back = 1 };
	struct err e = ERR_INIT;

	pair_start(&p, *state, NULL);
	suite_must(p.from, verb_pause);
	p.arrival.run = false;
	pair_connect(&p, &o);
	assert_int_equal(pair_leave(&p, &e), 0);
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	pair_disconnect(&p);
	suite_must(p.from, verb_take_back);
	pair_expect(p.from, ENGINE_PAUSED);
	/* The agent ends: it is still paused, not given. */
	engine_guest_free(p.from->g);
	engine_guest_free(p.to->g);
	suite_restart(p.suite);
	suite_guest_handle(p.from);
	suite_guest_handle(p.to);
	suite_must(p.from, verb_adopt);
	pair_expect(p.from, ENGINE_PAUSED);
	suite_must(p.from, verb_resume);
	pair_expect(p.from, ENGINE_RUNNING);
	pair_end(&p);
}

static void
is_cancelled(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	for (int moment = 0; moment < 2; moment++) {
		pair_connect(&p, &slow);
		p.leaves = suite_begin(p.from, verb_move_out);
		if (moment == 0)
			loop_turn(p.suite->loop, 0);
		else
			suite_await(p.suite, pair_is_under_way, &p);
		engine_move_cancel(p.from->g);
		if (suite_end(p.leaves, &e) != ERR_CANCELLED)
			fail_msg("move: %s", e.msg);
		assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
		pair_expect(p.from, ENGINE_RUNNING);
		pair_expect(p.to, ENGINE_DOWN);
		pair_disconnect(&p);
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
	int left;

	pair_start(&p, *state, memory_writer_sector);
	pair_connect(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, pair_is_under_way, &p);
	suite_must(p.to, verb_kill);
	assert_int_equal(suite_end(p.comes, &e), ERR_CANCELLED);
	left = suite_end(p.leaves, &e);
	/* What is small may have left before. */
	if (kind != SUITE_OCI || left)
		assert_int_equal(left, ERR_LOST);
	pair_disconnect(&p);
	expect_one_runs(&p, left, ERR_CANCELLED);
	pair_end(&p);
}

static void
source_is_killed(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	pair_connect(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, pair_is_under_way, &p);
	suite_must(p.from, verb_kill);
	assert_int_equal(suite_end(p.leaves, &e), ERR_CANCELLED);
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_DOWN);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

/* The agent of both ends in mid-copy, and the stream with it. */
static void
stays_when_the_agent_ends(void **state)
{
	const struct wire_opts slow = { 400000, 0, 200000 };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	pair_connect(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, pair_is_under_way, &p);
	pair_restart(&p);
	pair_disconnect(&p);
	suite_must(p.from, verb_adopt_out);
	pair_expect(p.from, ENGINE_RUNNING);
	assert_int_equal(suite_run(p.to, verb_adopt_in, &e), ERR_NOT_FOUND);
	pair_expect(p.to, ENGINE_DOWN);
	/* It can leave again. */
	assert_int_equal(move_over(&p, &wire_whole), 0);
	pair_end(&p);
}

static void
given_stays_given_when_the_agent_ends(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;
	struct wire_opts o = { .cut_at = WIRE_WHOLE, .hold_back = 2 };

	pair_start(&p, *state, NULL);
	pair_connect(&p, &o);
	assert_int_equal(pair_leave(&p, &e), 0);
	p.leaves = NULL;
	assert_int_equal(suite_end(MOVE(p.comes), &e), ERR_LOST);
	pair_disconnect(&p);
	pair_restart(&p);
	suite_must(p.from, verb_adopt_out);
	pair_expect(p.from, ENGINE_GIVEN);
	pair_restart(&p);
	/* Nor does an adoption that knows nothing of the move let it run. */
	suite_must(p.from, verb_adopt);
	pair_expect(p.from, ENGINE_GIVEN);
	suite_must(p.from, verb_take_back);
	pair_expect(p.from, ENGINE_RUNNING);
	assert_int_equal(move_over(&p, &wire_whole), 0);
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
	pair_connect(&p, &wire_whole);
	assert_int_equal(pair_leave(&p, &e), 0);
	p.leaves = NULL;
	assert_int_equal(suite_end(MOVE(p.comes), &e), 0);
	pair_disconnect(&p);
	pair_restart(&p);
	p.arrival.run = true;
	suite_must(p.to, verb_adopt_in);
	pair_expect(p.to, kind == SUITE_SIM ? ENGINE_PAUSED : ENGINE_RUNNING);
	suite_must(p.from, verb_adopt_out);
	pair_expect(p.from, ENGINE_GIVEN);
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
	pair_expect(p.to, ENGINE_DOWN);
	assert_int_equal(suite_run(p.to, verb_move_wait, &e), ERR_LOST);
	pair_end(&p);
}

/* ---- with real processes ---- */

/* memory_writer says so on its console. */
static bool
has_begun(void *arg)
{
	const struct suite_guest *sg = arg;
	char buf[512] = "";

	engine_console_tail(sg->g, buf, sizeof(buf) - 1);
	return strstr(buf, "writing") != NULL;
}

static void
gives_up_in_time(void **state)
{
	const struct wire_opts slow = { WIRE_WHOLE, 0, SLOW_BYTES };
	struct pair p;
	struct err e = ERR_INIT;

	pair_start(&p, *state, memory_writer_sector);
	suite_await(p.suite, has_begun, p.from);
	p.departure.give_up_ms = 4000;
	p.departure.downtime_ms = 50;
	p.departure.downtime_max_ms = 100;
	pair_connect(&p, &slow);
	if (pair_leave(&p, &e) != ERR_TIMEOUT)
		fail_msg("move: %s", e.msg);
	assert_non_null(strstr(e.msg, "vm-31 stays: given up after 4 s: its memory"));
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_RUNNING);
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
	pair_connect(&p, &wire_whole);
	assert_int_equal(pair_leave(&p, &e), ERR_TIMEOUT);
	assert_non_null(strstr(e.msg, "given up"));
	assert_int_equal(suite_end(p.comes, &e), ERR_LOST);
	pair_disconnect(&p);
	pair_expect(p.from, ENGINE_RUNNING);
	stuck = pair_target(s, p.from, 33);
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
	/* CRIU wants one. */
	if (k == SUITE_OCI)
		assert_int_equal(system("ip link set lo up"), 0); /* NOLINT(cert-env33-c) */
	failed = cmocka_run_group_tests(alike, NULL, NULL);
	if (k == SUITE_OCI)
		return failed;
	failed += k == SUITE_SIM ? cmocka_run_group_tests(sim_only, NULL, NULL)
				 : cmocka_run_group_tests(qemu_only, NULL, NULL);
	return failed;
}

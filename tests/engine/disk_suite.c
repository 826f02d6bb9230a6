#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/engine/move_suite.h"
#include "tests/engine/pair.h"

#define FILL_FROM (4 << 20)
#define FILL_TO   (12 << 20)

extern const unsigned char disk_writer_sector[512];

/* Something that takes its time. */
static void
fill_disk(const struct suite_guest *sg)
{
	AUTO_CLOSE int fd = open(sg->disk_path, O_WRONLY | O_CLOEXEC);
	char block[4096];

	memset(block, 'd', sizeof(block));
	for (off_t at_byte = FILL_FROM; at_byte < FILL_TO; at_byte += sizeof(block))
		assert_int_equal(
		    pwrite(fd, block, sizeof(block), at_byte), sizeof(block));
}

/* A guest that writes to its disk all the time, and a disk for it to come to. */
static void
disk_pair_start(struct pair *p, struct suite *s)
{
	struct err e = ERR_INIT;

	pair_of(p, s);
	p->from = suite_guest_new(s, 31, NULL, disk_writer_sector);
	p->to = suite_guest_new(s, 32, NULL, NULL);
	fill_disk(p->from);
	p->departure.downtime_ms = 300;
	p->departure.give_up_ms = 30000;
	if (suite_start(p->from, -1, &e))
		fail_msg("start: %s", e.msg);
}

static void
connect_with_disk(struct pair *p, const struct wire_opts *o)
{
	p->there.disk = p->here.disk = "disk-0";
	p->disk_wire = wire_new(o, &p->there.fd, &p->here.fd);
	p->departure.disks = &p->there;
	p->arrival.disks = &p->here;
	p->departure.n_disks = p->arrival.n_disks = 1;
	pair_connect(p, &wire_whole);
}

static void
expect_same_content(const struct pair *p)
{
	AUTO_FREE char *command =
	    xasprintf("cmp '%s' '%s'", p->from->disk_path, p->to->disk_path);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

static void
disk_goes_along(void **state)
{
	struct pair p;
	struct err e = ERR_INIT;

	disk_pair_start(&p, *state);
	/* It stands still where it has come, so that both can be compared. */
	connect_with_disk(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(MOVE(p.comes), &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	assert_true(wire_free(p.disk_wire) > 0);
	pair_expect(p.from, ENGINE_GIVEN);
	pair_expect(p.to, ENGINE_PAUSED);
	expect_same_content(&p);
	pair_run(p.from, verb_kill);
	pair_run(p.to, verb_resume);
	pair_expect(p.to, ENGINE_RUNNING);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

static void
disk_stays_where_it_is_cut(void **state)
{
	static const struct wire_opts cuts[] = { { 100, 0, 0 }, { 3 << 20, 0, 0 } };
	const struct wire_opts lost_end = { WIRE_WHOLE, 1, 0 };
	struct pair p;
	struct err e = ERR_INIT;

	disk_pair_start(&p, *state);
	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		connect_with_disk(&p, &cuts[i]);
		assert_true(pair_leave(&p, &e) != 0);
		assert_int_equal(suite_end(MOVE(p.comes), &e), ERR_LOST);
		pair_disconnect(&p);
		wire_free(p.disk_wire);
		pair_expect(p.from, ENGINE_RUNNING);
		pair_expect(p.to, ENGINE_DOWN);
	}
	/* Its disk has come, the end of its memory has not: taken back, it still writes
	 * to its own. */
	connect_with_disk(&p, &wire_whole);
	pair_run(p.to, verb_kill);
	assert_int_equal(suite_end(MOVE(p.comes), &e), ERR_CANCELLED);
	assert_true(pair_leave(&p, &e) != 0);
	pair_disconnect(&p);
	wire_free(p.disk_wire);
	pair_expect(p.from, ENGINE_RUNNING);
	p.disk_wire = wire_new(&wire_whole, &p.there.fd, &p.here.fd);
	pair_connect(&p, &lost_end);
	assert_int_equal(pair_leave(&p, &e), 0);
	assert_int_equal(suite_end(MOVE(p.comes), &e), ERR_LOST);
	pair_disconnect(&p);
	wire_free(p.disk_wire);
	pair_run(p.from, verb_take_back);
	pair_expect(p.from, ENGINE_RUNNING);
	assert_int_equal(p.suite->n_events, 0);
	pair_end(&p);
}

/* The agent of a source ends while its disk is copied. */
static void
mirror_ends_with_the_agent(void **state)
{
	const struct wire_opts slow = { 4 << 20, 0, 4 << 20 };
	struct pair p;
	struct err e = ERR_INIT;

	disk_pair_start(&p, *state);
	connect_with_disk(&p, &slow);
	p.leaves = suite_begin(p.from, verb_move_out);
	suite_await(p.suite, pair_is_under_way, &p);
	assert_string_equal(engine_progress(p.from->g)->phase, "copying disks");
	pair_restart(&p);
	pair_disconnect(&p);
	wire_free(p.disk_wire);
	pair_run(p.from, verb_adopt_out);
	pair_expect(p.from, ENGINE_RUNNING);
	assert_int_equal(suite_run(p.to, verb_adopt_in, &e), ERR_NOT_FOUND);
	connect_with_disk(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(MOVE(p.comes), &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	wire_free(p.disk_wire);
	pair_end(&p);
}

static int
set_up(void **state)
{
	*state = suite_new(SUITE_QEMU, NULL);
	return 0;
}

static int
tear_down(void **state)
{
	suite_free(*state);
	return 0;
}

#define GUEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
disk_suite_run(void)
{
	static const struct CMUnitTest tests[] = {
		GUEST(disk_goes_along),
		GUEST(disk_stays_where_it_is_cut),
		GUEST(mirror_ends_with_the_agent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

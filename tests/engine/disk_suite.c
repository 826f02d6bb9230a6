#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/engine/move_suite.h"
#include "tests/engine/pair.h"
#include "tests/lib/borrow.h"

#define DISK_BYTES (16 << 20)
#define FILL_FROM  (4 << 20)
#define FILL_TO    (12 << 20)

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

static off_t
allocated(const struct suite_guest *sg)
{
	struct stat st;

	assert_int_equal(stat(sg->disk_path, &st), 0);
	return st.st_blocks;
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
	/* What was never written takes no room there either. */
	assert_true(allocated(p.to) <= allocated(p.from));
	suite_must(p.from, verb_kill);
	suite_must(p.to, verb_resume);
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
	suite_must(p.to, verb_kill);
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
	suite_must(p.from, verb_take_back);
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
	suite_must(p.from, verb_adopt_out);
	pair_expect(p.from, ENGINE_RUNNING);
	assert_int_equal(suite_run(p.to, verb_adopt_in, &e), ERR_NOT_FOUND);
	connect_with_disk(&p, &wire_whole);
	if (pair_leave(&p, &e) || suite_end(MOVE(p.comes), &e))
		fail_msg("move: %s", e.msg);
	pair_disconnect(&p);
	wire_free(p.disk_wire);
	pair_end(&p);
}

/* ---- to another image on the same host ---- */

/* A disk that moves. */
struct shift {
	struct suite_guest *sg;
	char path[160];
	Drover__DiskSpec spec;
	uint64_t bytes_per_s;
	enum engine_disk_end how;
};

static struct shift *shifts;

static void
verb_disk_move(struct suite_guest *sg, struct wake w)
{
	AUTO_CLOSE int fd = open(shifts->path, O_RDWR | O_CLOEXEC);
	struct engine_disk to = { .fd = fd };
	struct engine_disk_move m = { .spec = &sg->spec,
		.to = &to,
		.to_spec = &shifts->spec,
		.bytes_per_s = shifts->bytes_per_s,
		.flatten = true };

	assert_true(fd >= 0);
	engine_disk_move(sg->g, &m, w);
}

static void
verb_disk_move_end(struct suite_guest *sg, struct wake w)
{
	engine_disk_move_end(sg->g, shifts->how, w);
}

static void
shift_start(struct shift *t, struct suite *s)
{
	struct err e = ERR_INIT;

	*t = (struct shift){ .sg = suite_guest_new(s, 41, NULL, disk_writer_sector) };
	shifts = t;
	snprintf(t->path, sizeof(t->path), "%s.new", t->sg->disk_path);
	fill_disk(t->sg);
	drover__disk_spec__init(&t->spec);
	t->spec.name = borrow("disk-0");
	t->spec.format = borrow("raw");
	t->spec.datastore = 2;
	t->spec.path = borrow("vms/vm-41/disk-0.raw");
	if (suite_start(t->sg, -1, &e))
		fail_msg("start: %s", e.msg);
}

static void
make_target(const struct shift *t)
{
	AUTO_CLOSE int fd = open(t->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
}

static void
expect_copied(const struct shift *t)
{
	AUTO_FREE char *command = xasprintf("cmp '%s' '%s'", t->sg->disk_path, t->path);

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

/* How many descriptors of its process are that file. */
static int
opened(const struct suite_guest *sg, const char *path)
{
	AUTO_FREE char *command =
	    xasprintf("exit $(ls -l /proc/%d/fd | grep -c -- '-> %s$')",
		(int)engine_guest_stat(sg->g)->pid, path);

	return WEXITSTATUS(system(command)); /* NOLINT(cert-env33-c): our own text */
}

static void
disk_goes_to_another_image(void **state)
{
	struct shift t;

	shift_start(&t, *state);
	/* Kept once: nothing is left of it. */
	for (t.how = ENGINE_DISK_KEEP;; t.how = ENGINE_DISK_TAKE) {
		make_target(&t);
		suite_must(t.sg, verb_disk_move);
		/* Both hold the same, and what the guest writes waits. */
		expect_copied(&t);
		suite_must(t.sg, verb_disk_move_end);
		pair_expect(t.sg, ENGINE_RUNNING);
		if (t.how == ENGINE_DISK_TAKE)
			break;
		assert_true(opened(t.sg, t.sg->disk_path) > 0);
		assert_int_equal(opened(t.sg, t.path), 0);
	}
	assert_true(opened(t.sg, t.path) > 0);
	assert_int_equal(opened(t.sg, t.sg->disk_path), 0);
	assert_int_equal(((struct suite *)*state)->n_events, 0);
	suite_guest_free(t.sg);
}

static bool
is_copying(void *arg)
{
	const struct shift *t = arg;

	return *engine_progress(t->sg->g)->phase;
}

static void
disk_move_is_cancelled(void **state)
{
	struct shift t;
	struct suite_running *r;
	struct err e = ERR_INIT;

	shift_start(&t, *state);
	make_target(&t);
	t.bytes_per_s = 1;
	r = suite_begin(t.sg, verb_disk_move);
	suite_await(*state, is_copying, &t);
	engine_move_cancel(t.sg->g);
	if (suite_end(r, &e) != ERR_CANCELLED)
		fail_msg("move: %s", e.msg);
	pair_expect(t.sg, ENGINE_RUNNING);
	assert_int_equal(opened(t.sg, t.path), 0);
	suite_guest_free(t.sg);
}

/* The agent ends while both are the same; the record says which it is. */
static void
record_says_where_the_disk_is(void **state)
{
	struct suite *s = *state;
	struct shift t;
	bool noted = false;

	shift_start(&t, s);
	for (int i = 0; i < 2; i++, noted = true) {
		make_target(&t);
		suite_must(t.sg, verb_disk_move);
		engine_guest_free(t.sg->g);
		suite_restart(s);
		suite_guest_handle(t.sg);
		t.sg->disk.datastore = noted ? t.spec.datastore : 1;
		t.sg->disk.path = noted ? t.spec.path : borrow("old.raw");
		suite_must(t.sg, verb_adopt);
		pair_expect(t.sg, ENGINE_RUNNING);
		suite_must(t.sg, verb_disk_move_end);
	}
	/* It has gone over when it is adopted: the disk is free for the next move. */
	t.bytes_per_s = 0;
	snprintf(t.path, sizeof(t.path), "%s.newest", t.sg->disk_path);
	make_target(&t);
	t.how = ENGINE_DISK_TAKE;
	suite_must(t.sg, verb_disk_move);
	suite_must(t.sg, verb_disk_move_end);
	assert_int_equal(s->n_events, 0);
	suite_guest_free(t.sg);
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
		GUEST(disk_goes_to_another_image),
		GUEST(disk_move_is_cancelled),
		GUEST(record_says_where_the_disk_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

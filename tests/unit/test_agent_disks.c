/*
 * A stopped machine's disk goes to another datastore of its host, with the real agent
 * and real images, and with the agent killed at each step.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/record/record.h"
#include "tests/lib/agent_play.h"

#define SKIPPED 77
#define GUEST   7
#define BYTES   (256u << 10)
#define DISK    "vms/vm-7/disk-0.raw"
#define CRASHED 137

struct bench {
	struct play *play;
	uint8_t content[BYTES];
	uint32_t step;
	uint64_t at; /* datastore that the disk is on */
};

static Drover__DiskSpec *
disk_spec(uint64_t datastore)
{
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = xstrdup("disk-0");
	d->datastore = datastore;
	d->path = xstrdup(DISK);
	d->format = xstrdup("raw");
	d->size_bytes = BYTES;
	return d;
}

static Drover__GuestSpec *
machine_spec(uint64_t datastore)
{
	Drover__GuestSpec *s = bed_spec(GUEST);

	free(s->engine);
	s->engine = xstrdup("qemu");
	s->disks = xcalloc(1, sizeof(Drover__DiskSpec *));
	s->disks[0] = disk_spec(datastore);
	s->n_disks = 1;
	return s;
}

static void
order(struct bench *b, Drover__Order *o)
{
	unsigned replies = b->play->replies;

	play_order(b->play, ++b->step, o);
	play_until(b->play, &b->play->replies, replies + 1);
}

static const char *
place(const struct bench *b, uint64_t datastore, const char *path)
{
	AUTO_FREE char *name = xasprintf("stores/%c/%s", (char)('0' + datastore), path);

	return bed_path(b->play->bed, name);
}

static void
attach(struct bench *b, uint64_t number)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__DatastoreAttach a = DROVER__DATASTORE_ATTACH__INIT;
	Drover__DatastoreSpec s = DROVER__DATASTORE_SPEC__INIT;
	AUTO_FREE char *uuid =
	    xasprintf("3f2504e0-4f89-41d3-9a0c-0305e82c330%c", (char)('0' + number));
	AUTO_FREE char *name = xasprintf("store-%c", (char)('0' + number));
	AUTO_FREE char *path = xstrdup(place(b, number, ""));
	char type[] = "dir";

	path[strlen(path) - 1] = '\0';
	s.datastore = number;
	s.name = name;
	s.type = type;
	s.uuid = uuid;
	s.path = path;
	s.create = true;
	a.spec = &s;
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_ATTACH;
	o.datastore_attach = &a;
	order(b, &o);
	play_assert_done(b->play);
}

static void
create(struct bench *b)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestCreate c = DROVER__GUEST_CREATE__INIT;

	c.spec = machine_spec(b->at);
	o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
	o.guest_create = &c;
	order(b, &o);
	play_assert_done(b->play);
	drover__guest_spec__free_unpacked(c.spec, NULL);
	bed_write(place(b, b->at, DISK), b->content, BYTES);
}

/* To the other datastore; the answer is waited for, or the agent's end. */
static void
move(struct bench *b, bool crashes)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestMoveDisks m = DROVER__GUEST_MOVE_DISKS__INIT;
	Drover__DiskMove d = DROVER__DISK_MOVE__INIT;
	Drover__DiskMove *moves[] = { &d };
	char name[] = "disk-0";

	m.guest = GUEST;
	m.spec = machine_spec(3 - b->at);
	m.disks = moves;
	m.n_disks = 1;
	d.disk = name;
	d.to = m.spec->disks[0];
	o.verb_case = DROVER__ORDER__VERB_GUEST_MOVE_DISKS;
	o.guest_move_disks = &m;
	if (crashes) {
		play_order(b->play, ++b->step, &o);
		assert_int_equal(WEXITSTATUS(play_await_end(b->play)), CRASHED);
	} else {
		order(b, &o);
	}
	drover__guest_spec__free_unpacked(m.spec, NULL);
}

static void
is_at(struct bench *b, uint64_t datastore)
{
	AUTO_FREE uint8_t *p = NULL;
	size_t n;

	assert_false(bed_exists(place(b, 3 - datastore, DISK)));
	p = bed_read(place(b, datastore, DISK), &n);
	assert_int_equal(n, BYTES);
	assert_memory_equal(p, b->content, BYTES);
	b->at = datastore;
}

static int
setup(void **state)
{
	AUTO_FREE char *conf =
	    xasprintf("[engine.qemu]\naccel = tcg\nuid_base = 64000\ngid = 64000\n"
		      "[cgroup]\nprefix = drover-test-%d\n",
		(int)getpid());
	struct bench *b = xcalloc(1, sizeof(*b));

	b->play = play_new(conf);
	b->at = 1;
	rng_secret(b->content, BYTES);
	assert_int_equal(
	    record_dir_make(bed_path(b->play->bed, "stores"), 0755, NULL), 0);
	play_run_agent(b->play);
	attach(b, 1);
	attach(b, 2);
	create(b);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	play_free(b->play);
	free(b);
	return 0;
}

static void
disk_moves_whole(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 2; i++) {
		move(b, false);
		play_assert_done(b->play);
		is_at(b, 3 - b->at);
	}
}

static void
image_in_the_way_stays(void **state)
{
	struct bench *b = *state;
	AUTO_FREE char *other = xstrdup(place(b, 2, DISK));
	AUTO_FREE char *folder = xstrdup(place(b, 2, "vms/vm-7"));

	assert_int_equal(record_dir_make(folder, 0711, NULL), 0);
	bed_write(other, "precious", 8);
	move(b, false);
	assert_non_null(b->play->reply->reply->fault);
	assert_string_equal(b->play->reply->reply->fault->code, "exists");
	assert_true(bed_exists(other));
	assert_int_equal(remove(other), 0);
	is_at(b, 1);
}

static void
agent_killed_at_each_step(void **state)
{
	static const char *const steps[] = { "absent", "claim", "copy", "there",
		"drop-old", "forget" };
	static const char *const whens[] = { "before", "after" };
	struct bench *b = *state;

	if (!FAULT_POINTS_BUILT)
		skip();
	for (size_t i = 0; i < 2 * ARRAY_SIZE(steps); i++) {
		AUTO_FREE char *where =
		    xasprintf("agent.move_disks.%s.%s", steps[i / 2], whens[i % 2]);

		play_end_agent(b->play, SIGKILL);
		setenv("DROVER_CRASH_AT", where, 1);
		play_run_agent(b->play);
		unsetenv("DROVER_CRASH_AT");
		move(b, true);
		play_run_agent(b->play);
		move(b, false);
		play_assert_done(b->play);
		is_at(b, 3 - b->at);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(disk_moves_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    image_in_the_way_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    agent_killed_at_each_step, setup, teardown),
	};

	if (geteuid() != 0 || access("/usr/bin/qemu-img", X_OK) ||
	    access("/usr/bin/qemu-system-x86_64", X_OK)) {
		puts("skipped: needs root and QEMU");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

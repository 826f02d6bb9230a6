/*
 * A machine's disks go to another datastore of its host, while it runs under the real
 * QEMU and while it does not, with the real agent and real images, and with the agent
 * killed at each step.
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
#define BYTES   (1u << 20)
#define DISK    "vms/vm-7/disk-0.raw"
#define LINKED  "vms/vm-7/disk-1.qcow2"
#define CRASHED 137
#define MOVE_MS 20000u
#define CRAWL   1u /* bytes a second: it never ends */
#define SLOW    (20u << 20)

struct bench {
	struct play *play;
	uint8_t content[BYTES];
	uint32_t step;
	uint64_t at; /* datastore that the disks are on */
	bool runs;
	pid_t pid;
	bool is_linked; /* it has a second disk, which stands on a template */
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

/* On what is the same on each datastore, under another name. */
static Drover__DiskSpec *
linked_spec(uint64_t datastore)
{
	Drover__DiskSpec *d = disk_spec(datastore);
	Drover__DiskLayer *below = xcalloc(1, sizeof(*below));

	free(d->name);
	free(d->path);
	free(d->format);
	d->name = xstrdup("disk-1");
	d->path = xstrdup(LINKED);
	d->format = xstrdup("qcow2");
	d->size_bytes = 0;
	drover__disk_layer__init(below);
	below->path =
	    xasprintf("templates/template-1/on-%c.qcow2", (char)('0' + datastore));
	below->format = xstrdup("qcow2");
	d->backing = xcalloc(1, sizeof(Drover__DiskLayer *));
	d->backing[0] = below;
	d->n_backing = 1;
	return d;
}

static Drover__GuestSpec *
machine_spec(const struct bench *b, uint64_t datastore)
{
	Drover__GuestSpec *s = bed_spec(GUEST);

	free(s->engine);
	s->engine = xstrdup("qemu");
	s->memory_mb = 64;
	s->disks = xcalloc(2, sizeof(Drover__DiskSpec *));
	s->disks[s->n_disks++] = disk_spec(datastore);
	if (b->is_linked)
		s->disks[s->n_disks++] = linked_spec(datastore);
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

	c.spec = machine_spec(b, b->at);
	o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
	o.guest_create = &c;
	order(b, &o);
	play_assert_done(b->play);
	drover__guest_spec__free_unpacked(c.spec, NULL);
	bed_write(place(b, b->at, DISK), b->content, BYTES);
}

static void
order_start(struct bench *b, bool make_disks)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart s = DROVER__GUEST_START__INIT;

	s.guest = GUEST;
	s.generation = 1;
	s.spec = machine_spec(b, b->at);
	s.make_disks = make_disks;
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &s;
	order(b, &o);
	drover__guest_spec__free_unpacked(s.spec, NULL);
}

static void
start(struct bench *b)
{
	order_start(b, false);
	play_assert_running(b->play);
	b->pid = b->play->reply->reply->guest->pid;
	b->runs = true;
}

static void
stop(struct bench *b)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStop s = DROVER__GUEST_STOP__INIT;

	s.guest = GUEST;
	s.mode = DROVER__STOP_MODE__STOP_KILL;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &s;
	order(b, &o);
	b->runs = false;
}

/* In the folder of all datastores. */
static void
sh(struct bench *b, const char *command)
{
	AUTO_FREE char *line =
	    xasprintf("cd %s && %s", bed_path(b->play->bed, "stores"), command);

	assert_int_equal(system(line), 0); /* NOLINT(cert-env33-c): our own text */
}

/* To the other datastore; ordered, and no more. */
static void
begin_move(struct bench *b, uint64_t bytes_per_s, uint32_t deadline_ms)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__Envelope envelope = DROVER__ENVELOPE__INIT;
	Drover__GuestMoveDisks m = DROVER__GUEST_MOVE_DISKS__INIT;
	Drover__DiskMove d[2] = { DROVER__DISK_MOVE__INIT, DROVER__DISK_MOVE__INIT };
	Drover__DiskMove *moves[] = { &d[0], &d[1] };

	m.guest = GUEST;
	m.spec = machine_spec(b, 3 - b->at);
	m.disks = moves;
	m.n_disks = m.spec->n_disks;
	for (size_t i = 0; i < m.n_disks; i++) {
		d[i].disk = m.spec->disks[i]->name;
		d[i].to = m.spec->disks[i];
	}
	o.verb_case = DROVER__ORDER__VERB_GUEST_MOVE_DISKS;
	o.guest_move_disks = &m;
	m.bytes_per_s = bytes_per_s;
	o.task = 77;
	o.step = ++b->step;
	o.deadline_ms = deadline_ms;
	envelope.body_case = DROVER__ENVELOPE__BODY_ORDER;
	envelope.order = &o;
	play_say(b->play, &envelope);
	drover__guest_spec__free_unpacked(m.spec, NULL);
}

/* The answer is waited for, or the agent's end. */
static void
move(struct bench *b, bool crashes)
{
	unsigned replies = b->play->replies;

	begin_move(b, 0, MOVE_MS);
	if (crashes)
		assert_int_equal(WEXITSTATUS(play_await_end(b->play)), CRASHED);
	else
		play_until(b->play, &b->play->replies, replies + 1);
}

static void
is_moved(struct bench *b)
{
	play_assert_done(b->play);
	if (b->runs)
		play_assert_running(b->play);
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
	if (b->is_linked)
		assert_false(bed_exists(place(b, 3 - datastore, LINKED)));
	b->at = datastore;
}

static int
setup_play(void **state)
{
	AUTO_FREE char *conf =
	    xasprintf("[engine.qemu]\naccel = tcg\nuid_base = 64000\ngid = 64000\n"
		      "[engine.oci]\nenabled = no\n"
		      "[cgroup]\nprefix = " PLAY_GROUP "\n",
		(int)getpid());
	struct bench *b = xcalloc(1, sizeof(*b));

	b->play = play_new(conf);
	b->at = 1;
	rng_secret(b->content, BYTES);
	b->content[511] = 0; /* nothing that firmware would start */
	assert_int_equal(
	    record_dir_make(bed_path(b->play->bed, "stores"), 0755, NULL), 0);
	play_run_agent(b->play);
	attach(b, 1);
	attach(b, 2);
	*state = b;
	return 0;
}

static int
setup(void **state)
{
	setup_play(state);
	create(*state);
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	if (b->runs)
		stop(b);
	play_free(b->play);
	free(b);
	return 0;
}

static void
first_start_makes_the_disks(void **state)
{
	struct bench *b = *state;

	order_start(b, true);
	play_assert_running(b->play);
	b->runs = true;
	assert_true(bed_exists(place(b, 1, DISK)));
}

static void
first_start_that_fails_leaves_nothing(void **state)
{
	struct bench *b = *state;

	b->is_linked = true; /* to an image that is not there */
	order_start(b, true);
	assert_non_null(b->play->reply->reply->fault);
	assert_string_equal(b->play->reply->reply->fault->code, "not_found");
	assert_false(bed_exists(place(b, 1, DISK)));
	b->is_linked = false;
	order_start(b, false);
	assert_non_null(b->play->reply->reply->fault);
	assert_false(bed_exists(place(b, 1, DISK)));
}

static void
disk_moves_whole(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		if (i == 2)
			start(b);
		move(b, false);
		is_moved(b);
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

/* The template is on both datastores; what the machine wrote is in its own image. */
static void
link_disk(struct bench *b)
{
	b->is_linked = true;
	sh(b, "mkdir -p 1/templates/template-1 2/templates/template-1 1/vms/vm-7 && "
	      "chmod 755 */templates */templates/template-1 && "
	      "qemu-img create -q -f qcow2 1/templates/template-1/on-1.qcow2 8M && "
	      "qemu-io -c 'write -P 7 0 4M' 1/templates/template-1/on-1.qcow2 "
	      ">/dev/null && chmod 640 1/templates/template-1/on-1.qcow2 && "
	      "cp -p 1/templates/template-1/on-1.qcow2 "
	      "2/templates/template-1/on-2.qcow2");
}

static void
write_to_link(struct bench *b)
{
	sh(b, "qemu-io -c 'write -P 9 2M 1M' -c 'write -z 1M 64k' 1/" LINKED
	      " >/dev/null");
}

static void
link_holds(struct bench *b)
{
	AUTO_FREE char *command = xasprintf(
	    "qemu-io -U -r -c 'read -P 9 2M 1M' -c 'read -P 0 1M 64k' -c 'read -P 7 0 "
	    "1M' -c 'read -P 7 3M 1M' -c 'read -P 0 4M 4M' %c/" LINKED
	    " | grep -c 'verification failed' | grep -qx 0 && qemu-img info -U %c/" LINKED
	    " | grep -q 'backing file: ../../templates/template-1/on-%c.qcow2' && "
	    "test $(stat -c %%b %c/" LINKED ") -lt 6000",
	    (char)('0' + b->at), (char)('0' + b->at), (char)('0' + b->at),
	    (char)('0' + b->at));

	sh(b, command);
}

static int
setup_linked(void **state)
{
	struct bench *b;

	setup_play(state);
	b = *state;
	link_disk(b);
	create(b);
	write_to_link(b);
	return 0;
}

static void
linked_disk_stays_linked(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		if (i == 2)
			start(b);
		move(b, false);
		is_moved(b);
		is_at(b, 3 - b->at);
		link_holds(b);
	}
}

/* The second one has nothing to stand on: the first one goes back. */
static void
all_go_or_none(void **state)
{
	struct bench *b = *state;

	sh(b, "rm 2/templates/template-1/on-2.qcow2");
	for (int i = 0; i < 2; i++) {
		if (i == 1)
			start(b);
		move(b, false);
		assert_non_null(b->play->reply->reply->fault);
		assert_non_null(
		    strstr(b->play->reply->reply->fault->message, "disk-1"));
		assert_null(strstr(
		    b->play->reply->reply->fault->message, "moved all the same"));
		is_at(b, 1);
		link_holds(b);
	}
	/* Nothing is left that would be in the way of the next. */
	sh(b, "cp -p 1/templates/template-1/on-1.qcow2 "
	      "2/templates/template-1/on-2.qcow2");
	move(b, false);
	is_moved(b);
	is_at(b, 2);
	link_holds(b);
}

/* More than goes at once however slow it is to be. */
static void
fill_much(struct bench *b)
{
	sh(b, "dd if=/dev/urandom of=1/" DISK " bs=1M seek=1 count=63 status=none && "
	      "sha256sum < 1/" DISK " > sum");
}

static void
move_is_given_up(void **state)
{
	struct bench *b = *state;
	unsigned replies;

	fill_much(b);
	start(b);
	replies = b->play->replies;
	begin_move(b, CRAWL, 2000);
	play_until(b->play, &b->play->replies, replies + 1);
	assert_non_null(b->play->reply->reply->fault);
	assert_false(bed_exists(place(b, 2, DISK)));
	sh(b, "sha256sum < 1/" DISK " | cmp - sum");
	move(b, false);
	is_moved(b);
	b->at = 2;
	sh(b, "test ! -e 1/" DISK " && sha256sum < 2/" DISK " | cmp - sum");
}

/* The machine's process has it open: the copy is on. */
static void
await_copy(struct bench *b)
{
	uint64_t end = clock_mono_ms(clock_system()) + MOVE_MS;
	AUTO_FREE char *command =
	    xasprintf("ls -l /proc/%d/fd | grep -q 'stores/%c/" DISK "'", (int)b->pid,
		(char)('0' + 3 - b->at));

	while (system(command)) { /* NOLINT(cert-env33-c): our own text */
		assert_true(clock_mono_ms(clock_system()) < end);
		loop_turn(b->play->loop, 10);
	}
}

/* What began while it ran ends by a copy of what it has left. */
static void
machine_that_ends_is_moved_all_the_same(void **state)
{
	struct bench *b = *state;
	unsigned replies;

	fill_much(b);
	start(b);
	replies = b->play->replies;
	begin_move(b, SLOW, MOVE_MS);
	await_copy(b);
	assert_int_equal(kill(b->pid, SIGKILL), 0);
	b->runs = false;
	play_until(b->play, &b->play->replies, replies + 1);
	play_assert_done(b->play);
	sh(b, "test ! -e 1/" DISK " && sha256sum < 2/" DISK " | cmp - sum");
}

static void
kill_at_each_step(struct bench *b)
{
	static const char *const steps[] = { "absent", "claim", "begin", "measure",
		"make", "open", "copy", "note", "over", "next", "there", "drop-old",
		"forget", "told" };
	static const char *const whens[] = { "before", "after" };

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
		is_moved(b);
		is_at(b, 3 - b->at);
		if (b->is_linked)
			link_holds(b);
	}
}

static void
agent_killed_at_each_step(void **state)
{
	kill_at_each_step(*state);
}

static void
agent_killed_at_each_step_while_it_runs(void **state)
{
	start(*state);
	kill_at_each_step(*state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    first_start_makes_the_disks, setup_play, teardown),
		cmocka_unit_test_setup_teardown(
		    first_start_that_fails_leaves_nothing, setup_play, teardown),
		cmocka_unit_test_setup_teardown(disk_moves_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    image_in_the_way_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    linked_disk_stays_linked, setup_linked, teardown),
		cmocka_unit_test_setup_teardown(all_go_or_none, setup_linked, teardown),
		cmocka_unit_test_setup_teardown(move_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    machine_that_ends_is_moved_all_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    agent_killed_at_each_step, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    agent_killed_at_each_step_while_it_runs, setup_linked, teardown),
	};

	if (geteuid() != 0 || access("/usr/bin/qemu-img", X_OK) ||
	    access("/usr/bin/qemu-system-x86_64", X_OK)) {
		puts("skipped: needs root and QEMU");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

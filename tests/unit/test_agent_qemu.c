#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/record/record.h"
#include "tests/lib/play_orders.h"

#define SKIPPED 77
#define GUEST   7
#define MIB     (1ull << 20)

/* A machine with an empty disk: its firmware finds nothing to boot and waits. */
static Drover__GuestSpec *
machine_spec(void)
{
	Drover__GuestSpec *s = bed_spec(GUEST);
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));

	free(s->engine);
	s->engine = xstrdup("qemu");
	s->memory_mb = 64;
	drover__disk_spec__init(d);
	d->name = xstrdup("disk-0");
	d->datastore = 1;
	d->path = xstrdup("vms/vm-7/disk-0.qcow2");
	d->format = xstrdup("qcow2");
	d->size_bytes = 16 * MIB;
	s->disks = xcalloc(1, sizeof(Drover__DiskSpec *));
	s->disks[0] = d;
	s->n_disks = 1;
	return s;
}

static void
create(struct play *p)
{
	Drover__GuestSpec *spec = machine_spec();

	play_create(p, spec);
	drover__guest_spec__free_unpacked(spec, NULL);
}

static pid_t
start(struct play *p, uint64_t generation)
{
	Drover__GuestSpec *spec = machine_spec();
	pid_t pid = play_start(p, spec, generation);

	drover__guest_spec__free_unpacked(spec, NULL);
	return pid;
}

static int
setup(void **state)
{
	AUTO_FREE char *conf =
	    xasprintf("[engine.qemu]\naccel = tcg\nuid_base = 64000\ngid = 64000\n"
		      "[engine.oci]\nenabled = no\n"
		      "[cgroup]\nprefix = " PLAY_GROUP "\n",
		(int)getpid());

	*state = play_new(conf);
	assert_int_equal(
	    record_dir_make(
		bed_path(((struct play *)*state)->bed, "stores"), 0755, NULL),
	    0);
	return 0;
}

static int
teardown(void **state)
{
	play_free(*state);
	return 0;
}

static void
machine_outlives_the_agent(void **state)
{
	struct play *p = *state;
	unsigned events;
	pid_t pid;

	play_run_agent(p);
	play_attach(p);
	create(p);
	assert_true(bed_exists(bed_path(p->bed, "stores/one/vms/vm-7/disk-0.qcow2")));
	pid = start(p, 1);
	play_end_agent(p, SIGKILL);
	assert_int_equal(kill(pid, 0), 0);

	play_run_agent(p);
	assert_int_equal(p->hello->hello->n_guests, 1);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_RUNNING);
	assert_int_equal(p->hello->hello->guests[0]->pid, pid);
	assert_int_equal(start(p, 1), pid);

	play_suspend(p, GUEST);
	assert_true(bed_exists(bed_path(p->bed, "stores/one/vms/vm-7/memory.img")));
	pid = start(p, 2);
	assert_false(bed_exists(bed_path(p->bed, "stores/one/vms/vm-7/memory.img")));

	events = p->events;
	assert_int_equal(kill(pid, SIGKILL), 0);
	play_until(p, &p->events, events + 1);
	assert_string_equal(p->event->event->what, "died");
	assert_non_null(strstr(p->event->event->reason, "SIGKILL"));

	start(p, 3);
	play_stop(p, GUEST, DROVER__STOP_MODE__STOP_KILL);
	play_delete(p, GUEST);
	assert_false(bed_exists(bed_path(p->bed, "stores/one/vms/vm-7")));
	assert_false(bed_exists(bed_path(p->bed, "run/vm-7")));
	assert_int_equal(play_end_agent(p, SIGTERM), 0);
}

/* A machine that dies while nobody looks is accounted for afterwards. */
static void
machine_that_died_meanwhile_is_told(void **state)
{
	struct play *p = *state;
	pid_t pid;

	play_run_agent(p);
	play_attach(p);
	create(p);
	pid = start(p, 1);
	assert_int_equal(play_end_agent(p, SIGTERM), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (kill(pid, 0) == 0 || errno != ESRCH)
		loop_turn(p->loop, 5);
	play_run_agent(p);
	assert_int_equal(
	    p->hello->hello->guests[0]->state, DROVER__GUEST_STATE__GUEST_FAILED);
	play_until(p, &p->events, 1);
	assert_string_equal(p->event->event->what, "died");
	play_delete(p, GUEST);
	assert_int_equal(play_end_agent(p, SIGTERM), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    machine_outlives_the_agent, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    machine_that_died_meanwhile_is_told, setup, teardown),
	};

	if (geteuid() != 0 || access("/usr/bin/qemu-img", X_OK) ||
	    access("/usr/bin/qemu-system-x86_64", X_OK)) {
		puts("skipped: needs root and QEMU");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

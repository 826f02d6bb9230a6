#include "tests/engine/device_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/engine_device.h"
#include "tests/lib/borrow.h"

#define GROWN_BYTES (32u << 20)
#define IOPS        500
#define BYTES_PER_S (8u << 20)

static void
verb_plug_disk(struct suite_guest *sg, struct wake w)
{
	struct engine_disk disk;
	struct engine_device d = { .spec = &sg->spec, .i = 1, .disk = &disk };

	suite_open_second(sg, &disk);
	engine_plug_disk(sg->g, &d, w);
	close(disk.fd);
}

static void
verb_unplug_disk(struct suite_guest *sg, struct wake w)
{
	struct engine_device d = { .spec = &sg->spec, .i = 1 };

	engine_unplug_disk(sg->g, &d, w);
}

static void
verb_grow_disk(struct suite_guest *sg, struct wake w)
{
	struct engine_device d = { .spec = &sg->spec, .i = 1 };

	engine_grow_disk(sg->g, &d, w);
}

static void
verb_limit_disk(struct suite_guest *sg, struct wake w)
{
	struct engine_device d = { .spec = &sg->spec, .i = 1 };

	engine_limit_disk(sg->g, &d, w);
}

static int nic_tap;
static Drover__NicSpec third;

static void
with_nic(struct suite_guest *sg, Drover__GuestSpec *spec, Drover__NicSpec *list[2])
{
	*spec = sg->spec;
	list[0] = &sg->nic;
	list[1] = &third;
	spec->nics = list;
	spec->n_nics = 2;
}

static void
verb_plug_nic(struct suite_guest *sg, struct wake w)
{
	Drover__NicSpec *list[2];
	Drover__GuestSpec spec;
	struct engine_device d = { .spec = &spec, .i = 1, .tap_fd = nic_tap };

	with_nic(sg, &spec, list);
	engine_plug_nic(sg->g, &d, w);
}

static void
verb_unplug_nic(struct suite_guest *sg, struct wake w)
{
	Drover__NicSpec *list[2];
	Drover__GuestSpec spec;
	struct engine_device d = { .spec = &spec, .i = 1 };

	with_nic(sg, &spec, list);
	engine_unplug_nic(sg->g, &d, w);
}

void
device_second_in(struct suite_guest *sg)
{
	sg->spec.n_disks = 2;
	sg->second.iops_limit = IOPS;
	suite_must(sg, verb_plug_disk);
}

void
device_second_grow(struct suite_guest *sg)
{
	sg->second.size_bytes = GROWN_BYTES;
	suite_must(sg, verb_grow_disk);
	sg->second.bytes_per_s_limit = BYTES_PER_S;
	suite_must(sg, verb_limit_disk);
}

void
device_second_out(struct suite_guest *sg)
{
	suite_must(sg, verb_unplug_disk);
	sg->spec.n_disks = 1;
}

void
device_nic_in(struct suite_guest *sg, int tap)
{
	drover__nic_spec__init(&third);
	third.name = borrow("nic-3");
	third.mac = borrow("52:54:00:00:00:33");
	nic_tap = tap;
	suite_must(sg, verb_plug_nic);
	close(tap);
}

void
device_nic_out(struct suite_guest *sg)
{
	suite_must(sg, verb_unplug_nic);
}

/* Nobody inside takes it out: an invented guest lets go at once, a machine's firmware
 * never does. */
static void
nobody_lets_go(struct suite_guest *sg)
{
	struct err e = ERR_INIT;

	assert_int_equal(suite_run(sg, verb_unplug_disk, &e), ERR_TIMEOUT);
	if (!strstr(e.msg, "vm-31 has not let go of blk-2"))
		fail_msg("unplug: %s", e.msg);
	assert_int_equal(suite_run(sg, verb_unplug_disk, &e), ERR_TIMEOUT);
}

void
devices_are_plugged(void **state)
{
	struct suite *s = *state;
	struct suite_guest *sg = suite_guest_new(s, 31, NULL, NULL);
	struct err e = ERR_INIT;

	suite_guest_second(sg);
	assert_int_equal(suite_start(sg, -1, &e), 0);
	device_second_in(sg);
	device_second_grow(sg);
	suite_must(sg, verb_pause);
	assert_int_equal(suite_run(sg, verb_unplug_disk, &e), ERR_BAD_STATE);
	suite_must(sg, verb_resume);
	engine_guest_free(sg->g);
	suite_restart(s);
	suite_guest_handle(sg);
	suite_must(sg, verb_adopt);
	suite_must(sg, verb_grow_disk);
	if (s->kind == SUITE_QEMU)
		nobody_lets_go(sg);
	else
		device_second_out(sg);
	suite_must(sg, verb_query);
	assert_int_equal(engine_guest_state(sg->g), ENGINE_RUNNING);
	/* As the spec has it, a later start has it too. */
	suite_must(sg, verb_kill);
	sg->spec.n_disks = 2;
	assert_int_equal(suite_start(sg, -1, &e), 0);
	suite_must(sg, verb_grow_disk);
	suite_guest_free(sg);
}

/*
 * Devices of guests on the simulated engine: what is on record after an update that
 * went well, and after one that did not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/guest/guest_spec.h"
#include "tests/lib/guest_world.h"

static void
add_disk(Drover__GuestSpec *s, unsigned n)
{
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = xasprintf("disk-%u", n);
	d->datastore = 1;
	d->path =
	    xasprintf("vms/vm-%llu/disk-%u.qcow2", (unsigned long long)s->guest, n);
	d->format = xstrdup("qcow2");
	d->size_bytes = 1 << 30;
	s->disks = xreallocarray(s->disks, s->n_disks + 1, sizeof(*s->disks));
	s->disks[s->n_disks++] = d;
}

static void
add_nic(Drover__GuestSpec *s)
{
	Drover__NicSpec *c = xcalloc(1, sizeof(*c));

	drover__nic_spec__init(c);
	c->name = xstrdup("nic-0");
	c->mac = xstrdup("52:54:00:00:00:07");
	c->bridge = xstrdup("br0");
	s->nics = xcalloc(1, sizeof(*s->nics));
	s->nics[s->n_nics++] = c;
}

static int
update(struct world *w, const Drover__GuestSpec *spec)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_UPDATE);

	NEW_BODY(o, guest_update, drover__guest_update__init)->spec =
	    guest_spec_dup(spec);
	return world_give(w, o);
}

/* Is that what the host has on record? */
static void
assert_on_record(struct world *w, const Drover__GuestSpec *spec)
{
	char wanted[65];

	guest_spec_digest(spec, wanted);
	assert_int_equal(QUERY(w, 7), 0);
	assert_string_equal(w->reply->guest->spec_digest, wanted);
}

static void
devices_come_and_go(void **state)
{
	struct world *w = *state;
	Drover__GuestSpec *spec = bed_spec(7);

	add_disk(spec, 0);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(update(w, spec), 0);
	add_disk(spec, 2);
	add_nic(spec);
	assert_int_equal(update(w, spec), 0);
	assert_on_record(w, spec);
	spec->disks[1]->size_bytes *= 2;
	spec->disks[1]->iops_limit = 50;
	spec->nics[0]->vlan = 9;
	assert_int_equal(update(w, spec), 0);
	assert_int_equal(update(w, spec), 0);
	assert_on_record(w, spec);
	drover__disk_spec__free_unpacked(spec->disks[--spec->n_disks], NULL);
	assert_int_equal(update(w, spec), 0);
	world_restart(w);
	bed_until(w->bed, world_is_adopted, w);
	assert_on_record(w, spec);
	guest_spec_free(spec);
}

/* The card is taken out last, and the guest keeps it: the disk goes out again. */
static void
failed_update_is_undone(void **state)
{
	struct world *w = *state;
	Drover__GuestSpec *spec = bed_spec(7), *next;

	world_close(w);
	bed_restart(w->bed);
	w->faults = "unplug a nic:7=stuck,plug a disk:8=stuck";
	world_open(w);
	add_disk(spec, 0);
	add_nic(spec);
	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(update(w, spec), 0);
	next = guest_spec_dup(spec);
	add_disk(next, 1);
	drover__nic_spec__free_unpacked(next->nics[--next->n_nics], NULL);
	assert_int_equal(update(w, next), ERR_BUSY);
	assert_non_null(strstr(w->fault.msg, "unplug a nic is stuck"));
	assert_on_record(w, spec);
	assert_int_equal(w->last.state, GUEST_RUNNING);
	guest_spec_free(spec);
	guest_spec_free(next);
}

static void
saved_memory_keeps_its_devices(void **state)
{
	struct world *w = *state;
	Drover__GuestSpec *spec = bed_spec(7);

	assert_int_equal(world_start(w, 7, 1), 0);
	assert_int_equal(SUSPEND(w, 7), 0);
	add_nic(spec);
	assert_int_equal(update(w, spec), ERR_UNSUPPORTED);
	assert_non_null(strstr(w->fault.msg, "needs power off"));
	guest_spec_free(spec);
}

#define IN_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_WORLD(devices_come_and_go),
		IN_WORLD(failed_update_is_undone),
		IN_WORLD(saved_memory_keeps_its_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

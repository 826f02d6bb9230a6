#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_change.h"
#include "tests/lib/agent_bed.h"

#define GB (UINT64_C(1) << 30)

static void
put(char **at, const char *s)
{
	/* An empty text is protobuf-c's own. */
	if (**at)
		free(*at);
	*at = xstrdup(s);
}

static void
add_disk(Drover__GuestSpec *s, unsigned n, uint64_t bytes)
{
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = xasprintf("disk-%u", n);
	d->datastore = 1;
	d->path = xasprintf("vms/vm-42/disk-%u.qcow2", n);
	d->format = xstrdup("qcow2");
	d->size_bytes = bytes;
	s->disks = xreallocarray(s->disks, s->n_disks + 1, sizeof(*s->disks));
	s->disks[s->n_disks++] = d;
}

static void
add_nic(Drover__GuestSpec *s, unsigned n)
{
	Drover__NicSpec *c = xcalloc(1, sizeof(*c));

	drover__nic_spec__init(c);
	c->name = xasprintf("nic-%u", n);
	c->mac = xasprintf("52:54:00:00:00:%02x", n);
	c->bridge = xstrdup("br0");
	s->nics = xreallocarray(s->nics, s->n_nics + 1, sizeof(*s->nics));
	s->nics[s->n_nics++] = c;
}

struct pair {
	Drover__GuestSpec *a, *b;
};

/* Two disks and a card, twice. */
static int
set_up(void **state)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->a = bed_spec(42);
	add_disk(p->a, 0, GB);
	add_disk(p->a, 1, GB);
	add_nic(p->a, 0);
	p->b = guest_spec_dup(p->a);
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct pair *p = *state;

	guest_spec_free(p->a);
	guest_spec_free(p->b);
	free(p);
	return 0;
}

/* Take the i-th disk out of the list. */
static void
drop_disk(Drover__GuestSpec *s, size_t i)
{
	drover__disk_spec__free_unpacked(s->disks[i], NULL);
	memmove(&s->disks[i], &s->disks[i + 1],
	    (--s->n_disks - i) * sizeof(Drover__DiskSpec *));
}

static void
assert_changes(const struct pair *p, const char *wanted)
{
	static const char *const names[] = { [CHANGE_DISK_NEW] = "new disk",
		[CHANGE_DISK_GROWN] = "grown disk",
		[CHANGE_DISK_LIMITS] = "limited disk",
		[CHANGE_NIC_NEW] = "new nic",
		[CHANGE_NIC_SET] = "set nic",
		[CHANGE_NIC_GONE] = "gone nic",
		[CHANGE_DISK_GONE] = "gone disk" };
	struct guest_changes all;
	AUTO(str) struct str got = STR_INIT;

	guest_changes(p->a, p->b, &all);
	for (size_t i = 0; i < all.n; i++)
		str_addf(&got, "%s%s %zu %zu", i ? ", " : "", names[all.v[i].kind],
		    all.v[i].was, all.v[i].is);
	assert_string_equal(str_cstr(&got), wanted);
}

static void
assert_hot(const struct pair *p, enum guest_held held, const char *why_not)
{
	struct err e = ERR_INIT;
	int rc = guest_change_hot(p->a, p->b, held, &e);

	assert_int_equal(rc, *why_not ? ERR_UNSUPPORTED : 0);
	if (*why_not && (!strstr(e.msg, "needs power off") || !strstr(e.msg, why_not)))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, why_not);
}

static void
devices_are_told_apart_by_name(void **state)
{
	struct pair *p = *state;

	assert_changes(p, "");
	drop_disk(p->a, 1);
	assert_changes(p, "new disk 0 1");
	assert_hot(p, GUEST_HELD_UP, "");
	assert_hot(p, GUEST_HELD_SAVED, "a disk of vm");
	add_disk(p->a, 2, GB);
	p->b->disks[0]->size_bytes = 2 * GB;
	p->b->disks[0]->iops_limit = 100;
	assert_changes(
	    p, "new disk 0 1, grown disk 0 0, limited disk 0 0, gone disk 1 0");
}

static void
cards_change_in_place(void **state)
{
	struct pair *p = *state;

	put(&p->b->nics[0]->bridge, "br1");
	p->b->nics[0]->vlan = 7;
	put(&p->b->nics[0]->address, "10.1.2.3/24");
	assert_changes(p, "set nic 0 0");
	assert_hot(p, GUEST_HELD_UP, "");
	assert_hot(p, GUEST_HELD_SAVED, "");
	add_nic(p->b, 1);
	assert_changes(p, "new nic 0 1, set nic 0 0");
	assert_hot(p, GUEST_HELD_SAVED, "a network card of vm");
	put(&p->b->nics[0]->name, "nic-2");
	assert_changes(p, "new nic 0 0, new nic 0 1, gone nic 0 0");
}

static void
what_a_running_guest_keeps(void **state)
{
	struct pair *p = *state;

	p->b->num_cpu = 4;
	put(&p->b->name, "other");
	put(&p->b->host_name, "other");
	assert_hot(p, GUEST_HELD_UP, "");
	put(&p->b->nics[0]->mac, "52:54:00:00:00:99");
	assert_hot(p, GUEST_HELD_UP, "nic-0 of vm g42 would have another address");
	put(&p->b->nics[0]->mac, p->a->nics[0]->mac);
	put(&p->b->disks[1]->path, "vms/vm-42/other.qcow2");
	assert_hot(p, GUEST_HELD_UP, "disk-1 of vm g42 would be another image");
	put(&p->b->disks[1]->path, p->a->disks[1]->path);
	drop_disk(p->b, 0);
	assert_hot(p, GUEST_HELD_UP, "disk-0 of vm g42 is what it boots from");
	put(&p->b->uuid, "6e9bd5ae-0000-4000-8000-000000000000");
	assert_hot(p, GUEST_HELD_UP, "only CPUs, memory");
}

static void
disks_never_shrink(void **state)
{
	struct pair *p = *state;
	struct err e = ERR_INIT;

	assert_int_equal(guest_change_check(p->a, p->b, &e), 0);
	p->b->disks[1]->size_bytes = 2 * GB;
	assert_int_equal(guest_change_check(p->a, p->b, &e), 0);
	/* 0 is the template's: not known here. */
	p->b->disks[1]->size_bytes = 0;
	assert_int_equal(guest_change_check(p->a, p->b, &e), 0);
	p->b->disks[1]->size_bytes = GB - 512;
	assert_int_equal(guest_change_check(p->a, p->b, &e), ERR_INVALID);
	assert_string_equal(e.msg,
	    "disk-1 of vm g42 cannot shrink from 1073741824 to 1073741312 bytes");
}

#define PAIRED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* A machine asks for its address; those inside a container are told at its start. */
static void
another_ip_address_is_the_guests_matter(void **state)
{
	struct pair *p = *state;

	put(&p->b->nics[0]->address, "10.1.2.3/24");
	assert_changes(p, "set nic 0 0");
	assert_hot(p, GUEST_HELD_UP, "");
	assert_hot(p, GUEST_HELD_SAVED, "");
	for (int i = 0; i < 2; i++) {
		Drover__GuestSpec *s = i ? p->b : p->a;

		s->container = xcalloc(1, sizeof(*s->container));
		drover__container_spec__init(s->container);
	}
	assert_hot(p, GUEST_HELD_UP, "IP address");
	put(&p->b->nics[0]->address, "");
	put(&p->b->nics[0]->gateway, "10.1.2.1");
	assert_hot(p, GUEST_HELD_UP, "IP address");
	put(&p->b->nics[0]->gateway, "");
	assert_hot(p, GUEST_HELD_UP, "");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		PAIRED(devices_are_told_apart_by_name),
		PAIRED(cards_change_in_place),
		PAIRED(what_a_running_guest_keeps),
		PAIRED(disks_never_shrink),
		PAIRED(another_ip_address_is_the_guests_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

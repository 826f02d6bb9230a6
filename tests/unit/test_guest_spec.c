#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/guest/guest_spec.h"
#include "tests/lib/agent_bed.h"

static void
put(char **at, const char *s)
{
	free(*at);
	*at = xstrdup(s);
}

static Drover__GuestSpec *
full_spec(void)
{
	Drover__GuestSpec *s = bed_spec(42);
	Drover__DiskSpec *d = xcalloc(1, sizeof(*d));
	Drover__NicSpec *c = xcalloc(1, sizeof(*c));

	drover__disk_spec__init(d);
	d->name = xstrdup("disk-0");
	d->datastore = 1;
	d->path = xstrdup("vms/vm-42/disk-0.qcow2");
	d->format = xstrdup("qcow2");
	d->backing = xcalloc(1, sizeof(Drover__DiskLayer *));
	d->backing[0] = xcalloc(1, sizeof(Drover__DiskLayer));
	drover__disk_layer__init(d->backing[0]);
	d->backing[0]->path = xstrdup("templates/template-1/disk.qcow2");
	d->backing[0]->format = xstrdup("qcow2");
	d->n_backing = 1;
	s->disks = xcalloc(1, sizeof(Drover__DiskSpec *));
	s->disks[0] = d;
	s->n_disks = 1;
	drover__nic_spec__init(c);
	c->mac = xstrdup("52:54:00:12:34:56");
	c->bridge = xstrdup("br0");
	s->nics = xcalloc(1, sizeof(Drover__NicSpec *));
	s->nics[0] = c;
	s->n_nics = 1;
	put(&s->engine, "qemu");
	return s;
}

static void
assert_refused(const Drover__GuestSpec *s, int code, const char *part)
{
	struct err e = ERR_INIT;

	assert_int_equal(guest_spec_check(s, "br0, br1", &e), code);
	if (code && !strstr(e.msg, part))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, part);
}

/* Set one text of the spec, see what the check says, and put it back. */
static void
assert_text(Drover__GuestSpec *s, char **at, const char *value, int code)
{
	char *was = *at;

	*at = xstrdup(value);
	assert_refused(s, code, "vm-42: ");
	free(*at);
	*at = was;
}

static void
sound_spec_passes(void **state)
{
	Drover__GuestSpec *s = full_spec();

	assert_refused(s, 0, "");
	assert_refused(NULL, ERR_INVALID, "without a number");
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
disk_stays_in_its_guests_folder(void **state)
{
	static const struct {
		const char *path;
		int code;
	} rows[] = {
		{ "vms/vm-42/disk-0.qcow2", 0 },
		{ "vms/vm-4/disk-0.qcow2", ERR_DENIED },
		{ "vms/vm-420/disk-0.qcow2", ERR_DENIED },
		{ "vms/vm-42/../vm-7/disk-0.qcow2", ERR_INVALID },
		{ "/vms/vm-42/disk-0.qcow2", ERR_DENIED },
		{ "templates/template-1/disk.qcow2", ERR_DENIED },
		{ "vms/vm-42/", ERR_INVALID },
		{ "vms/vm-42/a\nb", ERR_INVALID },
		{ "", ERR_DENIED },
	};

	Drover__GuestSpec *s = full_spec();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_text(s, &s->disks[0]->path, rows[i].path, rows[i].code);
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
texts_are_checked(void **state)
{
	Drover__GuestSpec *s = full_spec();
	Drover__DiskSpec *d = s->disks[0];
	Drover__NicSpec *c = s->nics[0];

	assert_text(s, &s->name, "", ERR_INVALID);
	assert_text(s, &s->name, "a/b", ERR_INVALID);
	assert_text(s, &s->uuid, "3f2504e0-4f89-41d3-9a0c-0305e82c330", ERR_INVALID);
	assert_text(s, &s->uuid, "3f2504e0-4f89-41d3-9a0c-0305e82c330,", ERR_INVALID);
	assert_text(s, &d->name, "-x", ERR_INVALID);
	assert_text(s, &d->format, "vmdk", ERR_INVALID);
	assert_text(s, &d->backing[0]->path, "templates/../x", ERR_INVALID);
	assert_text(s, &d->backing[0]->path, "vms/vm-2/disk-0.qcow2", ERR_DENIED);
	assert_text(s, &d->backing[0]->path, "vms/vm-42/disk-0.s1.qcow2", 0);
	assert_text(s, &d->backing[0]->path, "vms/vm-42/disk-0.qcow2", ERR_INVALID);
	assert_text(s, &c->bridge, "br1", 0);
	assert_text(s, &c->bridge, "br2", ERR_DENIED);
	assert_text(s, &c->bridge, "br0/../x", ERR_INVALID);
	assert_text(s, &c->bridge, "a-bridge-name-too-long", ERR_INVALID);
	assert_text(s, &c->mac, "ff:ff:ff:ff:ff:ff", ERR_INVALID);
	assert_text(s, &c->mac, "52:54:00:12:34", ERR_INVALID);
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
absurd_sizes_are_refused(void **state)
{
	Drover__GuestSpec *s = full_spec();

	s->num_cpu = 0;
	assert_refused(s, ERR_INVALID, "0 CPUs");
	s->num_cpu = GUEST_MAX_CPU + 1;
	assert_refused(s, ERR_INVALID, "CPUs");
	s->num_cpu = 1;
	s->memory_mb = 1ull << 63;
	assert_refused(s, ERR_INVALID, "MB of memory");
	s->memory_mb = 0;
	assert_refused(s, ERR_INVALID, "MB of memory");
	s->memory_mb = 64;
	s->nics[0]->vlan = 4095;
	assert_refused(s, ERR_INVALID, "VLAN 4095");
	s->nics[0]->vlan = 0;
	s->host_name = xmalloc(GUEST_MAX_SPEC_BYTES + 1);
	memset(s->host_name, 'x', GUEST_MAX_SPEC_BYTES);
	s->host_name[GUEST_MAX_SPEC_BYTES] = '\0';
	assert_refused(s, ERR_INVALID, "bytes of texts");
	drover__guest_spec__free_unpacked(s, NULL);
}

static Drover__GuestSpec *
container_spec(void)
{
	Drover__GuestSpec *s = full_spec();
	Drover__DiskSpec *d = s->disks[0];

	put(&s->engine, "oci");
	put(&d->path, "vms/vm-42/disk-0.ext4");
	put(&d->format, "ext4");
	put(&d->backing[0]->path, "templates/template-1/layer-0.ext4");
	put(&d->backing[0]->format, "ext4");
	s->container = xcalloc(1, sizeof(*s->container));
	drover__container_spec__init(s->container);
	return s;
}

static void
machines_and_containers_are_told_apart(void **state)
{
	Drover__GuestSpec *s = container_spec();
	Drover__ContainerSpec *c = s->container;
	Drover__SeedSpec seed = DROVER__SEED_SPEC__INIT;

	assert_refused(s, 0, "");
	assert_true(guest_spec_is_container(s));
	assert_text(s, &s->disks[0]->format, "qcow2", ERR_INVALID);
	assert_text(s, &s->disks[0]->backing[0]->format, "qcow2", ERR_INVALID);
	assert_text(s, &s->engine, "qemu", ERR_INVALID);
	/* One that is only invented. */
	assert_text(s, &s->engine, "sim", 0);
	s->seed = &seed;
	assert_refused(s, ERR_INVALID, "seed");
	s->seed = NULL;
	s->container = NULL;
	assert_refused(s, ERR_INVALID, "not qcow2 or raw");
	s->n_disks = 0;
	assert_refused(s, ERR_INVALID, "it is a machine");
	s->container = c;
	assert_refused(s, ERR_INVALID, "no root");
	s->n_disks = 1;
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
containers_settings_are_checked(void **state)
{
	Drover__GuestSpec *s = container_spec();
	Drover__ContainerSpec *c = s->container;

	c->devices = xcalloc(1, sizeof(char *));
	c->devices[0] = xstrdup("/dev/net/tun");
	c->n_devices = 1;
	s->dns = xcalloc(1, sizeof(char *));
	s->dns[0] = xstrdup("10.0.0.1");
	s->n_dns = 1;
	assert_refused(s, 0, "");
	assert_text(s, &c->devices[0], "/dev/../etc/shadow", ERR_INVALID);
	assert_text(s, &c->devices[0], "/dev/", ERR_INVALID);
	assert_text(s, &c->devices[0], "/dev/a b", ERR_INVALID);
	assert_text(s, &c->devices[0], "net/tun", ERR_INVALID);
	assert_text(s, &s->dns[0], "2001:db8::53", 0);
	assert_text(s, &s->dns[0], "ns.example\nsearch x", ERR_INVALID);
	assert_text(s, &s->host_name, "web-1.example", 0);
	assert_text(s, &s->host_name, "web 1", ERR_INVALID);
	assert_text(s, &s->host_name, "-web", ERR_INVALID);
	c->pids_limit = GUEST_MAX_PIDS + 1;
	assert_refused(s, ERR_INVALID, "processes");
	c->pids_limit = 0;
	c->swap_limit_mb = 1ull << 60;
	assert_refused(s, ERR_INVALID, "swap");
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
addresses_are_checked(void **state)
{
	Drover__GuestSpec *s = full_spec();
	Drover__NicSpec *c = s->nics[0];

	assert_text(s, &c->address, "10.1.2.3/24", 0);
	assert_text(s, &c->address, "10.1.2.3", ERR_INVALID);
	assert_text(s, &c->address, "10.1.2.3/", ERR_INVALID);
	assert_text(s, &c->address, "10.1.2.3/33", ERR_INVALID);
	assert_text(s, &c->address, "10.1.2.3/24x", ERR_INVALID);
	assert_text(s, &c->address, "2001:db8::1/64", ERR_INVALID);
	assert_text(s, &c->gateway, "10.1.2.1", 0);
	assert_text(s, &c->gateway, "10.1.2.1/24", ERR_INVALID);
	drover__guest_spec__free_unpacked(s, NULL);
}

static void
lists_are_words(void **state)
{
	assert_true(guest_list_has("br0", "br0"));
	assert_true(guest_list_has("a, br0 ,c", "br0"));
	assert_false(guest_list_has("br01,br", "br0"));
	assert_false(guest_list_has("", "br0"));
	assert_false(guest_list_has("a,,b", "c"));
}

static void
digest_names_the_spec(void **state)
{
	Drover__GuestSpec *a = full_spec();
	Drover__GuestSpec *b = guest_spec_dup(a);
	char da[65], db[65];

	guest_spec_digest(a, da);
	guest_spec_digest(b, db);
	assert_string_equal(da, db);
	assert_true(guest_spec_same(a, b));
	assert_int_equal(strlen(da), 64);
	b->memory_mb++;
	guest_spec_digest(b, db);
	assert_string_not_equal(da, db);
	assert_false(guest_spec_same(a, b));
	drover__guest_spec__free_unpacked(a, NULL);
	drover__guest_spec__free_unpacked(b, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_spec_passes),
		cmocka_unit_test(disk_stays_in_its_guests_folder),
		cmocka_unit_test(texts_are_checked),
		cmocka_unit_test(absurd_sizes_are_refused),
		cmocka_unit_test(machines_and_containers_are_told_apart),
		cmocka_unit_test(containers_settings_are_checked),
		cmocka_unit_test(addresses_are_checked),
		cmocka_unit_test(lists_are_words),
		cmocka_unit_test(digest_names_the_spec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

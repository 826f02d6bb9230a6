#include "host-agent/guest/guest_change.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

static bool
find_disk(const Drover__GuestSpec *s, const char *name, size_t *ret_i)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		*ret_i = i;
		if (str_same(s->disks[i]->name, name))
			return true;
	}
	return false;
}

static bool
find_nic(const Drover__GuestSpec *s, const char *name, size_t *ret_i)
{
	for (size_t i = 0; i < s->n_nics; i++) {
		*ret_i = i;
		if (str_same(s->nics[i]->name, name))
			return true;
	}
	return false;
}

static void
note(struct guest_changes *c, enum guest_change_kind kind, size_t was, size_t is)
{
	ASSERT(c->n < GUEST_CHANGES_MAX);
	c->v[c->n++] = (struct guest_change){ kind, was, is };
}

static bool
same_wire(const Drover__NicSpec *a, const Drover__NicSpec *b)
{
	return str_same(a->bridge, b->bridge) && a->vlan == b->vlan &&
	       str_same(a->address, b->address) &&
	       a->rx_kbit_limit == b->rx_kbit_limit &&
	       a->tx_kbit_limit == b->tx_kbit_limit;
}

static void
changed_disk(const Drover__GuestSpec *a, const Drover__GuestSpec *b, size_t is,
    enum guest_change_kind kind, struct guest_changes *out)
{
	const Drover__DiskSpec *d = b->disks[is], *old;
	size_t was;

	if (!find_disk(a, d->name, &was)) {
		if (kind == CHANGE_DISK_NEW)
			note(out, kind, 0, is);
		return;
	}
	old = a->disks[was];
	if (kind == CHANGE_DISK_GROWN && d->size_bytes > old->size_bytes)
		note(out, kind, was, is);
	if (kind == CHANGE_DISK_LIMITS &&
	    (d->iops_limit != old->iops_limit ||
		d->bytes_per_s_limit != old->bytes_per_s_limit))
		note(out, kind, was, is);
}

static void
changed_nic(const Drover__GuestSpec *a, const Drover__GuestSpec *b, size_t is,
    enum guest_change_kind kind, struct guest_changes *out)
{
	size_t was;
	bool known = find_nic(a, b->nics[is]->name, &was);

	if (kind == CHANGE_NIC_NEW && !known)
		note(out, kind, 0, is);
	if (kind == CHANGE_NIC_SET && known && !same_wire(a->nics[was], b->nics[is]))
		note(out, kind, was, is);
}

void
guest_changes(
    const Drover__GuestSpec *a, const Drover__GuestSpec *b, struct guest_changes *out)
{
	static const enum guest_change_kind of_disks[] = { CHANGE_DISK_NEW,
		CHANGE_DISK_GROWN, CHANGE_DISK_LIMITS };

	size_t at;

	out->n = 0;
	for (size_t k = 0; k < ARRAY_SIZE(of_disks); k++) {
		for (size_t i = 0; i < b->n_disks; i++)
			changed_disk(a, b, i, of_disks[k], out);
	}
	for (size_t i = 0; i < b->n_nics; i++)
		changed_nic(a, b, i, CHANGE_NIC_NEW, out);
	for (size_t i = 0; i < b->n_nics; i++)
		changed_nic(a, b, i, CHANGE_NIC_SET, out);
	for (size_t i = 0; i < a->n_nics; i++) {
		if (!find_nic(b, a->nics[i]->name, &at))
			note(out, CHANGE_NIC_GONE, i, 0);
	}
	for (size_t i = 0; i < a->n_disks; i++) {
		if (!find_disk(b, a->disks[i]->name, &at))
			note(out, CHANGE_DISK_GONE, i, 0);
	}
}

int
guest_change_check(
    const Drover__GuestSpec *a, const Drover__GuestSpec *b, struct err *e)
{
	size_t was;

	for (size_t i = 0; i < b->n_disks; i++) {
		const Drover__DiskSpec *d = b->disks[i];

		if (find_disk(a, d->name, &was) && d->size_bytes &&
		    str_same(d->path, a->disks[was]->path) &&
		    d->size_bytes < a->disks[was]->size_bytes)
			return err_set(e, ERR_INVALID,
			    "%s of vm %s cannot shrink from %" PRIu64 " to %" PRIu64
			    " bytes",
			    d->name, a->name, a->disks[was]->size_bytes, d->size_bytes);
	}
	return 0;
}

static bool
same_images(const Drover__DiskSpec *a, const Drover__DiskSpec *b)
{
	bool same = a->datastore == b->datastore && str_same(a->path, b->path) &&
		    str_same(a->format, b->format) && a->n_backing == b->n_backing;

	for (size_t i = 0; same && i < a->n_backing; i++)
		same = str_same(a->backing[i]->path, b->backing[i]->path) &&
		       str_same(a->backing[i]->format, b->backing[i]->format);
	return same;
}

/* b with everything that may change under a running guest set back to a's. */
static bool
same_but_hot(const Drover__GuestSpec *a, const Drover__GuestSpec *b)
{
	Drover__GuestSpec was = *b;

	was.num_cpu = a->num_cpu;
	was.memory_mb = a->memory_mb;
	was.resources = a->resources;
	/* Limits, and what its first process finds at its next start. */
	if (a->container && b->container)
		was.container = a->container;
	was.name = a->name;
	/* Found by the guest at its next start. */
	was.host_name = a->host_name;
	was.n_dns = a->n_dns;
	was.dns = a->dns;
	was.seed = a->seed;
	was.n_disks = a->n_disks;
	was.disks = a->disks;
	was.n_nics = a->n_nics;
	was.nics = a->nics;
	return guest_spec_same(a, &was);
}

static int
refuse(const Drover__GuestSpec *a, const char *device, const char *why, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED, "needs power off: %s of vm %s %s", device,
	    a->name, why);
}

static bool
same_place(const Drover__NicSpec *a, const Drover__NicSpec *b)
{
	return str_same(a->address, b->address) && str_same(a->gateway, b->gateway);
}

static int
check_kept(const Drover__GuestSpec *a, const Drover__GuestSpec *b, struct err *e)
{
	size_t was;

	for (size_t i = 0; i < b->n_disks; i++) {
		if (find_disk(a, b->disks[i]->name, &was) &&
		    !same_images(a->disks[was], b->disks[i]))
			return refuse(
			    a, b->disks[i]->name, "would be another image", e);
	}
	for (size_t i = 0; i < b->n_nics; i++) {
		if (find_nic(a, b->nics[i]->name, &was) &&
		    strcasecmp(a->nics[was]->mac, b->nics[i]->mac))
			return refuse(
			    a, b->nics[i]->name, "would have another address", e);
		/* Nobody tells those inside; a machine asks for itself. */
		if (a->container && find_nic(a, b->nics[i]->name, &was) &&
		    !same_place(a->nics[was], b->nics[i]))
			return refuse(
			    a, b->nics[i]->name, "would have another IP address", e);
	}
	return 0;
}

static int
check_change(const Drover__GuestSpec *a, const struct guest_change *c,
    enum guest_held held, struct err *e)
{
	bool is_nic = c->kind == CHANGE_NIC_NEW || c->kind == CHANGE_NIC_GONE;

	if (c->kind == CHANGE_DISK_GONE && c->was == 0)
		return refuse(a, a->disks[0]->name, "is what it boots from", e);
	if (held == GUEST_HELD_UP || c->kind == CHANGE_DISK_LIMITS ||
	    c->kind == CHANGE_NIC_SET)
		return 0;
	return refuse(a, is_nic ? "a network card" : "a disk",
	    "is as its saved memory knows it", e);
}

int
guest_change_hot(const Drover__GuestSpec *a, const Drover__GuestSpec *b,
    enum guest_held held, struct err *e)
{
	struct guest_changes all;
	int rc;

	if (!same_but_hot(a, b))
		return err_set(e, ERR_UNSUPPORTED,
		    "needs power off: only CPUs, memory, resources, disks, network "
		    "cards and the name of vm %s can change while it runs",
		    a->name);
	rc = check_kept(a, b, e);
	guest_changes(a, b, &all);
	for (size_t i = 0; !rc && i < all.n; i++)
		rc = check_change(a, &all.v[i], held, e);
	return rc;
}

#include "host-agent/guest/guest_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/ds_path.h"

Drover__DiskLayer
chain_layer(const Drover__DiskSpec *d, size_t i)
{
	Drover__DiskLayer l = DROVER__DISK_LAYER__INIT;

	l.path = i ? d->backing[i - 1]->path : d->path;
	l.format = i ? d->backing[i - 1]->format : d->format;
	return l;
}

static bool
same_layer(const Drover__DiskLayer *a, const Drover__DiskLayer *b)
{
	return str_same(a->path, b->path) && str_same(a->format, b->format);
}

/* Is b's chain from its image number skip on all of a's? */
static bool
same_from(const Drover__DiskSpec *a, const Drover__DiskSpec *b, size_t skip)
{
	if (a->datastore != b->datastore || a->n_backing + skip != b->n_backing)
		return false;
	for (size_t i = 0; i <= a->n_backing; i++) {
		Drover__DiskLayer x = chain_layer(a, i), y = chain_layer(b, i + skip);

		if (!same_layer(&x, &y))
			return false;
	}
	return true;
}

int
chain_take_check(
    const Drover__GuestSpec *before, const Drover__GuestSpec *after, struct err *e)
{
	if (before->n_disks != after->n_disks)
		return err_set(e, ERR_INVALID, "%zu disks would become %zu",
		    before->n_disks, after->n_disks);
	for (size_t i = 0; i < after->n_disks; i++) {
		const Drover__DiskSpec *a = before->disks[i], *b = after->disks[i];

		if (!str_same(a->name, b->name) || !same_from(a, b, 1))
			return err_set(e, ERR_INVALID,
			    "disk %s: the new image would not stand on what it has now",
			    b->name);
	}
	return 0;
}

void
chain_find(const Drover__GuestSpec *spec, const Drover__LayerMerge *m,
    struct chain_place *ret_p)
{
	*ret_p = (struct chain_place){ .in_use = false };
	for (size_t i = 0; i < spec->n_disks; i++) {
		const Drover__DiskSpec *d = spec->disks[i];

		if (!str_same(d->name, m->disk) || d->datastore != m->datastore)
			continue;
		for (size_t k = 0; k < d->n_backing; k++) {
			Drover__DiskLayer upper = chain_layer(d, k);
			Drover__DiskLayer lower = chain_layer(d, k + 1);

			if (!same_layer(&upper, m->upper) ||
			    !same_layer(&lower, m->lower))
				continue;
			*ret_p = (struct chain_place){ true, i, k };
			return;
		}
	}
}

static void
drop_first(Drover__DiskSpec *d, size_t i)
{
	drover__disk_layer__free_unpacked(d->backing[i], NULL);
	memmove(d->backing + i, d->backing + i + 1,
	    (d->n_backing - i - 1) * sizeof(*d->backing));
	d->n_backing--;
}

Drover__GuestSpec *
chain_without(const Drover__GuestSpec *spec, const struct chain_place *p)
{
	Drover__GuestSpec *s = guest_spec_dup(spec);
	Drover__DiskSpec *d = s->disks[p->disk];

	if (p->upper) {
		drop_first(d, p->upper - 1);
		return s;
	}
	free(d->path);
	free(d->format);
	d->path = xstrdup(d->backing[0]->path);
	d->format = xstrdup(d->backing[0]->format);
	drop_first(d, 0);
	return s;
}

bool
chain_same(const Drover__GuestSpec *a, const Drover__GuestSpec *b)
{
	if (a->n_disks != b->n_disks)
		return false;
	for (size_t i = 0; i < a->n_disks; i++) {
		if (!str_same(a->disks[i]->name, b->disks[i]->name) ||
		    !same_from(a->disks[i], b->disks[i], 0))
			return false;
	}
	return true;
}

bool
chain_is_behind(const Drover__GuestSpec *spec, const Drover__GuestSpec *wanted)
{
	for (size_t i = 0; i < spec->n_disks; i++) {
		const Drover__DiskSpec *d = spec->disks[i];

		for (size_t k = 0; k < d->n_backing; k++)
			for (size_t n = 0; n < wanted->n_disks; n++)
				if (wanted->disks[n]->datastore == d->datastore &&
				    str_same(
					wanted->disks[n]->path, d->backing[k]->path))
					return true;
	}
	return false;
}

bool
chain_has(const Drover__GuestSpec *spec, uint64_t datastore, const char *path)
{
	for (size_t i = 0; i < spec->n_disks; i++) {
		const Drover__DiskSpec *d = spec->disks[i];

		for (size_t k = 0; d->datastore == datastore && k <= d->n_backing; k++)
			if (str_same(chain_layer(d, k).path, path))
				return true;
	}
	return false;
}

static int
own_check(uint64_t guest, const char *path, const char *format, struct err *e)
{
	char folder[40];

	snprintf(folder, sizeof(folder), "vms/vm-%" PRIu64 "/", guest);
	if (!str_starts(path, folder))
		return err_set(
		    e, ERR_DENIED, "image %.100s is not below %s", path, folder);
	if (!str_same(format, "qcow2") && !str_same(format, "raw"))
		return err_set(
		    e, ERR_INVALID, "image %.100s: wants qcow2 or raw", path);
	return ds_path_check(path, e);
}

static int
merge_check(uint64_t guest, const Drover__LayerMerge *m, struct err *e)
{
	int rc;

	if (!m->upper || !m->lower || !m->datastore ||
	    m->n_others > ENGINE_LAYERS_MAX * 32)
		return err_set(e, ERR_INVALID, "a merge without its images");
	rc = own_check(guest, m->upper->path, m->upper->format, e);
	if (!rc)
		rc = own_check(guest, m->lower->path, m->lower->format, e);
	for (size_t i = 0; !rc && i < m->n_others; i++)
		rc = own_check(guest, m->others[i]->path, m->others[i]->format, e);
	return rc;
}

int
chain_drop_check(const Drover__GuestSpec *after, Drover__DiskSpec *const *drop,
    size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++) {
		rc = own_check(after->guest, drop[i]->path, drop[i]->format, e);
		if (!rc && !drop[i]->datastore)
			rc = err_set(e, ERR_INVALID, "image %.100s: no datastore",
			    drop[i]->path);
		if (!rc && chain_has(after, drop[i]->datastore, drop[i]->path))
			rc = err_set(e, ERR_INVALID,
			    "image %.100s is to go, and is to be used", drop[i]->path);
	}
	return rc;
}

int
chain_delete_check(
    const Drover__GuestSpec *before, const Drover__SnapshotDelete *del, struct err *e)
{
	Drover__GuestSpec *s = guest_spec_dup(before);
	int rc = chain_drop_check(del->spec, del->drop, del->n_drop, e);

	for (size_t i = 0; !rc && i < del->n_merges; i++) {
		struct chain_place p;
		Drover__GuestSpec *next;

		rc = merge_check(before->guest, del->merges[i], e);
		if (rc)
			break;
		chain_find(s, del->merges[i], &p);
		if (!p.in_use)
			continue;
		next = chain_without(s, &p);
		drover__guest_spec__free_unpacked(s, NULL);
		s = next;
	}
	if (!rc && !chain_same(s, del->spec))
		rc = err_set(e, ERR_INVALID,
		    "the merges do not lead to the disks that vm %s is to have",
		    del->spec->name);
	drover__guest_spec__free_unpacked(s, NULL);
	return rc;
}

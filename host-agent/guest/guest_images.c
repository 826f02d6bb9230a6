/*
 * Images that are made for a move, or left over by it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_spec.h"

Drover__DiskSpec *
guest_disk_dup(const Drover__DiskSpec *d)
{
	size_t n = drover__disk_spec__get_packed_size(d);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__disk_spec__pack(d, p);
	return drover__disk_spec__unpack(NULL, n, p);
}

const Drover__DiskSpec *
guest_disk_named(const Drover__GuestSpec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_disks; i++) {
		if (!strcmp(spec->disks[i]->name, name))
			return spec->disks[i];
	}
	return NULL;
}

static bool
names_image(const Drover__GuestSpec *spec, uint64_t datastore, const char *path)
{
	for (size_t i = 0; spec && i < spec->n_disks; i++) {
		const Drover__DiskSpec *d = spec->disks[i];

		if (d->datastore != datastore)
			continue;
		if (!strcmp(d->path, path))
			return true;
		for (size_t k = 0; k < d->n_backing; k++) {
			if (!strcmp(d->backing[k]->path, path))
				return true;
		}
	}
	return false;
}

static void
add_image(Drover__GuestSpec *images, const Drover__DiskSpec *of, const char *path,
    const char *format)
{
	Drover__DiskSpec *d;

	if (names_image(images, of->datastore, path) ||
	    images->n_disks == GUEST_MAX_DISKS)
		return;
	d = xcalloc(1, sizeof(*d));
	drover__disk_spec__init(d);
	d->name = xstrdup(of->name);
	d->datastore = of->datastore;
	d->path = xstrdup(path);
	d->format = xstrdup(format);
	images->disks[images->n_disks++] = d;
}

Drover__GuestSpec *
guest_images_of(const Drover__GuestSpec *guest, Drover__DiskSpec *const *disks,
    size_t n, const Drover__GuestSpec *keep)
{
	AUTO_FREE char *folder = xasprintf("vms/vm-%" PRIu64 "/", guest->guest);
	Drover__GuestSpec *images = xcalloc(1, sizeof(*images));

	drover__guest_spec__init(images);
	images->guest = guest->guest;
	images->name = xstrdup(guest->name);
	images->disks = xcalloc(GUEST_MAX_DISKS, sizeof(Drover__DiskSpec *));
	for (size_t i = 0; i < n; i++) {
		const Drover__DiskSpec *d = disks[i];

		if (!names_image(keep, d->datastore, d->path))
			add_image(images, d, d->path, d->format);
		for (size_t k = 0; k < d->n_backing; k++) {
			const Drover__DiskLayer *l = d->backing[k];

			if (str_starts(l->path, folder) &&
			    !names_image(keep, d->datastore, l->path))
				add_image(images, d, l->path, l->format);
		}
	}
	return images;
}

Drover__DiskSpec **
guest_disks_named(const Drover__GuestSpec *spec, char *const *names, size_t n)
{
	Drover__DiskSpec **disks = xcalloc(n + 1, sizeof(Drover__DiskSpec *));

	for (size_t i = 0; i < n; i++)
		disks[i] = guest_disk_dup(guest_disk_named(spec, names[i]));
	return disks;
}

static int
run_delete(struct guest_work *k)
{
	int rc = 0;

	for (size_t i = 0; i < k->spec->n_disks; i++) {
		struct err e = ERR_INIT;

		if (!disk_delete(k->stores[i], k->spec->disks[i], &e))
			continue;
		rc = err_set(
		    &k->e, e.code, "an image of vm %s stays: %s", k->spec->name, e.msg);
	}
	return rc;
}

enum flow_rc
guest_step_delete_images(
    struct flow *f, const struct guest_job *j, const Drover__GuestSpec *images)
{
	struct guest_work *k;
	struct err e = ERR_INIT;

	if (!images->n_disks || guest_spec_invented(j->g->spec))
		return FLOW_NEXT;
	if (guest_work_new(j->g, images, &k, &e)) {
		log_warn("guest", "images of vm %s stay: %s", images->name, e.msg);
		return FLOW_NEXT;
	}
	k->run = run_delete;
	if (guest_work_start(k, j, flow_wake(f), &e)) {
		log_warn("guest", "images of vm %s stay: %s", images->name, e.msg);
		return FLOW_NEXT;
	}
	return FLOW_WAIT;
}

enum flow_rc
guest_finish_delete_images(struct flow *f, void *arg, int rc)
{
	if (rc)
		log_warn("guest", "%s", flow_err(f)->msg);
	return FLOW_NEXT;
}

enum flow_rc
guest_step_delete_spare(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest *g = j->g;
	AUTO(guest_spec) Drover__GuestSpec *images = NULL;

	if (!g->move)
		return FLOW_NEXT;
	images = guest_images_of(g->spec, g->move->spare_disks, g->move->n_spare_disks,
	    g->state == GUEST_ARRIVING ? NULL : g->spec);
	return guest_step_delete_images(f, j, images);
}

static int
run_absent(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		const Drover__DiskSpec *d = k->spec->disks[i];
		uint64_t used = 0;

		if (disk_used(k->stores[i], d, &used, &k->e))
			return k->e.code;
		if (used)
			return err_set(&k->e, ERR_EXISTS,
			    "disk %s of vm %s: %s is on datastore %s already", d->name,
			    k->spec->name, d->path, datastore_name(k->stores[i]));
	}
	return 0;
}

enum flow_rc
guest_step_images_absent(
    struct flow *f, const struct guest_job *j, const Drover__GuestSpec *images)
{
	struct guest_work *k;

	if (!images->n_disks || guest_spec_invented(j->g->spec))
		return FLOW_NEXT;
	if (guest_work_new(j->g, images, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run_absent;
	return guest_step_work(f, j, k);
}

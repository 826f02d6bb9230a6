#include "host-agent/resource/cg.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"
#include "host-agent/resource/disk_io.h"

#define BUSY_PART 64 /* of what is in use, which is left to it besides */

static bool
base_is_good(const char *base)
{
	return *base && *base != '/' && !strstr(base, "..") && strlen(base) < 200;
}

int
cg_new(const char *root, const char *base, struct cg **ret_cg, struct err *e)
{
	struct err why = ERR_INIT;
	struct cg *cg;
	int rc;

	if (!base_is_good(base))
		return err_set(
		    e, ERR_INVALID, "\"%s\" is no name of a control group", base);
	cg = xcalloc(1, sizeof(*cg));
	cg->base = xstrdup(base);
	cg->places = map_new_u64();
	/* v1 first: in the hybrid layout v2 is mounted too and has no controllers. */
	rc = cg_v1_open(cg, root, base, &why);
	if (rc == ERR_NOT_FOUND)
		rc = cg_v2_open(cg, root, base, &why);
	if (rc) {
		cg_free(cg);
		return err_set(
		    e, ERR_UNAVAILABLE, "control groups cannot be used: %s", why.msg);
	}
	cg_places_find(cg);
	*ret_cg = cg;
	return 0;
}

static void
forget_entries(struct cg *cg)
{
	for (unsigned i = 0; i < CG_TREES_MAX; i++) {
		free(cg->entries[i]);
		cg->entries[i] = NULL;
	}
}

void
cg_free(struct cg *cg)
{
	if (!cg)
		return;
	for (unsigned i = 0; i < cg->n_trees; i++)
		free(cg->trees[i].path);
	for (unsigned i = 0; i < cg->n_others; i++)
		free(cg->others[i].path);
	forget_entries(cg);
	MAP_EACH(cg->places, it)
		free(it.value);
	map_free(cg->places);
	free(cg->base);
	free(cg->guest_path);
	free(cg);
}

const char *
cg_version(const struct cg *cg)
{
	return cg->back->version;
}

void
cg_set_cpu_mhz(struct cg *cg, uint32_t mhz)
{
	cg->cpu_mhz = mhz;
}

uint32_t
cg_cpu_mhz(const struct cg *cg)
{
	return cg->cpu_mhz;
}

char *
cg_dir(const struct cg_tree *t, uint64_t guest, const char *place)
{
	bool in_pool = t->has_pools && *place;

	return xasprintf("%s/%s%s" CG_GUEST "%" PRIu64, t->path, in_pool ? place : "",
	    in_pool ? "/" : "", guest);
}

static char *
guest_dir(const struct cg *cg, const struct cg_tree *t, uint64_t guest)
{
	const struct cg_place *p = cg_place_of(cg, guest);

	return cg_dir(t, guest, p ? p->path : "");
}

static const struct cg_tree *
tree_of(const struct cg *cg, const char *controller)
{
	for (unsigned i = 0; i < cg->n_trees; i++) {
		if (str_same(cg->trees[i].controller, controller))
			return &cg->trees[i];
	}
	return NULL;
}

int
cg_guest_set(struct cg *cg, uint64_t guest, const struct cg_values *v, struct err *e)
{
	int rc = 0;

	if (v->memory_bytes && !tree_of(cg, cg->back->memory))
		return err_set(e, ERR_UNSUPPORTED,
		    "the kernel cannot limit memory: there is no memory controller");
	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = cg_dir(&cg->trees[i], guest, v->place);

		rc = cg_make(dir, e);
		if (!rc)
			rc = cg->back->set(&cg->trees[i], dir, v, e);
	}
	return rc;
}

int
cg_guest_bound(struct cg *cg, uint64_t guest, struct cg_values *v, struct err *e)
{
	const struct cg_tree *t = tree_of(cg, cg->back->memory);
	AUTO_FREE char *dir = t ? cg_dir(t, guest, v->place) : NULL;
	struct cg_usage u = { 0 };
	int rc;

	if (!t)
		return 0;
	rc = cg->back->set_memory(dir, v, e);
	if (rc != ERR_BUSY || cg->back->usage(t, dir, &u, NULL))
		return rc;
	/* It may have taken more since. */
	v->memory_bytes = u.memory_bytes + u.memory_bytes / BUSY_PART;
	err_clear(e);
	return cg->back->set_memory(dir, v, e);
}

int
cg_guest_set_disk(struct cg *cg, uint64_t guest, const struct cg_disk *d, struct err *e)
{
	const struct cg_tree *t = tree_of(cg, cg->back->disks);
	AUTO_FREE char *dir = t ? guest_dir(cg, t, guest) : NULL;

	if (dir)
		return cg->back->set_disk(dir, d, e);
	if (!d->iops && !d->bytes_per_s)
		return 0;
	return err_set(e, ERR_UNSUPPORTED,
	    "the kernel cannot limit what a group uses of a disk: there is no blkio "
	    "controller");
}

int
cg_guest_io(struct cg *cg, uint64_t guest, struct disk_io *v, size_t n, struct err *e)
{
	const struct cg_tree *t = tree_of(cg, cg->back->disks);
	AUTO_FREE char *dir = t ? guest_dir(cg, t, guest) : NULL;

	if (!dir)
		return err_set(e, ERR_UNSUPPORTED,
		    "there is no controller that counts what a group uses of a disk");
	for (size_t i = 0; i < n; i++)
		v[i].read_bytes = v[i].written_bytes = v[i].reads = v[i].writes = 0;
	return cg->back->io(dir, v, n, e);
}

const char *const *
cg_guest_join(struct cg *cg, uint64_t guest)
{
	forget_entries(cg);
	for (unsigned i = 0; i < cg->n_trees; i++) {
		AUTO_FREE char *dir = guest_dir(cg, &cg->trees[i], guest);

		cg->entries[i] = xasprintf("%s/%s", dir, cg->back->entry);
	}
	return (const char *const *)cg->entries;
}

const char *
cg_guest_path(struct cg *cg, uint64_t guest)
{
	const struct cg_place *p = cg_place_of(cg, guest);
	/* Where it can be carried it begins beside its pool, in every hierarchy. */
	const char *place = p && !cg->back->has_entrance ? p->path : "";

	free(cg->guest_path);
	cg->guest_path = xasprintf(
	    "%s/%s%s" CG_GUEST "%" PRIu64, cg->base, place, *place ? "/" : "", guest);
	return cg->guest_path;
}

int
cg_guest_usage(struct cg *cg, uint64_t guest, struct cg_usage *ret_u, struct err *e)
{
	struct cg_usage u = { 0 };
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(cg, &cg->trees[i], guest);

		rc = cg->back->usage(&cg->trees[i], dir, &u, e);
	}
	if (!rc)
		*ret_u = u;
	return rc;
}

static int
remove_entrance(const struct cg_tree *t, uint64_t guest, struct err *e)
{
	AUTO_FREE char *dir = cg_dir(t, guest, "");

	return cg_remove(dir, e);
}

int
cg_guest_del(struct cg *cg, uint64_t guest, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(cg, &cg->trees[i], guest);

		rc = cg_remove(dir, e);
		if (!rc && cg->trees[i].has_pools)
			rc = remove_entrance(&cg->trees[i], guest, e);
	}
	for (unsigned i = 0; i < cg->n_others && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(cg, &cg->others[i], guest);

		rc = cg_remove(dir, e);
	}
	return rc;
}

int
cg_guest_counters(struct cg *cg, uint64_t guest, struct counters *to, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(cg, &cg->trees[i], guest);

		rc = cg->back->count(&cg->trees[i], dir, to, e);
	}
	return rc;
}

int
cg_guests(
    struct cg *cg, uint64_t *ret_guests, unsigned max, unsigned *ret_n, struct err *e)
{
	DIR *d = opendir(cg->trees[0].path);
	const struct dirent *m;
	unsigned n = 0;

	if (!d)
		return err_sys(e, ERR_IO, errno, "cannot open %s", cg->trees[0].path);
	while ((m = readdir(d)) != NULL) {
		uint64_t guest;

		if (!str_starts(m->d_name, CG_GUEST) ||
		    parse_u64(m->d_name + strlen(CG_GUEST), 0, UINT64_MAX, "guest",
			&guest, NULL))
			continue;
		if (n < max)
			ret_guests[n] = guest;
		n++;
	}
	closedir(d);
	*ret_n = n;
	return 0;
}

int
cg_remove_base(struct cg *cg, struct err *e)
{
	int rc = 0;

	cg_pools_drop_empty(cg);
	for (unsigned i = 0; i < cg->n_trees && !rc; i++)
		rc = cg_remove_empty(cg->trees[i].path, e);
	for (unsigned i = 0; i < cg->n_others && !rc; i++)
		rc = cg_remove_empty(cg->others[i].path, e);
	return rc;
}

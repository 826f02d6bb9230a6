#include "host-agent/fence/lease_place.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/fence/area_file.h"
#include "host-agent/fence/lease_io.h"
#include "host-agent/storage/datastore.h"
#include "host-agent/storage/ds_file.h"
#include "host-agent/storage/ds_path.h"

#define FOLDER_MODE 0700
#define UUID_HEX    32

struct request {
	struct datastore *ds;
	char *path;
	struct lease_area area;
	struct lease_maker maker;
};

int
lease_area_of(const struct datastore *ds, const uint8_t *cluster, uint32_t slots,
    struct lease_area *ret_a, struct err *e)
{
	struct lease_area a = { .slots = slots };
	char hex[UUID_HEX + 1];
	size_t n = 0;

	for (const char *c = datastore_uuid(ds); *c && n < UUID_HEX; c++) {
		if (*c != '-')
			hex[n++] = *c;
	}
	hex[n] = '\0';
	if (n < UUID_HEX || hex_decode(hex, a.store, sizeof(a.store), NULL))
		return err_set(e, ERR_INVALID, "datastore %s: \"%.40s\" is no uuid",
		    datastore_name(ds), datastore_uuid(ds));
	memcpy(a.cluster, cluster, sizeof(a.cluster));
	*ret_a = a;
	return 0;
}

/* Below the datastore's root. */
static char *
place_of(const struct lease_area *a)
{
	char hex[2 * sizeof(a->cluster) + 1];

	if (a->guest)
		return xasprintf(
		    DS_LEASES "/ha/guests/vm-%" PRIu64 ".claims", a->guest);
	hex_encode(a->cluster, sizeof(a->cluster), hex);
	return xasprintf(DS_LEASES "/ha/beats-%s", hex);
}

char *
lease_place_path(const struct datastore *ds, const struct lease_area *a)
{
	AUTO_FREE char *place = place_of(a);

	return xasprintf("%s/%s", datastore_path(ds), place);
}

static void
request_drop(void *data)
{
	struct request *r = data;

	datastore_unref(r->ds);
	free(r->path);
	free(r);
}

/* ---- on the thread ---- */

static int
run_check(void *data, struct err *e)
{
	const struct request *r = data;
	struct datastore_room room;

	if (datastore_look(r->ds, &room, e))
		return err_wrap(e, "datastore %s", datastore_name(r->ds));
	return 0;
}

static int
run_make(void *data, struct err *e)
{
	const struct request *r = data;
	AUTO_FREE char *folder = place_of(&r->area);
	int rc = run_check(data, e);

	if (rc)
		return rc;
	*strrchr(folder, '/') = '\0';
	if (ds_path_mkdirs(datastore_fd(r->ds), folder, FOLDER_MODE, e))
		return err_wrap(e, "datastore %s", datastore_name(r->ds));
	return area_file_make(r->path, &r->area, e);
}

static int
run_remove(void *data, struct err *e)
{
	const struct request *r = data;

	if (unlink(r->path) && errno != ENOENT)
		return err_sys(e, ERR_IO, errno, "cannot remove %s", r->path);
	return 0;
}

/* ---- on the loop ---- */

static void
on_done(void *data, int rc, const struct err *e)
{
	const struct request *r = data;

	if (r->maker.done)
		r->maker.done(r->maker.arg, rc, e);
}

static struct request *
request_new(struct datastore *ds, const struct lease_area *a, struct lease_maker maker)
{
	struct request *r = xcalloc(1, sizeof(*r));

	r->ds = datastore_ref(ds);
	r->path = lease_place_path(ds, a);
	r->area = *a;
	r->maker = maker;
	return r;
}

static int
submit(struct lease_io *io, struct request *r_take, const struct lease_job *like,
    uint32_t deadline_ms, struct err *e)
{
	struct lease_job job = *like;
	int rc;

	job.done = on_done;
	job.drop = request_drop;
	job.data = r_take;
	job.owner = r_take->maker.owner;
	rc = lease_io_run(io, &job, deadline_ms, e);
	if (rc)
		request_drop(r_take);
	return rc;
}

int
lease_place_make(struct lease_io *io, struct datastore *ds, const struct lease_area *a,
    uint32_t deadline_ms, struct lease_maker maker, struct err *e)
{
	static const struct lease_job make = { .run = run_make };

	return submit(io, request_new(ds, a, maker), &make, deadline_ms, e);
}

int
lease_place_check(struct lease_io *io, struct datastore *ds, const struct lease_area *a,
    uint32_t deadline_ms, struct lease_maker maker, struct err *e)
{
	static const struct lease_job check = { .run = run_check };

	return submit(io, request_new(ds, a, maker), &check, deadline_ms, e);
}

int
lease_place_remove(struct lease_io *io, struct datastore *ds,
    const struct lease_area *a, uint32_t deadline_ms, struct err *e)
{
	static const struct lease_job remove = { .run = run_remove };
	const struct lease_maker nobody = { .done = NULL };

	return submit(io, request_new(ds, a, nobody), &remove, deadline_ms, e);
}

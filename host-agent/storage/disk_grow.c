/*
 * Making the image of a guest that is down larger.  Its new end reads as zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ext4_image.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_ext4.h"
#include "loop/worker.h"

#define RESIZE_MS 60000

/* In stages: prepare (worker) opens the image, a child changes it, keep (worker) makes
 * it durable and root's again. */
struct growing {
	struct loop *loop;
	struct workers *workers;
	const struct disk_conf *conf;
	struct datastore *ds;
	struct child *child;
	struct wake wake;
	Drover__DiskSpec *spec;
	int fd;
	bool is_done;
	struct err err;
};

static void
growing_end(struct growing *g, int rc)
{
	if (rc)
		err_wrap(&g->err, "cannot grow \"%.80s\" on datastore %s",
		    g->spec->path, datastore_name(g->ds));
	post_wake(g->loop, g->wake, rc, &g->err);
	if (g->fd >= 0)
		close(g->fd);
	datastore_unref(g->ds);
	drover__disk_spec__free_unpacked(g->spec, NULL);
	free(g);
}

static int
run_keep(void *job)
{
	struct growing *g = job;
	int rc = disk_give(g->fd, 0, 0, 0600, g->err.code ? NULL : &g->err);

	if (!rc && fsync(g->fd))
		rc = err_sys(&g->err, ERR_IO, errno, "cannot sync it");
	return g->err.code ? g->err.code : rc;
}

static void
on_kept(void *job, int rc)
{
	struct growing *g = job;

	if (rc && !g->err.code)
		err_set(&g->err, rc, "the agent is stopping");
	growing_end(g, rc);
}

static void
keep(struct growing *g)
{
	int rc = worker_run(g->workers, run_keep, on_kept, g, &g->err);

	if (rc)
		growing_end(g, rc);
}

static void
on_resized(struct child *c, const struct child_result *r, void *arg)
{
	struct growing *g = arg;

	if (r->status || r->timed_out)
		child_err(r, "qemu-img resize", &g->err);
	keep(g);
}

static void
on_grown_ext4(void *arg, int rc, const struct err *e)
{
	struct growing *g = arg;

	if (rc)
		g->err = *e;
	keep(g);
}

/* What it stands on is none of the child's business, and it could not open it. */
static int
start_child(struct growing *g, struct err *e)
{
	static const char image[] =
	    "json:{\"driver\":\"qcow2\",\"backing\":null,"
	    "\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fd/3\"}}";
	char size[24];
	const char *argv[] = { qemu_img_program(g->conf), "resize", "-q", image, size,
		NULL };
	struct qemu_img run = { g->loop, g->conf, argv, g->fd, RESIZE_MS };

	if (img_format_is_ext4(g->spec->format)) {
		const struct ext4_tool t = { g->loop, g->conf, g->fd,
			g->spec->size_bytes };

		return ext4_grow_start(&t, on_grown_ext4, g, e);
	}
	snprintf(size, sizeof(size), "%" PRIu64, g->spec->size_bytes);
	return qemu_img_start(&run, on_resized, g, &g->child, e);
}

static int
grow_raw(struct growing *g, struct err *e)
{
	if (ftruncate(g->fd, (off_t)g->spec->size_bytes) || fsync(g->fd))
		return err_sys(e, errno == EFBIG ? ERR_INVALID : ERR_IO, errno,
		    "cannot make it longer");
	g->is_done = true;
	return 0;
}

/* A file that is large enough may hold a file system that is not, where an earlier
 * start was cut short: so it is always looked at. */
static int
prepare_ext4(struct growing *g, struct err *e)
{
	if (g->spec->size_bytes % IMG_EXT4_BLOCK)
		return err_set(e, ERR_INVALID,
		    "size_bytes: a container's disk has whole blocks of %u",
		    IMG_EXT4_BLOCK);
	if (ftruncate(g->fd, (off_t)g->spec->size_bytes))
		return err_sys(e, errno == EFBIG ? ERR_INVALID : ERR_IO, errno,
		    "cannot make it longer");
	return disk_give(g->fd, g->conf->uid, g->conf->gid, 0600, e);
}

static int
run_prepare(void *job)
{
	struct growing *g = job;
	struct disk_image top = disk_image_at(g->spec, 0);
	struct datastore_room room;
	struct img_facts facts;
	uint64_t now, wanted = g->spec->size_bytes;
	int rc = disk_image_open(g->ds, &top, O_RDWR, &g->fd, &facts, &g->err);

	if (!rc)
		rc = datastore_look(g->ds, &room, &g->err);
	if (!rc)
		rc = img_size_check(wanted, room.capacity_bytes, &g->err);
	if (rc)
		return rc;
	now = facts.virtual_bytes;
	if (wanted < now)
		return err_set(&g->err, ERR_INVALID,
		    "it has %" PRIu64 " bytes and cannot shrink to %" PRIu64, now,
		    wanted);
	if (img_format_is_ext4(g->spec->format))
		return prepare_ext4(g, &g->err);
	if (wanted == now) {
		g->is_done = true;
		return 0;
	}
	if (str_same(g->spec->format, "raw"))
		return grow_raw(g, &g->err);
	return disk_give(g->fd, g->conf->uid, g->conf->gid, 0600, &g->err);
}

static void
on_prepared(void *job, int rc)
{
	struct growing *g = job;

	if (rc && !g->err.code)
		err_set(&g->err, rc, "the agent is stopping");
	if (rc || g->is_done) {
		growing_end(g, rc);
		return;
	}
	if (start_child(g, &g->err))
		keep(g);
}

static Drover__DiskSpec *
spec_dup(const Drover__DiskSpec *d)
{
	size_t n = drover__disk_spec__get_packed_size(d);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__disk_spec__pack(d, p);
	return drover__disk_spec__unpack(NULL, n, p);
}

void
disk_grow(const struct disk_place *at, const Drover__DiskSpec *d, struct wake w)
{
	struct growing *g = xcalloc(1, sizeof(*g));
	int rc;

	g->loop = at->loop;
	g->workers = at->workers;
	g->conf = at->conf;
	g->ds = datastore_ref(at->ds);
	g->wake = w;
	g->spec = spec_dup(d);
	g->fd = -1;
	rc = disk_spec_check(d, &g->err);
	if (!rc)
		rc = worker_run(g->workers, run_prepare, on_prepared, g, &g->err);
	if (rc)
		growing_end(g, rc);
}

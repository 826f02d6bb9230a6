/*
 * Images made: empty ones, clones that stand on another image, and copies.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/ext4_blank.h"
#include "host-agent/storage/ext4_image.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/img_ext4.h"
#include "loop/worker.h"

#define CREATE_MS   20000
#define FOLDER_MODE 0711

/*
 * One image being made, in stages: prepare (worker) makes the file under its .new name,
 * a child writes an image into it, another fills that with the source's content where
 * there is one, keep (worker) gives it its name or takes it away.
 */
struct making {
	struct loop *loop;
	struct workers *workers;
	const struct disk_conf *conf;
	struct datastore *ds;
	struct child *child;
	struct wake wake;
	Drover__DiskSpec *spec;
	char *new_path;
	int fd;
	uint64_t bytes;
	bool is_made; /* there before, or raw: no child is wanted */
	bool is_ext4;
	bool is_bare; /* a file system without its folders yet */
	struct err err;

	/* Of a copy. */
	struct datastore *source_ds; /* NULL: it is none */
	struct img_source source;
	struct img_source below; /* what it stands on; none: all is copied */
	struct progress *progress;
	struct order_name order;
	uint64_t bytes_per_s;
	bool
	    is_clone; /* shares the source's blocks already, only the size is missing */
};

static void
making_free(struct making *m)
{
	if (m->fd >= 0)
		close(m->fd);
	img_source_close(&m->source);
	img_source_close(&m->below);
	datastore_unref(m->source_ds);
	datastore_unref(m->ds);
	drover__disk_spec__free_unpacked(m->spec, NULL);
	free(m->new_path);
	free(m);
}

static int
run_stock(void *job)
{
	const struct making *m = job;

	ext4_spare_stock(m->ds, m->bytes);
	return 0;
}

static void
on_stocked(void *job, int rc)
{
	making_free(job);
}

/* Whoever waits for the image does not wait for the next one's sake. */
static void
making_end(struct making *m, int rc)
{
	bool stock = !rc && m->is_ext4 && !m->source_ds && m->bytes;

	if (rc)
		err_wrap(&m->err, "cannot make \"%.80s\" on datastore %s",
		    m->spec->path, datastore_name(m->ds));
	post_wake(m->loop, m->wake, rc, &m->err);
	if (!stock || worker_run(m->workers, run_stock, on_stocked, m, NULL))
		making_free(m);
}

/* Whoever is told that the disk exists finds it after a power failure too. */
static int
publish(const struct making *m, struct err *e)
{
	AUTO_CLOSE int folder = -1;
	const char *from, *to;
	int root = datastore_fd(m->ds), rc;

	rc = disk_give(m->fd, 0, 0, 0600, e);
	if (!rc && m->is_bare)
		rc = ext4_furnish(m->fd, e);
	if (!rc && m->is_bare)
		ext4_blank_keep(m->ds, m->fd, m->bytes);
	if (!rc && fsync(m->fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync it");
	if (!rc)
		rc = ds_path_parent(root, m->new_path, &folder, &from, e);
	to = strrchr(m->spec->path, '/');
	to = to ? to + 1 : m->spec->path;
	if (!rc && renameat(folder, from, folder, to))
		rc = err_sys(e, ERR_IO, errno, "cannot rename it");
	if (!rc && fsync(folder))
		rc = err_sys(e, ERR_IO, errno, "cannot sync its folder");
	return rc;
}

/* An order that was given up may still be at it when the next one makes the disk. */
static bool
is_ours(const struct making *m)
{
	AUTO_CLOSE int fd = -1;
	struct stat mine, there;

	return !ds_path_open(
		   datastore_fd(m->ds), m->new_path, O_RDONLY, 0, &fd, NULL) &&
	       !fstat(m->fd, &mine) && !fstat(fd, &there) &&
	       mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

static int
run_keep(void *job)
{
	struct making *m = job;
	int rc = m->err.code;

	if (!is_ours(m))
		return rc ? rc : err_set(&m->err, ERR_BUSY, "another order makes it");
	if (!rc)
		rc = publish(m, &m->err);
	/* The first failure is the one to tell of. */
	if (rc)
		(void)!ds_path_remove(datastore_fd(m->ds), m->new_path, NULL);
	return rc;
}

/* A worker that never came to it left no word. */
static void
on_kept(void *job, int rc)
{
	struct making *m = job;

	if (rc && !m->err.code)
		err_set(&m->err, rc, "the agent is stopping");
	making_end(m, rc);
}

/* The file is written, or never will be: m->err says. */
static void
keep(struct making *m)
{
	if (worker_run(m->workers, run_keep, on_kept, m, m->err.code ? NULL : &m->err))
		making_end(m, m->err.code);
}

/* ---- the source's content ---- */

static bool
on_tick(void *arg, const struct img_copied *c)
{
	struct making *m = arg;
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char phase[] = "copying the disk";

	if (!wake_is_awaited(m->loop, m->wake))
		return false;
	at.done_bytes = c->done_bytes;
	at.total_bytes = c->total_bytes;
	at.bytes_per_s = c->bytes_per_s;
	at.phase = phase;
	progress_note(m->progress, m->order, &at);
	return true;
}

static void
on_grown(void *arg, int rc, const struct err *e)
{
	struct making *m = arg;

	if (rc)
		m->err = *e;
	keep(m);
}

static int
grow_ext4(struct making *m, struct err *e)
{
	const struct ext4_tool t = { m->loop, m->conf, m->fd, m->bytes };

	return ext4_grow_start(&t, on_grown, m, e);
}

static void
on_filled(void *arg, int rc, const struct err *e)
{
	struct making *m = arg;
	bool grows = m->is_ext4 && m->bytes > m->source.virtual_bytes;

	if (rc)
		m->err = *e;
	if (rc || !grows || grow_ext4(m, &m->err))
		keep(m);
}

static int
fill(struct making *m, struct err *e)
{
	const struct img_copy_ops ops = { on_tick, on_filled, m };
	const struct img_copy_opts o = {
		.loop = m->loop,
		.conf = m->conf,
		.source = &m->source,
		.below = m->below.n ? &m->below : NULL,
		.target = str_same(m->spec->format, "qcow2") ? IMG_TARGET_SIZED_QCOW2
							     : IMG_TARGET_SIZED_RAW,
		.target_fd = m->fd,
		.bytes_per_s = m->bytes_per_s,
	};
	struct img_copy *c;

	return img_copy_start(&o, &ops, &c, e);
}

/* ---- the image itself ---- */

static void
on_made(struct child *c, const struct child_result *r, void *arg)
{
	struct making *m = arg;

	const char *what = m->is_ext4    ? "mke2fs"
			   : m->is_clone ? "qemu-img resize"
					 : "qemu-img create";

	if (r->status || r->timed_out)
		child_err(r, what, &m->err);
	if (m->err.code || !m->source_ds || m->is_clone || fill(m, &m->err))
		keep(m);
}

static int
run_create(struct making *m, struct err *e)
{
	const Drover__DiskSpec *d = m->spec;
	Drover__DiskLayer *below = d->n_backing ? d->backing[0] : NULL;
	AUTO_FREE char *backing = disk_backing_text(d->path, below);
	char size[24];
	const char *program = qemu_img_program(m->conf);
	const char *clone[] = { program, "create", "-q", "-u", "-f", "qcow2", "-b",
		backing, "-F", below ? below->format : "", "/dev/fd/3", size, NULL };
	const char *empty[] = { program, "create", "-q", "-f", "qcow2", "/dev/fd/3",
		size, NULL };
	const char *grow[] = { program, "resize", "-q", "-f", "qcow2", "/dev/fd/3",
		size, NULL };
	struct qemu_img run = { m->loop, m->conf, NULL, m->fd, CREATE_MS };

	snprintf(size, sizeof(size), "%" PRIu64, m->bytes);
	/* -u: the base was looked at by us; the child can open nothing. */
	run.argv = m->is_clone ? grow : *backing ? clone : empty;
	return qemu_img_start(&run, on_made, m, &m->child, e);
}

static int
run_create_ext4(struct making *m, struct err *e)
{
	const struct ext4_tool t = { m->loop, m->conf, m->fd, m->bytes };

	if (m->is_clone)
		return grow_ext4(m, e);
	m->is_bare = true;
	return ext4_make_start(&t, on_made, m, &m->child, e);
}

/* A container's quota has nothing to do with how large its layers are. */
static int
plan_size_ext4(const struct making *m, const struct datastore_room *room,
    uint64_t *ret_bytes, struct err *e)
{
	uint64_t bytes = m->spec->size_bytes, least = m->source.virtual_bytes;
	int rc;

	if (bytes == 0)
		bytes = least;
	if (bytes < least)
		return err_set(e, ERR_INVALID,
		    "size_bytes: %" PRIu64 " is less than its source's %" PRIu64, bytes,
		    least);
	if (bytes < IMG_EXT4_BYTES_MIN || bytes % IMG_EXT4_BLOCK) {
		return err_set(e, ERR_INVALID,
		    "size_bytes: a container's disk has %llu bytes at least and whole "
		    "blocks of %u",
		    (unsigned long long)IMG_EXT4_BYTES_MIN, IMG_EXT4_BLOCK);
	}
	rc = img_size_check(bytes, room->capacity_bytes, e);
	if (!rc)
		*ret_bytes = bytes;
	return rc;
}

/* Each layer must be there and one of ours, before anything is made on it. */
static int
check_layers(const struct making *m, struct err *e)
{
	for (size_t i = 1; i <= m->spec->n_backing; i++) {
		struct disk_image im = disk_image_at(m->spec, i);
		AUTO_CLOSE int fd = -1;
		struct img_facts facts;

		if (disk_image_open(m->ds, &im, O_RDONLY, &fd, &facts, e))
			return err_wrap(e, "its layer \"%.100s\"", im.path);
	}
	return 0;
}

/* The size the image is to have. */
static int
plan_size(const struct making *m, const struct datastore_room *room,
    uint64_t *ret_bytes, struct err *e)
{
	const Drover__DiskSpec *d = m->spec;
	struct img_facts base = { .virtual_bytes = 0 };
	AUTO_CLOSE int fd = -1;
	uint64_t bytes = d->size_bytes;
	int rc = 0;

	if (m->is_ext4)
		return plan_size_ext4(m, room, ret_bytes, e);
	if (d->n_backing) {
		struct disk_image im = disk_image_at(d, 1);

		rc = disk_image_open(m->ds, &im, O_RDONLY, &fd, &base, e);
		if (rc)
			return err_wrap(e, "its base \"%.100s\"", im.path);
	}
	if (base.virtual_bytes < m->source.virtual_bytes)
		base.virtual_bytes = m->source.virtual_bytes;
	if (bytes == 0)
		bytes = base.virtual_bytes;
	if (bytes < base.virtual_bytes)
		return err_set(e, ERR_INVALID,
		    "size_bytes: %" PRIu64 " is less than its template's %" PRIu64,
		    bytes, base.virtual_bytes);
	if (bytes % 512)
		return err_set(
		    e, ERR_INVALID, "size_bytes: wants whole sectors of 512");
	rc = img_size_check(bytes, room->capacity_bytes, e);
	if (!rc)
		*ret_bytes = bytes;
	return rc;
}

/* 0: it is there and fits; ERR_NOT_FOUND: to be made. */
static int
look_for(const struct datastore *ds, const Drover__DiskSpec *d, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct disk_image top = disk_image_at(d, 0);
	struct img_facts facts;
	int rc = disk_image_open(ds, &top, O_RDONLY, &fd, &facts, e);

	if (!rc && facts.virtual_bytes < d->size_bytes)
		rc = err_set(e, ERR_EXISTS,
		    "\"%.100s\" exists and is of %" PRIu64 " bytes only", d->path,
		    facts.virtual_bytes);
	return rc;
}

/* The folder, with nothing of a start that was cut short. */
static int
make_room(const struct making *m, struct err *e)
{
	const char *slash = strrchr(m->new_path, '/');
	int root = datastore_fd(m->ds), rc = 0;

	if (slash) {
		AUTO_FREE char *folder =
		    xstrndup(m->new_path, (size_t)(slash - m->new_path));

		rc = ds_path_mkdirs(root, folder, FOLDER_MODE, e);
	}
	return rc ? rc : ds_path_remove(root, m->new_path, e);
}

/* What can be done without a child: all of an empty raw image, a whole clone. */
static int
fill_new(struct making *m, struct err *e)
{
	bool raw = str_same(m->spec->format, "raw");
	bool grows = m->bytes > m->source.virtual_bytes;

	m->is_clone =
	    m->source.n == 1 &&
	    (m->is_ext4 || str_same(m->source.images[0].driver, m->spec->format)) &&
	    img_reflink(m->source.images[0].fd, m->fd);
	m->is_made = m->is_clone ? raw || !grows : raw && !m->source_ds;
	if ((raw || m->is_ext4) && ftruncate(m->fd, (off_t)m->bytes))
		return err_sys(e, ERR_IO, errno, "cannot set its size");
	if (m->is_ext4 && !m->source_ds)
		m->is_made = ext4_blank_take(m->ds, m->fd, m->bytes);
	if (m->is_made)
		return publish(m, e);
	return disk_give(m->fd, m->conf->uid, m->conf->gid, 0600, e);
}

static int
open_below(struct making *m, struct err *e)
{
	const Drover__DiskSpec *d = m->spec;
	Drover__DiskSource s = DROVER__DISK_SOURCE__INIT;

	if (m->spec->source->n_backing == 0)
		return err_set(e, ERR_INVALID,
		    "its source is one image: it leaves nothing to stand on");
	s.path = d->backing[0]->path;
	s.format = d->backing[0]->format;
	s.backing = d->backing + 1;
	s.n_backing = d->n_backing - 1;
	return img_source_open(m->ds, &s, m->conf, &m->below, e);
}

/* What is to be read of the source, on disk. */
static uint64_t
source_bytes(const struct making *m)
{
	struct stat st;

	if (!m->below.n || fstat(m->source.images[0].fd, &st))
		return m->source.used_bytes;
	return (uint64_t)st.st_blocks * 512;
}

static int
open_source(struct making *m, const struct datastore_room *room, struct err *e)
{
	int rc = img_source_open(m->source_ds, m->spec->source, m->conf, &m->source, e);

	if (rc)
		return err_wrap(e, "its source");
	if (m->is_ext4 != img_format_is_ext4(m->spec->source->format) ||
	    (m->is_ext4 && m->spec->n_backing != m->spec->source->n_backing))
		return err_set(e, ERR_INVALID,
		    "a container's disk is copied from a container's, onto as many "
		    "layers");
	if (!m->is_ext4 && m->spec->n_backing && open_below(m, e))
		return err_wrap(e, "what it stands on");
	if (source_bytes(m) > room->free_bytes)
		return err_set(e, ERR_NO_CAPACITY,
		    "its source holds %" PRIu64 " bytes, and %" PRIu64 " are free",
		    source_bytes(m), room->free_bytes);
	return 0;
}

static int
run_prepare(void *job)
{
	struct making *m = job;
	struct datastore_room room;
	struct err *e = &m->err;
	int rc = look_for(m->ds, m->spec, e);

	m->is_made = !rc;
	if (rc != ERR_NOT_FOUND)
		return rc;
	err_clear(e);
	rc = datastore_look(m->ds, &room, e);
	if (!rc && m->source_ds)
		rc = open_source(m, &room, e);
	if (!rc && m->is_ext4)
		rc = check_layers(m, e);
	if (!rc)
		rc = plan_size(m, &room, &m->bytes, e);
	if (rc)
		return rc;
	rc = make_room(m, e);
	if (rc)
		return rc;
	m->is_made = m->is_ext4 && !m->source_ds &&
		     ext4_spare_take(m->ds, m->spec->path, m->bytes);
	if (m->is_made)
		return 0;
	rc = ds_path_open(datastore_fd(m->ds), m->new_path, O_RDWR | O_CREAT | O_EXCL,
	    0600, &m->fd, e);
	if (!rc)
		rc = fill_new(m, e);
	if (rc)
		(void)!ds_path_remove(datastore_fd(m->ds), m->new_path, NULL);
	return rc;
}

static void
on_prepared(void *job, int rc)
{
	struct making *m = job;
	bool fills = str_same(m->spec->format, "raw") ||
		     (m->is_ext4 && m->source_ds && !m->is_clone);

	if (rc || m->is_made) {
		on_kept(m, rc);
		return;
	}
	if (fills)
		rc = fill(m, &m->err);
	else if (m->is_ext4)
		rc = run_create_ext4(m, &m->err);
	else
		rc = run_create(m, &m->err);
	if (rc)
		keep(m);
}

static Drover__DiskSpec *
spec_dup(const Drover__DiskSpec *d)
{
	size_t n = drover__disk_spec__get_packed_size(d);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__disk_spec__pack(d, p);
	return drover__disk_spec__unpack(NULL, n, p);
}

static void
begin(const struct disk_place *at, const Drover__DiskSpec *d,
    const struct disk_source *from, struct wake w)
{
	struct making *m = xcalloc(1, sizeof(*m));
	int rc;

	m->loop = at->loop;
	m->workers = at->workers;
	m->conf = at->conf;
	m->ds = datastore_ref(at->ds);
	m->wake = w;
	m->spec = spec_dup(d);
	m->new_path = xasprintf("%s.new", d->path);
	m->fd = -1;
	m->is_ext4 = img_format_is_ext4(d->format);
	if (from) {
		m->source_ds = datastore_ref(from->ds);
		m->progress = from->progress;
		m->order = from->order;
		m->bytes_per_s = from->bytes_per_s;
	}
	rc = worker_run(m->workers, run_prepare, on_prepared, m, &m->err);
	if (rc)
		making_end(m, rc);
}

void
disk_create(const struct disk_place *at, const Drover__DiskSpec *d, struct wake w)
{
	struct err e = ERR_INIT;
	int rc = disk_spec_check(d, &e);

	if (!rc) {
		begin(at, d, NULL, w);
		return;
	}
	err_wrap(&e, "%s on datastore %s", d->name, datastore_name(at->ds));
	post_wake(at->loop, w, rc, &e);
}

void
disk_copy(const struct disk_place *at, const Drover__DiskSpec *d,
    const struct disk_source *from, struct wake w)
{
	struct err e = ERR_INIT;
	int rc = disk_spec_check(d, &e);

	if (!rc) {
		begin(at, d, from, w);
		return;
	}
	err_wrap(&e, "%s on datastore %s", d->name, datastore_name(at->ds));
	post_wake(at->loop, w, rc, &e);
}

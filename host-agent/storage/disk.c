#include "host-agent/storage/disk.h"

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
#include "host-agent/storage/img_check.h"
#include "loop/worker.h"

#define CREATE_MS       20000
#define QEMU_IMG_CPU_S  120
#define QEMU_IMG_MEMORY (1ull << 30)
#define FOLDER_MODE     0711

/*
 * One image being made, in three stages: prepare (worker) makes the file under its .new
 * name, a child writes the image into it, keep (worker) gives it its name or takes it
 * away.
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
	struct err err;
};

const char *
qemu_img_program(const struct disk_conf *conf)
{
	return conf->qemu_img && *conf->qemu_img ? conf->qemu_img : QEMU_IMG_PRESET;
}

int
qemu_img_start(const struct qemu_img *q, child_fn done, void *arg, struct child **ret_c,
    struct err *e)
{
	struct child_opts o = {
		.argv = q->argv,
		.pass_fds = &q->image_fd,
		.n_pass_fds = 1,
		.rlimit_as_bytes = QEMU_IMG_MEMORY,
		.rlimit_cpu_s = QEMU_IMG_CPU_S,
		.timeout_ms = q->timeout_ms,
	};

	if (geteuid() == 0) {
		o.uid = q->conf->uid;
		o.gid = q->conf->gid;
	}
	return child_start(q->loop, &o, done, arg, ret_c, e);
}

int
disk_give(int fd, uint32_t uid, uint32_t gid, mode_t mode, struct err *e)
{
	if ((geteuid() == 0 && fchown(fd, uid, gid)) || fchmod(fd, mode))
		return err_sys(e, ERR_IO, errno, "cannot change the image's owner");
	return 0;
}

char *
disk_backing_text(const char *path, const Drover__DiskLayer *below)
{
	AUTO_FREE char *rel = NULL;

	if (!below)
		return xstrdup("");
	rel = ds_path_relative(path, below->path);
	/* A name with a colon would be taken for a protocol. */
	return xasprintf("%s%s", str_starts(rel, "../") ? "" : "./", rel);
}

static int
check_spec(const Drover__DiskSpec *d, struct err *e)
{
	enum img_format f;
	int rc = ds_path_check(d->path, e);

	if (!rc)
		rc = img_format_parse(d->format, &f, e);
	if (!rc && d->n_backing >= ENGINE_LAYERS_MAX)
		rc = err_set(e, ERR_INVALID, "a chain of %zu images: at most %d",
		    d->n_backing + 1, ENGINE_LAYERS_MAX);
	for (size_t i = 0; !rc && i < d->n_backing; i++) {
		if (f != IMG_QCOW2)
			return err_set(
			    e, ERR_INVALID, "only a qcow2 image can stand on another");
		rc = ds_path_check(d->backing[i]->path, e);
		if (!rc)
			rc = img_format_parse(d->backing[i]->format, &f, e);
	}
	return rc;
}

static bool
takes_direct(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT))
		return false;
	return fcntl(fd, F_SETFL, flags) == 0;
}

/* The image at path, which must stand on below, NULL: on nothing. */
static int
check_image(
    int fd, const struct disk_image *im, struct img_facts *ret_facts, struct err *e)
{
	AUTO_FREE char *expected = disk_backing_text(im->path, im->below);
	enum img_format f = IMG_RAW;
	int rc = img_format_parse(im->format, &f, e);

	if (!rc)
		rc = img_check_fd(fd, f, IMG_BACKING_ALLOWED, ret_facts, e);
	if (rc)
		return rc;
	if (!str_same(ret_facts->backing, expected))
		return err_set(e, ERR_CORRUPT,
		    "the image's backing file is \"%.60s\" and not \"%.60s\"",
		    ret_facts->backing, expected);
	if (im->below && *ret_facts->backing_format &&
	    !str_same(ret_facts->backing_format, im->below->format))
		return err_set(e, ERR_CORRUPT,
		    "the image takes \"%.60s\" for %s, and it is %s", expected,
		    ret_facts->backing_format, im->below->format);
	return 0;
}

int
disk_image_open(const struct datastore *ds, const struct disk_image *im, int flags,
    int *ret_fd, struct img_facts *ret_facts, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = ds_path_open(datastore_fd(ds), im->path, flags, 0, &fd, e);

	if (!rc)
		rc = check_image(fd, im, ret_facts, e);
	if (!rc)
		*ret_fd = MOVE_FD(fd);
	return rc;
}

/* Number i from the top of d's chain, 0 being the one that is written. */
static struct disk_image
image_at(const Drover__DiskSpec *d, size_t i)
{
	return (struct disk_image){
		.path = i ? d->backing[i - 1]->path : d->path,
		.format = i ? d->backing[i - 1]->format : d->format,
		.below = i < d->n_backing ? d->backing[i] : NULL,
	};
}

/* The i-th image below d's. */
static int
open_layer(const struct datastore *ds, const Drover__DiskSpec *d, size_t i, int *ret_fd,
    struct img_facts *ret_facts, struct err *e)
{
	struct disk_image im = image_at(d, i + 1);
	int rc = disk_image_open(ds, &im, O_RDONLY, ret_fd, ret_facts, e);

	return rc ? err_wrap(e, "its base \"%.100s\"", im.path) : 0;
}

int
disk_open(const struct datastore *ds, const Drover__DiskSpec *d,
    struct engine_disk *ret_d, struct err *e)
{
	struct engine_disk open = { .fd = -1 };
	struct disk_image top = image_at(d, 0);
	struct img_facts facts;
	int rc = check_spec(d, e);

	if (!rc)
		rc = disk_image_open(ds, &top, O_RDWR, &open.fd, &facts, e);
	for (size_t i = 0; !rc && i < d->n_backing; i++) {
		rc = open_layer(ds, d, i, &open.backing_fds[i], &facts, e);
		open.n_backing += !rc;
	}
	if (rc) {
		disk_close(&open);
		return err_wrap(e, "%s on datastore %s", d->name, datastore_name(ds));
	}
	open.direct = takes_direct(open.fd);
	*ret_d = open;
	return 0;
}

void
disk_close(struct engine_disk *d)
{
	if (d->fd >= 0)
		close(d->fd);
	for (size_t i = 0; i < d->n_backing; i++)
		close(d->backing_fds[i]);
	d->fd = -1;
	d->n_backing = 0;
}

/* ---- making ---- */

static void
making_free(struct making *m)
{
	if (m->fd >= 0)
		close(m->fd);
	datastore_unref(m->ds);
	drover__disk_spec__free_unpacked(m->spec, NULL);
	free(m->new_path);
	free(m);
}

static void
making_end(struct making *m, int rc)
{
	if (rc)
		err_wrap(&m->err, "cannot make \"%.80s\" on datastore %s",
		    m->spec->path, datastore_name(m->ds));
	post_wake(m->loop, m->wake, rc, &m->err);
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

static void
on_made(struct child *c, const struct child_result *r, void *arg)
{
	struct making *m = arg;
	int rc;

	if (r->status || r->timed_out)
		child_err(r, "qemu-img create", &m->err);
	rc = worker_run(m->workers, run_keep, on_kept, m, &m->err);
	if (rc)
		making_end(m, rc);
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
	struct qemu_img run = { m->loop, m->conf, NULL, m->fd, CREATE_MS };

	snprintf(size, sizeof(size), "%" PRIu64, m->bytes);
	/* -u: the base was looked at by us; the child can open nothing. */
	run.argv = *backing ? clone : empty;
	return qemu_img_start(&run, on_made, m, &m->child, e);
}

/* The size the image is to have. */
static int
plan_size(const struct datastore *ds, const Drover__DiskSpec *d, uint64_t *ret_bytes,
    struct err *e)
{
	struct datastore_room room;
	struct img_facts base = { .virtual_bytes = 0 };
	AUTO_CLOSE int fd = -1;
	uint64_t bytes = d->size_bytes;
	int rc = datastore_look(ds, &room, e);

	if (!rc && d->n_backing)
		rc = open_layer(ds, d, 0, &fd, &base, e);
	if (rc)
		return rc;
	if (bytes == 0)
		bytes = base.virtual_bytes;
	if (bytes < base.virtual_bytes)
		return err_set(e, ERR_INVALID,
		    "size_bytes: %" PRIu64 " is less than its template's %" PRIu64,
		    bytes, base.virtual_bytes);
	if (bytes % 512)
		return err_set(
		    e, ERR_INVALID, "size_bytes: wants whole sectors of 512");
	rc = img_size_check(bytes, room.capacity_bytes, e);
	if (!rc)
		*ret_bytes = bytes;
	return rc;
}

/* 0: it is there and fits; ERR_NOT_FOUND: to be made. */
static int
look_for(const struct datastore *ds, const Drover__DiskSpec *d, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct disk_image top = image_at(d, 0);
	struct img_facts facts;
	int rc = disk_image_open(ds, &top, O_RDONLY, &fd, &facts, e);

	if (!rc && facts.virtual_bytes < d->size_bytes)
		rc = err_set(e, ERR_EXISTS,
		    "\"%.100s\" exists and is of %" PRIu64 " bytes only", d->path,
		    facts.virtual_bytes);
	return rc;
}

static int
open_new(struct making *m, struct err *e)
{
	const char *slash = strrchr(m->new_path, '/');
	int root = datastore_fd(m->ds), rc = 0;

	if (slash) {
		AUTO_FREE char *folder =
		    xstrndup(m->new_path, (size_t)(slash - m->new_path));

		rc = ds_path_mkdirs(root, folder, FOLDER_MODE, e);
	}
	/* Left over from a start that was cut short. */
	if (!rc)
		rc = ds_path_remove(root, m->new_path, e);
	if (!rc)
		rc = ds_path_open(
		    root, m->new_path, O_RDWR | O_CREAT | O_EXCL, 0600, &m->fd, e);
	return rc;
}

/* The file that the child fills, or all of a raw image. */
static int
fill_new(struct making *m, struct err *e)
{
	m->is_made = str_same(m->spec->format, "raw");
	if (!m->is_made)
		return disk_give(m->fd, m->conf->uid, m->conf->gid, 0600, e);
	if (ftruncate(m->fd, (off_t)m->bytes))
		return err_sys(e, ERR_IO, errno, "cannot set its size");
	return publish(m, e);
}

static int
run_prepare(void *job)
{
	struct making *m = job;
	struct err *e = &m->err;
	int rc = look_for(m->ds, m->spec, e);

	m->is_made = !rc;
	if (rc != ERR_NOT_FOUND)
		return rc;
	err_clear(e);
	rc = plan_size(m->ds, m->spec, &m->bytes, e);
	if (rc)
		return rc;
	rc = open_new(m, e);
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

	if (rc || m->is_made) {
		on_kept(m, rc);
		return;
	}
	if (!run_create(m, &m->err))
		return;
	rc = worker_run(m->workers, run_keep, on_kept, m, NULL);
	if (rc)
		making_end(m, m->err.code);
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
disk_create(const struct disk_place *at, const Drover__DiskSpec *d, struct wake w)
{
	struct making *m;
	struct err e = ERR_INIT;
	int rc = check_spec(d, &e);

	if (rc) {
		err_wrap(&e, "%s on datastore %s", d->name, datastore_name(at->ds));
		post_wake(at->loop, w, rc, &e);
		return;
	}
	m = xcalloc(1, sizeof(*m));
	m->loop = at->loop;
	m->workers = at->workers;
	m->conf = at->conf;
	m->ds = datastore_ref(at->ds);
	m->wake = w;
	m->spec = spec_dup(d);
	m->new_path = xasprintf("%s.new", d->path);
	m->fd = -1;
	rc = worker_run(m->workers, run_prepare, on_prepared, m, &m->err);
	if (rc)
		making_end(m, rc);
}

/* ---- the rest of an image's life ---- */

int
disk_delete(const struct datastore *ds, const Drover__DiskSpec *d, struct err *e)
{
	AUTO_FREE char *made = xasprintf("%s.new", d->path);
	AUTO_FREE char *folder = NULL;
	const char *slash = strrchr(d->path, '/');
	int root = datastore_fd(ds), rc;

	rc = ds_path_remove(root, d->path, e);
	if (!rc)
		rc = ds_path_remove(root, made, e);
	if (rc)
		return err_wrap(e, "%s on datastore %s", d->name, datastore_name(ds));
	/* Other disks of the guest may be in it. */
	if (slash) {
		folder = xstrndup(d->path, (size_t)(slash - d->path));
		(void)!ds_path_remove(root, folder, NULL);
	}
	return 0;
}

int
disk_used(const struct datastore *ds, const Drover__DiskSpec *d, uint64_t *ret_bytes,
    struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err why = ERR_INIT;
	struct stat st;
	int rc = ds_path_open(datastore_fd(ds), d->path, O_RDONLY, 0, &fd, &why);

	if (rc == ERR_NOT_FOUND) {
		*ret_bytes = 0;
		return 0;
	}
	if (rc)
		return err_set(e, rc, "%s on datastore %s: %s", d->name,
		    datastore_name(ds), why.msg);
	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "%s on datastore %s", d->name,
		    datastore_name(ds));
	*ret_bytes = (uint64_t)st.st_blocks * 512;
	return 0;
}

static int
memory_path(
    uint64_t guest, int flags, const struct datastore *ds, int *ret_fd, struct err *e)
{
	AUTO_FREE char *folder = xasprintf("vms/vm-%" PRIu64, guest);
	AUTO_FREE char *path = xasprintf("%s/memory.img", folder);
	int rc = 0;

	if (flags & O_CREAT)
		rc = ds_path_mkdirs(datastore_fd(ds), folder, FOLDER_MODE, e);
	if (!rc)
		rc = ds_path_open(datastore_fd(ds), path, flags, 0600, ret_fd, e);
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

int
memory_create(const struct datastore *ds, uint64_t guest, int *ret_fd, struct err *e)
{
	return memory_path(guest, O_RDWR | O_CREAT | O_TRUNC, ds, ret_fd, e);
}

int
memory_open(const struct datastore *ds, uint64_t guest, int *ret_fd, struct err *e)
{
	return memory_path(guest, O_RDONLY, ds, ret_fd, e);
}

int
memory_delete(const struct datastore *ds, uint64_t guest, struct err *e)
{
	AUTO_FREE char *path = xasprintf("vms/vm-%" PRIu64 "/memory.img", guest);
	int rc = ds_path_remove(datastore_fd(ds), path, e);

	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

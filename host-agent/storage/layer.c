#include "host-agent/storage/layer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "loop/worker.h"

#define MERGE_MS    (12u * 3600 * 1000)
#define RELINK_MS   20000
#define MEMORY_MAX  (2ull << 30)
#define CPU_S       3600
#define SECTOR_SIZE 512

/*
 * One child's work, in stages: open (worker) checks the images and lends them to the
 * child, the child changes them, keep (worker) takes them back and syncs.
 */
struct change {
	struct loop *loop;
	struct workers *workers;
	const struct disk_conf *conf;
	struct datastore *ds;
	struct child *child;
	struct wake wake;
	Drover__DiskLayer *upper, *lower; /* of a merge; else the image and what is
					     below it from now on */
	Drover__DiskLayer *was;           /* of a new link */
	int fds[2];
	size_t n_fds;
	bool done; /* there is nothing left to change */
	struct err err;
};

static Drover__DiskLayer *
layer_dup(const Drover__DiskLayer *l)
{
	Drover__DiskLayer *copy = xcalloc(1, sizeof(*copy));

	drover__disk_layer__init(copy);
	copy->path = xstrdup(l->path);
	copy->format = xstrdup(l->format);
	return copy;
}

static void
change_free(struct change *c)
{
	for (size_t i = 0; i < c->n_fds; i++)
		close(c->fds[i]);
	drover__disk_layer__free_unpacked(c->upper, NULL);
	drover__disk_layer__free_unpacked(c->lower, NULL);
	drover__disk_layer__free_unpacked(c->was, NULL);
	datastore_unref(c->ds);
	free(c);
}

static void
change_end(struct change *c, int rc)
{
	if (rc)
		err_wrap(&c->err, "cannot %s \"%.80s\" on datastore %s",
		    c->was ? "link" : "merge", c->upper->path, datastore_name(c->ds));
	post_wake(c->loop, c->wake, rc, &c->err);
	change_free(c);
}

static int
run_keep(void *job)
{
	struct change *c = job;
	struct err *e = &c->err, ignored = ERR_INIT;

	/* The first failure is the one to tell of. */
	for (size_t i = 0; i < c->n_fds; i++) {
		if (disk_give(c->fds[i], 0, 0, 0600, e->code ? &ignored : e))
			continue;
		if (fsync(c->fds[i]) && !e->code)
			err_sys(e, ERR_IO, errno, "cannot sync it");
	}
	return e->code;
}

static void
on_kept(void *job, int rc)
{
	struct change *c = job;

	if (rc && !c->err.code)
		err_set(&c->err, rc, "the agent is stopping");
	change_end(c, rc);
}

static void
keep(struct change *c)
{
	if (worker_run(c->workers, run_keep, on_kept, c, c->err.code ? NULL : &c->err))
		change_end(c, c->err.code ? c->err.code : ERR_BUSY);
}

static void
on_changed(struct child *child, const struct child_result *r, void *arg)
{
	struct change *c = arg;

	if (r->status || r->timed_out)
		child_err(r, c->was ? "qemu-img rebase" : "qemu-img commit", &c->err);
	keep(c);
}

static json *
node_of(const char *format, unsigned fd)
{
	AUTO_FREE char *path = xasprintf("/dev/fd/%u", fd);
	json *node = json_new_object(), *file = json_new_object();

	json_set_str(file, "driver", "file");
	json_set_str(file, "filename", path);
	json_set_str(node, "driver", format);
	json_set_json(node, "file", file);
	return node;
}

/*
 * lower is opened without what it stands on: whole clusters are written into it, so
 * nothing of that is needed (see check_merge).
 */
static char *
merge_text(const struct change *c)
{
	AUTO(json) json *upper = node_of(c->upper->format, 3);
	AUTO_FREE char *text = NULL;
	json *lower = node_of(c->lower->format, 4);

	if (str_same(c->lower->format, "qcow2"))
		json_set_null(lower, "backing");
	json_set_json(upper, "backing", lower);
	text = json_text(upper);
	return xasprintf("json:%s", text);
}

static int
run_child(struct change *c, struct err *e)
{
	AUTO_FREE char *what = c->was ? xstrdup("/dev/fd/3") : merge_text(c);
	AUTO_FREE char *name = disk_backing_text(c->upper->path, c->lower);
	const char *program = qemu_img_program(c->conf);
	const char *merge[] = { program, "commit", "-q", "-d", what, NULL };
	/* -u: what it stands on was looked at by us; the child cannot open it. */
	const char *link[] = { program, "rebase", "-q", "-u", "-f", c->upper->format,
		"-b", name, "-F", c->lower->format, what, NULL };
	/* It starts up to 64 threads, each of which would get an arena of its own. */
	static const char *const env[] = { "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2", NULL };
	struct child_opts o = {
		.argv = c->was ? link : merge,
		.env = env,
		.pass_fds = c->fds,
		.n_pass_fds = c->n_fds,
		.rlimit_as_bytes = MEMORY_MAX,
		.rlimit_cpu_s = CPU_S,
		.timeout_ms = c->was ? RELINK_MS : MERGE_MS,
		.confine = true,
	};

	if (geteuid() == 0) {
		o.uid = c->conf->uid;
		o.gid = c->conf->gid;
	}
	return child_start(c->loop, &o, on_changed, c, &c->child, e);
}

static void
on_opened(void *job, int rc)
{
	struct change *c = job;

	if (rc || c->done) {
		on_kept(c, rc);
		return;
	}
	if (run_child(c, &c->err))
		keep(c);
}

/* Whatever it stands on. */
static int
open_any(struct change *c, const Drover__DiskLayer *l, struct img_facts *ret_f,
    struct err *e)
{
	enum img_format f = IMG_RAW;
	int fd = -1;
	int rc = img_format_parse(l->format, &f, e);

	if (!rc && f == IMG_EXT4)
		rc = err_set(
		    e, ERR_UNSUPPORTED, "a container's layers have no snapshots");
	if (!rc)
		rc = ds_path_open(datastore_fd(c->ds), l->path, O_RDWR, 0, &fd, e);
	if (rc)
		return err_wrap(e, "\"%.80s\"", l->path);
	c->fds[c->n_fds++] = fd;
	rc = img_check_fd(fd, f, IMG_BACKING_ALLOWED, ret_f, e);
	return rc ? err_wrap(e, "\"%.80s\"", l->path) : 0;
}

static int
check_names(const struct change *c, const struct img_facts *f,
    const Drover__DiskLayer *below, struct err *e)
{
	AUTO_FREE char *wanted = disk_backing_text(c->upper->path, below);

	if (str_same(f->backing, wanted))
		return 0;
	return err_set(e, ERR_CORRUPT,
	    "the image's backing file is \"%.60s\" and not \"%.60s\"", f->backing,
	    wanted);
}

static int
check_merge(const struct change *c, const struct img_facts *upper,
    const struct img_facts *lower, struct err *e)
{
	struct datastore_room room;
	struct stat st;
	int rc = check_names(c, upper, c->lower, e);

	if (rc)
		return rc;
	if (*lower->backing && lower->cluster_bytes > upper->cluster_bytes)
		return err_set(e, ERR_UNSUPPORTED,
		    "its clusters (%u bytes) are smaller than those of the image that "
		    "it stands on (%u)",
		    upper->cluster_bytes, lower->cluster_bytes);
	rc = datastore_look(c->ds, &room, e);
	if (rc)
		return rc;
	if (fstat(c->fds[0], &st))
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	if ((uint64_t)st.st_blocks * SECTOR_SIZE > room.free_bytes)
		return err_set(e, ERR_NO_CAPACITY,
		    "up to %llu bytes are written and %llu are free",
		    (unsigned long long)st.st_blocks * SECTOR_SIZE,
		    (unsigned long long)room.free_bytes);
	return 0;
}

static int
lend(struct change *c, struct err *e)
{
	for (size_t i = 0; i < c->n_fds; i++) {
		if (disk_give(c->fds[i], c->conf->uid, c->conf->gid, 0600, e))
			return e->code;
	}
	return 0;
}

static int
run_open_merge(void *job)
{
	struct change *c = job;
	struct img_facts upper, lower;
	struct err *e = &c->err;

	if (open_any(c, c->upper, &upper, e) || open_any(c, c->lower, &lower, e) ||
	    check_merge(c, &upper, &lower, e))
		return e->code;
	return lend(c, e);
}

static int
run_open_link(void *job)
{
	struct change *c = job;
	struct err *e = &c->err, why = ERR_INIT;
	struct img_facts image;

	if (open_any(c, c->upper, &image, e))
		return e->code;
	c->done = !check_names(c, &image, c->lower, &why);
	if (c->done)
		return 0;
	if (check_names(c, &image, c->was, e))
		return e->code;
	return lend(c, e);
}

static void
begin(const struct disk_place *at, struct change *c, int (*run)(void *job))
{
	c->loop = at->loop;
	c->workers = at->workers;
	c->conf = at->conf;
	c->ds = datastore_ref(at->ds);
	if (worker_run(c->workers, run, on_opened, c, &c->err))
		change_end(c, c->err.code);
}

void
layer_merge(const struct disk_place *at, const Drover__DiskLayer *upper,
    const Drover__DiskLayer *lower, struct wake w)
{
	struct change *c = xcalloc(1, sizeof(*c));

	c->wake = w;
	c->upper = layer_dup(upper);
	c->lower = layer_dup(lower);
	begin(at, c, run_open_merge);
}

void
layer_relink(const struct disk_place *at, const Drover__DiskLayer *image,
    const Drover__DiskLayer *was, const Drover__DiskLayer *below, struct wake w)
{
	struct change *c = xcalloc(1, sizeof(*c));

	c->wake = w;
	c->upper = layer_dup(image);
	c->was = layer_dup(was);
	c->lower = layer_dup(below);
	begin(at, c, run_open_link);
}

char *
layer_name(const char *path, const Drover__DiskLayer *below)
{
	return disk_backing_text(path, below);
}

int
layer_stands_on(const struct datastore *ds, const Drover__DiskLayer *image,
    const Drover__DiskLayer *below, struct err *e)
{
	const struct disk_image im = { image->path, image->format, below };
	AUTO_CLOSE int fd = -1;
	struct img_facts facts;

	return disk_image_open(ds, &im, O_RDONLY, &fd, &facts, e);
}

int
layer_remove(const struct datastore *ds, const char *path, struct err *e)
{
	AUTO_FREE char *made = xasprintf("%s.new", path);
	int rc = ds_path_remove(datastore_fd(ds), path, e);

	if (!rc)
		rc = ds_path_remove(datastore_fd(ds), made, e);
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

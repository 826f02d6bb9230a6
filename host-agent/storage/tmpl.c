#include "host-agent/storage/tmpl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"

#define CHUNK      1048576u
#define SHA256_LEN 32
#define CHECK_MS   300000
#define LEAKS_ONLY 3 /* qemu-img check: wasted clusters, all data is sound */

/*
 * Three stages: bring (worker) makes the file ours under its .new name, check (child)
 * lets qemu-img read it, keep (worker) hashes it and gives it its name.
 */
struct tmpl_import {
	struct tmpl_place at;
	struct disk_conf conf;
	char *program;
	tmpl_done_fn done;
	void *arg;
	struct child *child;
	bool on_worker, cancelled;

	/* Of the worker's while it runs. */
	uint64_t tmpl;
	char *source, *folder, *path, *new_path, *format_name;
	enum img_format format;
	bool keep_source;
	bool is_there; /* imported by an earlier order */
	bool moved;    /* the source was renamed to new_path */
	int fd;
	struct img_facts facts;
	uint64_t file_bytes;
	char sha256[2 * SHA256_LEN + 1];
	struct err err;
};

char *
tmpl_folder(uint64_t tmpl)
{
	return xasprintf("templates/template-%" PRIu64, tmpl);
}

static void
import_free(struct tmpl_import *im)
{
	if (im->fd >= 0)
		close(im->fd);
	datastore_unref(im->at.ds);
	free(im->program);
	free(im->source);
	free(im->folder);
	free(im->path);
	free(im->new_path);
	free(im->format_name);
	free(im);
}

static int
rename_below(int root, const char *from, const char *to, struct err *e)
{
	AUTO_CLOSE int from_fd = -1;
	AUTO_CLOSE int to_fd = -1;
	const char *from_base, *to_base;
	int rc = ds_path_parent(root, from, &from_fd, &from_base, e);

	if (!rc)
		rc = ds_path_parent(root, to, &to_fd, &to_base, e);
	if (!rc && renameat(from_fd, from_base, to_fd, to_base))
		rc = err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot rename \"%.80s\"", from);
	if (!rc && fsync(to_fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync \"%.80s\"", to);
	return rc;
}

/* ---- stage 1, worker: bring ---- */

static int
copy_bytes(int from, int to, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	ssize_t n, done;

	while ((n = read(from, buf, CHUNK)) != 0) {
		if (n < 0)
			return err_sys(e, ERR_IO, errno, "cannot read it");
		for (ssize_t at = 0; at < n; at += done) {
			done = write(to, buf + at, (size_t)(n - at));
			if (done < 0)
				return err_sys(e,
				    errno == ENOSPC ? ERR_NO_CAPACITY : ERR_IO, errno,
				    "cannot copy it");
		}
	}
	return 0;
}

static int
copy_source(struct tmpl_import *im, int source, struct err *e)
{
	int root = datastore_fd(im->at.ds), rc;

	rc = ds_path_remove(root, im->new_path, e);
	if (!rc)
		rc = ds_path_open(
		    root, im->new_path, O_RDWR | O_CREAT | O_EXCL, 0600, &im->fd, e);
	return rc ? rc : copy_bytes(source, im->fd, e);
}

static int
bring_source(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds), rc;
	AUTO_CLOSE int source = -1;

	rc = ds_path_open(root, im->source, O_RDONLY, 0, &source, e);
	/* Refused before anything is touched. */
	if (!rc)
		rc = img_check_fd(
		    source, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	if (rc)
		return rc;
	if (im->keep_source)
		return copy_source(im, source, e);
	rc = rename_below(root, im->source, im->new_path, e);
	im->moved = !rc;
	if (!rc)
		im->fd = MOVE_FD(source);
	return rc;
}

/* An earlier order's work: the same number with its source gone, or still wanted. */
static int
look_for_template(struct tmpl_import *im, struct err *e)
{
	int root = datastore_fd(im->at.ds);
	AUTO_CLOSE int made = -1;
	AUTO_CLOSE int source = -1;

	if (ds_path_open(root, im->path, O_RDONLY, 0, &made, NULL))
		return 0;
	if (!im->keep_source &&
	    ds_path_open(root, im->source, O_RDONLY, 0, &source, NULL) != ERR_NOT_FOUND)
		return err_set(e, ERR_EXISTS, "template-%" PRIu64 " exists", im->tmpl);
	im->is_there = true;
	im->fd = MOVE_FD(made);
	return 0;
}

/* The agent may have died between taking the source and naming the template. */
static bool
was_brought(struct tmpl_import *im)
{
	int root = datastore_fd(im->at.ds);
	AUTO_CLOSE int source = -1;

	if (im->keep_source ||
	    ds_path_open(root, im->source, O_RDONLY, 0, &source, NULL) != ERR_NOT_FOUND)
		return false;
	return ds_path_open(root, im->new_path, O_RDONLY, 0, &im->fd, NULL) == 0;
}

static int
run_bring(void *job)
{
	struct tmpl_import *im = job;
	struct datastore_room room;
	struct err *e = &im->err;
	int rc = datastore_look(im->at.ds, &room, e);

	if (rc)
		return rc;
	rc = look_for_template(im, e);
	if (rc || im->is_there)
		return rc;
	rc = ds_path_mkdirs(datastore_fd(im->at.ds), im->folder, 0711, e);
	if (!rc && !was_brought(im))
		rc = bring_source(im, e);
	if (!rc)
		rc = img_check_fd(
		    im->fd, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	if (!rc)
		rc = img_size_check(im->facts.virtual_bytes, room.capacity_bytes, e);
	/* Readable for the child, writable for nobody. */
	if (!rc)
		rc = disk_give(im->fd, im->conf.uid, im->conf.gid, 0400, e);
	return rc;
}

/* ---- stage 3, worker: keep ---- */

static int
hash_file(struct tmpl_import *im, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[SHA256_LEN];
	uint64_t at = 0;
	ssize_t n = 0;
	bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	while (good && (n = pread(im->fd, buf, CHUNK, (off_t)at)) > 0) {
		good = EVP_DigestUpdate(md, buf, (size_t)n) == 1;
		at += (uint64_t)n;
	}
	good = good && n == 0 && EVP_DigestFinal_ex(md, sum, NULL) == 1;
	EVP_MD_CTX_free(md);
	if (!good)
		return err_sys(e, ERR_IO, n < 0 ? errno : EIO, "cannot hash it");
	im->file_bytes = at;
	hex_encode(sum, sizeof(sum), im->sha256);
	return 0;
}

static int
run_keep(void *job)
{
	struct tmpl_import *im = job;
	struct err *e = &im->err;
	int rc = hash_file(im, e);

	if (rc || im->is_there)
		return rc ? rc
			  : img_check_fd(
				im->fd, im->format, IMG_BACKING_REFUSED, &im->facts, e);
	rc = disk_give(im->fd, 0, im->conf.gid, 0440, e);
	if (!rc && fsync(im->fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync it");
	if (!rc)
		rc = rename_below(datastore_fd(im->at.ds), im->new_path, im->path, e);
	return rc;
}

/* ---- the loop's side ---- */

/* Blocking, but only a rename or an unlink after a failure. */
static void
take_back(struct tmpl_import *im)
{
	int root = datastore_fd(im->at.ds);

	/* The failure that led here is the one to tell of. */
	if (!im->is_there && im->fd >= 0) {
		(void)!disk_give(im->fd, 0, 0, 0600, NULL);
		if (im->moved)
			(void)!rename_below(root, im->new_path, im->source, NULL);
		else
			(void)!ds_path_remove(root, im->new_path, NULL);
	}
	(void)!ds_path_remove(root, im->folder, NULL);
}

static void
end(struct tmpl_import *im, int rc)
{
	Drover__TemplateFacts facts;

	if (rc)
		take_back(im);
	if (rc && !im->cancelled) {
		err_wrap(&im->err, "cannot import \"%.80s\" on datastore %s",
		    im->source, datastore_name(im->at.ds));
		im->done(im->arg, rc, &im->err, NULL);
	} else if (!im->cancelled) {
		drover__template_facts__init(&facts);
		facts.path = im->path;
		facts.format = im->format_name;
		facts.virtual_bytes = im->facts.virtual_bytes;
		facts.file_bytes = im->file_bytes;
		facts.sha256 = im->sha256;
		im->done(im->arg, 0, &im->err, &facts);
	}
	import_free(im);
}

static void
on_kept(void *job, int rc)
{
	struct tmpl_import *im = job;

	im->on_worker = false;
	end(im, rc);
}

static void
keep(struct tmpl_import *im)
{
	int rc = worker_run(im->at.workers, run_keep, on_kept, im, &im->err);

	im->on_worker = !rc;
	if (rc)
		end(im, rc);
}

static void
on_checked(struct child *c, const struct child_result *r, void *arg)
{
	struct tmpl_import *im = arg;
	int status = r->status;

	im->child = NULL;
	if (WIFEXITED(status) && WEXITSTATUS(status) == LEAKS_ONLY && !r->timed_out)
		status = 0;
	if (status || r->timed_out) {
		child_err(r, "qemu-img check", &im->err);
		im->err.code = ERR_INVALID;
		end(im, err_wrap(&im->err, "the image is damaged"));
		return;
	}
	keep(im);
}

static void
check(struct tmpl_import *im)
{
	const char *argv[] = { qemu_img_program(&im->conf), "check", "-q", "-U", "-f",
		"qcow2", "/dev/fd/3", NULL };
	struct qemu_img run = { im->at.loop, &im->conf, argv, im->fd, CHECK_MS };
	int rc = qemu_img_start(&run, on_checked, im, &im->child, &im->err);

	if (rc)
		end(im, rc);
}

static void
on_brought(void *job, int rc)
{
	struct tmpl_import *im = job;

	im->on_worker = false;
	if (!rc && im->cancelled)
		rc = ERR_CANCELLED;
	if (rc)
		end(im, rc);
	else if (im->is_there || im->format == IMG_RAW)
		keep(im);
	else
		check(im);
}

int
tmpl_import_start(const struct tmpl_place *p, const Drover__TemplateImport *order,
    tmpl_done_fn done, void *arg, struct tmpl_import **ret_im, struct err *e)
{
	struct tmpl_import *im;
	enum img_format format;
	int rc = ds_path_check(order->path, e);

	if (!rc)
		rc = datastore_path_is_users(order->path, e);
	if (!rc)
		rc = img_format_parse(order->format, &format, e);
	if (rc)
		return rc;
	im = xcalloc(1, sizeof(*im));
	im->at = *p;
	im->at.ds = datastore_ref(p->ds);
	im->program = xstrdup(qemu_img_program(p->conf));
	im->conf = *p->conf;
	im->conf.qemu_img = im->program;
	im->done = done;
	im->arg = arg;
	im->tmpl = order->template_;
	im->format = format;
	im->format_name = xstrdup(order->format);
	im->keep_source = order->keep_source;
	im->source = xstrdup(order->path);
	im->folder = tmpl_folder(order->template_);
	im->path = xasprintf("%s/disk.%s", im->folder, order->format);
	im->new_path = xasprintf("%s.new", im->path);
	im->fd = -1;
	rc = worker_run(p->workers, run_bring, on_brought, im, e);
	if (rc) {
		import_free(im);
		return rc;
	}
	im->on_worker = true;
	*ret_im = im;
	return 0;
}

void
tmpl_import_cancel(struct tmpl_import *im)
{
	im->cancelled = true;
	if (im->on_worker)
		return;
	child_free(im->child);
	end(im, ERR_CANCELLED);
}

int
tmpl_delete(const struct datastore *ds, uint64_t tmpl, struct err *e)
{
	static const char *const files[] = { "disk.qcow2", "disk.raw", "disk.qcow2.new",
		"disk.raw.new" };
	AUTO_FREE char *folder = tmpl_folder(tmpl);
	int root = datastore_fd(ds), rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !rc; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", folder, files[i]);

		rc = ds_path_remove(root, path, e);
	}
	if (!rc)
		rc = ds_path_remove(root, folder, e);
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

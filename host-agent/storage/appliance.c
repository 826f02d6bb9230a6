#include "host-agent/storage/appliance.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/img_ext4.h"
#include "host-agent/storage/ovf.h"
#include "host-agent/storage/tar.h"

#define COPY_PIECE (64u << 20)
#define FILE_MODE  0600
/* Where a machine's name is not fit for a file. */
#define PLAIN_NAME "appliance"
#define MARK_BYTES 8

/*
 * Stages: prepare (worker) opens the disk and makes an empty file, copy (child) packs
 * the disk into it, pack (worker) writes the archive and gives it its name.
 */
struct appliance_export {
	struct tmpl_place at;
	struct disk_conf conf;
	char *program;
	appliance_done_fn done;
	void *arg;
	struct img_copy *copy;
	bool on_worker, cancelled;

	/* Of the worker's while it runs. */
	char *path, *disk_path, *new_path, *base;
	Drover__DiskSource *source;
	struct img_source from;
	struct ovf ovf;
	int disk_fd;
	uint64_t bytes;
	struct err err;
};

static void
export_free(struct appliance_export *x)
{
	if (x->disk_fd >= 0)
		close(x->disk_fd);
	img_source_close(&x->from);
	datastore_unref(x->at.ds);
	datastore_unref(x->at.source_ds);
	drover__disk_source__free_unpacked(x->source, NULL);
	free(x->program);
	free(x->path);
	free(x->disk_path);
	free(x->new_path);
	free(x->base);
	free(x);
}

/* ---- worker: prepare ---- */

static int
look_for(const struct appliance_export *x, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = ds_path_open(datastore_fd(x->at.ds), x->path, O_RDONLY, 0, &fd, NULL);

	if (rc == ERR_NOT_FOUND)
		return 0;
	return err_set(e, ERR_EXISTS, "there is such a file already");
}

static int
make_file(
    const struct appliance_export *x, const char *path, int *ret_fd, struct err *e)
{
	const char *slash = strrchr(path, '/');
	int root = datastore_fd(x->at.ds), rc = 0;

	if (slash) {
		AUTO_FREE char *folder = xstrndup(path, (size_t)(slash - path));

		rc = ds_path_mkdirs(root, folder, 0711, e);
	}
	if (!rc)
		rc = ds_path_open(
		    root, path, O_RDWR | O_CREAT | O_EXCL, FILE_MODE, ret_fd, e);
	return rc;
}

static int
run_prepare(void *job)
{
	struct appliance_export *x = job;
	struct datastore_room room;
	struct err *e = &x->err;
	int rc = datastore_look(x->at.ds, &room, e);

	if (!rc && img_format_is_ext4(x->source->format))
		rc = err_set(e, ERR_UNSUPPORTED,
		    "an appliance describes a machine, and this is a container's disk");
	if (!rc)
		rc = look_for(x, e);
	if (!rc)
		rc = img_source_open(x->at.source_ds, x->source, &x->conf, &x->from, e);
	if (!rc)
		rc = make_file(x, x->disk_path, &x->disk_fd, e);
	if (rc)
		return rc;
	x->ovf.disk_bytes = x->from.virtual_bytes;
	return disk_give(x->disk_fd, x->conf.uid, x->conf.gid, FILE_MODE, e);
}

/* ---- worker: pack ---- */

static int
write_code(int sys)
{
	return sys == ENOSPC || sys == EDQUOT ? ERR_NO_CAPACITY : ERR_IO;
}

static int
write_all(int fd, const void *p, size_t n, struct err *e)
{
	for (size_t at = 0; at < n;) {
		ssize_t done = write(fd, (const char *)p + at, n - at);

		if (done < 0)
			return err_sys(e, write_code(errno), errno, "cannot write it");
		at += (size_t)done;
	}
	return 0;
}

static int
write_header(int fd, const char *name, uint64_t bytes, struct err *e)
{
	uint8_t block[TAR_BLOCK];

	tar_header(block, name, bytes);
	return write_all(fd, block, sizeof(block), e);
}

static int
fill_block(int fd, uint64_t bytes, struct err *e)
{
	static const uint8_t zeros[TAR_BLOCK];

	return write_all(
	    fd, zeros, (size_t)((TAR_BLOCK - bytes % TAR_BLOCK) % TAR_BLOCK), e);
}

static int
add_text(int fd, const char *name, const struct str *text, struct err *e)
{
	int rc = write_header(fd, name, text->len, e);

	if (!rc)
		rc = write_all(fd, str_cstr(text), text->len, e);
	return rc ? rc : fill_block(fd, text->len, e);
}

static int
add_file(int fd, const char *name, const struct span *file, struct err *e)
{
	loff_t at = 0;
	int rc = write_header(fd, name, file->bytes, e);

	while (!rc && (uint64_t)at < file->bytes) {
		uint64_t left = file->bytes - (uint64_t)at;
		ssize_t n = copy_file_range(file->fd, &at, fd, NULL,
		    left < COPY_PIECE ? (size_t)left : COPY_PIECE, 0);

		if (n <= 0)
			rc = err_sys(e, write_code(errno), n < 0 ? errno : EIO,
			    "cannot write it");
	}
	return rc ? rc : fill_block(fd, file->bytes, e);
}

static int
add_digest(struct str *manifest, const char *name, const struct span *s, struct err *e)
{
	char hex[SPAN_HEX_MAX];
	int rc = span_digest(s, "SHA256", hex, e);

	if (!rc)
		str_addf(manifest, "SHA256(%s)= %s\n", name, hex);
	return rc;
}

/* The description lies in no file: its digest is of a stretch of the archive. */
static int
write_archive(struct appliance_export *x, int fd, struct err *e)
{
	static const uint8_t end[2 * TAR_BLOCK];
	AUTO_FREE char *ovf_name = xasprintf("%s.ovf", x->base);
	AUTO_FREE char *mf_name = xasprintf("%s.mf", x->base);
	AUTO(str) struct str text = STR_INIT, manifest = STR_INIT;
	struct span disk, described = { .fd = fd, .at = TAR_BLOCK };
	int rc = span_whole(x->disk_fd, &disk, e);

	if (rc)
		return rc;
	ovf_write(&x->ovf, disk.bytes, &text);
	described.bytes = text.len;
	rc = add_text(fd, ovf_name, &text, e);
	if (!rc)
		rc = add_digest(&manifest, ovf_name, &described, e);
	if (!rc)
		rc = add_digest(&manifest, x->ovf.disk_file, &disk, e);
	if (!rc)
		rc = add_text(fd, mf_name, &manifest, e);
	if (!rc)
		rc = add_file(fd, x->ovf.disk_file, &disk, e);
	return rc ? rc : write_all(fd, end, sizeof(end), e);
}

static int
publish(const struct appliance_export *x, int fd, struct err *e)
{
	AUTO_CLOSE int folder = -1;
	const char *from, *to = strrchr(x->path, '/');
	int rc = 0;

	if (fsync(fd))
		return err_sys(e, ERR_IO, errno, "cannot sync it");
	rc = ds_path_parent(datastore_fd(x->at.ds), x->new_path, &folder, &from, e);
	if (rc)
		return rc;
	to = to ? to + 1 : x->path;
	if (renameat2(folder, from, folder, to, RENAME_NOREPLACE))
		return err_sys(
		    e, errno == EEXIST ? ERR_EXISTS : ERR_IO, errno, "cannot name it");
	if (fsync(folder))
		return err_sys(e, ERR_IO, errno, "cannot sync its folder");
	return ds_path_remove(datastore_fd(x->at.ds), x->disk_path, e);
}

static int
run_pack(void *job)
{
	struct appliance_export *x = job;
	AUTO_CLOSE int fd = -1;
	struct err *e = &x->err;
	struct stat st;
	int rc = make_file(x, x->new_path, &fd, e);

	if (!rc)
		rc = write_archive(x, fd, e);
	if (!rc && fstat(fd, &st))
		rc = err_sys(e, ERR_IO, errno, "cannot look at it");
	if (!rc)
		rc = publish(x, fd, e);
	if (!rc)
		x->bytes = (uint64_t)st.st_size;
	return rc;
}

/* ---- the loop's side ---- */

/* Unlinks only. */
static void
take_back(const struct appliance_export *x)
{
	if (x->disk_fd < 0)
		return;
	(void)!ds_path_remove(datastore_fd(x->at.ds), x->disk_path, NULL);
	(void)!ds_path_remove(datastore_fd(x->at.ds), x->new_path, NULL);
}

static void
end(struct appliance_export *x, int rc)
{
	Drover__FileFacts facts = DROVER__FILE_FACTS__INIT;

	if (rc)
		take_back(x);
	if (rc && !x->cancelled) {
		err_wrap(&x->err, "cannot export to \"%.80s\" on datastore %s", x->path,
		    datastore_name(x->at.ds));
		x->done(x->arg, rc, &x->err, NULL);
	} else if (!x->cancelled) {
		facts.path = x->path;
		facts.size_bytes = x->bytes;
		x->done(x->arg, 0, &x->err, &facts);
	}
	export_free(x);
}

static void
on_packed(void *job, int rc)
{
	struct appliance_export *x = job;

	x->on_worker = false;
	end(x, rc);
}

static bool
on_tick(void *arg, const struct img_copied *c)
{
	const struct appliance_export *x = arg;
	Drover__Progress at = DROVER__PROGRESS__INIT;
	char phase[] = "packing the disk";

	at.done_bytes = c->done_bytes;
	at.total_bytes = c->total_bytes;
	at.bytes_per_s = c->bytes_per_s;
	at.phase = phase;
	progress_note(x->at.progress, x->at.order, &at);
	return true;
}

static void
on_copied(void *arg, int rc, const struct err *e)
{
	struct appliance_export *x = arg;

	x->copy = NULL;
	if (rc)
		x->err = *e;
	else
		rc = worker_run(x->at.workers, run_pack, on_packed, x, &x->err);
	x->on_worker = !rc;
	if (rc)
		end(x, rc);
}

static void
on_prepared(void *job, int rc)
{
	struct appliance_export *x = job;
	const struct img_copy_ops ops = { on_tick, on_copied, x };
	const struct img_copy_opts o = {
		.loop = x->at.loop,
		.conf = &x->conf,
		.source = &x->from,
		.target = IMG_TARGET_STREAM,
		.target_fd = x->disk_fd,
	};

	x->on_worker = false;
	if (!rc && x->cancelled)
		rc = ERR_CANCELLED;
	if (!rc)
		rc = img_copy_start(&o, &ops, &x->copy, &x->err);
	if (rc)
		end(x, rc);
}

/* Beside the user's files, and none of them: nobody else knows the names. */
static void
name_parts(struct appliance_export *x)
{
	uint8_t mark[MARK_BYTES];
	char hex[2 * MARK_BYTES + 1];

	rng_secret(mark, sizeof(mark));
	hex_encode(mark, sizeof(mark), hex);
	x->disk_path = xasprintf("%s.%s.disk.new", x->path, hex);
	x->new_path = xasprintf("%s.%s.new", x->path, hex);
}

static void
describe(struct appliance_export *x, const Drover__ApplianceExport *order)
{
	struct ovf *o = &x->ovf;

	x->base = xstrdup(name_is_file_safe(order->name) ? order->name : PLAIN_NAME);
	snprintf(o->name, sizeof(o->name), "%s", order->name);
	snprintf(o->description, sizeof(o->description), "%s", order->description);
	snprintf(o->disk_file, sizeof(o->disk_file), "%s-disk1.vmdk", x->base);
	o->num_cpu = order->num_cpu;
	o->memory_mb = order->memory_mb;
	o->num_nics = order->num_nics;
}

int
appliance_export_start(const struct tmpl_place *p, const Drover__ApplianceExport *order,
    appliance_done_fn done, void *arg, struct appliance_export **ret_x, struct err *e)
{
	struct appliance_export *x;
	int rc = ds_path_check(order->path, e);

	if (!rc)
		rc = datastore_path_is_users(order->path, e);
	if (!rc && !order->source)
		rc = err_set(e, ERR_INVALID, "no disk to export");
	if (rc)
		return rc;
	x = xcalloc(1, sizeof(*x));
	x->at = *p;
	x->at.ds = datastore_ref(p->ds);
	x->at.source_ds = datastore_ref(p->source_ds);
	x->program = xstrdup(qemu_img_program(p->conf));
	x->conf = *p->conf;
	x->conf.qemu_img = x->program;
	x->done = done;
	x->arg = arg;
	x->path = xstrdup(order->path);
	name_parts(x);
	x->source = img_source_dup(order->source);
	x->disk_fd = -1;
	describe(x, order);
	rc = worker_run(p->workers, run_prepare, on_prepared, x, e);
	if (rc) {
		export_free(x);
		return rc;
	}
	x->on_worker = true;
	*ret_x = x;
	return 0;
}

void
appliance_export_cancel(struct appliance_export *x)
{
	x->cancelled = true;
	if (x->on_worker)
		return;
	img_copy_free(x->copy);
	end(x, ERR_CANCELLED);
}

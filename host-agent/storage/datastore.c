#include "host-agent/storage/datastore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_file.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/layer_pool.h"
#include "proto/msg.h"

#define MARK_MAX 64

struct datastore {
	atomic_uint refs;
	uint64_t number;
	char *name, *uuid, *path;
	int root_fd;
};

static void
trim_slashes(char *s)
{
	size_t n = strlen(s);

	while (n > 1 && s[n - 1] == '/')
		s[--n] = '\0';
}

static bool
lies_below(const char *path, const char *root)
{
	size_t n = strlen(root);

	if (str_same(root, "/"))
		return true;
	return strncmp(path, root, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Is real (links resolved) one of the roots or below one? */
static bool
is_allowed(const char *real, const char *roots)
{
	size_t n;

	for (const char *p = roots; *p; p += n + (p[n] == ',')) {
		AUTO_FREE char *root = NULL;
		char resolved[PATH_MAX];

		n = strcspn(p, ",");
		root = xstrndup(p, n);
		trim_slashes(root);
		if (root[0] == '/' && realpath(root, resolved) &&
		    lies_below(real, resolved))
			return true;
	}
	return false;
}

static int
check_spec(const Drover__DatastoreSpec *spec, struct err *e)
{
	if (!str_same(spec->type, "dir"))
		return err_set(e, ERR_UNSUPPORTED,
		    "datastore type: wants dir, got \"%.32s\"", spec->type);
	if (spec->path[0] != '/' || strlen(spec->path) >= PATH_MAX)
		return err_set(e, ERR_INVALID, "datastore path: wants an absolute one");
	if (strlen(spec->uuid) < 1 || strlen(spec->uuid) >= MARK_MAX ||
	    strpbrk(spec->uuid, "\n "))
		return err_set(e, ERR_INVALID, "datastore uuid: wants one");
	return 0;
}

/* The path as the kernel knows it, inside the roots; the last folder may have to be
 * made. */
static int
find_root(const Drover__DatastoreSpec *spec, const char *roots, char real[PATH_MAX],
    struct err *e)
{
	AUTO_FREE char *parent = xstrdup(spec->path);
	char *slash;

	trim_slashes(parent);
	if (spec->create && !realpath(parent, real) && errno == ENOENT) {
		slash = strrchr(parent, '/');
		*slash = '\0';
		if (!realpath(*parent ? parent : "/", real))
			return err_sys(e, ERR_UNAVAILABLE, errno, "%s", spec->path);
		if (!is_allowed(real, roots))
			return err_set(e, ERR_DENIED,
			    "%s lies below none of storage.roots", spec->path);
		*slash = '/';
		if (mkdir(parent, 0711) && errno != EEXIST)
			return err_sys(
			    e, ERR_UNAVAILABLE, errno, "cannot make %s", spec->path);
	}
	if (!realpath(parent, real))
		return err_sys(e, ERR_UNAVAILABLE, errno, "%s", spec->path);
	if (!is_allowed(real, roots))
		return err_set(
		    e, ERR_DENIED, "%s lies below none of storage.roots", spec->path);
	return 0;
}

static int
read_mark(int root_fd, char buf[MARK_MAX], struct err *e)
{
	AUTO_CLOSE int fd = -1;
	ssize_t n;
	int rc = ds_path_open(root_fd, DATASTORE_MARK, O_RDONLY, 0, &fd, e);

	if (rc)
		return rc;
	n = read(fd, buf, MARK_MAX - 1);
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read " DATASTORE_MARK);
	buf[n] = '\0';
	buf[strcspn(buf, "\r\n ")] = '\0';
	return 0;
}

/* O_EXCL: of two hosts that attach it at the same time one writes and both read. */
static int
write_mark(int root_fd, const char *uuid, struct err *e)
{
	AUTO_FREE char *text = xasprintf("%s\n", uuid);
	AUTO_CLOSE int fd = -1;
	ssize_t n = (ssize_t)strlen(text);
	int rc = ds_path_open(
	    root_fd, DATASTORE_MARK, O_WRONLY | O_CREAT | O_EXCL, 0644, &fd, e);

	if (rc == ERR_EXISTS)
		return 0;
	if (rc)
		return rc;
	if (write(fd, text, (size_t)n) != n || fsync(fd) || fsync(root_fd))
		return err_sys(e, ERR_IO, errno, "cannot write " DATASTORE_MARK);
	return 0;
}

static int
check_mark(int root_fd, const char *path, const char *uuid, struct err *e)
{
	char mark[MARK_MAX];
	int rc = read_mark(root_fd, mark, e);

	if (rc == ERR_NOT_FOUND)
		return err_set(e, ERR_UNAVAILABLE,
		    "%s has no " DATASTORE_MARK ": is it mounted?", path);
	if (rc)
		return err_set(e, ERR_UNAVAILABLE, "%s cannot be read", path);
	if (!str_same(mark, uuid))
		return err_set(e, ERR_UNAVAILABLE,
		    "%s is another datastore: its mark is %s, not %s", path, mark,
		    uuid);
	return 0;
}

int
datastore_attach(const Drover__DatastoreSpec *spec, const char *roots,
    struct datastore **ret_ds, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	char real[PATH_MAX];
	struct datastore *ds;
	int rc = check_spec(spec, e);

	if (!rc)
		rc = find_root(spec, roots, real, e);
	if (rc)
		return rc;
	fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "%s", real);
	if (spec->create)
		rc = write_mark(fd, spec->uuid, e);
	if (!rc)
		rc = check_mark(fd, real, spec->uuid, e);
	if (rc)
		return rc;
	ds = xcalloc(1, sizeof(*ds));
	atomic_init(&ds->refs, 1);
	ds->number = spec->datastore;
	ds->name = xstrdup(spec->name);
	ds->uuid = xstrdup(spec->uuid);
	ds->path = xstrdup(real);
	ds->root_fd = MOVE_FD(fd);
	*ret_ds = ds;
	return 0;
}

struct datastore *
datastore_ref(struct datastore *ds)
{
	atomic_fetch_add(&ds->refs, 1);
	return ds;
}

void
datastore_unref(struct datastore *ds)
{
	if (!ds || atomic_fetch_sub(&ds->refs, 1) > 1)
		return;
	close(ds->root_fd);
	free(ds->name);
	free(ds->uuid);
	free(ds->path);
	free(ds);
}

uint64_t
datastore_number(const struct datastore *ds)
{
	return ds->number;
}

const char *
datastore_name(const struct datastore *ds)
{
	return ds->name;
}

const char *
datastore_uuid(const struct datastore *ds)
{
	return ds->uuid;
}

const char *
datastore_path(const struct datastore *ds)
{
	return ds->path;
}

int
datastore_fd(const struct datastore *ds)
{
	return ds->root_fd;
}

int
datastore_look(
    const struct datastore *ds, struct datastore_room *ret_room, struct err *e)
{
	/* Anew by its path: the descriptor would still see what a mount has covered. */
	AUTO_CLOSE int fd =
	    open(ds->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct statvfs v;
	int rc;

	if (fd < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "%s", ds->path);
	rc = check_mark(fd, ds->path, ds->uuid, e);
	if (rc)
		return rc;
	if (fstatvfs(fd, &v))
		return err_sys(e, ERR_UNAVAILABLE, errno, "%s", ds->path);
	ret_room->capacity_bytes = (uint64_t)v.f_blocks * v.f_frsize;
	ret_room->free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}

/* ---- files ---- */

int
datastore_path_is_users(const char *path, struct err *e)
{
	static const char *const ours[] = { DATASTORE_MARK, DS_BEATS, DS_LEASES,
		LAYER_POOL, "vms", "templates" };

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		size_t n = strlen(ours[i]);
		if (!strncmp(path, ours[i], n) && (!path[n] || path[n] == '/'))
			return err_set(e, ERR_DENIED,
			    "\"%.100s\": what lies in %s is changed by the operations on"
			    " machines and templates only",
			    path, ours[i]);
	}
	return 0;
}

static int
open_for_write(
    const struct datastore *ds, const Drover__FileWrite *w, int *ret_fd, struct err *e)
{
	const char *slash = strrchr(w->path, '/');
	int flags = O_RDWR | O_CREAT, rc;
	AUTO_FREE char *folder = NULL;

	rc = ds_path_check(w->path, e);
	if (!rc && slash) {
		folder = xstrndup(w->path, (size_t)(slash - w->path));
		rc = ds_path_mkdirs(ds->root_fd, folder, 0711, e);
	}
	return rc ? rc : ds_path_open(ds->root_fd, w->path, flags, 0600, ret_fd, e);
}

static int
write_code(int sys)
{
	return sys == ENOSPC || sys == EDQUOT ? ERR_NO_CAPACITY : ERR_IO;
}

static int
write_all(int fd, const uint8_t *p, size_t n, uint64_t at, struct err *e)
{
	ssize_t done;

	for (; n > 0; p += done, n -= (size_t)done, at += (uint64_t)done) {
		done = pwrite(fd, p, n, (off_t)at);
		if (done < 0 && errno == EINTR)
			done = 0;
		else if (done < 0)
			return err_sys(e, write_code(errno), errno, "cannot write");
	}
	return 0;
}

/* Has an order that is repeated written it before? */
static bool
is_there(int fd, const Drover__FileWrite *w)
{
	AUTO_FREE uint8_t *had = xmalloc(w->data.len + 1);

	return w->data.len &&
	       pread(fd, had, w->data.len, (off_t)w->offset) == (ssize_t)w->data.len &&
	       !memcmp(had, w->data.data, w->data.len);
}

static int
check_quota(
    const struct datastore *ds, const Drover__FileWrite *w, uint64_t had, struct err *e)
{
	uint64_t used = 0;
	int rc = w->quota_bytes ? ds_users_bytes(ds, &used, e) : 0;

	if (rc || !w->quota_bytes)
		return rc;
	used -= w->truncate && used >= had ? had : 0;
	if (w->data.len <= w->quota_bytes && used <= w->quota_bytes - w->data.len)
		return 0;
	return err_set(e, ERR_NO_CAPACITY,
	    "the quota for uploads is %llu bytes, %llu are used: %zu more do not fit",
	    (unsigned long long)w->quota_bytes, (unsigned long long)used, w->data.len);
}

/*
 * One piece at a time where there is a quota: two that look and then write would both
 * fit.  Other hosts are kept out by the file system's locks; one that has none lets
 * each host exceed the quota by a piece.
 */
static int
take_turn(const struct datastore *ds, const Drover__FileWrite *w)
{
	int fd = -1;

	if (w->quota_bytes &&
	    !ds_path_open(ds->root_fd, DATASTORE_MARK, O_RDWR, 0, &fd, NULL))
		(void)!flock(fd, LOCK_EX);
	return fd;
}

/* At the end of what is there, or from the start anew. */
static int
write_piece(const struct datastore *ds, int fd, const Drover__FileWrite *w,
    struct datastore_written *ret_w, struct err *e)
{
	AUTO_CLOSE int turn = take_turn(ds, w);
	uint64_t had;
	struct stat st;
	int rc = fstat(fd, &st) ? err_sys(e, ERR_IO, errno, "cannot look at it") : 0;

	if (!rc && !S_ISREG(st.st_mode))
		rc = err_set(e, ERR_INVALID, "it is no file");
	if (rc)
		return rc;
	had = (uint64_t)st.st_size;
	*ret_w = (struct datastore_written){ .size_bytes = had };
	if (!w->truncate && w->offset < had && is_there(fd, w))
		return 0;
	ret_w->misplaced = !w->truncate && w->offset != had;
	if (ret_w->misplaced)
		return 0;
	rc = check_quota(ds, w, had, e);
	if (!rc && w->truncate && ftruncate(fd, 0))
		rc = err_sys(e, ERR_IO, errno, "cannot start it anew");
	if (!rc)
		rc = write_all(fd, w->data.data, w->data.len, w->offset, e);
	ret_w->size_bytes = w->offset + w->data.len;
	return rc;
}

int
datastore_write(const struct datastore *ds, const Drover__FileWrite *w,
    struct datastore_written *ret_w, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct datastore_written done;
	int rc = datastore_path_is_users(w->path, e);

	if (!rc && w->data.len > MAX_FILE_CHUNK)
		rc = err_set(
		    e, ERR_TOO_LARGE, "at most %u bytes at once", MAX_FILE_CHUNK);
	if (!rc && w->offset > INT64_MAX - w->data.len)
		rc = err_set(e, ERR_INVALID, "offset: too large");
	if (!rc && w->truncate && w->offset)
		rc = err_set(e, ERR_INVALID, "truncate: only at offset 0");
	if (!rc)
		rc = open_for_write(ds, w, &fd, e);
	if (!rc)
		rc = write_piece(ds, fd, w, &done, e);
	if (!rc && w->last && fsync(fd))
		rc = err_sys(e, ERR_IO, errno, "cannot sync");
	if (rc)
		return err_wrap(e, "%s: %.100s", ds->name, w->path);
	*ret_w = done;
	return 0;
}

static int
by_path(const void *a, const void *b)
{
	const Drover__FileFacts *const *x = a, *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

static void
add_member(Drover__FileListing *l, int dir_fd, const char *name)
{
	Drover__FileFacts *f;
	struct stat st;

	if (str_same(name, ".") || str_same(name, "..") ||
	    str_same(name, DATASTORE_MARK) || str_same(name, DS_BEATS) ||
	    str_same(name, DS_LEASES) || !utf8_valid(name, strlen(name)) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	/* Links, sockets and the like are nothing that can be used here. */
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return;
	f = xmalloc(sizeof(*f));
	drover__file_facts__init(f);
	f->path = xstrdup(name);
	f->is_folder = S_ISDIR(st.st_mode);
	f->size_bytes = f->is_folder ? 0 : (uint64_t)st.st_size;
	f->modified_ms =
	    (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
	if ((l->n_files & (l->n_files + 1)) == 0)
		l->files =
		    xreallocarray(l->files, (l->n_files + 1) * 2, sizeof(void *));
	l->files[l->n_files++] = f;
}

int
datastore_list(const struct datastore *ds, const char *path,
    Drover__FileListing **ret_l, struct err *e)
{
	Drover__FileListing *l;
	const struct dirent *m;
	int fd = -1, rc = 0;
	DIR *d;

	if (*path)
		rc = ds_path_open(ds->root_fd, path, O_RDONLY | O_DIRECTORY, 0, &fd, e);
	else
		fd = openat(ds->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc)
		return err_wrap(e, "%s", ds->name);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		rc =
		    err_sys(e, ERR_IO, errno, "%s: cannot list \"%s\"", ds->name, path);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	l = xmalloc(sizeof(*l));
	drover__file_listing__init(l);
	while (l->n_files < DATASTORE_LIST_MAX && (m = readdir(d)) != NULL)
		add_member(l, dirfd(d), m->d_name);
	closedir(d);
	if (l->n_files)
		qsort(l->files, l->n_files, sizeof(void *), by_path);
	*ret_l = l;
	return 0;
}

int
datastore_delete(const struct datastore *ds, const char *path, struct err *e)
{
	int rc = datastore_path_is_users(path, e);

	if (!rc)
		rc = ds_path_remove(ds->root_fd, path, e);
	return rc ? err_wrap(e, "%s", ds->name) : 0;
}

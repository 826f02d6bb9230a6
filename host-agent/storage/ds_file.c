#include "host-agent/storage/ds_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/ds_path.h"
#include "proto/msg.h"

#define SUM_BUFFER  (1u << 20)
#define DEPTH_MAX   8
#define BEAT_PREFIX "host-"
#define BEAT_MAX    256

static uint64_t
modified_ms(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000 +
	       (uint64_t)st->st_mtim.tv_nsec / 1000000;
}

static int
open_file(const struct datastore *ds, const char *path, int *ret_fd, struct stat *st,
    struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = ds_path_open(datastore_fd(ds), path, O_RDONLY, 0, &fd, e);

	if (rc)
		return err_wrap(e, "%s", datastore_name(ds));
	if (fstat(fd, st))
		return err_sys(
		    e, ERR_IO, errno, "%s: %.100s", datastore_name(ds), path);
	if (!S_ISREG(st->st_mode))
		return err_set(e, ERR_INVALID, "%s: \"%.100s\" is no file",
		    datastore_name(ds), path);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

/* Images that guests use may hold secrets of theirs and change under the reader. */
static int
check_readable(const char *path, struct err *e)
{
	int rc = ds_path_check(path, e);

	if (rc || !datastore_path_is_users(path, NULL))
		return rc;
	return err_set(e, ERR_DENIED,
	    "\"%.100s\": images of machines and templates are not given out as files",
	    path);
}

int
ds_file_read(const struct datastore *ds, const Drover__FileRead *r,
    Drover__FileData **ret_d, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	Drover__FileData *d;
	struct stat st;
	ssize_t n = 0;
	int rc = check_readable(r->path, e);

	if (!rc && r->length > MAX_FILE_CHUNK)
		rc = err_set(
		    e, ERR_TOO_LARGE, "at most %u bytes at once", MAX_FILE_CHUNK);
	if (!rc)
		rc = open_file(ds, r->path, &fd, &st, e);
	if (rc)
		return rc;
	d = xcalloc(1, sizeof(*d));
	drover__file_data__init(d);
	d->size_bytes = (uint64_t)st.st_size;
	d->modified_ms = modified_ms(&st);
	d->data.data = xmalloc(r->length + 1);
	while (d->data.len < r->length && r->offset < d->size_bytes) {
		n = pread(fd, d->data.data + d->data.len, r->length - d->data.len,
		    (off_t)(r->offset + d->data.len));
		if (n <= 0)
			break;
		d->data.len += (size_t)n;
	}
	if (n < 0) {
		rc = err_sys(e, ERR_IO, errno, "%s: cannot read \"%.100s\"",
		    datastore_name(ds), r->path);
		drover__file_data__free_unpacked(d, NULL);
		return rc;
	}
	*ret_d = d;
	return 0;
}

static int
hash_all(int fd, char out[65], struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(SUM_BUFFER);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t hash[32];
	ssize_t n;

	ASSERT(md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1);
	while ((n = read(fd, buf, SUM_BUFFER)) > 0)
		ASSERT(EVP_DigestUpdate(md, buf, (size_t)n) == 1);
	ASSERT(EVP_DigestFinal_ex(md, hash, NULL) == 1);
	EVP_MD_CTX_free(md);
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read it");
	hex_encode(hash, sizeof(hash), out);
	return 0;
}

int
ds_file_sum(const struct datastore *ds, const char *path, Drover__FileSumFacts **ret_s,
    struct err *e)
{
	AUTO_CLOSE int fd = -1;
	Drover__FileSumFacts *s;
	char sum[65];
	struct stat st;
	int rc = check_readable(path, e);

	if (!rc)
		rc = open_file(ds, path, &fd, &st, e);
	if (rc)
		return rc;
	rc = hash_all(fd, sum, e);
	if (rc)
		return err_wrap(e, "%s: %.100s", datastore_name(ds), path);
	s = xcalloc(1, sizeof(*s));
	drover__file_sum_facts__init(s);
	s->sha256 = xstrdup(sum);
	s->size_bytes = (uint64_t)st.st_size;
	*ret_s = s;
	return 0;
}

/* ---- walks ---- */

struct walk {
	void (*on_file)(struct walk *w, const char *path, const struct stat *st);
	bool users_only;
	size_t n;
	bool cut, deep; /* not all was seen: too many, or too far down */
	uint64_t bytes;
	Drover__ScanFacts *facts;
};

/* Folders that are still to be read, so that nothing recurses over users' data. */
struct folder {
	char *path; /* "" is the root */
	unsigned depth;
};

struct folders {
	struct folder *v;
	size_t n;
};

static void
push(struct folders *fs, char *path_take, unsigned depth)
{
	fs->v = xreallocarray(fs->v, fs->n + 1, sizeof(*fs->v));
	fs->v[fs->n++] = (struct folder){ path_take, depth };
}

static void
take_member(struct walk *w, struct folders *fs, int dir_fd, const struct folder *in,
    const char *name)
{
	AUTO_FREE char *path = NULL;
	struct stat st;

	if (str_same(name, ".") || str_same(name, "..") ||
	    !utf8_valid(name, strlen(name)) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	path = *in->path ? xasprintf("%s/%s", in->path, name) : xstrdup(name);
	if (w->users_only && datastore_path_is_users(path, NULL))
		return;
	if (S_ISDIR(st.st_mode)) {
		w->deep = w->deep || in->depth >= DEPTH_MAX;
		if (in->depth < DEPTH_MAX)
			push(fs, MOVE(path), in->depth + 1);
	} else if (S_ISREG(st.st_mode)) {
		w->n++;
		w->on_file(w, path, &st);
	}
}

static int
read_folder(const struct datastore *ds, struct walk *w, struct folders *fs,
    const struct folder *in, struct err *e)
{
	const struct dirent *m;
	int fd = -1, rc = 0;
	DIR *d;

	if (*in->path)
		rc = ds_path_open(
		    datastore_fd(ds), in->path, O_RDONLY | O_DIRECTORY, 0, &fd, e);
	else
		fd = openat(datastore_fd(ds), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Gone meanwhile, or not there yet. */
	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return rc ? rc : err_sys(e, ERR_IO, errno, "cannot list it");
	}
	while ((m = readdir(d)) != NULL) {
		w->cut = w->n >= DS_SCAN_MAX || fs->n >= DS_SCAN_MAX;
		if (w->cut)
			break;
		take_member(w, fs, dirfd(d), in, m->d_name);
	}
	closedir(d);
	return 0;
}

static int
walk(const struct datastore *ds, struct walk *w, const char *from, struct err *e)
{
	struct folders fs = { NULL, 0 };
	int rc = 0;

	push(&fs, xstrdup(from), 0);
	while (fs.n) {
		struct folder in = fs.v[--fs.n];

		if (!rc && !w->cut)
			rc = read_folder(ds, w, &fs, &in, e);
		free(in.path);
	}
	free(fs.v);
	return rc ? err_wrap(e, "%s: \"%s\"", datastore_name(ds), from) : 0;
}

static void
add_bytes(struct walk *w, const char *path, const struct stat *st)
{
	w->bytes += (uint64_t)st->st_size;
}

int
ds_users_bytes(const struct datastore *ds, uint64_t *ret_bytes, struct err *e)
{
	struct walk w = { .on_file = add_bytes, .users_only = true };
	int rc = walk(ds, &w, "", e);

	/* Files that nobody counts would be a way past the quota. */
	if (!rc && (w.cut || w.deep))
		rc = err_set(e, ERR_NO_CAPACITY,
		    "%s, and its quota cannot be told: delete some",
		    w.cut ? "it has too many files" : "it has folders too far down");
	if (!rc)
		*ret_bytes = w.bytes;
	return rc;
}

static void
add_facts(struct walk *w, const char *path, const struct stat *st)
{
	Drover__ScanFacts *s = w->facts;
	Drover__FileFacts *f = xmalloc(sizeof(*f));

	drover__file_facts__init(f);
	f->path = xstrdup(path);
	f->size_bytes = (uint64_t)st->st_size;
	f->modified_ms = modified_ms(st);
	s->files = xreallocarray(s->files, s->n_files + 1, sizeof(*s->files));
	s->files[s->n_files++] = f;
}

static int
by_path(const void *a, const void *b)
{
	const Drover__FileFacts *const *x = a, *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

int
ds_scan(const struct datastore *ds, Drover__ScanFacts **ret_s, struct err *e)
{
	static const char *const folders[] = { "vms", "templates" };
	Drover__ScanFacts *s = xcalloc(1, sizeof(*s));
	struct walk w = { .on_file = add_facts, .facts = s };
	int rc = 0;

	drover__scan_facts__init(s);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(folders); i++)
		rc = walk(ds, &w, folders[i], e);
	if (rc) {
		drover__scan_facts__free_unpacked(s, NULL);
		return rc;
	}
	if (s->n_files)
		qsort(s->files, s->n_files, sizeof(*s->files), by_path);
	s->cut = w.cut || w.deep;
	*ret_s = s;
	return 0;
}

/* ---- beats ---- */

static int
write_beat(const struct datastore *ds, const struct ds_beat *b, uint64_t *ret_ms,
    struct err *e)
{
	AUTO_FREE char *path = xasprintf(DS_BEATS "/" BEAT_PREFIX "%s", b->host);
	char text[BEAT_MAX];
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int n = snprintf(text, sizeof(text), "%" PRIu64 " %s\n", b->wall_ms, b->boot);
	int rc = ds_path_mkdirs(datastore_fd(ds), DS_BEATS, 0700, e);

	if (!rc)
		rc = ds_path_open(
		    datastore_fd(ds), path, O_WRONLY | O_CREAT, 0600, &fd, e);
	if (!rc &&
	    (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) || fstat(fd, &st)))
		rc = err_sys(e, ERR_IO, errno, "cannot write \"%s\"", path);
	if (!rc)
		*ret_ms = modified_ms(&st);
	return rc;
}

static void
note_stale(struct ds_stale *s, int dir_fd, const char *name, uint64_t now_ms)
{
	struct stat st;

	if (!str_starts(name, BEAT_PREFIX) ||
	    strlen(name) - strlen(BEAT_PREFIX) >= sizeof(s->uuids[0]) ||
	    s->n >= ARRAY_SIZE(s->uuids) ||
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
	    modified_ms(&st) + DS_BEAT_STALE_MS > now_ms)
		return;
	snprintf(
	    s->uuids[s->n++], sizeof(s->uuids[0]), "%s", name + strlen(BEAT_PREFIX));
}

int
ds_beat(const struct datastore *ds, const struct ds_beat *b, struct ds_stale *ret_stale,
    struct err *e)
{
	struct ds_stale stale = { 0 };
	const struct dirent *m;
	uint64_t now_ms = 0;
	int fd = -1, rc = write_beat(ds, b, &now_ms, e);
	DIR *d;

	if (!rc)
		rc = ds_path_open(
		    datastore_fd(ds), DS_BEATS, O_RDONLY | O_DIRECTORY, 0, &fd, e);
	if (rc)
		return rc;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return err_sys(e, ERR_IO, errno, "cannot list " DS_BEATS);
	}
	for (int i = 0; i < DS_BEATS_MAX && (m = readdir(d)) != NULL; i++)
		note_stale(&stale, dirfd(d), m->d_name, now_ms);
	closedir(d);
	*ret_stale = stale;
	return 0;
}

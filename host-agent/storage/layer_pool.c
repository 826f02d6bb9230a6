#include "host-agent/storage/layer_pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_path.h"

#define FOLDER_MODE 0711
#define SUFFIX      ".ext4"
#define PREFIX      "sha256-"
#define SHA256      "sha256:"
#define FACTS_MAX   (1u << 20)

/* "sha256:…" as a file's name; it was checked to be one. */
static char *
pool_path(const char *diff_id)
{
	return xasprintf(LAYER_POOL "/" PREFIX "%s" SUFFIX, diff_id + strlen(SHA256));
}

static char *
facts_path(uint64_t tmpl)
{
	return xasprintf(LAYER_POOL "/template-%" PRIu64 ".facts", tmpl);
}

int
layer_link(const struct datastore *ds, const char *from, const char *to, struct err *e)
{
	AUTO_CLOSE int from_fd = -1;
	AUTO_CLOSE int to_fd = -1;
	const char *from_base, *to_base;
	int root = datastore_fd(ds);
	int rc = ds_path_parent(root, from, &from_fd, &from_base, e);

	if (!rc)
		rc = ds_path_parent(root, to, &to_fd, &to_base, e);
	if (rc || !linkat(from_fd, from_base, to_fd, to_base, 0))
		return rc;
	if (errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "\"%.100s\" is not there", from);
	return err_sys(e, errno == EEXIST ? ERR_EXISTS : ERR_IO, errno,
	    "cannot link \"%.100s\"", from);
}

int
layer_pool_take(
    const struct datastore *ds, const char *diff_id, const char *path, struct err *e)
{
	AUTO_FREE char *there = pool_path(diff_id);
	int rc = ds_path_remove(datastore_fd(ds), path, e);

	return rc ? rc : layer_link(ds, there, path, e);
}

void
layer_pool_offer(const struct datastore *ds, const char *diff_id, const char *path)
{
	AUTO_FREE char *there = pool_path(diff_id);

	if (!ds_path_mkdirs(datastore_fd(ds), LAYER_POOL, FOLDER_MODE, NULL))
		(void)!layer_link(ds, path, there, NULL);
}

/*
 * A template that is just being made may link what goes here: then its own name keeps
 * the file, and only the next one has to unpack it again.
 */
void
layer_pool_sweep(const struct datastore *ds)
{
	const struct dirent *m;
	struct stat st;
	DIR *d;
	int fd;

	if (ds_path_open(
		datastore_fd(ds), LAYER_POOL, O_RDONLY | O_DIRECTORY, 0, &fd, NULL))
		return;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return;
	}
	while ((m = readdir(d))) {
		if (str_starts(m->d_name, PREFIX) &&
		    !fstatat(fd, m->d_name, &st, AT_SYMLINK_NOFOLLOW) &&
		    st.st_nlink == 1)
			(void)unlinkat(fd, m->d_name, 0);
	}
	closedir(d);
}

/* ---- what was answered ---- */

static int
write_facts(int fd, const Drover__TemplateFacts *facts, struct err *e)
{
	size_t n = drover__template_facts__get_packed_size(facts);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__template_facts__pack(facts, p);
	if (write(fd, p, n) != (ssize_t)n || fsync(fd))
		return err_sys(e, ERR_IO, errno, "cannot write the template's facts");
	return 0;
}

int
layer_pool_save(const struct datastore *ds, uint64_t tmpl,
    const Drover__TemplateFacts *facts, struct err *e)
{
	AUTO_FREE char *path = facts_path(tmpl);
	AUTO_FREE char *made = xasprintf("%s.new", path);
	AUTO_CLOSE int fd = -1;
	AUTO_CLOSE int folder = -1;
	const char *from, *to = strrchr(path, '/') + 1;
	int root = datastore_fd(ds);
	int rc = ds_path_mkdirs(root, LAYER_POOL, FOLDER_MODE, e);

	if (!rc)
		rc = ds_path_open(
		    root, made, O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd, e);
	if (!rc)
		rc = write_facts(fd, facts, e);
	if (!rc)
		rc = ds_path_parent(root, made, &folder, &from, e);
	if (!rc && (renameat(folder, from, folder, to) || fsync(folder)))
		rc = err_sys(e, ERR_IO, errno, "cannot keep the template's facts");
	return rc;
}

Drover__TemplateFacts *
layer_pool_load(const struct datastore *ds, uint64_t tmpl)
{
	AUTO_FREE char *path = facts_path(tmpl);
	AUTO_FREE uint8_t *p = NULL;
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	if (ds_path_open(datastore_fd(ds), path, O_RDONLY, 0, &fd, NULL))
		return NULL;
	p = xmalloc(FACTS_MAX);
	n = read(fd, p, FACTS_MAX);
	return n > 0 ? drover__template_facts__unpack(NULL, (size_t)n, p) : NULL;
}

int
layer_pool_forget(const struct datastore *ds, uint64_t tmpl, struct err *e)
{
	AUTO_FREE char *path = facts_path(tmpl);
	AUTO_FREE char *made = xasprintf("%s.new", path);
	int rc = ds_path_remove(datastore_fd(ds), path, e);

	return rc ? rc : ds_path_remove(datastore_fd(ds), made, e);
}

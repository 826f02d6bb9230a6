/*
 * What snapshots leave in a guest's folder: their memory, and all of it together.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/layer.h"

#define FOLDER_MODE 0711
#define COPY_STEP   (16u << 20)

static char *
memory_path(uint64_t guest, uint64_t snapshot)
{
	return xasprintf(
	    "vms/vm-%" PRIu64 "/snapshot-%" PRIu64 ".mem", guest, snapshot);
}

static int
wrap(const struct datastore *ds, int rc, struct err *e)
{
	return rc ? err_wrap(e, "datastore %s", datastore_name(ds)) : 0;
}

int
snapshot_memory_create(const struct datastore *ds, uint64_t guest, uint64_t snapshot,
    int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = memory_path(guest, snapshot);
	AUTO_FREE char *folder = xasprintf("vms/vm-%" PRIu64, guest);
	int root = datastore_fd(ds);
	int rc = ds_path_mkdirs(root, folder, FOLDER_MODE, e);

	/* A guest may go on from the old one: it is left to that. */
	if (!rc)
		rc = ds_path_remove(root, path, e);
	if (!rc)
		rc = ds_path_open(
		    root, path, O_RDWR | O_CREAT | O_EXCL, 0600, ret_fd, e);
	return wrap(ds, rc, e);
}

int
snapshot_memory_open(const struct datastore *ds, uint64_t guest, uint64_t snapshot,
    int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = memory_path(guest, snapshot);

	return wrap(
	    ds, ds_path_open(datastore_fd(ds), path, O_RDONLY, 0, ret_fd, e), e);
}

int
snapshot_memory_delete(
    const struct datastore *ds, uint64_t guest, uint64_t snapshot, struct err *e)
{
	AUTO_FREE char *path = memory_path(guest, snapshot);

	return wrap(ds, ds_path_remove(datastore_fd(ds), path, e), e);
}

static int
copy_all(int from, int to, struct err *e)
{
	ssize_t n;

	while ((n = copy_file_range(from, NULL, to, NULL, COPY_STEP, 0)) > 0)
		continue;
	if (n < 0 || fsync(to))
		return err_sys(e, ERR_IO, errno, "cannot copy the memory");
	return 0;
}

static int
copy_memory(const struct datastore *ds, uint64_t guest, int from, struct err *e)
{
	AUTO_CLOSE int to = -1;
	int rc = memory_create(ds, guest, &to, e);

	if (!rc)
		rc = copy_all(from, to, e);
	if (rc)
		(void)!memory_delete(ds, guest, NULL);
	return rc;
}

/* One file under both names where the file system can: neither is ever written again.
 */
int
snapshot_memory_use(
    const struct datastore *ds, uint64_t guest, uint64_t snapshot, struct err *e)
{
	AUTO_FREE char *path = memory_path(guest, snapshot);
	AUTO_CLOSE int folder = -1;
	AUTO_CLOSE int from = -1;
	const char *name;
	int rc = snapshot_memory_open(ds, guest, snapshot, &from, e);

	if (!rc)
		rc = memory_delete(ds, guest, e);
	if (!rc)
		rc = ds_path_parent(datastore_fd(ds), path, &folder, &name, e);
	if (rc)
		return rc;
	if (linkat(folder, name, folder, "memory.img", 0))
		return copy_memory(ds, guest, from, e);
	if (fsync(folder))
		return err_sys(
		    e, ERR_IO, errno, "cannot sync the folder of vm-%" PRIu64, guest);
	return 0;
}

static bool
is_of_snapshot(const char *name)
{
	return !fnmatch("*.s[0-9]*.qcow2", name, 0) ||
	       !fnmatch("*.s[0-9]*.qcow2.new", name, 0) ||
	       !fnmatch("snapshot-*.mem", name, 0);
}

int
layer_remove_all(const struct datastore *ds, uint64_t guest, struct err *e)
{
	AUTO_FREE char *path = xasprintf("vms/vm-%" PRIu64, guest);
	const struct dirent *d;
	int fd = -1, rc;
	DIR *dir;

	rc = ds_path_open(datastore_fd(ds), path, O_RDONLY | O_DIRECTORY, 0, &fd, e);
	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	dir = rc ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			close(fd);
		return wrap(ds, rc ? rc : err_sys(e, ERR_IO, errno, "%s", path), e);
	}
	while (!rc && (d = readdir(dir))) {
		if (is_of_snapshot(d->d_name) && unlinkat(dirfd(dir), d->d_name, 0) &&
		    errno != ENOENT)
			rc = err_sys(
			    e, ERR_IO, errno, "cannot remove %s/%s", path, d->d_name);
	}
	closedir(dir);
	if (!rc)
		(void)!ds_path_remove(datastore_fd(ds), path, NULL);
	return wrap(ds, rc, e);
}

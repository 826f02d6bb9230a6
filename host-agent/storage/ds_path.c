#include "host-agent/storage/ds_path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

static bool
is_dots(const char *part, size_t n)
{
	return (n == 1 && part[0] == '.') ||
	       (n == 2 && part[0] == '.' && part[1] == '.');
}

int
ds_path_check(const char *path, struct err *e)
{
	size_t n = strlen(path), part;

	if (n == 0 || n > DS_PATH_MAX)
		return err_set(
		    e, ERR_INVALID, "path: wants 1 to %d bytes", DS_PATH_MAX);
	if (!utf8_valid(path, n))
		return err_set(e, ERR_INVALID, "path: is not valid UTF-8");
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
			return err_set(e, ERR_INVALID, "path: has a control character");
	for (const char *p = path;; p += part + 1) {
		part = strcspn(p, "/");
		if (part == 0)
			return err_set(e, ERR_INVALID,
			    "path \"%s\": wants names below the datastore, one '/' between",
			    path);
		if (is_dots(p, part))
			return err_set(e, ERR_INVALID,
			    "path \"%s\": \"%.*s\" is not allowed", path, (int)part, p);
		if (p[part] == '\0')
			return 0;
	}
}

static int
code_of(int sys)
{
	switch (sys) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EEXIST:
		return ERR_EXISTS;
	case ELOOP:
	case EXDEV:
		return ERR_DENIED;
	case ENOTDIR:
	case EISDIR:
	case ENAMETOOLONG:
		return ERR_INVALID;
	case ENOSPC:
	case EDQUOT:
		return ERR_NO_CAPACITY;
	default:
		return ERR_IO;
	}
}

static int
open_beneath(int root_fd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		/* Non-blocking: a FIFO planted there must not hold us up. */
		.flags =
		    (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
	};

	return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

int
ds_path_open(
    int root_fd, const char *path, int flags, mode_t mode, int *ret_fd, struct err *e)
{
	int fd, rc = ds_path_check(path, e);

	if (rc)
		return rc;
	fd = open_beneath(root_fd, path, flags, mode);
	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return err_set(e, ERR_DENIED,
		    "path \"%s\": a link on it could lead out of the datastore", path);
	if (fd < 0)
		return err_sys(e, code_of(errno), errno, "cannot open \"%s\"", path);
	*ret_fd = fd;
	return 0;
}

int
ds_path_parent(
    int root_fd, const char *path, int *ret_fd, const char **ret_base, struct err *e)
{
	AUTO_FREE char *folder = NULL;
	const char *slash;
	int rc = ds_path_check(path, e);

	if (rc)
		return rc;
	slash = strrchr(path, '/');
	if (!slash) {
		int fd = open_beneath(root_fd, ".", O_RDONLY | O_DIRECTORY, 0);

		if (fd < 0)
			return err_sys(
			    e, ERR_IO, errno, "cannot open the datastore's root");
		*ret_fd = fd;
		*ret_base = path;
		return 0;
	}
	folder = xstrndup(path, (size_t)(slash - path));
	rc = ds_path_open(root_fd, folder, O_RDONLY | O_DIRECTORY, 0, ret_fd, e);
	if (!rc)
		*ret_base = slash + 1;
	return rc;
}

static int
make_folder(int parent, const char *name, mode_t mode, struct err *e)
{
	if (mkdirat(parent, name, mode)) {
		if (errno == EEXIST)
			return 0;
		return err_sys(e, code_of(errno), errno, "cannot be made");
	}
	/* What is synced in it is worth nothing while the folder itself is not. */
	if (fsync(parent))
		return err_sys(e, ERR_IO, errno, "cannot be synced");
	return 0;
}

int
ds_path_mkdirs(int root_fd, const char *path, mode_t mode, struct err *e)
{
	AUTO_FREE char *sofar = xstrdup(path);
	AUTO_CLOSE int parent = -1;
	const char *base = path;
	char *p = sofar;
	int rc = ds_path_check(path, e);

	while (!rc) {
		p = strchr(p, '/');
		if (p)
			*p = '\0';
		rc = ds_path_parent(root_fd, sofar, &parent, &base, e);
		if (!rc)
			rc = make_folder(parent, base, mode, e);
		if (rc)
			err_wrap(e, "folder \"%s\"", sofar);
		if (parent >= 0)
			close(MOVE_FD(parent));
		if (!p)
			break;
		*p++ = '/';
	}
	return rc;
}

int
ds_path_remove(int root_fd, const char *path, struct err *e)
{
	AUTO_CLOSE int parent = -1;
	const char *base = path;
	int rc = ds_path_parent(root_fd, path, &parent, &base, e);

	if (rc == ERR_NOT_FOUND) {
		err_clear(e);
		return 0;
	}
	if (rc)
		return rc;
	if (!unlinkat(parent, base, 0) || errno == ENOENT)
		return 0;
	if (errno == EISDIR && !unlinkat(parent, base, AT_REMOVEDIR))
		return 0;
	return err_sys(e, errno == ENOTEMPTY ? ERR_BAD_STATE : code_of(errno), errno,
	    "cannot remove \"%s\"", path);
}

char *
ds_path_relative(const char *from, const char *target)
{
	struct str s = STR_INIT;
	size_t same = 0;

	/* Folders that both paths have in common. */
	for (size_t i = 0; from[i] && from[i] == target[i]; i++)
		if (from[i] == '/')
			same = i + 1;
	for (const char *p = from + same; (p = strchr(p, '/')) != NULL; p++)
		str_add(&s, "../");
	str_add(&s, target + same);
	return str_take(&s);
}

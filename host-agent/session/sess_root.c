#include "host-agent/session/sess_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"

int
root_open(int dir_fd, const char *path, int flags, enum root_rule rule)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_NO_MAGICLINKS |
			   (rule == ROOT_INSIDE ? RESOLVE_IN_ROOT : RESOLVE_BENEATH),
	};
	int fd;

	/* EAGAIN: something was renamed meanwhile, and ".." could not be judged. */
	do
		fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd;
}

int
root_check_read(int fd, const char *path, struct err *e)
{
	static const long keep_files[] = { EXT4_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC,
		TMPFS_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC };
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return root_err(e, errno, "path", path);
	for (size_t i = 0; i < ARRAY_SIZE(keep_files); i++)
		if ((long)fs.f_type == keep_files[i])
			return 0;
	return err_set(e, ERR_DENIED,
	    "path \"%.120s\": what is mounted there shows the kernel, not the guest's "
	    "files",
	    path);
}

int
root_check_write(int fd, dev_t root_dev, const char *path, struct err *e)
{
	struct stat st;
	int rc = root_check_read(fd, path, e);

	if (rc)
		return rc;
	if (fstat(fd, &st))
		return root_err(e, errno, "path", path);
	if (st.st_dev != root_dev) {
		return err_set(e, ERR_DENIED,
		    "path \"%.120s\": only the guest's disk is written to, and another "
		    "file system is mounted there",
		    path);
	}
	return 0;
}

int
root_err(struct err *e, int sys, const char *what, const char *path)
{
	switch (sys) {
	case ENOENT:
		return err_set(e, ERR_NOT_FOUND,
		    "%s \"%.120s\": there is none in the guest", what, path);
	case ENOTDIR:
		return err_set(e, ERR_INVALID,
		    "%s \"%.120s\": a part of it is no folder", what, path);
	case ELOOP:
	case EXDEV:
		return err_set(e, ERR_DENIED,
		    "%s \"%.120s\": a link leads out of the folder", what, path);
	case ENOSPC:
	case EDQUOT:
		return err_set(e, ERR_NO_CAPACITY,
		    "%s \"%.120s\": no space in the guest", what, path);
	default:
		return err_sys(
		    e, ERR_IO, sys, "%s \"%.120s\" in the guest", what, path);
	}
}

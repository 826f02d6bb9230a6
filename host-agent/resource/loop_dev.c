#include "host-agent/resource/loop_dev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define BLOCK_DIR "/sys/block"
#define PREFIX    "loop"

/* Devices that nobody uses have no such folder, and opening them is not for free. */
static bool
is_used(const char *name)
{
	AUTO_FREE char *path = xasprintf(BLOCK_DIR "/%s/loop", name);

	return access(path, F_OK) == 0;
}

/* The path that the kernel tells is of the mounts of whoever set it up. */
static bool
is_on(const char *name, const struct stat *file, dev_t *ret_dev)
{
	AUTO_FREE char *path = xasprintf("/dev/%s", name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct loop_info64 info;
	struct stat st;

	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info) || fstat(fd, &st) ||
	    info.lo_device != file->st_dev || info.lo_inode != file->st_ino)
		return false;
	*ret_dev = st.st_rdev;
	return true;
}

int
loop_dev_find(const char *path, dev_t *ret_dev, struct err *e)
{
	const struct dirent *m;
	struct stat file;
	bool found = false;
	DIR *d;

	if (stat(path, &file))
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot look at %s", path);
	d = opendir(BLOCK_DIR);
	if (!d)
		return err_sys(e, ERR_IO, errno, "cannot open " BLOCK_DIR);
	while (!found && (m = readdir(d)) != NULL)
		found = str_starts(m->d_name, PREFIX) && is_used(m->d_name) &&
			is_on(m->d_name, &file, ret_dev);
	closedir(d);
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no loop device has %s", path);
	return 0;
}

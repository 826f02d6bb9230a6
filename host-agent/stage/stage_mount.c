#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

static int
write_map(pid_t pid, const char *file, const char *map, struct err *e)
{
	char path[64];
	AUTO_CLOSE int fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, strlen(map)) != (ssize_t)strlen(map))
		return err_sys(e, ERR_UNAVAILABLE, errno, "cannot map ids");
	return 0;
}

/* Until the other end of in is closed, if by our death. */
static _Noreturn void
hold_userns(int in)
{
	char c;

	_exit(read(in, &c, 1) < 0);
}

/* 65536: with the mounter's own id overlayfs makes its work folder. */
static int
map_and_open(pid_t pid, uint32_t base, int *ret_fd, struct err *e)
{
	char map[96], path[64];
	int rc;

	snprintf(map, sizeof(map), "0 %u %u\n%u 0 1\n", base, STAGE_IDS, STAGE_IDS);
	rc = write_map(pid, "uid_map", map, e);
	if (!rc)
		rc = write_map(pid, "gid_map", map, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	return *ret_fd >= 0 ? 0 : err_sys(e, ERR_IO, errno, "cannot open %s", path);
}

/* Not fork() and unshare(): nobody waits for the child to run. */
int
stage_userns(uint32_t base, int *ret_fd, struct err *e)
{
	int in[2] = { -1, -1 }, rc;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return err_sys(e, ERR_IO, errno, "cannot make a pipe");
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0) {
		close(in[1]);
		hold_userns(in[0]);
	}
	if (pid < 0)
		rc = err_sys(e, ERR_UNAVAILABLE, errno, "no user namespaces");
	else
		rc = map_and_open(pid, base, ret_fd, e);
	close(in[0]);
	close(in[1]);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return rc;
}

/* What the kernel says of a mount that it refused, or errno's text. */
static int
refused(int fs, const char *what, struct err *e)
{
	char said[160] = "";
	int sys = errno;
	ssize_t n = read(fs, said, sizeof(said) - 1);

	if (n <= 0)
		return err_sys(e, ERR_IO, sys, "%s", what);
	said[strcspn(said, "\n")] = '\0';
	return err_set(e, ERR_IO, "%s: %s (%s)", what, said[1] == ' ' ? said + 2 : said,
	    strerror(sys));
}

int
stage_fs(unsigned loop, enum stage_use use, int userns_fd, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int fs = fsopen("ext4", FSOPEN_CLOEXEC);
	AUTO_CLOSE int mnt = -1;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t)userns_fd,
	};
	char source[32];

	if (fs < 0)
		return err_sys(e, ERR_UNAVAILABLE, errno, "no ext4");
	snprintf(source, sizeof(source), "/dev/loop%u", loop);
	/* The kernel would start a thread for each that reads the maps of free blocks.
	 */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) ||
	    (use == STAGE_READ &&
		(fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) ||
		    fsconfig(fs, FSCONFIG_SET_FLAG, "noload", NULL, 0))) ||
	    (use == STAGE_WRITE && fsconfig(fs, FSCONFIG_SET_FLAG,
				       "no_prefetch_block_bitmaps", NULL, 0)) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) {
		return refused(fs,
		    use == STAGE_READ ? "cannot mount a layer"
				      : "cannot mount the image",
		    e);
	}
	mnt = fsmount(fs, FSMOUNT_CLOEXEC,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (mnt < 0)
		return refused(fs, "cannot mount an image", e);
	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)))
		return err_sys(e, ERR_UNAVAILABLE, errno, "no id-mapped mounts");
	*ret_fd = MOVE_FD(mnt);
	return 0;
}

static int
attach(const char *mnt, const int *mounts, unsigned n, struct err *e)
{
	char name[16];

	if (mount("drover", mnt, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		"mode=711,size=64k,nr_inodes=64"))
		return err_sys(e, ERR_IO, errno, "cannot mount on %s", mnt);
	if (chdir(mnt))
		return err_sys(e, ERR_IO, errno, "cannot enter %s", mnt);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%u", i);
		if (mkdir(name, 0711) ||
		    move_mount(mounts[i], "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH))
			return err_sys(
			    e, ERR_IO, errno, "cannot mount on %s/%u", mnt, i);
	}
	return 0;
}

/* A folder of an image, which no link leads away from. */
static int
check_folder(unsigned i, const char *name, struct err *e)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV | RESOLVE_BENEATH,
	};
	char top[16];
	AUTO_CLOSE int image = -1;
	AUTO_CLOSE int fd = -1;

	snprintf(top, sizeof(top), "%u", i);
	image = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (image >= 0)
		fd = (int)syscall(SYS_openat2, image, name, &how, sizeof(how));
	if (fd >= 0)
		return 0;
	return i ? err_sys(e, ERR_CORRUPT, errno, "layer %u has no folder %s", i, name)
		 : err_sys(e, ERR_CORRUPT, errno, "the image has no folder %s", name);
}

static int
check_folders(unsigned n, struct err *e)
{
	int rc = check_folder(0, "work", e);

	if (!rc)
		rc = check_folder(0, "log", e);
	for (unsigned i = 0; !rc && i < n; i++)
		rc = check_folder(i, "upper", e);
	return rc;
}

/* Relative to mnt, or 31 layers would not fit into a mount's options. */
static int
mount_root(const char *root, unsigned n, struct err *e)
{
	AUTO(str) struct str o = STR_INIT;

	if (n == 1) {
		if (mount("0/upper", root, NULL, MS_BIND, NULL) ||
		    mount(NULL, root, NULL, MS_BIND | MS_REMOUNT | MS_NODEV, NULL))
			return err_sys(e, ERR_IO, errno, "cannot mount on %s", root);
		return 0;
	}
	for (unsigned i = 1; i < n; i++)
		str_addf(&o, "%s%u/upper", i == 1 ? "lowerdir=" : ":", i);
	str_add(&o, ",upperdir=0/upper,workdir=0/work,index=off,metacopy=off");
	if (mount("overlay", root, "overlay", MS_NODEV, str_cstr(&o)))
		return err_sys(e, ERR_UNAVAILABLE, errno,
		    "cannot mount an overlay of %u layers", n);
	return 0;
}

/* Where it could not make its work folder overlayfs mounts read-only, without a word.
 */
static int
check_writable(const char *root, struct err *e)
{
	AUTO_CLOSE int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && !faccessat(fd, ".", W_OK, AT_EACCESS))
		return 0;
	return err_sys(e, ERR_IO, errno, "the overlay cannot be written to");
}

int
stage_overlay(const char *dir, const int *mounts, unsigned n, struct err *e)
{
	AUTO_FREE char *mnt = xasprintf("%s/mnt", dir);
	AUTO_FREE char *root = xasprintf("%s/root", dir);
	int rc = attach(mnt, mounts, n, e);

	if (!rc)
		rc = check_folders(n, e);
	if (!rc)
		rc = mount_root(root, n, e);
	return rc ? rc : check_writable(root, e);
}

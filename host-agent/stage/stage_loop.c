#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

#define FREE_TRIES  64 /* others may take a free device before we do */
#define LOCK_WAIT_S 5

static int
open_device(unsigned number, enum stage_use use)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%u", number);
	return open(path, (use == STAGE_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

/* The number in "loop7" if that device only reads; -1 for anything else. */
static int
reading_loop(const char *name)
{
	char path[300], ro = '0';
	AUTO_CLOSE int fd = -1;
	uint64_t number;

	if (!str_starts(name, "loop") ||
	    parse_u64(name + 4, 0, 1u << 20, "loop", &number, NULL))
		return -1;
	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", name);
	if (access(path, F_OK))
		return -1;
	snprintf(path, sizeof(path), "/sys/block/%s/ro", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, &ro, 1) == 1 && ro == '1' ? (int)number : -1;
}

/* As long as it is open nobody takes it away, so what it says then stays so. */
static int
open_if_on(unsigned number, const struct stat *file)
{
	AUTO_CLOSE int fd = open_device(number, STAGE_READ);
	struct loop_info64 info;

	if (fd < 0 || ioctl(fd, LOOP_GET_STATUS64, &info))
		return -1;
	if (info.lo_device != file->st_dev || info.lo_inode != file->st_ino ||
	    info.lo_offset || info.lo_sizelimit ||
	    !(info.lo_flags & LO_FLAGS_AUTOCLEAR) ||
	    !(info.lo_flags & LO_FLAGS_READ_ONLY))
		return -1;
	return MOVE_FD(fd);
}

static int
find_shared(const struct stat *file, unsigned *ret_number)
{
	DIR *block = opendir("/sys/block");
	const struct dirent *d;
	int fd = -1;

	while (block && fd < 0 && (d = readdir(block)) != NULL) {
		int number = reading_loop(d->d_name);

		if (number >= 0)
			fd = open_if_on((unsigned)number, file);
		if (fd >= 0)
			*ret_number = (unsigned)number;
	}
	if (block)
		closedir(block);
	return fd;
}

static int
set_up(int file, enum stage_use use, int *ret_fd, unsigned *ret_number, struct err *e)
{
	AUTO_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	struct loop_config c = { .fd = (uint32_t)file };

	if (control < 0)
		return err_sys(
		    e, ERR_UNAVAILABLE, errno, "cannot open /dev/loop-control");
	/* The image's own cache would only double the one of the file system. */
	c.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO |
			  (use == STAGE_READ ? LO_FLAGS_READ_ONLY : 0u);
	for (int i = 0; i < FREE_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		AUTO_CLOSE int fd = -1;

		if (number < 0)
			return err_sys(e, ERR_IO, errno, "no loop device is free");
		fd = open_device((unsigned)number, use);
		if (fd < 0)
			return err_sys(
			    e, ERR_IO, errno, "cannot open /dev/loop%d", number);
		if (!ioctl(fd, LOOP_CONFIGURE, &c)) {
			*ret_fd = MOVE_FD(fd);
			*ret_number = (unsigned)number;
			return 0;
		}
		if (errno != EBUSY)
			return err_sys(
			    e, ERR_IO, errno, "cannot set up /dev/loop%d", number);
	}
	return err_set(e, ERR_BUSY, "others take every loop device first");
}

static void
on_alarm(int signo)
{
}

/* A layer is held only while somebody sets it up; an image that a container writes to,
 * as long as that lives. */
static int
lock_for_a_while(int fd, struct err *e)
{
	const struct sigaction wake = { .sa_handler = on_alarm };
	int rc = 0;

	sigaction(SIGALRM, &wake, NULL);
	alarm(LOCK_WAIT_S);
	if (flock(fd, LOCK_EX))
		rc = errno == EINTR ? err_set(e, ERR_BUSY,
					  "a layer is another container's own image")
				    : err_sys(e, ERR_IO, errno, "cannot lock a layer");
	alarm(0);
	return rc;
}

/* A description of our own: what is locked with it is not unlocked by others. */
static int
reopen(int fd, enum stage_use use)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, (use == STAGE_READ ? O_RDONLY : O_RDWR) | O_CLOEXEC);
}

static int
loop_reading(
    int fd, const struct stat *st, int *ret_fd, unsigned *ret_number, struct err *e)
{
	AUTO_CLOSE int lock = reopen(fd, STAGE_READ);
	AUTO_CLOSE int file = reopen(fd, STAGE_READ);
	int rc;

	if (lock < 0 || file < 0)
		return err_sys(e, ERR_IO, errno, "cannot open a layer again");
	rc = lock_for_a_while(lock, e);
	if (rc)
		return rc;
	*ret_fd = find_shared(st, ret_number);
	return *ret_fd >= 0 ? 0 : set_up(file, STAGE_READ, ret_fd, ret_number, e);
}

/* The loop device keeps the lock: nobody else writes while it is there. */
static int
loop_writing(int fd, int *ret_fd, unsigned *ret_number, struct err *e)
{
	AUTO_CLOSE int file = reopen(fd, STAGE_WRITE);

	if (file < 0)
		return err_sys(e, ERR_IO, errno, "cannot open the image again");
	if (flock(file, LOCK_EX | LOCK_NB))
		return err_sys(e, ERR_BUSY, errno,
		    "cannot lock the image: it is in use on this host");
	return set_up(file, STAGE_WRITE, ret_fd, ret_number, e);
}

int
stage_loop(int fd, enum stage_use use, int *ret_fd, unsigned *ret_number, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "descriptor %d", fd);
	if (S_ISBLK(st.st_mode) && major(st.st_rdev) == LOOP_MAJOR) {
		*ret_number = minor(st.st_rdev);
		*ret_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		return *ret_fd >= 0 ? 0
				    : err_sys(e, ERR_IO, errno, "descriptor %d", fd);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "descriptor %d is neither a file nor a loop device", fd);
	return use == STAGE_READ ? loop_reading(fd, &st, ret_fd, ret_number, e)
				 : loop_writing(fd, ret_fd, ret_number, e);
}

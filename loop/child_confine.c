/*
 * A child that reads what strangers wrote: it can open nothing that it has not got.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "loop/child_int.h"

#define READ_RIGHTS                                                  \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | \
	    LANDLOCK_ACCESS_FS_READ_DIR)
#define FILE_READ_RIGHTS  (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE)
#define FILE_WRITE_RIGHTS LANDLOCK_ACCESS_FS_WRITE_FILE
/* Newer kernels than the headers that this is built with know these. */
#define ACCESS_FS_TRUNCATE (1ull << 14)
/* All rights of the first version of Landlock: bits 0 to 12. */
#define ALL_RIGHTS_V1    ((1ull << 13) - 1)
#define VERSION_TRUNCATE 3

/* Where programs and their libraries are. */
static const char *const readable[] = { "/usr", "/bin", "/lib", "/lib64", "/opt",
	"/etc/ld.so.cache", "/dev/null", "/dev/urandom" };

int
child_cut_network(void)
{
	/* Only root can, and only where the kernel has namespaces. */
	if (geteuid() == 0 && unshare(CLONE_NEWNET) && errno != EINVAL &&
	    errno != ENOSYS && errno != EPERM)
		return -1;
	return 0;
}

static int
allow_fd(int rules, int fd, uint64_t rights)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = rights,
		.parent_fd = fd };

	/* A file in memory has no place in any file system: nothing to allow. */
	if (syscall(
		SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) &&
	    errno != EBADFD)
		return -1;
	return 0;
}

static int
allow_path(int rules, const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC), rc = 0;
	struct stat st;

	if (fd < 0)
		return 0;
	if (!fstat(fd, &st))
		rc = allow_fd(
		    rules, fd, S_ISDIR(st.st_mode) ? READ_RIGHTS : FILE_READ_RIGHTS);
	close(fd);
	return rc;
}

/* The files passed on, where they are in the child. */
static int
allow_passed(int rules, size_t n, uint64_t handled)
{
	for (size_t i = 0; i < n; i++) {
		int fd = 3 + (int)i, flags = fcntl(fd, F_GETFL);
		uint64_t rights = LANDLOCK_ACCESS_FS_READ_FILE;
		struct stat st;

		if (flags < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
			continue;
		if ((flags & O_ACCMODE) != O_RDONLY)
			rights |= FILE_WRITE_RIGHTS | (handled & ACCESS_FS_TRUNCATE);
		if (allow_fd(rules, fd, rights))
			return -1;
	}
	return 0;
}

static int
allow_all(int rules, const struct child_opts *o, uint64_t handled)
{
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		if (allow_path(rules, readable[i]))
			return -1;
	if (allow_path(rules, o->argv[0]))
		return -1;
	return allow_passed(rules, o->n_pass_fds, handled);
}

int
child_confine(const struct child_opts *o)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = ALL_RIGHTS_V1 };
	long version = syscall(
	    SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int rules, rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	/* Not in this kernel, or not switched on. */
	if (version < 1)
		return 0;
	if (version >= VERSION_TRUNCATE)
		attr.handled_access_fs |= ACCESS_FS_TRUNCATE;
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (rules < 0)
		return -1;
	rc = allow_all(rules, o, attr.handled_access_fs);
	if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
		rc = -1;
	close(rules);
	return rc;
}

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

#define OURS     "# Written by Drover at each start. Without this line it stays as it is.\n"
#define FILE_MAX 65536

#define CONSOLE_MODE 0622 /* as a machine's console: all may write, root reads */

/* As root inside, with its rights and no others, on the files that it sees. */
static void
become(uint32_t id)
{
	setfsgid(id);
	setfsuid(id);
}

static int
open_below(int top, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };

	return (int)syscall(SYS_openat2, top, path, &how, sizeof(how));
}

/* Its first process may be any user's, and says there why it ends. */
static int
make_console(int log, struct err *e)
{
	struct stat st;
	AUTO_CLOSE int fd = -1;

	if (!fstatat(log, "console", &st, AT_SYMLINK_NOFOLLOW)) {
		if (S_ISREG(st.st_mode) &&
		    ((st.st_mode & 0777) == CONSOLE_MODE ||
			!fchmodat(log, "console", CONSOLE_MODE, 0)))
			return 0;
		if (unlinkat(log, "console", S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0))
			return err_sys(
			    e, ERR_IO, errno, "cannot remove log/console of the image");
	}
	fd = openat(log, "console",
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, CONSOLE_MODE);
	if (fd < 0 || fchmod(fd, CONSOLE_MODE))
		return err_sys(e, ERR_IO, errno, "cannot make log/console");
	return 0;
}

static int
open_log(const struct stage_run *r)
{
	AUTO_FREE char *image = xasprintf("%s/mnt/0", r->dir);
	AUTO_CLOSE int top = open(image, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return -1;
	return open_below(top, "log", O_RDONLY | O_DIRECTORY,
	    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int
stage_console(const struct stage_run *r, struct err *e)
{
	AUTO_CLOSE int log = open_log(r);
	int rc;

	if (log < 0)
		return err_sys(e, ERR_CORRUPT, errno, "the image has no folder log");
	become(r->id_base);
	rc = make_console(log, e);
	become(0);
	return rc;
}

static bool
holds(int fd, const char *text)
{
	size_t n = strlen(text);
	char buf[FILE_MAX];
	ssize_t got = pread(fd, buf, sizeof(buf), 0);

	return got >= 0 && (size_t)got == n && memcmp(buf, text, n) == 0;
}

/* A file that does not begin with our line is whoever's wrote it. */
static bool
is_ours(int fd)
{
	char buf[sizeof(OURS) - 1];
	ssize_t got = pread(fd, buf, sizeof(buf), 0);

	return got == 0 ||
	       (got == (ssize_t)sizeof(buf) && memcmp(buf, OURS, sizeof(buf)) == 0);
}

enum whose { REPLACE_ANY, REPLACE_OURS };

/* Never through a link, of which this one may be: a new file takes its place. */
static int
put_file(int etc, const char *name, const char *text, enum whose whose, struct err *e)
{
	AUTO_CLOSE int is =
	    openat(etc, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	AUTO_CLOSE int fd = -1;
	size_t n = strlen(text);

	if (is >= 0 && (holds(is, text) || (whose == REPLACE_OURS && !is_ours(is))))
		return 0;
	if (is < 0 && errno != ENOENT && whose == REPLACE_OURS)
		return 0;
	if (unlinkat(etc, name, 0) && errno != ENOENT)
		return err_sys(e, ERR_IO, errno, "cannot replace /etc/%s", name);
	fd = openat(
	    etc, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644) || write(fd, text, n) != (ssize_t)n)
		return err_sys(e, ERR_IO, errno, "cannot write /etc/%s", name);
	return 0;
}

static int
put_name(const struct stage_run *r, int etc, struct err *e)
{
	AUTO_FREE char *name = xasprintf("%s\n", r->host_name);
	AUTO(str) struct str hosts = STR_INIT;
	int rc = put_file(etc, "hostname", name, REPLACE_ANY, e);

	if (rc)
		return rc;
	str_add(&hosts, OURS "127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
	/* A host that knows itself by name needs no other to answer for it. */
	str_addf(
	    &hosts, "%s %s\n", r->address ? r->address : "127.0.1.1", r->host_name);
	return put_file(etc, "hosts", str_cstr(&hosts), REPLACE_OURS, e);
}

static int
put_dns(const struct stage_run *r, int etc, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;

	str_add(&text, OURS);
	for (unsigned i = 0; i < r->n_dns; i++)
		str_addf(&text, "nameserver %s\n", r->dns[i]);
	return put_file(etc, "resolv.conf", str_cstr(&text), REPLACE_ANY, e);
}

static int
open_etc(int root, struct err *e)
{
	int fd = open_below(root, "etc", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);

	if (fd < 0 && errno == ENOENT && !mkdirat(root, "etc", 0755))
		fd = open_below(root, "etc", O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT);
	if (fd < 0)
		err_sys(e, ERR_IO, errno, "cannot open /etc");
	return fd;
}

static int
put_names(const struct stage_run *r, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/root", r->dir);
	AUTO_CLOSE int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int etc = -1;
	int rc = 0;

	if (root < 0)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	etc = open_etc(root, e);
	if (etc < 0)
		return ERR_IO;
	if (r->host_name)
		rc = put_name(r, etc, e);
	if (!rc && r->n_dns)
		rc = put_dns(r, etc, e);
	return rc;
}

/* Where whoever can mend it looks. */
static void
tell_console(const struct stage_run *r, const struct err *e)
{
	AUTO_CLOSE int log = open_log(r);
	AUTO_FREE char *line = xasprintf("drover: %s\n", e->msg);
	AUTO_CLOSE int fd =
	    openat(log, "console", O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || write(fd, line, strlen(line)) < 0)
		fputs(line, stderr);
}

void
stage_names(const struct stage_run *r)
{
	struct err e = ERR_INIT;

	if (!r->host_name && !r->n_dns)
		return;
	become(r->id_base);
	if (put_names(r, &e))
		tell_console(r, &e);
	become(0);
}

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_dir.h"
#include "loop/child.h"

#define LOG_TAIL    2048
#define LOG_MAX     262144
#define RUN_MAX     8192
#define CMDLINE_MAX 16384
#define OWN_NBD     "q/nbd.sock"

static int
open_dir(const struct qemu_guest *q, int *ret_fd, struct err *e)
{
	int fd = open(q->g.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open %s", q->g.dir);
	*ret_fd = fd;
	return 0;
}

static int
make_parents(const char *dir, struct err *e)
{
	AUTO_FREE char *path = xstrdup(dir);

	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0711) && errno != EEXIST)
			return err_sys(e, ERR_IO, errno, "cannot make %s", path);
		*p = '/';
	}
	return 0;
}

int
qemu_dir_prepare(const struct qemu_guest *q, uint32_t uid, uint32_t gid, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	int rc = make_parents(q->g.dir, e);

	if (rc)
		return rc;
	if (mkdir(q->g.dir, 0700) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "cannot make %s", q->g.dir);
	rc = open_dir(q, &fd, e);
	if (rc)
		return rc;
	qemu_dir_clear(q);
	unlinkat(fd, "stderr.log", 0);
	if (mkdirat(fd, QEMU_OWN_FOLDER, 0700) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "cannot make %s/q", q->g.dir);
	if (uid && fchownat(fd, QEMU_OWN_FOLDER, uid, gid, AT_SYMLINK_NOFOLLOW))
		return err_sys(
		    e, ERR_IO, errno, "cannot give %s/q to %u:%u", q->g.dir, uid, gid);
	return 0;
}

void
qemu_dir_clear(const struct qemu_guest *q)
{
	static const char *const left[] = { "run", "run.new", "qmp.sock",
		"console.sock", "agent.sock", "guard.sock", QEMU_OWN_SCREEN, OWN_NBD };
	AUTO_CLOSE int fd = -1;

	if (open_dir(q, &fd, NULL))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(left); i++)
		if (unlinkat(fd, left[i], 0) && errno != ENOENT)
			log_warn("engine", "cannot remove %s/%s: %s", q->g.dir, left[i],
			    strerror(errno));
}

/* Through the folder's descriptor: the path itself may be too long for a socket
 * address. */
static int
address_of(int dir_fd, const char *name, struct sockaddr_un *ret_a)
{
	ret_a->sun_family = AF_UNIX;
	return snprintf(ret_a->sun_path, sizeof(ret_a->sun_path), "/proc/self/fd/%d/%s",
	    dir_fd, name);
}

int
qemu_listen(const struct qemu_guest *q, const char *name, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { 0 };
	int rc = open_dir(q, &dir, e);

	if (rc)
		return rc;
	address_of(dir, name, &a);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 2))
		return err_sys(
		    e, ERR_IO, errno, "cannot listen at %s/%s", q->g.dir, name);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

int
qemu_listen_own(
    const struct qemu_guest *q, const char *name, int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = xasprintf(QEMU_OWN_FOLDER "/%s", name);
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int node = -1;
	AUTO_CLOSE int fd = -1;
	struct stat st;
	uint32_t uid = 0;
	int rc = qemu_uid(q, &uid, e);

	if (!rc)
		rc = open_dir(q, &dir, e);
	if (rc)
		return rc;
	unlinkat(dir, path, 0);
	rc = qemu_listen(q, path, &fd, e);
	if (rc)
		return rc;
	/* The folder is the process's: what is there now need not be what we made. */
	node = openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st) || !S_ISSOCK(st.st_mode) ||
	    (uid && fchownat(node, "", uid, q->qemu->gid, AT_EMPTY_PATH)))
		return err_sys(
		    e, ERR_IO, errno, "cannot give %s/%s away", q->g.dir, path);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

int
qemu_connect(const struct qemu_guest *q, const char *name, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { 0 };
	int rc = open_dir(q, &dir, e);

	if (rc)
		return rc;
	address_of(dir, name, &a);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return err_sys(
		    e, ERR_LOST, errno, "cannot connect to %s/%s", q->g.dir, name);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

int
qemu_connect_own(
    const struct qemu_guest *q, const char *path, int *ret_fd, struct err *e)
{
	AUTO_CLOSE int dir = -1, node = -1;
	AUTO_CLOSE int fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	uint32_t uid = 0;
	int rc = qemu_uid(q, &uid, e);

	if (!rc)
		rc = open_dir(q, &dir, e);
	if (rc)
		return rc;
	node = openat(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 || fstat(node, &st))
		return err_sys(e, ERR_LOST, errno, "cannot open %s/%s", q->g.dir, path);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != uid)
		return err_set(
		    e, ERR_IO, "%s/%s is not the machine's own socket", q->g.dir, path);
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d", node);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return err_sys(
		    e, ERR_LOST, errno, "cannot connect to %s/%s", q->g.dir, path);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

static const char *const away_names[] = {
	[QEMU_HERE] = "",
	[QEMU_LEFT_RUNNING] = "left running",
	[QEMU_LEFT_PAUSED] = "left paused",
	[QEMU_HELD] = "held",
};

static int
read_away(const json *o, enum qemu_away *ret_a, struct err *e)
{
	const char *name = "";
	int rc = json_read_str(o, "away", JSON_OPTIONAL, 32, &name, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(away_names); i++) {
		if (!str_same(away_names[i], name))
			continue;
		*ret_a = (enum qemu_away)i;
		return 0;
	}
	return err_set(e, ERR_CORRUPT, "away: \"%s\" is not known", name);
}

static void
add_shift(json *o, const struct qemu_shift_to *to)
{
	json_set_u64(o, "shift_slot", to->slot);
	json_set_u64(o, "shift_datastore", to->datastore);
	json_set_str(o, "shift_path", to->path);
}

static int
read_shift(const json *o, struct qemu_shift_to *ret_to, struct err *e)
{
	const char *path = "";
	uint64_t slot = 0;
	int rc = json_read_u64(
	    o, "shift_slot", JSON_OPTIONAL, 0, ENGINE_LAYERS_MAX, &slot, e);

	if (!rc)
		rc = json_read_u64(o, "shift_datastore", JSON_OPTIONAL, 0, INT64_MAX,
		    &ret_to->datastore, e);
	if (!rc)
		rc = json_read_str(
		    o, "shift_path", JSON_OPTIONAL, sizeof(ret_to->path) - 1, &path, e);
	ret_to->slot = (unsigned)slot;
	snprintf(ret_to->path, sizeof(ret_to->path), "%s", rc ? "" : path);
	return rc;
}

int
qemu_run_save(const struct qemu_guest *q, struct err *e)
{
	AUTO(json) json *o = qemu_shape_json(&q->shape);
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = -1;
	ssize_t n;
	int rc = open_dir(q, &dir, e);

	if (rc)
		return rc;
	json_set_u64(o, "pid", (uint64_t)q->g.stat.pid);
	json_set_u64(o, "ticks", q->g.stat.start_ticks);
	json_set_str(o, "away", away_names[q->away]);
	if (*q->shift_to.path)
		add_shift(o, &q->shift_to);
	text = json_text(o);
	n = (ssize_t)strlen(text);
	fd = openat(dir, "run.new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	/* No fsync: the process does not outlive the host either. */
	if (fd < 0 || write(fd, text, (size_t)n) != n ||
	    renameat(dir, "run.new", dir, "run"))
		return err_sys(e, ERR_IO, errno, "cannot write %s/run", q->g.dir);
	return 0;
}

int
qemu_run_load(const struct qemu_guest *q, struct qemu_run *ret_r, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	AUTO_CLOSE int fd = -1;
	AUTO(json) json *o = NULL;
	char buf[RUN_MAX];
	uint64_t pid = 0;
	ssize_t n;
	int rc = open_dir(q, &dir, e);

	if (rc)
		return rc;
	fd = openat(dir, "run", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open %s/run", q->g.dir);
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read %s/run", q->g.dir);
	rc = json_parse(buf, (size_t)n, "run", &o, e);
	if (!rc)
		rc = json_read_u64(o, "pid", JSON_REQUIRED, 0, INT32_MAX, &pid, e);
	if (!rc)
		rc = json_read_u64(
		    o, "ticks", JSON_REQUIRED, 0, INT64_MAX, &ret_r->ticks, e);
	if (!rc && !pid)
		rc = err_set(e, ERR_NOT_FOUND, "its guard had not told its process");
	if (!rc)
		rc = qemu_shape_parse(o, &ret_r->shape, e);
	if (!rc)
		rc = read_away(o, &ret_r->away, e);
	if (!rc)
		rc = read_shift(o, &ret_r->shift_to, e);
	ret_r->pid = (pid_t)pid;
	return rc;
}

static bool
has_argument(const char *pid, const char *wanted)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/cmdline", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buf[CMDLINE_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	for (const char *p = buf; p < buf + n; p += strlen(p) + 1)
		if (str_same(p, wanted))
			return true;
	return false;
}

int
qemu_find_process(const char *uuid, pid_t *ret_pid, struct err *e)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	uint64_t pid = 0;

	if (!proc)
		return err_sys(e, ERR_IO, errno, "cannot open /proc");
	while (!pid && (d = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)d->d_name[0]) ||
		    !has_argument(d->d_name, uuid))
			continue;
		if (parse_u64(d->d_name, 1, INT32_MAX, "pid", &pid, NULL))
			pid = 0;
	}
	closedir(proc);
	if (!pid)
		return err_set(e, ERR_NOT_FOUND, "no process has uuid %s", uuid);
	*ret_pid = (pid_t)pid;
	return 0;
}

static int
open_log(const struct qemu_guest *q, int flags)
{
	AUTO_CLOSE int dir = -1;

	if (open_dir(q, &dir, NULL))
		return -1;
	return openat(dir, "stderr.log", flags | O_CLOEXEC | O_NOFOLLOW);
}

char *
qemu_log_tail(const struct qemu_guest *q)
{
	AUTO_CLOSE int fd = open_log(q, O_RDONLY);
	char buf[LOG_TAIL + 1];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return xstrdup("");
	n = pread(fd, buf, LOG_TAIL, st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0);
	if (n <= 0)
		return xstrdup("");
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = '?';
	buf[n] = '\0';
	return xstrdup(buf);
}

void
qemu_log_bound(const struct qemu_guest *q)
{
	AUTO_CLOSE int fd = open_log(q, O_WRONLY);
	struct stat st;

	/* The process appends, so it goes on at the new end. */
	if (fd >= 0 && !fstat(fd, &st) && st.st_size > LOG_MAX && ftruncate(fd, 0))
		log_warn("engine", "%s: cannot truncate stderr.log: %s", q->who,
		    strerror(errno));
}

/*
 * A machine's screen: QEMU draws it into its own folder, from where it is fetched.
 *
 * That folder is QEMU's, and a guest may have got hold of its QEMU: what lies there is
 * read only if it is a plain file of QEMU's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qemu_int.h"
#include "host-agent/engine/qemu/qemu_live.h"

#define PICTURE "screen.png"

static int
open_folder(const struct qemu_guest *q, struct stat *ret_st, int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/" QEMU_OWN_FOLDER, q->g.dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 || fstat(fd, ret_st))
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	*ret_fd = MOVE_FD(fd);
	return 0;
}

static int
open_picture(const struct qemu_guest *q, int *ret_fd, size_t *ret_n, struct err *e)
{
	AUTO_CLOSE int folder = -1;
	struct stat own, st;
	int rc = open_folder(q, &own, &folder, e);

	if (rc)
		return rc;
	AUTO_CLOSE int fd =
	    openat(folder, PICTURE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st))
		return err_sys(
		    e, ERR_IO, errno, "%s: its picture is not there", q->who);
	unlinkat(folder, PICTURE, 0);
	if (!S_ISREG(st.st_mode) || st.st_uid != own.st_uid || st.st_nlink > 1)
		return err_set(
		    e, ERR_DENIED, "%s: its picture is no file of its own", q->who);
	if (st.st_size <= 0 || (uint64_t)st.st_size > ENGINE_PICTURE_MAX)
		return err_set(e, ERR_TOO_LARGE, "%s: its picture has %lld bytes",
		    q->who, (long long)st.st_size);
	*ret_fd = MOVE_FD(fd);
	*ret_n = (size_t)st.st_size;
	return 0;
}

/* It is on the host's own disk, and small. */
static int
read_picture(const struct qemu_guest *q, uint8_t **ret_p, size_t *ret_n, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	size_t n = 0;
	int rc = open_picture(q, &fd, &n, e);

	if (rc)
		return rc;
	AUTO_FREE uint8_t *p = xmalloc(n);
	ssize_t got = pread(fd, p, n, 0);
	if (got != (ssize_t)n)
		return err_sys(e, ERR_IO, got < 0 ? errno : EIO,
		    "%s: its picture cannot be read", q->who);
	*ret_p = MOVE(p);
	*ret_n = n;
	return 0;
}

static void
on_drawn(void *arg, int rc, const json *value)
{
	struct qemu_guest *q = arg;
	AUTO_FREE uint8_t *p = NULL;
	struct err e = ERR_INIT;
	size_t n = 0;

	if (rc)
		err_set(&e, rc, "%s: its screen cannot be drawn", q->who);
	else
		rc = read_picture(q, &p, &n, &e);
	engine_picture_end(&q->g, rc, &e, p, n);
}

int
qemu_op_picture(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	json *o;

	if (!q->qmp || qmp_is_lost(q->qmp))
		return err_set(e, ERR_LOST, "%s: its QEMU does not answer", q->who);
	o = json_new_object();
	json_set_str(o, "filename", PICTURE);
	json_set_str(o, "format", "png");
	qmp_ask(q->qmp, "screendump", o, on_drawn, q);
	return 0;
}

#include "host-agent/engine/oci/oci_ground.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "host-agent/engine/oci/oci_int.h"
#include "host-agent/record/record.h"

#define NOTE_MAX 262144
#define PATH_LEN (NOTE_MAX / ENGINE_LAYERS_MAX)

void
oci_ground_drop(struct oci_guest *c)
{
	while (c->ground.n)
		close(c->ground.fds[--c->ground.n]);
}

static int
keep(struct oci_guest *c, int fd, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return err_sys(e, ERR_IO, errno, "cannot keep an image open");
	c->ground.fds[c->ground.n++] = copy;
	return 0;
}

static void
path_of(int fd, char *buf, size_t n)
{
	char path[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = readlink(path, buf, n - 1);
	buf[got > 0 ? got : 0] = '\0';
}

void
oci_ground_name(struct oci_guest *c)
{
	struct oci_run *r = &c->run;
	struct stat st = { .st_dev = 0 };

	path_of(c->ground.fds[0], r->image, sizeof(r->image));
	if (fstat(c->ground.fds[0], &st))
		*r->image = '\0';
	r->image_dev = st.st_dev;
	r->image_ino = st.st_ino;
}

int
oci_ground_take(struct oci_guest *c, const struct engine_boot *b, struct err *e)
{
	const struct engine_disk *d = &b->disks[0];
	int rc;

	oci_ground_drop(c);
	rc = keep(c, d->fd, e);
	if (!rc)
		oci_ground_name(c);
	for (size_t i = 0; !rc && i < d->n_backing; i++)
		rc = keep(c, d->backing_fds[i], e);
	if (rc)
		oci_ground_drop(c);
	return rc;
}

/* A device that is open is not taken away with its last mount. */
int
oci_ground_hold(struct oci_guest *c, struct err *e)
{
	char path[32];

	oci_ground_drop(c);
	if (!c->run.n_loops)
		return err_set(
		    e, ERR_BAD_STATE, "%s: nobody knows its loop devices", c->who);
	for (unsigned i = 0; i < c->run.n_loops; i++) {
		int fd;

		snprintf(path, sizeof(path), "/dev/loop%u", c->run.loops[i]);
		fd = open(path, (i ? O_RDONLY : O_RDWR) | O_CLOEXEC);
		if (fd < 0) {
			err_sys(e, ERR_IO, errno, "cannot open %s", path);
			oci_ground_drop(c);
			return ERR_IO;
		}
		c->ground.fds[c->ground.n++] = fd;
	}
	return 0;
}

/* ---- the note of the files ---- */

static int
note_file(json *list, int fd, struct err *e)
{
	char path[PATH_LEN];
	struct stat st;
	json *o;

	path_of(fd, path, sizeof(path));
	if (!*path || fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at an image");
	o = json_new_object();
	json_set_str(o, "path", path);
	json_set_u64(o, "dev", st.st_dev);
	json_set_u64(o, "ino", st.st_ino);
	json_add_json(list, o);
	return 0;
}

static char *
note_path(const struct oci_guest *c)
{
	return xasprintf("%s/files", c->g.dir);
}

static int
write_note(const struct oci_guest *c, const json *note, struct err *e)
{
	AUTO_FREE char *path = note_path(c);
	AUTO_FREE char *text = json_text(note);

	return record_file_swap(path, text, e);
}

int
oci_ground_note(const struct oci_guest *c, struct err *e)
{
	AUTO(json) json *o = json_new_object();
	json *list = json_new_array();
	struct stat st;
	int rc = 0;

	json_set_json(o, "files", list);
	if (!fstat(c->ground.fds[0], &st) && S_ISBLK(st.st_mode))
		return 0;
	for (unsigned i = 0; !rc && i < c->ground.n; i++)
		rc = note_file(list, c->ground.fds[i], e);
	return rc ? rc : write_note(c, o, e);
}

static int
open_same(const char *path, int flags, uint64_t dev, uint64_t ino, struct err *e)
{
	AUTO_CLOSE int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, ERR_NOT_FOUND, errno, "cannot open %s again", path);
	if (st.st_dev != dev || st.st_ino != ino) {
		err_set(e, ERR_NOT_FOUND, "%s is another file now", path);
		return -1;
	}
	return MOVE_FD(fd);
}

static int
open_noted(struct oci_guest *c, const json *o, struct err *e)
{
	const char *path = "";
	uint64_t dev = 0, ino = 0;
	int rc = json_read_str(o, "path", JSON_REQUIRED, NOTE_MAX, &path, e), fd;

	if (!rc)
		rc = json_read_u64(o, "dev", JSON_REQUIRED, 0, UINT64_MAX, &dev, e);
	if (!rc)
		rc = json_read_u64(o, "ino", JSON_REQUIRED, 0, UINT64_MAX, &ino, e);
	if (rc)
		return rc;
	fd = open_same(path, c->ground.n ? O_RDONLY : O_RDWR, dev, ino, e);
	if (fd < 0)
		return ERR_NOT_FOUND;
	c->ground.fds[c->ground.n++] = fd;
	return 0;
}

int
oci_ground_open(struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *path = note_path(c);
	AUTO_FREE char *text = xmalloc(NOTE_MAX);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, NOTE_MAX);
	AUTO(json) json *o = NULL;
	const json *list;
	int rc;

	oci_ground_drop(c);
	if (n < 0)
		return err_sys(e, ERR_NOT_FOUND, errno, "cannot read %s", path);
	rc = json_parse(text, (size_t)n, "files", &o, e);
	if (rc)
		return rc;
	list = json_what(o) == JSON_IS_OBJECT ? json_get(o, "files") : NULL;
	if (!list || json_what(list) != JSON_IS_ARRAY || !json_count(list) ||
	    json_count(list) > ENGINE_LAYERS_MAX)
		return err_set(e, ERR_CORRUPT, "%s: wants a list of files", path);
	for (size_t i = 0; !rc && i < json_count(list); i++)
		rc = open_noted(c, json_at(list, i), e);
	if (rc)
		oci_ground_drop(c);
	return rc;
}

bool
oci_loop_is_on(unsigned loop, uint64_t dev, uint64_t ino)
{
	struct loop_info64 info;
	AUTO_CLOSE int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "/dev/loop%u", loop);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && !ioctl(fd, LOOP_GET_STATUS64, &info) &&
	       info.lo_device == dev && info.lo_inode == ino;
}

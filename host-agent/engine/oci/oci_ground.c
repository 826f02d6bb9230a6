#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_int.h"

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

/* How the kernel names the file, for whoever looks for what is left of a guest. */
static void
note_image(struct oci_guest *c, int fd)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, c->run.image, sizeof(c->run.image) - 1);
	c->run.image[n > 0 ? n : 0] = '\0';
}

int
oci_ground_take(struct oci_guest *c, const struct engine_boot *b, struct err *e)
{
	const struct engine_disk *d = &b->disks[0];
	int rc;

	oci_ground_drop(c);
	note_image(c, d->fd);
	rc = keep(c, d->fd, e);
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

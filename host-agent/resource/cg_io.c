/*
 * cg_io: what a group has read from block devices and written to them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"
#include "host-agent/resource/disk_io.h"

struct wanted {
	struct disk_io *v;
	size_t n;
};

typedef void (*line_fn)(const struct wanted *w, const char *line);

static int
each_line(const char *dir, const char *file, const struct wanted *w, line_fn fn,
    struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	FILE *f = fopen(path, "re");
	char line[256];

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	while (fgets(line, sizeof(line), f))
		fn(w, line);
	fclose(f);
	return 0;
}

/* The device that the line begins with, if it is one of those. */
static struct disk_io *
device_of(const struct wanted *w, const char *line, const char **ret_rest)
{
	unsigned major_no, minor_no;
	int at = 0;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(line, "%u:%u %n", &major_no, &minor_no, &at) != 2 || !at)
		return NULL;
	*ret_rest = line + at;
	return disk_io_find(w->v, w->n, makedev(major_no, minor_no));
}

static void
take_v1(const struct wanted *w, const char *line, bool bytes)
{
	const char *rest;
	struct disk_io *d = device_of(w, line, &rest);
	char verb[16];
	uint64_t v;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (!d || sscanf(rest, "%15s %" SCNu64, verb, &v) != 2)
		return;
	if (str_same(verb, "Read"))
		*(bytes ? &d->read_bytes : &d->reads) += v;
	else if (str_same(verb, "Write"))
		*(bytes ? &d->written_bytes : &d->writes) += v;
}

static void
take_v1_bytes(const struct wanted *w, const char *line)
{
	take_v1(w, line, true);
}

static void
take_v1_count(const struct wanted *w, const char *line)
{
	take_v1(w, line, false);
}

static void
take_v2(const struct wanted *w, const char *line)
{
	const char *rest;
	struct disk_io *d = device_of(w, line, &rest);
	struct disk_io is;

	if (!d)
		return;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(rest,
		"rbytes=%" SCNu64 " wbytes=%" SCNu64 " rios=%" SCNu64 " wios=%" SCNu64,
		&is.read_bytes, &is.written_bytes, &is.reads, &is.writes) != 4)
		return;
	d->read_bytes += is.read_bytes;
	d->written_bytes += is.written_bytes;
	d->reads += is.reads;
	d->writes += is.writes;
}

int
cg_io_v1(const char *dir, struct disk_io *v, size_t n, struct err *e)
{
	const struct wanted w = { v, n };
	int rc = each_line(
	    dir, "blkio.throttle.io_service_bytes_recursive", &w, take_v1_bytes, e);

	return rc ? rc
		  : each_line(dir, "blkio.throttle.io_serviced_recursive", &w,
			take_v1_count, e);
}

int
cg_io_v2(const char *dir, struct disk_io *v, size_t n, struct err *e)
{
	const struct wanted w = { v, n };

	return each_line(dir, "io.stat", &w, take_v2, e);
}

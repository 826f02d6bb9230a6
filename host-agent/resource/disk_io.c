#include "host-agent/resource/disk_io.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/str.h"

#define SECTOR_BYTES 512u /* whatever the device's are */
#define MAX_DISKS    65536u
#define US_PER_MS    1000u

/* What stands of a device in both files. */
static bool
parse_counts(const char *text, struct disk_io *d)
{
	uint64_t sectors_in, sectors_out, in_ms, out_ms;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(text,
		"%" SCNu64 " %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %*u %" SCNu64
		" %" SCNu64,
		&d->reads, &sectors_in, &in_ms, &d->writes, &sectors_out, &out_ms) != 6)
		return false;
	d->read_bytes = sectors_in * SECTOR_BYTES;
	d->written_bytes = sectors_out * SECTOR_BYTES;
	d->read_us = in_ms * US_PER_MS;
	d->write_us = out_ms * US_PER_MS;
	return true;
}

bool
disk_io_parse(const char *line, struct disk_io *ret_d)
{
	struct disk_io d = { 0 };
	unsigned major_no, minor_no;
	int at = 0;

	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (sscanf(line, "%u %u %31s %n", &major_no, &minor_no, d.name, &at) != 3 ||
	    !at || !parse_counts(line + at, &d))
		return false;
	d.dev = makedev(major_no, minor_no);
	*ret_d = d;
	return true;
}

int
disk_io_of(const char *root, dev_t dev, struct disk_io *ret_d, struct err *e)
{
	AUTO_FREE char *path =
	    xasprintf("%s/sys/dev/block/%u:%u/stat", root, major(dev), minor(dev));
	FILE *f = fopen(path, "re");
	struct disk_io d = { .dev = dev };
	char line[512] = "";

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	bool is_read = fgets(line, sizeof(line), f) && parse_counts(line, &d);
	fclose(f);
	if (!is_read)
		return err_set(e, ERR_CORRUPT, "%s is no device's", path);
	*ret_d = d;
	return 0;
}

static bool
lies_on_others(const char *name)
{
	static const char *const kinds[] = { "loop", "ram", "zram", "dm-", "md",
		"bcache", "drbd", "sr", "fd" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_starts(name, kinds[i]))
			return true;
	}
	return false;
}

static bool
has_name(const struct disk_io *all, size_t n, const char *name, size_t len)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(all[i].name) == len && !strncmp(all[i].name, name, len))
			return true;
	}
	return false;
}

/* "sda1" of "sda", "nvme0n1p2" of "nvme0n1". */
static bool
is_partition(const struct disk_io *all, size_t n, const char *name)
{
	size_t len = strlen(name), whole = len;

	while (whole && isdigit((unsigned char)name[whole - 1]))
		whole--;
	if (!whole || whole == len)
		return false;
	if (has_name(all, n, name, whole))
		return true;
	return name[whole - 1] == 'p' && has_name(all, n, name, whole - 1);
}

size_t
disk_io_hardware(struct disk_io *all, size_t n)
{
	size_t kept = 0;

	/* A disk stands before its partitions, and those that are dropped are none of
	 * a partition's. */
	for (size_t i = 0; i < n; i++) {
		if (!lies_on_others(all[i].name) &&
		    !is_partition(all, kept, all[i].name))
			all[kept++] = all[i];
	}
	return kept;
}

int
disk_io_read(const char *path, struct disk_io **ret_all, size_t *ret_n, struct err *e)
{
	FILE *f = fopen(path, "re");
	struct disk_io *all = NULL, d;
	size_t n = 0, has = 0;
	char line[512];

	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	while (n < MAX_DISKS && fgets(line, sizeof(line), f)) {
		if (!disk_io_parse(line, &d))
			continue;
		if (n == has) {
			has = has ? 2 * has : 16;
			all = xrealloc(all, has * sizeof(*all));
		}
		all[n++] = d;
	}
	fclose(f);
	*ret_all = all;
	*ret_n = disk_io_hardware(all, n);
	return 0;
}

struct disk_io *
disk_io_find(struct disk_io *all, size_t n, dev_t dev)
{
	for (size_t i = 0; i < n; i++) {
		if (all[i].dev == dev)
			return &all[i];
	}
	return NULL;
}

#include "tests/lib/disk_bed.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/mem.h"

static bool
run(const char *command)
{
	return system(command) == 0; /* NOLINT(cert-env33-c): our own text */
}

bool
disk_bed_mount(struct disk_bed *d, const char *dir, unsigned mib)
{
	AUTO_FREE char *command = NULL;

	*d = (struct disk_bed){ .frozen = false };
	snprintf(d->image, sizeof(d->image), "%s/disk.img", dir);
	snprintf(d->dir, sizeof(d->dir), "%s/disk", dir);
	command = xasprintf("{ truncate -s %uM %s && mkfs.ext4 -q %s && mkdir %s &&"
			    " mount -o loop %s %s; } 2>/dev/null",
	    mib, d->image, d->image, d->dir, d->image, d->dir);
	return run(command);
}

void
disk_bed_unmount(struct disk_bed *d)
{
	AUTO_FREE char *command = xasprintf("umount -l %s", d->dir);

	if (d->frozen)
		disk_bed_thaw(d);
	ASSERT(run(command));
}

void
disk_bed_freeze(struct disk_bed *d)
{
	AUTO_FREE char *command = xasprintf("fsfreeze -f %s", d->dir);

	ASSERT(run(command));
	d->frozen = true;
}

void
disk_bed_thaw(struct disk_bed *d)
{
	AUTO_FREE char *command = xasprintf("fsfreeze -u %s", d->dir);

	ASSERT(run(command));
	d->frozen = false;
}

void
disk_bed_fill(struct disk_bed *d)
{
	AUTO_FREE char *command = xasprintf(
	    "cat /dev/zero > %s/ballast 2>/dev/null; sync -f %s", d->dir, d->dir);

	ASSERT(run(command));
}

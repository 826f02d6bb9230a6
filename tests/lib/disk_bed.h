/*
 * disk_bed: a small ext4 on a loop device, for tests of storage that is full, stalls or
 * goes away.  Wants root.
 */
#pragma once
#include <stdbool.h>

struct disk_bed {
	char image[128], dir[128];
	bool frozen;
};

/* Mounted at DIR/disk, on DIR/disk.img of that size.  False: it cannot be made here. */
bool disk_bed_mount(struct disk_bed *d, const char *dir, unsigned mib);
/* Thawed if need be, unmounted, gone. */
void disk_bed_unmount(struct disk_bed *d);
/* Writes wait from now on, until it is thawed. */
void disk_bed_freeze(struct disk_bed *d);
void disk_bed_thaw(struct disk_bed *d);
/* Leave less than a MiB free: a file system keeps a few blocks for itself. */
void disk_bed_fill(struct disk_bed *d);

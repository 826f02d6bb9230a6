/*
 * disk_io: what was read from block devices and written to them, as the kernel counts
 * it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct disk_io {
	dev_t dev;
	char name[32];
	uint64_t read_bytes, written_bytes;
	uint64_t reads, writes;
	uint64_t read_us, write_us; /* that they took together */
};

/* A line of /proc/diskstats.  False: it is broken.  Pure. */
bool disk_io_parse(const char *line, struct disk_io *ret_d);
/* One device, hardware or not: /sys/dev/block/M:N/stat below root ("" but in tests). */
int disk_io_of(
    const char *root, dev_t dev, struct disk_io *ret_d, struct err *e) WARN_UNUSED;
/*
 * Leave those that stand for hardware, so that nothing counts twice: no partitions, and
 * none that lie on others (loop devices, LVM, RAID).  Returns how many.  Pure.
 */
size_t disk_io_hardware(struct disk_io *all, size_t n);
/* The hardware ones of the file, malloc'd. */
int disk_io_read(const char *path, struct disk_io **ret_all, size_t *ret_n,
    struct err *e) WARN_UNUSED;
/* NULL: there is none of that number. */
struct disk_io *disk_io_find(struct disk_io *all, size_t n, dev_t dev);

/*
 * disk_int: what the files that make and open images share.
 */
#pragma once
#include "host-agent/storage/disk.h"
#include "loop/child.h"

#define QEMU_IMG_PRESET "/usr/bin/qemu-img"

struct qemu_img {
	struct loop *loop;
	const struct disk_conf *conf;
	const char *const *argv; /* names the image "/dev/fd/3" */
	int image_fd;
	uint32_t timeout_ms;
};

/* Run qemu-img without rights, bounded in memory and time; arg is done's. */
int qemu_img_start(const struct qemu_img *q, child_fn done, void *arg,
    struct child **ret_c, struct err *e) WARN_UNUSED;
/* What argv[0] is. */
const char *qemu_img_program(const struct disk_conf *conf);
/* Make the image the child's for as long as it runs, or root's again. */
int disk_give(
    int fd, uint32_t uid, uint32_t gid, mode_t mode, struct err *e) WARN_UNUSED;
/* Can its file system do without the page cache? */
bool image_takes_direct(int fd);
struct img_facts;

/* One image of a chain as it must be. */
struct disk_image {
	const char *path, *format;
	const Drover__DiskLayer *below; /* NULL: it stands on nothing */
};

/* May it be made and opened at all?  Paths, formats, the length of its chain. Pure. */
int disk_spec_check(const Drover__DiskSpec *d, struct err *e) WARN_UNUSED;
/* Number i from the top of d's chain, 0 being the one that is written. */
struct disk_image disk_image_at(const Drover__DiskSpec *d, size_t i);

/* ERR_CORRUPT if its header does not name exactly what is below it. Blocking. */
int disk_image_open(const struct datastore *ds, const struct disk_image *im, int flags,
    int *ret_fd, struct img_facts *ret_facts, struct err *e) WARN_UNUSED;
/* As the header of the image at path names what is below it; "" for NULL.  Caller
 * frees. */
char *disk_backing_text(const char *path, const Drover__DiskLayer *below);
/* A template's folder and disk; caller frees. */
char *tmpl_folder(uint64_t tmpl);

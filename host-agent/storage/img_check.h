/*
 * img_check: may this image be used?  Reads a header, believes nothing.
 *
 * Pure: bytes in, facts or a refusal out.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IMG_HEADER_BYTES \
	65536u /* hand over this much of the file's start, or all of it */
#define IMG_BACKING_MAX 1023

enum img_format { IMG_RAW, IMG_QCOW2, IMG_EXT4 };

enum img_backing { IMG_BACKING_REFUSED, IMG_BACKING_ALLOWED };

struct img_facts {
	enum img_format format;
	uint64_t virtual_bytes;
	uint32_t cluster_bytes;            /* 0 for raw */
	char backing[IMG_BACKING_MAX + 1]; /* "" if it stands alone */
	char backing_format[16];           /* as the header says; "" if it does not */
};

int img_format_parse(
    const char *name, enum img_format *ret_f, struct err *e) WARN_UNUSED;

/* The start of a file, at most IMG_HEADER_BYTES of it, and how long the file is. */
struct img_head {
	const void *bytes;
	size_t n;
	uint64_t file_bytes;
};

/*
 * The head of an image said to be of format f.  ERR_INVALID says what is wrong: no
 * image, truncated, encrypted, external data file, unknown features, a backing file
 * where none may be, absurd size; a file system that no host of ours made.
 */
int img_check(const struct img_head *h, enum img_format f, enum img_backing backing,
    struct img_facts *ret_facts, struct err *e) WARN_UNUSED;
/* Does a virtual size fit? 0 is absurd, and so is more than 64 TiB. ERR_NO_CAPACITY
 * over capacity_bytes. */
int img_size_check(
    uint64_t virtual_bytes, uint64_t capacity_bytes, struct err *e) WARN_UNUSED;
/* Read the header of an open file and check it. Blocking; not pure. */
int img_check_fd(int fd, enum img_format f, enum img_backing backing,
    struct img_facts *ret_facts, struct err *e) WARN_UNUSED;

/*
 * img_sum: the checksum of an image's file, byte by byte.  Blocking; any thread.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

#define IMG_SUM_LEN 64 /* digits */

int img_sum(int fd, char ret_sha256[IMG_SUM_LEN + 1], uint64_t *ret_bytes,
    struct err *e) WARN_UNUSED;

/*
 * gzip: compresses a text piece by piece, for answers that are long.
 *
 * Pure, but for memory; any thread, one at a time.
 */
#pragma once
#include <stddef.h>

#include "base/str.h"

struct gzip;

enum gzip_rest { GZIP_MORE, GZIP_LAST };

struct gzip *gzip_new(void);
void gzip_free(struct gzip *z);
/* Add what comes of n more bytes to out, which may be nothing yet; after GZIP_LAST all
 * of it is there. */
void gzip_add(
    struct gzip *z, const void *p, size_t n, enum gzip_rest rest, struct str *out);

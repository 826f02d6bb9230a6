/*
 * span: a stretch of an open file, read without leaving it.
 *
 * An image may be a whole file or one member of an appliance.  Blocking calls; any
 * thread.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct span {
	int fd; /* borrowed */
	uint64_t at, bytes;
};

/* All of an open plain file; ERR_INVALID if it is no such thing. */
int span_whole(int fd, struct span *ret_s, struct err *e) WARN_UNUSED;
/* Exactly n bytes from at on.  ERR_CORRUPT if the span ends before. */
int span_read(
    const struct span *s, uint64_t at, void *buf, size_t n, struct err *e) WARN_UNUSED;
/* Lower-case hex of the digest ("sha256" and what else OpenSSL knows); out holds 129
 * bytes. */
#define SPAN_HEX_MAX 129
int span_digest(const struct span *s, const char *algorithm, char out[SPAN_HEX_MAX],
    struct err *e) WARN_UNUSED;

uint16_t span_le16(const uint8_t *p);
uint32_t span_le32(const uint8_t *p);
uint64_t span_le64(const uint8_t *p);
uint64_t span_be64(const uint8_t *p);

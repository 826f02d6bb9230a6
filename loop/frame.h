/*
 * frame: length-prefixed messages on a byte stream.  Pure.
 *
 * Wire: 4 bytes big-endian length of what follows, then that many bytes;
 * 1 <= length <= MAX_FRAME.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define FRAME_HEAD 4u
#define MAX_FRAME  16777216u /* 16 MiB */

void frame_head(uint32_t len, uint8_t out[FRAME_HEAD]);
/*
 * Look at the n bytes at hand. 1: a whole frame, its body at p + FRAME_HEAD, *ret_len
 * bytes. 0: more bytes are needed. ERR_CORRUPT: length 0 or over max; the stream is
 * beyond repair.
 */
int frame_peek(const uint8_t *p, size_t n, uint32_t max, uint32_t *ret_len,
    struct err *e) WARN_UNUSED;

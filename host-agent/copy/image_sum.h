/*
 * image_sum: what two hosts compare of an image that went from one to the other.
 *
 * SHA-256 over, for each block of IMAGE_BLOCK_BYTES that is not all zeros, in order:
 * where it is (8 bytes, big-endian) and its bytes, the last block as long as it is;
 * then the length of the image (8 bytes).  So it does not matter whether zeros are
 * written or holes, and a hole of a terabyte costs nothing.  It is not what sha256sum
 * says.
 */
#pragma once
#include "base/mem.h"
#include "host-agent/copy/image_frame.h"

struct image_sum;

struct image_sum *image_sum_new(void);
void image_sum_free(struct image_sum *s); /* NULL is fine */
/* Bytes at a place of the image: whole blocks, but at its end; places go up. */
void image_sum_add(struct image_sum *s, uint64_t at, const uint8_t *p, size_t n);
/* Once. ERR_INTERNAL where the library could not. */
int image_sum_end(struct image_sum *s, uint64_t bytes, uint8_t ret_sum[IMAGE_SUM_BYTES],
    struct err *e) WARN_UNUSED;
bool image_is_zeros(const uint8_t *p, size_t n);

DEFINE_AUTO(image_sum, struct image_sum *, image_sum_free)

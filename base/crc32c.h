/*
 * crc32c: the checksum (Castagnoli) of what we keep in files.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* Of n bytes more, after crc; begin with 0. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

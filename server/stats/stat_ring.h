/*
 * stat_ring: the newest samples of one object, a slot for each step of the clock.
 *
 * A counter takes room from its first sample on.  Slots are numbered by the clock: slot
 * n ends n steps after 1970.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/metric.h"

struct stat_ring;

/* slots: how many are kept. */
struct stat_ring *stat_ring_new(uint32_t slots);
void stat_ring_free(struct stat_ring *r);
/*
 * False, and nothing is kept: the slot is older than those that are.  One that is much
 * newer than all others leaves gaps between.
 */
bool stat_ring_put(struct stat_ring *r, uint64_t slot, uint32_t counter, float v);
/* NaN: a gap, or not kept. */
float stat_ring_get(const struct stat_ring *r, uint64_t slot, uint32_t counter);
/* It has got samples of that counter. */
bool stat_ring_has(const struct stat_ring *r, uint32_t counter);
/* n slots from first on; as stat_ring_get. */
void stat_ring_copy(const struct stat_ring *r, uint32_t counter, uint64_t first,
    size_t n, float *ret_v);
/* 0: it has none. */
uint64_t stat_ring_newest(const struct stat_ring *r);
/* The oldest one for which anything may be kept; 0: it has none. */
uint64_t stat_ring_oldest(const struct stat_ring *r);
size_t stat_ring_bytes(const struct stat_ring *r);

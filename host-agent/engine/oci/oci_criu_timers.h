/*
 * oci_criu_timers: timers that repeat, in the images that CRIU wrote.
 *
 * A timerfd that repeats and is due shows no time left, and CRIU would set it as it
 * shows: not at all.  Such a timer is made one that is due in a nanosecond: what it has
 * counted is restored besides, and it goes on from there.  Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* In files.img, n bytes of it, which stay as many; counts what was mended. */
int oci_criu_timers_mend(
    uint8_t *image, size_t n, unsigned *ret_mended, struct err *e) WARN_UNUSED;

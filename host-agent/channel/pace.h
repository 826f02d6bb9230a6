/*
 * pace: a cap on bytes a second that several threads obey together.
 *
 * Each sender takes what it has sent and is told when it may send again.  A pace that
 * was not used for a while lets PACE_BURST_US worth of bytes through at once, so that
 * sleeps that last a little too long do not add up.  Any thread.
 */
#pragma once
#include <stdatomic.h>
#include <stdint.h>

#define PACE_BURST_US 20000u

struct pace {
	_Atomic uint64_t bytes_per_s; /* 0: no cap */
	_Atomic uint64_t next_ns;     /* when all that was taken has been paid for */
};

void pace_set(struct pace *p, uint64_t bytes_per_s, uint64_t now_us);
/* n bytes are sent: the next may go at the returned time, on the clock of now_us. */
uint64_t pace_take(struct pace *p, uint64_t n, uint64_t now_us);
/* How many bytes to send at a time: about a twentieth of a second's, at most max. */
uint64_t pace_piece(const struct pace *p, uint64_t max);

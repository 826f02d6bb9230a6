/*
 * guest_stall: when does a guest that ran out of room go on?
 *
 * Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Free space that a guest is let loose on again, or a twentieth of a smaller datastore.
 */
#define STALL_ROOM_BYTES (64ull << 20)
/* Between attempts: doubled with each stall in a row, up to a minute. */
#define STALL_RETRY_MIN_MS 2000u
#define STALL_RETRY_MAX_MS 60000u

struct stall_room {
	bool known;
	uint64_t capacity_bytes, free_bytes;
};

/* Is there room on every datastore of its disks? */
bool stall_has_room(const struct stall_room *rooms, size_t n);
uint64_t stall_retry_ms(unsigned stalls);

#include "host-agent/guest/guest_stall.h"

bool
stall_has_room(const struct stall_room *rooms, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t wanted = rooms[i].capacity_bytes / 20;

		if (wanted > STALL_ROOM_BYTES)
			wanted = STALL_ROOM_BYTES;
		if (!rooms[i].known || rooms[i].free_bytes < wanted)
			return false;
	}
	return n > 0;
}

uint64_t
stall_retry_ms(unsigned stalls)
{
	uint64_t ms = (uint64_t)STALL_RETRY_MIN_MS << (stalls < 5 ? stalls : 5);

	return ms < STALL_RETRY_MAX_MS ? ms : STALL_RETRY_MAX_MS;
}

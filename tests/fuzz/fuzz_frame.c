#include "base/assert.h"
#include "loop/frame.h"

#define SMALL_MAX 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The stream cut into frames: every byte belongs to one, and none is read twice. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	uint8_t head[FRAME_HEAD];
	uint32_t len;
	size_t at = 0;
	int rc;

	while ((rc = frame_peek(data + at, n - at, SMALL_MAX, &len, &e)) == 1) {
		ASSERT(len >= 1 && len <= SMALL_MAX && len <= n - at - FRAME_HEAD);
		frame_head(len, head);
		for (size_t i = 0; i < FRAME_HEAD; i++)
			ASSERT(head[i] == data[at + i]);
		at += FRAME_HEAD + len;
	}
	ASSERT(rc == 0 || (rc == ERR_CORRUPT && e.code == ERR_CORRUPT && e.msg[0]));
	return 0;
}

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "shell/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Frames lie within what was given, and reading them comes to an end. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct ws_frame f = { 0 };
	struct err e = ERR_INIT;
	size_t used = 1;

	while (used && !ws_frame_parse(p, n, &f, &used, &e)) {
		ASSERT(used <= n);
		if (used)
			ASSERT(
			    f.p >= p && f.p + f.n == p + used && f.n <= MAX_WS_FRAME);
		p += used;
		n -= used;
	}
	return 0;
}

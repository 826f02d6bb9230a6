#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/img_ext4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The input is the start of a file system that is somewhat longer. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	struct img_facts f;
	struct img_head h = { data, n, n + (1u << 24) };
	uint64_t bytes;

	if (img_ext4_check(&h, &f, &bytes, &e)) {
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	ASSERT(f.virtual_bytes == h.file_bytes && bytes <= h.file_bytes);
	ASSERT(!f.backing[0]);
	return 0;
}

#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/img_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The input is the start of an image that is somewhat longer. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	struct img_facts f;
	struct img_head h = { data, n, n + (1u << 20) };

	if (img_check(&h, IMG_QCOW2, IMG_BACKING_ALLOWED, &f, &e)) {
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	ASSERT(f.virtual_bytes > 0 && f.virtual_bytes <= 64ull << 40);
	ASSERT(strlen(f.backing) <= IMG_BACKING_MAX);
	/* Whoever has a backing file is refused where none may be. */
	ASSERT((img_check(&h, IMG_QCOW2, IMG_BACKING_REFUSED, &f, &e) != 0) ==
	       (f.backing[0] != '\0'));
	return 0;
}

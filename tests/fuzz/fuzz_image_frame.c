#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/copy/image_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Heads one after another, without what would follow them; the rest is a verdict. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct image_course c = { .has_begun = false };
	struct err e = ERR_INIT;

	for (; n >= IMAGE_HEAD_BYTES; data += IMAGE_HEAD_BYTES, n -= IMAGE_HEAD_BYTES) {
		const struct image_course was = c;
		uint8_t again[IMAGE_HEAD_BYTES];
		struct image_frame f;

		if (image_frame_unpack(data, &f, &e))
			break;
		image_frame_pack(&f, again);
		ASSERT(memcmp(again, data, IMAGE_HEAD_BYTES) == 0);
		ASSERT(f.n <= IMAGE_PIECE_MAX);
		if (image_course_take(&c, &f, &e))
			break;
		ASSERT(c.bytes <= IMAGE_BYTES_MAX && c.next <= c.bytes);
		ASSERT(c.next >= was.next);
		ASSERT(!was.has_begun || was.left - c.left == c.next - f.at ||
		       f.kind != IMAGE_PIECE);
	}
	err_clear(&e);
	if (image_verdict_unpack((const char *)data, n, &e))
		ASSERT(utf8_valid(e.msg, strlen(e.msg)));
	return 0;
}

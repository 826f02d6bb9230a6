#include "loop/frame.h"

void
frame_head(uint32_t len, uint8_t out[FRAME_HEAD])
{
	out[0] = (uint8_t)(len >> 24);
	out[1] = (uint8_t)(len >> 16);
	out[2] = (uint8_t)(len >> 8);
	out[3] = (uint8_t)len;
}

int
frame_peek(const uint8_t *p, size_t n, uint32_t max, uint32_t *ret_len, struct err *e)
{
	uint32_t len;

	if (n < FRAME_HEAD)
		return 0;
	len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (len == 0)
		return err_set(e, ERR_CORRUPT, "frame: length 0");
	if (len > max)
		return err_set(e, ERR_CORRUPT,
		    "frame: length %u is over the limit of %u", len, max);
	if (n - FRAME_HEAD < len)
		return 0;
	*ret_len = len;
	return 1;
}

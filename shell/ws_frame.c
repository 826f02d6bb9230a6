#include "shell/ws_frame.h"

#define LAST_BIT   0x80u
#define OP_BITS    0x0fu
#define RSV_BITS   0x70u
#define MASK_BIT   0x80u
#define LEN_BITS   0x7fu
#define LEN_16     126u
#define LEN_64     127u
#define CONTROL_OP 8u

static int
broken(struct err *e, const char *why)
{
	return err_set(e, ERR_CORRUPT, "the server's WebSocket frame %s", why);
}

static int
check_head(const uint8_t *p, uint64_t n, bool is_long, struct err *e)
{
	unsigned op = p[0] & OP_BITS;

	if (p[0] & RSV_BITS)
		return broken(e, "uses bits that nobody asked for");
	if (p[1] & MASK_BIT)
		return broken(e, "is masked");
	if (op > WS_BINARY && (op < WS_CLOSE || op > WS_PONG))
		return broken(e, "is of an unknown kind");
	if (op >= CONTROL_OP && (is_long || !(p[0] & LAST_BIT)))
		return broken(e, "of control is too long");
	if (n > MAX_WS_FRAME)
		return broken(e, "is too large");
	return 0;
}

int
ws_frame_parse(
    const uint8_t *p, size_t n, struct ws_frame *ret_f, size_t *ret_used, struct err *e)
{
	size_t extra, head;
	uint64_t len;
	int rc;

	*ret_used = 0;
	if (n < 2)
		return 0;
	len = p[1] & LEN_BITS;
	extra = len == LEN_16 ? 2 : len == LEN_64 ? 8 : 0;
	head = 2 + extra;
	if (n < head)
		return 0;
	if (extra)
		len = 0;
	for (size_t i = 0; i < extra; i++)
		len = len << 8 | p[2 + i];
	rc = check_head(p, len, extra > 0, e);
	if (rc)
		return rc;
	if (n - head < len)
		return 0;
	*ret_f = (struct ws_frame){
		.op = (enum ws_op)(p[0] & OP_BITS),
		.last = (p[0] & LAST_BIT) != 0,
		.p = p + head,
		.n = (size_t)len,
	};
	*ret_used = head + (size_t)len;
	return 0;
}

void
ws_frame_add(
    struct str *b, enum ws_op op, const void *p, size_t n, const uint8_t mask[4])
{
	const uint8_t *from = p;
	size_t digits = n < LEN_16 ? 0 : n <= UINT16_MAX ? 2 : 8;

	str_addc(b, (char)(LAST_BIT | (unsigned)op));
	str_addc(b, (char)(MASK_BIT | (digits == 0      ? (unsigned)n
					  : digits == 2 ? LEN_16
							: LEN_64)));
	for (size_t i = digits; i-- > 0;)
		str_addc(b, (char)((uint64_t)n >> 8 * i & 0xff));
	str_addn(b, mask, 4);
	for (size_t i = 0; i < n; i++)
		str_addc(b, (char)(from[i] ^ mask[i % 4]));
}

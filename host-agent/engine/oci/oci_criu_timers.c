#include "host-agent/engine/oci/oci_criu_timers.h"

#include <endian.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#define MAGIC_BYTES 8 /* of all images, and of this kind */
#define ENTRY_TIMER 12

/* Of an entry's timer. */
enum { TIMER_TICKS = 5, TIMER_SEC = 7, TIMER_NSEC, TIMER_EVERY_SEC, TIMER_EVERY_NSEC };

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct span {
	uint8_t *at;
	size_t n;
};

/* What a message has under a number: a value, and where it is. */
struct field {
	uint64_t number, value;
	struct span where;
};

static bool
take_varint(struct span *s, uint64_t *ret_v)
{
	uint64_t v = 0;

	for (unsigned shift = 0; s->n > 0 && shift < 64; shift += 7) {
		uint8_t byte = *s->at++;

		s->n--;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret_v = v;
			return true;
		}
	}
	return false;
}

static bool
take(struct span *s, uint64_t n, struct span *ret)
{
	if (n > s->n)
		return false;
	*ret = (struct span){ s->at, (size_t)n };
	s->at += n;
	s->n -= (size_t)n;
	return true;
}

static bool
take_field(struct span *s, struct field *ret)
{
	uint64_t key, n;

	if (!take_varint(s, &key))
		return false;
	*ret = (struct field){ .number = key >> 3, .where = { s->at, 0 } };
	switch (key & 7) {
	case WIRE_VARINT:
		if (!take_varint(s, &ret->value))
			return false;
		ret->where.n = (size_t)(s->at - ret->where.at);
		return true;
	case WIRE_64:
		return take(s, 8, &ret->where);
	case WIRE_32:
		return take(s, 4, &ret->where);
	case WIRE_BYTES:
		return take_varint(s, &n) && take(s, n, &ret->where);
	default:
		return false;
	}
}

static bool
mend_timer(struct span s, unsigned *mended)
{
	uint64_t v[TIMER_EVERY_NSEC + 1] = { 0 };
	struct span left = { NULL, 0 };
	struct field f;

	while (s.n > 0) {
		if (!take_field(&s, &f))
			return false;
		if (f.number <= TIMER_EVERY_NSEC)
			v[f.number] = f.value;
		if (f.number == TIMER_NSEC)
			left = f.where;
	}
	/* One that was unset has counted nothing. */
	if (!v[TIMER_TICKS] || v[TIMER_SEC] || v[TIMER_NSEC] || left.n != 1 ||
	    (!v[TIMER_EVERY_SEC] && !v[TIMER_EVERY_NSEC]))
		return true;
	*left.at = 1;
	++*mended;
	return true;
}

static bool
mend_entry(struct span s, unsigned *mended)
{
	struct field f;

	while (s.n > 0)
		if (!take_field(&s, &f) ||
		    (f.number == ENTRY_TIMER && !mend_timer(f.where, mended)))
			return false;
	return true;
}

int
oci_criu_timers_mend(uint8_t *image, size_t n, unsigned *ret_mended, struct err *e)
{
	struct span s, part;
	unsigned mended = 0;
	uint32_t size;

	s.at = image;
	s.n = n;
	if (!take(&s, MAGIC_BYTES, &part))
		return err_set(e, ERR_CORRUPT, "image files.img: it is cut short");
	while (s.n > 0) {
		if (!take(&s, sizeof(size), &part))
			return err_set(
			    e, ERR_CORRUPT, "image files.img: it is cut short");
		memcpy(&size, part.at, sizeof(size));
		if (!take(&s, le32toh(size), &part) || !mend_entry(part, &mended))
			return err_set(e, ERR_CORRUPT,
			    "image files.img: an entry of %" PRIu32 " bytes is none",
			    le32toh(size));
	}
	*ret_mended = mended;
	return 0;
}

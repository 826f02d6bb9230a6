#include "host-agent/copy/image_frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define VERSION 1u

static void
put(uint8_t *to, uint64_t v, size_t n)
{
	for (size_t i = n; i-- > 0; v >>= 8)
		to[i] = (uint8_t)v;
}

static uint64_t
get(const uint8_t *from, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | from[i];
	return v;
}

void
image_frame_pack(const struct image_frame *f, uint8_t to[IMAGE_HEAD_BYTES])
{
	memset(to, 0, IMAGE_HEAD_BYTES);
	to[0] = (uint8_t)f->kind;
	to[1] = VERSION;
	put(to + 4, f->n, 4);
	put(to + 8, f->kind == IMAGE_BEGIN ? f->bytes : f->at, 8);
	put(to + 16, f->data, 8);
}

static int
check_begin(const struct image_frame *f, struct err *e)
{
	if (f->n || !f->bytes || f->bytes > IMAGE_BYTES_MAX || f->data > f->bytes) {
		return err_set(e, ERR_CORRUPT,
		    "the other host speaks of an image of %" PRIu64
		    " bytes with %" PRIu64 " of data",
		    f->bytes, f->data);
	}
	return 0;
}

static int
check_head(const struct image_frame *f, struct err *e)
{
	bool fits = false;

	switch (f->kind) {
	case IMAGE_BEGIN:
		return check_begin(f, e);
	case IMAGE_PIECE:
		fits = f->n && f->n <= IMAGE_PIECE_MAX && !f->data;
		break;
	case IMAGE_END:
		fits = f->n == IMAGE_SUM_BYTES && !f->at && !f->data;
		break;
	case IMAGE_VERDICT:
		fits = f->n <= IMAGE_WORD_MAX && !f->at && !f->data;
		break;
	}
	if (fits)
		return 0;
	return err_set(e, ERR_CORRUPT, "the other host sent what is no frame");
}

int
image_frame_unpack(
    const uint8_t from[IMAGE_HEAD_BYTES], struct image_frame *ret_f, struct err *e)
{
	uint64_t place = get(from + 8, 8);
	struct image_frame f = { .n = (uint32_t)get(from + 4, 4) };
	int rc;

	if (from[0] < IMAGE_BEGIN || from[0] > IMAGE_VERDICT || from[2] || from[3])
		return err_set(e, ERR_CORRUPT, "the other host sent what is no frame");
	if (from[1] != VERSION) {
		return err_set(e, ERR_UNSUPPORTED,
		    "the other host speaks version %u of copying images, and this one "
		    "%u",
		    from[1], VERSION);
	}
	f.kind = (enum image_frame_kind)from[0];
	f.data = get(from + 16, 8);
	if (f.kind == IMAGE_BEGIN)
		f.bytes = place;
	else
		f.at = place;
	rc = check_head(&f, e);
	if (!rc)
		*ret_f = f;
	return rc;
}

static int
take_piece(struct image_course *c, const struct image_frame *f, struct err *e)
{
	uint64_t end = f->at + f->n;
	bool fits = f->at <= c->bytes && f->n <= c->bytes - f->at;

	if (!fits || f->at % IMAGE_BLOCK_BYTES ||
	    (end % IMAGE_BLOCK_BYTES && end != c->bytes)) {
		return err_set(e, ERR_CORRUPT,
		    "the other host sent %u bytes at %" PRIu64
		    " of an image of %" PRIu64,
		    f->n, f->at, c->bytes);
	}
	if (f->at < c->next) {
		return err_set(e, ERR_CORRUPT,
		    "the other host sent what is at %" PRIu64
		    " after what is before %" PRIu64,
		    f->at, c->next);
	}
	if (f->n > c->left)
		return err_set(
		    e, ERR_CORRUPT, "the other host sent more than it announced");
	c->next = end;
	c->left -= f->n;
	return 0;
}

int
image_course_take(struct image_course *c, const struct image_frame *f, struct err *e)
{
	bool is_first = f->kind == IMAGE_BEGIN;

	if (f->kind == IMAGE_VERDICT || c->has_ended || is_first == c->has_begun)
		return err_set(
		    e, ERR_CORRUPT, "the other host sent a frame out of its turn");
	if (f->kind == IMAGE_PIECE)
		return take_piece(c, f, e);
	if (is_first) {
		c->bytes = f->bytes;
		c->left = f->data;
	}
	c->has_begun = true;
	c->has_ended = f->kind == IMAGE_END;
	return 0;
}

size_t
image_verdict_pack(const struct err *why, char buf[IMAGE_WORD_MAX])
{
	int n;

	if (!why->code)
		return 0;
	n = snprintf(buf, IMAGE_WORD_MAX, "%s %s", err_name(why->code), why->msg);
	return n < (int)IMAGE_WORD_MAX ? (size_t)n : IMAGE_WORD_MAX - 1;
}

int
image_verdict_unpack(const char *text, size_t n, struct err *e)
{
	const char *space = n ? memchr(text, ' ', n) : NULL;
	char name[32];

	if (!n)
		return 0;
	if (n > IMAGE_WORD_MAX || !space || (size_t)(space - text) >= sizeof(name) ||
	    memchr(text, '\0', n) || memchr(text, '\n', n) || !utf8_valid(text, n))
		return err_set(e, ERR_CORRUPT, "the other host's verdict is no text");
	snprintf(name, sizeof(name), "%.*s", (int)(space - text), text);
	return err_set(e, err_from_name(name), "%.*s",
	    (int)(n - (size_t)(space - text) - 1), space + 1);
}

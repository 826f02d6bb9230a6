/*
 * image_frame: what two agents say to each other about an image under way.
 *
 *   giver   BEGIN, PIECE …, END with the sum of it all (image_sum.h)
 *   taker   VERDICT, once and at any time: it is kept, or why not
 *
 * A frame is a head of IMAGE_HEAD_BYTES and what its n says.  Pieces go up; what none
 * of them covers is zeros and stays a hole.  They begin at whole blocks and end at one
 * or at the image's end.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define IMAGE_HEAD_BYTES  24u
#define IMAGE_BLOCK_BYTES 65536u
#define IMAGE_PIECE_MAX   1048576u
#define IMAGE_SUM_BYTES   32u
#define IMAGE_WORD_MAX    300u           /* of a verdict */
#define IMAGE_BYTES_MAX   (128ull << 40) /* the largest disk, and its tables */

enum image_frame_kind { IMAGE_BEGIN = 1, IMAGE_PIECE, IMAGE_END, IMAGE_VERDICT };

struct image_frame {
	enum image_frame_kind kind;
	uint32_t n;     /* bytes that follow */
	uint64_t at;    /* PIECE: where in the image */
	uint64_t bytes; /* BEGIN: of the image */
	uint64_t data;  /* BEGIN: how many of them may come, at most */
};

void image_frame_pack(const struct image_frame *f, uint8_t to[IMAGE_HEAD_BYTES]);
/* ERR_CORRUPT: it is none.  n is within what its kind allows. */
int image_frame_unpack(const uint8_t from[IMAGE_HEAD_BYTES], struct image_frame *ret_f,
    struct err *e) WARN_UNUSED;

/* How far the giver is; zeroed at first. */
struct image_course {
	bool has_begun, has_ended;
	uint64_t bytes; /* of the image */
	uint64_t left;  /* that may still come */
	uint64_t next;  /* where the next piece may begin */
};

/* May the giver say this now?  ERR_CORRUPT if not: a piece beyond the image's end, one
 * over another, more than was announced, anything out of turn. */
int image_course_take(
    struct image_course *c, const struct image_frame *f, struct err *e) WARN_UNUSED;

/* A verdict's text of rc and its reason into buf, how long it is; 0 for well. */
size_t image_verdict_pack(const struct err *why, char buf[IMAGE_WORD_MAX]);
/* What a verdict of n bytes says: 0, or e is filled with the taker's code and reason.
 */
int image_verdict_unpack(const char *text, size_t n, struct err *e) WARN_UNUSED;

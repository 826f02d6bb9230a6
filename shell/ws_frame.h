/*
 * ws_frame: frames of RFC 6455 as a client reads and writes them.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MAX_WS_FRAME (1u << 20)

enum ws_op {
	WS_MORE = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10
};

struct ws_frame {
	enum ws_op op;
	bool last;        /* of its message */
	const uint8_t *p; /* in what was parsed */
	size_t n;
};

/* The frame that the n bytes begin with; *ret_used 0: it is not whole yet. */
int ws_frame_parse(const uint8_t *p, size_t n, struct ws_frame *ret_f, size_t *ret_used,
    struct err *e) WARN_UNUSED;
/* A whole message in one frame, masked as a client's must be. */
void ws_frame_add(
    struct str *b, enum ws_op op, const void *p, size_t n, const uint8_t mask[4]);

/*
 * image_wire: frames over a copier's end of a stream's local socket.
 *
 * Calls block, on the copier's own thread, for IMAGE_STALL_MS at most while nothing
 * moves.  When the stream ends, its other end is closed: that ends every call.
 */
#pragma once
#include "host-agent/copy/image_frame.h"

/* A target may be as slow as its file system: the channel itself sees silent hosts. */
#define IMAGE_STALL_MS 600000u

/* 0 when all of it is sent; ERR_BUSY when the other host has spoken before that: read
 * its verdict.  ERR_LOST, ERR_TIMEOUT. */
int image_wire_put(
    int fd, const struct image_frame *f, const void *p, struct err *e) WARN_UNUSED;
/* Has the other host spoken already? */
bool image_wire_has_word(int fd);
/* The head of the next frame. */
int image_wire_next(int fd, struct image_frame *ret_f, struct err *e) WARN_UNUSED;
/* The n bytes that follow it. */
int image_wire_get(int fd, void *p, size_t n, struct err *e) WARN_UNUSED;

/* The taker's last word; waits until the giver has heard it, or for a while. */
void image_wire_judge(int fd, const struct err *verdict);
/* Wait for it: 0, or the taker's reason. */
int image_wire_verdict(int fd, struct err *e) WARN_UNUSED;

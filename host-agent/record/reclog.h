/*
 * reclog: an append-only file of records, made durable by a worker, many appends at a
 * time.
 *
 * Opening replays it; a torn or damaged end is cut off, after a copy of what is cut
 * went to PATH.damaged.  Appends keep their order.  A record's offset names it until
 * the next compaction, which the owner asks for with the offsets that it wants to keep.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct reclog;
struct str;
struct workers;

typedef void (*reclog_replay_fn)(
    void *arg, uint64_t offset, const uint8_t *p, size_t n);
typedef void (*reclog_fn)(void *arg, int rc, const struct err *e);

struct reclog_conf {
	struct loop *loop;
	struct workers *workers;
	const char *path;
	reclog_replay_fn replay;
	void *arg; /* of replay */
};

/* Blocks (start-up). *ret_cut: bytes of the damaged end that were cut off. */
int reclog_open(const struct reclog_conf *c, struct reclog **ret, uint64_t *ret_cut,
    struct err *e) WARN_UNUSED;
/* Drops what is not durable yet, as a crash would; no callback any more. */
void reclog_free(struct reclog *g);
/*
 * Append a copy; returns its offset, good for reclog_read at once.  done (may be NULL)
 * runs in a posts phase when it is durable, or could not be made so.
 */
uint64_t reclog_append(
    struct reclog *g, const void *p, size_t n, reclog_fn done, void *arg);
/* A record's body. ERR_CORRUPT if it is not what was written. */
int reclog_read(
    struct reclog *g, uint64_t offset, struct str *out, struct err *e) WARN_UNUSED;

/* Where records went in a compaction; borrowed during the callback. */
struct reclog_moves;
uint64_t reclog_moved(const struct reclog_moves *m, uint64_t old_offset);
typedef void (*reclog_compacted_fn)(
    void *arg, int rc, const struct reclog_moves *m, const struct err *e);
/*
 * Rewrite the file with only the n durable records at the offsets given (ascending) and
 * what was appended since.  done comes in a posts phase; on failure (m NULL) all stays
 * as it was. ERR_BUSY while a compaction runs already.
 */
int reclog_compact(struct reclog *g, const uint64_t *offsets, size_t n,
    reclog_compacted_fn done, void *arg, struct err *e) WARN_UNUSED;
uint64_t reclog_durable(const struct reclog *g); /* bytes */

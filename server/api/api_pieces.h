/*
 * api_pieces: answers that are too long to stand in memory as a whole.
 *
 * The front asks for the next piece when the one before has gone to the socket: who
 * reads slowly keeps no more than that waiting.  Where the client takes gzip a worker
 * compresses.  Core thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct api;
struct api_call;

/* Where the text comes from. */
struct piece_source {
	/* Add what comes next, if anything; some 64 KB.  False: that was all. */
	bool (*more)(void *arg, struct str *out);
	/* No more is wanted: it was all, or whoever asked has gone.  Comes once. */
	void (*end)(void *arg);
};

/* Ends the call with 200; src outlives the answer, arg is its end's to free. */
void api_reply_pieces(struct api_call *c, const char *type,
    const struct piece_source *src, void *arg_take);

/* ---- from the front ---- */

void api_piece_wanted(struct api *a, uint64_t conn);
void api_pieces_closed(struct api *a, uint64_t conn);
/* The API ends. */
void api_pieces_free(struct api *a);

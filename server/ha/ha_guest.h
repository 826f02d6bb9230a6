/*
 * ha_guest: resets guests that have stopped working.
 *
 * It follows what their hosts tell of the agents inside them, asks the statistics what
 * they do besides, decides (ha_guest_decide.h), keeps what the guest shows (ha_guest_sight.h)
 * and resets by vm.restart as anybody else would.  Resets are counted from when this server
 * began to lead; a move or a start anew begins again.  Core thread only.
 */
#pragma once

#include "base/id.h"
#include "server/ha/ha_guest_decide.h"

struct ha_guests;
struct hosts;
struct inv;
struct ops;
struct stats;
struct visits;

/* What it did in the last so many milliseconds; done comes once, not before ask has
 * returned. */
typedef void (*ha_io_fn)(void *arg, enum ha_guest_io io);
typedef void (*ha_ask_io_fn)(void *from, const struct inv *inv, obj_id vm, uint32_t ms,
    ha_io_fn done, void *arg);

struct ha_guests_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct ops *ops;
	struct visits *visits; /* NULL: nobody looks at consoles */
	ha_ask_io_fn ask_io;
	void *ask_from;
	struct ha_guest_times times;
};

struct ha_guests *ha_guests_new(const struct ha_guests_opts *o); /* all borrowed */
void ha_guests_free(struct ha_guests *g);

/* ask_io of the statistics: from is a struct stats. */
void ha_guest_ask_stats(void *stats, const struct inv *inv, obj_id vm, uint32_t ms,
    ha_io_fn done, void *arg);

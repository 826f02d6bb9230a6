/*
 * ha_guest_sight: what a guest shows before it is reset: the last line of its console,
 * and a machine's screen, kept as a file on the datastore of its first disk.
 *
 * All of that is for people who look afterwards, so none of it holds up the reset for
 * more than HA_SIGHT_MS.  Core thread only.
 */
#pragma once
#include "base/id.h"

struct hosts;
struct inv;
struct visits;

#define HA_SIGHT_MS     10000u
#define HA_SIGHT_FOLDER "console-pictures"

struct ha_sight;

struct ha_sight_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct visits *visits;
	obj_id vm;
	unsigned number; /* of its picture, from 1; an older one of that number goes */
};

struct ha_seen {
	const char *line; /* for people; "": it has said nothing */
	const char
	    *picture; /* "[ds1] console-pictures/vm-42.1.png"; "": there is none */
};

/* Once, after ha_sight_new has returned; it is freed then.  s is borrowed. */
typedef void (*ha_sight_fn)(void *arg, const struct ha_seen *s);

struct ha_sight *ha_sight_new(
    const struct ha_sight_opts *o, ha_sight_fn done, void *arg);
/* Nobody waits any more.  NULL is fine. */
void ha_sight_free(struct ha_sight *s);

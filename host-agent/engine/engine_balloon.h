/*
 * engine_balloon: memory that a running guest is asked to give back, and what it tells
 * of its own memory.
 *
 * Not verbs: beside whatever verb is under way.  What a guest tells may be wrong.
 */
#pragma once
#include "host-agent/engine/engine.h"

struct engine_balloon {
	uint64_t actual_mb; /* that the guest has left; 0: not known yet */
	/* As its driver told last. */
	bool tells;
	uint64_t total_bytes, free_bytes, available_bytes;
	uint64_t swapped_in_bytes, swapped_out_bytes; /* since it runs */
};

/*
 * As it was when it was looked at before; this asks for news.  NULL: it does not run,
 * or its engine has no balloons.  Borrowed until the next loop turn.
 */
const struct engine_balloon *engine_balloon(struct engine_guest *g);
/* Leave it so much; that it has reached it only actual_mb tells. */
void engine_balloon_set(struct engine_guest *g, uint64_t target_mb);

/*
 * host_decide: what state a host is in, and who of two may speak for it.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "server/inventory/inv.h"

#define HOST_BEATS_MISSED 3u /* so many without a word: not responding */

struct host_view {
	enum conn_state state; /* as the inventory has it */
	bool heard;            /* it has spoken to this server since that started */
	bool linked;           /* its link stands */
	uint64_t
	    silent_ms; /* since its last word; since our start if it has not spoken */
	uint32_t beat_ms;
	const char *why_down; /* how its last link ended, or "" */
};

struct host_verdict {
	enum conn_state state;
	char reason[200]; /* of a state that is not connected */
	bool close_link;  /* it stands, but nobody is behind it */
};

void host_decide(const struct host_view *v, struct host_verdict *ret);

/* A second link of one host: does the newer take over? */
bool host_newer_wins(uint64_t older_silent_ms, uint32_t beat_ms, bool same_boot_id);

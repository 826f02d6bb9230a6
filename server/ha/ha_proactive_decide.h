/*
 * ha_proactive_decide: what becomes of hosts that report failing hardware, before they
 * fail.  Pure.
 *
 * A host that is to be emptied and cannot be yet is put into quarantine meanwhile. What
 * was done once about a host's health is not done again: who ends its maintenance
 * knows.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "server/inventory/inv.h"

struct arena;

struct proactive_host {
	obj_id id;
	const char *name;
	enum host_health health;
	enum ha_remedy remedy; /* what was done about it */
	const char *what;      /* is wrong: "memory: DIMM 3 fails" */
	bool is_up;
	bool is_asleep; /* by itself, or on its way */
	enum maintenance_state maintenance;
	const char
	    *refused; /* why it could not be emptied a short while ago, or NULL */
};

struct proactive_view {
	const struct proactive_host *hosts; /* of one cluster, in order of their ids */
	size_t n;
	enum proactive_mode mode;
	enum ha_remedy moderate, severe;
	uint32_t level; /* so many hosts may be out of use at once; 0: as 1 */
	bool is_braked; /* so many hosts are lost that we suspect ourselves */
};

enum proactive_do {
	PROACTIVE_NOTHING,
	PROACTIVE_QUARANTINE,
	PROACTIVE_EMPTY,   /* and keep it in maintenance */
	PROACTIVE_NOTE,    /* it is in maintenance: that is what was done */
	PROACTIVE_RELEASE, /* it is well again, or nobody wants any of this */
};

struct proactive_act {
	enum proactive_do what;
	const char *why; /* of a quarantine, an emptying and a release; or NULL */
};

/* One for each host; texts are from mem. */
void proactive_decide(
    const struct proactive_view *v, struct arena *mem, struct proactive_act *out);

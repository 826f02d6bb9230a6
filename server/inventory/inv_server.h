/*
 * inv_server: servers that have led, as the inventory has them (inv.h).
 */
#pragma once
#include "server/inventory/inv.h"

struct droverd { /* parent: none; the name is its host's and port */
	struct obj o;
	char *version;
	uint64_t started_at; /* when it began to lead, the last time */
};

const struct droverd *inv_droverd(const struct inv *inv, obj_id id);

/*
 * orphan: what lies on a datastore and belongs to nothing that is known.  Pure.
 *
 * Images of machines and of their snapshots, with all that they stand on, memory of
 * suspended machines and of snapshots, templates and their copies are known.  What was
 * written lately, or lies in the folder of something that a task works on, may be just
 * being made and is passed over.
 */
#pragma once
#include "base/json.h"
#include "proto/msg.h"
#include "server/inventory/inv.h"

#define ORPHAN_GRACE_MS 600000u

struct orphan_view {
	const struct inv *inv;
	obj_id datastore;
	const Drover__ScanFacts *scan;
	uint64_t now_ms; /* wall clock */
	/* Is a task at work on it? */
	bool (*is_busy)(const void *arg, obj_id id);
	const void *arg;
};

/* {"orphans":[{path,size_bytes,modified_ms,why}],"count":n,"cut":bool}; owned. */
json *orphan_find(const struct orphan_view *v);

#include "host-agent/engine/engine_snapshot.h"

#include <inttypes.h>

#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/engine_int.h"

void
engine_freeze(struct engine_guest *g, const struct engine_freeze *fr, struct wake w)
{
	struct err e = ERR_INIT;
	int rc = 0;

	if (!engine_begin(g, ENGINE_FREEZE, w))
		return;
	g->frozen = (struct engine_frozen){ .disks = false };
	if (fr->memory_fd >= 0 && g->state != ENGINE_RUNNING)
		rc = err_set(&e, ERR_UNSUPPORTED,
		    "only the memory of a guest that runs can be kept: it is %s",
		    engine_state_name(g->state));
	if (!rc)
		rc = g->engine->ops->freeze(g, fr, &e);
	if (rc)
		err_wrap(&e, "vm-%" PRIu64 ": cannot take a snapshot", g->number);
	engine_begun(g, rc, &e);
}

const struct engine_frozen *
engine_frozen(const struct engine_guest *g)
{
	return &g->frozen;
}

void
engine_merge(struct engine_guest *g, const struct engine_merge *m, struct wake w)
{
	struct err e = ERR_INIT;
	int rc;

	if (!engine_begin(g, ENGINE_MERGE, w))
		return;
	rc = g->engine->ops->merge(g, m, &e);
	if (rc)
		err_wrap(&e, "vm-%" PRIu64 ": cannot merge images", g->number);
	engine_begun(g, rc, &e);
}

void
engine_merge_end(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_MERGE_END, w))
		engine_begun(g, g->engine->ops->merge_end(g, &e), &e);
}

size_t
engine_chain_length(struct engine_guest *g, const Drover__GuestSpec *spec, size_t i)
{
	if (!g->engine->ops->chain_length)
		return 0;
	return g->engine->ops->chain_length(g, engine_disk_slot(spec, i));
}

bool
engine_layer_is_own(const Drover__DiskLayer *l)
{
	return str_starts(l->path, "vms/");
}

const struct engine_inside *
engine_inside(struct engine_guest *g)
{
	if (!g->engine->ops->inside || g->state == ENGINE_DOWN)
		return NULL;
	return g->engine->ops->inside(g);
}

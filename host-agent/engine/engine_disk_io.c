#include "host-agent/engine/engine_disk_io.h"

#include "host-agent/engine/engine_int.h"

const struct engine_disk_io *
engine_disk_io(struct engine_guest *g)
{
	if (!g->engine->ops->disk_io || g->state != ENGINE_RUNNING)
		return NULL;
	return g->engine->ops->disk_io(g);
}

#include "host-agent/engine/engine_balloon.h"

#include "host-agent/engine/engine_int.h"

const struct engine_balloon *
engine_balloon(struct engine_guest *g)
{
	if (!g->engine->ops->balloon || g->state != ENGINE_RUNNING)
		return NULL;
	return g->engine->ops->balloon(g);
}

void
engine_balloon_set(struct engine_guest *g, uint64_t target_mb)
{
	if (g->engine->ops->balloon_set && g->state == ENGINE_RUNNING)
		g->engine->ops->balloon_set(g, target_mb);
}

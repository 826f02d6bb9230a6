#include "host-agent/engine/engine_picture.h"

#include <inttypes.h>

#include "host-agent/engine/engine_int.h"

int
engine_picture(struct engine_guest *g, engine_picture_fn fn, void *arg, struct err *e)
{
	int rc;

	if (!g->engine->ops->picture)
		return err_set(
		    e, ERR_UNSUPPORTED, "vm-%" PRIu64 " has no screen", g->number);
	if (g->state == ENGINE_DOWN)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 " is down: its screen shows nothing", g->number);
	if (g->picture.fn)
		return err_set(e, ERR_BUSY,
		    "vm-%" PRIu64 ": somebody else looks at its screen", g->number);
	g->picture = (struct engine_picture){ fn, arg };
	rc = g->engine->ops->picture(g, e);
	if (rc)
		g->picture = (struct engine_picture){ NULL, NULL };
	return rc;
}

void
engine_picture_forget(struct engine_guest *g, const void *arg)
{
	if (g->picture.arg == arg)
		g->picture = (struct engine_picture){ NULL, NULL };
}

void
engine_picture_end(
    struct engine_guest *g, int rc, const struct err *e, const void *png, size_t n)
{
	const struct engine_picture to = g->picture;

	g->picture = (struct engine_picture){ NULL, NULL };
	if (to.fn)
		to.fn(to.arg, rc, e, png, n);
}

#include "host-agent/engine/engine_console.h"

#include <inttypes.h>

#include "host-agent/engine/engine_int.h"

size_t
engine_console_tail(struct engine_guest *g, char *buf, size_t cap)
{
	return g->engine->ops->console_tail(g, buf, cap);
}

int
engine_console_write(struct engine_guest *g, const void *p, size_t n, struct err *e)
{
	if (g->state == ENGINE_DOWN)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 ": cannot type on its console: it is down",
		    g->number);
	return g->engine->ops->console_write(g, p, n, e);
}

void
engine_console_listen(struct engine_guest *g, struct engine_ear *r)
{
	list_add_tail(&g->ears, &r->node);
}

void
engine_console_leave(struct engine_ear *r)
{
	if (list_linked(&r->node))
		list_remove(&r->node);
}

void
engine_console_heard(struct engine_guest *g, const void *p, size_t n)
{
	LIST_EACH_SAFE(struct engine_ear, r, &g->ears, node) {
		r->heard(r->arg, p, n);
	}
}

int
engine_screen_open(struct engine_guest *g, int *ret_fd, struct err *e)
{
	if (!g->engine->ops->screen_open)
		return err_set(
		    e, ERR_UNSUPPORTED, "vm-%" PRIu64 " has no screen", g->number);
	if (g->state == ENGINE_DOWN)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 ": its screen is dark: it is down", g->number);
	return g->engine->ops->screen_open(g, ret_fd, e);
}

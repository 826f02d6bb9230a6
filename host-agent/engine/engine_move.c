#include "host-agent/engine/engine_move.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/engine_int.h"

void
engine_offer_clear(struct engine_guest *g)
{
	struct engine_offer *o = &g->offer;

	free(o->shape);
	for (size_t i = 0; i < o->n_obstacles; i++)
		free(o->obstacles[i]);
	free(o->obstacles);
	*o = (struct engine_offer){ .shape = NULL };
}

void
engine_offer_obstacle(struct engine_guest *g, const char *why)
{
	struct engine_offer *o = &g->offer;

	o->obstacles =
	    xreallocarray(o->obstacles, o->n_obstacles + 1, sizeof(*o->obstacles));
	o->obstacles[o->n_obstacles++] = xstrdup(why);
}

void
engine_move_offer(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (!engine_begin(g, ENGINE_MOVE_OFFER, w))
		return;
	engine_offer_clear(g);
	engine_begun(g, g->engine->ops->move_offer(g, &e), &e);
}

const struct engine_offer *
engine_move_offered(const struct engine_guest *g)
{
	return &g->offer;
}

static void
close_all(int memory_fd, const struct engine_disk_stream *disks, size_t n_disks)
{
	if (memory_fd >= 0)
		close(memory_fd);
	for (size_t i = 0; i < n_disks; i++)
		if (disks[i].fd >= 0)
			close(disks[i].fd);
}

void
engine_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct wake w)
{
	struct err e = ERR_INIT;
	int rc = 0;

	if (engine_begin(g, ENGINE_MOVE_IN, w)) {
		g->progress = (struct engine_progress){ .phase = "" };
		rc = engine_spec_check(g->engine, b->spec, &e);
		if (!rc)
			rc = engine_guard_check(g->engine, b, &e);
		if (!rc)
			rc = g->engine->ops->move_in(g, b, a, &e);
		if (rc)
			err_wrap(&e, "vm-%" PRIu64 ": cannot move in", g->number);
		engine_begun(g, rc, &e);
	}
	close_all(a->memory_fd, a->disks, a->n_disks);
}

void
engine_move_wait(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_MOVE_WAIT, w))
		engine_begun(g, g->engine->ops->move_wait(g, &e), &e);
}

void
engine_move_out(struct engine_guest *g, const struct engine_departure *d, struct wake w)
{
	struct err e = ERR_INIT;
	int rc;

	if (engine_begin(g, ENGINE_MOVE_OUT, w)) {
		g->progress = (struct engine_progress){ .phase = "" };
		rc = g->engine->ops->move_out(g, d, &e);
		if (rc)
			err_wrap(&e, "vm-%" PRIu64 ": cannot move out", g->number);
		engine_begun(g, rc, &e);
	}
	close_all(d->memory_fd, d->disks, d->n_disks);
}

void
engine_move_cancel(struct engine_guest *g)
{
	if (g->busy && (g->verb == ENGINE_MOVE_OUT || g->verb == ENGINE_DISK_MOVE))
		g->engine->ops->move_cancel(g);
}

void
engine_move_take_back(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_TAKE_BACK, w))
		engine_begun(g, g->engine->ops->take_back(g, &e), &e);
}

const struct engine_progress *
engine_progress(const struct engine_guest *g)
{
	return &g->progress;
}

void
engine_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_ADOPT_MOVING, w))
		engine_begun(
		    g, g->engine->ops->adopt_moving(g, spec, how, run, &e), &e);
}

void
engine_disk_move(
    struct engine_guest *g, const struct engine_disk_move *m, struct wake w)
{
	struct err e = ERR_INIT;

	if (!engine_begin(g, ENGINE_DISK_MOVE, w))
		return;
	g->progress = (struct engine_progress){ .phase = "" };
	engine_begun(g, g->engine->ops->disk_move(g, m, &e), &e);
}

void
engine_disk_move_end(struct engine_guest *g, enum engine_disk_end how, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_DISK_MOVE_END, w))
		engine_begun(g, g->engine->ops->disk_move_end(g, how, &e), &e);
}

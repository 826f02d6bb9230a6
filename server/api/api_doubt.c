#include "base/clock.h"
#include "base/list.h"
#include "loop/timer.h"
#include "server/api/api_int.h"
#include "server/db/db.h"

/*
 * A change that was on its way when the connection to the database broke has an outcome
 * that nobody knows until the database is back.  Its transaction waits for that; the
 * client is told after the usual deadline, and can learn the outcome with the same
 * operation id.
 */
struct doubt {
	struct api *api;
	struct timer *timer;
	uint64_t since_us; /* when the database went away */
};

static void
on_deadline(void *arg)
{
	struct doubt *d = arg;
	struct err e = ERR_INIT;

	err_set(&e, ERR_UNAVAILABLE,
	    "the database went away meanwhile, and whether this was done shows only when it "
	    "is back; ask again with the same X-Drover-Op");
	LIST_EACH(struct api_call, c, &d->api->calls, node) {
		if (c->req->method != HTTP_GET && c->req->received_us <= d->since_us)
			api_answer_early(c, &e);
	}
}

static void
on_turn(void *arg)
{
	struct doubt *d = arg;

	if (db_is_up(d->api->d.db)) {
		timer_stop(d->timer);
		return;
	}
	d->since_us = clock_mono_us(clock_system());
	timer_after(d->timer, db_deadline_ms(d->api->d.db));
}

struct doubt *
doubt_new(struct api *a)
{
	struct doubt *d = xcalloc(1, sizeof(*d));

	d->api = a;
	d->timer = timer_new(a->d.loop, on_deadline, d);
	db_watch(a->d.db, on_turn, d);
	return d;
}

void
doubt_free(struct doubt *d)
{
	if (!d)
		return;
	db_unwatch(d->api->d.db, on_turn, d);
	timer_free(d->timer);
	free(d);
}

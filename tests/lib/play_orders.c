#include "tests/lib/play_orders.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"

#define STOP_MS 20000

void
play_give_up(struct play *p, Drover__Order *o)
{
	static uint32_t step;

	play_order(p, ++step, o);
}

void
play_give(struct play *p, Drover__Order *o)
{
	unsigned replies = p->replies;

	play_give_up(p, o);
	play_until(p, &p->replies, replies + 1);
	play_assert_done(p);
}

void
play_attach(struct play *p)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__DatastoreAttach a = DROVER__DATASTORE_ATTACH__INIT;
	Drover__DatastoreSpec s = DROVER__DATASTORE_SPEC__INIT;
	char name[] = "shared", type[] = "dir";
	char uuid[] = "3f2504e0-4f89-41d3-9a0c-0305e82c3302";
	AUTO_FREE char *path = xstrdup(bed_path(p->bed, PLAY_STORE));

	s.datastore = 1;
	s.name = name;
	s.type = type;
	s.uuid = uuid;
	s.path = path;
	s.create = true;
	a.spec = &s;
	o.verb_case = DROVER__ORDER__VERB_DATASTORE_ATTACH;
	o.datastore_attach = &a;
	play_give(p, &o);
	assert_true(p->reply->reply->datastore->reachable);
}

void
play_create(struct play *p, Drover__GuestSpec *spec)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestCreate c = DROVER__GUEST_CREATE__INIT;

	c.spec = spec;
	o.verb_case = DROVER__ORDER__VERB_GUEST_CREATE;
	o.guest_create = &c;
	play_give(p, &o);
}

pid_t
play_start(struct play *p, Drover__GuestSpec *spec, uint64_t generation)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStart s = DROVER__GUEST_START__INIT;

	s.guest = spec->guest;
	s.generation = generation;
	s.spec = spec;
	o.verb_case = DROVER__ORDER__VERB_GUEST_START;
	o.guest_start = &s;
	play_give(p, &o);
	play_assert_running(p);
	assert_true(p->reply->reply->guest->pid > 0);
	return p->reply->reply->guest->pid;
}

void
play_stop(struct play *p, uint64_t guest, Drover__StopMode mode)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestStop s = DROVER__GUEST_STOP__INIT;

	s.guest = guest;
	s.mode = mode;
	s.timeout_ms = STOP_MS;
	o.verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o.guest_stop = &s;
	play_give(p, &o);
	play_assert_state(p, DROVER__GUEST_STATE__GUEST_STOPPED);
}

void
play_reset(struct play *p, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestReset r = DROVER__GUEST_RESET__INIT;

	r.guest = guest;
	o.verb_case = DROVER__ORDER__VERB_GUEST_RESET;
	o.guest_reset = &r;
	play_give(p, &o);
	play_assert_running(p);
}

void
play_pause(struct play *p, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestPause g = DROVER__GUEST_PAUSE__INIT;

	g.guest = guest;
	o.verb_case = DROVER__ORDER__VERB_GUEST_PAUSE;
	o.guest_pause = &g;
	play_give(p, &o);
	play_assert_state(p, DROVER__GUEST_STATE__GUEST_PAUSED);
}

void
play_resume(struct play *p, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestResume g = DROVER__GUEST_RESUME__INIT;

	g.guest = guest;
	o.verb_case = DROVER__ORDER__VERB_GUEST_RESUME;
	o.guest_resume = &g;
	play_give(p, &o);
	play_assert_running(p);
}

void
play_suspend(struct play *p, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestSuspend s = DROVER__GUEST_SUSPEND__INIT;

	s.guest = guest;
	o.verb_case = DROVER__ORDER__VERB_GUEST_SUSPEND;
	o.guest_suspend = &s;
	play_give(p, &o);
	play_assert_state(p, DROVER__GUEST_STATE__GUEST_SUSPENDED);
}

void
play_delete(struct play *p, uint64_t guest)
{
	Drover__Order o = DROVER__ORDER__INIT;
	Drover__GuestDelete d = DROVER__GUEST_DELETE__INIT;

	d.guest = guest;
	o.verb_case = DROVER__ORDER__VERB_GUEST_DELETE;
	o.guest_delete = &d;
	play_give(p, &o);
}

void
play_assert_state(const struct play *p, Drover__GuestState state)
{
	assert_int_equal(p->reply->reply->guest->state, state);
}

#include "server/event/event.h"

#include "base/assert.h"
#include "base/mem.h"
#include "server/event/event_int.h"

enum severity { INFO, WARNING, ERROR };

static const char *const severity_texts[] = {
	[INFO] = "info",
	[WARNING] = "warning",
	[ERROR] = "error",
};

static const struct {
	const char *type;
	enum severity severity;
} codes[] = {

#define EVENT(code, type, severity) [EV_##code] = { type, severity },
#include "server/event/event.def"
#undef EVENT
};

const char *
event_type(enum event_code code)
{
	ASSERT(code < EV_COUNT_);
	return codes[code].type;
}

const char *
event_severity(enum event_code code)
{
	ASSERT(code < EV_COUNT_);
	return severity_texts[codes[code].severity];
}

const json *
event_recent(const struct inv *inv, size_t i)
{
	const struct events *ev = inv_events(inv);
	if (!ev || i >= EVENT_RING || i >= ev->stored)
		return NULL;
	return ev->ring[(ev->stored - 1 - i) % EVENT_RING];
}

void
event_follow(struct inv *inv, event_fn fn, void *arg)
{
	struct events *ev = inv_events(inv);
	ev->followers =
	    xreallocarray(ev->followers, ev->n_followers + 1, sizeof(*ev->followers));
	ev->followers[ev->n_followers++] = (struct event_follower){ fn, arg };
}

void
event_unfollow(struct inv *inv, event_fn fn, void *arg)
{
	struct events *ev = inv_events(inv);
	for (size_t i = 0; i < ev->n_followers; i++) {
		if (ev->followers[i].fn == fn && ev->followers[i].arg == arg)
			ev->followers[i].fn = NULL;
	}
}

static void
tell_followers(struct events *ev, const json *j)
{
	/* A follower may leave, or another come, from within its call. */
	for (size_t i = 0; i < ev->n_followers; i++) {
		struct event_follower f = ev->followers[i];
		if (f.fn)
			f.fn(j, f.arg);
	}
	size_t kept = 0;
	for (size_t i = 0; i < ev->n_followers; i++) {
		if (ev->followers[i].fn)
			ev->followers[kept++] = ev->followers[i];
	}
	ev->n_followers = kept;
}

void
event_stored(struct events *ev, json *j_take)
{
	json **slot = &ev->ring[ev->stored++ % EVENT_RING];
	json_free(*slot);
	*slot = j_take;
	tell_followers(ev, j_take);
}

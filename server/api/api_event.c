/*
 * What happened: events by place, type, user and time, page by page.
 */
#include <ctype.h>

#include "base/json_peek.h"
#include "base/str.h"
#include "server/api/api_int.h"
#include "server/event/event.h"

#define PRESET 100u
#define MOST   1000u

struct event_call {
	struct api_call *call;
	unsigned limit;
};

/* As part of a query: %XX where needed. */
static void
add_escaped(struct str *b, const char *s)
{
	for (; *s; s++) {
		if (isalnum((unsigned char)*s) || *s == '-' || *s == '_' || *s == '.')
			str_addc(b, *s);
		else
			str_addf(b, "%%%02X", (unsigned char)*s);
	}
}

/* The same question, for what is older. */
static void
add_next(const struct api_call *c, const char *last, struct str *b)
{
	static const char *const args[] = { "limit", "entity", "types", "user", "start",
		"end" };

	str_addf(b, "%s?before=%s", c->req->path, last);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
		const char *v = request_arg(c->req, args[i]);

		if (!v || !*v)
			continue;
		str_addf(b, "&%s=", args[i]);
		add_escaped(b, v);
	}
}

static void
on_events(void *arg, int rc, const struct err *e, json *events)
{
	AUTO_FREE struct event_call *x = arg;
	AUTO(str) struct str next = STR_INIT;

	if (rc) {
		api_reply_err(x->call, e);
		return;
	}
	json *j = json_new_object();
	size_t n = json_count(events);
	if (n == x->limit)
		add_next(x->call, json_peek_str(json_at(events, n - 1), "id"), &next);
	json_set_str(j, "next", next.len ? str_cstr(&next) : NULL);
	json_set_json(j, "items", json_ref(events));
	api_reply_json(x->call, 200, j);
}

static int
read_ids(const struct api_call *c, struct event_ask *ask, struct err *e)
{
	const char *of = request_arg(c->req, "entity");
	const char *at = request_arg(c->req, "before");
	obj_id before = OBJ_ID_NONE;
	int rc = 0;

	ask->entity = OBJ_ID_NONE;
	/* Of what is gone, too. */
	if (of && *of)
		rc = obj_id_parse(of, KIND_NONE, &ask->entity, e);
	if (!rc && at && *at)
		rc = obj_id_parse(at, KIND_EVENT, &before, e);
	ask->before = obj_id_number(before);
	return rc;
}

void
api_event_list(struct api_call *c)
{
	const char *types = request_arg(c->req, "types");
	AUTO(str) struct str list = STR_INIT;
	struct event_ask ask = { .user = request_arg(c->req, "user") };
	struct err e = ERR_INIT;
	uint64_t limit;
	int rc;

	if (api_arg_u64(c, "limit", PRESET, MOST, &limit) ||
	    api_arg_u64(c, "start", 0, INT64_MAX, &ask.start_ms) ||
	    api_arg_u64(c, "end", 0, INT64_MAX, &ask.end_ms))
		return;
	rc = read_ids(c, &ask, &e);
	if (!rc && ask.end_ms && ask.end_ms < ask.start_ms)
		rc = err_set(&e, ERR_RANGE, "the end is before the start");
	if (!rc && types && *types)
		rc = event_types_parse(types, &list, &e);
	if (rc) {
		api_reply_err(c, &e);
		return;
	}
	ask.limit = limit ? (unsigned)limit : PRESET;
	ask.types = list.len ? str_cstr(&list) : NULL;
	struct event_call *x = xcalloc(1, sizeof(*x));
	*x = (struct event_call){ c, ask.limit };
	event_query(c->api->d.inv, &ask, on_events, x);
}

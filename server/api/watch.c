#include "server/api/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/access/session.h"
#include "server/api/watch_int.h"
#include "server/event/event.h"
#include "server/front/front.h"
#include "server/inventory/feed.h"

#define CLOSE_UNAUTHENTICATED 4401
#define CLOSE_BEHIND          4408
#define CLOSE_FULL            1013
#define SNAPSHOT_EVENTS       100u

static const char *const sub_names[] = { "inventory", "tasks", "events", "alarms",
	"stats" };

void
watch_send(struct watch *w, struct client *c, char *text_take, size_t n)
{
	c->queued += n;
	w->queued += n;
	front_ws_send(w->d.front, c->ws, text_take, n);
}

void
watch_send_json(struct watch *w, struct client *c, json *j_take)
{
	char *text = json_text(j_take);

	json_free(j_take);
	watch_send(w, c, text, strlen(text));
}

void
watch_lapse(struct watch *w, struct client *c, struct sub *s, const char *why)
{
	json *j = json_new_object();

	s->lapsed = true;
	w->resyncs++;
	json_set_str(j, "type", "resync");
	json_set_u64(j, "id", s->id);
	json_set_str(j, "why", why);
	watch_send_json(w, c, j);
}

/* m: what it is about, NULL: nothing that could be read. */
static void
send_error(struct watch *w, struct client *c, const json *m, const struct err *e)
{
	const json *id = m && json_what(m) == JSON_IS_OBJECT ? json_get(m, "id") : NULL;
	json *j = json_new_object();

	json_set_str(j, "type", "error");
	if (id && json_what(id) == JSON_IS_INT)
		json_set_i64(j, "id", json_int_value(id));
	json_set_str(j, "code", err_name(e->code));
	json_set_str(j, "message", e->msg);
	watch_send_json(w, c, j);
}

/* Bytes on their way that nobody asked for. */
static size_t
backlog(const struct client *c)
{
	return c->queued - c->asked;
}

/* A client with too much on its way gets nothing more until it has drained. */
static bool
is_behind(struct watch *w, struct client *c, uint64_t now)
{
	if (backlog(c) <= WATCH_MAX_QUEUE)
		return false;
	if (c->behind_since_ms)
		return true;
	c->behind_since_ms = now;
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		if (c->subs[i].used && !c->subs[i].lapsed &&
		    c->subs[i].kind != SUB_STATS)
			watch_lapse(w, c, &c->subs[i], "you fell behind");
	return true;
}

/* The more clients, the longer each waits: the front can serve only so many frames. */
static uint64_t
gap_ms(const struct watch *w)
{
	uint64_t fair = map_count(w->by_ws) * 1000 / WATCH_MAX_RATE;

	return fair > WATCH_MIN_GAP_MS ? fair : WATCH_MIN_GAP_MS;
}

/* Of those that come as they happen, nothing is made up for. */
static bool
has_deltas(const struct sub *s)
{
	return s->used && s->kind != SUB_EVENTS && s->kind != SUB_STATS;
}

static void
flush(struct watch *w, struct client *c, uint64_t now)
{
	bool sent = false;

	if (is_behind(w, c, now))
		return;
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		if (has_deltas(&c->subs[i]))
			sent |= watch_delta(w, c, &c->subs[i]);
	if (sent)
		c->next_flush_ms = now + gap_ms(w);
}

static bool
has_news(const struct watch *w, const struct client *c)
{
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		if (has_deltas(&c->subs[i]) && !c->subs[i].lapsed &&
		    c->subs[i].rev != inv_rev(w->d.inv))
			return true;
	return false;
}

static void
drop_client(struct watch *w, struct client *c)
{
	list_remove(&c->node);
	map_del(w->by_ws, c->ws);
	w->queued -= c->queued;
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		watch_stats_free(c->subs[i].stats);
	free(c);
}

static void
close_client(struct watch *w, struct client *c, uint16_t code, const char *why)
{
	log_info("watch", "closing watch %llu: %s", (unsigned long long)c->ws, why);
	front_ws_close(w->d.front, c->ws, code, why);
	drop_client(w, c);
}

static void
ping(struct watch *w, struct client *c, uint64_t now)
{
	json *j = json_new_object();

	c->next_ping_ms = now + WATCH_PING_MS;
	json_set_str(j, "type", "ping");
	json_set_u64(j, "t", clock_wall_ms(loop_clock(w->d.loop)));
	watch_send_json(w, c, j);
}

/* False: the client is gone. */
static bool
keep_alive(struct watch *w, struct client *c, uint64_t now)
{
	if (c->behind_since_ms && now - c->behind_since_ms >= WATCH_BEHIND_MS) {
		close_client(w, c, CLOSE_BEHIND, "too slow for too long");
		return false;
	}
	if (now < c->next_ping_ms)
		return true;
	/* Who logged out or was disabled stops seeing things at the next ping. */
	const struct session *ss = session_by_id(w->d.sessions, c->session);
	const struct user *u = ss ? inv_user(w->d.inv, ss->user) : NULL;
	if (!u || !u->enabled) {
		close_client(w, c, CLOSE_UNAUTHENTICATED, "the session has ended");
		return false;
	}
	ping(w, c, now);
	return true;
}

/* Flush whoever is due; sleep until the next one is. */
static void
run(void *arg)
{
	struct watch *w = arg;
	uint64_t now = loop_now_ms(w->d.loop), next = now + WATCH_PING_MS;

	LIST_EACH_SAFE(struct client, c, &w->clients, node) {
		if (!keep_alive(w, c, now))
			continue;
		bool news = has_news(w, c);
		if (news && now >= c->next_flush_ms)
			flush(w, c, now);
		else if (news && c->next_flush_ms < next)
			next = c->next_flush_ms;
		if (c->next_ping_ms < next)
			next = c->next_ping_ms;
		if (c->behind_since_ms && c->behind_since_ms + WATCH_BEHIND_MS < next)
			next = c->behind_since_ms + WATCH_BEHIND_MS;
	}
	timer_after(w->timer, next > now ? next - now : 1);
}

static json *
event_frame(const struct sub *s, const json *ev)
{
	json *j = json_new_object();

	json_set_str(j, "type", "event");
	json_set_u64(j, "id", s->id);
	json_set_json(j, "item", json_dup(ev));
	return j;
}

static void
on_event(const json *ev, void *arg)
{
	struct watch *w = arg;
	uint64_t now = loop_now_ms(w->d.loop);

	LIST_EACH(struct client, c, &w->clients, node)
		for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
			if (c->subs[i].used && c->subs[i].kind == SUB_EVENTS &&
			    !c->subs[i].lapsed && !is_behind(w, c, now))
				watch_send_json(w, c, event_frame(&c->subs[i], ev));
}

struct watch *
watch_new(const struct watch_deps *d)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->d = *d;
	list_init(&w->clients);
	w->by_ws = map_new_u64();
	w->timer = timer_new(d->loop, run, w);
	feed_follow(d->inv, run, w);
	event_follow(d->inv, on_event, w);
	return w;
}

void
watch_free(struct watch *w)
{
	if (!w)
		return;
	feed_unfollow(w->d.inv, run, w);
	event_unfollow(w->d.inv, on_event, w);
	timer_free(w->timer);
	LIST_EACH_SAFE(struct client, c, &w->clients, node)
		drop_client(w, c);
	map_free(w->by_ws);
	for (unsigned i = 0; i < SUB_KIND_COUNT_; i++)
		free(w->memo[i].set);
	free(w);
}

static uint64_t
ring_start(const struct inv *inv)
{
	uint64_t lo = 0, hi = inv_rev(inv);

	/* The oldest revision that the feed still reaches. */
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (feed_reaches(inv, mid))
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

void
watch_open(struct watch *w, uint64_t ws, const char *session)
{
	uint64_t now = loop_now_ms(w->d.loop);
	char buf[32];

	if (!session) {
		front_ws_close(w->d.front, ws, CLOSE_UNAUTHENTICATED, "log in first");
		return;
	}
	if (map_count(w->by_ws) >= WATCH_MAX_CLIENTS) {
		front_ws_close(w->d.front, ws, CLOSE_FULL, "too many watches");
		return;
	}
	struct client *c = xcalloc(1, sizeof(*c));
	c->ws = ws;
	snprintf(c->session, sizeof(c->session), "%s", session);
	c->next_ping_ms = now + WATCH_PING_MS;
	list_add_tail(&w->clients, &c->node);
	map_put(w->by_ws, ws, c);
	json *j = json_new_object();
	json_set_str(j, "type", "hello");
	json_set_str(j, "boot", w->d.boot);
	json_set_u64(j, "rev", inv_rev(w->d.inv));
	json_set_u64(j, "ring_start", ring_start(w->d.inv));
	json_set_str(j, "server", "drover");
	json_set_str(j, "version", DROVER_VERSION);
	json_set_str(j, "time", clock_text(clock_wall_ms(loop_clock(w->d.loop)), buf));
	watch_send_json(w, c, j);
	run(w);
}

static void
send_recent_events(struct watch *w, struct client *c, const struct sub *s)
{
	json *j = json_new_object(), *items = json_new_array();
	const json *ev;

	for (size_t i = 0; i < SNAPSHOT_EVENTS && (ev = event_recent(w->d.inv, i)); i++)
		json_add_json(items, json_dup(ev));
	json_set_str(j, "type", "snap");
	json_set_u64(j, "id", s->id);
	json_set_u64(j, "rev", inv_rev(w->d.inv));
	json_set_json(j, "items", items);
	json_set_bool(j, "last", true);
	watch_send_json(w, c, j);
}

static void
resume(struct watch *w, struct client *c, struct sub *s)
{
	size_t before = c->queued;

	watch_delta(w, c, s); /* or a resync, if that is too long ago */
	c->asked += c->queued - before;
}

/* Begin the snapshots that were asked for, as long as the queue has room: however much
 * is asked, a full queue and one snapshot are all that waits. */
static void
serve(struct watch *w, struct client *c)
{
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++) {
		struct sub *s = &c->subs[i];
		if (!s->used || !s->wanted || c->queued > WATCH_MAX_QUEUE)
			continue;
		size_t before = c->queued;
		s->wanted = s->lapsed = false;
		if (s->kind == SUB_EVENTS)
			send_recent_events(w, c, s);
		else
			watch_snapshot(w, c, s);
		c->asked += c->queued - before;
	}
}

static struct sub *
find_sub(struct client *c, uint64_t id)
{
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		if (c->subs[i].used && c->subs[i].id == id)
			return &c->subs[i];
	return NULL;
}

static struct sub *
free_sub(struct client *c)
{
	for (unsigned i = 0; i < WATCH_MAX_SUBS; i++)
		if (!c->subs[i].used)
			return &c->subs[i];
	return NULL;
}

static int
parse_sub_kind(const char *name, enum sub_kind *ret_k, struct err *e)
{
	for (unsigned k = 0; k < SUB_KIND_COUNT_; k++) {
		if (strcmp(sub_names[k], name) != 0)
			continue;
		*ret_k = (enum sub_kind)k;
		return 0;
	}
	return err_set(e, ERR_INVALID,
	    "kind: wants inventory, tasks, events, alarms or stats, got \"%.40s\"",
	    name);
}

/* In the place of s, which may be one that it had. */
static void
put_sub(struct watch *w, struct client *c, struct sub *s, const struct sub *want)
{
	watch_stats_free(s->stats);
	*s = *want;
	if (s->stats)
		watch_stats_greet(s->stats, s->id);
	else if (s->wanted)
		serve(w, c);
	else
		resume(w, c, s);
}

static const char *const *
fields_of(enum sub_kind k)
{
	static const char *const known[] = { "type", "id", "kind", "since", "boot",
		NULL };
	static const char *const of_stats[] = { "type", "id", "kind", "objects",
		"counters", "realtime", NULL };

	return k == SUB_STATS ? of_stats : known;
}

static int
subscribe(struct watch *w, struct client *c, const json *m, struct err *e)
{
	const char *kind = NULL, *boot = NULL;
	uint64_t id = 0, since = 0;
	struct sub want = { .used = true };

	if (json_read_str(m, "kind", JSON_REQUIRED, 40, &kind, e) < 0 ||
	    parse_sub_kind(kind, &want.kind, e) < 0 ||
	    json_only(m, fields_of(want.kind), e) < 0 ||
	    json_read_u64(m, "id", JSON_REQUIRED, 0, INT64_MAX, &id, e) < 0 ||
	    json_read_u64(m, "since", JSON_OPTIONAL, 0, INT64_MAX, &since, e) < 0 ||
	    json_read_str(m, "boot", JSON_OPTIONAL, 64, &boot, e) < 0)
		return e->code;
	struct sub *s = find_sub(c, id);
	if (!s)
		s = free_sub(c);
	if (!s)
		return err_set(
		    e, ERR_INVALID, "at most %u subscriptions", WATCH_MAX_SUBS);
	if (want.kind == SUB_STATS && watch_stats_new(w, c, m, s, &want.stats, e) < 0)
		return e->code;
	want.id = id;
	want.rev = since;
	bool resumes = has_deltas(&want) && json_get(m, "since") &&
		       since <= inv_rev(w->d.inv) && boot && !strcmp(boot, w->d.boot);
	want.wanted = want.lapsed = !resumes && !want.stats;
	put_sub(w, c, s, &want);
	return 0;
}

static int
unsubscribe(struct client *c, const json *m, struct err *e)
{
	uint64_t id = 0;

	if (json_read_u64(m, "id", JSON_REQUIRED, 0, INT64_MAX, &id, e) < 0)
		return e->code;
	struct sub *s = find_sub(c, id);
	if (!s)
		return err_set(e, ERR_NOT_FOUND, "there is no subscription %llu",
		    (unsigned long long)id);
	watch_stats_free(MOVE(s->stats));
	s->used = false;
	return 0;
}

static int
handle(struct watch *w, struct client *c, const json *m, struct err *e)
{
	const char *type = "";
	int rc = 0;

	if (json_what(m) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_INVALID, "message: wants a JSON object");
	if (rc == 0)
		rc = json_read_str(m, "type", JSON_REQUIRED, 40, &type, e);
	if (rc < 0)
		return rc;
	if (!strcmp(type, "sub"))
		return subscribe(w, c, m, e);
	if (!strcmp(type, "unsub"))
		return unsubscribe(c, m, e);
	if (!strcmp(type, "ping")) {
		json *j = json_dup(m);
		json_set_str(j, "type", "pong");
		watch_send_json(w, c, j);
		return 0;
	}
	if (!strcmp(type, "pong"))
		return 0;
	return err_set(e, ERR_INVALID, "type: \"%.40s\" is unknown", type);
}

void
watch_text(struct watch *w, uint64_t ws, const char *text, size_t n)
{
	struct client *c = map_get(w->by_ws, ws);
	AUTO(json) json *m = NULL;
	struct err e = ERR_INIT;

	/* One who asks without reading gets no answers piled up. */
	if (!c || is_behind(w, c, loop_now_ms(w->d.loop)))
		return;
	if (json_parse(text, n, "message", &m, &e) < 0 || handle(w, c, m, &e) < 0)
		send_error(w, c, m, &e);
}

void
watch_drained(struct watch *w, uint64_t ws, size_t n)
{
	struct client *c = map_get(w->by_ws, ws);

	if (!c)
		return;
	n = n < c->queued ? n : c->queued;
	c->queued -= n;
	c->asked -= n < c->asked ? n : c->asked;
	w->queued -= n;
	if (backlog(c) <= WATCH_MAX_QUEUE / 2)
		c->behind_since_ms = 0;
	serve(w, c);
}

void
watch_closed(struct watch *w, uint64_t ws)
{
	struct client *c = map_get(w->by_ws, ws);

	if (c)
		drop_client(w, c);
}

size_t
watch_clients(const struct watch *w)
{
	return w ? map_count(w->by_ws) : 0;
}

uint64_t
watch_resyncs(const struct watch *w)
{
	return w->resyncs;
}

uint64_t
watch_queued(const struct watch *w)
{
	return w ? w->queued : 0;
}

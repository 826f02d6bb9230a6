/*
 * watch_stat: samples of a few objects, as they come.
 *
 * A sample is news for a moment: where a client does not read, the newer ones are left
 * out until it has.
 */
#include <math.h>
#include <string.h>

#include "base/str.h"
#include "server/api/stat_names.h"
#include "server/api/watch_int.h"
#include "server/stats/stat_live.h"

#define BACKLOG_MAX ((size_t)64 * 1024) /* of news that a client has not read */

struct watch_stats {
	struct watch *w;
	struct client *c;
	uint64_t id; /* of the subscription */
	struct stat_names *names;
	struct stat_watcher *watchers[WATCH_MAX_STATS]; /* one for each object */
	size_t n;
};

static json *
values_json(const struct stat_names *names, const struct stat_live *x)
{
	json *j = json_new_object();

	for (size_t i = 0; i < names->n_counters; i++) {
		float v = x->v[names->counters[i]];

		if (!isnan(v))
			json_set_real(
			    j, metric_at(names->counters[i])->name, (double)v);
	}
	return j;
}

static void
on_sample(void *arg, const struct stat_live *x)
{
	const struct watch_stats *s = arg;
	char id[OBJ_ID_TEXT];
	json *j;

	if (s->c->queued - s->c->asked > BACKLOG_MAX)
		return;
	j = json_new_object();
	json_set_str(j, "type", "stat");
	json_set_u64(j, "id", s->id);
	json_set_str(j, "object", obj_id_text(x->id, id));
	json_set_u64(j, "t", x->wall_ms);
	json_set_u64(j, "span_ms", x->span_ms);
	json_set_json(j, "values", values_json(s->names, x));
	watch_send_json(s->w, s->c, j);
}

/* ---- what is wanted ---- */

static int
read_list(const json *m, const char *key, size_t max, const json **ret, struct err *e)
{
	const json *list = json_get(m, key);

	*ret = list;
	if (!list)
		return 0;
	if (json_what(list) != JSON_IS_ARRAY || json_count(list) > max)
		return err_set(
		    e, ERR_INVALID, "%s: wants a list of at most %zu texts", key, max);
	for (size_t i = 0; i < json_count(list); i++) {
		if (json_what(json_at(list, i)) != JSON_IS_STR)
			return err_set(e, ERR_INVALID, "%s: wants texts", key);
	}
	return 0;
}

static int
read_names(const struct watch *w, const json *m, struct stat_names *to, struct err *e)
{
	const json *objects, *counters;
	int rc = read_list(m, "objects", WATCH_MAX_STATS, &objects, e);

	if (!rc)
		rc = read_list(m, "counters", METRIC_MAX, &counters, e);
	if (rc)
		return rc;
	if (!objects || !json_count(objects))
		return err_set(
		    e, ERR_INVALID, "objects: name some, such as [\"vm-1\"]");
	for (size_t i = 0; !rc && i < json_count(objects); i++)
		rc = stat_names_add(
		    w->d.inv, json_str_value(json_at(objects, i), NULL), to, e);
	if (!rc && (!counters || !json_count(counters)))
		stat_names_add_preset(to);
	for (size_t i = 0; !rc && counters && i < json_count(counters); i++)
		rc = stat_names_add_counter(
		    to, json_str_value(json_at(counters, i), NULL), e);
	return rc;
}

/* That the session watches, on whatever sockets. */
static size_t
watched_by(const struct watch *w, const char *session)
{
	size_t n = 0;

	LIST_EACH(struct client, c, &w->clients, node) {
		for (unsigned i = 0; i < WATCH_MAX_SUBS; i++) {
			if (c->subs[i].stats && !strcmp(c->session, session))
				n += c->subs[i].stats->n;
		}
	}
	return n;
}

static int
check_room(const struct watch *w, const struct client *c, const struct sub *old,
    const struct stat_names *names, struct err *e)
{
	size_t n = watched_by(w, c->session);

	if (old && old->stats)
		n -= old->stats->n;
	if (n + names->n_ids <= WATCH_MAX_STATS)
		return 0;
	return err_set(e, ERR_TOO_LARGE,
	    "objects: a session watches the statistics of %u at most", WATCH_MAX_STATS);
}

static int
begin(struct watch_stats *s, bool is_close, struct err *e)
{
	for (size_t i = 0; i < s->names->n_ids; i++) {
		const struct stat_watch_ask ask = { s->names->ids[i], is_close,
			on_sample, s };
		int rc = stats_watch(s->w->d.stats, &ask, &s->watchers[i], e);

		if (rc)
			return rc;
		s->n++;
	}
	return 0;
}

int
watch_stats_new(struct watch *w, struct client *c, const json *m, const struct sub *old,
    struct watch_stats **ret, struct err *e)
{
	AUTO(stat_names) struct stat_names *names = stat_names_new();
	struct watch_stats *s;
	bool is_close = false;
	int rc = 0;

	if (!w->d.stats)
		return err_set(e, ERR_UNSUPPORTED, "this server counts nothing");
	if (json_read_bool(m, "realtime", JSON_OPTIONAL, &is_close, e) < 0 ||
	    read_names(w, m, names, e) < 0 || check_room(w, c, old, names, e) < 0)
		return e->code;
	s = xcalloc(1, sizeof(*s));
	s->w = w;
	s->c = c;
	s->names = MOVE(names);
	rc = begin(s, is_close, e);
	if (rc)
		watch_stats_free(s);
	else
		*ret = s;
	return rc;
}

void
watch_stats_free(struct watch_stats *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		stats_unwatch(s->w->d.stats, s->watchers[i]);
	stat_names_free(s->names);
	free(s);
}

void
watch_stats_greet(struct watch_stats *s, uint64_t id)
{
	json *j = json_new_object(), *items = json_new_array();

	s->id = id;
	for (size_t i = 0; i < s->n; i++) {
		json *o = json_new_object();
		char text[OBJ_ID_TEXT];

		json_set_str(o, "object", obj_id_text(s->names->ids[i], text));
		json_set_u64(
		    o, "interval_ms", stats_watch_ms(s->w->d.stats, s->watchers[i]));
		json_add_json(items, o);
	}
	json_set_str(j, "type", "snap");
	json_set_u64(j, "id", id);
	json_set_json(j, "items", items);
	json_set_bool(j, "last", true);
	watch_send_json(s->w, s->c, j);
}

#include "server/api/api_stat_ask.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/inv_within.h"
#include "server/stats/stat_reduce.h"
#include "server/stats/stats.h"

#define POINTS_MAX   100000u
#define INTERVAL_MAX 31536000u
#define PRESET_S     3600u
#define MS_PER_S     UINT64_C(1000)

struct stat_names *
stat_names_new(void)
{
	return xcalloc(1, sizeof(struct stat_names));
}

void
stat_names_free(struct stat_names *a)
{
	if (!a)
		return;
	free(a->ids);
	free(a);
}

/* ---- objects ---- */

static void
add_id(struct stat_names *a, obj_id id)
{
	/* Room doubles whenever the number is a power of two. */
	if (!(a->n_ids & (a->n_ids - 1)))
		a->ids =
		    xreallocarray(a->ids, a->n_ids ? 2 * a->n_ids : 1, sizeof(*a->ids));
	a->ids[a->n_ids++] = id;
}

static int
read_id(const struct inv *inv, const char *word, obj_id *ret_id, struct err *e)
{
	int rc = obj_id_parse(word, KIND_NONE, ret_id, e);

	if (!rc && !inv_get(inv, *ret_id))
		rc = err_set(e, ERR_NOT_FOUND, "there is no %s", word);
	return rc;
}

static int
add_object(const struct inv *inv, const char *word, struct stat_names *a, struct err *e)
{
	obj_id id;
	int rc = read_id(inv, word, &id, e);

	if (rc)
		return rc;
	if (!stats_objects_of(inv, id))
		return err_set(e, ERR_INVALID, "nothing is counted of %s",
		    kind_plural(obj_id_kind(id)));
	if (a->n_ids == STAT_OBJECTS_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "objects: at most %u may be named at once", STAT_OBJECTS_MAX);
	add_id(a, id);
	return 0;
}

static int
reply(struct api_call *c, int rc, const struct err *e)
{
	if (!rc)
		return 0;
	api_reply_err(c, e);
	return -1;
}

int
stat_names_add_object(struct api_call *c, const char *word, struct stat_names *a)
{
	struct err e = ERR_INIT;

	return reply(c, add_object(c->api->d.inv, word, a, &e), &e);
}

static int
add_objects(
    const struct inv *inv, const char *list, struct stat_names *a, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;
	int rc = 0;

	for (char *word; !rc && (word = strsep(&rest, ",")) != NULL;) {
		if (*word)
			rc = add_object(inv, word, a, e);
	}
	return rc;
}

static int
read_kind(const char *word, enum obj_kind *ret_kind, struct err *e)
{
	static const enum obj_kind kinds[] = { KIND_VM, KIND_HOST, KIND_DATASTORE,
		KIND_POOL, KIND_CLUSTER };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_same(word, kind_word(kinds[i]))) {
			*ret_kind = kinds[i];
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "kind: vm, host, datastore, pool or cluster, not \"%.40s\"", word);
}

/* Which of a kind are meant. */
struct choice {
	const char *kind, *within, *tag; /* NULL, "": any */
};

static bool
is_set(const char *arg)
{
	return arg && *arg;
}

static int
add_kind(
    const struct inv *inv, const struct choice *of, struct stat_names *a, struct err *e)
{
	obj_id place = OBJ_ID_NONE, tag = OBJ_ID_NONE;
	enum obj_kind kind = KIND_VM;
	int rc = is_set(of->kind) ? read_kind(of->kind, &kind, e) : 0;

	if (!rc && is_set(of->within))
		rc = read_id(inv, of->within, &place, e);
	if (!rc && is_set(of->tag))
		rc = stat_tag_find(inv, of->tag, &tag, e);
	if (rc)
		return rc;
	AUTO(inv_within) struct inv_within *w = inv_within_place(inv, place);

	INV_EACH(inv, kind, o)
	{
		if (!obj_id_none(tag) && !stat_tag_has(o, tag))
			continue;
		if (obj_id_none(place) || !obj_id_none(inv_within_find(w, o)))
			add_id(a, o->id);
	}
	return 0;
}

int
stat_names_read_objects(struct api_call *c, struct stat_names *a)
{
	const struct inv *inv = c->api->d.inv;
	const char *objects = request_arg(c->req, "objects");
	const struct choice of = { request_arg(c->req, "kind"),
		request_arg(c->req, "within"), request_arg(c->req, "tag") };
	bool chosen = of.kind || of.within || of.tag;
	struct err e = ERR_INIT;
	int rc;

	if (is_set(objects) && chosen)
		rc = err_set(&e, ERR_INVALID,
		    "objects: with \"kind\", \"within\" or \"tag\" they are not named");
	else if (is_set(objects))
		rc = add_objects(inv, objects, a, &e);
	else if (chosen)
		rc = add_kind(inv, &of, a, &e);
	else
		rc = err_set(&e, ERR_INVALID,
		    "objects: name some, such as vm-1,host-2, or a \"kind\"");
	return reply(c, rc, &e);
}

/* ---- counters ---- */

static void
add_number(struct stat_names *a, uint32_t number)
{
	if (!memchr(a->counters, (int)number, a->n_counters))
		a->counters[a->n_counters++] = (uint8_t)number;
}

/* A name, or a pattern of names. */
static int
add_counter(struct stat_names *a, const char *word, struct err *e)
{
	const struct metric *m = NULL;
	AUTO(str) struct str near = STR_INIT;
	bool found = false;

	while ((m = metric_next(m)) != NULL) {
		if (!wild_match(word, m->name))
			continue;
		add_number(a, m->number);
		found = true;
	}
	if (found)
		return 0;
	metric_near(word, &near);
	return err_set(e, ERR_INVALID, "there is no counter \"%.80s\"%s%s", word,
	    near.len ? "; there are " : "", str_cstr(&near));
}

/* What everybody looks at. */
static void
add_preset(struct stat_names *a)
{
	const struct metric *m = NULL;

	while ((m = metric_next(m)) != NULL) {
		if (m->level == 1)
			add_number(a, m->number);
	}
}

int
stat_names_read_counters(struct api_call *c, struct stat_names *a)
{
	const char *counters = request_arg(c->req, "counters");
	AUTO_FREE char *copy = xstrdup(counters ? counters : "");
	struct err e = ERR_INIT;
	char *rest = copy;
	int rc = 0;

	if (!*copy)
		add_preset(a);
	for (char *word; !rc && (word = strsep(&rest, ",")) != NULL;) {
		if (*word)
			rc = add_counter(a, word, &e);
	}
	return reply(c, rc, &e);
}

/* ---- time ---- */

int
stat_want_read(struct api_call *c, struct stat_want *w)
{
	uint64_t now_ms = clock_wall_ms(loop_clock(inv_loop(c->api->d.inv)));
	uint64_t start, end, interval, points;

	if (api_arg_u64(c, "end", now_ms, INT64_MAX, &end) < 0 ||
	    api_arg_u64(c, "start",
		end > PRESET_S * MS_PER_S ? end - PRESET_S * MS_PER_S : 0, INT64_MAX,
		&start) < 0 ||
	    api_arg_u64(c, "interval", 0, INTERVAL_MAX, &interval) < 0 ||
	    api_arg_u64(c, "points", 0, POINTS_MAX, &points) < 0)
		return -1;
	*w = (struct stat_want){
		.start_s = start / MS_PER_S,
		.end_s = (end + MS_PER_S - 1) / MS_PER_S,
		.interval_s = (uint32_t)interval,
		.points = (uint32_t)points,
	};
	return 0;
}

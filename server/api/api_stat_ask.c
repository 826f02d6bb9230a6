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

	return reply(c, stat_names_add(c->api->d.inv, word, a, &e), &e);
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
			rc = stat_names_add(inv, word, a, e);
	}
	return rc;
}

static int
read_kind(const char *word, enum obj_kind *ret_kind, struct err *e)
{
	static const enum obj_kind kinds[] = { KIND_VM, KIND_HOST, KIND_DATASTORE,
		KIND_POOL, KIND_CLUSTER, KIND_SERVER };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_same(word, kind_word(kinds[i]))) {
			*ret_kind = kinds[i];
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "kind: vm, host, datastore, pool, cluster or server, not \"%.40s\"", word);
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
		rc = stat_names_id(inv, of->within, &place, e);
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
			stat_names_add_id(a, o->id);
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

int
stat_names_read_counters(struct api_call *c, struct stat_names *a)
{
	const char *counters = request_arg(c->req, "counters");
	AUTO_FREE char *copy = xstrdup(counters ? counters : "");
	struct err e = ERR_INIT;
	char *rest = copy;
	int rc = 0;

	if (!*copy)
		stat_names_add_preset(a);
	for (char *word; !rc && (word = strsep(&rest, ",")) != NULL;) {
		if (*word)
			rc = stat_names_add_counter(a, word, &e);
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

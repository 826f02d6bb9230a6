/*
 * How objects fare: samples by object, counter and time.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/loop.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_life.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_query.h"

#define OBJECTS_MAX  1000u
#define POINTS_MAX   100000u
#define INTERVAL_MAX 31536000u
#define PRESET_S     3600u
#define MS_PER_S     UINT64_C(1000)
#define DIGITS       7

struct stats_call {
	struct api_call *call;
	bool csv, extremes;
};

/* ---- what is asked ---- */

/* Each of "a,b,c"; until one fails. */
static int
each_word(const char *list, int (*fn)(void *arg, const char *word, struct err *e),
    void *arg, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;
	int rc = 0;

	for (char *word; !rc && (word = strsep(&rest, ",")) != NULL;) {
		if (*word)
			rc = fn(arg, word, e);
	}
	return rc;
}

struct asked {
	const struct inv *inv;
	obj_id ids[OBJECTS_MAX];
	size_t n_ids;
	uint8_t counters[METRIC_MAX];
	size_t n_counters;
};

static int
add_object(void *arg, const char *word, struct err *e)
{
	struct asked *a = arg;
	obj_id id;
	int rc = obj_id_parse(word, KIND_NONE, &id, e);

	if (rc)
		return rc;
	if (!inv_get(a->inv, id))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", word);
	if (!stats_objects_of(a->inv, id))
		return err_set(e, ERR_INVALID, "nothing is counted of %s",
		    kind_plural(obj_id_kind(id)));
	if (a->n_ids == OBJECTS_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "objects: at most %u may be asked for at once", OBJECTS_MAX);
	a->ids[a->n_ids++] = id;
	return 0;
}

static void
add_number(struct asked *a, uint32_t number)
{
	if (!memchr(a->counters, (int)number, a->n_counters))
		a->counters[a->n_counters++] = (uint8_t)number;
}

/* A name, or a pattern of names. */
static int
add_counter(void *arg, const char *word, struct err *e)
{
	struct asked *a = arg;
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
add_preset(struct asked *a)
{
	const struct metric *m = NULL;

	while ((m = metric_next(m)) != NULL) {
		if (m->level == 1)
			add_number(a, m->number);
	}
}

static int
read_names(struct api_call *c, struct asked *a)
{
	const char *objects = request_arg(c->req, "objects");
	const char *counters = request_arg(c->req, "counters");
	struct err e = ERR_INIT;
	int rc = 0;

	a->inv = c->api->d.inv;
	if (!objects || !*objects)
		rc =
		    err_set(&e, ERR_INVALID, "objects: name some, such as vm-1,host-2");
	if (!rc)
		rc = each_word(objects, add_object, a, &e);
	if (!rc && counters && *counters)
		rc = each_word(counters, add_counter, a, &e);
	else
		add_preset(a);
	if (rc)
		api_reply_err(c, &e);
	return rc;
}

static int
read_want(struct api_call *c, struct stat_want *w)
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

/* ---- the answer, which is long: as text at once ---- */

static void
add_value(struct str *b, float v, const char *gap)
{
	if (isnan(v))
		str_add(b, gap);
	else
		str_addf(b, "%.*g", DIGITS, (double)v);
}

static void
add_values(struct str *b, const char *key, const float *v, size_t n)
{
	str_addf(b, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		if (i)
			str_addc(b, ',');
		add_value(b, v[i], "null");
	}
	str_addc(b, ']');
}

static void
write_json(const struct stats_call *x, const struct stat_answer *a, struct str *b)
{
	char id[OBJ_ID_TEXT], time[32];

	str_addf(b, "{\"interval_s\":%u,\"first\":\"%s\",\"count\":%zu,\"series\":[",
	    a->interval_s, clock_text(a->first_s * MS_PER_S, time), a->n_values);
	for (size_t i = 0; i < a->n_series; i++) {
		const struct stat_series *s = &a->series[i];

		str_addf(b,
		    "%s{\"object\":\"%s\",\"counter\":\"%s\",\"unit\":\"%s\","
		    "\"instance\":\"\"",
		    i ? "," : "", obj_id_text(s->id, id), s->metric->name,
		    s->metric->sign);
		add_values(b, "values", s->values.average, a->n_values);
		if (x->extremes) {
			add_values(b, "min", s->values.min, a->n_values);
			add_values(b, "max", s->values.max, a->n_values);
		}
		str_addc(b, '}');
	}
	str_add(b, "]}");
}

static void
write_csv(const struct stats_call *x, const struct stat_answer *a, struct str *b)
{
	char id[OBJ_ID_TEXT], time[32];

	str_addf(
	    b, "time,object,counter,unit,value%s\r\n", x->extremes ? ",min,max" : "");
	for (size_t i = 0; i < a->n_series * a->n_values; i++) {
		const struct stat_series *s = &a->series[i / a->n_values];
		size_t k = i % a->n_values;
		uint64_t at_s = a->first_s + k * a->interval_s;

		str_addf(b, "%s,%s,%s,%s,", clock_text(at_s * MS_PER_S, time),
		    obj_id_text(s->id, id), s->metric->name, s->metric->sign);
		add_value(b, s->values.average[k], "");
		if (x->extremes) {
			str_addc(b, ',');
			add_value(b, s->values.min[k], "");
			str_addc(b, ',');
			add_value(b, s->values.max[k], "");
		}
		str_add(b, "\r\n");
	}
}

static void
on_answer(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct stats_call *x = arg;
	struct str b = STR_INIT;
	size_t n;

	if (rc) {
		api_reply_err(x->call, e);
		free(x);
		return;
	}
	if (x->csv)
		write_csv(x, a, &b);
	else
		write_json(x, a, &b);
	n = b.len;
	api_reply_text(x->call, x->csv ? "text/csv; charset=utf-8" : "application/json",
	    str_take(&b), n);
	free(x);
}

void
api_stats(struct api_call *c)
{
	AUTO_FREE struct asked *a = xcalloc(1, sizeof(*a));
	const char *format = request_arg(c->req, "format");
	struct stat_ask ask = { .ids = a->ids, .counters = a->counters };
	struct stats_call *x;
	struct err e = ERR_INIT;

	if (format && !str_same(format, "json") && !str_same(format, "csv")) {
		api_refuse(
		    c, ERR_INVALID, "format: json or csv, not \"%.40s\"", format);
		return;
	}
	if (read_names(c, a) || read_want(c, &ask.want))
		return;
	ask.n_ids = a->n_ids;
	ask.n_counters = a->n_counters;
	x = xcalloc(1, sizeof(*x));
	x->call = c;
	x->csv = str_same(format, "csv");
	x->extremes = ask.want.points != 0;
	if (stats_query(c->api->d.stats, &ask, on_answer, x, &e)) {
		api_reply_err(c, &e);
		free(x);
	}
}

/* ---- what there is ---- */

static json *
objects_json(unsigned objects)
{
	static const struct {
		unsigned object;
		const char *name;
	} all[] = {
		{ METRIC_OF_HOST, "host" },
		{ METRIC_OF_MACHINE, "machine" },
		{ METRIC_OF_CONTAINER, "container" },
		{ METRIC_OF_DATASTORE, "datastore" },
		{ METRIC_OF_POOL, "pool" },
		{ METRIC_OF_CLUSTER, "cluster" },
	};

	json *list = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (objects & all[i].object)
			json_add_str(list, all[i].name);
	}
	return list;
}

static json *
counter_json(const struct metric *m)
{
	json *j = json_new_object();

	json_set_str(j, "name", m->name);
	json_set_str(j, "description", m->help);
	json_set_str(j, "unit", m->sign);
	json_set_str(j, "unit_name", m->unit);
	json_set_str(j, "kind", metric_kind_text(m->kind));
	json_set_str(j, "rollup", metric_rollup_text(m->rollup));
	json_set_u64(j, "level", m->level);
	json_set_json(j, "objects", objects_json(m->objects));
	return j;
}

void
api_stat_counters(struct api_call *c)
{
	const char *of = request_arg(c->req, "object");
	const struct metric *m = NULL;
	unsigned objects = ~0u;
	struct asked a = { .inv = c->api->d.inv };
	struct err e = ERR_INIT;

	if (of && *of) {
		if (add_object(&a, of, &e)) {
			api_reply_err(c, &e);
			return;
		}
		objects = stats_objects_of(a.inv, a.ids[0]);
	}
	json *items = json_new_array();
	while ((m = metric_next(m)) != NULL) {
		if (m->objects & objects)
			json_add_json(items, counter_json(m));
	}
	json *j = json_new_object();
	json_set_json(j, "items", items);
	api_reply_json(c, 200, j);
}

void
api_stat_intervals(struct api_call *c)
{
	json *items = json_new_array(), *j = json_new_object();

	for (size_t i = 0; i < STAT_ARCHIVES; i++) {
		json *o = json_new_object();
		uint32_t row_s = stat_archives[i].row_s;

		json_set_str(o, "name", stat_archives[i].name);
		json_set_u64(
		    o, "interval_s", row_s ? row_s : stats_step_s(c->api->d.stats));
		json_set_u64(o, "length_s", stat_archives[i].length_s);
		json_add_json(items, o);
	}
	json_set_json(j, "items", items);
	api_reply_json(c, 200, j);
}

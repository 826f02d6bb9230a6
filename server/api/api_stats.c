/*
 * How objects fare: samples by object, counter and time.
 */
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_stat_ask.h"
#include "server/inventory/inv_place.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_digest.h"
#include "server/stats/stat_group.h"

#define MS_PER_S        UINT64_C(1000)
#define DIGITS          7
#define PERCENTILES_MAX 8u

struct stats_call {
	struct api_call *call;
	bool csv, extremes;
	double percentiles[PERCENTILES_MAX];
	size_t n_percentiles;
};

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

/* Of the values that are answered. */
static void
add_percentiles(const struct stats_call *x, struct str *b, const float *v, size_t n)
{
	AUTO_FREE float *room = xcalloc(n + 1, sizeof(*room));
	size_t known = stat_known(v, n, room);

	if (!x->n_percentiles)
		return;
	str_add(b, ",\"percentiles\":{");
	for (size_t i = 0; i < x->n_percentiles; i++) {
		str_addf(b, "%s\"p%g\":", i ? "," : "", x->percentiles[i]);
		add_value(b, stat_percentile(room, known, x->percentiles[i]), "null");
	}
	str_addc(b, '}');
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
		add_percentiles(x, b, s->values.average, a->n_values);
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

/* ---- the question ---- */

static int
read_percentiles(struct stats_call *x, struct err *e)
{
	const char *list = request_arg(x->call->req, "percentiles");
	AUTO_FREE char *copy = xstrdup(list ? list : "");
	char *rest = copy;

	if (*copy && x->csv)
		return err_set(
		    e, ERR_INVALID, "percentiles: CSV has no place for them");
	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		AUTO_FREE char *name = xasprintf("p%s", word);
		struct stat_by by;

		if (!*word)
			continue;
		if (x->n_percentiles == PERCENTILES_MAX)
			return err_set(e, ERR_TOO_LARGE,
			    "percentiles: at most %u may be asked for at once",
			    PERCENTILES_MAX);
		if (stat_by_parse(name, &by, NULL))
			return err_set(e, ERR_INVALID,
			    "percentiles: more than 0 and up to 100, not \"%.40s\"",
			    word);
		x->percentiles[x->n_percentiles++] = by.percent;
	}
	return 0;
}

static int
read_form(struct stats_call *x, struct err *e)
{
	const char *format = request_arg(x->call->req, "format");

	if (format && !str_same(format, "json") && !str_same(format, "csv"))
		return err_set(
		    e, ERR_INVALID, "format: json or csv, not \"%.40s\"", format);
	x->csv = str_same(format, "csv");
	return read_percentiles(x, e);
}

/* What each object counts for: the nearest of that kind that it is in. */
static int
read_groups(
    struct stats_call *x, const struct stat_names *a, obj_id *ret_groups, struct err *e)
{
	static const enum obj_kind kinds[] = { KIND_POOL, KIND_CLUSTER, KIND_FOLDER,
		KIND_HOST, KIND_DATACENTER };

	const char *word = request_arg(x->call->req, "group");
	const struct inv *inv = x->call->api->d.inv;
	enum obj_kind kind = KIND_NONE;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_same(word, kind_word(kinds[i])))
			kind = kinds[i];
	}
	if (kind == KIND_NONE)
		return err_set(e, ERR_INVALID,
		    "group: pool, cluster, folder, host or datacenter, not \"%.40s\"",
		    word);
	for (size_t i = 0; i < a->n_ids; i++) {
		obj_id in[INV_PLACES_MAX];
		size_t n = inv_places(inv, a->ids[i], in);

		ret_groups[i] = OBJ_ID_NONE;
		for (size_t k = 0; k < n && obj_id_none(ret_groups[i]); k++) {
			if (obj_id_kind(in[k]) == kind)
				ret_groups[i] = in[k];
		}
	}
	return 0;
}

static int
read_join(struct stats_call *x, struct stat_group_ask *ask, struct err *e)
{
	static const char *const names[] = {
		[STAT_SUM] = "sum",
		[STAT_MEAN] = "average",
		[STAT_LOWEST] = "min",
		[STAT_HIGHEST] = "max",
	};
	const char *word = request_arg(x->call->req, "aggregate");

	ask->joins = word && *word;
	for (size_t i = 0; ask->joins && i < ARRAY_SIZE(names); i++) {
		if (str_same(word, names[i])) {
			ask->how = (enum stat_join)i;
			return 0;
		}
	}
	if (!ask->joins)
		return 0;
	return err_set(
	    e, ERR_INVALID, "aggregate: sum, average, min or max, not \"%.40s\"", word);
}

static int
ask_groups(struct stats_call *x, const struct stat_names *a, const struct stat_ask *ask,
    struct err *e)
{
	AUTO_FREE obj_id *groups = xcalloc(a->n_ids + 1, sizeof(*groups));
	struct stat_group_ask g = { .of = *ask, .groups = groups };
	int rc = read_groups(x, a, groups, e);

	if (!rc)
		rc = read_join(x, &g, e);
	if (rc)
		return rc;
	return stats_group(x->call->api->d.stats, &g, on_answer, x, e);
}

static int
ask_objects(struct stats_call *x, const struct stat_ask *ask, struct err *e)
{
	if (ask->n_ids > STAT_OBJECTS_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "%zu objects are asked for: at most %u get a series each, so name a "
		    "smaller place, or a \"group\"",
		    ask->n_ids, STAT_OBJECTS_MAX);
	return stats_query(x->call->api->d.stats, ask, on_answer, x, e);
}

void
api_stats(struct api_call *c)
{
	AUTO(stat_names) struct stat_names *a = stat_names_new();
	const char *group = request_arg(c->req, "group");
	struct stat_ask ask = { 0 };
	struct stats_call *x;
	struct err e = ERR_INIT;
	int rc;

	if (stat_names_read_objects(c, a) || stat_names_read_counters(c, a) ||
	    stat_want_read(c, &ask.want))
		return;
	ask.ids = a->ids;
	ask.n_ids = a->n_ids;
	ask.counters = a->counters;
	ask.n_counters = a->n_counters;
	x = xcalloc(1, sizeof(*x));
	x->call = c;
	x->extremes = ask.want.points != 0;
	rc = read_form(x, &e);
	if (!rc)
		rc = group && *group ? ask_groups(x, a, &ask, &e)
				     : ask_objects(x, &ask, &e);
	if (rc) {
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
	AUTO(stat_names) struct stat_names *a = stat_names_new();
	unsigned objects = ~0u;

	if (of && *of) {
		if (stat_names_add_object(c, of, a))
			return;
		objects = stats_objects_of(c->api->d.inv, a->ids[0]);
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

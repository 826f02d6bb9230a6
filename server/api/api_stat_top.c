/*
 * Which objects had most of something, or least.
 */
#include <math.h>

#include "base/clock.h"
#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_stat_ask.h"
#include "server/stats/stat_top.h"

#define PRESET_N 10u
#define MS_PER_S UINT64_C(1000)
#define DIGITS   7

struct top_call {
	struct api_call *call;
	bool csv;
	size_t n_asked;
};

struct figure {
	const char *name;
	float value;
};

#define FIGURES 7u

static void
figures_of(const struct stat_place *p, struct figure ret[FIGURES])
{
	const struct figure all[FIGURES] = {
		{ "value", p->value },
		{ "average", p->d.average },
		{ "min", p->d.min },
		{ "max", p->d.max },
		{ "p50", p->d.p50 },
		{ "p95", p->d.p95 },
		{ "p99", p->d.p99 },
	};

	for (size_t i = 0; i < FIGURES; i++)
		ret[i] = all[i];
}

static json *
place_json(
    const struct top_call *x, const struct stat_top *t, const struct stat_place *p)
{
	json *j = json_new_object();
	struct figure f[FIGURES];
	char id[OBJ_ID_TEXT];

	figures_of(p, f);
	json_set_str(j, "object", obj_id_text(p->id, id));
	json_set_str(j, "name", inv_name(x->call->api->d.inv, p->id));
	for (size_t i = 0; i < FIGURES; i++)
		json_set_real(j, f[i].name, (double)f[i].value);
	if (t->metric->kind == METRIC_DELTA)
		json_set_real(j, "total", p->d.sum);
	json_set_u64(j, "samples", p->d.samples);
	return j;
}

static void
reply_json(const struct top_call *x, const struct stat_top *t)
{
	json *j = json_new_object(), *items = json_new_array();
	char time[32];

	json_set_str(j, "counter", t->metric->name);
	json_set_str(j, "unit", t->metric->sign);
	json_set_u64(j, "interval_s", t->interval_s);
	json_set_str(j, "first", clock_text(t->first_s * MS_PER_S, time));
	json_set_str(j, "last", clock_text(t->last_s * MS_PER_S, time));
	json_set_u64(j, "asked", x->n_asked);
	json_set_u64(j, "measured", t->n_measured);
	for (size_t i = 0; i < t->n; i++)
		json_add_json(items, place_json(x, t, &t->places[i]));
	json_set_json(j, "items", items);
	api_reply_json(x->call, 200, j);
}

static void
reply_csv(const struct top_call *x, const struct stat_top *t)
{
	struct str b = STR_INIT;
	struct figure f[FIGURES];
	char id[OBJ_ID_TEXT];
	size_t n;

	str_add(&b,
	    "rank,object,counter,unit,value,average,min,max,p50,p95,p99,samples\r\n");
	for (size_t i = 0; i < t->n; i++) {
		figures_of(&t->places[i], f);
		str_addf(&b, "%zu,%s,%s,%s", i + 1, obj_id_text(t->places[i].id, id),
		    t->metric->name, t->metric->sign);
		for (size_t k = 0; k < FIGURES; k++)
			str_addf(&b, ",%.*g", DIGITS, (double)f[k].value);
		str_addf(&b, ",%zu\r\n", t->places[i].d.samples);
	}
	n = b.len;
	api_reply_text(x->call, "text/csv; charset=utf-8", str_take(&b), n);
}

static void
on_top(void *arg, int rc, const struct err *e, const struct stat_top *t)
{
	struct top_call *x = arg;

	if (rc)
		api_reply_err(x->call, e);
	else if (x->csv)
		reply_csv(x, t);
	else
		reply_json(x, t);
	free(x);
}

static int
read_how(struct api_call *c, struct stat_top_ask *ask, bool *ret_csv, struct err *e)
{
	const char *by = request_arg(c->req, "by");
	const char *order = request_arg(c->req, "order");
	const char *format = request_arg(c->req, "format");

	if (order && !str_same(order, "desc") && !str_same(order, "asc"))
		return err_set(
		    e, ERR_INVALID, "order: desc or asc, not \"%.40s\"", order);
	if (format && !str_same(format, "json") && !str_same(format, "csv"))
		return err_set(
		    e, ERR_INVALID, "format: json or csv, not \"%.40s\"", format);
	ask->lowest = str_same(order, "asc");
	*ret_csv = str_same(format, "csv");
	if (stat_by_parse(by && *by ? by : "average", &ask->by, e))
		return err_wrap(e, "by");
	return 0;
}

static int
read_counter(struct api_call *c, struct stat_names *a, struct err *e)
{
	const char *counter = request_arg(c->req, "counters");

	if (!counter || !*counter || a->n_counters != 1)
		return err_set(
		    e, ERR_INVALID, "counters: name one, such as cpu.ready.summation");
	return 0;
}

void
api_stat_top(struct api_call *c)
{
	AUTO(stat_names) struct stat_names *a = stat_names_new();
	struct stat_top_ask ask = { 0 };
	struct err e = ERR_INIT;
	struct top_call *x;
	uint64_t n;
	bool csv = false;
	int rc;

	if (stat_names_read_objects(c, a) || stat_names_read_counters(c, a) ||
	    stat_want_read(c, &ask.want) ||
	    api_arg_u64(c, "n", PRESET_N, STAT_TOP_MAX, &n))
		return;
	rc = read_counter(c, a, &e);
	if (!rc)
		rc = read_how(c, &ask, &csv, &e);
	if (rc) {
		api_reply_err(c, &e);
		return;
	}
	ask.ids = a->ids;
	ask.n_ids = a->n_ids;
	ask.counter = a->counters[0];
	ask.n = n;
	x = xcalloc(1, sizeof(*x));
	x->call = c;
	x->csv = csv;
	x->n_asked = a->n_ids;
	if (stats_top(c->api->d.stats, &ask, on_top, x, &e)) {
		api_reply_err(c, &e);
		free(x);
	}
}

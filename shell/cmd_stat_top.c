/*
 * cmd_stat_top: who had most of something; statistics as files and pictures.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/cmd_stat.h"
#include "shell/rest.h"

/* ---- who had most ---- */

static void
set_number(struct table *t, const char *name, const json *o, const char *key)
{
	const json *v = json_get(o, key);

	if (v && json_what(v) != JSON_IS_NULL)
		table_set(t, name, val_real(json_number(v)));
	else
		table_set(t, name, VAL_NONE);
}

static struct val
place_record(struct shell *sh, const json *answer, const json *o, int64_t rank)
{
	static const struct {
		const char *name, *key;
	} figures[] = { { "Value", "value" }, { "Average", "average" },
		{ "Minimum", "min" }, { "Maximum", "max" }, { "P50", "p50" },
		{ "P95", "p95" }, { "P99", "p99" }, { "Total", "total" } };
	struct val r = val_table(TABLE_RECORD, "StatTop");

	table_set(r.table, "Rank", val_int(rank));
	table_set(r.table, "Entity", reference_to(sh, json_peek_str(o, "object")));
	table_set(r.table, "MetricId", val_text(json_peek_str(answer, "counter")));
	table_set(r.table, "Unit", val_text(json_peek_str(answer, "unit")));
	for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
		set_number(r.table, figures[i].name, o, figures[i].key);
	table_set(r.table, "Samples", val_int(json_peek_int(o, "samples")));
	table_set(
	    r.table, "IntervalSecs", val_int(json_peek_int(answer, "interval_s")));
	return r;
}

/* In one place, or anywhere. */
static enum run
put_top(struct stage *st, const char *within)
{
	const char *by = get_text(st, "By");
	AUTO(str) struct str q = STR_INIT;
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc;

	str_addf(&q, "/api/v1/stats/top?kind=%s&n=%lld", stat_kind(st),
	    (long long)get_int(st, "Count", 10));
	stat_add_counters(st, &q);
	stat_add_range(st, &q);
	if (within)
		str_addf(&q, "&within=%s", within);
	if (by) {
		str_add(&q, "&by=");
		url_add(&q, by);
	}
	if (get_switch(st, "Lowest"))
		str_add(&q, "&order=asc");
	rc = stat_add_interval(st, &q);
	if (rc == RUN_OK)
		rc = stat_add_tag(st, &q);
	if (rc != RUN_OK)
		return rc;
	if (rest_get(st->sh, str_cstr(&q), &answer, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	const json *items = json_get(answer, "items");
	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK; i++)
		rc = put(st,
		    place_record(st->sh, answer, json_at(items, i), (int64_t)i + 1));
	return rc;
}

static enum run
top_process(struct stage *st, struct val v)
{
	return stat_each_place(st, put_top);
}

const struct cmd_ops ops_get_stat_top = { 0, NULL, top_process, NULL, NULL };

/* ---- files ---- */

/* Ids of what came, for one question: "vm-1,vm-2". */
static enum run
export_process(struct stage *st, struct val v)
{
	struct str *ids = st->state;
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Entity"), STATS_OBJECTS, &refs);

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		str_addf(ids, "%s%s", ids->len ? "," : "", record_id(val_at(refs, i)));
	val_free(refs);
	return rc;
}

static enum run
download(struct stage *st, const char *path)
{
	AUTO(str) struct str body = STR_INIT;
	struct err e = ERR_INIT;

	if (rest_download(st->sh, path, &body, &e) < 0)
		return stage_error(st, &e, VAL_NONE);
	return write_file(st, get_text(st, "Path"), false, &body);
}

static enum run
export_end(struct stage *st)
{
	struct str *ids = st->state;
	AUTO(str) struct str q = STR_INIT;
	enum run rc;

	if (!ids->len)
		return RUN_OK;
	str_addf(&q, "/stats?format=csv&objects=%s", str_cstr(ids));
	stat_add_counters(st, &q);
	stat_add_instances(st, &q);
	stat_add_range(st, &q);
	rc = stat_add_interval(st, &q);
	return rc == RUN_OK ? download(st, str_cstr(&q)) : rc;
}

static enum run
graph_end(struct stage *st)
{
	struct str *ids = st->state;
	const char *theme = get_text(st, "Theme");
	AUTO(str) struct str q = STR_INIT;

	if (!ids->len)
		return RUN_OK;
	str_addf(&q, "/stats/graph?objects=%s", str_cstr(ids));
	stat_add_counters(st, &q);
	stat_add_range(st, &q);
	if (has_arg(st, "Width"))
		str_addf(&q, "&width=%lld", (long long)get_int(st, "Width", 0));
	if (has_arg(st, "Height"))
		str_addf(&q, "&height=%lld", (long long)get_int(st, "Height", 0));
	if (theme)
		str_addf(&q, "&theme=%s", strcasecmp(theme, "dark") ? "light" : "dark");
	return download(st, str_cstr(&q));
}

static void
export_fini(struct stage *st)
{
	str_fini(st->state);
}

const struct cmd_ops ops_export_stat = { sizeof(struct str), NULL, export_process,
	export_end, export_fini };
const struct cmd_ops ops_export_stat_graph = { sizeof(struct str), NULL, export_process,
	graph_end, export_fini };

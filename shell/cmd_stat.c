/*
 * cmd_stat: how machines, hosts and datastores fared.
 */
#include "shell/cmd_stat.h"

#include <string.h>

#include "base/json_peek.h"
#include "shell/date.h"
#include "shell/inventory.h"
#include "shell/rest.h"

#define MINUTE_S     60
#define MS_PER_S     1000
#define MAX_SAMPLES  1000000
#define MAX_INTERVAL 31536000

static const struct {
	const char *param, *pattern;
} groups[] = {
	{ "Cpu", "cpu.*" },
	{ "Memory", "mem.*" },
	{ "Disk", "disk.*" },
	{ "Network", "net.*" },
};

/* ---- what is asked ---- */

void
stat_add_counters(struct stage *st, struct str *q)
{
	struct val stats = get_arg(st, "Stat");

	for (size_t i = 0; i < val_count(stats); i++) {
		str_add(q, i ? "," : "&counters=");
		url_add(q, val_at(stats, i).text->s);
	}
}

void
stat_add_instances(struct stage *st, struct str *q)
{
	struct val names = get_arg(st, "Instance");

	for (size_t i = 0; i < val_count(names); i++) {
		str_add(q, i ? "," : "&instance=");
		url_add(q, val_at(names, i).text->s);
	}
}

/* Nothing: what everybody looks at. */
static void
add_groups(struct stage *st, struct str *q)
{
	const char *sep = has_arg(st, "Stat") ? "," : "&counters=";

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		if (!get_switch(st, groups[i].param))
			continue;
		str_addf(q, "%s%s", sep, groups[i].pattern);
		sep = ",";
	}
}

enum run
stat_add_interval(struct stage *st, struct str *q)
{
	int64_t secs = get_int(st, "IntervalSecs", 0);

	if (has_arg(st, "IntervalMins") &&
	    __builtin_mul_overflow(get_int(st, "IntervalMins", 0), MINUTE_S, &secs))
		secs = -1;
	if (secs < 0 || secs > MAX_INTERVAL)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "an interval is at most %d seconds", MAX_INTERVAL);
	if (secs)
		str_addf(q, "&interval=%lld", (long long)secs);
	return RUN_OK;
}

static void
add_time(struct stage *st, struct str *q, const char *param, const char *name)
{
	struct val t = get_arg(st, param);

	if (t.type == VAL_TIME)
		str_addf(q, "&%s=%lld", name, (long long)(t.i > 0 ? t.i : 0));
}

void
stat_add_range(struct stage *st, struct str *q)
{
	add_time(st, q, "Start", "start");
	add_time(st, q, "Finish", "end");
}

/* ---- what comes ---- */

struct series {
	const json *o;
	struct val entity;
	int64_t first_ms, step_ms;
};

static struct val
sample_record(const struct series *s, size_t i, const json *value)
{
	struct val r = val_table(TABLE_RECORD, "Stat");

	table_set(r.table, "MetricId", val_text(json_peek_str(s->o, "counter")));
	table_set(
	    r.table, "Timestamp", val_time(s->first_ms + (int64_t)i * s->step_ms));
	table_set(r.table, "Value", val_real(json_number(value)));
	table_set(r.table, "Unit", val_text(json_peek_str(s->o, "unit")));
	table_set(r.table, "Instance", val_text(json_peek_str(s->o, "instance")));
	table_set(r.table, "Entity", val_ref(s->entity));
	table_set(r.table, "EntityId", val_text(json_peek_str(s->o, "object")));
	table_set(r.table, "IntervalSecs", val_int(s->step_ms / MS_PER_S));
	return r;
}

/* Newest first; where there is no value there was no sample. */
static enum run
put_series(struct stage *st, const struct series *s, int64_t left)
{
	const json *values = json_get(s->o, "values");
	enum run rc = RUN_OK;

	for (size_t i = values ? json_count(values) : 0; i-- > 0 && left > 0;) {
		const json *v = json_at(values, i);

		if (json_what(v) == JSON_IS_NULL)
			continue;
		left--;
		rc = put(st, sample_record(s, i, v));
		if (rc != RUN_OK)
			break;
	}
	return rc;
}

enum run
stat_put_answer(struct stage *st, const json *answer)
{
	const json *all = json_get(answer, "series");
	const char *first = json_peek_str(answer, "first");
	int64_t left = get_int(st, "MaxSamples", MAX_SAMPLES);
	struct series s = { .step_ms = json_peek_int(answer, "interval_s") * MS_PER_S };
	enum run rc = RUN_OK;

	if (!first || !date_parse(first, &s.first_ms))
		return throw_new(
		    st->sh, st->node, ERR_CORRUPT, "the server's answer has no time");
	for (size_t i = 0; all && i < json_count(all) && rc == RUN_OK; i++) {
		s.o = json_at(all, i);
		s.entity = reference_to(st->sh, json_peek_str(s.o, "object"));
		rc = put_series(st, &s, left);
		val_free(s.entity);
	}
	return rc;
}

static enum run
put_stats(struct stage *st, struct val entity)
{
	AUTO(str) struct str q = STR_INIT;
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc;

	str_addf(&q, "/api/v1/stats?objects=%s", record_id(entity));
	stat_add_counters(st, &q);
	add_groups(st, &q);
	stat_add_instances(st, &q);
	stat_add_range(st, &q);
	rc = get_switch(st, "Realtime") ? RUN_OK : stat_add_interval(st, &q);
	if (rc != RUN_OK)
		return rc;
	if (rest_get(st->sh, str_cstr(&q), &answer, &e) < 0)
		return stage_error(st, &e, entity);
	return stat_put_answer(st, answer);
}

static enum run
get_stat_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Entity"), STATS_OBJECTS, &refs);

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = put_stats(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_stat = { 0, NULL, get_stat_process, NULL, NULL };

/* ---- what there is ---- */

static enum run
put_types(struct stage *st, const char *id)
{
	AUTO_FREE char *path = id ? xasprintf("/api/v1/stats/counters?object=%s", id)
				  : xstrdup("/api/v1/stats/counters");
	const char *pattern = get_text(st, "Name");
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_get(st->sh, path, &answer, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	const json *items = json_get(answer, "items");
	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK; i++) {
		const char *name = json_peek_str(json_at(items, i), "name");

		if (name && (!pattern || wild_match(pattern, name)))
			rc = put(st, val_text(name));
	}
	return rc;
}

static enum run
get_type_process(struct stage *st, struct val v)
{
	struct val entity = get_arg(st, "Entity"), refs = VAL_NONE;
	enum run rc;

	if (!val_count(entity))
		return put_types(st, NULL);
	rc = resolve(st, entity, STATS_OBJECTS, &refs);
	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = put_types(st, record_id(val_at(refs, i)));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_stat_type = { 0, NULL, get_type_process, NULL, NULL };

static struct val
interval_record(const json *o)
{
	struct val r = val_table(TABLE_RECORD, "StatInterval");

	table_set(r.table, "Name", val_text(json_peek_str(o, "name")));
	table_set(
	    r.table, "SamplingPeriodSecs", val_int(json_peek_int(o, "interval_s")));
	table_set(r.table, "StorageTimeSecs", val_int(json_peek_int(o, "length_s")));
	return r;
}

static enum run
get_interval_process(struct stage *st, struct val v)
{
	int64_t secs = get_int(st, "SamplingPeriodSecs", 0);
	const char *pattern = get_text(st, "Name");
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_get(st->sh, "/api/v1/stats/intervals", &answer, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	const json *items = json_get(answer, "items");
	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK; i++) {
		const json *o = json_at(items, i);
		const char *name = json_peek_str(o, "name");

		if (!name || (pattern && !wild_match(pattern, name)) ||
		    (secs && json_peek_int(o, "interval_s") != secs))
			continue;
		rc = put(st, interval_record(o));
	}
	return rc;
}

const struct cmd_ops ops_get_stat_interval = { 0, NULL, get_interval_process, NULL,
	NULL };

/*
 * cmd_task: tasks, events, and where a machine would go.
 */
#include <math.h>
#include <string.h>

#include "base/json_peek.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

#define MAX_SAMPLES 100
#define MAX_EVENTS  1000 /* a request */

/* Ids of the tasks that came: texts or records. */
static enum run
take_ids(struct stage *st, struct items *ids)
{
	struct val list = get_arg(st, "Task");

	for (size_t i = 0; i < val_count(list); i++) {
		struct val v = val_at(list, i);
		const char *id = v.type == VAL_TABLE ? record_id(v) : NULL;
		struct val text = id ? val_text(id) : val_to_text(v);
		obj_id o;
		struct err e = ERR_INIT;
		if (obj_id_parse(text.text->s, KIND_TASK, &o, &e) < 0) {
			val_free(text);
			enum run rc = stage_error(st, &e, v);
			if (rc != RUN_OK)
				return rc;
			continue;
		}
		list_push(ids, text);
	}
	return RUN_OK;
}

static enum run
ids_begin(struct stage *st)
{
	*(struct val *)st->state = val_list();
	return RUN_OK;
}

static enum run
ids_process(struct stage *st, struct val v)
{
	return take_ids(st, ((struct val *)st->state)->list);
}

static void
ids_fini(struct stage *st)
{
	val_free(*(struct val *)st->state);
}

static enum run
wait_end(struct stage *st)
{
	const struct items *ids = ((struct val *)st->state)->list;
	enum run rc = RUN_OK;

	for (size_t i = 0; i < ids->n && rc == RUN_OK; i++) {
		AUTO(json) json *task = NULL;
		struct err e = ERR_INIT;
		const char *id = ids->v[i].text->s;
		if (task_wait(st->sh, id, id, &task, &e) < 0) {
			rc = stage_error(st, &e, ids->v[i]);
			continue;
		}
		known_expire(st->sh);
		rc = put(st, record_from(st->sh, KIND_TASK, task));
		if (rc == RUN_OK && task_fault(task, &e) < 0)
			rc = stage_error(st, &e, ids->v[i]);
	}
	return rc;
}

const struct cmd_ops ops_wait_task = { sizeof(struct val), ids_begin, ids_process,
	wait_end, ids_fini };

static enum run
stop_end(struct stage *st)
{
	const struct items *ids = ((struct val *)st->state)->list;
	enum run rc = RUN_OK;

	for (size_t i = 0; i < ids->n && rc == RUN_OK; i++) {
		AUTO(json) json *answer = NULL;
		AUTO_FREE char *path = object_path(ids->v[i].text->s, "cancel");
		struct err e = ERR_INIT;
		enum should should = stage_should(st, ids->v[i].text->s, NULL);
		if (should == SHOULD_FAIL)
			return RUN_THROW;
		if (should == SHOULD_DO &&
		    rest_change(st->sh, "POST", path, NULL, &answer, &e) < 0)
			rc = stage_error(st, &e, ids->v[i]);
	}
	return rc;
}

const struct cmd_ops ops_stop_task = { sizeof(struct val), ids_begin, ids_process,
	stop_end, ids_fini };

/* Which ones the server is to look for. */
static void
add_wanted(struct stage *st, struct str *q)
{
	struct val types = get_arg(st, "Types"), start = get_arg(st, "Start"),
		   finish = get_arg(st, "Finish");
	const char *user = get_text(st, "Username");

	for (size_t i = 0; i < val_count(types); i++) {
		str_add(q, i ? "," : "&types=");
		url_add(q, val_at(types, i).text->s);
	}
	if (user) {
		str_add(q, "&user=");
		url_add(q, user);
	}
	if (start.type == VAL_TIME)
		str_addf(q, "&start=%lld", (long long)(start.i > 0 ? start.i : 0));
	if (finish.type == VAL_TIME)
		str_addf(q, "&end=%lld", (long long)(finish.i > 0 ? finish.i : 0));
}

static enum run
put_page(struct stage *st, const json *page, int64_t *left)
{
	const json *items = json_get(page, "items");
	enum run rc = RUN_OK;

	for (size_t i = 0; items && i < json_count(items) && rc == RUN_OK && *left > 0;
	     i++) {
		--*left;
		rc = put(st, record_from(st->sh, KIND_EVENT, json_at(items, i)));
	}
	return rc;
}

/* Events of one object and what is in it (NULL: of all), newest first, page by page. */
static enum run
put_events(struct stage *st, const char *entity)
{
	int64_t left = get_int(st, "MaxSamples", MAX_SAMPLES);
	struct str q = STR_INIT;
	enum run rc = RUN_OK;

	if (left < 1 || left > 1000000)
		return throw_new(
		    st->sh, st->node, ERR_INVALID, "-MaxSamples wants 1 to 1000000");
	str_addf(&q, "/api/v1/events?limit=%lld",
	    (long long)(left > MAX_EVENTS ? MAX_EVENTS : left));
	if (entity)
		str_addf(&q, "&entity=%s", entity);
	add_wanted(st, &q);
	char *path = str_take(&q);
	while (path && rc == RUN_OK && left > 0) {
		AUTO(json) json *page = NULL;
		struct err e = ERR_INIT;

		if (rest_get(st->sh, path, &page, &e) < 0) {
			rc = throw_err(st->sh, st->node, &e);
			break;
		}
		rc = put_page(st, page, &left);
		free(path);
		const char *next = json_peek_str(page, "next");
		path = next ? xstrdup(next) : NULL;
	}
	free(path);
	return rc;
}

static enum run
get_event_process(struct stage *st, struct val v)
{
	const unsigned any =
	    ~(1u << KIND_NONE | KIND_BIT(EVENT) | KIND_BIT(TASK) | KIND_BIT(USER));
	struct val entity = get_arg(st, "Entity"), refs = VAL_NONE;
	enum run rc;

	if (!val_count(entity))
		return put_events(st, NULL);
	rc = resolve(st, entity, any & ((1u << KIND_COUNT_) - 1), &refs);
	if (rc != RUN_OK)
		return rc;
	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++)
		rc = put_events(st, record_id(val_at(refs, i)));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_event = { 0, NULL, get_event_process, NULL, NULL };

/* A per mille figure of the answer as per cent. */
static struct val
percent(const json *o, const char *key)
{
	uint64_t permille = 0;

	if (!json_get(o, key) ||
	    json_read_u64(o, key, JSON_REQUIRED, 0, INT64_MAX, &permille, NULL) < 0)
		return VAL_NONE;
	return val_real((double)permille / 10);
}

static struct val
placement_record(struct shell *sh, const json *c, int64_t rank)
{
	struct val r = val_table(TABLE_RECORD, "DrsPlacement");
	json *host = json_get(c, "host"), *text = json_get(c, "text"),
	     *fits = json_get(c, "fits");
	json *reasons = json_get(c, "reasons");

	table_set(r.table, "Rank", val_int(rank));
	table_set(r.table, "VMHost",
	    host && json_what(host) == JSON_IS_STR
		? reference_to(sh, json_str_value(host, NULL))
		: VAL_NONE);
	table_set(r.table, "Fits", fits ? val_from_json(fits, TABLE_RECORD) : VAL_NONE);
	table_set(r.table, "CpuBeforePct", percent(c, "cpu_before_permille"));
	table_set(r.table, "CpuAfterPct", percent(c, "cpu_after_permille"));
	table_set(r.table, "MemoryBeforePct", percent(c, "memory_before_permille"));
	table_set(r.table, "MemoryAfterPct", percent(c, "memory_after_permille"));
	table_set(
	    r.table, "Reason", text ? val_from_json(text, TABLE_RECORD) : VAL_NONE);
	table_set(r.table, "Reasons",
	    reasons ? val_from_json(reasons, TABLE_RECORD) : VAL_NONE);
	return r;
}

static enum run
put_placement(struct stage *st, const json *answer)
{
	const json *items = json_get(answer, "items");
	enum run rc = RUN_OK;

	for (size_t i = 0; items && i < json_count(items); i++) {
		const json *all = json_get(json_at(items, i), "candidates");
		for (size_t k = 0; all && k < json_count(all) && rc == RUN_OK; k++)
			rc = put(st,
			    placement_record(st->sh, json_at(all, k), (int64_t)k + 1));
	}
	return rc;
}

static enum run
set_id(struct stage *st, json *body, const char *param, unsigned kinds, const char *key)
{
	const char *id;
	struct val keep = VAL_NONE;
	enum run rc = resolve_one(st, param, kinds, &id, &keep);

	if (rc == RUN_OK && id)
		json_set_str(body, key, id);
	if (rc == RUN_OK)
		val_free(keep);
	return rc;
}

static enum run
placement_process(struct stage *st, struct val v)
{
	struct val gb = get_arg(st, "MemoryGB");
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	struct err e = ERR_INIT;
	int64_t mb = get_int(st, "MemoryMB", 256);
	enum run rc = set_id(st, body, "Cluster", KIND_BIT(CLUSTER), "cluster");

	if (rc == RUN_OK)
		rc = set_id(st, body, "Datastore", KIND_BIT(DATASTORE), "datastore");
	if (rc == RUN_OK)
		rc = set_id(st, body, "NetworkName", KIND_BIT(NETWORK), "network");
	if (rc != RUN_OK)
		return rc;
	if (has_arg(st, "MemoryGB"))
		mb = (int64_t)rint((gb.type == VAL_REAL ? gb.d : (double)gb.i) * 1024);
	json_set_i64(body, "num_cpu", get_int(st, "NumCpu", 1));
	json_set_i64(body, "memory_mb", mb);
	if (rest_change(st->sh, "POST", "/placements", body, &answer, &e) < 0)
		return stage_error(st, &e, get_arg(st, "Cluster"));
	return put_placement(st, answer);
}

const struct cmd_ops ops_placement = { 0, NULL, placement_process, NULL, NULL };

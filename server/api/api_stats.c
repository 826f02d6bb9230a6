/*
 * How objects fare: samples by object, counter and time.
 */
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_pieces.h"
#include "server/api/api_stat_ask.h"
#include "server/api/stat_text.h"
#include "server/stats/rrd_file.h"
#include "server/stats/stat_digest.h"
#include "server/stats/stat_group.h"

/* Values in one answer from which on it goes in pieces. */
#define VALUES_WHOLE 20000u
#define PIECE        65536u

struct stats_call {
	struct api_call *call;
	struct stat_text text;
	struct stat_answer *kept; /* of an answer in pieces */
};

/* ---- the answer ---- */

static bool
on_more(void *arg, struct str *out)
{
	struct stats_call *x = arg;

	return stat_text_more(&x->text, PIECE, out);
}

static void
on_end(void *arg)
{
	struct stats_call *x = arg;

	free(x->kept);
	free(x);
}

static const struct piece_source pieces = { on_more, on_end };

static void
on_answer(void *arg, int rc, const struct err *e, const struct stat_answer *a)
{
	struct stats_call *x = arg;
	const char *type = x->text.csv ? "text/csv; charset=utf-8" : "application/json";
	struct str b = STR_INIT;
	size_t n;

	if (rc) {
		api_reply_err(x->call, e);
		on_end(x);
		return;
	}
	x->text.a = a;
	if (a->n_series * a->n_values > VALUES_WHOLE) {
		x->text.a = x->kept = stat_answer_copy(a);
		api_reply_pieces(x->call, type, &pieces, x);
		return;
	}
	(void)stat_text_more(&x->text, SIZE_MAX, &b);
	n = b.len;
	api_reply_text(x->call, type, str_take(&b), n);
	on_end(x);
}

/* ---- the question ---- */

static int
read_percentiles(struct stats_call *x, struct err *e)
{
	const char *list = request_arg(x->call->req, "percentiles");
	AUTO_FREE char *copy = xstrdup(list ? list : "");
	char *rest = copy;

	if (*copy && x->text.csv)
		return err_set(
		    e, ERR_INVALID, "percentiles: CSV has no place for them");
	for (char *word; (word = strsep(&rest, ",")) != NULL;) {
		AUTO_FREE char *name = xasprintf("p%s", word);
		struct stat_by by;

		if (!*word)
			continue;
		if (x->text.n_percentiles == STAT_PERCENTILES_MAX)
			return err_set(e, ERR_TOO_LARGE,
			    "percentiles: at most %u may be asked for at once",
			    STAT_PERCENTILES_MAX);
		if (stat_by_parse(name, &by, NULL))
			return err_set(e, ERR_INVALID,
			    "percentiles: more than 0 and up to 100, not \"%.40s\"",
			    word);
		x->text.percentiles[x->text.n_percentiles++] = by.percent;
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
	x->text.csv = str_same(format, "csv");
	return read_percentiles(x, e);
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
ask_groups(struct stats_call *x, struct stat_names *a, const struct stat_ask *ask,
    struct err *e)
{
	AUTO_FREE obj_id *groups = NULL;
	struct stat_group_ask g = { .of = *ask };
	int rc;

	if (ask->instances)
		return err_set(
		    e, ERR_INVALID, "instance: groups are of objects as a whole");
	rc = stat_groups_read(x->call, a, &groups, e);
	if (!rc)
		rc = read_join(x, &g, e);
	if (rc)
		return rc;
	g.groups = groups;
	g.of.ids = a->ids;
	g.of.n_ids = a->n_ids;
	return stats_group(x->call->api->d.stats, &g, on_answer, x, e);
}

static int
ask_objects(struct stats_call *x, const struct stat_ask *ask, struct err *e)
{
	if (ask->n_ids > STAT_OBJECTS_MAX) {
		return err_set(e, ERR_TOO_LARGE,
		    "%zu objects are asked for: at most %u get a series each, so name a "
		    "smaller place, or a \"group\"",
		    ask->n_ids, STAT_OBJECTS_MAX);
	}
	return stats_query(x->call->api->d.stats, ask, on_answer, x, e);
}

void
api_stats(struct api_call *c)
{
	AUTO(stat_names) struct stat_names *a = stat_names_new();
	const char *group = request_arg(c->req, "group");
	struct stat_ask ask = { .instances = request_arg(c->req, "instance") };
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
	x->text.extremes = ask.want.points != 0;
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
		{ METRIC_OF_SERVER, "server" },
	};

	json *list = json_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (objects & all[i].object)
			json_add_str(list, all[i].name);
	}
	return list;
}

static json *
instances_json(const struct stats *s, obj_id id, const struct metric *m)
{
	const char *names[METRIC_INSTANCES_MAX];
	size_t n = stats_instances(s, id, m->number, names);
	json *list = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_add_str(list, names[i]);
	return list;
}

static unsigned
instance_objects(const struct metric *m)
{
	unsigned objects = 0;

	for (unsigned one = METRIC_OF_HOST; one <= METRIC_OF_SERVER; one <<= 1)
		objects |= metric_has_instances(m, one) ? one : 0;
	return objects;
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
	json_set_json(j, "instance_objects", objects_json(instance_objects(m)));
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
		if (!(m->objects & objects))
			continue;
		json *j = counter_json(m);
		if (a->n_ids)
			json_set_json(j, "instances",
			    instances_json(c->api->d.stats, a->ids[0], m));
		json_add_json(items, j);
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
